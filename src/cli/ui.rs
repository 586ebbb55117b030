//! `syntrace ui`

use clap::Args;
use std::path::PathBuf;

/// Look at the study in a browser, on this machine
///
/// Read-only, offline, and works while a run is writing: each page sees the newest finished job. Prints the address to
/// open, which has the secret that lets a browser in. Ends with Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct UiArgs {
    /// The study file
    study: PathBuf,
    /// Port; 8765 by default, or any free one where that is taken
    #[arg(long)]
    port: Option<u16>,
    /// Name training members: real traces with their addresses, captures, seeds
    #[arg(long)]
    members: bool,
    /// Memory that the queries of all pages together may hold before they spill to disk, MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    memory: usize,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
}

/// Without the feature `ui`: says so.
#[cfg(not(feature = "ui"))]
pub(super) fn ui(_args: &UiArgs) -> crate::error::Result<std::process::ExitCode> {
    Err(crate::error::Error::left_out("pages for a browser", "ui"))
}

#[cfg(feature = "ui")]
pub(super) fn ui(args: &UiArgs) -> crate::error::Result<std::process::ExitCode> {
    use crate::base::thread_count;
    use crate::query::{RealTraces, SessionOptions};
    let store = crate::store::Store::open(&args.study, super::CACHE_BYTES)?;
    let threads = args.threads.unwrap_or_else(thread_count).max(1);
    let options = crate::ui::UiOptions {
        name: args.study.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        port: args.port,
        real: if args.members { RealTraces::Named } else { RealTraces::Hidden },
        session: SessionOptions { memory_bytes: args.memory.max(1) << 20, threads },
    };
    crate::ui::ui(store, options, |address| {
        note!("showing {}, read-only; Ctrl-C ends it", args.study.display());
        note!("{address}");
    })?;
    note!("stopped");
    Ok(std::process::ExitCode::SUCCESS)
}
