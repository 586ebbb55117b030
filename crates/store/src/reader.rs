//! Reading a study: one redb read transaction is one consistent snapshot.

use super::cache::ColumnCache;
use super::codec::{self, Record};
use super::column;
use super::compression;
use super::engine::{Engine, FileIdentity, file_identity, guarded, open_reading, storage_error};
use super::heap;
use super::records::{CheckpointRecord, ColumnRecord, ObjectRecord, SegmentRecord, ShardRecord};
use super::schema::SegmentTable;
use super::tables;
use arrow::array::ArrayRef;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};
use rkyv::api::high::{HighDeserializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::base::{AttackId, CaptureId, ClassId, Digest, JobId, ModelId, SplitId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::*;

/// A study opened for reading; other processes may read and one may write at the same time.
pub struct Store {
    path: PathBuf,
    cache_bytes: usize,
    /// The file that the path named when it was opened, and its engine.
    open: Mutex<(Option<FileIdentity>, Engine)>,
    columns: Arc<ColumnCache>,
}

impl Store {
    /// Opens an existing study with a page cache of `cache_bytes`. Fails with what was found when the
    /// file is missing, no study, or of a newer format.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self> {
        let identity = file_identity(path);
        let engine = open_reading(path, cache_bytes)?;
        Ok(Self { path: path.to_owned(), cache_bytes, open: Mutex::new((identity, engine)), columns: Arc::default() })
    }

    /// A consistent view of the last finished job. Follows a file that took the study's place
    /// (`compact`).
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = file_identity(&self.path);
        if now.is_some() && now != open.0 {
            *open = (now, open_reading(&self.path, self.cache_bytes)?);
        }
        Snapshot::new(open.1.begin_read()?, Arc::clone(&self.columns))
    }

    /// Opens the file anew: another study may have been written over it, which [`Store::snapshot`] does not see.
    pub fn reopen(&self) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = (file_identity(&self.path), open_reading(&self.path, self.cache_bytes)?);
        Ok(())
    }
}

/// Counters of what a snapshot read, for tests of pruning.
#[derive(Debug, Default)]
pub struct ReadCounters {
    /// Segments of which at least one column was read.
    pub segments_read: AtomicU64,
    /// Columns decoded.
    pub columns_read: AtomicU64,
    /// Values in them.
    pub values_read: AtomicU64,
    /// Stored bytes of them.
    pub bytes_read: AtomicU64,
}

/// Identifies the set of records that a view of a study holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generation {
    jobs: u64,
    /// Digests of the first and the last job's records, wall clocks included: another run of the same spec in the
    /// file's place has others.
    ends: [Option<Digest>; 2],
    heap_bytes: u64,
    /// Names are added and changed without a job.
    names: Option<Digest>,
}

impl Generation {
    /// Can a study that was in the state `earlier` be in this one? Jobs are added; where one is gone, or all are as many and others,
    /// the file may have another study in it.
    pub fn may_follow(&self, earlier: &Self) -> bool {
        let is_grown = self.jobs > earlier.jobs && self.heap_bytes >= earlier.heap_bytes;
        is_grown || (self.jobs == earlier.jobs && self.ends == earlier.ends)
    }
}

/// The bulk bytes as of a snapshot.
struct Heap {
    chunks: ReadOnlyTable<u64, tables::Bytes>,
    places: ReadOnlyTable<tables::PlaceKey, heap::Place>,
    end: u64,
}

/// Decodes one column of a segment; `content` gives the stored bytes of one that is not inline.
pub(super) fn read_column(
    table: &SegmentTable,
    segment: &SegmentRecord,
    index: usize,
    content: &dyn Fn(&ColumnRecord) -> Result<Vec<u8>>,
) -> Result<ArrayRef> {
    let declared = table
        .columns
        .get(index)
        .ok_or_else(|| Error::internal(format!("table `{}` has no column {index}", table.name)))?;
    let Some(record) = segment.columns.get(index) else {
        // Written before this column existed: NULL throughout.
        return Ok(arrow::array::new_null_array(&column::data_type(declared.kind), segment.rows as usize));
    };
    let decoded = if record.inline.is_empty() {
        content(record).and_then(|stored| column::decode(declared, record, segment.rows, &stored))
    } else {
        column::decode(declared, record, segment.rows, &record.inline)
    };
    decoded.map_err(|error| {
        error
            .context(format!("table `{}`, partition {}, segment {}", table.name, segment.partition, segment.segment_id))
    })
}

/// One consistent view of a study. Cheap to make; share it in an `Arc`.
pub struct Snapshot {
    transaction: ReadTransaction,
    heap: Option<Heap>,
    counters: ReadCounters,
    columns: Arc<ColumnCache>,
}

macro_rules! id_keyed {
    ($($(#[$doc:meta])* $all:ident, $one:ident, $id:ty, $record:ty, $table:ident;)+) => {$(
        $(#[$doc])*
        pub fn $all(&self) -> Result<Vec<$record>> {
            self.all(tables::$table, |key| key.to_string())
        }

        /// The one with this id, if it exists.
        pub fn $one(&self, id: $id) -> Result<Option<$record>> {
            self.one(tables::$table, id.0)
        }
    )+};
}

impl Snapshot {
    pub(super) fn new(transaction: ReadTransaction, columns: Arc<ColumnCache>) -> Result<Self> {
        guarded(|| Self::begun(transaction, columns))?
    }

    fn begun(transaction: ReadTransaction, columns: Arc<ColumnCache>) -> Result<Self> {
        let mut snapshot = Self { transaction, heap: None, counters: ReadCounters::default(), columns };
        if let (Some(chunks), Some(places)) = (snapshot.open(tables::CHUNKS)?, snapshot.open(tables::PLACES)?) {
            let end = heap::end(&chunks)?;
            snapshot.heap = Some(Heap { chunks, places, end });
        }
        Ok(snapshot)
    }

    id_keyed! {
        /// All classes, by id.
        classes, class, ClassId, ClassRecord, CLASSES;
        /// All captures as their jobs wrote them, by id.
        stored_captures, stored_capture, CaptureId, CaptureRecord, CAPTURES;
        /// All splits, by id.
        splits, split, SplitId, SplitRecord, SPLITS;
        /// All models, by id.
        models, model, ModelId, ModelRecord, MODELS;
        /// All attacks, by id.
        attacks, attack, AttackId, AttackRecord, ATTACKS;
        /// All finished jobs, by id.
        jobs, job, JobId, JobRecord, JOBS;
    }

    /// All captures, by id: under the first of their names (see [`Snapshot::capture_names`]), and marked as kept if
    /// their bytes are stored.
    pub fn captures(&self) -> Result<Vec<CaptureRecord>> {
        self.shown(self.stored_captures()?)
    }

    /// The capture with this id, if it exists.
    pub fn capture(&self, id: CaptureId) -> Result<Option<CaptureRecord>> {
        Ok(self.shown(self.stored_capture(id)?.into_iter().collect())?.pop())
    }

    /// All ingests, by class, capture and job.
    pub fn ingests(&self) -> Result<Vec<IngestRecord>> {
        self.all(tables::INGESTS, |key| format!("{key:?}"))
    }

    /// All objects, by digest.
    pub fn objects(&self) -> Result<Vec<ObjectRecord>> {
        self.all(tables::OBJECTS, |key| Digest(**key).hex())
    }

    /// True for a redacted copy (`export share`), whose ids were renumbered.
    pub fn is_shared_copy(&self) -> Result<bool> {
        let Some(meta) = self.open(tables::META)? else { return Ok(false) };
        let found = meta.get(tables::SHARED_COPY).map_err(|error| storage_error("read", error.into()))?;
        Ok(found.is_some())
    }

    /// Which shares of a plan this study holds; `None` for a study that is none.
    pub fn shard(&self) -> Result<Option<ShardRecord>> {
        guarded(|| {
            let Some(meta) = self.open(tables::META)? else { return Ok(None) };
            let found = meta.get(tables::SHARD).map_err(|error| storage_error("read", error.into()))?;
            found.map(|guard| codec::decode(guard.value(), &|| "table `meta`, key shard".to_owned())).transpose()
        })?
    }

    /// The record of one object, if it exists.
    pub fn object_record(&self, digest: &Digest) -> Result<Option<ObjectRecord>> {
        guarded(|| {
            let Some(table) = self.open(tables::OBJECTS)? else { return Ok(None) };
            let found = table.get(&digest.0).map_err(|error| storage_error("read", error.into()))?;
            found
                .map(|guard| codec::decode(guard.value(), &|| format!("table `objects`, key {}", digest.hex())))
                .transpose()
        })?
    }

    /// The raw bytes of one object, checked against its digest.
    pub fn object(&self, digest: &Digest) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.object_to(digest, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the raw bytes of one object, piece by piece, checking them against its digest.
    pub fn object_to(&self, digest: &Digest, out: &mut dyn std::io::Write) -> Result<()> {
        let record = self.require_object(digest)?;
        if record.parts.is_empty() {
            let bytes = self.single_object(digest, &record)?;
            return out.write_all(&bytes).map_err(|error| Error::user(format!("cannot write an object: {error}")));
        }
        let mut hasher = blake3::Hasher::new();
        for part in &record.parts {
            let part = Digest(*part);
            let bytes = self.single_object(&part, &self.require_object(&part)?)?;
            hasher.update(&bytes);
            out.write_all(&bytes).map_err(|error| Error::user(format!("cannot write an object: {error}")))?;
        }
        if *hasher.finalize().as_bytes() != digest.0 {
            return Err(Error::internal(format!("object {} is damaged: its parts have another digest", digest.hex())));
        }
        Ok(())
    }

    fn require_object(&self, digest: &Digest) -> Result<ObjectRecord> {
        self.object_record(digest)?
            .ok_or_else(|| Error::internal(format!("object {} is not in this study", digest.hex())))
    }

    /// The stored bytes of a single object, after its raw bytes were checked against its digest.
    pub(super) fn stored_object(&self, digest: &Digest, record: &ObjectRecord) -> Result<Vec<u8>> {
        self.single_object(digest, record)?;
        self.content(&record.stored_digest)
    }

    fn single_object(&self, digest: &Digest, record: &ObjectRecord) -> Result<Vec<u8>> {
        let damaged = |what: String| Error::internal(format!("object {} is damaged: {what}", digest.hex()));
        if !record.parts.is_empty() {
            return Err(damaged("a part of it has parts".to_owned()));
        }
        let stored = self.content(&record.stored_digest).map_err(|error| damaged(error.to_string()))?;
        let raw = if record.zstd {
            let mut raw = vec![0; compression::check(&stored, record.raw_bytes).map_err(damaged)?];
            compression::unpack_into(&stored, &mut raw).map_err(damaged)?;
            raw
        } else {
            stored
        };
        if Digest::of(&raw) != *digest {
            return Err(damaged("its bytes have another digest".to_owned()));
        }
        Ok(raw)
    }

    /// Records of all segments of a table, by partition and segment id.
    pub fn segments(&self, table: &SegmentTable) -> Result<Vec<SegmentRecord>> {
        self.segment_range(table.code, i64::MIN..=i64::MAX)
    }

    /// Records of the segments of one partition of a table.
    pub fn segments_of(&self, table: &SegmentTable, partition: i64) -> Result<Vec<SegmentRecord>> {
        self.segment_range(table.code, partition..=partition)
    }

    fn segment_range(&self, code: u16, partitions: std::ops::RangeInclusive<i64>) -> Result<Vec<SegmentRecord>> {
        guarded(|| self.segment_records(code, partitions))?
    }

    fn segment_records(&self, code: u16, partitions: std::ops::RangeInclusive<i64>) -> Result<Vec<SegmentRecord>> {
        let Some(table) = self.open(tables::SEGMENTS)? else { return Ok(Vec::new()) };
        let range = (code, *partitions.start(), i64::MIN)..=(code, *partitions.end(), i64::MAX);
        let mut records = Vec::new();
        for row in table.range(range).map_err(|error| storage_error("read", error.into()))? {
            let (key, value) = row.map_err(|error| storage_error("read", error.into()))?;
            let place = || format!("table `segments`, key {:?}", key.value());
            let record = codec::decode::<SegmentRecord>(value.value(), &place)?;
            records.push(column::require_bearable(record).map_err(|error| error.context(place()))?);
        }
        Ok(records)
    }

    /// Decodes the named columns (indices into the table's declaration) of one segment; columns that are read
    /// often are kept in memory.
    pub fn read_columns(
        &self,
        table: &SegmentTable,
        segment: &SegmentRecord,
        columns: &[usize],
    ) -> Result<Vec<ArrayRef>> {
        self.columns_by(segment, columns, |index| match (table.columns.get(index), segment.columns.get(index)) {
            (Some(declared), Some(record)) => {
                if let Some(array) = self.columns.get(declared, record, segment.rows) {
                    return Ok(array);
                }
                let array = self.decoded(table, segment, index)?;
                self.columns.offer(declared, record, segment.rows, &array);
                Ok(array)
            }
            _ => self.decoded(table, segment, index),
        })
    }

    /// As [`Snapshot::read_columns`], each from its stored bytes.
    pub(super) fn read_columns_anew(
        &self,
        table: &SegmentTable,
        segment: &SegmentRecord,
        columns: &[usize],
    ) -> Result<Vec<ArrayRef>> {
        self.columns_by(segment, columns, |index| self.decoded(table, segment, index))
    }

    fn columns_by(
        &self,
        segment: &SegmentRecord,
        columns: &[usize],
        read: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let mut arrays = Vec::with_capacity(columns.len());
        for &index in columns {
            arrays.push(read(index)?);
            let Some(record) = segment.columns.get(index) else { continue };
            self.counters.columns_read.fetch_add(1, Ordering::Relaxed);
            self.counters.values_read.fetch_add(u64::from(segment.rows), Ordering::Relaxed);
            self.counters.bytes_read.fetch_add(u64::from(record.stored_bytes), Ordering::Relaxed);
        }
        if !columns.is_empty() {
            self.counters.segments_read.fetch_add(1, Ordering::Relaxed);
        }
        Ok(arrays)
    }

    fn decoded(&self, table: &SegmentTable, segment: &SegmentRecord, index: usize) -> Result<ArrayRef> {
        read_column(table, segment, index, &|record| self.content(&record.digest))
    }

    /// Which jobs this view holds. Records are never changed, only added together with a job (except for names), so two
    /// views of one generation hold the same records.
    pub fn generation(&self) -> Result<Generation> {
        let heap_bytes = self.heap.as_ref().map_or(0, |heap| heap.end);
        let Some(jobs) = self.open(tables::JOBS)? else {
            return Ok(Generation { heap_bytes, ..Generation::default() });
        };
        let mut names = blake3::Hasher::new();
        if let Some(table) = self.open(tables::CAPTURE_NAMES)? {
            for row in table.iter().map_err(|error| storage_error("read", error.into()))? {
                names.update(row.map_err(|error| storage_error("read", error.into()))?.1.value());
            }
        }
        let digest = |row: Option<(redb::AccessGuard<'_, i64>, redb::AccessGuard<'_, &'static [u8]>)>| {
            row.map(|(_, record)| Digest::of(record.value()))
        };
        let failed = |error: redb::StorageError| storage_error("read", error.into());
        Ok(Generation {
            jobs: jobs.len().map_err(failed)?,
            ends: [digest(jobs.first().map_err(failed)?), digest(jobs.last().map_err(failed)?)],
            heap_bytes,
            names: Some(Digest(*names.finalize().as_bytes())),
        })
    }

    /// How much was read through this snapshot so far.
    pub fn counters(&self) -> &ReadCounters {
        &self.counters
    }

    /// Jobs that have a checkpoint, that is, are running or were interrupted.
    pub fn checkpoints(&self) -> Result<Vec<JobId>> {
        let records: Vec<CheckpointRecord> = self.all(tables::CHECKPOINTS, |key| key.to_string())?;
        Ok(records.into_iter().map(|record| record.job_id).collect())
    }

    pub(super) fn checkpoint(&self, job_id: JobId) -> Result<Option<Vec<u8>>> {
        let Some(record) = self.one::<CheckpointRecord>(tables::CHECKPOINTS, job_id.0)? else { return Ok(None) };
        let mut state = Vec::new();
        if let Some(parts) = self.open(tables::CHECKPOINT_PARTS)? {
            for row in parts
                .range((job_id.0, 0)..=(job_id.0, u32::MAX))
                .map_err(|error| storage_error("read", error.into()))?
            {
                let (_, part) = row.map_err(|error| storage_error("read", error.into()))?;
                state.extend_from_slice(part.value());
            }
        }
        if Digest::of(&state).0 != record.digest {
            return Err(Error::internal(format!("the checkpoint of job {job_id} is damaged")));
        }
        Ok(Some(state))
    }

    /// A content of the heap as stored.
    pub(super) fn content(&self, key: &[u8; 16]) -> Result<Vec<u8>> {
        let missing = || heap::damaged(format!("the content {} is missing", heap::hex(key)));
        let heap = self.heap.as_ref().ok_or_else(missing)?;
        guarded(|| {
            let place = heap.places.get(key).map_err(|error| storage_error("read", error.into()))?;
            heap::read(&heap.chunks, place.ok_or_else(missing)?.value(), heap.end)
        })?
    }

    /// Bytes of the heap, and every place in it.
    pub(super) fn places(&self) -> Result<(u64, Vec<heap::Place>)> {
        let Some(heap) = &self.heap else { return Ok((0, Vec::new())) };
        let rows = heap.places.iter().map_err(|error| storage_error("read", error.into()))?;
        let places = rows.map(|row| Ok(row.map_err(|error| storage_error("read", error.into()))?.1.value()));
        Ok((heap.end, places.collect::<Result<Vec<_>>>()?))
    }

    pub(super) fn open<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<Option<ReadOnlyTable<K, V>>> {
        match self.transaction.open_table(definition) {
            Ok(table) => Ok(Some(table)),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(storage_error("open a table of", error.into())),
        }
    }

    pub(super) fn all<K, T>(
        &self,
        definition: TableDefinition<'_, K, &'static [u8]>,
        key_text: impl Fn(&K::SelfType<'_>) -> String,
    ) -> Result<Vec<T>>
    where
        K: redb::Key + 'static,
        T: Record,
        T::Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
            + rkyv::Deserialize<T, HighDeserializer<rancor::Error>>,
    {
        let name = redb::TableHandle::name(&definition).to_owned();
        guarded(|| {
            let Some(table) = self.open(definition)? else { return Ok(Vec::new()) };
            let mut records = Vec::new();
            for row in table.iter().map_err(|error| storage_error("read", error.into()))? {
                let (key, value) = row.map_err(|error| storage_error("read", error.into()))?;
                let place = || format!("table `{name}`, key {}", key_text(&key.value()));
                records.push(codec::decode(value.value(), &place)?);
            }
            Ok(records)
        })?
    }

    fn one<T>(&self, definition: TableDefinition<'_, i64, &'static [u8]>, id: i64) -> Result<Option<T>>
    where
        T: Record,
        T::Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
            + rkyv::Deserialize<T, HighDeserializer<rancor::Error>>,
    {
        let name = redb::TableHandle::name(&definition).to_owned();
        guarded(|| {
            let Some(table) = self.open(definition)? else { return Ok(None) };
            let found = table.get(id).map_err(|error| storage_error("read", error.into()))?;
            found.map(|guard| codec::decode(guard.value(), &|| format!("table `{name}`, key {id}"))).transpose()
        })?
    }
}
