//! Scalar subqueries: NULL if there is no row, and an error if DataFusion cannot turn the subquery into a join.
//!
//! DataFusion 55.2 infers that a scalar subquery is never NULL if its column is never NULL, and constant-folds
//! `coalesce` and `IS NULL` around it. [`Maybe`] wraps such a subquery. And if a correlated subquery compares outer
//! columns other than by `=` below an aggregate, DataFusion fails later, with the name of some inner column.

use super::expressions::{replace_parts, result_field};
use crate::error::external;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use syntrace_base::error::Error;

/// Checks and wraps each scalar subquery.
#[derive(Debug)]
pub(super) struct ScalarSubqueries;

impl AnalyzerRule for ScalarSubqueries {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let is_known = matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Filter(_));
            replace_parts(node, |part| looked_at(part, is_known))
        })
        .data()
    }

    fn name(&self) -> &str {
        "scalar_subqueries"
    }
}

fn looked_at(part: Expr, is_known: bool) -> Result<Transformed<Expr>> {
    let Expr::ScalarSubquery(subquery) = &part else { return Ok(Transformed::no(part)) };
    let rows = subquery.subquery.as_ref();
    if !rows.all_out_ref_exprs().is_empty() {
        if !is_known {
            return refused(
                "is used in an aggregate, a window, ORDER BY or GROUP BY",
                "name it in a query in FROM first",
            );
        }
        require_join(rows)?;
    }
    let may_be_null = rows.schema().fields().first().is_none_or(|field| field.is_nullable());
    if may_be_null || has_one_row(rows) {
        return Ok(Transformed::no(part));
    }
    Ok(Transformed::yes(ScalarUDF::from(Maybe::new()).call(vec![part])))
}

fn refused<T>(what: &str, hint: &str) -> Result<T> {
    let message = format!("a correlated subquery that {what} is not supported");
    Err(external(Error::user(message).hint(hint.to_owned())))
}

/// Hint: an equivalent query in most of these cases.
const JOIN: &str = "join it: FROM o LEFT JOIN i ON ... GROUP BY ..., or LEFT JOIN (SELECT k, max(y) AS y FROM i GROUP BY k) s ON s.k = o.k";

/// Rejects subqueries that DataFusion cannot turn into joins.
fn require_join(rows: &LogicalPlan) -> Result<()> {
    rows.apply(|node| {
        if node.all_out_ref_exprs().is_empty() {
            return Ok(TreeNodeRecursion::Jump);
        }
        match node {
            LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
                refused("has a LIMIT or an ORDER BY", "take the first row by an aggregate: `(SELECT max(y) FROM ...)`")
            }
            LogicalPlan::Union(_) | LogicalPlan::Window(_) | LogicalPlan::Distinct(_) => {
                refused("has a UNION, a window or a DISTINCT", JOIN)
            }
            LogicalPlan::Filter(_) => Ok(()),
            other => {
                let mut names_outer = false;
                other.apply_expressions(|expression| {
                    names_outer |= expression.contains_outer();
                    Ok(TreeNodeRecursion::Continue)
                })?;
                if names_outer { refused("names them outside of its WHERE", JOIN) } else { Ok(()) }
            }
        }?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    let Some(aggregate) = aggregate(rows) else {
        return refused("may give several rows", "take one by an aggregate: `(SELECT max(y) FROM ...)`");
    };
    aggregate.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let outer = split_conjunction(&filter.predicate).into_iter().filter(|part| part.contains_outer());
            if !outer.into_iter().all(is_equality) {
                refused("compares them otherwise than by `=`", JOIN)?;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The aggregate that makes one row of a subquery; `None` where it may have several.
fn aggregate(rows: &LogicalPlan) -> Option<&LogicalPlan> {
    match rows {
        LogicalPlan::Aggregate(grouped) if grouped.group_expr.is_empty() => Some(rows),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            aggregate(rows.inputs().first()?)
        }
        _ => None,
    }
}

/// Does a condition equate one of the subquery's columns with an outer expression?
fn is_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let is_column = |side: &Expr| match side {
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Column(_)),
        side => matches!(side, Expr::Column(_)),
    };
    (is_column(left) && !right.any_column_refs()) || (is_column(right) && !left.any_column_refs())
}

/// Has a subquery always one row?
fn has_one_row(rows: &LogicalPlan) -> bool {
    match rows {
        LogicalPlan::Aggregate(grouped) => grouped.group_expr.is_empty(),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Sort(_) => {
            rows.inputs().first().is_some_and(|input| has_one_row(input))
        }
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

/// Identity function whose result is nullable.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Maybe {
    signature: Signature,
}

impl Maybe {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Maybe {
    fn name(&self) -> &str {
        "maybe"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [kind] => Ok(kind.clone()),
            other => internal_err!("`maybe` of {other:?}"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        result_field(self, &arguments, |_| true)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(value) => Ok(value),
            None => internal_err!("`maybe` of nothing"),
        }
    }
}
