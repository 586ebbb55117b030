//! The first rows of a statement's answer, in memory.

use crate::study::Running;
use arrow::datatypes::SchemaRef;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Format, RecordBatch, Rendered, cells, write_answer};

/// Rows of an answer.
pub(crate) struct Answer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Are there more rows than these?
    pub more: bool,
}

impl Answer {
    /// The first rows, at most `rows_max`; the statement is stopped then.
    pub async fn first(mut running: Running, rows_max: usize) -> Result<Self> {
        let (schema, mut batches, mut rows) = (running.rows.schema(), Vec::new(), 0);
        while let Some(batch) = running.next().await {
            let batch = batch?;
            let room = rows_max - rows;
            if batch.num_rows() > room {
                batches.push(batch.slice(0, room));
                return Ok(Self { schema, batches, more: true });
            }
            rows += batch.num_rows();
            batches.push(batch);
        }
        Ok(Self { schema, batches, more: false })
    }

    /// Rows that were made already.
    pub fn of(rows: RecordBatch) -> Self {
        Self { schema: rows.schema(), batches: vec![rows], more: false }
    }

    /// All rows as one batch.
    pub fn into_batch(self) -> Result<RecordBatch> {
        arrow::compute::concat_batches(&self.schema, &self.batches)
            .map_err(|error| Error::internal(format!("cannot join the rows of an answer: {error}")))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Cells as text for reading.
    pub fn rendered(&self) -> Result<Rendered> {
        cells(&self.schema, &self.batches)
    }

    /// As `syntrace sql` writes it.
    pub fn written(self, format: Format) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        write_answer(format, &self.schema, self.batches.into_iter().map(Ok), &mut out)?;
        Ok(out)
    }
}
