//! Attributes in a Parquet file, by column names:
//!
//! * `trace` (text: id or capture), or `trace_id` (integer), or `capture` with `first_packet`;
//! * `member` (boolean or 0/1), `loss`, `kind` (text): optional;
//! * `values` (or `vector`): a list of numbers a row; or, instead, one number column a value, named by its number (`0`,
//!   `1`, ... or `value_0`, ...); or the columns that the caller names.
//!
//! If there are numbered columns, a number column with any other name is rejected: a column that is no attribute (a row
//! number, an epoch) could reveal membership by itself. Other columns are ignored, and so is the index of pandas.

mod column_selection;
mod headers;

use super::attributes::{
    AttributeFile, FileAttribute, Numbers, ROWS_MAX, TraceName, VALUES_MAX, require_finite, too_precise, whole,
};
use super::csv::flag;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchReader};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt64Type};
use column_selection::Chosen;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, FooterTail, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;
use std::io::Read;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};

/// Bytes that all columns claim to be before compression.
const RAW_BYTES_MAX: i64 = 8 << 30;
/// Bytes of a footer; of 10,000 columns in 20 row groups it has some 25 MB.
const FOOTER_BYTES_MAX: usize = 64 << 20;
/// Bytes of a name or a kind, since a dictionary may give the same long text to each of many rows. A file's name
/// has at most 255, a packet after it 21.
const TEXT_BYTES_MAX: usize = 300;
const BATCH_ROWS: usize = 1024;

/// Rows of a Parquet file, whose attribute is in these columns; in those that the contract names where none are given.
///
/// # Errors
/// `user` for a file that is damaged, claims more than the limits, lacks values, or holds NULL or numbers
/// that are not finite where a number is needed.
pub fn read_parquet<R: ChunkReader + 'static>(file: R, columns: &[String]) -> Result<AttributeFile> {
    // A damaged file must not end the program, whatever the decoder thinks of it.
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(file, columns)));
    read.unwrap_or_else(|_| Err(damaged("its content contradicts itself")))
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::user(format!("expected a Parquet file: {what}")).hint("write the file again")
}

fn read<R: ChunkReader + 'static>(file: R, columns: &[String]) -> Result<AttributeFile> {
    let metadata = footer(&file)?;
    check_claims(&metadata, file.len())?;
    check_pages(&file, &metadata)?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(damaged)?;
    let chosen = Chosen::new(&reader.schema(), columns)?;
    let (mut rows, mut values) = (Vec::new(), 0u64);
    for batch in reader {
        let batch = batch.map_err(damaged)?;
        let before = rows.len();
        batch_rows(&batch, &chosen, &mut rows)?;
        values += rows.iter().skip(before).map(|row: &FileAttribute| row.values.len() as u64).sum::<u64>();
        if values > VALUES_MAX {
            return Err(Error::user(format!("expected at most {VALUES_MAX} values, found more"))
                .hint("import a summary (mean logits, log-probabilities a position), or fewer traces"));
        }
    }
    if rows.is_empty() {
        return Err(Error::user("expected at least one row, found none"));
    }
    Ok(AttributeFile { rows, taken: chosen.taken, left_out: chosen.left_out })
}

/// Bytes at the end of a file: the length of its footer, and what it is.
const TAIL_BYTES: usize = 8;

/// The footer, decoded after it has been found whole.
fn footer<R: ChunkReader>(file: &R) -> Result<ArrowReaderMetadata> {
    let end = file.len().checked_sub(TAIL_BYTES as u64).ok_or_else(|| damaged("it is shorter than a footer"))?;
    let tail: [u8; TAIL_BYTES] = file
        .get_bytes(end, TAIL_BYTES)
        .map_err(damaged)?
        .as_ref()
        .try_into()
        .map_err(|_| damaged("it became shorter while it was read"))?;
    let length = FooterTail::try_new(&tail).map_err(damaged)?.metadata_length();
    if length > FOOTER_BYTES_MAX || length as u64 > end {
        return Err(damaged(format!(
            "expected a footer of at most {} bytes, found one that claims {length}",
            end.min(FOOTER_BYTES_MAX as u64)
        )));
    }
    let bytes = file.get_bytes(end - length as u64, length).map_err(damaged)?;
    headers::check_footer(&bytes)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&bytes).map_err(damaged)?;
    // The embedded Arrow schema is not needed, and skipping it leaves less untrusted input.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(damaged)
}

/// Refuses by the footer, before a page is read.
fn check_claims(metadata: &ArrowReaderMetadata, file_bytes: u64) -> Result<()> {
    let (mut rows, mut bytes, mut stored) = (0i64, 0i64, 0i64);
    for group in metadata.metadata().row_groups() {
        let columns = group.columns().iter().flat_map(|column| [column.uncompressed_size(), column.compressed_size()]);
        let claims = columns.chain([group.num_rows(), group.total_byte_size()]);
        if claims.into_iter().any(|claim| claim < 0) {
            return Err(damaged("its footer claims a negative size"));
        }
        rows = rows.saturating_add(group.num_rows());
        bytes = group.columns().iter().fold(bytes, |sum, column| sum.saturating_add(column.uncompressed_size()));
        stored = group.columns().iter().fold(stored, |sum, column| sum.saturating_add(column.compressed_size()));
    }
    if stored.unsigned_abs() > file_bytes {
        return Err(damaged(format!("its columns claim {stored} of its {file_bytes} bytes")));
    }
    if rows > ROWS_MAX as i64 || bytes > RAW_BYTES_MAX {
        return Err(Error::user(format!(
            "expected at most {ROWS_MAX} rows and {RAW_BYTES_MAX} bytes, found a file that claims {rows} rows and {bytes} bytes"
        ))
        .hint("import a summary (mean logits, log-probabilities a position), or fewer traces"));
    }
    Ok(())
}

/// Refuses pages that claim more values than they hold or than the footer says, or more bytes than there are:
/// the decoder allocates what a page claims before it looks at its bytes.
fn check_pages<R: ChunkReader>(file: &R, metadata: &ArrowReaderMetadata) -> Result<()> {
    let mut raw = 0;
    for column in metadata.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        check_column(file, column, &mut raw)?;
    }
    Ok(())
}

/// Adds to `raw` what the pages of a column claim to be before compression.
fn check_column<R: ChunkReader>(file: &R, column: &ColumnChunkMetaData, raw: &mut u64) -> Result<()> {
    let (start, length) = column.byte_range();
    let end = start.checked_add(length).filter(|end| *end <= file.len());
    let end = end.ok_or_else(|| damaged("a column ends after the file"))?;
    let codec = column.compression();
    let (mut at, mut values) = (start, 0u64);
    while at < end {
        let page = headers::page(file.get_read(at).map_err(damaged)?.take(end - at))?;
        let body = at + page.header;
        at = body + page.stored;
        if at > end {
            return Err(damaged(format!("a page of {} bytes ends after its column", page.stored)));
        }
        *raw = raw.saturating_add(page.raw);
        if *raw > RAW_BYTES_MAX.unsigned_abs() {
            return Err(damaged(format!("its pages claim more than {RAW_BYTES_MAX} bytes before compression")));
        }
        if page.kind == headers::DICTIONARY {
            // Not one value of a dictionary takes less than a byte.
            let bytes = if codec == Compression::UNCOMPRESSED { page.stored } else { page.raw };
            if page.values > bytes {
                return Err(damaged(format!("a dictionary of {bytes} bytes claims {} values", page.values)));
            }
        } else {
            values = values.saturating_add(page.values);
        }
        if matches!(codec, Compression::GZIP(_) | Compression::BROTLI(_) | Compression::LZ4) {
            let stored = usize::try_from(page.stored).map_err(damaged)?;
            let stored = file.get_bytes(body, stored).map_err(damaged)?;
            let packed = usize::try_from(page.levels).ok().and_then(|levels| stored.get(levels..)).unwrap_or_default();
            if unfolds_beyond(codec, packed, page.raw.saturating_sub(page.levels)) {
                return Err(damaged(format!("a page decompresses to more than the {} bytes that it claims", page.raw)));
            }
        }
    }
    if i64::try_from(values) != Ok(column.num_values()) || values > VALUES_MAX {
        let claimed = column.num_values();
        return Err(damaged(format!("its footer claims {claimed} values of a column, its pages {values}")));
    }
    Ok(())
}

/// Do `packed` bytes unfold to more than `limit`? For the codecs whose decoder compares sizes only once all
/// is in memory: a kilobyte of Brotli can be gigabytes. Bytes that do not unfold are left to the decoder to refuse.
fn unfolds_beyond(codec: Compression, packed: &[u8], limit: u64) -> bool {
    fn exceeds(mut read: impl Read, limit: u64) -> bool {
        let (mut buffer, mut bytes) = ([0; 4096], 0u64);
        while let Ok(count @ 1..) = read.read(&mut buffer) {
            bytes += count as u64;
            if bytes > limit {
                return true;
            }
        }
        false
    }
    match codec {
        Compression::GZIP(_) => exceeds(flate2::read::MultiGzDecoder::new(packed), limit),
        Compression::BROTLI(_) => exceeds(brotli::Decompressor::new(packed, 4096), limit),
        Compression::LZ4 => exceeds(lz4_flex::frame::FrameDecoder::new(packed), limit),
        _ => false,
    }
}

fn batch_rows(batch: &RecordBatch, chosen: &Chosen, out: &mut Vec<FileAttribute>) -> Result<()> {
    let first = out.len();
    let column = |name: &str| batch.column_by_name(name);
    let names = trace_names(batch, first)?;
    let member = column("member").map(|array| flags(array, first)).transpose()?;
    let loss = column("loss").map(|array| floats(array, "loss", first)).transpose()?;
    let kind = column("kind").map(|array| texts(array, "kind", first)).transpose()?;
    let values = values(batch, chosen, first)?;
    for (row, values) in values.into_iter().enumerate() {
        out.push(FileAttribute {
            trace: names.as_ref().and_then(|names| names.get(row).cloned()),
            member: member.as_ref().and_then(|member| member.get(row).copied()),
            kind: kind.as_ref().and_then(|kind| kind.get(row).cloned()),
            loss: loss.as_ref().and_then(|loss| loss.get(row).copied()),
            values,
        });
    }
    Ok(())
}

fn trace_names(batch: &RecordBatch, first: usize) -> Result<Option<Vec<TraceName>>> {
    let found = ["trace", "trace_id", "capture"].into_iter().find_map(|name| Some((name, batch.column_by_name(name)?)));
    let Some((name, array)) = found else { return Ok(None) };
    let in_row = |row: usize| move |error: Error| error.context(format!("column `{name}`, row {}", first + row));
    if array.data_type().is_integer() {
        let ids = integers(array, name, first)?;
        return ids
            .into_iter()
            .enumerate()
            .map(|(row, id)| TraceName::id(id).map_err(in_row(row)))
            .collect::<Result<_>>()
            .map(Some);
    }
    let texts = texts(array, name, first)?;
    let packets =
        batch.column_by_name("first_packet").map(|array| integers(array, "first_packet", first)).transpose()?;
    let parse = |(row, text): (usize, String)| {
        let packet = packets.as_ref().and_then(|packets| packets.get(row));
        let text = packet.map_or(text.clone(), |packet| format!("{text}#{packet}"));
        TraceName::parse(&text).map_err(in_row(row))
    };
    texts.into_iter().enumerate().map(parse).collect::<Result<_>>().map(Some)
}

/// The attribute of each row: that of the list column, or the numbers of all others in their order.
fn values(batch: &RecordBatch, chosen: &Chosen, first: usize) -> Result<Vec<Numbers>> {
    let columns: Vec<(&str, &ArrayRef)> =
        chosen.taken.iter().filter_map(|name| batch.column_by_name(name).map(|array| (name.as_str(), array))).collect();
    if let [(name, array)] = columns.as_slice()
        && array.data_type().is_nested()
    {
        return lists(array, name, first);
    }
    let mut rows = vec![Vec::with_capacity(chosen.taken.len()); batch.num_rows()];
    for (name, array) in columns {
        for (row, value) in rows.iter_mut().zip(floats(array, name, first)?) {
            row.push(value);
        }
    }
    Ok(rows.into_iter().map(Numbers::new).collect())
}

fn lists(array: &ArrayRef, name: &str, first: usize) -> Result<Vec<Numbers>> {
    let no_numbers = || Error::user(format!("column `{name}`: expected lists of numbers, found {}", array.data_type()));
    let items = match array.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type().clone(),
        _ => return Err(no_numbers()),
    };
    let wanted = DataType::new_list(items, true);
    let lists = cast(array, &wanted).map_err(|_| no_numbers())?;
    let lists = lists.as_list::<i32>();
    let mut rows = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let place = format!("column `{name}`, row {}", first + row);
        if lists.is_null(row) {
            return Err(Error::user(format!("{place}: expected a list, found NULL")));
        }
        let values = numbers(&lists.value(row), &place)?;
        if values.is_empty() {
            return Err(Error::user(format!("{place}: expected at least one value, found an empty list")));
        }
        require_finite(&values, values.len(), &place)?;
        rows.push(values);
    }
    Ok(rows)
}

/// Numbers in the precision that they came in.
fn numbers(array: &ArrayRef, place: &str) -> Result<Numbers> {
    if array.null_count() > 0 {
        return Err(Error::user(format!("{place}: expected numbers, found NULL")));
    }
    let no_numbers = |_| Error::user(format!("{place}: expected numbers, found {}", array.data_type()));
    match array.data_type() {
        DataType::Float32 => Ok(Numbers::Single(array.as_primitive::<Float32Type>().values().to_vec())),
        DataType::UInt64 => {
            exact(array.as_primitive::<UInt64Type>().values().iter().map(|value| i128::from(*value)), place)
        }
        DataType::Int64 => {
            exact(array.as_primitive::<Int64Type>().values().iter().map(|value| i128::from(*value)), place)
        }
        // A decimal of 15 digits comes back from a DOUBLE; of a longer one, that is not known.
        DataType::Decimal128(16.., _) | DataType::Decimal256(16.., _) => {
            Err(Error::user(format!("{place}: expected numbers of up to 15 digits, found {}", array.data_type()))
                .hint("write the column as DOUBLE"))
        }
        kind if kind.is_numeric() || *kind == DataType::Boolean => {
            let doubles = cast(array, &DataType::Float64).map_err(no_numbers)?;
            Ok(Numbers::new(doubles.as_primitive::<Float64Type>().values().to_vec()))
        }
        kind => Err(Error::user(format!("{place}: expected numbers, found {kind}"))),
    }
}

fn exact(numbers: impl Iterator<Item = i128>, place: &str) -> Result<Numbers> {
    let double = |number: i128| whole(number).ok_or_else(|| too_precise(number, place));
    numbers.map(double).collect::<Result<_>>().map(Numbers::new)
}

fn require_no_null(array: &ArrayRef, name: &str, first: usize) -> Result<()> {
    match (0..array.len()).find(|row| array.is_null(*row)) {
        None => Ok(()),
        Some(row) => Err(Error::user(format!("column `{name}`, row {}: expected a value, found NULL", first + row))),
    }
}

fn converted(array: &ArrayRef, name: &str, first: usize, wanted: &DataType) -> Result<ArrayRef> {
    require_no_null(array, name, first)?;
    let converted = cast(array, wanted)
        .map_err(|_| Error::user(format!("column `{name}`: expected {wanted}, found {}", array.data_type())))?;
    require_no_null(&converted, name, first)?;
    Ok(converted)
}

fn floats(array: &ArrayRef, name: &str, first: usize) -> Result<Vec<f64>> {
    require_no_null(array, name, first)?;
    let values: Vec<f64> = numbers(array, &format!("column `{name}`"))?.iter().collect();
    if let Some(row) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::user(format!("column `{name}`, row {}: expected a finite number", first + row)));
    }
    Ok(values)
}

fn integers(array: &ArrayRef, name: &str, first: usize) -> Result<Vec<i64>> {
    if !array.data_type().is_integer() {
        return Err(Error::user(format!("column `{name}`: expected integers, found {}", array.data_type())));
    }
    Ok(converted(array, name, first, &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec())
}

fn texts(array: &ArrayRef, name: &str, first: usize) -> Result<Vec<String>> {
    let array = converted(array, name, first, &DataType::Utf8)?;
    let texts = array.as_string::<i32>();
    if let Some(row) = (0..texts.len()).find(|row| texts.value(*row).len() > TEXT_BYTES_MAX) {
        let found = texts.value(row).len();
        return Err(Error::user(format!(
            "column `{name}`, row {}: expected text of at most {TEXT_BYTES_MAX} bytes, found {found}",
            first + row
        )));
    }
    Ok(texts.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}

fn flags(array: &ArrayRef, first: usize) -> Result<Vec<bool>> {
    require_no_null(array, "member", first)?;
    if let Some(flags) = array.as_any().downcast_ref::<BooleanArray>() {
        return Ok(flags.values().iter().collect());
    }
    let read = |(row, text): (usize, String)| {
        flag(&text).ok_or_else(|| {
            Error::user(format!("column `member`, row {}: expected true or false, found `{text}`", first + row))
        })
    };
    texts(array, "member", first)?.into_iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn unfolding_is_counted_and_stops_at_the_limit() {
        let whole = vec![7u8; 100_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&whole).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&whole).unwrap();
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 1, 20).write_all(&whole).unwrap();
        for (codec, packed) in [
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(Default::default()), brotli),
            (Compression::LZ4, lz4.finish().unwrap()),
        ] {
            assert!(packed.len() < 2_000);
            assert!(unfolds_beyond(codec, &packed, 99_999), "{codec:?}");
            assert!(!unfolds_beyond(codec, &packed, 100_000), "{codec:?}");
            assert!(!unfolds_beyond(codec, b"nothing of the kind", 0), "{codec:?}");
        }
    }
}
