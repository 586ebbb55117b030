//! `syntrace ui`

use clap::Args;
use std::path::PathBuf;

/// Look at studies in a browser, on this machine
///
/// Read-only, offline, and works while a run is writing: each page sees the newest finished job. Prints the address to
/// open, which has the secret that lets a browser in. Ends with Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct UiArgs {
    /// The study files; of several, each has its pages below its name
    #[arg(required = true, value_name = "STUDY")]
    studies: Vec<PathBuf>,
    /// Port; 8765 by default, or any free one where that is taken
    #[arg(long)]
    port: Option<u16>,
    /// Name training members: real traces with their addresses, captures, seeds
    #[arg(long)]
    members: bool,
    /// Write the pages that need no server as files into this new folder, and end
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    freeze: Option<PathBuf>,
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
    let open = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, crate::store::Store::open(path, super::CACHE_BYTES)?))
    };
    let threads = args.threads.unwrap_or_else(thread_count).max(1);
    let options = crate::ui::UiOptions {
        studies: args.studies.iter().map(open).collect::<crate::error::Result<_>>()?,
        real: if args.members { RealTraces::Named } else { RealTraces::Hidden },
        session: SessionOptions { memory_bytes: args.memory.max(1) << 20, threads },
    };
    if let Some(folder) = &args.freeze {
        freeze(options, folder)?;
        return Ok(std::process::ExitCode::SUCCESS);
    }
    crate::ui::ui(options, args.port, |address| {
        let names: Vec<String> = args.studies.iter().map(|study| study.display().to_string()).collect();
        note!("showing {}, read-only; Ctrl-C ends it", names.join(", "));
        note!("{address}");
    })?;
    note!("stopped");
    Ok(std::process::ExitCode::SUCCESS)
}

/// Writes the pages into a folder that has nothing else.
#[cfg(feature = "ui")]
fn freeze(options: crate::ui::UiOptions, folder: &std::path::Path) -> crate::error::Result<()> {
    use crate::error::Error;
    let failed = |error: std::io::Error| Error::user(format!("cannot write to `{}`: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        let error = format!("expected a new or empty folder for the pages, found files in `{}`", folder.display());
        return Err(Error::user(error).hint("name another folder"));
    }
    let (pages, more) =
        crate::ui::freeze(options, |name, bytes| std::fs::write(folder.join(name), bytes).map_err(failed))?;
    let first = folder.join("index.html");
    note!("{pages} pages{}: open {}", if more { ", of more" } else { "" }, first.display());
    Ok(())
}
