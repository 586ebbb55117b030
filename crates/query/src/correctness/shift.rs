//! `<<` and `>>` of integers that fail where a bit would be lost or the number of bits is none, as in DuckDB. DataFusion's
//! count bits modulo the width: `1 << 64` is 1.

use super::expressions::result_field;
use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `left << right` or `left >> right`, of integers of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Shift {
    is_left: bool,
    signature: Signature,
}

impl Shift {
    pub fn call(is_left: bool, left: Expr, right: Expr) -> Expr {
        ScalarUDF::from(Self { is_left, signature: Signature::any(2, Volatility::Immutable) }).call(vec![left, right])
    }

    fn one(&self, value: i64, by: i64, bits: i64) -> std::result::Result<i64, ArrowError> {
        if !(0..bits).contains(&by) {
            let message = format!("a shift of {bits} bits is by 0 to {}, found {by}", bits - 1);
            return Err(ArrowError::ComputeError(message));
        }
        if !self.is_left {
            return Ok(value >> by);
        }
        let shifted = i128::from(value) << by;
        let max = (1_i128 << (bits - 1)) - 1;
        match i64::try_from(shifted) {
            Ok(fitting) if (-max - 1..=max).contains(&shifted) => Ok(fitting),
            _ => Err(ArrowError::ComputeError(format!("{value} << {by} does not fit into {bits} bits"))),
        }
    }
}

impl ScalarUDFImpl for Shift {
    fn name(&self) -> &str {
        if self.is_left { "<<" } else { ">>" }
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        let written: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Ok(format!("({})", written.join(&format!(" {} ", self.name()))))
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let written: Vec<String> = arguments.iter().map(|argument| argument.schema_name().to_string()).collect();
        Ok(format!("({})", written.join(&format!(" {} ", self.name()))))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, _] => Ok(left.clone()),
            other => internal_err!("`{}` of {other:?}", self.name()),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        result_field(self, &arguments, |any| any)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [left, right] = arguments.args.as_slice() else { return internal_err!("`{}` of one", self.name()) };
        let kind = left.data_type();
        let bits = 8 * kind.primitive_width().unwrap_or(size_of::<i64>()) as i64;
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        let numbers = |value: &ColumnarValue| -> Result<ArrayRef> {
            Ok(cast_with_options(&value.to_array(rows)?, &DataType::Int64, &exact)?)
        };
        let (left, right) = (numbers(left)?, numbers(right)?);
        let pairs = left.as_primitive::<Int64Type>().iter().zip(right.as_primitive::<Int64Type>());
        let shifted = pairs.map(|(value, by)| value.zip(by).map(|(value, by)| self.one(value, by, bits)).transpose());
        let shifted: Int64Array = shifted.collect::<std::result::Result<_, ArrowError>>()?;
        Ok(ColumnarValue::Array(cast_with_options(&shifted, &kind, &exact)?))
    }
}
