//! A study, or several, opened for queries.

use super::CACHE_BYTES;
use crate::base::thread_count;
use crate::error::Result;
use crate::query::{
    Answer, FileName, NamedQuery, Parameters, Session, SessionOptions, TableInfo, study_names, tables,
    tables_of_several,
};
use crate::store::{Snapshot, Store};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A study opened for queries.
struct Opened {
    path: PathBuf,
    /// What it is called in SQL, where there are several.
    name: String,
    store: Store,
}

/// Studies opened for queries: each statement sees their newest finished jobs.
pub(super) struct Asker {
    /// The first, of which there is always one, and the others.
    first: Opened,
    others: Vec<Opened>,
    session: Session,
    /// Tables that are files, with what they are read from.
    files: RefCell<BTreeMap<String, PathBuf>>,
}

impl Asker {
    /// Opens one study.
    pub fn open(study: &Path, memory_mib: usize, threads: Option<usize>) -> Result<Self> {
        Self::open_several(study, &[], memory_mib, threads)
    }

    /// Opens a study together with others.
    pub fn open_several(first: &Path, others: &[PathBuf], memory_mib: usize, threads: Option<usize>) -> Result<Self> {
        let paths: Vec<&Path> = std::iter::once(first).chain(others.iter().map(PathBuf::as_path)).collect();
        let opened = |(path, name): (&Path, String)| {
            Ok(Opened { path: path.to_owned(), name, store: Store::open(path, CACHE_BYTES)? })
        };
        let mut names = study_names(&paths)?.into_iter();
        let first = opened((first, names.next().unwrap_or_default()))?;
        let others = others.iter().map(PathBuf::as_path).zip(names).map(opened).collect::<Result<Vec<_>>>()?;
        let threads = threads.unwrap_or_else(thread_count).max(1);
        let options = SessionOptions { memory_bytes: memory_mib.max(1) << 20, threads };
        let all = std::iter::once(&first).chain(&others);
        let named = |study: &Opened| Ok((study.name.clone(), Arc::new(study.store.snapshot()?)));
        let session = Session::open_several(&all.map(named).collect::<Result<Vec<_>>>()?, options)?;
        Ok(Self { first, others, session, files: RefCell::default() })
    }

    fn all(&self) -> impl Iterator<Item = &Opened> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The names of several studies with their files; none where there is one.
    pub fn studies(&self) -> Vec<(&str, &Path)> {
        if self.others.is_empty() {
            Vec::new()
        } else {
            self.all().map(|one| (one.name.as_str(), &*one.path)).collect()
        }
    }

    /// The tables that can be asked for.
    pub fn tables(&self) -> Vec<TableInfo> {
        if self.others.is_empty() { tables() } else { tables_of_several() }
    }

    fn attach(&self) -> Result<()> {
        let snapshots = self.all().map(|study| study.store.snapshot().map(Arc::new)).collect::<Result<Vec<_>>>()?;
        self.session.attach_all(&snapshots)
    }

    /// Runs one statement over the newest snapshots.
    pub fn ask(&self, sql: &str, parameters: &Parameters) -> Result<Answer> {
        self.attach()?;
        self.session.sql_with(sql, parameters)
    }

    /// Runs a named query over the newest snapshots.
    pub fn ask_named(&self, query: &NamedQuery, parameters: &Parameters) -> Result<Answer> {
        self.attach()?;
        self.session.named(query, parameters)
    }

    /// Makes a file a table beside those of the study; gives the table's name.
    pub fn attach_file(&self, file: &FileName) -> Result<String> {
        let name = self.session.attach_file(file)?;
        self.files.borrow_mut().insert(name.clone(), file.path.clone());
        Ok(name)
    }

    /// The tables that are files.
    pub fn files(&self) -> BTreeMap<String, PathBuf> {
        self.files.borrow().clone()
    }

    /// Says why the answer to a statement is empty, where that is for a name that the study does not have.
    pub fn note_absent(&self, sql: &str, parameters: &Parameters) {
        // An empty answer is one, whatever else fails.
        for line in self.session.why_empty(sql, parameters).unwrap_or_default() {
            note!("note: {line}");
        }
    }

    /// Lets go of the snapshots between the statements of a shell.
    pub fn rest(&self) -> Result<()> {
        self.session.detach()
    }

    /// The newest state of the study, the first of several.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.first.store.snapshot()
    }

    /// Is the study a redacted copy?
    pub fn is_redacted(&self) -> Result<bool> {
        self.snapshot()?.is_shared_copy()
    }

    /// Refuses to write an answer over a study that it comes from.
    pub fn require_other_file(&self, out: &Path) -> Result<()> {
        self.all().try_for_each(|study| super::require_other_file(out, &study.path))
    }

    /// The session, over the snapshots of its opening or of the last statement.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
