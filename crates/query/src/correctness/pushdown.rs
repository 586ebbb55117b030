//! Filters are handed down where names of columns are unique.
//!
//! DataFusion 55.2 finds the column of a filter in what is below by its name. Over a join whose sides have columns of one
//! name, a filter on one side's column lands on the other side's: rows go missing from RIGHT and FULL joins.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::collections::HashSet;
use std::sync::Arc;

/// The rule that hands filters down, for plans without columns of one name beside each other.
#[derive(Debug)]
pub(super) struct ByUniqueName(Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl ByUniqueName {
    /// Puts itself around each rule that hands filters down.
    pub fn around(rules: &mut [Arc<dyn PhysicalOptimizerRule + Send + Sync>]) {
        for rule in rules.iter_mut().filter(|rule| rule.name().starts_with("FilterPushdown")) {
            *rule = Arc::new(Self(Arc::clone(rule)));
        }
    }
}

impl PhysicalOptimizerRule for ByUniqueName {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if has_namesakes(&plan) { Ok(plan) } else { self.0.optimize(plan, config) }
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Are there two columns of one name in the rows of some node?
fn has_namesakes(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = plan.schema();
    let mut seen = HashSet::new();
    !schema.fields().iter().all(|field| seen.insert(field.name().as_str()))
        || plan.children().into_iter().any(has_namesakes)
}
