//! A query context over one snapshot, or one of each of several studies, and the bridge from DataFusion's async to plain iterators.

use crate::context::{Rules, SessionOptions, new_context, started};
use crate::file_table::file_table;
use crate::named::{NamedQuery, bind};
use crate::optimizer::cancellation::CancelFlag;
use crate::sql::attach::FileName;
use crate::sql::binding::bound;
use crate::sql::diagnose::explain;
use crate::sql::empty_answer;
use crate::sql::name_resolution::{Names, with_tables_of_all};
use crate::sql::nesting_limits::STACK_BYTES;
use crate::sql::parameter::Parameters;
use crate::sql::parse::parse;
use crate::sql::statement::{admitted, reading_plan};
use crate::sql::summarize;
use crate::table::study::{Studies, Study};
use arrow::array::AsArray;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::TableReference;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::base::try_threads;
use syntrace_base::error::{Error, Result, panic_text};
use syntrace_store::Snapshot;
use tokio::sync::Notify;

/// SQL over one consistent view of a study, or of several. Read-only.
pub struct Session {
    runtime: Arc<tokio::runtime::Runtime>,
    context: SessionContext,
    names: Names,
    cancel: Arc<Cancellation>,
    /// What statements read from now on: the study, or several in their order.
    attached: Mutex<Arc<[Arc<Study>]>>,
    /// What is known of the studies' records from one statement to the next.
    studies: Studies,
}

impl Session {
    /// Makes a context with all tables and functions; reads nothing from the study.
    pub fn open(snapshot: Arc<Snapshot>, options: SessionOptions) -> Result<Self> {
        Self::open_with(snapshot, options, Rules::default())
    }

    /// As [`Session::open`], with some of this crate's optimizer rules disabled.
    pub fn open_with(snapshot: Arc<Snapshot>, options: SessionOptions, rules: Rules) -> Result<Self> {
        Self::over(&[], &[snapshot], options, rules)
    }

    /// Several studies in one session, by different names: each is a schema, and the tables and views of all are united, with
    /// the column `study` first. One study is as with [`Session::open`], whatever it is called.
    pub fn open_several(studies: &[(String, Arc<Snapshot>)], options: SessionOptions) -> Result<Self> {
        let (names, snapshots): (Vec<String>, Vec<_>) = studies.iter().cloned().unzip();
        let names = if names.len() > 1 { names } else { Vec::new() };
        Self::over(&names, &snapshots, options, Rules::default())
    }

    fn over(names: &[String], snapshots: &[Arc<Snapshot>], options: SessionOptions, rules: Rules) -> Result<Self> {
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
        let single = (!names.is_empty()).then(|| new_context(options, rules)).transpose()?;
        let registered = Names::register(&context, single.map(|single| (names, single)))
            .map_err(|error| Error::internal(format!("cannot register the tables: {error}")))?;
        let session = Self {
            runtime: Arc::new(runtime),
            context,
            names: registered,
            cancel: Arc::default(),
            attached: Mutex::new(Arc::new([])),
            studies: Studies::of(names.to_vec()),
        };
        session.attach_all(snapshots)?;
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
        self.attach_all(&[snapshot])
    }

    /// As [`Session::attach`], to the snapshots of all studies in their order.
    pub fn attach_all(&self, snapshots: &[Arc<Snapshot>]) -> Result<()> {
        self.put(self.studies.all(snapshots)?);
        Ok(())
    }

    /// Lets go of the snapshots, so that a writer may reuse their pages; queries fail until the next
    /// [`Session::attach`].
    pub fn detach(&self) -> Result<()> {
        self.put(self.attached().iter().map(|_| Arc::new(Study::detached())).collect());
        Ok(())
    }

    fn put(&self, studies: Vec<Arc<Study>>) {
        *self.attached.lock().unwrap_or_else(PoisonError::into_inner) = studies.into();
    }

    /// The studies of the last snapshots.
    fn attached(&self) -> Arc<[Arc<Study>]> {
        Arc::clone(&self.attached.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a CSV or Parquet file a table beside the study's, to be read where a statement names it. Gives the name: that which
    /// is asked for, else the file's. Which files may be read is the caller's to decide.
    ///
    /// # Errors
    /// A file of another kind, one that cannot be read, or a name that a table or view has.
    pub fn attach_file(&self, file: &FileName) -> Result<String> {
        let name = file.table()?;
        let table = caught(|| file_table(&file.path))?;
        let registered = caught(|| {
            let _ = self.context.deregister_table(TableReference::bare(name.as_str()));
            self.context.register_table(TableReference::bare(name.as_str()), table).map_err(|error| explain(&error, ""))
        });
        registered.map(|_| name)
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

    /// A named query with values for its parameters. Of several studies it is asked of one after the other, with the name of
    /// the study as the first column: the rows of each keep their order.
    pub fn named(&self, query: &NamedQuery, given: &Parameters) -> Result<Answer> {
        let parameters = bind(query, given)?;
        let Names::OfSeveral(_) = &self.names else { return self.sql_with(query.sql, &parameters) };
        self.cancel.requested.store(false, Ordering::SeqCst);
        let (text, cancel) = (query.sql, &self.cancel);
        let stream = caught(|| {
            let statement = admitted(parse(text)?)?;
            let start = async {
                let mut answers = Vec::new();
                for plan in self.names.plans_of_each(&statement).await? {
                    let plan = with_tables_of_all(bound(plan, &parameters)?, &self.attached())?;
                    answers.push(started(&self.context, plan, &cancel.requested).await?);
                }
                in_turn(answers)
            };
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
        self.names.register_named(&self.context, &statement).await?;
        let plan = reading_plan(&self.context, statement).await?;
        with_tables_of_all(bound(plan, parameters)?, &self.attached())
    }
}

/// The rows of answers with the same columns, one answer after the other.
fn in_turn(answers: Vec<SendableRecordBatchStream>) -> datafusion::common::Result<SendableRecordBatchStream> {
    let Some(schema) = answers.first().map(|answer| answer.schema()) else {
        return datafusion::common::internal_err!("no study to ask");
    };
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(answers).flatten())))
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
