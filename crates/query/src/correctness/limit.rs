//! Keeps limits in place while sorts are moved.
//!
//! DataFusion's `EnsureRequirements` pushes the limit of a sort down together with the sort, below operators that drop
//! or merge rows (the final DISTINCT, #24927), and leaves a limit in a DISTINCT whose input has become sorted, which
//! then fails (#25350). [`HoldLimits`] hides limits before that rule, [`RestoreLimits`] restores them after it.
//! `LimitPushdown`, which runs later, pushes them only through operators that permit it.

use crate::optimizer::single_input::single_input;
use crate::optimizer::transform::replaced;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{Boundedness, CardinalityEffect};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    InputOrderMode, Partitioning, PlanProperties,
};
use std::fmt;
use std::sync::Arc;

/// Replaces each limit, and the limit of each sort, by a [`HeldLimit`].
#[derive(Debug)]
pub(super) struct HoldLimits;

impl PhysicalOptimizerRule for HoldLimits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            let held = if let Some(sort) = node.downcast_ref::<SortExec>()
                && let Some(fetch) = sort.fetch()
                && !sort.preserve_partitioning()
            {
                // Its own keys: of what it sorts it takes those for no keys that are constant on each thread.
                let keys = Some(sort.expr().clone());
                HeldLimit::over(Arc::new(sort.with_fetch(None)), 0, Some(fetch), keys)
            } else if let Some(limit) = node.downcast_ref::<GlobalLimitExec>() {
                HeldLimit::new(Arc::clone(limit.input()), limit.skip(), limit.fetch())
            } else if let Some(output) = node.downcast_ref::<OutputRequirementExec>()
                && output.fetch().is_some()
            {
                return Ok(Some(unlimited(output)));
            } else {
                return Ok(None);
            };
            Ok(Some(Arc::new(held) as Arc<dyn ExecutionPlan>))
        })
    }

    fn name(&self) -> &str {
        "hold_limits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What marks the order of an answer, without the copy of a limit that it keeps below an OFFSET.
fn unlimited(output: &OutputRequirementExec) -> Arc<dyn ExecutionPlan> {
    let ordering = output.required_input_ordering().pop().flatten();
    let distribution = output
        .input_distribution_requirements()
        .into_per_child()
        .pop()
        .unwrap_or(Distribution::UnspecifiedDistribution);
    Arc::new(OutputRequirementExec::new(output.input(), ordering, distribution, None))
}

/// Restores limits, except those that a DISTINCT over sorted rows cannot apply.
#[derive(Debug)]
pub(super) struct RestoreLimits;

impl PhysicalOptimizerRule for RestoreLimits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            if let Some(held) = node.downcast_ref::<HeldLimit>() {
                return Ok(Some(held.restored()));
            }
            let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
            let unordered = aggregate.limit_options().is_some_and(|limit| limit.descending().is_none());
            let is_sorted = !matches!(aggregate.input_order_mode(), InputOrderMode::Linear);
            Ok((unordered && is_sorted)
                .then(|| Arc::new(aggregate.with_new_limit_options(None)) as Arc<dyn ExecutionPlan>))
        })
    }

    fn name(&self) -> &str {
        "restore_limits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A limit that no optimizer rule recognises. It is never executed.
#[derive(Debug)]
struct HeldLimit {
    input: Arc<dyn ExecutionPlan>,
    skip: usize,
    fetch: Option<usize>,
    /// Which rows come first depends on it.
    ordering: Option<LexOrdering>,
    properties: Arc<PlanProperties>,
}

impl HeldLimit {
    fn new(input: Arc<dyn ExecutionPlan>, skip: usize, fetch: Option<usize>) -> Self {
        let ordering = input.output_ordering().cloned();
        Self::over(input, skip, fetch, ordering)
    }

    fn over(input: Arc<dyn ExecutionPlan>, skip: usize, fetch: Option<usize>, ordering: Option<LexOrdering>) -> Self {
        let properties = PlanProperties::new(
            input.equivalence_properties().clone(),
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            Boundedness::Bounded,
        );
        Self { input, skip, fetch, ordering, properties: Arc::new(properties) }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::over(input, self.skip, self.fetch, self.ordering.clone())
    }

    fn restored(&self) -> Arc<dyn ExecutionPlan> {
        let plain = || {
            let mut limit = GlobalLimitExec::new(Arc::clone(&self.input), self.skip, self.fetch);
            limit.set_required_ordering(self.ordering.clone());
            Arc::new(limit) as Arc<dyn ExecutionPlan>
        };
        let Some(fetch) = self.fetch.filter(|_| self.skip == 0) else { return plain() };
        // A sort that belongs to the limit keeps as many rows as the limit needs, on each thread.
        let kept = |sort: &SortExec| Arc::new(sort.with_fetch(Some(fetch))) as Arc<dyn ExecutionPlan>;
        if let Some(sort) = self.input.downcast_ref::<SortExec>() {
            return if sort.fetch().is_none() { kept(sort) } else { plain() };
        }
        if let Some(merge) = self.input.downcast_ref::<SortPreservingMergeExec>()
            && merge.fetch().is_none()
            && let Some(sort) = merge.input().downcast_ref::<SortExec>()
            && sort.fetch().is_none()
        {
            let merged = SortPreservingMergeExec::new(merge.expr().clone(), kept(sort));
            return Arc::new(merged.with_fetch(Some(fetch)));
        }
        plain()
    }
}

impl DisplayAs for HeldLimit {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HeldLimit: skip={}, fetch={:?}", self.skip, self.fetch)
    }
}

impl ExecutionPlan for HeldLimit {
    single_input!(HeldLimit, "a HeldLimit has one child");

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.input_distribution_requirements().into_per_child()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.ordering.clone().map(OrderingRequirements::from)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::LowerEqual
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for key in self.ordering.iter().flatten() {
            if visit(&key.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("a HeldLimit was left in a plan")
    }
}
