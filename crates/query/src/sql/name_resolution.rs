//! Resolves the names in a statement: tables without content, views, named queries and their functions. Views and
//! queries are planned once per process, when a statement first names them; the plans refer to no study, whose tables
//! [`with_tables_of`] inserts.

use super::parameter::Parameters;
use super::walk::walk;
use crate::catalog::{CATALOG, ViewInfo, provider, tables_without_content, views};
use crate::error::external;
use crate::named::{NamedQuery, bind, named_queries};
use crate::scan::provider::StudyTable;
use crate::table::study::Study;
use datafusion::catalog::{MemorySchemaProvider, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, TableReference, plan_err};
use datafusion::datasource::{ViewTable, provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
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

/// Registers the tables in a context, and an empty schema for named queries.
pub(crate) fn register_tables(context: &SessionContext) -> Result<()> {
    for (name, table) in tables_without_content() {
        context.register_table(*name, Arc::clone(table))?;
    }
    let Some(catalog) = context.catalog(CATALOG) else { return plan_err!("no catalog `{CATALOG}`") };
    catalog.register_schema(QUERIES_SCHEMA, Arc::new(MemorySchemaProvider::new()))?;
    Ok(())
}

/// Registers everything in a context: tables, views, named queries and their functions.
pub(crate) async fn register_all(context: &SessionContext) -> Result<()> {
    register_tables(context)?;
    for view in views() {
        register_view(context, &view).await?;
    }
    for query in named_queries() {
        register_query(context, query).await?;
    }
    Ok(())
}

/// Registers the objects that a statement names in a context.
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
        register_query(context, query).await?;
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

async fn register_query(context: &SessionContext, query: NamedQuery) -> Result<()> {
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
    let answer = plan.clone().with_param_values(defaults)?;
    let view = ViewTable::new(answer, Some(query.sql.to_owned()));
    schema.register_table(query.name.to_owned(), Arc::new(view))?;
    let function = QueryFunction { name: query.name, plan, query };
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

/// The same plan with every study table read from `study`.
pub(crate) fn with_tables_of(plan: LogicalPlan, study: &Arc<Study>) -> Result<LogicalPlan> {
    let mut tables: HashMap<&str, Arc<dyn TableProvider>> = HashMap::new();
    let replaced = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(Transformed::no(node)) };
        let found = source_as_provider(&scan.source)?;
        let Some(ours) = found.downcast_ref::<StudyTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let name = ours.name();
        let table = match tables.get(name) {
            Some(table) => Arc::clone(table),
            None => {
                let Some(table) = provider(name, study) else { return plan_err!("no table `{name}`") };
                tables.insert(name, Arc::clone(&table));
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
