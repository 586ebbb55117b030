//! How rules of ours change a plan: node by node, from the leaves up.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// Puts what `better` gives in the place of each node; `None` leaves the node as it is.
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
