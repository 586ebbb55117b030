//! `syntrace ingest`

use super::{CACHE_BYTES, bars::Bar, print_error};
use crate::error::{Error, Result};
use crate::pipeline::{IngestOptions, IngestReport, captures_by_folder, ingest_files};
use crate::record::{Origin, TraceUnit};
use crate::spec::TraceSpec;
use crate::store::StoreWriter;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Add captures (PCAP, PCAPNG) to a study: verbatim, and cut into traces
///
/// The study is made where no file is. The same capture under the same class and cut is added once.
/// A damaged file gives what is readable; what was left out and why is in the table `capture_drops`.
#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// The study file
    study: PathBuf,
    /// Captures
    files: Vec<PathBuf>,
    /// Dataset that they belong to
    #[arg(long)]
    dataset: String,
    /// Class within the dataset
    #[arg(long, required_unless_present = "by_folder")]
    class: Option<String>,
    /// A folder whose sub-folders are classes
    #[arg(long, value_name = "DIR", conflicts_with_all = ["class", "files"])]
    by_folder: Option<PathBuf>,
    /// Keep the traces only, not the verbatim files
    #[arg(long)]
    no_keep_captures: bool,
    /// What one trace is cut from
    #[arg(long, value_parser = ["flow", "capture"], default_value = "flow")]
    trace: String,
    /// Packets of a trace
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    packets: u32,
    /// Fewer packets give no trace
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    min_packets: u32,
    /// The traffic is public: it may be used outside the DP mechanism
    #[arg(long)]
    public: bool,
}

pub(super) fn ingest(args: &IngestArgs) -> Result<ExitCode> {
    let groups = match (&args.by_folder, &args.class) {
        (Some(folder), _) => {
            let (groups, passed_over) = captures_by_folder(folder)?;
            if passed_over > 0 {
                note!("passed over {passed_over} files that are in no sub-folder or end as no capture does");
            }
            groups
        }
        (None, Some(class)) if !args.files.is_empty() => vec![(class.clone(), args.files.clone())],
        _ => return Err(Error::user("expected captures, found none").hint("name files, or a folder with --by-folder")),
    };
    let store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    let unit = if args.trace == "capture" { TraceUnit::Capture } else { TraceUnit::Flow };
    let traces =
        TraceSpec { packets: args.packets, min_packets: args.min_packets, unit, keep_captures: !args.no_keep_captures };
    let mut totals = Totals::default();
    for (class, files) in groups {
        let origin = if args.public { Origin::Public } else { Origin::Captured };
        let options = IngestOptions { dataset: args.dataset.clone(), class, origin, traces };
        for report in ingest_files(&store, &options, &files, &Bar::alone())? {
            totals.count(report);
        }
    }
    totals.print();
    Ok(if totals.refused > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

#[derive(Default)]
struct Totals {
    added: u64,
    present: u64,
    refused: u64,
    traces: u64,
    packets: u64,
    dropped: u64,
}

impl Totals {
    fn count(&mut self, report: Result<IngestReport>) {
        match report {
            Err(error) => {
                self.refused += 1;
                print_error(&error);
            }
            Ok(IngestReport { added: false, .. }) => self.present += 1,
            Ok(report) => {
                self.added += 1;
                if let Some(damage) = report.capture.as_ref().and_then(|capture| capture.damage.as_ref()) {
                    note!("damaged: `{}` at offset {}: {}", report.path.display(), damage.offset, damage.reason);
                }
                if let Some(record) = report.record {
                    self.traces += record.traces;
                    self.packets += record.packets;
                    self.dropped += record.drops.iter().map(|drop| drop.packets).sum::<u64>();
                }
            }
        }
    }

    fn print(&self) {
        note!(
            "added {} captures ({} were there already, {} refused): {} traces, {} packets kept, {} left out",
            self.added,
            self.present,
            self.refused,
            self.traces,
            self.packets,
            self.dropped
        );
        if self.dropped > 0 {
            note!("why: `syntrace query STUDY drops_by_reason`");
        }
    }
}
