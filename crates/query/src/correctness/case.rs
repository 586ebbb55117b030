//! Keeps the lazy evaluation of a boolean `CASE`.
//!
//! DataFusion 55.2 rewrites `CASE WHEN y <> 0 THEN x / y > 1 ELSE false END` to AND and OR, and then divides in every
//! row. `CASE true WHEN y <> 0 THEN ...` is equivalent SQL, and is not rewritten.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, lit};
use datafusion::optimizer::AnalyzerRule;

/// Compares the conditions of a boolean `CASE` with true.
#[derive(Debug)]
pub(super) struct KeepCase;

impl AnalyzerRule for KeepCase {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expression| {
                // Its keys are named by what they are, in the columns above.
                if matches!(expression, Expr::GroupingSet(_)) {
                    return Ok(Transformed::no(expression));
                }
                let name = names.save(&expression);
                let kept = expression.transform_up(|part| Ok(kept(part, &schema)))?;
                Ok(kept.update_data(|expression| name.restore(expression)))
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "keep_case"
    }
}

fn kept(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::Case(mut case) = part else { return Transformed::no(part) };
    let is_boolean = case.when_then_expr.iter().any(|(_, then)| matches!(then.get_type(schema), Ok(DataType::Boolean)));
    let outcomes = case.when_then_expr.iter().flat_map(|(when, then)| [when, then]).chain(&case.else_expr);
    // Expressions that cannot fail may be evaluated in any row.
    let may_fail = outcomes.into_iter().any(|part| !matches!(part.as_ref(), Expr::Column(_) | Expr::Literal(..)));
    if case.expr.is_some() || !is_boolean || !may_fail {
        return Transformed::no(Expr::Case(case));
    }
    case.expr = Some(Box::new(lit(true)));
    Transformed::yes(Expr::Case(case))
}
