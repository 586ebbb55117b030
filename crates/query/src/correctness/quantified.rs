//! `x > ANY (SELECT ...)` and `x > ALL (SELECT ...)`: the subquery gets a unique alias. If both sides of the comparison
//! have one name, DataFusion 55.2 compares the rows with themselves (#25258). A correlated subquery cannot become a
//! join under another name: it is rejected if the names are equal.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, not_impl_err};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, SubqueryAlias};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// Adds an alias to each such subquery.
#[derive(Debug)]
pub(super) struct NameQuantified;

impl AnalyzerRule for NameQuantified {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let mut number = 0;
        plan.transform_up_with_subqueries(|node| {
            let around = merge_schema(&node.inputs());
            node.map_expressions(|expression| {
                expression.transform_up(|part| {
                    let Expr::SetComparison(mut compared) = part else { return Ok(Transformed::no(part)) };
                    if !compared.subquery.outer_ref_columns.is_empty() {
                        require_other_name(&compared.subquery.subquery, &around)?;
                        return Ok(Transformed::no(Expr::SetComparison(compared)));
                    }
                    number += 1;
                    let rows = Arc::clone(&compared.subquery.subquery);
                    let named = SubqueryAlias::try_new(rows, format!("quantified {number}"))?;
                    compared.subquery.subquery = Arc::new(LogicalPlan::SubqueryAlias(named));
                    Ok(Transformed::yes(Expr::SetComparison(compared)))
                })
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "name_quantified"
    }
}

fn require_other_name(rows: &LogicalPlan, around: &DFSchema) -> Result<()> {
    match rows.schema().iter().next() {
        Some((Some(name), field)) if around.has_column_with_qualified_name(name, field.name()) => not_impl_err!(
            "ambiguous `{name}` in a correlated ANY or ALL: give the inner table an alias (`{name} AS other`)"
        ),
        _ => Ok(()),
    }
}
