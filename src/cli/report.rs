//! `syntrace report`

use super::sql::Asker;
use crate::error::{Result, io_error};
use crate::report::html;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write one self-contained HTML file with the headline tables, figures and provenance
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The study file
    study: PathBuf,
    /// Where to write it
    #[arg(short, long, default_value = "report.html")]
    output: PathBuf,
}

pub(super) fn report(args: &ReportArgs) -> Result<ExitCode> {
    super::require_other_file(&args.output, &args.study)?;
    let memory_mib = 512;
    let asker = Asker::open(&args.study, memory_mib, None)?;
    let name = args.study.file_name().unwrap_or(args.study.as_os_str()).to_string_lossy();
    let text = html(asker.session(), &name)?;
    std::fs::write(&args.output, text).map_err(|error| io_error("write", &args.output, &error))?;
    eprintln!("wrote {}", args.output.display());
    Ok(ExitCode::SUCCESS)
}
