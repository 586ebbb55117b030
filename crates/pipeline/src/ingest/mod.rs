//! Captures, real or simulated, into a study.

pub(crate) mod folder;
pub(crate) mod input;

use crate::jobs::job::{JobHead, Start};
use crate::rows;
use input::{CaptureInput, CapturePass, digest_of};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use syntrace_base::base::wire::LINK_ETHERNET;
use syntrace_base::base::{CaptureId, ClassId, Digest, NoProgress, Progress, Seed, try_map_ordered};
use syntrace_base::error::{Error, ErrorKind, Result, ResultExt};
use syntrace_base::record::{CaptureRecord, ClassRecord, IngestRecord, JobKind, Origin, TraceUnit};
use syntrace_spec::TraceSpec;
use syntrace_store::{JobResult, NewFile, NewObject, Snapshot, StoreWriter};
use syntrace_traffic::capture::{Cut, CutOptions, Unpacked, cut, write_frames};
use syntrace_traffic::simulate::{SimulateOptions, simulate};

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

/// Result of ingesting one file.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestReport {
    /// The file.
    pub path: PathBuf,
    /// The name that it came with.
    pub name: String,
    /// False where the study already held it.
    pub added: bool,
    /// What was made, unless it was already there.
    pub record: Option<IngestRecord>,
    /// The capture as the study shows it: by another name where it came by that one first.
    pub capture: CaptureRecord,
    /// Are its bytes kept since now, of a capture whose traces the study held already?
    pub kept_now: bool,
}

/// Bytes of captures that are hashed before the first of them is cut: this much should stay in the page cache.
const BATCH_BYTES: u64 = 1 << 30;

/// Ingests captures, several in parallel, one job each; results in the order of the files. What is no capture gives an
/// error in its place; the others are in the study all the same. Of several with equal bytes the first is cut, and the
/// capture is known by the names of all.
///
/// # Errors
/// Errors of the study or the disk rather than of a file; and interruption.
pub fn ingest_files(
    store: &StoreWriter,
    options: &IngestOptions,
    files: &[CaptureInput],
    progress: &dyn Progress,
) -> Result<Vec<Result<IngestReport>>> {
    require_origin(store, options)?;
    let bytes = files.iter().map(CaptureInput::bytes).sum();
    progress.start_bytes(&format!("ingest {}/{}", options.dataset, options.class), bytes);
    let mut reports = Vec::with_capacity(files.len());
    let mut rest = files;
    while !rest.is_empty() {
        let mut bytes = 0;
        let end = rest.iter().position(|file| {
            bytes += file.bytes();
            bytes > BATCH_BYTES
        });
        let (batch, later) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        reports.extend(ingest_batch(store, options, batch, progress)?);
        rest = later;
    }
    progress.finish();
    Ok(reports)
}

fn ingest_batch(
    store: &StoreWriter,
    options: &IngestOptions,
    files: &[CaptureInput],
    progress: &dyn Progress,
) -> Result<Vec<Result<IngestReport>>> {
    let own = |result: Result<IngestReport>, file: &CaptureInput| {
        let result = result.context(|| format!("`{}`", file.path().display()));
        match result {
            // An error of the disk or the study, not of this file: all later files would fail too.
            Err(error) if error.kind() != ErrorKind::User || error.is_of_storage() => Err(error),
            other => Ok(other),
        }
    };
    let digests = try_map_ordered(files, |file| {
        stopped(progress)?;
        Ok(file
            .counted(progress, CapturePass::First)
            .and_then(Unpacked::new)
            .and_then(|bytes| digest_of(bytes, file.path())))
    })?;
    let mut seen = HashSet::new();
    let work: Vec<_> = files
        .iter()
        .zip(digests)
        .map(|(file, digest)| (file, digest.as_ref().map_or(true, |digest| seen.insert(*digest)), digest))
        .collect();
    let reports = try_map_ordered(&work, |(file, first, digest)| {
        stopped(progress)?;
        let report = match digest {
            Err(error) => Err(error.clone()),
            Ok(digest) if *first => ingest_known(store, options, file, *digest, progress),
            Ok(_) => return Ok(None),
        };
        own(report, file).map(Some)
    })?;
    // Once the first of its bytes is there, or was refused.
    let later = |((file, _, digest), report): (&(&CaptureInput, bool, Result<Digest>), Option<_>)| match report {
        Some(report) => Ok(report),
        None => own(digest.clone().and_then(|digest| ingest_known(store, options, file, digest, progress)), file),
    };
    work.iter().zip(reports).map(later).collect()
}

fn stopped(progress: &dyn Progress) -> Result<()> {
    if progress.stop_requested() {
        return Err(Error::interrupted("stopped; every finished file is in the study"));
    }
    Ok(())
}

/// Identity of the job that cuts a capture into the traces of a class.
pub(crate) fn ingest_head(options: &IngestOptions, name: &str, digest: &Digest) -> JobHead {
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

/// Refuses traffic for a class of another origin: private traces must not enter a public class, nor captured ones a
/// simulated class.
fn require_origin(store: &StoreWriter, options: &IngestOptions) -> Result<()> {
    let Some(class) = store.snapshot()?.class(class_id(options))? else { return Ok(()) };
    if class.origin == options.origin {
        return Ok(());
    }
    let (name, there, here) =
        (format!("{}/{}", class.dataset, class.class), class.origin.name(), options.origin.name());
    Err(Error::user(format!("the class {name} of this study is {there}, and this traffic would be {here}"))
        .hint("a class has one origin: give this traffic another class or dataset, or use the same origin as the class (`--public`)"))
}

/// Ingests one file; does nothing if the same content was already ingested under the same class and cut.
/// `progress`, which the caller has started, is told of the bytes that are read.
pub(crate) fn ingest_file(
    store: &StoreWriter,
    options: &IngestOptions,
    path: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    require_origin(store, options)?;
    let file = CaptureInput::file(path);
    let digest = digest_of(Unpacked::new(file.counted(progress, CapturePass::First)?)?, path)?;
    ingest_known(store, options, &file, digest, progress).map(|_| ())
}

/// Ingests a file whose unpacked bytes have this digest.
fn ingest_known(
    store: &StoreWriter,
    options: &IngestOptions,
    file: &CaptureInput,
    digest: Digest,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let start = Start::now();
    let head = ingest_head(options, file.name(), &digest);
    let snapshot = store.snapshot()?;
    if snapshot.job(head.job_id)?.is_some() {
        progress.advance(file.bytes().div_ceil(2), "");
        return known_already(store, &snapshot, options, file, digest);
    }
    let cut = cut(file.counted(progress, CapturePass::Second)?, &cut_options(options))?;
    if cut.summary.digest != digest {
        return Err(Error::user("it changed while it was read").hint("run the same command again"));
    }
    let mut result = cut_result(&snapshot, options, &head, start, &cut, file.name().to_owned())?;
    if options.traces.keep_captures && snapshot.object_record(&digest)?.is_none() {
        result.files.push(kept_file(file, digest)?);
    }
    let record = result.ingests.first().cloned();
    store.commit(result)?;
    let capture = require_capture(&store.snapshot()?, digest)?;
    Ok(IngestReport { added: true, record, ..report(file, capture) })
}

/// Of a capture that is there.
fn report(file: &CaptureInput, capture: CaptureRecord) -> IngestReport {
    let (path, name) = (file.path().to_owned(), file.name().to_owned());
    IngestReport { path, name, added: false, record: None, capture, kept_now: false }
}

/// The traces are already stored; adds this name of the capture and its bytes if they are missing.
fn known_already(
    store: &StoreWriter,
    snapshot: &Snapshot,
    options: &IngestOptions,
    file: &CaptureInput,
    digest: Digest,
) -> Result<IngestReport> {
    store.name_capture(CaptureId::from(digest), file.name())?;
    let kept_now = options.traces.keep_captures && snapshot.object_record(&digest)?.is_none();
    if kept_now {
        let spec = serde_json::json!({ "capture": digest.hex(), "keep": true });
        let label = format!("keep {}", file.name());
        let head = JobHead::new(JobKind::Ingest, label, &spec, vec![digest.id63()], 0);
        let mut result = JobResult::new(head.record(Start::now()));
        result.files.push(kept_file(file, digest)?);
        store.commit(result)?;
    }
    let capture = require_capture(&store.snapshot()?, digest)?;
    Ok(IngestReport { kept_now, ..report(file, capture) })
}

/// Cuts the captures of some classes again, with the same options, for classes of other names; returns how many.
///
/// # Errors
/// `user` where the bytes of a capture were not kept, or a class of that name is of another origin.
pub fn ingest_again(store: &StoreWriter, renamed: &[(ClassRecord, String, String)], folder: &Path) -> Result<u64> {
    let snapshot = store.snapshot()?;
    let mut count = 0;
    for (class, dataset, name) in renamed {
        for ingest in snapshot.ingests()?.iter().filter(|ingest| ingest.class_id == class.class_id) {
            let missing = || Error::internal(format!("the capture or the job of ingest {} is missing", ingest.job_id));
            let capture = snapshot.capture(ingest.capture_id)?.ok_or_else(missing)?;
            let job = snapshot.job(ingest.job_id)?.ok_or_else(missing)?;
            if !capture.kept {
                return Err(Error::user(format!("the bytes of capture `{}` were not kept", capture.name))
                    .hint("ingest its file under the new name, and `forget` the old one"));
            }
            let settings = job.settings()?;
            let min_packets = settings.get("min_packets").and_then(serde_json::Value::as_u64).unwrap_or(1) as u32;
            let unit = if ingest.unit == TraceUnit::Capture.name() { TraceUnit::Capture } else { TraceUnit::Flow };
            let traces = TraceSpec { packets: ingest.trace_packets, min_packets, unit, keep_captures: true };
            let origin = class.origin;
            let options = IngestOptions { dataset: dataset.clone(), class: name.clone(), origin, traces };
            require_origin(store, &options)?;
            let digest = Digest(capture.digest);
            let input = CaptureInput::held(&capture.name, folder, |file| snapshot.object_to(&digest, file))?;
            ingest_known(store, &options, &input, digest, &NoProgress)?;
            count += 1;
        }
    }
    Ok(count)
}

fn kept_file(file: &CaptureInput, digest: Digest) -> Result<NewFile> {
    Ok(NewFile { kind: "capture", path: file.path().to_owned(), digest, reader: file.unpacked()? })
}

fn require_capture(snapshot: &Snapshot, digest: Digest) -> Result<CaptureRecord> {
    snapshot.capture(CaptureId::from(digest))?.ok_or_else(|| {
        Error::internal(format!("the traces exist but the record of capture {} is missing", digest.hex()))
    })
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
    snapshot: &Snapshot,
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
    // A class has one origin (`require_origin`).
    if snapshot.class(class_id)?.is_none() {
        result.classes.push(ClassRecord {
            class_id,
            dataset: options.dataset.clone(),
            class: options.class.clone(),
            origin: options.origin,
        });
    }
    result.captures.push(capture);
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
pub(crate) fn simulate_head(options: &IngestOptions, flows: u32, seed: u64) -> JobHead {
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
    write_frames(&mut bytes, LINK_ETHERNET, frames.iter().map(|frame| (frame.time_us, frame.bytes.as_slice())))?;
    Ok(bytes)
}

/// Simulates a class straight into the study, by way of a real PCAP capture.
pub(crate) fn simulate_class(store: &StoreWriter, options: &IngestOptions, head: &JobHead, flows: u32) -> Result<()> {
    let start = Start::now();
    require_origin(store, options)?;
    let bytes = simulated_capture(&options.dataset, &options.class, flows, head.seed)?;
    let cut = cut(bytes.as_slice(), &cut_options(options))?;
    let name = format!("{}-{}-{}.pcap", options.dataset, options.class, head.seed);
    let mut result = cut_result(&store.snapshot()?, options, head, start, &cut, name)?;
    if options.traces.keep_captures {
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
pub(crate) fn class_id(options: &IngestOptions) -> ClassId {
    ClassRecord::id_of(&options.dataset, &options.class)
}

/// Trace cut of a spec by default: 10 packets a flow, captures kept.
pub fn default_cut() -> TraceSpec {
    TraceSpec { packets: 10, min_packets: 1, unit: TraceUnit::Flow, keep_captures: true }
}
