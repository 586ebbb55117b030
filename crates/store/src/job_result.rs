//! What a finished job adds to a study, and how it is written in the job's transaction.

use super::checkpoint::drop_checkpoint;
use super::codec::{self, Record};
use super::column;
use super::compression::pack;
use super::engine::storage_error;
use super::heap::HeapWriter;
use super::names;
use super::output_key::{Place, open, same_content};
use super::records::{ObjectRecord, SegmentRecord};
use super::schema::{self, SegmentTable};
use super::tables::{self, Bytes};
use arrow::array::RecordBatch;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use rkyv::api::high::HighSerializer;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use std::io::Read;
use std::path::{Path, PathBuf};
use syntrace_base::base::{Digest, Identity};
use syntrace_base::error::{Error, Result, io_error};
use syntrace_base::record::*;

/// Files are stored in parts of this many bytes, so that memory stays bounded.
const FILE_PART_BYTES: u64 = 32 << 20;

/// A blob to keep.
pub struct NewObject {
    /// `capture`, `weights`, ...
    pub kind: &'static str,
    /// Raw bytes.
    pub bytes: Vec<u8>,
}

/// A file to keep.
pub struct NewFile {
    /// `capture` or `weights`.
    pub kind: &'static str,
    /// Where it is, for messages.
    pub path: PathBuf,
    /// What its bytes must hash to.
    pub digest: Digest,
    /// Its bytes, from the first.
    pub reader: Box<dyn Read + Send>,
}

/// Rows to keep.
pub struct NewSegment {
    /// The table.
    pub table: &'static SegmentTable,
    /// Class, split, model or attack id.
    pub partition: i64,
    /// The rows; columns as declared by the table.
    pub rows: RecordBatch,
}

/// Everything that one finished job writes.
pub struct JobResult {
    /// Its provenance; `outputs` is filled in by the writer.
    pub job: JobRecord,
    /// Records.
    pub classes: Vec<ClassRecord>,
    /// Records.
    pub captures: Vec<CaptureRecord>,
    /// Records.
    pub ingests: Vec<IngestRecord>,
    /// Records.
    pub splits: Vec<SplitRecord>,
    /// Records.
    pub models: Vec<ModelRecord>,
    /// Records.
    pub attacks: Vec<AttackRecord>,
    /// Blobs.
    pub objects: Vec<NewObject>,
    /// Files.
    pub files: Vec<NewFile>,
    /// Rows.
    pub segments: Vec<NewSegment>,
}

impl JobResult {
    /// A result with nothing in it but the job.
    pub fn new(job: JobRecord) -> Self {
        Self {
            job,
            classes: Vec::new(),
            captures: Vec::new(),
            ingests: Vec::new(),
            splits: Vec::new(),
            models: Vec::new(),
            attacks: Vec::new(),
            objects: Vec::new(),
            files: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Encodes and packs its segments: before the transaction begins, because only one can write at a time.
    pub(super) fn encode_segments(&self) -> Result<Vec<EncodedSegment>> {
        self.segments.iter().enumerate().map(|(number, segment)| encode_segment(&self.job, number, segment)).collect()
    }
}

/// A segment's record and the bytes of its columns that go into the heap.
pub(super) struct EncodedSegment {
    record: SegmentRecord,
    contents: Vec<([u8; 16], Vec<u8>)>,
}

fn encode_segment(job: &JobRecord, number: usize, segment: &NewSegment) -> Result<EncodedSegment> {
    let table = segment.table;
    let always = schema::first_columns(table);
    if !(always..=table.columns.len()).contains(&segment.rows.num_columns()) {
        return Err(Error::internal(format!(
            "table `{}` has {} columns, found {}",
            table.name,
            table.columns.len(),
            segment.rows.num_columns()
        )));
    }
    let identity = Identity::new("segment").int(job.job_id.0).int(i64::from(table.code)).int(number as i64).finish();
    let mut contents = Vec::new();
    let mut columns = Vec::with_capacity(table.columns.len());
    // Columns at the end that hold nothing but NULL are left out.
    let last_with_values = segment.rows.columns().iter().rposition(|array| array.null_count() < array.len());
    let count = last_with_values.map_or(0, |last| last + 1).max(always);
    for (declared, array) in table.columns.iter().zip(segment.rows.columns()).take(count) {
        let (record, stored) =
            column::encode(declared, array).map_err(|error| error.context(format!("table `{}`", table.name)))?;
        if record.inline.is_empty() {
            contents.push((record.digest, stored));
        }
        columns.push(record);
    }
    let record = SegmentRecord {
        table: table.code,
        partition: segment.partition,
        segment_id: identity.id63(),
        job_id: job.job_id,
        rows: row_count(segment)?,
        columns,
    };
    Ok(EncodedSegment { record, contents })
}

fn row_count(segment: &NewSegment) -> Result<u32> {
    let found = segment.rows.num_rows();
    u32::try_from(found).ok().filter(|rows| *rows <= column::ROWS_MAX).ok_or_else(|| {
        let table = segment.table.name;
        Error::internal(format!("a segment of `{table}` has {found} rows, at most {} may be", column::ROWS_MAX))
    })
}

/// Writes into a job's transaction, lists every output and rejects conflicts.
struct Sink<'t> {
    transaction: &'t WriteTransaction,
    outputs: Vec<JobOutput>,
    heap: HeapWriter<'t>,
}

impl Sink<'_> {
    /// Writes a record under a key, which `text` shows to people. True if it was not there before; another one under
    /// the same key is a conflict.
    fn put<K, T>(
        &mut self,
        definition: TableDefinition<'_, K, Bytes>,
        key: K::SelfType<'_>,
        text: String,
        record: &T,
    ) -> Result<bool>
    where
        K: redb::Key + 'static,
        T: Record + for<'a> rkyv::Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
    {
        let bytes = codec::encode(record)?;
        let name = redb::TableHandle::name(&definition).trim_start_matches("syntrace.").to_owned();
        let mut table = open(self.transaction, definition)?;
        let existing = {
            let found = table.get(&key).map_err(|error| storage_error("read", error.into()))?;
            found.map(|guard| guard.value() == bytes.as_slice())
        };
        match existing {
            Some(false) => {
                return Err(Error::internal(format!("conflict: table `{name}` holds another record under key {text}"))
                    .hint("nothing was written; the same identity must not have two contents"));
            }
            Some(true) => {}
            None => {
                table.insert(&key, bytes.as_slice()).map_err(|error| storage_error("write", error.into()))?;
            }
        }
        self.outputs.push(JobOutput { table: name, key: text, digest: Digest::of(&bytes).0 });
        Ok(existing.is_none())
    }

    fn finish(self) -> Result<Vec<JobOutput>> {
        self.heap.finish()?;
        Ok(self.outputs)
    }
}

/// Writes the results of a job and its record; `None` if the study has the job: the caller then aborts the transaction.
pub(super) fn write_result(
    transaction: &WriteTransaction,
    result: JobResult,
    segments: Vec<EncodedSegment>,
) -> Result<Option<JobRecord>> {
    let mut sink = Sink { transaction, outputs: Vec::new(), heap: HeapWriter::open(transaction)? };
    write_records(&mut sink, &result)?;
    for object in &result.objects {
        write_object(&mut sink, object.kind, &object.bytes)?;
    }
    for file in result.files {
        write_file(&mut sink, file)?;
    }
    for segment in &segments {
        write_segment(&mut sink, segment)?;
    }
    let mut job = result.job;
    job.outputs = sink.finish()?;
    write_job(transaction, job)
}

/// Writes the record of a job and drops its checkpoint; `None` if the study has the job.
fn write_job(transaction: &WriteTransaction, job: JobRecord) -> Result<Option<JobRecord>> {
    let bytes = codec::encode(&job)?;
    let key = job.job_id.0;
    let mut jobs = open(transaction, tables::JOBS)?;
    if jobs.get(key).map_err(|error| storage_error("read", error.into()))?.is_some() {
        return Ok(None);
    }
    jobs.insert(key, bytes.as_slice()).map_err(|error| storage_error("write", error.into()))?;
    drop_checkpoint(transaction, job.job_id)?;
    Ok(Some(job))
}

fn write_records(sink: &mut Sink<'_>, result: &JobResult) -> Result<()> {
    for record in &result.classes {
        sink.put(tables::CLASSES, record.class_id.0, record.class_id.to_string(), record)?;
    }
    for record in &result.captures {
        write_capture(sink, record)?;
    }
    for record in &result.ingests {
        let key = (record.class_id.0, record.capture_id.0, record.job_id.0);
        sink.put(tables::INGESTS, key, format!("{key:?}"), record)?;
    }
    for record in &result.splits {
        sink.put(tables::SPLITS, record.split_id.0, record.split_id.to_string(), record)?;
    }
    for record in &result.models {
        sink.put(tables::MODELS, record.model_id.0, record.model_id.to_string(), record)?;
    }
    for record in &result.attacks {
        sink.put(tables::ATTACKS, record.attack_id.0, record.attack_id.to_string(), record)?;
    }
    Ok(())
}

fn write_segment(sink: &mut Sink<'_>, EncodedSegment { record, contents }: &EncodedSegment) -> Result<()> {
    let key = (record.table, record.partition, record.segment_id);
    if sink.put(tables::SEGMENTS, key, format!("{key:?}"), record)? {
        for (digest, stored) in contents {
            sink.heap.put(digest, stored)?;
        }
    }
    Ok(())
}

/// A capture that the study already holds is left unchanged and gets this name as well.
fn write_capture(sink: &mut Sink<'_>, record: &CaptureRecord) -> Result<()> {
    let key = record.capture_id;
    if let Some(stored) = Place::Capture(key.0).read_in(sink.transaction)? {
        let stored = codec::decode(&stored, &|| format!("table `captures`, key {key}"))?;
        if same_content(&stored, record) {
            return names::add_names(sink.transaction, key, [record.name.clone()]);
        }
    }
    sink.put(tables::CAPTURES, key.0, key.to_string(), record).map(drop)
}

fn write_object(sink: &mut Sink<'_>, kind: &str, bytes: &[u8]) -> Result<Digest> {
    let digest = Digest::of(bytes);
    let packed = pack(bytes)?;
    let stored = packed.as_deref().unwrap_or(bytes);
    let record = ObjectRecord {
        digest: digest.0,
        kind: kind.to_owned(),
        raw_bytes: bytes.len() as u64,
        stored_bytes: stored.len() as u64,
        stored_digest: Digest::of(stored).prefix16(),
        zstd: packed.is_some(),
        parts: Vec::new(),
    };
    if sink.put(tables::OBJECTS, &digest.0, digest.hex(), &record)? {
        sink.heap.put(&record.stored_digest, stored)?;
    }
    Ok(digest)
}

/// Stores a file as one object, or in parts with an object that lists them where it is longer than one part.
fn write_file(sink: &mut Sink<'_>, mut file: NewFile) -> Result<()> {
    let mut first = Vec::new();
    read_part(&mut file, &mut first)?;
    if (first.len() as u64) < FILE_PART_BYTES {
        if Digest::of(&first) != file.digest {
            return Err(changed(&file.path));
        }
        return write_object(sink, file.kind, &first).map(drop);
    }
    let (parts, raw_bytes) = write_parts(sink, &mut file, first)?;
    // One part that is the whole file is that file's object already.
    if parts == [file.digest.0] {
        return Ok(());
    }
    let record = ObjectRecord {
        digest: file.digest.0,
        kind: file.kind.to_owned(),
        raw_bytes,
        stored_bytes: 0,
        stored_digest: [0; 16],
        zstd: false,
        parts,
    };
    sink.put(tables::OBJECTS, &file.digest.0, file.digest.hex(), &record)?;
    Ok(())
}

/// Stores a file in parts, of which the first is read already, and checks its digest. Gives their digests and the
/// file's length.
fn write_parts(sink: &mut Sink<'_>, file: &mut NewFile, first: Vec<u8>) -> Result<(Vec<[u8; 32]>, u64)> {
    let mut hasher = blake3::Hasher::new();
    let (mut parts, mut raw_bytes) = (Vec::new(), 0);
    let mut part = first;
    while !part.is_empty() {
        hasher.update(&part);
        raw_bytes += part.len() as u64;
        parts.push(write_object(sink, "part", &part)?.0);
        read_part(file, &mut part)?;
    }
    if *hasher.finalize().as_bytes() != file.digest.0 {
        return Err(changed(&file.path));
    }
    Ok((parts, raw_bytes))
}

/// Reads the next part of a file; an empty one at its end.
fn read_part(file: &mut NewFile, part: &mut Vec<u8>) -> Result<()> {
    part.clear();
    let read = Read::by_ref(&mut file.reader).take(FILE_PART_BYTES).read_to_end(part);
    read.map(drop).map_err(|error| io_error("read", &file.path, &error))
}

fn changed(path: &Path) -> Error {
    Error::user(format!("`{}` changed while it was read", path.display())).hint("run the same command again")
}
