//! Cooperative yielding inside joins, so that cancellation is observed.
//!
//! A join may produce millions of batches from one that it reads (a cross join of two large tables), and a consumer
//! such as count(*) polls the next one at once. DataFusion yields where batches are read, which is too rare then:
//! neither Ctrl-C nor a time limit would take effect.

use super::transform::replaced;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use std::sync::Arc;

/// Inserts a yield point above every join.
#[derive(Debug)]
pub(crate) struct CooperativeJoins;

impl PhysicalOptimizerRule for CooperativeJoins {
    fn name(&self) -> &str {
        "CooperativeJoins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _options: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            Ok(match node.name() {
                "CrossJoinExec" | "NestedLoopJoinExec" | "HashJoinExec" | "SortMergeJoinExec" => {
                    Some(Arc::new(CooperativeExec::new(Arc::clone(node))) as Arc<dyn ExecutionPlan>)
                }
                _ => None,
            })
        })
    }

    fn schema_check(&self) -> bool {
        true
    }
}
