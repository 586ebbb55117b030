//! A study for many clients at once: statements are planned without content, then run over a snapshot.
//!
//! One context holds all tables (over a study without content), views and named queries for all
//! clients, so their queries share one memory budget. A plan may be kept as long as a client likes: it
//! pins no snapshot. [`Service::run`] puts the tables of the given snapshot into it, in views and
//! subqueries too, so every query is consistent and none sees an older study than it asked for.

use super::apart::apart;
use super::batch::external;
use super::catalog::{providers, views};
use super::diagnose::explain;
use super::information::described;
use super::named::{NamedQuery, bind, named_queries};
use super::provider::StudyTable;
use super::session::{CATALOG, Parameters, SessionOptions, new_context, parse};
use super::statement::admitted;
use super::study::{Studies, Study};
use super::watch::{Ended, watched};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DataFusionError, plan_err};
use datafusion::datasource::{ViewTable, provider_as_source, source_as_provider};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_store::Snapshot;
use tokio::runtime::Handle;

/// Schema of the named queries as views.
pub const QUERIES_SCHEMA: &str = "queries";

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
        let context = new_context(options)?;
        let made = Self { context, studies: Studies::default(), work };
        made.register().await.map_err(|error| explain(&error, ""))?;
        Ok(made)
    }

    async fn register(&self) -> datafusion::common::Result<()> {
        for (name, provider) in providers(&Arc::new(Study::detached())) {
            self.context.register_table(name, provider)?;
        }
        for view in views() {
            self.context.sql(view.sql).await?;
        }
        let questions = MemorySchemaProvider::new();
        for query in named_queries() {
            let plan = self.context.sql(query.sql).await?.into_unoptimized_plan();
            let defaults = bind(&query, &Parameters::new()).map_err(external)?;
            let answer = plan.clone().with_param_values(defaults)?;
            let view = ViewTable::new(answer, Some(query.sql.to_owned()));
            questions.register_table(query.name.to_owned(), Arc::new(view))?;
            let function = QueryFunction { name: query.name, plan, query };
            self.context.register_udtf(function.name, Arc::new(function));
        }
        let Some(catalog) = self.context.catalog(CATALOG) else { return plan_err!("no catalog `{CATALOG}`") };
        catalog.register_schema(QUERIES_SCHEMA, Arc::new(questions))?;
        Ok(())
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
        let plan = described(self.context.state().statement_to_plan(statement).await?)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)?;
        Ok(plan)
    }

    /// Runs a plan over a snapshot, which the stream holds until it is dropped. Whoever waits for it is never
    /// kept from hearing of something else.
    pub async fn run(
        &self,
        plan: LogicalPlan,
        snapshot: Arc<Snapshot>,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        let study = self.studies.study(snapshot).map_err(external)?;
        let plan = over(plan, &Arc::new(study))?;
        let (context, ended) = (self.context.clone(), Ended::default());
        let of_query = Ended::clone(&ended);
        apart(&self.work, ended, async move { started(&context, plan, &of_query).await }).await
    }
}

/// Starts a plan whose nested loops end once `ended` is set.
pub(super) async fn started(
    context: &SessionContext,
    plan: LogicalPlan,
    ended: &Ended,
) -> datafusion::common::Result<SendableRecordBatchStream> {
    let frame = context.execute_logical_plan(plan).await?;
    let task = Arc::new(frame.task_ctx());
    execute_stream(watched(frame.create_physical_plan().await?, ended)?, task)
}

/// The same plan with every table of ours read from `study`.
fn over(plan: LogicalPlan, study: &Arc<Study>) -> datafusion::common::Result<LogicalPlan> {
    let tables: HashMap<&str, Arc<dyn TableProvider>> = providers(study).into_iter().collect();
    let replaced = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source)?;
        let Some(ours) = provider.downcast_ref::<StudyTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let Some(table) = tables.get(ours.name()) else { return plan_err!("no table `{}`", ours.name()) };
        let source = provider_as_source(Arc::clone(table));
        Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan })))
    })?;
    Ok(replaced.data)
}

/// A DataFusion error in our words, with the place in `text`.
pub fn explained(error: &DataFusionError, text: &str) -> Error {
    explain(error, text)
}

/// A named query as a table function: its parameters in their order, the defaults for those left out.
#[derive(Debug)]
struct QueryFunction {
    name: &'static str,
    plan: LogicalPlan,
    query: NamedQuery,
}

impl TableFunctionImpl for QueryFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> datafusion::common::Result<Arc<dyn TableProvider>> {
        let given = args.exprs();
        let parameters = &self.query.parameters;
        if given.len() > parameters.len() {
            let names: Vec<String> = parameters.iter().map(|parameter| format!("${}", parameter.name)).collect();
            return plan_err!("query `{}` takes ({}), found {} values", self.name, names.join(", "), given.len());
        }
        let mut values = Parameters::new();
        for (parameter, expression) in parameters.iter().zip(given) {
            let Some(value) = literal(expression) else {
                let name = &parameter.name;
                return plan_err!("query `{}` takes plain values, found `{expression}` for ${name}", self.name);
            };
            values.insert(parameter.name.clone(), value);
        }
        let values = bind(&self.query, &values).map_err(external)?;
        let plan = self.plan.clone().with_param_values(values)?;
        Ok(Arc::new(ViewTable::new(plan, Some(self.query.sql.to_owned()))))
    }
}

fn literal(expression: &Expr) -> Option<datafusion::scalar::ScalarValue> {
    match expression {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Negative(inner) => literal(inner)?.arithmetic_negate().ok(),
        _ => None,
    }
}
