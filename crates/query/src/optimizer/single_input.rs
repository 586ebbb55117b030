//! What execution plans over a single input have in common.

/// The methods that `impl ExecutionPlan for $plan` shares with all plans over one input. The type has the fields
/// `input` and `properties` and a method `with_input`; `$refusal` is the error for another number of children.
macro_rules! single_input {
    ($plan:ident, $refusal:literal) => {
        fn name(&self) -> &str {
            stringify!($plan)
        }

        fn properties(&self) -> &std::sync::Arc<datafusion::physical_plan::PlanProperties> {
            &self.properties
        }

        fn children(&self) -> Vec<&std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            vec![&self.input]
        }

        fn replace_children(
            self: std::sync::Arc<Self>,
            mut children: Vec<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>>,
            _options: datafusion::physical_plan::execution_plan::ReplaceChildrenOptions,
        ) -> datafusion::common::Result<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            match (children.pop(), children.is_empty()) {
                (Some(input), true) => Ok(std::sync::Arc::new(self.with_input(input))),
                _ => datafusion::common::internal_err!($refusal),
            }
        }

        fn with_new_children(
            self: std::sync::Arc<Self>,
            children: Vec<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>>,
        ) -> datafusion::common::Result<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            use datafusion::physical_plan::ChildrenPropertiesMode;
            use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
            self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
        }
    };
}
pub(crate) use single_input;
