//! `syntrace export`

use super::CACHE_BYTES;
use super::nprint::{NprintColumns, sink};
use crate::base::ModelId;
use crate::error::{Error, Result, io_error};
use crate::pipeline::{TraceSelection, export_capture, export_nprint, export_traces};
use crate::store::{Snapshot, Store};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write traces or captures of a study to files of other tools
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The study file
    study: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Traces as a PCAP, real ones of a class or synthetic ones of a model
    Pcap {
        #[command(flatten)]
        selection: Selection,
        /// PCAP file; stdout by default
        #[arg(short, long)]
        out: Option<PathBuf>,
    },
    /// Traces as nPrint's CSV
    Nprint {
        #[command(flatten)]
        selection: Selection,
        /// CSV file; stdout by default
        #[arg(short, long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        columns: NprintColumns,
    },
    /// A redacted copy of the study: results, hashes and provenance, nothing of any single trace
    ///
    /// Left out: captures, traces, packets, encodings, member lists, attributes, attack scores, synthetic
    /// traces, weights, seeds, file names and times of captures. Ids are made anew.
    Share {
        /// Study file to write; must not exist
        #[arg(short, long)]
        out: PathBuf,
    },
    /// A capture as it came in, byte for byte
    Capture {
        /// Its capture_id, digest or file name
        capture: String,
        /// File; stdout by default
        #[arg(short, long)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Selection {
    /// Dataset of real traces
    #[arg(long, requires = "class")]
    dataset: Option<String>,
    /// Class of real traces
    #[arg(long, requires = "dataset")]
    class: Option<String>,
    /// Model whose synthetic traces are wanted (its model_id)
    #[arg(long, conflicts_with_all = ["dataset", "class"])]
    model: Option<i64>,
    /// Synthetic traces as generated, impossible lengths and checksums included
    #[arg(long, requires = "model")]
    raw: bool,
}

impl Selection {
    fn resolve(&self) -> Result<TraceSelection> {
        match (&self.dataset, &self.class, self.model) {
            (Some(dataset), Some(class), None) => {
                Ok(TraceSelection::Class { dataset: dataset.clone(), class: class.clone() })
            }
            (None, None, Some(model)) => Ok(TraceSelection::Model { model_id: ModelId(model), raw: self.raw }),
            _ => Err(Error::user("expected --dataset and --class, or --model; found neither")),
        }
    }
}

pub(super) fn export(args: &ExportArgs) -> Result<ExitCode> {
    let snapshot = Store::open(&args.study, CACHE_BYTES)?.snapshot()?;
    match &args.what {
        What::Pcap { selection, out } => {
            let selection = selection.resolve()?;
            let (traces, packets) = with_sink(out.as_deref(), |sink| export_traces(&snapshot, &selection, sink))?;
            eprintln!("{traces} traces, {packets} packets");
        }
        What::Nprint { selection, out, columns } => {
            let (selection, options) = (selection.resolve()?, columns.options(None, true)?);
            let rows = with_sink(out.as_deref(), |sink| export_nprint(&snapshot, &selection, &options, sink))?;
            eprintln!("{rows} rows");
        }
        What::Share { out } => super::share::share(&snapshot, out)?,
        What::Capture { capture, out } => {
            let bytes = with_sink(out.as_deref(), |sink| write_capture(&snapshot, capture, sink))?;
            eprintln!("{bytes} bytes");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_capture(snapshot: &Snapshot, name: &str, sink: &mut dyn Write) -> Result<u64> {
    export_capture(snapshot, name, sink)
}

/// Runs `write` on a file or stdout and flushes; a failed export leaves no half-written file.
fn with_sink<T>(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut out = sink(path)?;
    let written = write(out.as_mut()).and_then(|value| {
        let place = path.unwrap_or(Path::new("stdout"));
        out.flush().map_err(|error| io_error("write", place, &error)).map(|()| value)
    });
    if let (Err(_), Some(path)) = (&written, path) {
        let _ = std::fs::remove_file(path);
    }
    written
}
