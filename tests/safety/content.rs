//! A study that is made job by job, always the same, and everything in it as text.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use std::collections::BTreeMap;
use std::sync::Arc;
use syntrace::base::{Digest, Identity, JobId, Seed};
use syntrace::record::{JobKind, JobRecord};
use syntrace::store::schema::{SEGMENT_TABLES, SPLIT_TRACES};
use syntrace::store::{JobResult, NewObject, NewSegment, Snapshot, StoreWriter};

pub const CACHE: usize = 1 << 20;

pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    use rand::Rng;
    let mut bytes = vec![0; length];
    Seed::root(seed).rng().fill_bytes(&mut bytes);
    bytes
}

/// Job number `number`: a segment of a hundred rows or a few thousand, and an object now and then.
pub fn result(number: i64) -> JobResult {
    let id = Identity::new("safety-job").int(number).finish().id63();
    let mut result = JobResult::new(JobRecord {
        job_id: JobId(id),
        kind: JobKind::Split,
        label: format!("job {number}"),
        spec: format!("{{\"number\":{number}}}"),
        inputs: vec![number],
        seed: 1,
        code_version: 1,
        program: "test".to_owned(),
        started_us: 0,
        finished_us: 0,
        threads: 1,
        outputs: vec![],
    });
    let rows = 100 + number % 3 * 900;
    let trace = |row: i64| Identity::new("safety-trace").int(number).int(row).finish().id63();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(trace)));
    let part = |row: i64| if row % 2 == 0 { "member" } else { "held_out" };
    let parts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(part)));
    let rows = RecordBatch::try_from_iter([("trace_id", ids), ("part", parts)]).unwrap();
    result.segments.push(NewSegment { table: &SPLIT_TRACES, partition: number, rows });
    if number % 4 == 0 {
        let bytes = noise(30_000 + 1_000 * number as usize, number as u64);
        result.objects.push(NewObject { kind: "weights", bytes });
    }
    result
}

/// Job number `number`, with a checkpoint before it as a training has.
pub fn commit(writer: &StoreWriter, number: i64) -> syntrace::error::Result<()> {
    let result = result(number);
    if number % 3 == 0 {
        writer.save_checkpoint(result.job.job_id, &noise(5_000, number as u64))?;
    }
    writer.commit(result).map(|_| ())
}

/// Labels of finished jobs, and a digest of every content.
pub fn contents(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for job in snapshot.jobs().unwrap() {
        contents.insert(job.label.clone(), format!("{job:?}"));
    }
    for table in SEGMENT_TABLES {
        for segment in snapshot.segments(table).unwrap() {
            let all: Vec<usize> = (0..segment.columns.len()).collect();
            let columns = snapshot.read_columns(table, &segment, &all).unwrap();
            contents.insert(format!("{} {}", table.name, segment.segment_id), format!("{segment:?} {columns:?}"));
        }
    }
    for object in snapshot.objects().unwrap() {
        let digest = Digest(object.digest);
        let bytes = snapshot.object(&digest).unwrap();
        contents.insert(digest.hex(), format!("{} bytes, {:?}", bytes.len(), Digest::of(&bytes)));
    }
    contents
}

/// The study of jobs 0 to `jobs` that nothing interrupted.
pub fn uninterrupted(jobs: i64) -> BTreeMap<String, String> {
    let writer = StoreWriter::on_backend(super::locks::Locked(redb::backends::InMemoryBackend::new()), CACHE).unwrap();
    for number in 0..jobs {
        commit(&writer, number).unwrap();
    }
    contents(&writer.snapshot().unwrap())
}

/// Checks what an interruption left: the first jobs whole and nothing of the others. Gives their number.
pub fn check_prefix(writer: &StoreWriter) -> i64 {
    let snapshot = writer.snapshot().unwrap();
    let jobs = snapshot.jobs().unwrap();
    let finished = jobs.len() as i64;
    for number in 0..finished {
        let wanted = result(number).job.job_id;
        assert!(jobs.iter().any(|job| job.job_id == wanted), "{finished} jobs are there, but not number {number}");
    }
    assert_eq!(snapshot.verify().findings, vec![], "after {finished} jobs");
    assert_eq!(snapshot.segments(&SPLIT_TRACES).unwrap().len(), jobs.len(), "a segment without its job");
    finished
}
