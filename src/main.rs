//! Entry point: parse, run, exit code; nothing else.

fn main() -> std::process::ExitCode {
    syntrace::cli::main()
}
