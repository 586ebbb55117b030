//! Compacts a study: everything is rewritten in key order into a temporary file, which then replaces the study.
//!
//! redb's own compaction moves pages but not values: leaves stay as full as random keys left them (two
//! thirds), and it stops at the first page without a free run of its size below (5 % of a 30 MB study
//! were such gaps). Written in the order of the keys, leaves are full; and the heap comes in the order
//! of a scan: objects, then each table column by column over all its segments. The content of free pages is not
//! copied, nor are checkpoints that hold noise seeds (see [`residual_seeds`]).
//!
//! Crash safety: the study is not touched before the rename, which replaces it atomically. Readers of the
//! old file keep reading it; the next snapshot opens the new one. Two compactions of the same content
//! give the same order, whatever the order of the jobs was.

use super::checkpoint::write_checkpoint;
use super::engine::{create, linked, storage_error};
use super::heap::HeapWriter;
use super::output_key::Place;
use super::reader::Snapshot;
use super::residual_seeds;
use super::schema::SEGMENT_TABLES;
use super::tables;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use std::path::{Path, PathBuf};
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result, io_error};

/// Writes a packed copy of a snapshot beside the study and puts it in the study's place; gives the
/// new database, open for writing. The caller holds the old one open, so that no other process
/// writes to it meanwhile.
pub(super) fn replace(snapshot: &Snapshot, path: &Path, cache_bytes: usize) -> Result<Database> {
    replace_by(path, cache_bytes, &|transaction| copy(snapshot, transaction))
}

/// As [`replace`], with the content that `copy` writes.
pub(super) fn replace_by(
    path: &Path,
    cache_bytes: usize,
    copy: &dyn Fn(&WriteTransaction) -> Result<()>,
) -> Result<Database> {
    let path = linked(path);
    let beside = beside(&path);
    let written = write_packed(copy, &path, &beside, cache_bytes);
    if written.is_err() {
        // What is left of a failed copy is of no use; the study itself is as it was.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// The temporary name of the copy. A file that a killed compaction left there is overwritten.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(".compacting");
    path.with_file_name(name)
}

fn write_packed(
    copy: &dyn Fn(&WriteTransaction) -> Result<()>,
    path: &Path,
    beside: &Path,
    cache_bytes: usize,
) -> Result<Database> {
    match std::fs::remove_file(beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error("replace", beside, &error));
        }
        _ => {}
    }
    let mut fresh = create(beside, cache_bytes)?;
    let permissions = std::fs::metadata(path).map_err(|error| io_error("open the study", path, &error))?.permissions();
    std::fs::set_permissions(beside, permissions).map_err(|error| io_error("write", beside, &error))?;
    let transaction = fresh.begin_write().map_err(|error| storage_error("begin writing to", error.into()))?;
    copy(&transaction)?;
    transaction.commit().map_err(|error| storage_error("commit to", error.into()))?;
    // Gives back what the file grew ahead.
    fresh.compact().map_err(|error| storage_error("compact", error.into()))?;
    std::fs::rename(beside, path).map_err(|error| io_error("replace", path, &error))?;
    sync_folder(path)?;
    Ok(fresh)
}

/// Makes the rename durable (fsync of the folder).
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error("write", folder, &error))
}

fn copy(snapshot: &Snapshot, transaction: &WriteTransaction) -> Result<()> {
    copy_heap(snapshot, transaction, &|_| true)?;
    macro_rules! copy_tables {
        ($($table:expr),+) => { $(copy_table(snapshot, transaction, $table)?;)+ };
    }
    copy_tables!(
        tables::META,
        tables::CLASSES,
        tables::CAPTURES,
        tables::CAPTURE_NAMES,
        tables::INGESTS,
        tables::SPLITS,
        tables::MODELS,
        tables::ATTACKS,
        tables::JOBS,
        tables::OBJECTS,
        tables::SEGMENTS
    );
    forget_training(transaction)?;
    copy_checkpoints(snapshot, transaction)
}

/// Clears the mark of trainings with secret noise: remnants of killed trainings are in pages that are not copied.
pub(super) fn forget_training(transaction: &WriteTransaction) -> Result<()> {
    let mut meta =
        transaction.open_table(tables::META).map_err(|error| storage_error("open a table of", error.into()))?;
    meta.remove(tables::TRAINING).map(drop).map_err(|error| storage_error("write", error.into()))
}

/// Checkpoints except those of earlier versions, which hold noise seeds; no job of this version resumes from them.
fn copy_checkpoints(snapshot: &Snapshot, transaction: &WriteTransaction) -> Result<()> {
    for job_id in snapshot.checkpoints()? {
        let Some(state) = snapshot.checkpoint(job_id)?.filter(|state| !residual_seeds::holds_seeds(state)) else {
            continue;
        };
        write_checkpoint(transaction, job_id, &state)?;
    }
    Ok(())
}

pub(super) fn copy_table<K: redb::Key + 'static>(
    snapshot: &Snapshot,
    transaction: &WriteTransaction,
    definition: TableDefinition<'_, K, &'static [u8]>,
) -> Result<()> {
    let Some(source) = snapshot.open(definition)? else { return Ok(()) };
    let mut target =
        transaction.open_table(definition).map_err(|error| storage_error("open a table of", error.into()))?;
    for row in source.iter().map_err(|error| storage_error("read", error.into()))? {
        let (key, value) = row.map_err(|error| storage_error("read", error.into()))?;
        target.insert(key.value(), value.value()).map_err(|error| storage_error("write", error.into()))?;
    }
    Ok(())
}

/// Content that matches its digest: damage is not copied.
fn whole_content(snapshot: &Snapshot, digest: &[u8; 16]) -> Result<Vec<u8>> {
    let bytes = snapshot.content(digest)?;
    if Digest::of(&bytes).prefix16() == *digest {
        return Ok(bytes);
    }
    Err(Error::internal("the study is damaged: a content differs from its digest")
        .hint("nothing was changed; restore a copy, or see what is damaged: `syntrace verify STUDY`"))
}

/// Contents of the selected objects and segments, in the order of a scan.
pub(super) fn copy_heap(
    snapshot: &Snapshot,
    transaction: &WriteTransaction,
    wanted: &dyn Fn(Place) -> bool,
) -> Result<()> {
    let mut heap = HeapWriter::open(transaction)?;
    let objects = snapshot.objects()?;
    for object in objects.iter().filter(|object| object.parts.is_empty() && wanted(Place::Object(object.digest))) {
        heap.put(&object.stored_digest, &whole_content(snapshot, &object.stored_digest)?)?;
    }
    for table in SEGMENT_TABLES {
        let mut segments = snapshot.segments(table)?;
        segments.retain(|segment| wanted(Place::Segment((segment.table, segment.partition, segment.segment_id))));
        let columns = segments.iter().map(|segment| segment.columns.len()).max().unwrap_or(0);
        for column in 0..columns {
            for record in segments.iter().filter_map(|segment| segment.columns.get(column)) {
                if record.inline.is_empty() {
                    heap.put(&record.digest, &whole_content(snapshot, &record.digest)?)?;
                }
            }
        }
    }
    heap.finish()
}
