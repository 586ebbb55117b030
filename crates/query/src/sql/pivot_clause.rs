//! `FROM t PIVOT (sum(x) FOR k IN ('a', 'b'))`: values of a column become columns, as aggregates with a filter each.

use super::walk::each_expression;
use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{Expr, ExprWithAlias, PivotValueSource, TableFactor, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::collections::HashSet;

/// Plans PIVOT as the query that it stands for.
#[derive(Debug)]
pub(crate) struct Pivots;

impl RelationPlanner for Pivots {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Pivot { table, aggregate_functions, value_column, value_source, default_on_null, alias } =
            relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let PivotValueSource::List(values) = value_source else {
            return not_impl_err!("PIVOT expects the values that become columns: `FOR k IN ('a', 'b')`");
        };
        let [column] = value_column.as_slice() else {
            return not_impl_err!("PIVOT by several columns is not supported: name one column behind FOR");
        };
        if default_on_null.is_some() {
            return not_impl_err!("DEFAULT ON NULL of PIVOT is not supported: write coalesce(...) over its columns");
        }
        let plan = context.plan(table.as_ref().clone())?;
        let mut used = HashSet::new();
        for expression in aggregate_functions.iter().map(|aggregate| &aggregate.expr).chain([column]) {
            each_expression(expression, |part| {
                let name = match part {
                    Expr::Identifier(name) => Some(name),
                    Expr::CompoundIdentifier(names) => names.last(),
                    _ => None,
                };
                used.extend(name.map(|name| context.normalize_ident(name.clone())));
            });
        }
        let fields = plan.schema().fields().iter().filter(|field| !used.contains(field.name()));
        let keys: Vec<String> = fields.map(|field| format!("\"{}\"", field.name().replace('"', "\"\""))).collect();
        let mut items = keys.clone();
        for ExprWithAlias { expr: value, alias } in &values {
            for aggregate in &aggregate_functions {
                let Expr::Function(call) = &aggregate.expr else {
                    return plan_err!("PIVOT expects aggregates, found `{}`", aggregate.expr);
                };
                let mut name = alias.as_ref().map_or_else(|| plain(value), |alias| alias.value.clone());
                if aggregate_functions.len() > 1 {
                    let own = aggregate.alias.as_ref().map_or_else(|| call.to_string(), |alias| alias.value.clone());
                    name = format!("{name}_{own}");
                }
                let more = call.filter.as_ref().map_or_else(String::new, |filter| format!(" AND ({filter})"));
                let mut call = call.clone();
                call.filter = None;
                items.push(format!(
                    "{call} FILTER (WHERE {column} = {value}{more}) AS \"{}\"",
                    name.replace('"', "\"\"")
                ));
            }
        }
        let by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        let alias = alias.map_or_else(|| "\"pivot\"".to_owned(), |alias| alias.to_string());
        let text = format!("(SELECT {} FROM {table}{by}) {alias}", items.join(", "));
        let derived = Parser::new(&GenericDialect {}).try_with_sql(&text)?.parse_table_factor()?;
        let plan = context.plan(derived)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

/// A value as the name of its column.
fn plain(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}
