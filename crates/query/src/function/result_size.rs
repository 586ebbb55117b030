//! Limits on functions whose result can be arbitrarily large: `repeat('x', 1000000000)`. A query's memory budget covers
//! operators, not the result of one expression; so the result size of these functions is computed first.

use arrow::array::AsArray;
use arrow::compute::kernels::length;
use arrow::compute::{cast, max, sum};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Bytes that one call may give for the rows of one batch.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a constant result: constant folding puts it into the plan, which is copied and printed with it (100 MB took
/// 46 seconds).
const CONSTANT_BYTES_MAX: u64 = 4 << 20;

/// Bytes of an item of a list, or of a number as text.
const ITEM_BYTES: u64 = 16;

/// How the size of a result depends on the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// The text (first) as often as the second argument says.
    Repeat,
    /// As many characters as the second argument says.
    Pad,
    /// As many items as the argument of this number says.
    Items(usize),
    /// The third argument for each place of the second, or for each byte, in the first.
    Replace,
    /// The second argument between the items of the first.
    Join,
    /// This many bytes for each byte of the first argument.
    Times(u64),
}

const FUNCTIONS: &[(&str, Growth)] = &[
    ("repeat", Growth::Repeat),
    ("lpad", Growth::Pad),
    ("rpad", Growth::Pad),
    ("array_repeat", Growth::Items(1)),
    ("array_resize", Growth::Items(1)),
    ("replace", Growth::Replace),
    ("regexp_replace", Growth::Replace),
    ("array_to_string", Growth::Join),
    ("encode", Growth::Times(2)),
    ("hexdump", Growth::Times(5)),
];

/// Replaces functions of a context by their size-checked versions.
pub(super) fn register(context: &SessionContext) {
    let state = context.state();
    for (name, growth) in FUNCTIONS {
        if let Some(inner) = state.scalar_functions().get(*name) {
            let bounded = Bounded { inner: Arc::clone(inner), growth: *growth };
            context.register_udf(ScalarUDF::from(bounded));
        }
    }
}

/// A function whose result size is checked before it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

/// Total and longest of the texts, bytes or lists of an argument over all rows: bytes of texts, items of lists.
fn lengths(value: Option<&ColumnarValue>, rows: u64) -> Result<(u64, u64)> {
    let Some(value) = value else { return Ok((0, 0)) };
    let (array, times) = match value {
        ColumnarValue::Array(array) => (Arc::clone(array), 1),
        ColumnarValue::Scalar(scalar) => (scalar.to_array()?, rows),
    };
    let Ok(lengths) = length::length(&array) else { return Ok((0, 0)) };
    let lengths = cast(&lengths, &DataType::Int64)?;
    let lengths = lengths.as_primitive::<Int64Type>();
    let positive = |length: Option<i64>| length.unwrap_or(0).max(0).unsigned_abs();
    Ok((positive(sum(lengths)).saturating_mul(times), positive(max(lengths))))
}

/// Bytes of one value of an argument, lists in lists included.
fn item_bytes(value: Option<&ColumnarValue>) -> Result<u64> {
    let Some(value) = value else { return Ok(0) };
    let data = value.to_array(1)?.to_data();
    Ok(data.get_slice_memory_size()? as u64 / data.len().max(1) as u64)
}

/// The largest number of an argument.
fn largest(value: Option<&ColumnarValue>) -> Result<u64> {
    let Some(value) = value else { return Ok(0) };
    let numbers = cast(&value.to_array(1)?, &DataType::Int64)?;
    Ok(max(numbers.as_primitive::<Int64Type>()).unwrap_or(0).max(0).unsigned_abs())
}

impl Bounded {
    fn answer_bytes(&self, arguments: &ScalarFunctionArgs, is_constant: bool) -> Result<u64> {
        let rows = if is_constant { 1 } else { arguments.number_rows as u64 };
        let argument = |at: usize| arguments.args.get(at);
        let (total, longest) = lengths(argument(0), rows)?;
        Ok(match self.growth {
            Growth::Repeat => rows.saturating_mul(longest).saturating_mul(largest(argument(1))?),
            Growth::Pad => rows.saturating_mul(largest(argument(1))?),
            Growth::Items(at) => {
                let size = item_bytes(argument(0))?.max(ITEM_BYTES);
                rows.saturating_mul(largest(argument(at))?).saturating_mul(size)
            }
            Growth::Replace => {
                let (_, by) = lengths(argument(2), rows)?;
                total.saturating_mul(by.max(1))
            }
            Growth::Join => {
                let (_, between) = lengths(argument(1), rows)?;
                total.saturating_mul(between.saturating_add(ITEM_BYTES))
            }
            Growth::Times(times) => total.saturating_mul(times),
        })
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let most = if is_constant { CONSTANT_BYTES_MAX } else { ANSWER_BYTES_MAX };
        let bytes = self.answer_bytes(&arguments, is_constant)?;
        if bytes > most {
            return exec_err!("an answer of {} may have {most} bytes, this one might have {bytes}", self.name());
        }
        self.inner.invoke_with_args(arguments)
    }
}
