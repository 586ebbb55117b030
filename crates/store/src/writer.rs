//! Writing a study: one transaction per finished job, with its provenance.

use super::checkpoint::{drop_checkpoint, write_checkpoint};
use super::codec::{self, Record};
use super::column;
use super::compact;
use super::compression::pack;
use super::engine::{
    Engine, FileIdentity, damaged_study, file_identity, guarded, open_backend, open_checking, open_writing,
    pages_are_whole, storage_error,
};
use super::heap::HeapWriter;
use super::names;
use super::output_key::{Place, open, same_content};
use super::reader::Snapshot;
use super::records::{ObjectRecord, SegmentRecord};
use super::schema::{self, SegmentTable};
use super::tables::{self, Bytes};
use arrow::array::RecordBatch;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use rkyv::api::high::HighSerializer;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use std::io::Read;
use std::path::{Path, PathBuf};
use syntrace_base::base::{CaptureId, Digest, Identity, JobId};
use syntrace_base::error::{Error, Result, io_error};
use syntrace_base::record::*;

/// Largest study whose pages are all verified before a run, which takes a few seconds at this size.
const CHECKED_BYTES_MAX: u64 = 4 << 30;

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
}

/// Size of one redb table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Name.
    pub name: String,
    /// Values.
    pub entries: u64,
    /// Bytes of keys and values.
    pub stored_bytes: u64,
    /// Bytes of redb's own structure.
    pub metadata_bytes: u64,
    /// Bytes of unused space inside pages.
    pub fragmented_bytes: u64,
}

/// A study opened for writing: one process at a time, readers beside it.
pub struct StoreWriter {
    pub(super) engine: Engine,
    pub(super) path: PathBuf,
    pub(super) cache_bytes: usize,
    /// Which file the path named when it was opened, where it is a file that is written to.
    pub(super) identity: Option<FileIdentity>,
    /// Was there none before?
    made: bool,
}

impl StoreWriter {
    /// Opens a study, or makes an empty one where no file is.
    ///
    /// # Errors
    /// `user` for a redacted copy: added data would not be redacted.
    pub fn open_or_create(path: &Path, cache_bytes: usize) -> Result<Self> {
        let writer = Self::open_as_it_is(path, cache_bytes)?;
        if writer.snapshot()?.is_shared_copy()? {
            return Err(Error::user(format!("`{}` is a redacted copy made by `export share`", path.display())).hint(
                "nothing is added to such a copy, it would not be redacted: work on the study that it was made from",
            ));
        }
        Ok(writer)
    }

    /// As [`StoreWriter::open_or_create`], a redacted copy too: to pack it.
    pub fn open_as_it_is(path: &Path, cache_bytes: usize) -> Result<Self> {
        let made = !path.exists();
        let engine = Engine::Writing(open_writing(path, cache_bytes)?);
        Ok(Self { engine, path: path.to_owned(), cache_bytes, identity: file_identity(path), made })
    }

    /// Opens a study to verify it: the file stays as it is, byte for byte, whatever is written here.
    pub fn open_to_verify(path: &Path, cache_bytes: usize) -> Result<Self> {
        let engine = Engine::Writing(open_checking(path, cache_bytes)?);
        Ok(Self { engine, path: path.to_owned(), cache_bytes, identity: None, made: false })
    }

    /// As [`StoreWriter::open_or_create`] on another storage than a file; it cannot be compacted. For
    /// tests of failing disks.
    pub fn on_backend(backend: impl redb::StorageBackend, cache_bytes: usize) -> Result<Self> {
        let engine = Engine::Writing(open_backend(backend, cache_bytes)?);
        Ok(Self { engine, path: PathBuf::new(), cache_bytes, identity: None, made: false })
    }

    /// The file, where the storage is one.
    pub(super) fn path(&self) -> Option<&Path> {
        Some(self.path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// A consistent view of what is committed.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::new(self.engine.begin_read()?, std::sync::Arc::default())
    }

    /// Marks an empty study as a redacted copy, whose ids are its own.
    pub fn mark_shared_copy(&self) -> Result<()> {
        if !self.snapshot()?.jobs()?.is_empty() {
            return Err(Error::internal("a study that already has jobs cannot become a redacted copy"));
        }
        let transaction = self.begin_write()?;
        let marked = open(&transaction, tables::META)?.insert(tables::SHARED_COPY, [1].as_slice()).map(drop);
        marked.map_err(|error| storage_error("write", error.into()))?;
        self.commit_transaction(transaction)
    }

    /// Commits a finished job in one transaction and removes its checkpoint. A job that is already
    /// there is left alone. The same id with other content is a conflict and nothing is written.
    pub fn commit(&self, result: JobResult) -> Result<JobRecord> {
        let segments =
            result.segments.iter().enumerate().map(|(number, segment)| encode_segment(&result.job, number, segment));
        let segments = segments.collect::<Result<Vec<_>>>()?;
        let job_id = result.job.job_id;
        let transaction = self.begin_write()?;
        let Some(job) = guarded(|| write_result(&transaction, result, segments))?? else {
            transaction.abort().map_err(|error| storage_error("leave", error.into()))?;
            let stored = self.snapshot()?.job(job_id)?;
            return stored.ok_or_else(|| Error::internal(format!("job {job_id} exists but its record is unreadable")));
        };
        self.commit_transaction(transaction)?;
        Ok(job)
    }

    /// Commits a transaction and checks that the written file is still at the study's path.
    pub(super) fn commit_transaction(&self, transaction: WriteTransaction) -> Result<()> {
        guarded(|| transaction.commit())?.map_err(|error| storage_error("commit to", error.into()))?;
        if !self.is_replaced() {
            return Ok(());
        }
        let what = if self.path.exists() { "replaced" } else { "deleted" };
        Err(Error::user(format!(
            "`{}`: the study file was {what} during writing; writes since then are lost",
            self.path.display()
        ))
        .hint("run the same command again")
        .of_storage())
    }

    /// Was the file at the study's path replaced or deleted since it was opened?
    pub fn is_replaced(&self) -> bool {
        self.identity.is_some() && file_identity(&self.path) != self.identity
    }

    /// Removes a study that this writer made and that nothing came into; true if it did.
    ///
    /// # Errors
    /// Where the study cannot be read, or its file not be removed.
    pub fn remove_if_unused(mut self) -> Result<bool> {
        if !self.made || self.is_replaced() || !self.snapshot()?.jobs()?.is_empty() {
            return Ok(false);
        }
        self.engine.close();
        std::fs::remove_file(&self.path).map_err(|error| io_error("remove the empty study", &self.path, &error))?;
        Ok(true)
    }

    /// Notes that trainings with secret noise begin. True where those of an earlier process were cut off: pages that
    /// it had not committed may hold state beyond its last checkpoint, and what is trained over again from there, with
    /// fresh noise, would be a second release of the same steps. Then pack the study before anything is trained.
    pub fn begin_training(&self) -> Result<bool> {
        let transaction = self.begin_write()?;
        let had = open(&transaction, tables::META)?
            .insert(tables::TRAINING, [1].as_slice())
            .map_err(|error| storage_error("write", error.into()))?
            .is_some();
        self.commit_transaction(transaction)?;
        Ok(had)
    }

    /// Notes that they have ended, or stopped at a checkpoint.
    pub fn end_training(&self) -> Result<()> {
        let transaction = self.begin_write()?;
        open(&transaction, tables::META)?
            .remove(tables::TRAINING)
            .map(drop)
            .map_err(|error| storage_error("write", error.into()))?;
        self.commit_transaction(transaction)
    }

    /// Notes a name that a capture came with. Nothing is written where it is known by it already.
    ///
    /// # Errors
    /// `internal` for a capture that is not here.
    pub fn name_capture(&self, capture: CaptureId, name: &str) -> Result<()> {
        let known = self.snapshot()?.capture_names()?.remove(&capture);
        let known = known.ok_or_else(|| Error::internal(format!("the study has no capture {capture}")))?;
        if known.iter().any(|known| known == name) {
            return Ok(());
        }
        let transaction = self.begin_write()?;
        names::add_names(&transaction, capture, [name.to_owned()])?;
        self.commit_transaction(transaction)
    }

    /// Replaces the checkpoint of a running job.
    pub fn save_checkpoint(&self, job_id: JobId, state: &[u8]) -> Result<()> {
        let transaction = self.begin_write()?;
        write_checkpoint(&transaction, job_id, state)?;
        self.commit_transaction(transaction)
    }

    /// The checkpoint of a job, if it has one.
    pub fn checkpoint(&self, job_id: JobId) -> Result<Option<Vec<u8>>> {
        self.snapshot()?.checkpoint(job_id)
    }

    /// Bytes of the file and of the compressed content in it.
    pub fn sizes(&self) -> Result<(u64, u64)> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| io_error("open the study", &self.path, &error))?;
        Ok((metadata.len(), self.snapshot()?.payload_bytes()?))
    }

    /// Packs the file (see `compact`); needs free space of its size. True if it became smaller.
    pub fn compact(&mut self) -> Result<bool> {
        let size = || std::fs::metadata(&self.path).map_err(|error| io_error("open the study", &self.path, &error));
        let before = size()?.len();
        let fresh = compact::replace(&self.snapshot()?, &self.path, self.cache_bytes)?;
        let smaller = size()?.len() < before;
        self.engine = Engine::Writing(fresh);
        self.identity = file_identity(&self.path);
        Ok(smaller)
    }

    /// Refuses a study with a damaged page before something is built on it. One of more than [`CHECKED_BYTES_MAX`] is
    /// looked through by `verify` alone; false for it.
    ///
    /// # Errors
    /// `internal` where a page has a wrong checksum.
    pub fn require_whole(path: &Path) -> Result<bool> {
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        if bytes == 0 {
            return Ok(true);
        }
        if bytes > CHECKED_BYTES_MAX {
            return Ok(false);
        }
        if pages_are_whole(path)? {
            return Ok(true);
        }
        Err(damaged_study("a page has a wrong checksum").context(format!("`{}`", path.display())))
    }

    /// True if every page's checksum is right. Repairs what redb can repair.
    pub fn check_pages(&mut self) -> Result<bool> {
        let Engine::Writing(database) = &mut self.engine else {
            return Err(Error::internal("integrity check on a study opened for reading"));
        };
        guarded(|| database.check_integrity())?.map_err(|error| storage_error("check", error.into()))
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction> {
        let Engine::Writing(database) = &self.engine else {
            return Err(Error::internal("write to a study opened for reading"));
        };
        let mut transaction = begin(database)?;
        // Otherwise opening after a crash would walk the whole file, possibly gigabytes.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.engine.close();
    }
}

fn begin(database: &Database) -> Result<WriteTransaction> {
    database.begin_write().map_err(|error| storage_error("begin writing to", error.into()))
}

/// A segment's record and the bytes of its columns that go into the heap.
struct EncodedSegment {
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
    let said = segment.rows.columns().iter().rposition(|array| array.null_count() < array.len());
    let stored = said.map_or(0, |last| last + 1).max(always);
    for (declared, array) in table.columns.iter().zip(segment.rows.columns()).take(stored) {
        let (record, stored) =
            column::encode(declared, array).map_err(|error| error.context(format!("table `{}`", table.name)))?;
        if record.inline.is_empty() {
            contents.push((record.digest, stored));
        }
        columns.push(record);
    }
    let rows =
        u32::try_from(segment.rows.num_rows()).ok().filter(|rows| *rows <= column::ROWS_MAX).ok_or_else(|| {
            let found = segment.rows.num_rows();
            Error::internal(format!(
                "a segment of `{}` has {found} rows, at most {} may be",
                table.name,
                column::ROWS_MAX
            ))
        })?;
    let segment_id = identity.id63();
    let record = SegmentRecord {
        table: table.code,
        partition: segment.partition,
        segment_id,
        job_id: job.job_id,
        rows,
        columns,
    };
    Ok(EncodedSegment { record, contents })
}

/// Records every output and rejects conflicts.
struct Sink<'t> {
    transaction: &'t WriteTransaction,
    outputs: Vec<JobOutput>,
    heap: HeapWriter<'t>,
}

impl Sink<'_> {
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
fn write_result(
    transaction: &WriteTransaction,
    result: JobResult,
    segments: Vec<EncodedSegment>,
) -> Result<Option<JobRecord>> {
    let mut sink = Sink { transaction, outputs: Vec::new(), heap: HeapWriter::open(transaction)? };
    for record in &result.classes {
        sink.put(tables::CLASSES, record.class_id.0, record.class_id.to_string(), record)?;
    }
    for record in &result.captures {
        write_capture(&mut sink, record)?;
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
    for object in &result.objects {
        write_object(&mut sink, object.kind, &object.bytes)?;
    }
    for file in result.files {
        write_file(&mut sink, file)?;
    }
    for EncodedSegment { record, contents } in &segments {
        let key = (record.table, record.partition, record.segment_id);
        if sink.put(tables::SEGMENTS, key, format!("{key:?}"), record)? {
            for (digest, stored) in contents {
                sink.heap.put(digest, stored)?;
            }
        }
    }
    let mut job = result.job;
    job.outputs = sink.finish()?;
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

fn write_file(sink: &mut Sink<'_>, mut file: NewFile) -> Result<()> {
    let read_error = |error: std::io::Error| io_error("read", &file.path, &error);
    let changed = || {
        Error::user(format!("`{}` changed while it was read", file.path.display())).hint("run the same command again")
    };
    let mut hasher = blake3::Hasher::new();
    let (mut parts, mut raw_bytes) = (Vec::new(), 0u64);
    loop {
        let mut piece = Vec::new();
        Read::by_ref(&mut file.reader).take(FILE_PART_BYTES).read_to_end(&mut piece).map_err(read_error)?;
        if piece.is_empty() && raw_bytes > 0 {
            break;
        }
        hasher.update(&piece);
        raw_bytes += piece.len() as u64;
        let last = (piece.len() as u64) < FILE_PART_BYTES;
        if last && parts.is_empty() {
            return if Digest::of(&piece) == file.digest {
                write_object(sink, file.kind, &piece).map(|_| ())
            } else {
                Err(changed())
            };
        }
        parts.push(write_object(sink, "part", &piece)?.0);
    }
    if *hasher.finalize().as_bytes() != file.digest.0 {
        return Err(changed());
    }
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
