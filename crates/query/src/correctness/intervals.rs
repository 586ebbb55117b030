//! Intervals are refused where DataFusion would compare them: it does so field by field (months, then days, then
//! nanoseconds), so that 25 hours are less than one day. PostgreSQL and DuckDB count a day as 24 hours and a month as 30
//! days.

use crate::error::external;
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use syntrace_base::error::Error;

/// Refuses comparisons, orders, groups, minima and maxima of intervals.
#[derive(Debug)]
pub(super) struct RefuseIntervals;

impl AnalyzerRule for RefuseIntervals {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let is_interval = |expression: &Expr| matches!(expression.get_type(&schema), Ok(DataType::Interval(_)));
            let keys: &[Expr] = match node {
                LogicalPlan::Aggregate(aggregate) => &aggregate.group_expr,
                _ => &[],
            };
            let sorted = match node {
                LogicalPlan::Sort(sort) => sort.expr.iter().any(|key| is_interval(&key.expr)),
                LogicalPlan::Distinct(distinct) => distinct
                    .input()
                    .schema()
                    .fields()
                    .iter()
                    .any(|field| matches!(field.data_type(), DataType::Interval(_))),
                _ => false,
            };
            if sorted || keys.iter().any(is_interval) {
                return Err(refused());
            }
            node.apply_expressions(|expression| {
                expression.apply(
                    |part| if compares(part, &schema) { Err(refused()) } else { Ok(TreeNodeRecursion::Continue) },
                )
            })
        })?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "refuse_intervals"
    }
}

fn compares(part: &Expr, schema: &DFSchema) -> bool {
    let is_interval = |expression: &Expr| matches!(expression.get_type(schema), Ok(DataType::Interval(_)));
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, .. }) => crate::sql::operators::compares(*op) && is_interval(left),
        Expr::Between(between) => is_interval(&between.expr),
        Expr::InList(list) => is_interval(&list.expr),
        Expr::InSubquery(subquery) => is_interval(&subquery.expr),
        Expr::AggregateFunction(call) => {
            matches!(call.func.name(), "min" | "max") && call.params.args.iter().any(is_interval)
        }
        _ => false,
    }
}

fn refused() -> datafusion::common::DataFusionError {
    external(
        Error::user("intervals are not compared: how long is a month?")
            .hint("compare seconds: extract(epoch FROM a) > extract(epoch FROM b)"),
    )
}
