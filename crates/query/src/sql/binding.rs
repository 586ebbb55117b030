//! Puts values into the `$name` parameters of a plan.

use super::diagnose::{unbound, unbound_parameter};
use super::parameter::Parameters;
use crate::error::external;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::LogicalPlan;

/// The plan with its parameters replaced; an error where one has no value.
pub(crate) fn bound(plan: LogicalPlan, parameters: &Parameters) -> Result<LogicalPlan> {
    if let Some(name) = unbound_parameter(&plan, parameters)? {
        let given: Vec<&str> = parameters.keys().map(String::as_str).collect();
        return Err(external(unbound(&name, &given)));
    }
    let values = of_wanted_types(&plan, parameters)?;
    plan.with_param_values(values)
}

/// The values, converted to text if they are compared with text: `-v class=2024` names a class although it is a number.
fn of_wanted_types(plan: &LogicalPlan, parameters: &Parameters) -> Result<Parameters> {
    let wanted = plan.get_parameter_types()?;
    let is_text = |name: &str| {
        let kind = wanted.get(&format!("${name}")).cloned().flatten();
        matches!(kind, Some(DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8))
    };
    let typed = parameters.iter().map(|(name, value)| {
        let value = if is_text(name) && !value.is_null() { value.cast_to(&DataType::Utf8)? } else { value.clone() };
        Ok((name.clone(), value))
    });
    typed.collect()
}
