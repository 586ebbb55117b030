//! Entry point of every verb: parse, run, exit code; nothing else.
//!
//! This binary is not linked to libtorch, whose loading would cost every query half a second: `run` and
//! `plan` exec `syntrace-torch` from the same folder (see `torch.rs`).

/// The whole process allocates through mimalloc: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "torch")]
    let training = syntrace::cli::delegated_training;
    #[cfg(not(feature = "torch"))]
    let training = syntrace::cli::training;
    syntrace::cli::main(training)
}
