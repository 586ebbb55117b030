//! `syntrace export`

use super::CACHE_BYTES;
use super::atomic_file::{Beside, Existing, Sink};
use super::export_png::{PngArgs, export_png};
use super::nprint::NprintColumns;
use crate::base::ModelId;
use crate::error::{Error, Result};
use crate::pipeline::{TraceSelection, export_capture, export_nprint, export_pcapng, export_traces, export_weights};
use crate::query::Format;
use crate::store::{Snapshot, Store};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write what a study holds to files of other tools
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The study file
    study: PathBuf,
    /// Replace files that exist
    #[arg(long, global = true)]
    force: bool,
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
    /// Traces as a PCAPNG, each packet with its class (or model) and trace_id as comment
    Pcapng {
        #[command(flatten)]
        selection: Selection,
        /// PCAPNG file; stdout by default
        #[arg(short, long)]
        out: Option<PathBuf>,
    },
    /// Weights of a model, and its configuration as JSON beside them
    Weights {
        /// Its model_id
        #[arg(long)]
        model: i64,
        /// File for the weights (x.safetensors); the configuration goes to x.json
        #[arg(short, long)]
        out: PathBuf,
    },
    /// Every SQL table as files: Parquet, Arrow IPC or CSV, cut by generator and epsilon
    ///
    /// TABLE/part-0.parquet, or TABLE/part-G@epsE.parquet where the table has both columns: part-G@none.parquet is
    /// of models without differential privacy, part-@real.parquet of real traffic. Every file has all columns.
    Tables {
        /// Folder; new or empty
        #[arg(short, long)]
        out: PathBuf,
        /// parquet, arrow or csv
        #[arg(long, default_value = "parquet", value_parser = ["parquet", "arrow", "csv"])]
        format: String,
        /// Only this table; may be given several times
        #[arg(long = "table", value_name = "NAME")]
        tables: Vec<String>,
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
    /// nPrint images as PNG in the published colours: 1 red, 0 green, absent blue
    ///
    /// Training images with --dataset and --class; with --model the packets that it generated, as stored (after
    /// repair) and encoded again.
    Png {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        png: PngArgs,
    },
    /// What a model made elsewhere needs to be attacked as ours are: traces, lists, a manifest
    ///
    /// DIR/traces.pcapng and packets.parquet are the class; for the target and each shadow, train.pcap is what it is trained
    /// on, members.csv lists that and what is held out, references.csv the traces of the other models, which it is to be
    /// asked about as well. import.toml waits for what the models write: `syntrace import STUDY DIR`.
    Kit {
        #[command(flatten)]
        kit: super::export_kit::KitArgs,
    },
    /// A redacted copy of the study: results, hashes and provenance, nothing of any single trace
    ///
    /// Left out: captures, traces, packets, encodings, member lists, attributes, attack scores, synthetic
    /// traces, weights, seeds, names and times of captures. Ids are made anew (but those of classes, which follow
    /// from their names). Results about members as a whole stay (attacks, fidelity, losses by epoch): no epsilon
    /// covers them. So do the names of datasets, classes, generators and imported attributes.
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

impl What {
    /// The path that the user typed.
    fn out(&self) -> Option<&Path> {
        match self {
            Self::Pcap { out, .. }
            | Self::Pcapng { out, .. }
            | Self::Nprint { out, .. }
            | Self::Capture { out, .. } => out.as_deref(),
            Self::Kit { kit } => Some(&kit.out),
            Self::Weights { out, .. }
            | Self::Tables { out, .. }
            | Self::Png { png: PngArgs { out, .. }, .. }
            | Self::Share { out } => Some(out),
        }
    }
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
    if let Some(out) = args.what.out() {
        super::require_other_file(out, &args.study)?;
    }
    let existing = Existing::forced(args.force);
    match &args.what {
        What::Pcap { selection, out } => {
            let selection = selection.resolve()?;
            let (traces, packets) =
                with_sink(out.as_deref(), existing, |sink| export_traces(&snapshot, &selection, sink))?;
            note!("{traces} traces, {packets} packets");
        }
        What::Nprint { selection, out, columns } => {
            let (selection, options) = (selection.resolve()?, columns.options(None, true)?);
            let rows =
                with_sink(out.as_deref(), existing, |sink| export_nprint(&snapshot, &selection, &options, sink))?;
            note!("{rows} rows");
        }
        What::Pcapng { selection, out } => {
            let selection = selection.resolve()?;
            let (traces, packets) =
                with_sink(out.as_deref(), existing, |sink| export_pcapng(&snapshot, &selection, sink))?;
            note!("{traces} traces, {packets} packets");
        }
        What::Weights { model, out } => {
            if out.extension().is_some_and(|extension| extension == "json") {
                return Err(Error::user(format!("`{}` is where the configuration goes", out.display()))
                    .hint("name the weights x.safetensors"));
            }
            let beside = out.with_extension("json");
            if existing == Existing::Keep && beside.exists() {
                return Err(Error::user(format!("`{}` exists", beside.display())).hint("--force replaces it"));
            }
            let config = with_sink(Some(out), existing, |sink| export_weights(&snapshot, ModelId(*model), sink))?;
            let text = format!("{config:#}\n");
            Beside::write_whole(&beside, existing, text.as_bytes())?;
            note!("weights in {}, configuration in {}", out.display(), beside.display());
        }
        What::Tables { out, format, tables } => {
            // One thread keeps the order of rows.
            let asker =
                super::query_session::Asker::open(&args.study, super::export_tables::TABLES_MEMORY_MIB, Some(1))?;
            let format = Format::from_name(format)?;
            let exported = super::export_tables::export_tables(asker.session(), tables, format, out)?;
            note!("{} files, {} rows", exported.files, exported.rows);
        }
        What::Png { selection, png } => {
            let images = export_png(&snapshot, selection.resolve()?, png, existing)?;
            note!("{images} images");
        }
        What::Kit { kit } => super::export_kit::export_kit(&args.study, &snapshot, kit)?,
        What::Share { out } => super::share::share(&snapshot, out)?,
        What::Capture { capture, out } => {
            let bytes = with_sink(out.as_deref(), existing, |sink| write_capture(&snapshot, capture, sink))?;
            note!("{bytes} bytes");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_capture(snapshot: &Snapshot, name: &str, sink: &mut dyn Write) -> Result<u64> {
    export_capture(snapshot, name, sink)
}

/// Runs `write` on a file or stdout and ends it; a failed export leaves what was there as it was.
fn with_sink<T>(path: Option<&Path>, existing: Existing, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut sink = Sink::open(path, existing)?;
    let written = write(&mut sink)?;
    sink.finish()?;
    Ok(written)
}
