//! Entry point with libtorch: what `syntrace` hands `run` and `plan` to. Knows every verb all the same.

fn main() -> std::process::ExitCode {
    syntrace::cli::main(syntrace::cli::training)
}
