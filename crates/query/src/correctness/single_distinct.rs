//! Disables the rewrite of a single distinct aggregate to two groupings where it would change the type of a sum.
//!
//! DataFusion 55.2 sums the sums of the inner groups then; `sum` of INTEGER is BIGINT here and `sum` of BIGINT is NUMERIC, as
//! in PostgreSQL, so the second one has another type than the query was planned with.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use std::sync::Arc;

/// The rule, for aggregates without such a sum.
#[derive(Debug)]
pub(super) struct WithoutSums(Arc<dyn OptimizerRule + Send + Sync>);

impl WithoutSums {
    /// Wraps the rule.
    pub fn around(rules: &mut [Arc<dyn OptimizerRule + Send + Sync>]) {
        for rule in rules.iter_mut().filter(|rule| rule.name() == "single_distinct_aggregation_to_group_by") {
            *rule = Arc::new(Self(Arc::clone(rule)));
        }
    }
}

impl OptimizerRule for WithoutSums {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let sums = match &plan {
            LogicalPlan::Aggregate(aggregate) => aggregate.aggr_expr.iter().any(is_sum),
            _ => false,
        };
        if sums { Ok(Transformed::no(plan)) } else { self.0.rewrite(plan, config) }
    }
}

fn is_sum(expression: &Expr) -> bool {
    match expression {
        Expr::Alias(alias) => is_sum(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => func.name() == "sum" && !params.distinct,
        _ => false,
    }
}
