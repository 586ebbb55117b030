//! Captures, real or simulated, into a study.

use super::job::{JobHead, Start};
use super::rows;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use syntrace_base::base::{CaptureId, ClassId, Digest, Progress, Seed, try_map_ordered};
use syntrace_base::error::{Error, Result, ResultExt, io_error, require_file};
use syntrace_base::record::{CaptureRecord, ClassRecord, IngestRecord, JobKind, Origin, TraceUnit};
use syntrace_spec::TraceSpec;
use syntrace_store::{JobResult, NewFile, NewObject, StoreWriter};
use syntrace_traffic::capture::{Cut, CutOptions, cut, write_frames};
use syntrace_traffic::simulate::{SimulateOptions, simulate};

/// Files with one of these endings are captures when a folder is ingested.
const CAPTURE_ENDINGS: [&str; 6] = ["pcap", "pcapng", "cap", "dmp", "ntar", "pcap-ng"];
const READ_BUFFER_BYTES: usize = 1 << 20;
const ETHERNET: u32 = 1;

/// A class and how its captures are cut.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestOptions {
    /// Dataset.
    pub dataset: String,
    /// Class.
    pub class: String,
    /// Captured or public.
    pub origin: Origin,
    /// How traces are cut.
    pub traces: TraceSpec,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestReport {
    /// The file.
    pub path: PathBuf,
    /// False where the study already held it.
    pub added: bool,
    /// What was made, unless it was already there.
    pub record: Option<IngestRecord>,
    /// The capture, unless it was already there.
    pub capture: Option<CaptureRecord>,
}

/// Ingests files, several in parallel, one job each; results in the order of the files. A file that is
/// no capture gives an error in its place; the others are in the study all the same.
pub fn ingest_files(
    store: &StoreWriter,
    options: &IngestOptions,
    files: &[PathBuf],
    progress: &dyn Progress,
) -> Result<Vec<Result<IngestReport>>> {
    let bytes = files.iter().map(|path| file_bytes(path)).sum();
    progress.start_bytes(&format!("ingest {}/{}", options.dataset, options.class), bytes);
    let reports = try_map_ordered(files, |path| {
        if progress.stop_requested() {
            return Err(Error::interrupted("stopped; every finished file is in the study"));
        }
        let report = ingest_file(store, options, path, progress).context(|| format!("`{}`", path.display()));
        match report {
            // The disk or the study, not this file: nothing after it would fare better.
            Err(error) if error.kind() != syntrace_base::error::ErrorKind::User => Err(error),
            other => Ok(other),
        }
    })?;
    progress.finish();
    Ok(reports)
}

/// A class and its captures.
pub type ClassFiles = (String, Vec<PathBuf>);

/// Captures of a folder as (class, files), by sub-folder; and how many files were passed over because
/// of their ending.
pub fn captures_by_folder(folder: &Path) -> Result<(Vec<ClassFiles>, u64)> {
    let mut classes = Vec::new();
    let mut passed_over = 0;
    for entry in sorted_entries(folder)? {
        if !entry.is_dir() {
            passed_over += 1;
            continue;
        }
        let class = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut files = Vec::new();
        collect_captures(&entry, &mut files, &mut passed_over)?;
        if !files.is_empty() {
            classes.push((class, files));
        }
    }
    if classes.is_empty() {
        return Err(Error::user(format!("expected sub-folders with captures in `{}`, found none", folder.display()))
            .hint(format!("a sub-folder is a class; captures end in {}", CAPTURE_ENDINGS.join(", "))));
    }
    Ok((classes, passed_over))
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| io_error("read the folder", folder, &error))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(|error| io_error("read the folder", folder, &error)))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

pub(super) fn collect_captures(folder: &Path, files: &mut Vec<PathBuf>, passed_over: &mut u64) -> Result<()> {
    collect_anew(folder, files, passed_over, &mut HashSet::new())
}

/// A link may lead back to a folder around it: each folder is looked through once.
fn collect_anew(
    folder: &Path,
    files: &mut Vec<PathBuf>,
    passed_over: &mut u64,
    seen: &mut HashSet<PathBuf>,
) -> Result<()> {
    let itself = std::fs::canonicalize(folder).map_err(|error| io_error("read the folder", folder, &error))?;
    if !seen.insert(itself) {
        return Ok(());
    }
    for path in sorted_entries(folder)? {
        if path.is_dir() {
            collect_anew(&path, files, passed_over, seen)?;
            continue;
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if ending.is_some_and(|ending| CAPTURE_ENDINGS.contains(&ending.as_str())) {
            files.push(path);
        } else {
            *passed_over += 1;
        }
    }
    Ok(())
}

/// BLAKE3 of a file, read in pieces.
pub(super) fn file_digest(path: &Path) -> Result<Digest> {
    digest_of(open(path)?, path)
}

fn digest_of(mut file: impl Read, path: &Path) -> Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut file, &mut hasher).map_err(|error| io_error("read", path, &error))?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Bytes of a file; 0 where that cannot be told.
fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Tells of the bytes of a file that is read twice, once to know it and once to cut it: half of what is read.
struct Halves<'a> {
    progress: &'a dyn Progress,
    seen: Cell<u64>,
    told: Cell<u64>,
}

impl Halves<'_> {
    /// Counts beneath the buffer: once a piece, not once a packet.
    fn count(&self, file: BufReader<File>) -> BufReader<Counted<'_>> {
        BufReader::with_capacity(READ_BUFFER_BYTES, Counted { file: file.into_inner(), halves: self })
    }

    fn add(&self, bytes: u64) {
        self.seen.set(self.seen.get() + bytes);
        let news = self.seen.get() / 2 - self.told.get();
        self.told.set(self.seen.get() / 2);
        self.progress.advance(news, "");
    }
}

/// A reader whose bytes are counted.
struct Counted<'a> {
    file: File,
    halves: &'a Halves<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.halves.add(count as u64);
        Ok(count)
    }
}

fn open(path: &Path) -> Result<BufReader<File>> {
    require_file(path)?;
    let file = File::open(path).map_err(|error| io_error("open the capture", path, &error))?;
    Ok(BufReader::with_capacity(READ_BUFFER_BYTES, file))
}

/// Identity of the job that cuts a capture into the traces of a class.
pub(super) fn ingest_head(options: &IngestOptions, name: &str, digest: &Digest) -> JobHead {
    let spec = serde_json::json!({
        "capture": digest.hex(),
        "dataset": options.dataset,
        "class": options.class,
        "unit": options.traces.unit.name(),
        "packets": options.traces.packets,
        "min_packets": options.traces.min_packets,
    });
    let label = format!("ingest {}/{} {name}", options.dataset, options.class);
    JobHead::new(JobKind::Ingest, label, &spec, vec![digest.id63()], 0)
}

/// Refuses traffic for a class of another origin: private traces must not slip under a class that is public, nor
/// captured ones under a simulated one.
fn require_origin(store: &StoreWriter, options: &IngestOptions) -> Result<()> {
    let Some(class) = store.snapshot()?.class(class_id(options))? else { return Ok(()) };
    if class.origin == options.origin {
        return Ok(());
    }
    let (name, there, here) =
        (format!("{}/{}", class.dataset, class.class), class.origin.name(), options.origin.name());
    Err(Error::user(format!("the class {name} of this study is {there}, and this traffic would be {here}"))
        .hint("a class has one origin: give this traffic another class or dataset, or say of it what the class says (`--public`)"))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Ingests one file; does nothing if the same content is already there under the same class and cut.
/// `progress`, which was started by the caller, hears of the bytes that are read.
pub(super) fn ingest_file(
    store: &StoreWriter,
    options: &IngestOptions,
    path: &Path,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let start = Start::now();
    require_origin(store, options)?;
    let bytes = Halves { progress, seen: Cell::new(0), told: Cell::new(0) };
    let digest = digest_of(bytes.count(open(path)?), path)?;
    let head = ingest_head(options, &file_name(path), &digest);
    if store.snapshot()?.job(head.job_id)?.is_some() {
        progress.advance(file_bytes(path).saturating_sub(bytes.told.get()), "");
        return Ok(IngestReport { path: path.to_owned(), added: false, record: None, capture: None });
    }
    let cut = cut(bytes.count(open(path)?), &cut_options(options))?;
    // The digest of a packed capture is that of what is in it.
    if cut.summary.digest != digest {
        return Err(Error::user(
            "expected a plain capture, found a packed one, or a file that changed while it was read",
        )
        .hint("unpack it first"));
    }
    let mut result = cut_result(store, options, &head, start, &cut, file_name(path))?;
    if let Some(capture) = result.captures.first().filter(|capture| capture.kept) {
        result.files.push(NewFile { kind: "capture", path: path.to_owned(), digest: Digest(capture.digest) });
    }
    let record = result.ingests.first().cloned();
    let capture = Some(capture_record(options, &cut, file_name(path)));
    store.commit(result)?;
    Ok(IngestReport { path: path.to_owned(), added: true, record, capture })
}

fn cut_options(options: &IngestOptions) -> CutOptions {
    CutOptions {
        dataset: options.dataset.clone(),
        class: options.class.clone(),
        unit: options.traces.unit,
        trace_packets: options.traces.packets,
        min_packets: options.traces.min_packets,
    }
}

fn capture_record(options: &IngestOptions, cut: &Cut, name: String) -> CaptureRecord {
    let summary = &cut.summary;
    CaptureRecord {
        capture_id: CaptureId::from(summary.digest),
        digest: summary.digest.0,
        name,
        bytes: summary.bytes,
        format: summary.format.clone(),
        link_types: summary.link_types.clone(),
        packets: summary.packets,
        first_us: summary.first_us,
        last_us: summary.last_us,
        kept: options.traces.keep_captures,
        damage: summary.damage.clone(),
    }
}

fn cut_result(
    store: &StoreWriter,
    options: &IngestOptions,
    head: &JobHead,
    start: Start,
    cut: &Cut,
    name: String,
) -> Result<JobResult> {
    let class_id = ClassRecord::id_of(&options.dataset, &options.class);
    let capture = capture_record(options, cut, name);
    let capture_id = capture.capture_id;
    let mut result = JobResult::new(head.record(start));
    let snapshot = store.snapshot()?;
    // A class has one origin (`require_origin`); a capture keeps the name that it first came with.
    if snapshot.class(class_id)?.is_none() {
        result.classes.push(ClassRecord {
            class_id,
            dataset: options.dataset.clone(),
            class: options.class.clone(),
            origin: options.origin,
        });
    }
    if snapshot.capture(capture_id)?.is_none() {
        result.captures.push(capture);
    }
    result.segments = rows::trace_segments(capture_id.0, class_id.0, &cut.traces)?;
    result.ingests.push(IngestRecord {
        class_id,
        capture_id,
        job_id: head.job_id,
        unit: options.traces.unit.name().to_owned(),
        trace_packets: options.traces.packets,
        traces: cut.traces.len() as u64,
        packets: cut.traces.iter().map(|trace| trace.packets.len() as u64).sum(),
        drops: cut.drops.clone(),
    });
    Ok(result)
}

/// Identity of the job that simulates a class.
pub(super) fn simulate_head(options: &IngestOptions, flows: u32, seed: u64) -> JobHead {
    let spec = serde_json::json!({
        "dataset": options.dataset,
        "class": options.class,
        "flows": flows,
        "unit": options.traces.unit.name(),
        "packets": options.traces.packets,
        "min_packets": options.traces.min_packets,
    });
    JobHead::new(JobKind::Simulate, format!("simulate {}/{}", options.dataset, options.class), &spec, vec![], seed)
}

/// A simulated class as PCAP bytes.
pub fn simulated_capture(dataset: &str, class: &str, flows: u32, seed: u64) -> Result<Vec<u8>> {
    let options = SimulateOptions::new(dataset, class, flows, Seed::root(seed));
    let frames = simulate(&options)?;
    let mut bytes = Vec::new();
    write_frames(&mut bytes, ETHERNET, frames.iter().map(|frame| (frame.time_us, frame.bytes.as_slice())))?;
    Ok(bytes)
}

/// Simulates a class straight into the study, by way of a real PCAP capture.
pub(super) fn simulate_class(store: &StoreWriter, options: &IngestOptions, head: &JobHead, flows: u32) -> Result<()> {
    let start = Start::now();
    require_origin(store, options)?;
    let bytes = simulated_capture(&options.dataset, &options.class, flows, head.seed)?;
    let cut = cut(bytes.as_slice(), &cut_options(options))?;
    let name = format!("{}-{}-{}.pcap", options.dataset, options.class, head.seed);
    let mut result = cut_result(store, options, head, start, &cut, name)?;
    if result.captures.first().is_some_and(|capture| capture.kept) {
        result.objects.push(NewObject { kind: "capture", bytes });
    }
    store.commit(result)?;
    Ok(())
}

/// Simulates one class into a study on its own; false where the study already holds it.
pub fn simulate_into(store: &StoreWriter, options: &IngestOptions, flows: u32, seed: u64) -> Result<bool> {
    let head = simulate_head(options, flows, seed);
    if store.snapshot()?.job(head.job_id)?.is_some() {
        return Ok(false);
    }
    simulate_class(store, options, &head, flows)?;
    Ok(true)
}

/// Id of a class by its names.
pub(super) fn class_id(options: &IngestOptions) -> ClassId {
    ClassRecord::id_of(&options.dataset, &options.class)
}

/// Trace cut of a spec by default: 10 packets a flow, captures kept.
pub fn default_cut() -> TraceSpec {
    TraceSpec { packets: 10, min_packets: 1, unit: TraceUnit::Flow, keep_captures: true }
}
