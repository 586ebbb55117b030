//! Bottom-up rewriting of physical plans, node by node.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// Replaces each node by the result of `better`; `None` leaves the node unchanged.
pub(crate) fn replaced(
    plan: Arc<dyn ExecutionPlan>,
    better: impl Fn(&Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let rewritten = plan.transform_up(|node| {
        Ok(match better(&node)? {
            Some(better) => Transformed::yes(better),
            None => Transformed::no(node),
        })
    });
    rewritten.data()
}
