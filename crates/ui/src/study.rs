//! The study that is shown: one consistent view of it for each request.

use crate::failure::Failure;
use crate::kept::Kept;
use crate::layout::Frame;
use axum::body::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use syntrace_base::error::{Error, Result};
use syntrace_query::{NamedQuery, Parameters, RealTraces, RecordBatch, Rows, Service};
use syntrace_store::{Generation, Snapshot, Store};
use tokio::time::{Instant, timeout_at};

/// Longest time of all statements of a page together, and of each part of a file.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A study, and who may see what of it.
pub(crate) struct Study {
    store: Store,
    service: Arc<Service>,
    /// Its name, for titles and, beside others, in addresses.
    pub name: String,
    /// May pages name real traces?
    pub real: RealTraces,
    /// Are pages files, which nobody answers?
    pub is_frozen: bool,
    /// Is it shown beside others?
    pub is_one_of_several: bool,
    /// The state that the last request saw.
    last: Mutex<Option<Generation>>,
    kept: Kept,
}

impl Study {
    /// Shows a study alone.
    pub fn new(store: Store, service: Arc<Service>, name: String, real: RealTraces) -> Self {
        Self {
            store,
            service,
            name,
            real,
            is_frozen: false,
            is_one_of_several: false,
            last: Mutex::default(),
            kept: Kept::default(),
        }
    }

    /// The same as files, which nobody answers.
    pub fn frozen(self) -> Self {
        Self { is_frozen: true, ..self }
    }

    /// The same beside others.
    pub fn beside_others(self) -> Self {
        Self { is_one_of_several: true, ..self }
    }

    /// May pages name real traces?
    pub fn names_members(&self) -> bool {
        self.real == RealTraces::Named
    }

    /// The head of a page; `here` is which of the links at the top is the page's.
    pub fn frame(&self, here: &'static str, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            study: self.name.clone(),
            names_members: self.names_members(),
            here,
            has_pages: true,
            is_frozen: self.is_frozen,
            is_one_of_several: self.is_one_of_several,
        }
    }

    /// The newest finished job's view, for one request. Follows another study in the file's place, and one that was written
    /// over it.
    pub fn view(&self) -> Result<View<'_>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let may_follow = |generation: &Generation| last.is_none_or(|last| generation.may_follow(&last));
        let (snapshot, generation) = match self.newest() {
            Ok(newest) if may_follow(&newest.1) => newest,
            _ => {
                self.store.reopen()?;
                self.newest()?
            }
        };
        *last = Some(generation);
        drop(last);
        Ok(View { study: self, snapshot, generation, deadline: Instant::now() + TIME_LIMIT })
    }

    fn newest(&self) -> Result<(Arc<Snapshot>, Generation)> {
        let snapshot = Arc::new(self.store.snapshot()?);
        let generation = snapshot.generation()?;
        Ok((snapshot, generation))
    }
}

/// A consistent view of the study, for as long as one request may take.
pub(crate) struct View<'a> {
    /// Of which study.
    pub study: &'a Study,
    snapshot: Arc<Snapshot>,
    generation: Generation,
    deadline: Instant,
}

impl View<'_> {
    /// Names and types of the columns of a statement's answer.
    pub async fn columns(&self, sql: &str) -> Result<arrow::datatypes::SchemaRef> {
        self.study.service.columns(sql).await
    }

    /// Starts a statement. One that could name real traces is refused where these are hidden.
    pub async fn ask(&self, sql: &str, parameters: &Parameters) -> Result<Running> {
        let started = self.study.service.ask(sql, parameters, Arc::clone(&self.snapshot), self.study.real);
        self.within(started).await
    }

    /// Starts a named query, with values for its parameters.
    pub async fn ask_named(&self, query: &NamedQuery, given: &Parameters) -> Result<Running> {
        let started = self.study.service.ask_named(query, given, Arc::clone(&self.snapshot), self.study.real);
        self.within(started).await
    }

    async fn within(&self, started: impl Future<Output = Result<Rows>>) -> Result<Running> {
        let rows = timeout_at(self.deadline, started).await.map_err(|_| late())??;
        Ok(Running { rows, deadline: self.deadline })
    }

    /// The page of an address, or a part of it, that depends on nothing but the study: it is made once for each state of it.
    pub async fn kept(
        &self,
        address: &str,
        make: impl Future<Output = std::result::Result<String, Failure>>,
    ) -> std::result::Result<Bytes, Failure> {
        self.study.kept.page(self.generation, address, make).await
    }

    /// Is a page kept already?
    pub fn has_kept(&self, address: &str) -> bool {
        self.study.kept.has(self.generation, address)
    }
}

fn late() -> Error {
    Error::interrupted(format!("the answer took longer than {} seconds", TIME_LIMIT.as_secs()))
        .hint("ask for less, or use `syntrace sql`, which has no limit")
}

/// A statement that runs, until its time is over. Dropping it stops it.
pub(crate) struct Running {
    /// Its rows.
    pub rows: Rows,
    deadline: Instant,
}

impl Running {
    /// The next batch; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        timeout_at(self.deadline, self.rows.next()).await.unwrap_or_else(|_| Some(Err(late())))
    }

    /// As [`Running::next`], with the whole time for this batch: a file may be large.
    pub async fn next_of_file(&mut self) -> Option<Result<RecordBatch>> {
        self.deadline = Instant::now() + TIME_LIMIT;
        self.next().await
    }
}
