//! The union of studies, job by job.
//!
//! A job of the source is copied as a whole, with everything that it wrote, or not at all. The content of the
//! destination never changes: the same id with other content is a conflict, which is reported, and jobs that depend on
//! it are not copied, so that no attribute is ever stored with weights that it was not computed from.
//! Content is compared without wall clocks (`seconds`, the times of jobs). Without conflicts the union is
//! commutative, associative and idempotent up to those clocks.
//!
//! Objects of a kind can be left behind (`weights`, `capture`): the jobs that wrote them come over without them, and say
//! so in their outputs, by which `verify` tells them from lost ones.
//!
//! The source is untrusted input: every record is validated and must be stored under its own key, every
//! object and column must match its digest.

use super::checkpoint::drop_checkpoint;
use super::engine::storage_error;
use super::heap::HeapWriter;
use super::names::add_names;
use super::output_key::{Place, open};
use super::reader::Snapshot;
use super::records::{ObjectRecord, SegmentRecord};
use super::schema::{PartitionKind, SEGMENT_TABLES};
use super::writer::StoreWriter;
use super::{codec, tables};
use redb::{ReadableTable, WriteTransaction};
use std::collections::{HashMap, HashSet};
use syntrace_base::base::{Digest, JobId, Progress};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{CaptureRecord, JobOutput, JobRecord};

/// A transaction is committed after this many bytes of content, or this many jobs.
const BATCH_BYTES: u64 = 64 << 20;
const BATCH_JOBS: usize = 256;

/// Kind of the objects that are verbatim captures.
const CAPTURE: &str = "capture";

/// One thing that both studies hold under the same id with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Label of the source's job.
    pub job: String,
    /// Table and key.
    pub place: String,
}

/// What a merge did with the jobs of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Jobs copied.
    pub added: u64,
    /// Jobs that the destination held already.
    pub present: u64,
    /// Conflicts between the studies.
    pub conflicts: Vec<Conflict>,
    /// Labels of jobs that were not copied because they depend on one that conflicts.
    pub blocked: Vec<String>,
    /// Bytes of objects and segments copied.
    pub bytes: u64,
}

impl StoreWriter {
    /// Copies every finished job of another study that this one does not hold, except its objects of some kinds.
    ///
    /// # Errors
    /// `internal` where the source is damaged: what was merged before that place stays, whole jobs only.
    pub fn merge(&self, source: &Snapshot, without: &[&str], progress: &dyn Progress) -> Result<MergeReport> {
        let mut rest = in_order(source.jobs()?)?;
        progress.start("merge", rest.len() as u64);
        let (stopped, waiting) = (HashSet::new(), HashSet::new());
        let mut merge = Merge { source, without, report: MergeReport::default(), stopped, waiting };
        loop {
            self.merge_jobs(&mut merge, &rest, progress)?;
            let before = rest.len();
            rest.retain(|(job, _)| merge.waiting.contains(&job.job_id));
            // What they wait for did not come: it is of a job that conflicts.
            if rest.len() == before {
                merge.report.blocked.extend(rest.into_iter().map(|(job, _)| job.label));
                break;
            }
            merge.waiting.clear();
        }
        self.merge_names(source)?;
        progress.finish();
        Ok(merge.report)
    }

    /// Captures that both studies hold get the names of both.
    fn merge_names(&self, source: &Snapshot) -> Result<()> {
        let here = self.snapshot()?.capture_names()?;
        let mut more: Vec<_> = source.capture_names()?.into_iter().collect();
        more.retain(|(capture, names)| {
            here.get(capture).is_some_and(|known| names.iter().any(|name| !known.contains(name)))
        });
        if more.is_empty() {
            return Ok(());
        }
        let transaction = self.begin_write()?;
        for (capture, names) in more {
            add_names(&transaction, capture, names)?;
        }
        self.commit_transaction(transaction)
    }

    /// One pass over jobs; those that have to wait for a record of another are in `waiting` then.
    fn merge_jobs(&self, merge: &mut Merge<'_>, jobs: &[Ordered], progress: &dyn Progress) -> Result<()> {
        let mut rest = jobs;
        while !rest.is_empty() {
            if progress.stop_requested() {
                return Err(Error::interrupted("stopped; every job taken over so far is whole")
                    .hint("run the same command again to go on"));
            }
            let transaction = self.begin_write()?;
            let mut heap = HeapWriter::open(&transaction)?;
            let (bytes, waiting, mut done) = (merge.report.bytes, merge.waiting.len(), 0);
            for (job, producers) in rest.iter().take(BATCH_JOBS) {
                merge.job(&transaction, &mut heap, job, producers).map_err(|error| error.context(job.label.clone()))?;
                done += 1;
                if merge.report.bytes - bytes >= BATCH_BYTES {
                    break;
                }
            }
            heap.finish()?;
            self.commit_transaction(transaction)?;
            progress.advance((done + waiting - merge.waiting.len()) as u64, "");
            rest = rest.get(done..).unwrap_or_default();
        }
        Ok(())
    }
}

/// A job and the jobs of the same study that made what it reads.
type Ordered = (JobRecord, Vec<JobId>);

/// Jobs in topological order: each after those whose outputs it reads.
fn in_order(jobs: Vec<JobRecord>) -> Result<Vec<Ordered>> {
    let mut producer: HashMap<i64, JobId> = HashMap::new();
    for job in &jobs {
        producer.insert(job.job_id.0, job.job_id);
        for output in &job.outputs {
            match Place::of(output)? {
                Place::Split(id) | Place::Model(id) | Place::Attack(id) => {
                    producer.insert(id, job.job_id);
                }
                _ => {}
            }
        }
    }
    let mut waiting: HashMap<JobId, Ordered> = HashMap::new();
    for job in jobs {
        let mut before: Vec<JobId> = job.inputs.iter().filter_map(|input| producer.get(input).copied()).collect();
        before.retain(|id| *id != job.job_id);
        waiting.insert(job.job_id, (job, before));
    }
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let mut ready: Vec<JobId> = waiting
            .iter()
            .filter(|(_, (_, before))| !before.iter().any(|id| waiting.contains_key(id)))
            .map(|(id, _)| *id)
            .collect();
        if ready.is_empty() {
            return Err(Error::internal("job inputs form a cycle"));
        }
        ready.sort_unstable();
        ordered.extend(ready.iter().filter_map(|id| waiting.remove(id)));
    }
    Ok(ordered)
}

struct Merge<'a> {
    source: &'a Snapshot,
    /// Kinds of objects that stay behind.
    without: &'a [&'a str],
    report: MergeReport,
    /// Jobs that conflict or build on one that does.
    stopped: HashSet<JobId>,
    /// Jobs of this pass that name a class or a capture which is not here yet, or build on one that does.
    waiting: HashSet<JobId>,
}

/// One output of a job and its bytes, as they come over.
struct Output {
    stated: JobOutput,
    place: Place,
    bytes: Vec<u8>,
    missing: bool,
}

impl Merge<'_> {
    fn job(
        &mut self,
        transaction: &WriteTransaction,
        heap: &mut HeapWriter<'_>,
        job: &JobRecord,
        producers: &[JobId],
    ) -> Result<()> {
        let present = stored_job(transaction, job.job_id)?;
        let (outputs, differing) = self.outputs(transaction, job, present.is_some())?;
        let same = present.as_ref().is_none_or(|present| same_work(present, job));
        if !same || !differing.is_empty() {
            let places =
                differing.iter().map(Place::to_string).chain((!same).then(|| format!("jobs, key {}", job.job_id)));
            let conflict = |place| Conflict { job: job.label.clone(), place };
            self.report.conflicts.extend(places.map(conflict));
            self.stopped.insert(job.job_id);
            return Ok(());
        }
        if present.is_some() {
            // Of one content the bytes may have been kept there and not here.
            for output in outputs.iter().filter(|output| output.missing && matches!(output.place, Place::Object(_))) {
                self.take_over(transaction, heap, output)?;
            }
            self.report.present += 1;
            return Ok(());
        }
        if producers.iter().any(|producer| self.stopped.contains(producer)) {
            self.stopped.insert(job.job_id);
            self.report.blocked.push(job.label.clone());
            return Ok(());
        }
        if producers.iter().any(|producer| self.waiting.contains(producer))
            || !names_what_is_there(transaction, &outputs)?
        {
            self.waiting.insert(job.job_id);
            return Ok(());
        }
        for output in outputs.iter().filter(|output| output.missing) {
            self.take_over(transaction, heap, output)?;
        }
        let outputs = outputs.into_iter().map(|output| output.stated).collect();
        let bytes = codec::encode(&JobRecord { outputs, ..job.clone() })?;
        open(transaction, tables::JOBS)?
            .insert(job.job_id.0, bytes.as_slice())
            .map_err(|error| storage_error("write", error.into()))?;
        drop_checkpoint(transaction, job.job_id)?;
        self.report.added += 1;
        Ok(())
    }

    /// The outputs of a job, and the places where the destination says otherwise. Clocks are looked over
    /// only where the destination has done the job itself.
    fn outputs(
        &self,
        transaction: &WriteTransaction,
        job: &JobRecord,
        present: bool,
    ) -> Result<(Vec<Output>, Vec<Place>)> {
        let (mut outputs, mut differing) = (Vec::new(), Vec::new());
        for output in &job.outputs {
            let place = Place::of(output)?;
            let Some(bytes) = self.wanted(place, self.record(place, output)?)? else { continue };
            let held = place.read_in(transaction)?;
            let agrees = match &held {
                None => true,
                Some(held) if present => place.same_but_clock(held, &bytes)?,
                Some(held) => place.same_but_name(held, &bytes)?,
            };
            if !agrees {
                differing.push(place);
            }
            // Traces must not come under a class that says otherwise whether they are public.
            if let Some(class) = class_of(place)
                && let (Some(here), Some(there)) = (class.read_in(transaction)?, class.read(self.source)?)
                && here != there
                && !differing.contains(&class)
            {
                differing.push(class);
            }
            let stated = JobOutput { digest: Digest::of(&bytes).0, ..output.clone() };
            outputs.push(Output { stated, place, bytes, missing: held.is_none() });
        }
        Ok((outputs, differing))
    }

    /// A record as it comes over: `None` for an object that stays behind, and a capture without its bytes says so.
    fn wanted(&self, place: Place, bytes: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let described = || place.to_string();
        match place {
            _ if self.without.is_empty() => Ok(Some(bytes)),
            Place::Object(_) => {
                let object = codec::decode::<ObjectRecord>(&bytes, &described)?;
                Ok((!self.without.contains(&object.kind.as_str())).then_some(bytes))
            }
            Place::Capture(_) if self.without.contains(&CAPTURE) => {
                let capture = codec::decode::<CaptureRecord>(&bytes, &described)?;
                codec::encode(&CaptureRecord { kept: false, ..capture }).map(Some)
            }
            _ => Ok(Some(bytes)),
        }
    }

    /// A record of the source, checked against the digest in the job's outputs.
    fn record(&self, place: Place, output: &JobOutput) -> Result<Vec<u8>> {
        let damaged = |what: &str| {
            Error::internal(format!("{place}: {what}"))
                .hint("`syntrace verify` on the source lists everything that is damaged")
        };
        let bytes = place.read(self.source)?.ok_or_else(|| damaged("the record is missing in the source"))?;
        if Digest::of(&bytes).0 != output.digest {
            return Err(damaged("the source's record differs from what its job wrote"));
        }
        place.check(&bytes)?;
        Ok(bytes)
    }

    fn take_over(&mut self, transaction: &WriteTransaction, heap: &mut HeapWriter<'_>, output: &Output) -> Result<()> {
        let place = || output.place.to_string();
        match output.place {
            Place::Segment(_) => {
                let segment = codec::decode::<SegmentRecord>(&output.bytes, &place)?;
                for column in segment.columns.iter().filter(|column| column.inline.is_empty()) {
                    let bytes = self.source.content(&column.digest).map_err(|error| error.context(place()))?;
                    self.content(heap, &column.digest, &bytes).map_err(|error| error.context(place()))?;
                }
            }
            Place::Object(digest) => {
                let object = codec::decode::<ObjectRecord>(&output.bytes, &place)?;
                if object.parts.is_empty() {
                    let bytes = self.source.stored_object(&Digest(digest), &object)?;
                    self.content(heap, &object.stored_digest, &bytes)?;
                }
            }
            _ => {}
        }
        output.place.insert(transaction, &output.bytes)
    }

    /// Content is stored under its verified digest only.
    fn content(&mut self, heap: &mut HeapWriter<'_>, key: &[u8; 16], bytes: &[u8]) -> Result<()> {
        if Digest::of(bytes).prefix16() != *key {
            return Err(Error::internal("the source's content has another digest"));
        }
        self.report.bytes += bytes.len() as u64;
        heap.put(key, bytes)
    }
}

/// The class that a segment's rows belong to, where its table is partitioned by class.
fn class_of(place: Place) -> Option<Place> {
    let Place::Segment((code, partition, _)) = place else { return None };
    let table = SEGMENT_TABLES.iter().find(|table| table.code == code)?;
    (table.partition == PartitionKind::Class).then_some(Place::Class(partition))
}

/// Are the classes and captures there that a job's outputs name? Of several jobs of one class the first alone
/// writes its record: where that job conflicts, the others have none to belong to.
fn names_what_is_there(transaction: &WriteTransaction, outputs: &[Output]) -> Result<bool> {
    let own: HashSet<Place> = outputs.iter().map(|output| output.place).collect();
    for output in outputs {
        let named = match output.place {
            Place::Ingest((class, capture, _)) => [Some(Place::Class(class)), Some(Place::Capture(capture))],
            place => [class_of(place), None],
        };
        for place in named.into_iter().flatten().filter(|place| !own.contains(place)) {
            if place.read_in(transaction)?.is_none() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn stored_job(transaction: &WriteTransaction, job_id: JobId) -> Result<Option<JobRecord>> {
    let jobs = open(transaction, tables::JOBS)?;
    let found = jobs.get(job_id.0).map_err(|error| storage_error("read", error.into()))?;
    found.map(|guard| codec::decode(guard.value(), &|| format!("jobs, key {job_id}"))).transpose()
}

/// True if two records tell of the same work; when, where and by which build it was done may differ, and
/// a record that another job wrote first is in the outputs of that one only.
fn same_work(a: &JobRecord, b: &JobRecord) -> bool {
    (a.kind, &a.spec, &a.inputs, a.seed, a.code_version) == (b.kind, &b.spec, &b.inputs, b.seed, b.code_version)
}
