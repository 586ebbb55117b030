//! Writing a study: one transaction per finished job, with its provenance.

use super::checkpoint::write_checkpoint;
use super::compact;
use super::engine::{
    Engine, FileIdentity, damaged_study, file_identity, guarded, open_backend, open_checking, open_writing,
    pages_are_whole, storage_error,
};
use super::job_result::{JobResult, write_result};
use super::names;
use super::output_key::open;
use super::reader::Snapshot;
use super::records::ShardRecord;
use super::{codec, tables};
use redb::{Database, WriteTransaction};
use std::path::{Path, PathBuf};
use syntrace_base::base::{CaptureId, JobId};
use syntrace_base::error::{Error, Result, io_error};
use syntrace_base::record::JobRecord;

/// Largest study whose pages are all verified before a run, which takes a few seconds at this size.
const CHECKED_BYTES_MAX: u64 = 4 << 30;

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

    /// A consistent view of what is committed. While it lives, no page that a later commit frees can be written again: whoever
    /// works for long drops it first, or every checkpoint of every training makes the file longer.
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
        let segments = result.encode_segments()?;
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

    /// Says which shares of a plan this study holds; `None`: it is one no more.
    pub fn set_shard(&self, shard: Option<&ShardRecord>) -> Result<()> {
        let record = shard.map(codec::encode).transpose()?;
        let transaction = self.begin_write()?;
        {
            let mut meta = open(&transaction, tables::META)?;
            let written = match &record {
                Some(bytes) => meta.insert(tables::SHARD, bytes.as_slice()),
                None => meta.remove(tables::SHARD),
            };
            written.map(drop).map_err(|error| storage_error("write", error.into()))?;
        }
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

    /// Does something while nothing is being written: waits for a commit that is under way, and holds up the next one.
    pub fn between_commits(&self, what: impl FnOnce()) -> Result<()> {
        let transaction = self.begin_write()?;
        what();
        transaction.abort().map_err(|error| storage_error("leave", error.into()))
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
