//! A query context over one snapshot, and the bridge from DataFusion's async to plain iterators.

use super::batch::external;
use super::catalog::{providers, views};
use super::diagnose::{explain, unbound, unbound_parameter};
use super::function;
use super::grouping::GroupAtScan;
use super::statement::require_reading;
use super::study::Study;
use crate::error::{Error, Result};
use crate::store::Snapshot;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Views that have been planned; the others are planned when a query names them.
    views_made: Mutex<Vec<&'static str>>,
}

/// Values of `$name` parameters.
pub type Parameters = HashMap<String, ScalarValue>;

impl Session {
    /// Makes a context with all tables and functions; reads nothing from the study.
    pub fn open(snapshot: Arc<Snapshot>, options: SessionOptions) -> Result<Self> {
        let threads = options.threads.max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .map_err(|error| Error::internal(format!("cannot start the query threads: {error}")))?;
        let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(true);
        config.options_mut().sql_parser.collect_spans = true;
        // Literals, comparisons and segments all speak Utf8: no conversion of whole columns to views.
        config.options_mut().sql_parser.map_string_types_to_utf8view = false;
        let environment = RuntimeEnvBuilder::new()
            .with_memory_limit(options.memory_bytes, 1.0)
            .build_arc()
            .map_err(|error| Error::internal(format!("cannot make the query environment: {error}")))?;
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_runtime_env(environment)
            .with_physical_optimizer_rule(Arc::new(GroupAtScan))
            .build();
        let session = Self {
            runtime: Arc::new(runtime),
            context: SessionContext::new_with_state(state),
            views_made: Mutex::new(Vec::new()),
        };
        function::register(&session.context);
        session.attach(snapshot)?;
        Ok(session)
    }

    /// Puts all tables over another snapshot: the shell does so before each statement.
    pub fn attach(&self, snapshot: Arc<Snapshot>) -> Result<()> {
        self.register(Study::new(snapshot))
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
        let statement = self.parse(text)?;
        require_reading(&statement)?;
        let stream = self.runtime.block_on(self.start(statement, parameters)).map_err(|error| explain(&error, text))?;
        Ok(Answer { runtime: Arc::clone(&self.runtime), text: text.to_owned(), stream })
    }

    fn parse(&self, text: &str) -> Result<Statement> {
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

    async fn start(
        &self,
        statement: Statement,
        parameters: &Parameters,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        self.make_views(&statement).await?;
        let plan = self.context.state().statement_to_plan(statement).await?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)?;
        if let Some(name) = unbound_parameter(&plan, parameters)? {
            let given: Vec<&str> = parameters.keys().map(String::as_str).collect();
            return Err(external(unbound(&name, &given)));
        }
        let plan = plan.with_param_values(parameters.clone())?;
        self.context.execute_logical_plan(plan).await?.execute_stream().await
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

/// The rows of a running query, as record batches. Dropping it stops the query.
pub struct Answer {
    text: String,
    stream: SendableRecordBatchStream,
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
        let batch = self.runtime.block_on(self.stream.next())?;
        Some(batch.map_err(|error| explain(&error, &self.text)))
    }
}
