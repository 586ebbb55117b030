//! Rows of an answer as text, and writing them batch by batch.

use super::cell::{Style, texts};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use std::io::Write;
use syntrace_base::error::{Error, Result};

/// Options of the text formats; `json`, `jsonl`, `parquet` and `arrow` ignore them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Text for NULL; `None`: `NULL` in readable formats, empty in `csv` and `tsv`.
    pub null: Option<String>,
    /// Widest cell of a `table`, columns of the terminal; the rest is cut with `...`.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { null: None, width: 60 }
    }
}

impl Look {
    pub(crate) fn readable(&self, batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
        text_rows(batch, Style::Readable, self.null.as_deref().unwrap_or("NULL"))
    }

    pub(crate) fn exact(&self, batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
        text_rows(batch, Style::Exact, self.null.as_deref().unwrap_or_default())
    }
}

pub(crate) fn header(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

pub(crate) fn numeric(schema: &SchemaRef) -> Vec<bool> {
    schema.fields().iter().map(|field| field.data_type().is_numeric()).collect()
}

/// One text per cell, by row.
fn text_rows(batch: &RecordBatch, style: Style, null: &str) -> Result<Vec<Vec<String>>> {
    let columns: Vec<Vec<String>> =
        batch.columns().iter().map(|column| texts(column, style, null)).collect::<Result<_>>()?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    Ok((0..batch.num_rows())
        .map(|_| columns.iter_mut().map(|column| column.next().unwrap_or_default()).collect())
        .collect())
}

pub(crate) fn each(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    mut write: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<u64> {
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        write(batch)?;
    }
    Ok(rows)
}

pub(crate) fn write_text(out: &mut dyn Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(write_error)
}

pub(crate) fn write_error(error: std::io::Error) -> Error {
    Error::user(format!("cannot write the answer: {error}"))
}
