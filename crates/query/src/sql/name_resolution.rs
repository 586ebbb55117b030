//! Resolves the names in a statement: tables without content, views, named queries and their functions. Views and
//! queries are planned once per process, when a statement first names them; the plans refer to no study, whose tables
//! [`with_tables_of`] inserts.
//!
//! Where several studies are asked together, a table is the union of theirs, with the column `study`, and a view or named
//! query is evaluated over each study alone before its answers are united: ids are hashes of what they depend on, so those
//! of two studies may be equal, and a join within a view must not meet rows of another study. Each study's own tables and
//! views are in a schema of its name.

use super::parameter::Parameters;
use super::walk::walk;
use crate::catalog::{CATALOG, ViewInfo, provider, table_without_content, tables_without_content, views};
use crate::error::external;
use crate::named::{NamedQuery, bind, named_queries};
use crate::scan::provider::{Of, StudyTable};
use crate::table::several::STUDY_COLUMN;
use crate::table::study::Study;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, TableReference, plan_err};
use datafusion::datasource::{ViewTable, provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ObjectName, TableFactor, Visitor};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Schema of the named queries as views.
pub const QUERIES_SCHEMA: &str = "queries";

/// Views that have been planned, by name.
static VIEWS: LazyLock<Mutex<HashMap<&'static str, Arc<dyn TableProvider>>>> = LazyLock::new(Mutex::default);
/// Plans of named queries, by name, with their parameters open.
static QUERIES: LazyLock<Mutex<HashMap<&'static str, LogicalPlan>>> = LazyLock::new(Mutex::default);

fn known<T: Clone>(plans: &Mutex<HashMap<&'static str, T>>, name: &str) -> Option<T> {
    plans.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
}

fn keep<T>(plans: &Mutex<HashMap<&'static str, T>>, name: &'static str, plan: T) {
    plans.lock().unwrap_or_else(PoisonError::into_inner).insert(name, plan);
}

/// Registers the tables of one study in a context, and an empty schema for named queries.
pub(crate) fn register_tables(context: &SessionContext) -> Result<()> {
    register_tables_of(context, Of::One(0))?;
    add_schema(context, QUERIES_SCHEMA).map(drop)
}

fn register_tables_of(context: &SessionContext, of: Of) -> Result<()> {
    for (name, table) in tables_without_content(of) {
        context.register_table(name, table)?;
    }
    Ok(())
}

fn add_schema(context: &SessionContext, name: &str) -> Result<Arc<MemorySchemaProvider>> {
    let Some(catalog) = context.catalog(CATALOG) else { return plan_err!("no catalog `{CATALOG}`") };
    let schema = Arc::new(MemorySchemaProvider::new());
    catalog.register_schema(name, Arc::<MemorySchemaProvider>::clone(&schema))?;
    Ok(schema)
}

/// Finds what statements name, over one study or over several.
pub(crate) enum Names {
    /// Over one.
    OfOne,
    /// Over several.
    OfSeveral(Several),
}

/// Several studies that are asked together.
pub(crate) struct Several {
    names: Arc<[String]>,
    /// The schema of each, in the order of the names.
    schemas: Vec<Arc<MemorySchemaProvider>>,
    /// A context of one study: there views and named queries are planned.
    single: SessionContext,
}

impl Names {
    /// Registers the tables of one study in a context, or of several by their names, with a context of one for their views.
    pub fn register(context: &SessionContext, several: Option<(&[String], SessionContext)>) -> Result<Self> {
        let Some((names, single)) = several else {
            register_tables(context)?;
            return Ok(Self::OfOne);
        };
        register_tables(&single)?;
        register_tables_of(context, Of::All)?;
        add_schema(context, QUERIES_SCHEMA)?;
        let mut schemas = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let schema = add_schema(context, name)?;
            for (name, table) in tables_without_content(Of::One(place)) {
                schema.register_table(name.to_owned(), table)?;
            }
            schemas.push(schema);
        }
        Ok(Self::OfSeveral(Several { names: names.into(), schemas, single }))
    }

    /// Registers all views, named queries and their functions.
    pub async fn register_all(&self, context: &SessionContext) -> Result<()> {
        for view in views() {
            self.register_view(context, &view).await?;
        }
        for query in named_queries() {
            self.register_query(context, query).await?;
        }
        Ok(())
    }

    /// Registers what a statement names.
    pub async fn register_named(&self, context: &SessionContext, statement: &Statement) -> Result<()> {
        let Self::OfSeveral(several) = self else { return register_named(context, statement).await };
        register_named(&several.single, statement).await?;
        let (all_views, all_queries) = (views(), named_queries());
        for name in names_of(context, statement)? {
            let (view, query) = match &name {
                Name::Relation(name) => (all_views.iter().find(|view| view.name == name), None),
                Name::Query(name) => (None, all_queries.iter().find(|query| query.name == name)),
            };
            if let Some(view) = view {
                self.register_view(context, view).await?;
            }
            if let Some(query) = query {
                self.register_query(context, query.clone()).await?;
            }
        }
        Ok(())
    }

    async fn register_view(&self, context: &SessionContext, view: &ViewInfo) -> Result<()> {
        let Self::OfSeveral(several) = self else { return register_view(context, view).await };
        if context.table_exist(view.name)? {
            return Ok(());
        }
        register_view(&several.single, view).await?;
        let planned = several.single.table_provider(view.name).await?;
        let Some(plan) = planned.get_logical_plan() else { return plan_err!("`{}` has no plan", view.name) };
        let table = |plan| Arc::new(ViewTable::new(plan, Some(view.sql.to_owned())));
        for (place, schema) in several.schemas.iter().enumerate() {
            schema.register_table(view.name.to_owned(), table(of_study(LogicalPlan::clone(&plan), place)?))?;
        }
        context.register_table(view.name, table(over_each(plan.into_owned(), &several.names)?))?;
        Ok(())
    }

    async fn register_query(&self, context: &SessionContext, query: NamedQuery) -> Result<()> {
        match self {
            Self::OfOne => register_query(context, query, &Arc::default()).await,
            Self::OfSeveral(several) => {
                register_query(&several.single, query.clone(), &Arc::default()).await?;
                register_query(context, query, &several.names).await
            }
        }
    }

    /// The plans of a statement over each study alone, with the name of the study as the first column; none where there is
    /// one study.
    pub async fn plans_of_each(&self, statement: &Statement) -> Result<Vec<LogicalPlan>> {
        let Self::OfSeveral(several) = self else { return Ok(Vec::new()) };
        register_named(&several.single, statement).await?;
        let plan = several.single.state().statement_to_plan(statement.clone()).await?;
        let places = several.names.iter().enumerate();
        places.map(|(place, name)| named(of_study(plan.clone(), place)?, name)?.build()).collect()
    }
}

/// The rows of a plan over the tables of one study, behind the name of the study.
fn named(plan: LogicalPlan, study: &str) -> Result<LogicalPlanBuilder> {
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    let columns: Vec<Expr> = std::iter::once(lit(study).alias(STUDY_COLUMN.name)).chain(columns).collect();
    LogicalPlanBuilder::from(plan).project(columns)
}

/// A plan over the tables of one study as one over each of several, its answers united; the plan itself without names.
fn over_each(plan: LogicalPlan, names: &[String]) -> Result<LogicalPlan> {
    let mut united: Option<LogicalPlanBuilder> = None;
    for (place, name) in names.iter().enumerate() {
        let one = named(of_study(plan.clone(), place)?, name)?;
        united = Some(match united {
            Some(others) => others.union(one.build()?)?,
            None => one,
        });
    }
    united.map_or(Ok(plan), LogicalPlanBuilder::build)
}

/// A plan over the tables of one study, those of the study at a place instead.
fn of_study(plan: LogicalPlan, place: usize) -> Result<LogicalPlan> {
    replaced(plan, &|table| table_without_content(table.name(), Of::One(place)))
}

/// Registers the objects that a statement names in a context of one study.
pub(crate) async fn register_named(context: &SessionContext, statement: &Statement) -> Result<()> {
    let (all_views, all_queries) = (views(), named_queries());
    let (mut wanted, mut queries): (Vec<ViewInfo>, Vec<NamedQuery>) = (Vec::new(), Vec::new());
    let mut open = vec![statement.clone()];
    while let Some(next) = open.pop() {
        let read = |sql: &str| context.state().sql_to_statement(sql, &datafusion::config::Dialect::Generic);
        for name in names_of(context, &next)? {
            match name {
                Name::Relation(name) => {
                    let Some(view) = all_views.iter().find(|view| view.name == name) else { continue };
                    // A view that another view needs must be planned before it: move it to the end.
                    wanted.retain(|one| one.name != view.name);
                    wanted.push(*view);
                    if known(&VIEWS, view.name).is_none() {
                        open.push(read(view.sql)?);
                    }
                }
                Name::Query(name) => {
                    let Some(query) = all_queries.iter().find(|query| query.name == name) else { continue };
                    if queries.iter().any(|one| one.name == query.name) {
                        continue;
                    }
                    queries.push(query.clone());
                    if known(&QUERIES, query.name).is_none() {
                        open.push(read(query.sql)?);
                    }
                }
            }
        }
    }
    for view in wanted.into_iter().rev() {
        register_view(context, &view).await?;
    }
    for query in queries {
        register_query(context, query, &Arc::default()).await?;
    }
    Ok(())
}

/// Names of the tables, views and named queries that a statement names.
pub(crate) fn relations(context: &SessionContext, statement: &Statement) -> Result<Vec<String>> {
    let names = names_of(context, statement)?.into_iter();
    Ok(names.map(|(Name::Relation(name) | Name::Query(name))| name).collect())
}

async fn register_view(context: &SessionContext, view: &ViewInfo) -> Result<()> {
    if context.table_exist(view.name)? {
        return Ok(());
    }
    if let Some(planned) = known(&VIEWS, view.name) {
        context.register_table(view.name, planned)?;
        return Ok(());
    }
    context.sql(view.sql).await?;
    keep(&VIEWS, view.name, context.table_provider(view.name).await?);
    Ok(())
}

async fn register_query(context: &SessionContext, query: NamedQuery, studies: &Arc<[String]>) -> Result<()> {
    let Some(schema) = context.catalog(CATALOG).and_then(|catalog| catalog.schema(QUERIES_SCHEMA)) else {
        return plan_err!("no schema `{QUERIES_SCHEMA}`");
    };
    if schema.table_exist(query.name) {
        return Ok(());
    }
    let plan = match known(&QUERIES, query.name) {
        Some(plan) => plan,
        None => {
            let plan = context.sql(query.sql).await?.into_unoptimized_plan();
            keep(&QUERIES, query.name, plan.clone());
            plan
        }
    };
    let defaults = bind(&query, &Parameters::new()).map_err(external)?;
    let answer = over_each(plan.clone().with_param_values(defaults)?, studies)?;
    let view = ViewTable::new(answer, Some(query.sql.to_owned()));
    schema.register_table(query.name.to_owned(), Arc::new(view))?;
    let function = QueryFunction { name: query.name, plan, query, studies: Arc::clone(studies) };
    context.register_udtf(function.name, Arc::new(function));
    Ok(())
}

/// What a statement names.
enum Name {
    /// A table or a view.
    Relation(String),
    /// A named query, as a view of the schema `queries` or as a function.
    Query(String),
}

/// Names in a statement's table positions.
fn names_of(context: &SessionContext, statement: &Statement) -> Result<Vec<Name>> {
    let references = context.state().resolve_table_references(statement)?;
    let name = |reference: &TableReference| match reference.schema() {
        Some(QUERIES_SCHEMA) => Name::Query(reference.table().to_owned()),
        _ => Name::Relation(reference.table().to_owned()),
    };
    let mut names: Vec<Name> = references.iter().map(name).collect();
    let mut inner = statement;
    while let Statement::Explain(explain) = inner {
        inner = &explain.statement;
    }
    if let Statement::Statement(inner) = inner {
        let _ = walk(inner.as_ref(), &mut Functions(&mut names));
    }
    Ok(names)
}

/// Collects function calls in table positions.
struct Functions<'a>(&'a mut Vec<Name>);

impl Visitor for Functions<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let last = |name: &ObjectName| Some(Name::Query(name.0.last()?.as_ident()?.value.to_lowercase()));
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = table {
            self.0.extend(last(name));
        }
        ControlFlow::Continue(())
    }
}

/// The same plan with every study table read from `study`, but those that have content already.
pub(crate) fn with_tables_of(plan: LogicalPlan, study: &Arc<Study>) -> Result<LogicalPlan> {
    with_tables_of_all(plan, std::slice::from_ref(study))
}

/// As [`with_tables_of`], from several studies in their order.
pub(crate) fn with_tables_of_all(plan: LogicalPlan, studies: &[Arc<Study>]) -> Result<LogicalPlan> {
    replaced(plan, &|table| provider(table.name(), table.of(), studies))
}

/// The same plan with other tables in the place of those without content.
fn replaced(plan: LogicalPlan, other: &dyn Fn(&StudyTable) -> Option<Arc<dyn TableProvider>>) -> Result<LogicalPlan> {
    let mut tables: HashMap<(&str, Of), Arc<dyn TableProvider>> = HashMap::new();
    let replaced = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(Transformed::no(node)) };
        let found = source_as_provider(&scan.source)?;
        let Some(ours) = found.downcast_ref::<StudyTable>().filter(|ours| !ours.has_content()) else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let key = (ours.name(), ours.of());
        let table = match tables.get(&key) {
            Some(table) => Arc::clone(table),
            None => {
                let Some(table) = other(ours) else { return plan_err!("no table `{}`", ours.name()) };
                tables.insert(key, Arc::clone(&table));
                table
            }
        };
        Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source: provider_as_source(table), ..scan })))
    })?;
    Ok(replaced.data)
}

/// A named query as a table function: its parameters in their order, the defaults for those left out.
#[derive(Debug)]
struct QueryFunction {
    name: &'static str,
    plan: LogicalPlan,
    query: NamedQuery,
    /// Names of the studies, where there are several.
    studies: Arc<[String]>,
}

impl TableFunctionImpl for QueryFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
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
        let plan = over_each(self.plan.clone().with_param_values(values)?, &self.studies)?;
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
