//! Attributes in a Parquet file, by column names:
//!
//! * `trace` (text: id or capture), or `trace_id` (integer), or `capture` with `first_packet`;
//! * `member` (boolean or 0/1), `loss`, `kind` (text): optional;
//! * `values` (or `vector`): a list of numbers a row; or, instead, one number column a value, in their order.

use super::attributes::{AttributeRow, ROWS_MAX, TraceName, VALUES_MAX, require_finite};
use super::text::flag;
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::file::reader::ChunkReader;
use datafusion::parquet::file::serialized_reader::SerializedPageReader;
use std::sync::Arc;

/// Bytes that all columns claim to be before compression.
const RAW_BYTES_MAX: i64 = 8 << 30;
const BATCH_ROWS: usize = 1024;
const NAMES: [&str; 6] = ["trace", "trace_id", "capture", "first_packet", "member", "kind"];

/// Rows of a Parquet file.
///
/// # Errors
/// `user` for a file that is damaged, claims more than the limits, lacks values, or holds NULL or numbers
/// that are not finite where a number is needed.
pub fn read_parquet<R: ChunkReader + 'static>(file: R) -> Result<Vec<AttributeRow>> {
    // A damaged file must not end the program, whatever the decoder thinks of it.
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(file)));
    read.unwrap_or_else(|_| Err(damaged("its content contradicts itself")))
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::user(format!("expected a Parquet file: {what}")).hint("write the file again")
}

fn read<R: ChunkReader + 'static>(file: R) -> Result<Vec<AttributeRow>> {
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(damaged)?;
    check_claims(&metadata)?;
    let file = Arc::new(file);
    check_pages(&file, &metadata)?;
    let file = Arc::into_inner(file).ok_or_else(|| Error::internal("a Parquet file is still being read"))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(damaged)?;
    let (mut rows, mut values) = (Vec::new(), 0u64);
    for batch in reader {
        let batch = batch.map_err(damaged)?;
        let before = rows.len();
        batch_rows(&batch, &mut rows)?;
        values += rows.iter().skip(before).map(|row: &AttributeRow| row.values.len() as u64).sum::<u64>();
        if values > VALUES_MAX {
            return Err(Error::user(format!("expected at most {VALUES_MAX} values, found more"))
                .hint("import a summary (mean logits, log-probabilities a position), or fewer traces"));
        }
    }
    if rows.is_empty() {
        return Err(Error::user("expected at least one row, found none"));
    }
    Ok(rows)
}

/// Refuses by the footer, before a page is read.
fn check_claims(metadata: &ArrowReaderMetadata) -> Result<()> {
    let (mut rows, mut bytes) = (0i64, 0i64);
    for group in metadata.metadata().row_groups() {
        let columns = group.columns().iter().map(|column| column.uncompressed_size());
        let claims = columns.chain([group.num_rows(), group.total_byte_size()]);
        if claims.into_iter().any(|claim| claim < 0) {
            return Err(damaged("its footer claims a negative size"));
        }
        rows = rows.saturating_add(group.num_rows());
        bytes = group.columns().iter().fold(bytes, |sum, column| sum.saturating_add(column.uncompressed_size()));
    }
    if rows > ROWS_MAX as i64 || bytes > RAW_BYTES_MAX {
        return Err(Error::user(format!(
            "expected at most {ROWS_MAX} rows and {RAW_BYTES_MAX} bytes, found a file that claims {rows} rows and {bytes} bytes"
        ))
        .hint("import a summary (mean logits, log-probabilities a position), or fewer traces"));
    }
    Ok(())
}

/// Refuses pages that claim more values than they hold or than the footer says: the decoder makes room for
/// what a page claims before it looks at its bytes. Reads each page once more than needed; values are not decoded.
fn check_pages<R: ChunkReader + 'static>(file: &Arc<R>, metadata: &ArrowReaderMetadata) -> Result<()> {
    for group in metadata.metadata().row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| damaged("its footer claims a negative size"))?;
        for column in group.columns() {
            let mut pages = SerializedPageReader::new(Arc::clone(file), column, rows, None).map_err(damaged)?;
            let mut values = 0u64;
            while let Some(page) = pages.get_next_page().map_err(damaged)? {
                match page {
                    // Not one value of a dictionary takes less than a byte.
                    Page::DictionaryPage { buf, num_values, .. } if num_values as usize > buf.len() => {
                        return Err(damaged(format!("a dictionary of {} bytes claims {num_values} values", buf.len())));
                    }
                    Page::DictionaryPage { .. } => {}
                    data => values += u64::from(data.num_values()),
                }
            }
            if i64::try_from(values) != Ok(column.num_values()) || values > VALUES_MAX {
                let claimed = column.num_values();
                return Err(damaged(format!("its footer claims {claimed} values of a column, its pages {values}")));
            }
        }
    }
    Ok(())
}

fn batch_rows(batch: &RecordBatch, out: &mut Vec<AttributeRow>) -> Result<()> {
    let first = out.len();
    let column = |name: &str| batch.column_by_name(name);
    let names = trace_names(batch, first)?;
    let member = column("member").map(|array| flags(array, first)).transpose()?;
    let loss = column("loss").map(|array| floats(array, "loss", first)).transpose()?;
    let kind = column("kind").map(|array| texts(array, "kind", first)).transpose()?;
    let values = values(batch, first)?;
    for (row, values) in values.into_iter().enumerate() {
        out.push(AttributeRow {
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

/// The attribute of each row: the list column, or all number columns that have no other meaning.
fn values(batch: &RecordBatch, first: usize) -> Result<Vec<Vec<f32>>> {
    let listed = ["values", "vector"].into_iter().find_map(|name| Some((name, batch.column_by_name(name)?)));
    if let Some((name, array)) = listed {
        if !array.data_type().is_nested() {
            return Ok(floats(array, name, first)?.into_iter().map(|value| vec![value]).collect());
        }
        return lists(array, name, first);
    }
    let mut rows = vec![Vec::new(); batch.num_rows()];
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let name = field.name().as_str();
        if NAMES.contains(&name) || name == "loss" || !field.data_type().is_numeric() {
            continue;
        }
        for (row, value) in rows.iter_mut().zip(floats(array, name, first)?) {
            row.push(value);
        }
    }
    if rows.iter().any(Vec::is_empty) {
        let found: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        return Err(Error::user(format!(
            "expected a list column `values` or number columns, found `{}`",
            found.join("`, `")
        )));
    }
    Ok(rows)
}

fn lists(array: &ArrayRef, name: &str, first: usize) -> Result<Vec<Vec<f32>>> {
    let wanted = DataType::new_list(DataType::Float64, true);
    let lists = cast(array, &wanted)
        .map_err(|_| Error::user(format!("column `{name}`: expected lists of numbers, found {}", array.data_type())))?;
    let lists = lists.as_list::<i32>();
    let mut rows = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let place = format!("column `{name}`, row {}", first + row);
        if lists.is_null(row) {
            return Err(Error::user(format!("{place}: expected a list, found NULL")));
        }
        let values = lists.value(row);
        let values = numbers(&values, &place)?;
        if values.is_empty() {
            return Err(Error::user(format!("{place}: expected at least one value, found an empty list")));
        }
        rows.push(values);
    }
    Ok(rows)
}

fn numbers(array: &ArrayRef, place: &str) -> Result<Vec<f32>> {
    if array.null_count() > 0 {
        return Err(Error::user(format!("{place}: expected numbers, found NULL")));
    }
    let values: Vec<f32> = array.as_primitive::<Float64Type>().values().iter().map(|value| *value as f32).collect();
    require_finite(&values, values.len(), place)?;
    Ok(values)
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

fn floats(array: &ArrayRef, name: &str, first: usize) -> Result<Vec<f32>> {
    if !(array.data_type().is_numeric() || array.data_type() == &DataType::Boolean) {
        return Err(Error::user(format!("column `{name}`: expected numbers, found {}", array.data_type())));
    }
    let array = converted(array, name, first, &DataType::Float32)?;
    let values = array.as_primitive::<Float32Type>().values().to_vec();
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
    Ok(array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
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
