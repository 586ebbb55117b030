//! Entry points to the decoders of untrusted bytes, for mutation tests and fuzzing: checksums are recomputed, so that
//! the code after their verification is reached.

use super::codec;
use super::column;
use super::reader::read_column;
use super::records::{CaptureNames, CheckpointRecord, ColumnRecord, ObjectRecord, SegmentRecord};
use super::schema::{Column, ColumnType, SEGMENT_TABLES};
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::*;

/// Kinds of records for [`decode_archive`].
pub const RECORD_KINDS: u8 = 11;

/// Reads an archive as a record of kind 1 to [`RECORD_KINDS`], as it is read from a study.
pub fn decode_archive(kind: u8, archive: &[u8]) -> Result<()> {
    let place = || "an archive".to_owned();
    macro_rules! decode {
        ($($number:literal $record:ty;)+) => {
            match kind {
                $($number => codec::decode::<$record>(&codec::framed::<$record>(archive), &place).map(|_| ()),)+
                _ => Err(Error::user(format!("there is no record of kind {kind}"))),
            }
        };
    }
    decode! {
        1 ClassRecord;
        2 CaptureRecord;
        3 IngestRecord;
        4 SplitRecord;
        5 ModelRecord;
        6 AttackRecord;
        7 JobRecord;
        8 ObjectRecord;
        9 SegmentRecord;
        10 CheckpointRecord;
        11 CaptureNames;
    }
}

/// A stored column without its digest.
#[derive(Debug, Clone)]
pub struct StoredColumn {
    /// Its type.
    pub kind: ColumnType,
    /// Encoding as in [`ColumnRecord`].
    pub encoding: u8,
    /// Rows that its segment claims.
    pub rows: u32,
    /// Length before compression that its record claims.
    pub raw_bytes: u32,
    /// NULLs that its record claims.
    pub null_count: u32,
    /// Its bytes.
    pub stored: Vec<u8>,
}

const fn column_of(kind: ColumnType) -> Column {
    Column { name: "column", kind, nullable: true, doc: "" }
}

/// Encodes an array as the writer does.
pub fn encode_column(kind: ColumnType, array: &arrow::array::ArrayRef) -> Result<StoredColumn> {
    let (record, stored) = column::encode(&column_of(kind), array)?;
    let stored = if record.inline.is_empty() { stored } else { record.inline };
    let ColumnRecord { encoding, raw_bytes, null_count, .. } = record;
    Ok(StoredColumn { kind, encoding, rows: array.len() as u32, raw_bytes, null_count, stored })
}

/// Decodes a column as it is read from a study.
pub fn decode_column(column: &StoredColumn) -> Result<arrow::array::ArrayRef> {
    let record = ColumnRecord {
        encoding: column.encoding,
        stored_bytes: column.stored.len() as u32,
        raw_bytes: column.raw_bytes,
        digest: Digest::of(&column.stored).prefix16(),
        inline: Vec::new(),
        null_count: column.null_count,
        min: None,
        max: None,
    };
    column::decode(&column_of(column.kind), &record, column.rows, &column.stored)
}

/// The value of the table `segments` for an archive, with a valid checksum.
pub fn framed_segment(archive: &[u8]) -> Vec<u8> {
    codec::framed::<SegmentRecord>(archive)
}

/// Reads an archive as the record of a segment and all columns of its table, as they are read from a
/// study. Columns that are not inline take their stored bytes from `bodies`, one after another; every
/// digest is recomputed.
pub fn decode_segment(archive: &[u8], bodies: &[u8]) -> Result<Vec<arrow::array::ArrayRef>> {
    let place = || "an archive".to_owned();
    let segment = codec::decode::<SegmentRecord>(&framed_segment(archive), &place)?;
    let mut segment = column::require_bearable(segment)?;
    let table = SEGMENT_TABLES.iter().find(|table| table.code == segment.table);
    let table = table.ok_or_else(|| Error::user(format!("there is no table of code {}", segment.table)))?;
    let mut rest = bodies;
    let mut stored = Vec::new();
    for record in &mut segment.columns {
        let length = if record.inline.is_empty() { (record.stored_bytes as usize).min(rest.len()) } else { 0 };
        let (body, after) = rest.split_at(length);
        record.digest = Digest::of(if record.inline.is_empty() { body } else { &record.inline }).prefix16();
        stored.push(body);
        rest = after;
    }
    let content = |record: &ColumnRecord| {
        let at = segment.columns.iter().position(|other| std::ptr::eq(other, record));
        Ok(at.and_then(|at| stored.get(at)).map_or_else(Vec::new, |body| body.to_vec()))
    };
    (0..table.columns.len()).map(|index| read_column(table, &segment, index, &content)).collect()
}
