//! Tables and functions by the names that PostgreSQL finds them under: its catalog needs no schema before a name.

use super::{folded, last_name};
use crate::catalog::Catalog;
use crate::catalog::ddl::{CATALOG_SCHEMA, Declared};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, TableAlias, TableAliasColumnDef,
    TableFactor, VisitorMut,
};
use std::ops::ControlFlow;

/// Functions in FROM whose one column has the name of their alias.
const SERIES: &[&str] = &["generate_series", "unnest", "generate_subscripts", "string_to_table"];

/// The declared table of a name, with or without its schema.
pub(super) fn declared<'a>(catalog: &'a Catalog, name: &ObjectName) -> Option<&'a Declared> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
    match parts.as_slice() {
        [name] => catalog.declared(None, name),
        [schema, name] => catalog.declared(Some(schema), name),
        [_, schema, name] => catalog.declared(Some(schema), name),
        _ => None,
    }
}

/// Writes the schema before tables of the catalog, and takes it from before functions.
pub(super) struct Tables<'a> {
    catalog: &'a Catalog,
    /// Names of WITH, which come before the catalog's.
    with: Vec<String>,
}

impl<'a> Tables<'a> {
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, with: Vec::new() }
    }

    /// Gives the name a schema; says whether it is a declared table.
    fn qualify(&self, name: &mut ObjectName) -> bool {
        let is_declared = declared(self.catalog, name).is_some() && !self.with.contains(&name.to_string());
        if is_declared && name.0.len() == 1 {
            let last = last_name(name);
            *name = ObjectName::from(vec![Ident::new(CATALOG_SCHEMA), Ident::new(last)]);
        }
        is_declared
    }
}

impl VisitorMut for Tables<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.with.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|table| folded(&table.alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args, alias, .. } => {
                let is_unqualified = name.0.len() == 1;
                let own = last_name(name);
                if self.qualify(name) {
                    // A function that gives the rows of a table: pg_get_keywords().
                    *args = None;
                    if is_unqualified && alias.is_none() {
                        *alias = Some(plain_alias(&own));
                    }
                } else if let Some(given) = args {
                    if own == "generate_series" {
                        given.args.iter_mut().for_each(widen);
                    }
                    *name = ObjectName::from(vec![Ident::new(own.clone())]);
                    name_series(&own, alias);
                }
            }
            TableFactor::Function { name, alias, args, .. } => {
                if last_name(name) == "generate_series" {
                    args.iter_mut().for_each(widen);
                }
                let own = last_name(name);
                *name = ObjectName::from(vec![Ident::new(own.clone())]);
                name_series(&own, alias);
            }
            TableFactor::UNNEST { alias, .. } => name_series("unnest", alias),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expression
            && function.name.0.len() > 1
            && let Some(last) = function.name.0.pop()
        {
            function.name = ObjectName(vec![last]);
        }
        ControlFlow::Continue(())
    }
}

/// Casts a computed bound to the integer width that the planner expects.
fn widen(argument: &mut FunctionArg) {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expression @ Expr::Function(_))) = argument {
        *expression = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(expression.clone()),
            data_type: DataType::BigInt(None),
            array: false,
            format: None,
        };
    }
}

fn plain_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

/// `generate_series(1, 3) AS i` has a column `i`.
fn name_series(function: &str, alias: &mut Option<TableAlias>) {
    if !SERIES.contains(&function) {
        return;
    }
    let alias = alias.get_or_insert_with(|| plain_alias(function));
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}
