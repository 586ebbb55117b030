//! Arrays to stored bytes: every layout that fits is tried, the smallest wins.

use super::bounds::bounds;
use super::{Layout, ZSTD, data_type, planes, width};
use crate::compression::pack;
use crate::records::ColumnRecord;
use crate::schema::{Column, ColumnType};
use arrow::array::*;
use arrow::buffer::NullBuffer;
use std::collections::HashMap;
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};

/// Columns of at most this many stored bytes are inlined in their record: a heap entry would cost as much.
const INLINE_BYTES_MAX: usize = 64;
/// Longer values are not stored in dictionaries or constants, so that few stored bytes never expand to more than this
/// per row.
pub(super) const REPEATED_BYTES_MAX: usize = 64;
/// Distinct values of a dictionary.
const DICTIONARY_VALUES_MAX: usize = 1 << 16;
/// A dictionary is tried if each value occurs at least this often on average.
const DICTIONARY_REPEATS_MIN: usize = 2;

/// Encodes one column; returns its record and the bytes for the heap (none if they are inlined in the record).
pub(crate) fn encode(column: &Column, array: &ArrayRef) -> Result<(ColumnRecord, Vec<u8>)> {
    let wrong = |what: String| Error::internal(format!("column `{}`: {what}", column.name));
    if array.data_type() != &data_type(column.kind) {
        return Err(wrong(format!("expected {}, found {}", data_type(column.kind), array.data_type())));
    }
    if array.null_count() > 0 && !column.nullable {
        return Err(wrong("found NULL in a column that may not be NULL".to_owned()));
    }
    let parts = Parts::of(column.kind, array)?;
    let mut best: Option<Stored> = None;
    for layout in parts.layouts(column.kind) {
        let Some(raw) = parts.raw(layout, column.kind) else { continue };
        let stored = Stored::new(layout, raw).map_err(|error| wrong(error.to_string()))?;
        if best.as_ref().is_none_or(|best| stored.bytes.len() < best.bytes.len()) {
            best = Some(stored);
        }
    }
    let Stored { encoding, raw_bytes, bytes } = best.ok_or_else(|| wrong("no layout fits".to_owned()))?;
    let fits = |length: usize| {
        u32::try_from(length).map_err(|_| wrong(format!("its {length} bytes in one segment are more than 4 GiB")))
    };
    let (min, max) = bounds(column.kind, array);
    let mut record = ColumnRecord {
        encoding,
        stored_bytes: fits(bytes.len())?,
        raw_bytes: fits(raw_bytes)?,
        digest: Digest::of(&bytes).prefix16(),
        inline: Vec::new(),
        null_count: fits(array.null_count())?,
        min,
        max,
    };
    if bytes.len() > INLINE_BYTES_MAX {
        return Ok((record, bytes));
    }
    record.inline = bytes;
    Ok((record, Vec::new()))
}

/// Raw bytes after zstd, or as they are where it gains little.
struct Stored {
    encoding: u8,
    raw_bytes: usize,
    bytes: Vec<u8>,
}

impl Stored {
    fn new(layout: Layout, raw: Vec<u8>) -> Result<Self> {
        let raw_bytes = raw.len();
        Ok(match pack(&raw)? {
            Some(packed) => Self { encoding: layout.code() | ZSTD, raw_bytes, bytes: packed },
            None => Self { encoding: layout.code(), raw_bytes, bytes: raw },
        })
    }
}

/// A column split into its parts: NULL is stored as 0 or empty.
struct Parts {
    rows: usize,
    nulls: Option<NullBuffer>,
    /// Numbers, a bitmap, or the bytes of all values or items.
    values: Vec<u8>,
    /// Of text, bytes and lists: bytes or items of each row.
    lengths: Option<Vec<u32>>,
}

impl Parts {
    fn of(kind: ColumnType, array: &ArrayRef) -> Result<Self> {
        macro_rules! numbers {
            ($array:ty) => {{
                let array = cast::<$array>(array)?;
                let number = |row: usize| if array.is_null(row) { Default::default() } else { array.value(row) };
                ((0..array.len()).flat_map(|row| number(row).to_le_bytes()).collect(), None)
            }};
        }
        macro_rules! lists {
            ($array:ty) => {{
                let lists = cast::<ListArray>(array)?;
                let (mut values, mut lengths) = (Vec::new(), Vec::new());
                for row in 0..lists.len() {
                    let list = if lists.is_null(row) { None } else { Some(lists.value(row)) };
                    lengths.push(list.as_ref().map_or(0, |list| list.len() as u32));
                    for value in list.iter().map(cast::<$array>) {
                        values.extend(value?.values().iter().flat_map(|value| value.to_le_bytes()));
                    }
                }
                (values, Some(lengths))
            }};
        }
        let (values, lengths) = match kind {
            ColumnType::Bool => {
                let array = cast::<BooleanArray>(array)?;
                let bits: BooleanBufferBuilder =
                    array.iter().fold(BooleanBufferBuilder::new(array.len()), |mut bits, bit| {
                        bits.append(bit.unwrap_or(false));
                        bits
                    });
                (bits.as_slice().to_vec(), None)
            }
            ColumnType::I16 => numbers!(Int16Array),
            ColumnType::I32 => numbers!(Int32Array),
            ColumnType::I64 => numbers!(Int64Array),
            ColumnType::F32 => numbers!(Float32Array),
            ColumnType::F64 => numbers!(Float64Array),
            ColumnType::Text => variable(cast::<StringArray>(array)?.iter().map(|text| text.unwrap_or("").as_bytes())),
            ColumnType::Bytes => variable(cast::<BinaryArray>(array)?.iter().map(|bytes| bytes.unwrap_or(b""))),
            ColumnType::F32List => lists!(Float32Array),
            ColumnType::F64List => lists!(Float64Array),
        };
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        Ok(Self { rows: array.len(), nulls, values, lengths })
    }

    /// Layouts worth trying.
    fn layouts(&self, kind: ColumnType) -> Vec<Layout> {
        if self.is_constant(kind) {
            return vec![Layout::Constant];
        }
        match kind {
            ColumnType::Bool => vec![Layout::Plain],
            ColumnType::I16 | ColumnType::I32 | ColumnType::I64 => {
                vec![Layout::Plain, Layout::Planes, Layout::DeltaPlanes]
            }
            ColumnType::F32 | ColumnType::F64 | ColumnType::F32List | ColumnType::F64List => {
                vec![Layout::Plain, Layout::Planes]
            }
            ColumnType::Text | ColumnType::Bytes => vec![Layout::Plain, Layout::Dictionary],
        }
    }

    fn is_constant(&self, kind: ColumnType) -> bool {
        let mixed = self.nulls.as_ref().is_some_and(|nulls| nulls.null_count() < self.rows);
        if mixed || self.rows == 0 {
            return false;
        }
        match (kind, width(kind)) {
            (ColumnType::F32List | ColumnType::F64List, _) => false,
            (ColumnType::Bool, _) => {
                let ones: u32 = self.values.iter().map(|byte| byte.count_ones()).sum();
                ones == 0 || ones as usize == self.rows
            }
            (_, Some(width)) => {
                let first = self.values.get(..width).unwrap_or_default();
                self.values.chunks(width).all(|value| value == first)
            }
            (_, None) => {
                let first = self.slices().next().unwrap_or_default();
                first.len() <= REPEATED_BYTES_MAX && self.slices().all(|value| value == first)
            }
        }
    }

    /// The values of text and bytes.
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.values.as_slice();
        self.lengths.iter().flatten().map(move |length| {
            let (value, after) = rest.split_at(*length as usize);
            rest = after;
            value
        })
    }

    /// The raw bytes in a layout; `None` where it does not fit.
    fn raw(&self, layout: Layout, kind: ColumnType) -> Option<Vec<u8>> {
        let planes = |values: &[u8]| width(kind).map(|width| planes::split(values, width));
        let mut raw = match layout {
            Layout::Plain => self.values.clone(),
            Layout::Planes => planes(&self.values)?,
            Layout::DeltaPlanes => planes(&planes::to_deltas(&self.values, width(kind)?))?,
            Layout::Constant => self.first(kind)?,
            Layout::Dictionary => self.dictionary()?,
        };
        if let Some(lengths) = self.lengths.as_ref().filter(|_| matches!(layout, Layout::Plain | Layout::Planes)) {
            append_lengths(lengths, &mut raw);
        }
        if let Some(nulls) = &self.nulls {
            raw.extend_from_slice(nulls.inner().sliced().as_slice());
        }
        Some(raw)
    }

    fn first(&self, kind: ColumnType) -> Option<Vec<u8>> {
        match (kind, width(kind)) {
            (ColumnType::Bool, _) => Some(vec![u8::from(self.values.first()? & 1 == 1)]),
            (_, Some(width)) => self.values.get(..width).map(<[u8]>::to_vec),
            (_, None) => self.slices().next().map(<[u8]>::to_vec),
        }
    }

    fn dictionary(&self) -> Option<Vec<u8>> {
        let mut codes: Vec<u16> = Vec::with_capacity(self.rows);
        let mut known: HashMap<&[u8], u16> = HashMap::new();
        let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
        let distinct_max = DICTIONARY_VALUES_MAX.min(self.rows / DICTIONARY_REPEATS_MIN);
        for value in self.slices() {
            if let Some(code) = known.get(value) {
                codes.push(*code);
                continue;
            }
            if known.len() == distinct_max || value.len() > REPEATED_BYTES_MAX {
                return None;
            }
            let code = known.len() as u16;
            known.insert(value, code);
            codes.push(code);
            bytes.extend_from_slice(value);
            lengths.push(value.len() as u32);
        }
        let mut raw = bytes;
        raw.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
        match known.len() {
            0..=256 => raw.extend(codes.iter().map(|code| *code as u8)),
            _ => raw.extend(codes.iter().flat_map(|code| code.to_le_bytes())),
        }
        raw.extend_from_slice(&(known.len() as u32).to_le_bytes());
        Some(raw)
    }
}

fn cast<T: 'static>(array: &ArrayRef) -> Result<&T> {
    array.as_any().downcast_ref::<T>().ok_or_else(|| Error::internal("a column changed its type"))
}

fn variable<'a>(values: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Vec<u32>>) {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
    for value in values {
        bytes.extend_from_slice(value);
        lengths.push(value.len() as u32);
    }
    (bytes, Some(lengths))
}

fn append_lengths(lengths: &[u32], raw: &mut Vec<u8>) {
    match lengths {
        [first, rest @ ..] if rest.iter().all(|length| length == first) => {
            raw.extend_from_slice(&first.to_le_bytes());
            raw.push(1);
        }
        _ => {
            raw.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
            raw.push(0);
        }
    }
}
