//! A study for concurrent clients: statements are planned without content, then run over a snapshot.
//!
//! One context holds all tables (over a study without content), views and named queries for all
//! clients, so their queries share one memory budget. A plan may be kept as long as a client likes: it
//! pins no snapshot. [`Service::run`] puts the tables of the given snapshot into it, in views and
//! subqueries too, so every query is consistent and none sees an older study than it asked for.

use crate::context::{Rules, SessionOptions, new_context, started};
use crate::error::external;
use crate::named::{NamedQuery, bind};
use crate::optimizer::cancellation::CancelFlag;
use crate::query_thread::on_query_threads;
use crate::sql::binding::bound;
use crate::sql::diagnose::explain;
use crate::sql::disclosure::{RealTraces, names_none, require_no_traces};
use crate::sql::name_resolution::{self, over, relations};
use crate::sql::parameter::Parameters;
use crate::sql::parse::parse;
use crate::sql::statement::{admitted, reading_plan};
use crate::table::study::Studies;
use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_store::Snapshot;
use tokio::runtime::Handle;

/// SQL over a study for many clients. Read-only.
pub struct Service {
    context: SessionContext,
    /// What is known of the study's records from one statement to the next.
    studies: Studies,
    /// Where queries work.
    work: Handle,
}

impl Service {
    /// Makes a context with all tables, views, functions and named queries; reads nothing. Queries run on the
    /// threads of `work`.
    pub async fn new(options: SessionOptions, work: Handle) -> Result<Self> {
        let context = new_context(options, Rules::default())?;
        name_resolution::register_all(&context).await.map_err(|error| explain(&error, ""))?;
        Ok(Self { context, studies: Studies::default(), work })
    }

    /// The context, for what a protocol adds to it.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Reads exactly one statement, in the dialect of `syntrace sql`.
    pub fn parse(&self, text: &str) -> Result<Statement> {
        parse(text)
    }

    /// Plans a statement that only reads; refuses everything else. The plan holds no snapshot.
    pub async fn plan(&self, statement: Statement) -> datafusion::common::Result<LogicalPlan> {
        let statement = admitted(statement).map_err(external)?;
        self.with_types(reading_plan(&self.context, statement).await?)
    }

    /// The plan with a cast to the type that each column has once types are coerced: a client is told of the columns
    /// before it runs. As it is where parameters without a type leave that open.
    fn with_types(&self, plan: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
        let state = self.context.state();
        let coerced = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {});
        let Ok(coerced) = coerced else { return Ok(plan) };
        let is_same = |(before, after): (&FieldRef, &FieldRef)| before.data_type() == after.data_type();
        if plan.schema().fields().iter().zip(coerced.schema().fields()).all(is_same) {
            return Ok(plan);
        }
        let columns = plan.schema().columns();
        let typed = columns.into_iter().zip(coerced.schema().fields()).map(|(column, field)| {
            let (table, name) = (column.relation.clone(), column.name.clone());
            cast(Expr::Column(column), field.data_type().clone()).alias_qualified(table, name)
        });
        let typed: Vec<Expr> = typed.collect();
        LogicalPlanBuilder::from(plan).project(typed)?.build()
    }

    /// Runs a plan over a snapshot, which the stream holds until it is dropped. Never blocks the calling task.
    pub async fn run(
        &self,
        plan: LogicalPlan,
        snapshot: Arc<Snapshot>,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        let study = self.studies.study(snapshot).map_err(external)?;
        let plan = over(plan, &Arc::new(study))?;
        let (context, cancelled) = (self.context.clone(), CancelFlag::default());
        let of_query = CancelFlag::clone(&cancelled);
        on_query_threads(&self.work, cancelled, async move { started(&context, plan, &of_query).await }).await
    }

    /// Names and types of the columns of a statement's answer; nothing is read.
    pub async fn columns(&self, text: &str) -> Result<SchemaRef> {
        let plan = self.plan(parse(text)?).await.map_err(|error| explain(&error, text))?;
        Ok(Arc::clone(plan.schema().inner()))
    }

    /// Runs one statement over a snapshot, with values for its `$name` parameters. Where real traces are hidden,
    /// a statement that could name them is refused before it runs.
    pub async fn ask(
        &self,
        text: &str,
        parameters: &Parameters,
        snapshot: Arc<Snapshot>,
        real: RealTraces,
    ) -> Result<Rows> {
        let names = relations(&self.context, &parse(text)?).map_err(|error| explain(&error, text))?;
        let is_open = real == RealTraces::Named || names.iter().all(|name| names_none(name));
        self.start(text, parameters, snapshot, is_open).await
    }

    /// As [`Service::ask`], for a named query.
    pub async fn ask_named(
        &self,
        query: &NamedQuery,
        given: &Parameters,
        snapshot: Arc<Snapshot>,
        real: RealTraces,
    ) -> Result<Rows> {
        let is_open = real == RealTraces::Named || names_none(query.name);
        self.start(query.sql, &bind(query, given)?, snapshot, is_open).await
    }

    /// Runs a statement; one that is not open must read no column that names real traces.
    async fn start(&self, text: &str, parameters: &Parameters, snapshot: Arc<Snapshot>, is_open: bool) -> Result<Rows> {
        let failed = |error: DataFusionError| explain(&error, text);
        let plan = self.plan(parse(text)?).await.map_err(failed)?;
        let plan = bound(plan, parameters).map_err(failed)?;
        if !is_open {
            let optimised = self.context.state().optimize(&plan).map_err(failed)?;
            require_no_traces(&optimised).map_err(failed)?;
        }
        let stream = self.run(plan, snapshot).await.map_err(failed)?;
        Ok(Rows { text: text.to_owned(), stream })
    }
}

/// The rows of a running query, as record batches. Dropping it stops the query.
pub struct Rows {
    text: String,
    stream: SendableRecordBatchStream,
}

impl Rows {
    /// Names and types of the columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next batch; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        Some(self.stream.next().await?.map_err(|error| explain(&error, &self.text)))
    }
}

/// Translates a DataFusion error, with the position in `text`.
pub fn explained(error: &DataFusionError, text: &str) -> Error {
    explain(error, text)
}
