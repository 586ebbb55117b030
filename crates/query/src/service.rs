//! A study for concurrent clients: statements are planned without content, then run over a snapshot.
//!
//! One context holds all tables (over a study without content), views and named queries for all
//! clients, so their queries share one memory budget. A plan may be kept as long as a client likes: it
//! pins no snapshot. [`Service::run`] puts the tables of the given snapshot into it, in views and
//! subqueries too, so every query is consistent and none sees an older study than it asked for.

use crate::context::{Rules, SessionOptions, new_context, started_optimized};
use crate::error::external;
use crate::named::{NamedQuery, bind};
use crate::optimizer::cancellation::CancelFlag;
use crate::query_thread::on_query_threads;
use crate::sql::binding::bound;
use crate::sql::diagnose::explain;
use crate::sql::disclosure::{RealTraces, names_none, require_no_traces};
use crate::sql::name_resolution::{
    Names, register_named, register_tables, relations, with_tables_of, with_tables_of_all,
};
use crate::sql::parameter::Parameters;
use crate::sql::parse::parse;
use crate::sql::statement::{admitted, reading_plan};
use crate::table::study::Studies;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchemaRef, DataFusionError, ParamValues, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_store::Snapshot;
use tokio::runtime::Handle;

/// The plan of a statement, without content: it holds no snapshot.
#[derive(Clone)]
pub struct StatementPlan {
    plan: LogicalPlan,
    /// The columns of the answer, as they were before the analyzer rules.
    schema: DFSchemaRef,
    /// Have the analyzer rules been applied? Then the plan has no parameters.
    is_analyzed: bool,
}

impl StatementPlan {
    fn not_analyzed(plan: LogicalPlan) -> Self {
        Self { schema: Arc::clone(plan.schema()), plan, is_analyzed: false }
    }

    /// The columns of the answer.
    pub fn columns(&self) -> &Schema {
        self.schema.as_arrow()
    }

    /// DataFusion's plan.
    pub fn logical(&self) -> &LogicalPlan {
        &self.plan
    }

    /// The plan with values for its parameters.
    pub fn with_values(&self, values: ParamValues) -> datafusion::common::Result<Self> {
        if self.is_analyzed {
            return Ok(self.clone());
        }
        self.plan.clone().with_param_values(values).map(Self::not_analyzed)
    }
}

/// SQL over a study for many clients. Read-only.
pub struct Service {
    context: SessionContext,
    /// What is known of the study's records from one statement to the next.
    studies: Studies,
    /// Where queries work.
    work: Handle,
    /// Held while a statement's names are registered; `None` where all are.
    registering: Option<tokio::sync::Mutex<()>>,
}

impl Service {
    /// Makes a context with all tables, views, functions and named queries; reads nothing. Queries run on the
    /// threads of `work`.
    pub async fn new(options: SessionOptions, work: Handle) -> Result<Self> {
        Self::of_several(&[], options, work).await
    }

    /// As [`Service::new`], over several studies by their names, as [`Session::open_several`](crate::Session::open_several)
    /// has them; without names or with one, over one study.
    pub async fn of_several(names: &[String], options: SessionOptions, work: Handle) -> Result<Self> {
        let names = if names.len() > 1 { names } else { &[] };
        let context = new_context(options, Rules::default())?;
        let single = (!names.is_empty()).then(|| new_context(options, Rules::default())).transpose()?;
        let failed = |error: DataFusionError| explain(&error, "");
        let registered = Names::register(&context, single.map(|single| (names, single))).map_err(failed)?;
        registered.register_all(&context).await.map_err(failed)?;
        Ok(Self { context, studies: Studies::of(names.to_vec()), work, registering: None })
    }

    /// As [`Service::new`], with views and named queries planned when a statement first names them: ready at once, for a
    /// protocol that does not list the names of the context.
    pub fn on_demand(options: SessionOptions, work: Handle) -> Result<Self> {
        let context = new_context(options, Rules::default())?;
        register_tables(&context).map_err(|error| explain(&error, ""))?;
        Ok(Self { context, studies: Studies::default(), work, registering: Some(tokio::sync::Mutex::default()) })
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
    pub async fn plan(&self, statement: Statement) -> datafusion::common::Result<StatementPlan> {
        let statement = admitted(statement).map_err(external)?;
        if let Some(registering) = &self.registering {
            let _one_by_one = registering.lock().await;
            register_named(&self.context, &statement).await?;
        }
        self.analyzed(reading_plan(&self.context, statement).await?)
    }

    /// Applies the analyzer rules, which coerce types, so that they are not applied again whenever the plan runs.
    ///
    /// They are left to the run where the plan has parameters (whose values make another plan of it), where it is an
    /// EXPLAIN (which shows them) and where they fail. A plan whose column types they change gets casts to these types,
    /// because a client is told of the columns before the plan runs.
    fn analyzed(&self, plan: LogicalPlan) -> datafusion::common::Result<StatementPlan> {
        let state = self.context.state();
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {});
        let Ok(analyzed) = analyzed else { return Ok(StatementPlan::not_analyzed(plan)) };
        let is_same = |(before, after): (&FieldRef, &FieldRef)| before.data_type() == after.data_type();
        if !plan.schema().fields().iter().zip(analyzed.schema().fields()).all(is_same) {
            return with_casts(plan, analyzed.schema().as_arrow()).map(StatementPlan::not_analyzed);
        }
        if matches!(plan, LogicalPlan::Explain(_)) || !plan.get_parameter_names()?.is_empty() {
            return Ok(StatementPlan::not_analyzed(plan));
        }
        Ok(StatementPlan { schema: Arc::clone(plan.schema()), plan: analyzed, is_analyzed: true })
    }

    /// Runs a plan over a snapshot, which the stream holds until it is dropped. Never blocks the calling task.
    pub async fn run(
        &self,
        plan: StatementPlan,
        snapshot: Arc<Snapshot>,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        self.run_checked(plan, snapshot, |_| Ok(())).await
    }

    /// As [`Service::run`], for a plan that must pass a check once it is optimized. What is checked is what is executed: a plan
    /// that is optimized a second time may be another one, since `now()` is replaced by the time of that moment.
    async fn run_checked(
        &self,
        plan: StatementPlan,
        snapshot: Arc<Snapshot>,
        check: fn(&LogicalPlan) -> datafusion::common::Result<()>,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        let StatementPlan { plan, is_analyzed, .. } = plan;
        let study = self.studies.study(snapshot).map_err(external)?;
        let plan = with_tables_of(plan, &Arc::new(study))?;
        let (context, cancelled) = (self.context.clone(), CancelFlag::default());
        let of_query = CancelFlag::clone(&cancelled);
        let start = async move {
            let state = context.state();
            let optimized = match is_analyzed {
                true => state.optimizer().optimize(plan, &state, |_, _| {}),
                false => state.optimize(&plan),
            }?;
            check(&optimized)?;
            started_optimized(&context, &optimized, &of_query).await
        };
        on_query_threads(&self.work, cancelled, start).await
    }

    /// As [`Service::run`], over the snapshots of all studies in their order.
    pub async fn run_over(
        &self,
        mut plan: StatementPlan,
        snapshots: &[Arc<Snapshot>],
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        let Some(first) = snapshots.first() else { return internal_err!("no snapshot to run over") };
        let studies = self.studies.all(snapshots).map_err(external)?;
        // Tables that have content stay as they are.
        plan.plan = with_tables_of_all(plan.plan, &studies)?;
        self.run(plan, Arc::clone(first)).await
    }

    /// Names and types of the columns of a statement's answer; nothing is read.
    pub async fn columns(&self, text: &str) -> Result<SchemaRef> {
        let plan = self.plan(parse(text)?).await.map_err(|error| explain(&error, text))?;
        Ok(Arc::clone(plan.schema.inner()))
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
        let mut plan = self.plan(parse(text)?).await.map_err(failed)?;
        if !plan.is_analyzed {
            plan = StatementPlan::not_analyzed(bound(plan.plan, parameters).map_err(failed)?);
        }
        let check: fn(&LogicalPlan) -> datafusion::common::Result<()> =
            if is_open { |_| Ok(()) } else { require_no_traces };
        let stream = self.run_checked(plan, snapshot, check).await.map_err(failed)?;
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

/// A plan with casts of its columns to the types of `typed`.
fn with_casts(plan: LogicalPlan, typed: &Schema) -> datafusion::common::Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().zip(typed.fields()).map(|(column, field)| {
        let (table, name) = (column.relation.clone(), column.name.clone());
        cast(Expr::Column(column), field.data_type().clone()).alias_qualified(table, name)
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Translates a DataFusion error, with the position in `text`.
pub fn explained(error: &DataFusionError, text: &str) -> Error {
    explain(error, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_analyzed_when_it_is_planned_unless_it_has_parameters_or_explains() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let context = new_context(SessionOptions { memory_bytes: 64 << 20, threads: 1 }, Rules::default()).unwrap();
        Names::register(&context, None).unwrap();
        let service =
            Service { context, studies: Studies::default(), work: runtime.handle().clone(), registering: None };
        let is_analyzed = |text: &str| {
            let planned = runtime.block_on(service.plan(service.parse(text).unwrap()));
            planned.unwrap().is_analyzed
        };
        assert!(is_analyzed("SELECT count(*) FROM models"));
        assert!(is_analyzed("SELECT generator FROM models WHERE steps > 10.5"));
        assert!(!is_analyzed("SELECT generator FROM models WHERE steps > $1::int"));
        assert!(!is_analyzed("EXPLAIN SELECT generator FROM models"));
    }
}
