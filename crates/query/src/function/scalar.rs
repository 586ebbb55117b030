//! `ip_text`, `hexdump`, `half_floats`, and sums over lists.

use arrow::array::{Array, ArrayRef, AsArray, Float32Builder, Float64Array, ListBuilder, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float16Type, Float32Type, Float64Type};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// The scalar functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `ip_text(bytes)`: 4 bytes dotted, 16 bytes as IPv6, others NULL.
    IpText,
    /// `hexdump(bytes)`: 16 bytes a line with offset and ASCII.
    Hexdump,
    /// `list_sum(list)`: 0 for an empty list.
    ListSum,
    /// `list_mean(list)`: NULL for an empty list.
    ListMean,
    /// `list_std(list)`: population standard deviation; NULL for an empty list.
    ListStd,
    /// `half_floats(bytes)`: little-endian half floats as a list; NULL for an odd number of bytes.
    HalfFloats,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::IpText, Self::Hexdump, Self::ListSum, Self::ListMean, Self::ListStd, Self::HalfFloats];

    fn name(self) -> &'static str {
        match self {
            Self::IpText => "ip_text",
            Self::Hexdump => "hexdump",
            Self::ListSum => "list_sum",
            Self::ListMean => "list_mean",
            Self::ListStd => "list_std",
            Self::HalfFloats => "half_floats",
        }
    }
}

/// One scalar function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StudyScalar {
    kind: Kind,
    signature: Signature,
}

impl StudyScalar {
    pub fn new(kind: Kind) -> Self {
        let signature = match kind {
            Kind::IpText | Kind::Hexdump | Kind::HalfFloats => {
                Signature::exact(vec![DataType::Binary], Volatility::Immutable)
            }
            _ => Signature::any(1, Volatility::Immutable),
        };
        Self { kind, signature }
    }
}

impl ScalarUDFImpl for StudyScalar {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.kind, arguments) {
            (Kind::IpText | Kind::Hexdump, _) => Ok(DataType::Utf8),
            (Kind::HalfFloats, _) => Ok(floats()),
            (_, [DataType::List(item)]) if item.data_type().is_numeric() => Ok(DataType::Float64),
            (kind, found) => plan_err!("{} expects a list of numbers, found {found:?}", kind.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = take_function_args(self.name(), arguments.args)?;
        let values = value.into_array(arguments.number_rows)?;
        Ok(ColumnarValue::Array(match self.kind {
            Kind::IpText => texts(&values, ip_text),
            Kind::Hexdump => texts(&values, |bytes| Some(hexdump(bytes))),
            Kind::ListSum => lists(&values, |list| Some(sum(list)))?,
            Kind::ListMean => lists(&values, mean)?,
            Kind::ListStd => lists(&values, standard_deviation)?,
            Kind::HalfFloats => half_floats(&values),
        }))
    }
}

/// The type of a list of FLOAT.
fn floats() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Float32, false)))
}

fn half_floats(values: &ArrayRef) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new()).with_field(Field::new("item", DataType::Float32, false));
    for bytes in values.as_binary::<i32>() {
        let (pairs, rest) = bytes.unwrap_or_default().as_chunks::<2>();
        for pair in pairs {
            lists.values().append_value(Half::from_le_bytes(*pair).to_f32());
        }
        lists.append(bytes.is_some() && rest.is_empty());
    }
    Arc::new(lists.finish())
}

fn texts(values: &ArrayRef, text: impl Fn(&[u8]) -> Option<String>) -> ArrayRef {
    let bytes = values.as_binary::<i32>();
    Arc::new(bytes.iter().map(|bytes| bytes.and_then(&text)).collect::<StringArray>())
}

fn ip_text(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string())
}

/// As `xxd`: offset, 16 bytes in two halves, and their ASCII.
fn hexdump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(16).enumerate() {
        if number > 0 {
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{:04x} ", number * 16);
        for index in 0..16 {
            text.push_str(if index == 8 { "  " } else { " " });
            match line.get(index) {
                Some(byte) => drop(write!(text, "{byte:02x}")),
                None => text.push_str("  "),
            }
        }
        text.push_str("  |");
        text.extend(line.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }));
        text.push('|');
    }
    text
}

/// A number of each list; NULL items say nothing, as in the aggregates of the same name.
fn lists(values: &ArrayRef, number: impl Fn(&[f64]) -> Option<f64>) -> Result<ArrayRef> {
    let Some(lists) = values.as_list_opt::<i32>() else { return exec_err!("expected a list") };
    // Only the items of these rows: an array may be a slice of a larger one.
    let offsets = lists.value_offsets();
    let first = offsets.first().copied().unwrap_or(0) as usize;
    let last = offsets.last().copied().unwrap_or(0) as usize;
    let items = lists.values().slice(first, last - first);
    let singles = items.as_primitive_opt::<Float32Type>().filter(|items| items.null_count() == 0);
    let mut list = Vec::new();
    let range = |row: usize| {
        let start = offsets.get(row).copied().unwrap_or(0) as usize - first;
        start..offsets.get(row + 1).copied().unwrap_or(0) as usize - first
    };
    let numbers = match singles {
        // Widened list by list, in the cache.
        Some(singles) => (0..lists.len())
            .map(|row| {
                list.clear();
                list.extend(singles.values().get(range(row)).unwrap_or_default().iter().map(|item| f64::from(*item)));
                if lists.is_null(row) { None } else { number(&list) }
            })
            .collect::<Float64Array>(),
        None => {
            let items = cast(&items, &DataType::Float64)?;
            let items = items.as_primitive::<Float64Type>();
            let present =
                |row: usize| range(row).filter(|&index| items.is_valid(index)).map(|index| items.value(index));
            (0..lists.len())
                .map(|row| {
                    list.clear();
                    list.extend(present(row));
                    if lists.is_null(row) { None } else { number(&list) }
                })
                .collect::<Float64Array>()
        }
    };
    Ok(Arc::new(numbers))
}

/// Sum in eight lanes: as exact as one after another, and the processor adds several at once.
fn sum(list: &[f64]) -> f64 {
    let (eights, rest) = list.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).sum()
}

fn mean(list: &[f64]) -> Option<f64> {
    (!list.is_empty()).then(|| sum(list) / list.len() as f64)
}

fn standard_deviation(list: &[f64]) -> Option<f64> {
    let mean = mean(list)?;
    let squares: f64 = list.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((squares / list.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_people_write_them() {
        assert_eq!(ip_text(&[192, 168, 0, 7]).unwrap(), "192.168.0.7");
        assert_eq!(ip_text(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap(), "2001:db8::1");
        assert_eq!(ip_text(&[1, 2, 3]), None);
    }

    #[test]
    fn lists_of_any_length_also_of_a_slice_give_their_sum_mean_and_deviation() {
        use arrow::array::{Float32Builder, ListBuilder};
        let mut builder = ListBuilder::new(Float32Builder::new());
        builder.append_value([Some(100.0)]);
        builder.append_value((1..=20).map(|item| Some(item as f32)));
        builder.append_value(std::iter::empty::<Option<f32>>());
        builder.append_null();
        builder.append_value([Some(2.0), None, Some(4.0)]);
        let found = |rows: usize, number: &dyn Fn(&[f64]) -> Option<f64>| {
            let array: ArrayRef = Arc::new(builder.finish_cloned().slice(1, rows));
            lists(&array, number).unwrap().as_primitive::<Float64Type>().iter().collect::<Vec<_>>()
        };
        // With a NULL item in the last row, and without it.
        assert_eq!(found(4, &|list| Some(sum(list))), vec![Some(210.0), Some(0.0), None, Some(6.0)]);
        assert_eq!(found(3, &mean), vec![Some(10.5), None, None]);
        assert_eq!(found(1, &standard_deviation), vec![Some(33.25f64.sqrt())]);
    }

    #[test]
    fn a_hexdump_shows_offset_bytes_and_ascii() {
        let dump = hexdump(b"GET / HTTP/1.1\r\nHost");
        let expected = "0000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n\
                        0010  48 6f 73 74                                       |Host|";
        assert_eq!(dump, expected);
    }
}
