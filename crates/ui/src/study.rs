//! The study that is shown: one consistent view of it for each request.

use crate::layout::Frame;
use crate::token::Access;
use std::sync::Arc;
use std::time::Duration;
use syntrace_base::error::{Error, Result};
use syntrace_query::{NamedQuery, Parameters, RealTraces, RecordBatch, Rows, Service};
use syntrace_store::{Snapshot, Store};
use tokio::time::{Instant, timeout_at};

/// Longest time of all statements of a page together.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A study, and who may see what of it.
pub(crate) struct Study {
    store: Store,
    service: Service,
    name: String,
    /// May pages name real traces?
    pub real: RealTraces,
    /// Who is answered.
    pub access: Access,
}

impl Study {
    /// Shows a study on a port.
    pub fn new(store: Store, service: Service, name: String, real: RealTraces, port: u16) -> Result<Self> {
        Ok(Self { store, service, name, real, access: Access::new(port)? })
    }

    /// May pages name real traces?
    pub fn names_members(&self) -> bool {
        self.real == RealTraces::Named
    }

    /// The head of a page; `here` is which of the links at the top is the page's.
    pub fn frame(&self, here: &'static str, title: impl Into<String>) -> Frame {
        Frame { title: title.into(), study: self.name.clone(), names_members: self.names_members(), here }
    }

    /// The newest finished job's view, for one request.
    pub fn view(&self) -> Result<View<'_>> {
        let snapshot = Arc::new(self.store.snapshot()?);
        Ok(View { study: self, snapshot, deadline: Instant::now() + TIME_LIMIT })
    }
}

/// A consistent view of the study, for as long as one request may take.
pub(crate) struct View<'a> {
    /// Of which study.
    pub study: &'a Study,
    snapshot: Arc<Snapshot>,
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
}
