//! The first rows of a statement's answer, in memory.

use crate::study::{Running, View};
use arrow::array::{ArrayRef, AsArray, UInt64Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Parameters, RecordBatch, Rendered, cells};

/// Generators of a study: far more than there are.
const GENERATORS_MAX: usize = 10_000;

/// Rows of an answer.
pub(crate) struct Answer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Are there more rows than these?
    pub more: bool,
}

impl Answer {
    /// The first rows of a statement, at most `rows_max`.
    pub async fn of_sql(view: &View<'_>, sql: &str, rows_max: usize) -> Result<Self> {
        Self::first(view.ask(sql, &Parameters::new()).await?, rows_max).await
    }

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

    /// The first of these rows.
    pub fn head(&self, rows_max: usize) -> Self {
        let (mut batches, mut room) = (Vec::new(), rows_max);
        for batch in &self.batches {
            let taken = batch.num_rows().min(room);
            batches.push(batch.slice(0, taken));
            room -= taken;
        }
        Self { schema: Arc::clone(&self.schema), batches, more: self.more || self.rows() > rows_max }
    }

    /// The same rows, the last one first.
    pub fn reversed(self) -> Result<Self> {
        let more = self.more;
        let rows = self.into_batch()?;
        let places: UInt64Array = (0..rows.num_rows() as u64).rev().collect();
        let rows = take_record_batch(&rows, &places);
        let rows = rows.map_err(|error| Error::internal(format!("cannot turn the rows of an answer: {error}")))?;
        Ok(Self { more, ..Self::of(rows) })
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

    /// A column as exact text; `None` where it is NULL.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        self.cast(name, &DataType::Utf8, |values| {
            values.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
        })
    }

    /// A column of numbers; `None` where it is NULL or not finite.
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        self.cast(name, &DataType::Float64, |values| {
            let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
            values.as_primitive::<Float64Type>().iter().map(finite).collect()
        })
    }

    fn cast<T>(&self, name: &str, kind: &DataType, read: impl Fn(&ArrayRef) -> Vec<T>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for batch in &self.batches {
            let wrong = |what: String| Error::internal(format!("column `{name}` of an answer: {what}"));
            let values = batch.column_by_name(name).ok_or_else(|| wrong("there is none".to_owned()))?;
            found.extend(read(&cast(values, kind).map_err(|error| wrong(error.to_string()))?));
        }
        Ok(found)
    }
}

/// All generators of the study, by which each keeps its colour on whatever page.
pub(crate) async fn generators(view: &View<'_>) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT generator FROM models WHERE role <> 'base' ORDER BY generator";
    let answer = Answer::of_sql(view, sql, GENERATORS_MAX).await?;
    Ok(answer.texts("generator")?.into_iter().flatten().collect())
}
