//! `syntrace ingest`

use super::{CACHE_BYTES, print_error, progress_bars::Bar};
use crate::error::{Error, Result};
use crate::pipeline::{
    CaptureInput, IngestOptions, IngestReport, PassedOver, captures_by_folder, captures_in, ingest_files,
};
use crate::record::{Origin, TraceUnit};
use crate::spec::TraceSpec;
use crate::store::StoreWriter;
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Add captures (PCAP, PCAPNG) to a study: verbatim, and cut into traces
///
/// The study is made where no file is. The same capture under the same class and cut is added once.
/// A folder gives all captures in it, whatever their names; what else is there is named as passed over. Captures with
/// equal bytes are one, known by all its names.
/// A damaged file gives what is readable; what was left out and why is in the table `capture_drops`.
#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// The study file
    study: PathBuf,
    /// Captures, packed by gzip, zstd or xz or not; folders of them; `-` is standard input
    files: Vec<PathBuf>,
    /// Dataset that they belong to
    #[arg(long, value_parser = plain_name)]
    dataset: String,
    /// Class within the dataset; without it, the sub-folders of a folder are classes
    #[arg(long, value_parser = plain_name)]
    class: Option<String>,
    /// Name of the capture on standard input
    #[arg(long, default_value = "stdin")]
    name: String,
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
    let groups = groups(args)?;
    let store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    let filled = fill(args, &store, groups);
    // Where all was refused there is nothing to leave behind.
    store.remove_if_unused()?;
    filled
}

/// Captures of one class.
type Group = (String, Vec<CaptureInput>);

/// What the arguments name, by class.
fn groups(args: &IngestArgs) -> Result<Vec<Group>> {
    let folders: Vec<&PathBuf> = match (&args.by_folder, &args.class) {
        (Some(folder), _) => vec![folder],
        (None, _) if args.files.is_empty() => {
            return Err(Error::user("expected captures, found none")
                .hint("name files, or a folder; with --by-folder DIR its sub-folders are classes"));
        }
        (None, Some(class)) => return Ok(vec![(class.clone(), inputs(args)?)]),
        (None, None) => match args.files.iter().find(|path| !path.is_dir()) {
            Some(file) => {
                return Err(Error::user(format!("expected a folder or --class, found the file `{}`", file.display()))
                    .hint("name its class: --class NAME"));
            }
            None => args.files.iter().collect(),
        },
    };
    let mut groups = Vec::new();
    for folder in folders {
        let (classes, passed_over) = captures_by_folder(folder)?;
        say_passed_over(&passed_over);
        let inputs = |files: Vec<PathBuf>| files.iter().map(|path| CaptureInput::file(path)).collect();
        groups.extend(classes.into_iter().map(|(class, files)| (class, inputs(files))));
    }
    Ok(groups)
}

/// Files as they are named, folders opened, standard input read.
fn inputs(args: &IngestArgs) -> Result<Vec<CaptureInput>> {
    let mut inputs = Vec::new();
    for path in &args.files {
        if path.is_dir() {
            let found = captures_in(path)?;
            say_passed_over(&found.passed_over);
            if found.files.is_empty() {
                return Err(Error::user(format!("expected captures in the folder `{}`, found none", path.display())));
            }
            inputs.extend(found.files.iter().map(|path| CaptureInput::file(path)));
        } else if path == Path::new("-") || path == Path::new("/dev/stdin") {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                return Err(Error::user("expected a capture on standard input, found a terminal")
                    .hint("`tcpdump -w - ... | syntrace ingest STUDY - ...`"));
            }
            let folder = args.study.parent().filter(|folder| !folder.as_os_str().is_empty());
            inputs.push(CaptureInput::stream(stdin.lock(), &args.name, folder.unwrap_or(Path::new(".")))?);
        } else {
            inputs.push(CaptureInput::file(path));
        }
    }
    Ok(inputs)
}

pub(super) fn say_passed_over(passed_over: &[PassedOver]) {
    for passed in passed_over {
        note!("{passed}");
    }
}

/// A name of a dataset or a class: `DATASET/CLASS` names both elsewhere.
fn plain_name(text: &str) -> std::result::Result<String, String> {
    if text.trim().is_empty() || text.contains('/') || text.chars().count() > 64 {
        return Err("expected 1 to 64 characters, none of them `/`".to_owned());
    }
    Ok(text.to_owned())
}

fn fill(args: &IngestArgs, store: &StoreWriter, groups: Vec<Group>) -> Result<ExitCode> {
    let unit = if args.trace == "capture" { TraceUnit::Capture } else { TraceUnit::Flow };
    let traces =
        TraceSpec { packets: args.packets, min_packets: args.min_packets, unit, keep_captures: !args.no_keep_captures };
    let mut totals = Totals::default();
    for (class, files) in groups {
        let origin = if args.public { Origin::Public } else { Origin::Captured };
        let options = IngestOptions { dataset: args.dataset.clone(), class, origin, traces };
        for report in ingest_files(store, &options, &files, &Bar::alone())? {
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
            Ok(report) => {
                self.say_names(&report);
                if !report.added {
                    self.present += 1;
                    return;
                }
                self.added += 1;
                if let Some(damage) = &report.capture.damage {
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

    fn say_names(&self, report: &IngestReport) {
        let path = report.path.display();
        if report.name != report.capture.name {
            note!("`{path}` holds the same capture as `{}`: it is known by both names", report.capture.name);
        }
        if report.kept_now {
            note!("`{path}`: its traces were there already, its bytes are kept since now");
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
