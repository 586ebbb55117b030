//! `empirical_epsilon`.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;
use syntrace_measure::eval;

/// `empirical_epsilon(tp, fp, tn, fn, delta, confidence)`: epsilon that these guesses prove at least
/// (see [`eval::empirical_epsilon`]); NULL where an argument is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EmpiricalEpsilon {
    signature: Signature,
}

impl EmpiricalEpsilon {
    pub fn new() -> Self {
        let (count, real) = (DataType::Int64, DataType::Float64);
        let arguments = vec![count.clone(), count.clone(), count.clone(), count, real.clone(), real];
        Self { signature: Signature::exact(arguments, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for EmpiricalEpsilon {
    fn name(&self) -> &str {
        "empirical_epsilon"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [tp, fp, tn, fn_, delta, confidence] = take_function_args(self.name(), arguments.args)?;
        let counts: Vec<ArrayRef> =
            [tp, fp, tn, fn_].into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let reals: Vec<ArrayRef> =
            [delta, confidence].into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let count = |index: usize, row: usize| {
            let column = counts.get(index)?.as_primitive::<Int64Type>();
            (!column.is_null(row)).then(|| u64::try_from(column.value(row)).ok())?
        };
        let real = |index: usize, row: usize| {
            let column = reals.get(index)?.as_primitive::<Float64Type>();
            (!column.is_null(row)).then(|| column.value(row))
        };
        let bound = |row: usize| {
            let confusion = eval::Confusion {
                true_positives: count(0, row)?,
                false_positives: count(1, row)?,
                true_negatives: count(2, row)?,
                false_negatives: count(3, row)?,
            };
            Some(eval::empirical_epsilon(confusion, real(0, row)?, real(1, row)?).lower)
        };
        Ok(ColumnarValue::Array(Arc::new((0..rows).map(bound).collect::<Float64Array>())))
    }
}
