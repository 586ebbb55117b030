//! A query context over one snapshot, and the bridge from DataFusion's async to plain iterators.

use crate::context::{Rules, SessionOptions, new_context, started};
use crate::optimizer::cancellation::CancelFlag;
use crate::sql::binding::bound;
use crate::sql::diagnose::explain;
use crate::sql::empty_answer;
use crate::sql::name_resolution::{register_named, register_tables, with_tables_of};
use crate::sql::nesting_limits::STACK_BYTES;
use crate::sql::parameter::Parameters;
use crate::sql::parse::parse;
use crate::sql::statement::{admitted, reading_plan};
use crate::sql::summarize;
use crate::table::study::{Studies, Study};
use arrow::array::AsArray;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::base::try_threads;
use syntrace_base::error::{Error, Result, panic_text};
use syntrace_store::Snapshot;
use tokio::sync::Notify;

/// SQL over one consistent view of a study. Read-only.
pub struct Session {
    runtime: Arc<tokio::runtime::Runtime>,
    context: SessionContext,
    cancel: Arc<Cancellation>,
    /// What statements read from now on.
    study: Mutex<Arc<Study>>,
    /// What is known of the study's records from one statement to the next.
    studies: Studies,
}

impl Session {
    /// Makes a context with all tables and functions; reads nothing from the study.
    pub fn open(snapshot: Arc<Snapshot>, options: SessionOptions) -> Result<Self> {
        Self::open_with(snapshot, options, Rules::default())
    }

    /// As [`Session::open`], with some of this crate's optimizer rules disabled.
    pub fn open_with(snapshot: Arc<Snapshot>, options: SessionOptions, rules: Rules) -> Result<Self> {
        let threads = options.threads.max(1);
        // One more for the stack that statements are planned on.
        try_threads(threads + 1, Some(STACK_BYTES)).map_err(|error| {
            Error::user(format!("cannot start the {threads} threads of a query: {error}"))
                .hint("raise the limits of this process (`ulimit -v`, `ulimit -u`), or ask for fewer threads")
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| Error::internal(format!("cannot start the query threads: {error}")))?;
        let context = new_context(options, rules)?;
        register_tables(&context).map_err(|error| Error::internal(format!("cannot register the tables: {error}")))?;
        let session = Self {
            runtime: Arc::new(runtime),
            context,
            cancel: Arc::default(),
            study: Mutex::new(Arc::new(Study::detached())),
            studies: Studies::default(),
        };
        session.attach(snapshot)?;
        Ok(session)
    }

    /// From now on Ctrl-C cancels the running statement with an error instead of ending the process.
    pub fn stop_on_interrupt(&self) -> Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| Error::internal(format!("cannot wait for Ctrl-C: {error}"));
        // A separate thread: the query threads may all be busy.
        let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut interrupts = {
            let _inside = waiting.enter();
            signal(SignalKind::interrupt()).map_err(failed)?
        };
        let cancel = Arc::clone(&self.cancel);
        std::thread::spawn(move || {
            waiting.block_on(async {
                while interrupts.recv().await.is_some() {
                    cancel.cancel();
                }
            });
        });
        Ok(())
    }

    /// Switches all tables to another snapshot: the shell does so before each statement.
    pub fn attach(&self, snapshot: Arc<Snapshot>) -> Result<()> {
        self.put(self.studies.study(snapshot)?);
        Ok(())
    }

    /// Lets go of the snapshot, so that a writer may reuse its pages; queries fail until the next
    /// [`Session::attach`].
    pub fn detach(&self) -> Result<()> {
        self.put(Study::detached());
        Ok(())
    }

    fn put(&self, study: Study) {
        *self.study.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(study);
    }

    /// The study of the last snapshot.
    fn study(&self) -> Arc<Study> {
        Arc::clone(&self.study.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Plans one statement and starts it. Errors show the place in the text and near names.
    pub fn sql(&self, text: &str) -> Result<Answer> {
        self.sql_with(text, &Parameters::new())
    }

    /// As [`Session::sql`], with values for `$name` parameters.
    pub fn sql_with(&self, text: &str, parameters: &Parameters) -> Result<Answer> {
        self.cancel.requested.store(false, Ordering::SeqCst);
        self.sql_until(text, parameters, &self.cancel)
    }

    /// As [`Session::sql_with`]; `cancel` ends this statement and its answer, and no other of the session.
    pub fn sql_until(&self, text: &str, parameters: &Parameters, cancel: &Arc<Cancellation>) -> Result<Answer> {
        if let Some(query) = summarize::query(text) {
            let schema = self.schema(&query, parameters)?;
            return self.sql_until(&summarize::statement(&query, &schema), parameters, cancel);
        }
        let stream = caught(|| {
            let statement = admitted(parse(text)?)?;
            let start = self.start(statement, parameters, &cancel.requested);
            let started = self.runtime.block_on(cancel.before(start))?;
            started.map_err(|error| explain(&error, text))
        })?;
        Ok(Answer { runtime: Arc::clone(&self.runtime), cancel: Arc::clone(cancel), text: text.to_owned(), stream })
    }

    /// Names and types of the columns of a statement's answer.
    fn schema(&self, text: &str, parameters: &Parameters) -> Result<SchemaRef> {
        caught(|| {
            let statement = admitted(parse(text)?)?;
            let plan =
                self.runtime.block_on(self.plan(statement, parameters)).map_err(|error| explain(&error, text))?;
            Ok(Arc::clone(plan.schema().inner()))
        })
    }

    /// Why a statement's answer is empty, where it asks for a name that the study does not have; one line for each.
    pub fn why_empty(&self, text: &str, parameters: &Parameters) -> Result<Vec<String>> {
        let filters = caught(|| {
            let statement = admitted(parse(text)?)?;
            let planned = self.runtime.block_on(async {
                let plan = self.plan(statement, parameters).await?;
                empty_answer::text_filters(&self.context.state().optimize(&plan)?)
            });
            planned.map_err(|error| explain(&error, text))
        })?;
        let mut notes = Vec::new();
        for one in filters {
            let found: usize = self
                .sql(&empty_answer::exists_query(&one))?
                .map(|batch| Ok(batch?.num_rows()))
                .sum::<Result<usize>>()?;
            if found > 0 {
                continue;
            }
            let mut known = Vec::new();
            for batch in self.sql(&empty_answer::values_query(&one))? {
                known.extend(batch?.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
            }
            notes.push(empty_answer::note(&one, &known));
        }
        Ok(notes)
    }

    async fn start(
        &self,
        statement: Statement,
        parameters: &Parameters,
        cancelled: &CancelFlag,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        let plan = self.plan(statement, parameters).await?;
        started(&self.context, plan, cancelled).await
    }

    /// The plan of a statement that only reads, over the study.
    async fn plan(&self, statement: Statement, parameters: &Parameters) -> datafusion::common::Result<LogicalPlan> {
        register_named(&self.context, &statement).await?;
        let plan = reading_plan(&self.context, statement).await?;
        with_tables_of(bound(plan, parameters)?, &self.study())
    }
}

/// Runs a recursive operation on a stack that suffices for the deepest tree that
/// [`require_shallow`](crate::sql::nesting_limits::require_shallow) accepts, whatever thread the caller is on.
fn with_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, work)
}

/// As [`with_stack`]; a panic becomes an error of the statement.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    with_stack(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))).unwrap_or_else(|panic| {
        let text = panic_text(panic.as_ref());
        // Arrow's offsets of a text column in a batch are 32-bit signed integers.
        if text.contains("offset overflow") {
            return Err(Error::user("a text column of one batch exceeds 2 GiB")
                .hint("aggregate less of it: fewer rows, or shorter texts"));
        }
        Err(Error::internal(format!("the query engine panicked on this statement: {text}"))
            .hint("`syntrace verify STUDY` says whether the file is damaged"))
    })
}

/// Ends a statement from another thread.
#[derive(Default)]
pub struct Cancellation {
    requested: CancelFlag,
    notified: Notify,
}

impl Cancellation {
    /// The statement ends with an error as soon as it can.
    pub fn cancel(&self) {
        self.requested.store(true, Ordering::SeqCst);
        self.notified.notify_waiters();
    }

    /// What `work` gives, or an error as soon as the statement is cancelled.
    async fn before<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let mut told = std::pin::pin!(self.notified.notified());
        told.as_mut().enable();
        if self.requested.load(Ordering::SeqCst) {
            return Err(Error::interrupted("stopped"));
        }
        tokio::select! {
            done = work => Ok(done),
            () = told => Err(Error::interrupted("stopped")),
        }
    }
}

/// The rows of a running query, as record batches. Dropping it stops the query.
pub struct Answer {
    text: String,
    stream: SendableRecordBatchStream,
    cancel: Arc<Cancellation>,
    /// Shared, so that an answer may outlive its session; dropped after the stream.
    runtime: Arc<tokio::runtime::Runtime>,
}

impl Answer {
    /// Names and types of the columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// All rows at once, for small answers.
    pub fn collect_batches(self) -> Result<Vec<RecordBatch>> {
        self.collect()
    }
}

impl Iterator for Answer {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let (runtime, cancel, stream) = (&self.runtime, &self.cancel, &mut self.stream);
        match caught(|| runtime.block_on(cancel.before(stream.next()))) {
            Ok(batch) => Some(batch?.map_err(|error| explain(&error, &self.text))),
            Err(stopped) => Some(Err(stopped)),
        }
    }
}
