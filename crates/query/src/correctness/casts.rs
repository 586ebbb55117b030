//! Casts of fractional numbers to integers round, as in PostgreSQL and DuckDB: doubles half to even; decimals and
//! numeric literals half away from zero. DataFusion truncates. Casting a double that exceeds the range of REAL is an
//! error, where DataFusion gives infinity.

use super::expressions::{replace_parts, result_field};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, internal_err};
use datafusion::functions::math::round;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, lit,
};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// Rounds the arguments of casts.
#[derive(Debug)]
pub(super) struct RoundingCasts;

impl AnalyzerRule for RoundingCasts {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            replace_parts(node, |part| rounded(part, &schema))
        })
        .data()
    }

    fn name(&self) -> &str {
        "rounding_casts"
    }
}

fn rounded(part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (inner, target, is_tried) = match &part {
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
        _ => return Ok(Transformed::no(part)),
    };
    let Ok(source) = inner.get_type(schema) else { return Ok(Transformed::no(part)) };
    let value = if target.is_integer() {
        match inner.as_ref() {
            Expr::Literal(ScalarValue::Float64(Some(value)), _) => lit(value.round()),
            inner if source.is_floating() => Rounded::call(Rounding::ToEven, inner),
            inner if source.is_decimal() => round().call(vec![inner.clone(), lit(0_i32)]),
            _ => return Ok(Transformed::no(part)),
        }
    } else if source == DataType::Float64 && *target == DataType::Float32 && !is_tried {
        Rounded::call(Rounding::ToReal, inner)
    } else {
        return Ok(Transformed::no(part));
    };
    let mut part = part;
    match &mut part {
        Expr::Cast(cast) => *cast.expr = value,
        Expr::TryCast(cast) => *cast.expr = value,
        _ => {}
    }
    Ok(Transformed::yes(part))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rounding {
    /// To the nearest integer, halves to the even one.
    ToEven,
    /// Not at all: the cast to REAL rounds, and its result must be finite.
    ToReal,
}

/// A number made ready for a cast, of the type that it has.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    how: Rounding,
    signature: Signature,
}

impl Rounded {
    fn call(how: Rounding, value: &Expr) -> Expr {
        let signature = Signature::any(1, Volatility::Immutable);
        ScalarUDF::from(Self { how, signature }).call(vec![value.clone()])
    }

    fn of(&self, values: &ArrayRef) -> Result<ArrayRef> {
        if let Some(values) = values.as_primitive_opt::<Float32Type>() {
            return Ok(Arc::new(values.unary::<_, Float32Type>(f32::round_ties_even)));
        }
        let Some(values) = values.as_primitive_opt::<Float64Type>() else {
            return internal_err!("`{}` of {}", self.name(), values.data_type());
        };
        if self.how == Rounding::ToEven {
            return Ok(Arc::new(values.unary::<_, Float64Type>(f64::round_ties_even)));
        }
        let fits = |value: f64| !value.is_finite() || (value as f32).is_finite();
        match values.iter().flatten().find(|value| !fits(*value)) {
            Some(value) => exec_err!("a REAL holds numbers up to 3.4e38, found {value:e}: cast it to DOUBLE"),
            None => Ok(Arc::new(values.clone())),
        }
    }
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        "rounded"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [kind] => Ok(kind.clone()),
            other => internal_err!("`rounded` of {other:?}"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        result_field(self, &arguments, |any| any)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.first() {
            Some(ColumnarValue::Array(values)) => self.of(values).map(ColumnarValue::Array),
            Some(ColumnarValue::Scalar(value)) => {
                let one = self.of(&value.to_array()?)?;
                ScalarValue::try_from_array(&one, 0).map(ColumnarValue::Scalar)
            }
            None => internal_err!("`rounded` of nothing"),
        }
    }
}
