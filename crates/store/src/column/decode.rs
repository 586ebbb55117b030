//! Stored bytes to arrays. A study is untrusted input: every length is checked before it is used.

use super::encode::REPEATED_BYTES_MAX;
use super::{Layout, ROWS_MAX, ZSTD, list_field, planes, width};
use crate::compression;
use crate::records::ColumnRecord;
use crate::schema::{Column, ColumnType};
use arrow::array::*;
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};
use std::sync::Arc;
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};

// Stored numbers are little-endian and become arrays as they are.
const _: () = assert!(cfg!(target_endian = "little"), "a big-endian machine must swap the numbers here");

/// Decodes a column of `rows` rows from its stored bytes.
pub(crate) fn decode(column: &Column, record: &ColumnRecord, rows: u32, stored: &[u8]) -> Result<ArrayRef> {
    let damaged = |what: String| damaged(column, &what);
    let layout = Layout::from_code(record.encoding & !ZSTD)
        .ok_or_else(|| damaged(format!("unknown encoding {}", record.encoding)))?;
    if Digest::of(stored).prefix16() != record.digest {
        return Err(damaged("its digest does not match".to_owned()));
    }
    if rows > ROWS_MAX {
        return Err(damaged(format!("it claims {rows} rows, at most {ROWS_MAX} are possible")));
    }
    let raw = unpack(record, stored).map_err(damaged)?;
    let mut parts = Parts { end: raw.len(), raw, rows: rows as usize, column };
    let nulls = parts.nulls(record.null_count)?;
    match column.kind {
        ColumnType::Bool => parts.flags(layout, nulls),
        ColumnType::I16 => Ok(Arc::new(Int16Array::try_new(parts.numbers(layout)?, nulls).map_err(external)?)),
        ColumnType::I32 => Ok(Arc::new(Int32Array::try_new(parts.numbers(layout)?, nulls).map_err(external)?)),
        ColumnType::I64 => Ok(Arc::new(Int64Array::try_new(parts.numbers(layout)?, nulls).map_err(external)?)),
        ColumnType::F32 => Ok(Arc::new(Float32Array::try_new(parts.numbers(layout)?, nulls).map_err(external)?)),
        ColumnType::F64 => Ok(Arc::new(Float64Array::try_new(parts.numbers(layout)?, nulls).map_err(external)?)),
        ColumnType::Text => {
            let (offsets, bytes) = parts.variable(layout)?;
            Ok(Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(external)?))
        }
        ColumnType::Bytes => {
            let (offsets, bytes) = parts.variable(layout)?;
            Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(external)?))
        }
        ColumnType::F32List | ColumnType::F64List => parts.lists(layout, nulls),
    }
}

fn damaged(column: &Column, what: &str) -> Error {
    Error::damaged(format!("column `{}` is damaged: {what}", column.name))
}

fn external(error: arrow::error::ArrowError) -> Error {
    Error::damaged(format!("a column is damaged: {error}"))
}

/// The raw bytes, aligned for the column's number type.
fn unpack(record: &ColumnRecord, stored: &[u8]) -> std::result::Result<Buffer, String> {
    let raw_bytes = record.raw_bytes as usize;
    if record.encoding & ZSTD == 0 {
        return match stored.len() == raw_bytes {
            true => Ok(Buffer::from_slice_ref(stored)),
            false => Err(format!("it has {} bytes, its record says {raw_bytes}", stored.len())),
        };
    }
    let mut raw = MutableBuffer::from_len_zeroed(compression::check(stored, u64::from(record.raw_bytes))?);
    compression::unpack_into(stored, raw.as_slice_mut())?;
    Ok(raw.into())
}

/// A column's raw bytes, parsed from the end.
struct Parts<'a> {
    raw: Buffer,
    /// Bytes before this offset are not parsed yet.
    end: usize,
    rows: usize,
    column: &'a Column,
}

impl Parts<'_> {
    fn damaged(&self, what: &str) -> Error {
        damaged(self.column, what)
    }

    /// The last `length` bytes of the rest.
    fn take(&mut self, length: usize) -> Result<Buffer> {
        let start = self.end.checked_sub(length);
        let start = start.ok_or_else(|| self.damaged(&format!("{} bytes left, {length} expected", self.end)))?;
        self.end = start;
        Ok(self.raw.slice_with_length(start, length))
    }

    fn take_u32(&mut self) -> Result<usize> {
        let bytes = self.take(4)?;
        Ok(bytes.as_slice().try_into().map_or(0, u32::from_le_bytes) as usize)
    }

    /// The rest.
    fn rest(&self) -> Buffer {
        self.raw.slice_with_length(0, self.end)
    }

    /// The rest, which must be `length` bytes.
    fn exactly(&self, length: usize) -> Result<Buffer> {
        match self.end == length {
            true => Ok(self.rest()),
            false => Err(self.damaged(&format!("{} bytes of values, {length} expected", self.end))),
        }
    }

    fn nulls(&mut self, null_count: u32) -> Result<Option<NullBuffer>> {
        if null_count == 0 {
            return Ok(None);
        }
        let bitmap = self.take(self.rows.div_ceil(8))?;
        let nulls = NullBuffer::new(BooleanBuffer::new(bitmap, 0, self.rows));
        match nulls.null_count() == null_count as usize && self.column.nullable {
            true => Ok(Some(nulls)),
            false => Err(self.damaged(&format!("{} NULLs, its record says {null_count}", nulls.null_count()))),
        }
    }

    fn flags(&self, layout: Layout, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let bits = match layout {
            Layout::Plain => BooleanBuffer::new(self.exactly(self.rows.div_ceil(8))?, 0, self.rows),
            Layout::Constant => match *self.exactly(1)? {
                [0] => BooleanBuffer::new_unset(self.rows),
                _ => BooleanBuffer::new_set(self.rows),
            },
            other => return Err(self.damaged(&format!("flags as {other:?}"))),
        };
        Ok(Arc::new(BooleanArray::new(bits, nulls)))
    }

    /// The numbers of a column.
    fn numbers<T: ArrowNativeType>(&self, layout: Layout) -> Result<ScalarBuffer<T>> {
        let buffer = if layout == Layout::Constant {
            let one = self.exactly(size_of::<T>())?;
            let mut all = MutableBuffer::with_capacity(self.rows * size_of::<T>());
            all.repeat_slice_n_times::<u8>(&one, self.rows);
            all.into()
        } else {
            self.exactly(self.rows.saturating_mul(size_of::<T>()))?;
            self.joined(layout, self.rest())?
        };
        Ok(ScalarBuffer::new(buffer, 0, self.rows))
    }

    /// Numbers from their byte planes.
    fn joined(&self, layout: Layout, values: Buffer) -> Result<Buffer> {
        let width = width(self.column.kind).unwrap_or(1);
        let delta = match layout {
            Layout::Plain => return Ok(values),
            Layout::Planes => false,
            Layout::DeltaPlanes => true,
            other => return Err(self.damaged(&format!("numbers as {other:?}"))),
        };
        let mut out = MutableBuffer::from_len_zeroed(values.len());
        planes::join(&values, width, out.as_slice_mut());
        if delta {
            planes::from_deltas(out.as_slice_mut(), width);
        }
        Ok(out.into())
    }

    /// Offsets and bytes of text and bytes.
    fn variable(&mut self, layout: Layout) -> Result<(OffsetBuffer<i32>, Buffer)> {
        match layout {
            Layout::Plain => {
                let offsets = self.offsets()?;
                let length = offsets.last().copied().unwrap_or(0) as usize;
                Ok((offsets, self.exactly(length)?))
            }
            Layout::Constant => {
                let value = self.rest();
                self.check_repeated(value.len())?;
                let mut bytes = MutableBuffer::with_capacity(value.len() * self.rows);
                bytes.repeat_slice_n_times::<u8>(&value, self.rows);
                Ok((OffsetBuffer::from_repeated_length(value.len(), self.rows), bytes.into()))
            }
            Layout::Dictionary => self.dictionary(),
            other => Err(self.damaged(&format!("values of different lengths as {other:?}"))),
        }
    }

    fn check_repeated(&self, length: usize) -> Result<()> {
        match length <= REPEATED_BYTES_MAX {
            true => Ok(()),
            false => Err(self.damaged(&format!("a repeated value of {length} bytes"))),
        }
    }

    /// Offsets from lengths.
    fn offsets(&mut self) -> Result<OffsetBuffer<i32>> {
        let too_long = || damaged(self.column, "its values are longer than 2 GiB");
        if self.take(1)?.as_slice() == [1] {
            let length = self.take_u32()?;
            let total = length.checked_mul(self.rows).and_then(|total| i32::try_from(total).ok());
            return match total {
                Some(_) => Ok(OffsetBuffer::from_repeated_length(length, self.rows)),
                None => Err(damaged(self.column, "its values are longer than 2 GiB")),
            };
        }
        let lengths = self.take(self.rows.saturating_mul(4))?;
        let mut offsets: Vec<i32> = Vec::with_capacity(self.rows + 1);
        let mut end = 0u32;
        offsets.push(0);
        for chunk in lengths.as_chunks().0 {
            // Saturates at u32::MAX, which is above i32::MAX and is rejected below.
            end = end.saturating_add(u32::from_le_bytes(*chunk));
            offsets.push(end as i32);
        }
        if i32::try_from(end).is_err() {
            return Err(too_long());
        }
        Ok(OffsetBuffer::new(offsets.into()))
    }

    fn dictionary(&mut self) -> Result<(OffsetBuffer<i32>, Buffer)> {
        let distinct = self.take_u32()?;
        let code_bytes = if distinct <= 256 { 1 } else { 2 };
        let codes = self.take(self.rows.saturating_mul(code_bytes))?;
        let lengths = self.take(distinct.saturating_mul(4))?;
        let bytes = self.rest();
        let mut values: Vec<&[u8]> = Vec::with_capacity(lengths.len() / 4);
        let mut rest = bytes.as_slice();
        for length in lengths.as_chunks().0 {
            let length = u32::from_le_bytes(*length) as usize;
            self.check_repeated(length)?;
            let Some((value, after)) = rest.split_at_checked(length) else {
                return Err(self.damaged("a dictionary shorter than its values"));
            };
            values.push(value);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(self.damaged("a dictionary longer than its values"));
        }
        let code = |row: usize| match code_bytes {
            1 => codes.get(row).map_or(usize::MAX, |code| usize::from(*code)),
            _ => codes
                .get(row * 2..row * 2 + 2)
                .map_or(usize::MAX, |code| usize::from(u16::from_le_bytes([code[0], code[1]]))),
        };
        let mut offsets: Vec<i32> = Vec::with_capacity(self.rows + 1);
        let mut unfolded = Vec::new();
        offsets.push(0);
        for row in 0..self.rows {
            let value = values.get(code(row)).ok_or_else(|| self.damaged("a code beyond its dictionary"))?;
            unfolded.extend_from_slice(value);
            // At most ROWS_MAX times REPEATED_BYTES_MAX: far below 2 GiB.
            offsets.push(unfolded.len() as i32);
        }
        Ok((OffsetBuffer::new(offsets.into()), Buffer::from_vec(unfolded)))
    }

    fn lists(&mut self, layout: Layout, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let offsets = self.offsets()?;
        let items = offsets.last().copied().unwrap_or(0) as usize;
        let values = self.exactly(items.saturating_mul(width(self.column.kind).unwrap_or(1)))?;
        if layout == Layout::DeltaPlanes {
            return Err(self.damaged("list items as differences"));
        }
        let values = self.joined(layout, values)?;
        let (kind, values): (_, ArrayRef) = if self.column.kind == ColumnType::F64List {
            (DataType::Float64, Arc::new(Float64Array::new(ScalarBuffer::new(values, 0, items), None)))
        } else {
            (DataType::Float32, Arc::new(Float32Array::new(ScalarBuffer::new(values, 0, items), None)))
        };
        let lists = ListArray::try_new(list_field(kind), offsets, values, nulls);
        Ok(Arc::new(lists.map_err(external)?))
    }
}
