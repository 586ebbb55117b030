//! `x NOT IN (SELECT y ...)` by its definition: true if `x` differs from every `y`, false if some `y` is equal to `x`,
//! NULL otherwise (ISO 9075-2, 8.4).
//!
//! DataFusion turns it into an anti join and marks the join "null-aware" only in the one form that its hash join
//! supports: one key, no further condition, and a nullable column. Here it is rewritten to `EXISTS`, which is never
//! NULL, so every join is an ordinary one:
//!
//! ```text
//! x NOT IN S is true    NOT EXISTS (y = x) AND NOT EXISTS (y IS NULL) AND (x IS NOT NULL OR NOT EXISTS S)
//! x IN S as a value     CASE WHEN EXISTS (y = x) THEN true WHEN EXISTS (y IS NULL) OR (x IS NULL AND EXISTS S)
//!                       THEN NULL ELSE false END
//! ```

use crate::error::external;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::count::count;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Case, Expr, ExprSchemable, FetchType, Filter, LogicalPlan, LogicalPlanBuilder, Operator, exists, lit,
    not, not_exists, scalar_subquery,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::prelude::ident;
use std::cell::Cell;
use std::sync::Arc;
use syntrace_base::error::Error;

/// Rewrites `IN` and `NOT IN` over subqueries whose values may be NULL.
#[derive(Debug)]
pub(super) struct ExactIn;

impl AnalyzerRule for ExactIn {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let names = Cell::new(0);
        plan.transform_up_with_subqueries(|node| rewritten(node, &names)).data()
    }

    fn name(&self) -> &str {
        "exact_in"
    }
}

fn rewritten(node: LogicalPlan, names: &Cell<usize>) -> Result<Transformed<LogicalPlan>> {
    let filter = match node {
        LogicalPlan::Filter(filter) => filter,
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => return in_values(node, names),
        other => return Ok(Transformed::no(other)),
    };
    let mut found = false;
    filter.predicate.apply(|part| {
        found |= matches!(part, Expr::InSubquery(_) | Expr::Exists(_));
        require_plain(part)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !found {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let predicate = Rewriter { schema: filter.input.schema(), names, each: false }.where_is(filter.predicate, true)?;
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
}

/// The same in a SELECT list, where DataFusion supports scalar subqueries only: `EXISTS` becomes `count(*) > 0`. For an
/// aggregate they are computed in a projection below it.
fn in_values(node: LogicalPlan, names: &Cell<usize>) -> Result<Transformed<LogicalPlan>> {
    let mut found = false;
    node.apply_expressions(|expression| {
        expression.apply(|part| {
            found |= matches!(part, Expr::InSubquery(_) | Expr::Exists(_));
            if let Expr::SetComparison(_) = part {
                let error = Error::user("ANY and ALL of a subquery are not supported as values");
                return Err(external(
                    error.hint("compare with one value: `x > (SELECT min(y) FROM ...)` for ANY, max(y) for ALL"),
                ));
            }
            require_plain(part)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if !found {
        return Ok(Transformed::no(node));
    }
    let input = node.inputs().first().map(|input| (*input).clone());
    let Some(input) = input else { return Ok(Transformed::no(node)) };
    let schema = Arc::clone(input.schema());
    let rewriter = Rewriter { schema: &schema, names, each: true };
    let preserver = NamePreserver::new(&node);
    let is_aggregate = matches!(node, LogicalPlan::Aggregate(_));
    let mut below = Vec::new();
    let node = node.map_expressions(|expression| {
        let name = preserver.save(&expression);
        let changed = expression.transform_down(|part| {
            if !matches!(part, Expr::InSubquery(_) | Expr::Exists(_)) {
                return Ok(Transformed::no(part));
            }
            let value = counted(rewriter.values(part)?)?;
            if !is_aggregate {
                return Ok(Transformed::new(value, true, TreeNodeRecursion::Jump));
            }
            let name = rewriter.name();
            below.push(value.alias(&name));
            Ok(Transformed::new(ident(name), true, TreeNodeRecursion::Jump))
        })?;
        Ok(changed.update_data(|expression| name.restore(expression)))
    })?;
    let LogicalPlan::Aggregate(aggregate) = node.data else {
        return node.data.recompute_schema().map(Transformed::yes);
    };
    let columns = schema.iter().map(Expr::from).chain(below);
    let input = LogicalPlanBuilder::from(input).project(columns)?.build()?;
    let aggregate = Aggregate::try_new(Arc::new(input), aggregate.group_expr, aggregate.aggr_expr)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
}

/// Each `EXISTS` of an expression as a comparison of a count.
fn counted(expression: Expr) -> Result<Expr> {
    let compared = |part: Expr| {
        let Expr::Exists(Exists { subquery, negated }) = &part else { return Ok(Transformed::no(part)) };
        let mut rows = subquery.subquery.as_ref();
        // A limit of one row or more does not change whether rows exist.
        while let LogicalPlan::Limit(limit) = rows
            && matches!(limit.get_fetch_type()?, FetchType::Literal(None | Some(1..)))
            && limit.skip.is_none()
        {
            rows = limit.input.as_ref();
        }
        let mut builder = LogicalPlanBuilder::from(rows.clone());
        if rows.all_out_ref_exprs().is_empty() {
            builder = builder.limit(0, Some(1))?;
        }
        let rows = builder.aggregate(Vec::<Expr>::new(), [count(lit(1)).alias("rows")])?;
        let some = rows.project([ident("rows").gt(lit(0_i64)).alias("some")])?.build()?;
        let some = scalar_subquery(Arc::new(some));
        Ok(Transformed::yes(if *negated { not(some) } else { some }))
    };
    expression.transform_up(compared).data()
}

/// DataFusion turns a correlated subquery into a join even if it returns exactly one row (an aggregate) or only some of
/// the rows (LIMIT): the join ignores both.
fn require_plain(part: &Expr) -> Result<()> {
    let (subquery, is_in) = match part {
        Expr::InSubquery(InSubquery { subquery, .. }) => (subquery, true),
        Expr::Exists(Exists { subquery, .. }) => (subquery, false),
        _ => return Ok(()),
    };
    let refused = |what: &str, hint: &str| {
        let message = format!("a correlated subquery of IN or EXISTS that has {what} is not supported");
        Err(external(Error::user(message).hint(hint.to_owned())))
    };
    subquery.subquery.apply(|node| {
        if node.all_out_ref_exprs().is_empty() {
            return Ok(TreeNodeRecursion::Jump);
        }
        match node {
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
                refused("an aggregate without GROUP BY", "compare with it: `x = (SELECT max(y) FROM ...)`")?;
            }
            LogicalPlan::Limit(limit) if is_in || limit.skip.is_some() => {
                refused("a LIMIT", "number the rows of each group: row_number() OVER (PARTITION BY ... ORDER BY ...)")?;
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

struct Rewriter<'a> {
    schema: &'a DFSchema,
    names: &'a Cell<usize>,
    /// Also where nothing may be NULL.
    each: bool,
}

impl Rewriter<'_> {
    /// A unique name.
    fn name(&self) -> String {
        format!("__in_{}", self.names.replace(self.names.get() + 1))
    }

    /// An expression that is true (`wanted`) or false (not `wanted`) where the given one is; where the given one is
    /// not, this one may be anything else. Enough below AND, OR and NOT of a filter.
    fn where_is(&self, expression: Expr, wanted: bool) -> Result<Expr> {
        Ok(match expression {
            Expr::BinaryExpr(mut binary) if matches!(binary.op, Operator::And | Operator::Or) => {
                *binary.left = self.where_is(*binary.left, wanted)?;
                *binary.right = self.where_is(*binary.right, wanted)?;
                Expr::BinaryExpr(binary)
            }
            Expr::Not(inner) => not(self.where_is(*inner, !wanted)?),
            Expr::InSubquery(found) if found.negated == wanted => {
                let differs = self.differs(&found)?;
                match (differs, wanted) {
                    (Some(differs), true) => differs,
                    (Some(differs), false) => not(differs),
                    (None, _) => Expr::InSubquery(found),
                }
            }
            // The join that becomes of it is right where it matches, and NULL is as good as false here.
            Expr::InSubquery(found) => Expr::InSubquery(found),
            other => self.values(other)?,
        })
    }

    /// True where `x NOT IN S` is, false elsewhere; `None` where nothing may be NULL.
    fn differs(&self, found: &InSubquery) -> Result<Option<Expr>> {
        let Some(parts) = self.parts(found)? else { return Ok(None) };
        let mut all = not_exists(parts.equal);
        if let Some(unknown) = parts.unknown {
            all = all.and(not_exists(unknown));
        }
        if let Some(any) = parts.any {
            all = all.and(found.expr.as_ref().clone().is_not_null().or(not_exists(any)));
        }
        Ok(Some(all))
    }

    /// Each `IN` of an expression with its exact value.
    fn values(&self, expression: Expr) -> Result<Expr> {
        let exact = |part: Expr| {
            let Expr::InSubquery(found) = &part else { return Ok(Transformed::no(part)) };
            let Some(parts) = self.parts(found)? else { return Ok(Transformed::no(part)) };
            let null = || lit(ScalarValue::Boolean(None));
            let case = |condition: Expr, value: Expr| (Box::new(condition), Box::new(value));
            let mut cases = vec![case(exists(parts.equal), lit(!found.negated))];
            if let Some(unknown) = parts.unknown {
                cases.push(case(exists(unknown), null()));
            }
            if let Some(any) = parts.any {
                cases.push(case(found.expr.as_ref().clone().is_null().and(exists(any)), null()));
            }
            Ok(Transformed::yes(Expr::Case(Case::new(None, cases, Some(Box::new(lit(found.negated)))))))
        };
        expression.transform_up(exact).data()
    }

    /// The subqueries that say what a value is among; `None` where nothing may be NULL and the engine's join is right.
    fn parts(&self, found: &InSubquery) -> Result<Option<Parts>> {
        let rows = &found.subquery.subquery;
        let (qualifier, field) = rows.schema().qualified_field(0);
        let may_be_null = (found.expr.nullable(self.schema)?, field.is_nullable());
        // For a correlated subquery DataFusion builds a null-aware join with two keys, which it then rejects.
        let correlated = !rows.all_out_ref_exprs().is_empty();
        if may_be_null == (false, false) && !self.each && !correlated {
            return Ok(None);
        }
        if found.expr.contains_outer() {
            let message = "`NOT IN` of a value of the query around the query is not supported";
            return Err(external(Error::user(message).hint("write it as NOT EXISTS (SELECT 1 FROM ... WHERE ...)")));
        }
        // A unique alias: the subquery may read the same table as the outer query.
        let name = self.name();
        let value = Expr::from((qualifier, field)).alias(&name);
        let named = match rows.as_ref() {
            // Not over a cast that is called as what it casts: a join takes that column from below, beside it.
            LogicalPlan::Projection(own) if own.expr.len() == 1 => {
                let value = own.expr.iter().map(|value| value.clone().unalias().alias(&name));
                LogicalPlanBuilder::from(Arc::clone(&own.input)).project(value)?.build()?
            }
            _ => LogicalPlanBuilder::from(Arc::clone(rows)).project([value])?.build()?,
        };
        let over = |condition: Expr| LogicalPlanBuilder::from(named.clone()).filter(condition)?.build();
        // One row is enough, but DataFusion would apply the limit of a correlated subquery to all outer rows at once.
        let one = |rows: LogicalPlan| match rows.all_out_ref_exprs().is_empty() {
            true => LogicalPlanBuilder::from(rows).limit(0, Some(1))?.build().map(Arc::new),
            false => Ok(Arc::new(rows)),
        };
        let outer = found.expr.as_ref().clone().transform(|part| {
            let Expr::Column(column) = part else { return Ok(Transformed::no(part)) };
            let (_, field) = self.schema.qualified_field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
        });
        Ok(Some(Parts {
            equal: Arc::new(over(ident(&name).eq(outer.data()?))?),
            unknown: may_be_null.1.then(|| one(over(ident(&name).is_null())?)).transpose()?,
            any: may_be_null.0.then(|| one(named.clone())).transpose()?,
        }))
    }
}

/// The rows of a subquery, in three ways.
struct Parts {
    /// Those equal to the value.
    equal: Arc<LogicalPlan>,
    /// Those that are NULL; none where no row may be.
    unknown: Option<Arc<LogicalPlan>>,
    /// All of them, where the value may be NULL.
    any: Option<Arc<LogicalPlan>>,
}
