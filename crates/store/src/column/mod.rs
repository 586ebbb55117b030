//! Serialisation of one column of a segment.
//!
//! The raw bytes of a column, its values in one of several layouts, then what they need:
//!
//! ```text
//! values     see below
//! lengths    of text, bytes and lists: a u32 a row, or one for all rows; then 1 byte: 1 or 0
//! validity   ceil(rows / 8) bytes, least significant bit first; only where some values are NULL
//! ```
//!
//! | layout | values | used for |
//! | --- | --- | --- |
//! | plain | little-endian numbers, a bitmap, or the bytes of text, bytes and list items | all |
//! | planes | all lowest bytes, then all second bytes, ... | numbers and list items |
//! | delta planes | differences to the value before, zigzag, as planes | integers |
//! | constant | one value for all rows | all but lists |
//! | dictionary | the distinct values with their u32 lengths and number, then a code of 1 or 2 bytes a row | text, bytes |
//!
//! The writer takes the layout that is smallest after zstd, and leaves zstd out where it gains little.
//! NULL is 0 or empty in the values, so that equal columns have equal bytes. Arrow's IPC framing is left
//! out on purpose: its schema and batch headers cost several hundred bytes a column, more than most
//! columns of a small study. Everything read is checked before an array is built from it, and a claimed size
//! controls an allocation only if the stored bytes can expand to it.

mod bounds;
mod decode;
mod encode;
mod planes;

use super::records::SegmentRecord;
use super::schema::{ColumnType, SegmentTable};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;
use syntrace_base::error::{Error, Result};

pub(super) use decode::decode;
pub(super) use encode::encode;

/// Rows of a segment at most: what a query decodes at once.
pub(super) const ROWS_MAX: u32 = 1 << 20;

/// Rejects a segment whose record claims more rows than a segment can have: even its missing columns, which are NULL
/// throughout, would be allocated at the claimed length.
pub(super) fn require_bearable(segment: SegmentRecord) -> Result<SegmentRecord> {
    if segment.rows > ROWS_MAX {
        let claim = format!("a segment claims {} rows, at most {ROWS_MAX} are possible", segment.rows);
        return Err(Error::damaged(claim));
    }
    Ok(segment)
}

/// Bit of the encoding: the stored bytes are zstd-compressed.
const ZSTD: u8 = 0x80;

/// How the values lie in the raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Plain,
    Planes,
    DeltaPlanes,
    Constant,
    Dictionary,
}

impl Layout {
    const ALL: [Self; 5] = [Self::Plain, Self::Planes, Self::DeltaPlanes, Self::Constant, Self::Dictionary];

    fn code(self) -> u8 {
        match self {
            Self::Plain => 1,
            Self::Planes => 2,
            Self::DeltaPlanes => 3,
            Self::Constant => 4,
            Self::Dictionary => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.code() == code)
    }
}

/// Bytes of a number, or of an item of a list.
fn width(kind: ColumnType) -> Option<usize> {
    match kind {
        ColumnType::I16 => Some(2),
        ColumnType::I32 | ColumnType::F32 | ColumnType::F32List => Some(4),
        ColumnType::I64 | ColumnType::F64 | ColumnType::F64List => Some(8),
        ColumnType::Bool | ColumnType::Text | ColumnType::Bytes => None,
    }
}

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
        ColumnType::F32List => DataType::List(list_field(DataType::Float32)),
        ColumnType::F64List => DataType::List(list_field(DataType::Float64)),
    }
}

/// Arrow schema of a columnar table, as declared.
pub fn arrow_schema(table: &SegmentTable) -> SchemaRef {
    let fields = table.columns.iter().map(|column| Field::new(column.name, data_type(column.kind), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn list_field(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", item, false))
}

#[cfg(test)]
mod tests {
    use super::super::schema::Column;
    use super::*;
    use arrow::array::*;

    fn column(kind: ColumnType) -> Column {
        Column { name: "c", kind, nullable: true, doc: "" }
    }

    /// Encodes and decodes; gives the layout that was chosen.
    fn round_trip(kind: ColumnType, array: ArrayRef) -> Layout {
        let (record, stored) = encode(&column(kind), &array).unwrap();
        let stored = if record.inline.is_empty() { stored } else { record.inline.clone() };
        let back = decode(&column(kind), &record, array.len() as u32, &stored).unwrap();
        assert_eq!(&back, &array);
        Layout::from_code(record.encoding & !ZSTD).unwrap()
    }

    fn lists(rows: usize) -> ArrayRef {
        let mut lists = ListBuilder::new(Float32Builder::new()).with_field(list_field(DataType::Float32));
        for row in 0..rows {
            lists.append_value((0..row % 3).map(|item| Some((row * 7 + item) as f32 / 3.0)));
        }
        Arc::new(lists.finish())
    }

    #[test]
    fn every_type_comes_back_as_it_went_in() {
        round_trip(ColumnType::Bool, Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
        round_trip(ColumnType::I16, Arc::new(Int16Array::from(vec![Some(-3), None])));
        round_trip(ColumnType::I64, Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])));
        round_trip(ColumnType::F32, Arc::new(Float32Array::from(vec![f32::INFINITY, -0.0])));
        round_trip(ColumnType::Text, Arc::new(StringArray::from(vec![Some("abc"), None, Some("")])));
        round_trip(ColumnType::Bytes, Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b""])));
        round_trip(ColumnType::F32List, lists(100));
        let mut doubles = ListBuilder::new(Float64Builder::new()).with_field(list_field(DataType::Float64));
        doubles.append_value([Some(f64::MAX), Some(1.0 + f64::EPSILON)]);
        doubles.append_null();
        round_trip(ColumnType::F64List, Arc::new(doubles.finish()));
        round_trip(ColumnType::I32, Arc::new(Int32Array::from(vec![Some(1), None, Some(3), None]).slice(1, 3)));
        round_trip(ColumnType::F32List, lists(100).slice(40, 20));
        round_trip(ColumnType::Text, Arc::new(StringArray::from(vec!["skip", "a", "b"]).slice(1, 2)));
        for kind in [
            ColumnType::Bool,
            ColumnType::I16,
            ColumnType::F64,
            ColumnType::Text,
            ColumnType::Bytes,
            ColumnType::F32List,
            ColumnType::F64List,
        ] {
            round_trip(kind, new_empty_array(&data_type(kind)));
            round_trip(kind, new_null_array(&data_type(kind), 10));
        }
    }

    #[test]
    fn each_layout_is_chosen_for_what_it_is_for() {
        let ids = Int64Array::from_iter_values((0..5000).map(|row| 1_700_000_000_000_000 + row * 1000));
        assert_eq!(round_trip(ColumnType::I64, Arc::new(ids)), Layout::DeltaPlanes);
        let mut rng = syntrace_base::base::Seed::root(1).rng();
        let mut noise = || rand::Rng::next_u32(&mut rng) >> 8;
        let scores = Float32Array::from_iter_values((0..5000).map(|_| noise() as f32 / 16_777_216.0));
        assert_eq!(round_trip(ColumnType::F32, Arc::new(scores)), Layout::Planes);
        assert_eq!(round_trip(ColumnType::I32, Arc::new(Int32Array::from(vec![7; 5000]))), Layout::Constant);
        assert_eq!(round_trip(ColumnType::Bool, Arc::new(BooleanArray::from(vec![true; 77]))), Layout::Constant);
        assert_eq!(round_trip(ColumnType::Text, Arc::new(StringArray::from(vec!["logits"; 500]))), Layout::Constant);
        let names: Vec<String> = (0..5000).map(|_| format!("field-{}", noise() % 400)).collect();
        assert_eq!(round_trip(ColumnType::Text, Arc::new(StringArray::from(names))), Layout::Dictionary);
    }

    #[test]
    fn claims_beyond_what_is_stored_are_refused() {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values((0..10_000).map(|row| row * row)));
        let (record, stored) = encode(&column(ColumnType::I64), &array).unwrap();
        let refused = |rows, change: &dyn Fn(&mut super::super::records::ColumnRecord)| {
            let mut record = record.clone();
            change(&mut record);
            decode(&column(ColumnType::I64), &record, rows, &stored).unwrap_err().to_string()
        };
        assert!(refused(10_000, &|record| record.raw_bytes = 2_000_000_000).contains("it claims 2000000000 bytes"));
        assert!(refused(u32::MAX, &|_| {}).contains("rows"));
        assert!(refused(9_999, &|_| {}).contains("79992 expected"));
        assert!(refused(10_000, &|record| record.null_count = 3).contains("its record says 3"));
        assert!(refused(10_000, &|record| record.encoding = 0x7f).contains("encoding 127"));
        assert!(refused(10_000, &|record| record.encoding = ZSTD | 5).contains("as Dictionary"));
    }

    #[test]
    fn null_in_a_not_null_column_is_refused() {
        let column = Column { nullable: false, ..column(ColumnType::I32) };
        let array: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(1)]));
        assert!(encode(&column, &array).unwrap_err().to_string().contains("may not be NULL"));
    }

    #[test]
    fn a_flipped_bit_in_a_column_is_found() {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100).map(|row| row * row * 1_000_003)));
        let (record, mut stored) = encode(&column(ColumnType::I64), &array).unwrap();
        stored[20] ^= 4;
        let error = decode(&column(ColumnType::I64), &record, 100, &stored).unwrap_err();
        assert!(error.to_string().contains("digest"), "{error}");
    }
}
