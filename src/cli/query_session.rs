//! A study opened for queries.

use super::CACHE_BYTES;
use crate::base::thread_count;
use crate::error::Result;
use crate::query::{Answer, Parameters, Session, SessionOptions};
use crate::store::{Snapshot, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A study opened for queries: each statement sees the newest finished job.
pub(super) struct Asker {
    study: PathBuf,
    store: Store,
    session: Session,
}

impl Asker {
    pub fn open(study: &Path, memory_mib: usize, threads: Option<usize>) -> Result<Self> {
        let store = Store::open(study, CACHE_BYTES)?;
        let threads = threads.unwrap_or_else(thread_count).max(1);
        let options = SessionOptions { memory_bytes: memory_mib.max(1) << 20, threads };
        let session = Session::open(Arc::new(store.snapshot()?), options)?;
        Ok(Self { study: study.to_owned(), store, session })
    }

    /// Runs one statement over the newest snapshot.
    pub fn ask(&self, sql: &str, parameters: &Parameters) -> Result<Answer> {
        self.session.attach(Arc::new(self.store.snapshot()?))?;
        self.session.sql_with(sql, parameters)
    }

    /// Says why the answer to a statement is empty, where that is for a name that the study does not have.
    pub fn note_absent(&self, sql: &str, parameters: &Parameters) {
        // An empty answer is one, whatever else fails.
        for line in self.session.why_empty(sql, parameters).unwrap_or_default() {
            note!("note: {line}");
        }
    }

    /// Lets go of the snapshot between the statements of a shell.
    pub fn rest(&self) -> Result<()> {
        self.session.detach()
    }

    /// The newest state of the study.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.store.snapshot()
    }

    /// Is the study a redacted copy?
    pub fn is_redacted(&self) -> Result<bool> {
        self.store.snapshot()?.is_shared_copy()
    }

    /// The study file.
    pub fn study(&self) -> &Path {
        &self.study
    }

    /// The session, over the snapshot of its opening or of the last statement.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
