//! Filters are pushed down only where column names are unique.
//!
//! DataFusion 55.2 looks up the column of a filter in its input by name. Over a join whose sides have columns of the
//! same name, a filter on one side's column is applied to the other side's: RIGHT and FULL joins lose rows.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::collections::HashSet;
use std::sync::Arc;

/// The filter pushdown rule, for plans without duplicate column names.
#[derive(Debug)]
pub(super) struct ByUniqueName(Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl ByUniqueName {
    /// Wraps each filter pushdown rule.
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

/// Does the schema of some node have two columns of one name?
fn has_namesakes(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = plan.schema();
    let mut seen = HashSet::new();
    !schema.fields().iter().all(|field| seen.insert(field.name().as_str()))
        || plan.children().into_iter().any(has_namesakes)
}
