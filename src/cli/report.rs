//! `syntrace report`

use super::atomic_file::{Existing, Sink};
use super::query_session::Asker;
use crate::error::{Error, Result, io_error};
use crate::report::{FigureFormat, Members, figure, html};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write one self-contained HTML page about a study, or one figure of it
///
/// The page needs no script and nothing from elsewhere; every number in it is the answer of a named
/// query, which stands beside it with its CSV. Nobody who was trained on is named without --members. A figure is written as the output's extension says:
/// .svg, .png or .csv.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The study file
    study: PathBuf,
    /// Where to write it; report.html by default, NAME.svg for a figure, `-` for standard output
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Write this figure alone: figure2, privacy_vs_utility, ... (an unknown name lists all)
    #[arg(long, value_name = "NAME")]
    figure: Option<String>,
    /// Name training members too: the most exposed with addresses and ports, pictures of real traces, captures, jobs and
    /// seeds; the page says so at its top
    #[arg(long)]
    members: bool,
}

/// Memory that the queries may hold before they spill, MiB.
const MEMORY_MIB: usize = 512;

pub(super) fn report(args: &ReportArgs) -> Result<ExitCode> {
    let members = if args.members { Members::Named } else { Members::Hidden };
    let (output, content) = match &args.figure {
        Some(name) => {
            let output = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.svg")));
            let format = figure_format(&output)?;
            let asker = Asker::open(&args.study, MEMORY_MIB, None)?;
            (output, figure(asker.session(), name, format, members)?)
        }
        None => {
            let output = args.output.clone().unwrap_or_else(|| PathBuf::from("report.html"));
            let asker = Asker::open(&args.study, MEMORY_MIB, None)?;
            let name = args.study.file_name().unwrap_or(args.study.as_os_str()).to_string_lossy();
            (output, html(asker.session(), &name, members)?.into_bytes())
        }
    };
    super::require_other_file(&output, &args.study)?;
    let mut sink = Sink::open(Some(&output), Existing::Replace)?;
    sink.write_all(&content).map_err(|error| io_error("write", &output, &error))?;
    sink.finish()?;
    if output != Path::new("-") {
        note!("wrote {}", output.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn figure_format(output: &Path) -> Result<FigureFormat> {
    let extension = output.extension().map(|extension| extension.to_string_lossy().into_owned());
    let Some(extension) = extension else {
        return Err(Error::user(format!("`{}` has no extension that says how to write the figure", output.display()))
            .hint("-o NAME.svg, NAME.png or NAME.csv"));
    };
    FigureFormat::from_extension(&extension)
}
