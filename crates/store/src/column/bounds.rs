//! Minimum and maximum of a column, by which scans prune segments.

use crate::records::Scalar;
use crate::schema::ColumnType;
use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringArray};

/// Longer texts are not recorded as minimum or maximum.
const TEXT_BYTES_MAX: usize = 64;

/// Bounds of the values that are not NULL; none where there is no order, no value, or a NaN.
pub(super) fn bounds(kind: ColumnType, array: &ArrayRef) -> (Option<Scalar>, Option<Scalar>) {
    macro_rules! of {
        ($array:ty, $variant:ident, $into:ty) => {{
            let Some(array) = array.as_any().downcast_ref::<$array>() else { return (None, None) };
            let mut found: Option<($into, $into)> = None;
            for value in array.iter().flatten() {
                let value = <$into>::from(value);
                // Only NaN is not comparable with itself; integers take this path too.
                if value.partial_cmp(&value).is_none() {
                    return (None, None);
                }
                let (low, high) = found.unwrap_or((value, value));
                found = Some((if value < low { value } else { low }, if value > high { value } else { high }));
            }
            match found {
                Some((low, high)) => (Some(Scalar::$variant(low)), Some(Scalar::$variant(high))),
                None => (None, None),
            }
        }};
    }
    match kind {
        ColumnType::I16 => of!(Int16Array, Int, i64),
        ColumnType::I32 => of!(Int32Array, Int, i64),
        ColumnType::I64 => of!(Int64Array, Int, i64),
        ColumnType::F32 => of!(Float32Array, Float, f64),
        ColumnType::F64 => of!(Float64Array, Float, f64),
        ColumnType::Text => text_bounds(array),
        ColumnType::Bool | ColumnType::Bytes | ColumnType::F32List | ColumnType::F64List => (None, None),
    }
}

fn text_bounds(array: &ArrayRef) -> (Option<Scalar>, Option<Scalar>) {
    let Some(array) = array.as_any().downcast_ref::<StringArray>() else { return (None, None) };
    let low = array.iter().flatten().min();
    let high = array.iter().flatten().max();
    let scalar = |text: &str| Scalar::Text(text.to_owned());
    match (low, high) {
        (Some(low), Some(high)) if low.len() <= TEXT_BYTES_MAX && high.len() <= TEXT_BYTES_MAX => {
            (Some(scalar(low)), Some(scalar(high)))
        }
        _ => (None, None),
    }
}
