//! A query context over one snapshot, and the bridge from DataFusion's async to plain iterators.

use super::batch::external;
use super::catalog::{providers, views};
use super::cooperate::CooperativeJoins;
use super::diagnose::{explain, unbound, unbound_parameter};
use super::early::GroupBeforeJoin;
use super::function;
use super::grouping::GroupAtScan;
use super::information::{self, described};
use super::service::started;
use super::shallow::{STACK_BYTES, require_shallow};
use super::statement::admitted;
use super::study::{Studies, Study};
use super::watch::Ended;
use super::whole::HashWholePartitions;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use futures::StreamExt;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::error::{Error, Result, panic_text};
use syntrace_store::Snapshot;
use tokio::sync::Notify;

/// Limits of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Bytes that sorts, joins and aggregates may hold before they spill to disk.
    pub memory_bytes: usize,
    /// Threads, and partitions of a scan.
    pub threads: usize,
}

/// SQL over one consistent view of a study. Read-only.
pub struct Session {
    runtime: Arc<tokio::runtime::Runtime>,
    context: SessionContext,
    stop: Arc<Stop>,
    /// Views that have been planned; the others are planned when a query names them.
    views_made: Mutex<Vec<&'static str>>,
    /// What is known of the study's records from one statement to the next.
    studies: Studies,
}

/// How many users of memory an error names where there is too little.
const CONSUMERS_NAMED: usize = 5;

/// Memory per thread from which on a sort is done in parts side by side.
const SORT_BYTES: usize = 128 << 20;

/// What `information_schema` and servers call the one catalog of a study.
pub const CATALOG: &str = "study";

/// A context with all functions and no tables. Queries of all its users share one memory budget.
pub(super) fn new_context(options: SessionOptions) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, "public")
        .with_target_partitions(options.threads.max(1))
        // Ours is registered below.
        .with_information_schema(false);
    config.options_mut().sql_parser.collect_spans = true;
    // Literals, comparisons and segments all speak Utf8: no conversion of whole columns to views.
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    // The merge of a sort's spilled runs takes what memory is left and cannot give it back: of two sorts side
    // by side under a small budget, one would keep the other from beginning its merge (seen at 64 MiB).
    let has_room = options.memory_bytes / options.threads.max(1) >= SORT_BYTES;
    config.options_mut().optimizer.repartition_sorts = has_room;
    config.options_mut().optimizer.repartition_windows = has_room;
    // What can spill gets an equal share each: first come, first served would let one sort's merge take
    // what the others need to begin theirs.
    let top = NonZeroUsize::MIN.saturating_add(CONSUMERS_NAMED - 1);
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), top);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .build_arc()
        .map_err(|error| Error::internal(format!("cannot make the query environment: {error}")))?;
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(environment)
        .with_physical_optimizer_rules(physical_rules(options.memory_bytes))
        .build();
    let context = SessionContext::new_with_state(state);
    function::register(&context);
    information::register(&context, CATALOG)
        .map_err(|error| Error::internal(format!("cannot make information_schema: {error}")))?;
    Ok(context)
}

/// DataFusion's rules with ours among them.
fn physical_rules(memory_bytes: usize) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Before sorts and exchanges are put in: what is hashed needs no sort.
    let before = |rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>], name: &str| {
        rules.iter().position(|rule| rule.name() == name).unwrap_or(rules.len())
    };
    let at = before(&rules, "EnsureRequirements");
    rules.insert(at, Arc::new(HashWholePartitions { memory_bytes }));
    // After projections went into joins, before filters of joins are handed down.
    let at = before(&rules, "EnsureCooperative");
    rules.insert(at, Arc::new(GroupBeforeJoin));
    rules.push(Arc::new(GroupAtScan));
    rules.push(Arc::new(CooperativeJoins));
    rules
}

/// Reads exactly one statement.
pub(super) fn parse(text: &str) -> Result<Statement> {
    require_shallow(text)?;
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    let parsed =
        DFParserBuilder::new(text).with_dialect(&dialect).build().and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| explain(&error, text))?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(Error::user("expected a SQL statement, found nothing")),
        (_, more) => Err(Error::user(format!("expected one SQL statement, found {}", more + 1))),
    }
}

/// Values of `$name` parameters.
pub type Parameters = HashMap<String, ScalarValue>;

impl Session {
    /// Makes a context with all tables and functions; reads nothing from the study.
    pub fn open(snapshot: Arc<Snapshot>, options: SessionOptions) -> Result<Self> {
        let threads = options.threads.max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| Error::internal(format!("cannot start the query threads: {error}")))?;
        let session = Self {
            runtime: Arc::new(runtime),
            context: new_context(options)?,
            stop: Arc::default(),
            views_made: Mutex::new(Vec::new()),
            studies: Studies::default(),
        };
        session.attach(snapshot)?;
        Ok(session)
    }

    /// From now on Ctrl-C ends the statement under way with an error instead of the process.
    pub fn stop_on_interrupt(&self) -> Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| Error::internal(format!("cannot wait for Ctrl-C: {error}"));
        // A thread of its own: those of the queries may all be busy.
        let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut interrupts = {
            let _inside = waiting.enter();
            signal(SignalKind::interrupt()).map_err(failed)?
        };
        let stop = Arc::clone(&self.stop);
        std::thread::spawn(move || {
            waiting.block_on(async {
                while interrupts.recv().await.is_some() {
                    stop.asked.store(true, Ordering::SeqCst);
                    stop.told.notify_waiters();
                }
            });
        });
        Ok(())
    }

    /// Puts all tables over another snapshot: the shell does so before each statement.
    pub fn attach(&self, snapshot: Arc<Snapshot>) -> Result<()> {
        self.register(self.studies.study(snapshot)?)
    }

    /// Lets go of the snapshot, so that a writer may reuse its pages; queries fail until the next
    /// [`Session::attach`].
    pub fn detach(&self) -> Result<()> {
        self.register(Study::detached())
    }

    fn register(&self, study: Study) -> Result<()> {
        let study = Arc::new(study);
        for (name, provider) in providers(&study) {
            let registered =
                self.context.deregister_table(name).and_then(|_| self.context.register_table(name, provider));
            registered.map_err(|error| Error::internal(format!("cannot register the table `{name}`: {error}")))?;
        }
        let mut made = self.views_made.lock().unwrap_or_else(PoisonError::into_inner);
        for view in made.drain(..) {
            self.context
                .deregister_table(view)
                .map_err(|error| Error::internal(format!("cannot replace the view `{view}`: {error}")))?;
        }
        Ok(())
    }

    /// Plans one statement and starts it. Errors show the place in the text and near names.
    pub fn sql(&self, text: &str) -> Result<Answer> {
        self.sql_with(text, &Parameters::new())
    }

    /// As [`Session::sql`], with values for `$name` parameters.
    pub fn sql_with(&self, text: &str, parameters: &Parameters) -> Result<Answer> {
        let stream = caught(|| {
            let statement = admitted(parse(text)?)?;
            self.stop.asked.store(false, Ordering::SeqCst);
            let started = self.runtime.block_on(self.stop.before(self.start(statement, parameters)))?;
            started.map_err(|error| explain(&error, text))
        })?;
        Ok(Answer { runtime: Arc::clone(&self.runtime), stop: Arc::clone(&self.stop), text: text.to_owned(), stream })
    }

    async fn start(
        &self,
        statement: Statement,
        parameters: &Parameters,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        self.make_views(&statement).await?;
        let plan = described(self.context.state().statement_to_plan(statement).await?)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)?;
        if let Some(name) = unbound_parameter(&plan, parameters)? {
            let given: Vec<&str> = parameters.keys().map(String::as_str).collect();
            return Err(external(unbound(&name, &given)));
        }
        let plan = plan.clone().with_param_values(of_wanted_types(&plan, parameters)?)?;
        started(&self.context, plan, &self.stop.asked).await
    }

    /// Plans the views that a statement names, those that they name first.
    async fn make_views(&self, statement: &Statement) -> datafusion::common::Result<()> {
        let all = views();
        let mut wanted = Vec::new();
        let mut open = vec![statement.clone()];
        while let Some(next) = open.pop() {
            for reference in self.context.state().resolve_table_references(&next)? {
                let Some(view) = all.iter().find(|view| view.name == reference.table()) else { continue };
                let known = self.views_made.lock().unwrap_or_else(PoisonError::into_inner).contains(&view.name);
                // One that is needed deeper has to be made earlier: move it to the end.
                wanted.retain(|one: &super::ViewInfo| one.name != view.name);
                if !known {
                    wanted.push(*view);
                    open.push(self.context.state().sql_to_statement(view.sql, &datafusion::config::Dialect::Generic)?);
                }
            }
        }
        for view in wanted.into_iter().rev() {
            self.context.sql(view.sql).await?;
            self.views_made.lock().unwrap_or_else(PoisonError::into_inner).push(view.name);
        }
        Ok(())
    }
}

/// The values, those that stand beside text as text: `-v class=2024` names a class, whatever it looks like.
fn of_wanted_types(plan: &LogicalPlan, parameters: &Parameters) -> datafusion::common::Result<Parameters> {
    let wanted = plan.get_parameter_types()?;
    let is_text = |name: &str| {
        let kind = wanted.get(&format!("${name}")).cloned().flatten();
        matches!(kind, Some(DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8))
    };
    let typed = parameters.iter().map(|(name, value)| {
        let value = if is_text(name) && !value.is_null() { value.cast_to(&DataType::Utf8)? } else { value.clone() };
        Ok((name.clone(), value))
    });
    typed.collect()
}

/// Does what walks trees where the deepest that [`require_shallow`] lets through has room, whatever thread the
/// caller is on.
fn with_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, work)
}

/// As [`with_stack`]; what panics over a statement is an error of that statement.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    with_stack(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))).unwrap_or_else(|panic| {
        let text = panic_text(panic.as_ref());
        Err(Error::internal(format!("this statement met a fault of the query engine: {text}")))
    })
}

/// Whether the statement under way shall end.
#[derive(Default)]
struct Stop {
    asked: Ended,
    told: Notify,
}

impl Stop {
    /// What `work` gives, or an error as soon as the statement shall end.
    async fn before<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let mut told = std::pin::pin!(self.told.notified());
        told.as_mut().enable();
        if self.asked.load(Ordering::SeqCst) {
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
    stop: Arc<Stop>,
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
        let (runtime, stop, stream) = (&self.runtime, &self.stop, &mut self.stream);
        match caught(|| runtime.block_on(stop.before(stream.next()))) {
            Ok(batch) => Some(batch?.map_err(|error| explain(&error, &self.text))),
            Err(stopped) => Some(Err(stopped)),
        }
    }
}
