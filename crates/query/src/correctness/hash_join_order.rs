//! A hash join guarantees the order of its probe side only.
//!
//! DataFusion 55.2 appends the order of the build side, as if the rows of the probe side were distinct; where two of
//! them are equal, the rows of the build side come twice. Necessary sorts are then removed, and groups and windows that
//! rely on the order are split (#25052). [`HideOrder`] hides that order, [`ShowOrder`] removes the nodes that hid
//! nothing.

use crate::optimizer::single_input::single_input;
use crate::optimizer::transform::replaced;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use std::fmt;
use std::sync::Arc;

/// Puts an [`Unordered`] over the build side of each hash join that would append its order.
#[derive(Debug)]
pub(super) struct HideOrder;

impl PhysicalOptimizerRule for HideOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(None) };
            if !matches!(join.join_type(), JoinType::Inner | JoinType::Right) {
                return Ok(None);
            }
            let build = Arc::new(Unordered::new(Arc::clone(join.left())));
            Ok(Some(Arc::clone(node).replace_children(
                vec![build, Arc::clone(join.right())],
                ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
            )?))
        })
    }

    fn name(&self) -> &str {
        "hide_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Removes each [`Unordered`] whose input has no order.
#[derive(Debug)]
pub(super) struct ShowOrder;

impl PhysicalOptimizerRule for ShowOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            let hidden = node.downcast_ref::<Unordered>().map(|over| &over.input);
            Ok(hidden.filter(|input| input.output_ordering().is_none()).cloned())
        })
    }

    fn name(&self) -> &str {
        "show_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Passes its input through, but declares no output order.
#[derive(Debug)]
struct Unordered {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl Unordered {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let known = input.equivalence_properties();
        let mut equal = EquivalenceProperties::new(input.schema());
        // Equal columns and constants stay known. This cannot fail: the group is of the input's schema.
        let _ = equal.add_equivalence_group(known.eq_group().clone());
        let properties = PlanProperties::new(
            equal,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, properties: Arc::new(properties) }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::new(input)
    }
}

impl DisplayAs for Unordered {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Unordered")
    }
}

impl ExecutionPlan for Unordered {
    single_input!(Unordered, "an Unordered has one child");

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
