//! One column of a segment to bytes and back.
//!
//! Encoding 1: the Arrow buffers one after another, zstd over all of them.
//!
//! ```text
//! 0       bit 0: a validity bitmap follows; other bits 0
//! ...     validity bitmap, ceil(rows / 8) bytes, least significant bit first (only if bit 0)
//! ...     Boolean: values as a bitmap; integers and floats: little-endian values
//! ...     text, bytes: rows x u32 lengths, then the bytes; lists: rows x u32 lengths, then f32 values
//! ```
//!
//! Arrow's IPC framing is left out on purpose: its schema and batch headers cost several hundred bytes
//! a column, more than most columns of a small study. Everything read is checked before an array is
//! built from it: lengths against the body, text as UTF-8.

use super::records::{ColumnRecord, Scalar};
use super::schema::{Column, ColumnType};
use crate::base::Digest;
use crate::error::{Error, Result};
use arrow::array::*;
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use std::sync::Arc;

const ENCODING: u8 = 1;
const ZSTD_LEVEL: i32 = 3;
const HAS_VALIDITY: u8 = 1;
/// Texts longer than this are no minimum or maximum.
const SCALAR_TEXT_MAX: usize = 64;
/// A column of one segment is never larger than this before compression; a claim beyond it is damage.
const RAW_BYTES_MAX: u32 = 1 << 31;

/// Arrow type of a declared column.
pub(crate) fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::I16 => DataType::Int16,
        ColumnType::I32 => DataType::Int32,
        ColumnType::I64 => DataType::Int64,
        ColumnType::F32 => DataType::Float32,
        ColumnType::F64 => DataType::Float64,
        ColumnType::Text => DataType::Utf8,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::F32List => DataType::List(list_field()),
    }
}

/// Arrow schema of a columnar table, as declared.
pub fn arrow_schema(table: &super::schema::SegmentTable) -> arrow::datatypes::SchemaRef {
    let fields = table.columns.iter().map(|column| Field::new(column.name, data_type(column.kind), column.nullable));
    Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()))
}

fn list_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

/// Stored bytes of at most this length stand in the column's record: a place in the heap would cost
/// as much.
const INLINE_BYTES_MAX: usize = 64;

/// Encodes one column; gives its record, and the bytes that belong into the heap (none where they are
/// in the record).
pub(super) fn encode(column: &Column, array: &ArrayRef) -> Result<(ColumnRecord, Vec<u8>)> {
    let wrong = |what: String| Error::internal(format!("column `{}`: {what}", column.name));
    if array.data_type() != &data_type(column.kind) {
        return Err(wrong(format!("expected {}, found {}", data_type(column.kind), array.data_type())));
    }
    if array.null_count() > 0 && !column.nullable {
        return Err(wrong("found NULL in a column that may not be NULL".to_owned()));
    }
    let mut raw = vec![0u8];
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        raw[0] |= HAS_VALIDITY;
        raw.extend_from_slice(nulls.inner().sliced().as_slice());
    }
    append_values(column.kind, array, &mut raw)?;
    let stored = zstd::bulk::compress(&raw, ZSTD_LEVEL)
        .map_err(|error| Error::internal(format!("cannot compress column `{}`: {error}", column.name)))?;
    let too_long = |length: usize| wrong(format!("its {length} bytes in one segment are more than 4 GiB"));
    let (min, max) = extremes(column.kind, array);
    let mut record = ColumnRecord {
        encoding: ENCODING,
        stored_bytes: u32::try_from(stored.len()).map_err(|_| too_long(stored.len()))?,
        raw_bytes: u32::try_from(raw.len()).map_err(|_| too_long(raw.len()))?,
        digest: Digest::of(&stored).prefix16(),
        inline: Vec::new(),
        null_count: u32::try_from(array.null_count()).map_err(|_| too_long(array.null_count()))?,
        min,
        max,
    };
    if stored.len() > INLINE_BYTES_MAX {
        return Ok((record, stored));
    }
    record.inline = stored;
    Ok((record, Vec::new()))
}

macro_rules! primitive {
    ($array:expr, $type:ty, $out:expr) => {
        for value in cast::<$type>($array)?.values().iter() {
            $out.extend_from_slice(&value.to_le_bytes());
        }
    };
}

fn cast<T: 'static>(array: &ArrayRef) -> Result<&T> {
    array.as_any().downcast_ref::<T>().ok_or_else(|| Error::internal("a column changed its type"))
}

fn append_values(kind: ColumnType, array: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    match kind {
        ColumnType::Bool => out.extend_from_slice(cast::<BooleanArray>(array)?.values().sliced().as_slice()),
        ColumnType::I16 => primitive!(array, Int16Array, out),
        ColumnType::I32 => primitive!(array, Int32Array, out),
        ColumnType::I64 => primitive!(array, Int64Array, out),
        ColumnType::F32 => primitive!(array, Float32Array, out),
        ColumnType::F64 => primitive!(array, Float64Array, out),
        ColumnType::Text => {
            let text = cast::<StringArray>(array)?;
            append_variable(text.offsets(), text.value_data(), 1, out);
        }
        ColumnType::Bytes => {
            let bytes = cast::<BinaryArray>(array)?;
            append_variable(bytes.offsets(), bytes.value_data(), 1, out);
        }
        ColumnType::F32List => {
            let lists = cast::<ListArray>(array)?;
            let values = cast::<Float32Array>(lists.values())?;
            let raw: Vec<u8> = values.values().iter().flat_map(|value| value.to_le_bytes()).collect();
            append_variable(lists.offsets(), &raw, 4, out);
        }
    }
    Ok(())
}

fn append_variable(offsets: &OffsetBuffer<i32>, data: &[u8], width: usize, out: &mut Vec<u8>) {
    for pair in offsets.windows(2) {
        out.extend_from_slice(&((pair[1] - pair[0]) as u32).to_le_bytes());
    }
    let first = offsets.first().copied().unwrap_or(0) as usize * width;
    let last = offsets.last().copied().unwrap_or(0) as usize * width;
    out.extend_from_slice(&data[first..last]);
}

fn extremes(kind: ColumnType, array: &ArrayRef) -> (Option<Scalar>, Option<Scalar>) {
    macro_rules! of {
        ($array:ty, $variant:ident, $into:ty) => {{
            let Some(array) = array.as_any().downcast_ref::<$array>() else { return (None, None) };
            let mut found: Option<($into, $into)> = None;
            for value in array.iter().flatten() {
                let value = <$into>::from(value);
                #[allow(clippy::eq_op)]
                if value != value {
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
        ColumnType::Text => text_extremes(array),
        ColumnType::Bool | ColumnType::Bytes | ColumnType::F32List => (None, None),
    }
}

fn text_extremes(array: &ArrayRef) -> (Option<Scalar>, Option<Scalar>) {
    let Some(array) = array.as_any().downcast_ref::<StringArray>() else { return (None, None) };
    let low = array.iter().flatten().min();
    let high = array.iter().flatten().max();
    let scalar = |text: &str| Scalar::Text(text.to_owned());
    match (low, high) {
        (Some(low), Some(high)) if low.len() <= SCALAR_TEXT_MAX && high.len() <= SCALAR_TEXT_MAX => {
            (Some(scalar(low)), Some(scalar(high)))
        }
        _ => (None, None),
    }
}

/// Takes a column's raw bytes apart, front to back.
struct Parts<'a> {
    bytes: &'a [u8],
    column: &'a Column,
}

impl<'a> Parts<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return Err(self.damaged(&format!("{} bytes left, {length} expected", self.bytes.len())));
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::internal(format!("column `{}` is damaged: {what}", self.column.name))
            .hint("`syntrace verify STUDY` lists everything that is damaged")
    }
}

/// Decodes a column of `rows` rows from its stored bytes.
pub(super) fn decode(column: &Column, record: &ColumnRecord, rows: u32, stored: &[u8]) -> Result<ArrayRef> {
    let mut parts = Parts { bytes: &[], column };
    if record.encoding != ENCODING {
        return Err(Error::user(format!(
            "column `{}` has encoding {}, this program reads {ENCODING}",
            column.name, record.encoding
        ))
        .hint("use a newer syntrace"));
    }
    if Digest::of(stored).prefix16() != record.digest {
        return Err(parts.damaged("its digest does not match"));
    }
    if record.raw_bytes > RAW_BYTES_MAX {
        return Err(parts.damaged(&format!("it claims {} bytes", record.raw_bytes)));
    }
    let raw =
        zstd::bulk::decompress(stored, record.raw_bytes as usize).map_err(|error| parts.damaged(&error.to_string()))?;
    parts.bytes = &raw;
    let rows = rows as usize;
    let flags = parts.take(1)?[0];
    let nulls = if flags & HAS_VALIDITY != 0 {
        let bitmap = Buffer::from(parts.take(rows.div_ceil(8))?);
        Some(NullBuffer::new(BooleanBuffer::new(bitmap, 0, rows)))
    } else {
        None
    };
    let array = decode_values(column.kind, rows, nulls, &mut parts)?;
    if !parts.bytes.is_empty() {
        return Err(parts.damaged(&format!("{} bytes too many", parts.bytes.len())));
    }
    Ok(array)
}

fn decode_values(kind: ColumnType, rows: usize, nulls: Option<NullBuffer>, parts: &mut Parts<'_>) -> Result<ArrayRef> {
    macro_rules! primitive {
        ($array:ty, $native:ty) => {{
            let bytes = parts.take(rows.saturating_mul(size_of::<$native>()))?;
            let values = ScalarBuffer::<$native>::from_iter(
                bytes.as_chunks().0.iter().map(|chunk| <$native>::from_le_bytes(*chunk)),
            );
            Arc::new(<$array>::new(values, nulls)) as ArrayRef
        }};
    }
    Ok(match kind {
        ColumnType::Bool => {
            let bitmap = Buffer::from(parts.take(rows.div_ceil(8))?);
            Arc::new(BooleanArray::new(BooleanBuffer::new(bitmap, 0, rows), nulls))
        }
        ColumnType::I16 => primitive!(Int16Array, i16),
        ColumnType::I32 => primitive!(Int32Array, i32),
        ColumnType::I64 => primitive!(Int64Array, i64),
        ColumnType::F32 => primitive!(Float32Array, f32),
        ColumnType::F64 => primitive!(Float64Array, f64),
        ColumnType::Text => {
            let (offsets, data) = take_variable(rows, 1, parts)?;
            let text = StringArray::try_new(offsets, Buffer::from(data), nulls);
            Arc::new(text.map_err(|error| parts.damaged(&error.to_string()))?)
        }
        ColumnType::Bytes => {
            let (offsets, data) = take_variable(rows, 1, parts)?;
            let bytes = BinaryArray::try_new(offsets, Buffer::from(data), nulls);
            Arc::new(bytes.map_err(|error| parts.damaged(&error.to_string()))?)
        }
        ColumnType::F32List => {
            let (offsets, data) = take_variable(rows, 4, parts)?;
            let values: Float32Array =
                data.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect::<Vec<f32>>().into();
            let lists = ListArray::try_new(list_field(), offsets, Arc::new(values), nulls);
            Arc::new(lists.map_err(|error| parts.damaged(&error.to_string()))?)
        }
    })
}

fn take_variable<'a>(rows: usize, width: usize, parts: &mut Parts<'a>) -> Result<(OffsetBuffer<i32>, &'a [u8])> {
    let lengths = parts.take(rows.saturating_mul(4))?;
    let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
    let mut end = 0i32;
    offsets.push(0);
    for chunk in lengths.as_chunks().0 {
        let length = i32::try_from(u32::from_le_bytes(*chunk)).ok();
        let Some(next) = length.and_then(|length| end.checked_add(length)) else {
            return Err(parts.damaged("its values are longer than 2 GiB"));
        };
        end = next;
        offsets.push(end);
    }
    let data = parts.take((end as usize).saturating_mul(width))?;
    Ok((OffsetBuffer::new(offsets.into()), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(kind: ColumnType, nullable: bool, array: ArrayRef) {
        let column = Column { name: "c", kind, nullable, doc: "" };
        let (record, _) = encode(&column, &array).unwrap();
        let back = decode(&column, &record, array.len() as u32, &record.inline).unwrap();
        assert_eq!(&back, &array);
    }

    #[test]
    fn every_type_comes_back_as_it_went_in() {
        round_trip(ColumnType::Bool, true, Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
        round_trip(ColumnType::I16, true, Arc::new(Int16Array::from(vec![Some(-3), None])));
        round_trip(ColumnType::I64, false, Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])));
        round_trip(ColumnType::F32, false, Arc::new(Float32Array::from(vec![f32::INFINITY, -0.0])));
        round_trip(ColumnType::Text, true, Arc::new(StringArray::from(vec![Some("abc"), None, Some("")])));
        round_trip(ColumnType::Bytes, false, Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b""])));
        let mut lists = ListBuilder::new(Float32Builder::new()).with_field(list_field());
        lists.append_value([Some(1.0), Some(2.0)]);
        lists.append_value([]);
        round_trip(ColumnType::F32List, false, Arc::new(lists.finish()));
        let sliced = Int32Array::from(vec![Some(1), None, Some(3), None]).slice(1, 3);
        round_trip(ColumnType::I32, true, Arc::new(sliced));
    }

    #[test]
    fn null_in_a_not_null_column_is_refused() {
        let column = Column { name: "c", kind: ColumnType::I32, nullable: false, doc: "" };
        let array: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(1)]));
        assert!(encode(&column, &array).unwrap_err().to_string().contains("may not be NULL"));
    }

    #[test]
    fn a_flipped_bit_in_a_column_is_found() {
        let column = Column { name: "c", kind: ColumnType::I64, nullable: false, doc: "" };
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let (record, mut stored) = encode(&column, &array).unwrap();
        stored[20] ^= 4;
        assert!(decode(&column, &record, 100, &stored).unwrap_err().to_string().contains("digest"));
    }
}
