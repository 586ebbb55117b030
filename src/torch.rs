//! Entry point with libtorch, to which `syntrace` delegates `run` and `plan`. Supports every verb all the same.

/// The whole process allocates through mimalloc: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    syntrace::cli::main(syntrace::cli::training)
}
