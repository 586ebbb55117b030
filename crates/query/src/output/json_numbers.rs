//! Lossless numbers in JSON: JavaScript, jq and Grafana read numbers as doubles, which round integers above 2^53, and
//! JSON has no infinity.
//!
//! | value | JSON |
//! | --- | --- |
//! | BIGINT or NUMERIC of a column `id` or `..._id` | text: `"model_id": "6917529027641081856"` |
//! | another whole number beyond 2^53 - 1 | text |
//! | not finite | `"Infinity"`, `"-Infinity"`, `"NaN"`; `null` is NULL alone |

use super::cell::not_finite;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use std::sync::LazyLock;

/// Largest integer up to which all integers are exactly representable as doubles.
const EXACT_MAX: i128 = (1 << 53) - 1;

/// Selects the encoders below for numbers.
#[derive(Debug)]
pub(crate) struct ExactNumbers;

/// Options without this factory: the default encoding of a number.
static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true));

impl EncoderFactory for ExactNumbers {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let kind = array.data_type();
        let is_whole = matches!(kind, DataType::Int64 | DataType::UInt64 | DataType::Decimal128(_, 0));
        if !is_whole && !kind.is_floating() {
            return Ok(None);
        }
        let plain = make_encoder(field, array, &PLAIN)?;
        let is_id = is_whole && (field.name() == "id" || field.name().ends_with("_id"));
        let encoder: Box<dyn Encoder + 'a> = match is_whole {
            true => Box::new(Whole { plain, is_id }),
            false => Box::new(Real { plain, array }),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Whole<'a> {
    plain: NullableEncoder<'a>,
    is_id: bool,
}

impl Encoder for Whole<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let start = out.len();
        self.plain.encode(row, out);
        let digits = out.get(start..).and_then(|digits| str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| digits.parse::<i128>().ok());
        if self.is_id || value.is_none_or(|value| value.unsigned_abs() > EXACT_MAX.unsigned_abs()) {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }
}

struct Real<'a> {
    plain: NullableEncoder<'a>,
    array: &'a dyn Array,
}

impl Encoder for Real<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = match self.array.data_type() {
            DataType::Float16 => f64::from(self.array.as_primitive::<Float16Type>().value(row)),
            DataType::Float32 => f64::from(self.array.as_primitive::<Float32Type>().value(row)),
            _ => self.array.as_primitive::<Float64Type>().value(row),
        };
        if value.is_finite() {
            return self.plain.encode(row, out);
        }
        out.push(b'"');
        out.extend_from_slice(not_finite(value).as_bytes());
        out.push(b'"');
    }
}
