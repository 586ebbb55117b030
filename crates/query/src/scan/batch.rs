//! From a fragment to record batches: filter columns first, the rest only where a row matches.

use super::relation::{Fact, Fragment};
use crate::error::external;
use arrow::array::{Array, ArrayRef, BooleanArray, new_empty_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use std::sync::Arc;
use syntrace_base::error::Error;

/// What to read of every fragment of a scan.
#[derive(Clone)]
pub(crate) struct ReadPlan {
    /// Columns of the answer (indices into the relation's columns), in output order.
    pub projection: Vec<usize>,
    /// Schema of the answer.
    pub schema: SchemaRef,
    /// Filter over exactly the columns of `filter_columns`.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Columns that the filter names.
    pub filter_columns: Vec<usize>,
    /// Their schema.
    pub filter_schema: SchemaRef,
    /// Rows of a batch.
    pub batch_rows: usize,
}

fn column_indices(expression: &Arc<dyn PhysicalExpr>) -> Vec<usize> {
    let mut columns: Vec<usize> = collect_columns(expression).iter().map(|column| column.index()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

impl ReadPlan {
    /// All rows of some columns (indices into the table's).
    pub fn new(table: &SchemaRef, projection: Vec<usize>, batch_rows: usize) -> Result<Self> {
        let schema = Arc::new(table.project(&projection)?);
        let filter_schema = Arc::new(table.project(&[])?);
        Ok(Self { projection, schema, filter: None, filter_columns: Vec::new(), filter_schema, batch_rows })
    }

    /// The same rows with fewer columns (indices into the schema), in other batches.
    pub fn with_columns(&self, columns: &[usize], batch_rows: usize) -> Result<Self> {
        let projection = columns.iter().filter_map(|&column| self.projection.get(column).copied()).collect();
        let schema = Arc::new(self.schema.project(columns)?);
        Ok(Self { projection, schema, batch_rows, ..self.clone() })
    }

    /// The same columns of the rows that match another filter over the table.
    pub fn with_filter(&self, filter: Option<Arc<dyn PhysicalExpr>>, table: &SchemaRef) -> Result<Self> {
        let filter_columns = filter.as_ref().map(column_indices).unwrap_or_default();
        let filter_schema = Arc::new(table.project(&filter_columns)?);
        let filter = filter.map(|filter| reassign_expr_columns(filter, &filter_schema)).transpose()?;
        Ok(Self { filter, filter_columns, filter_schema, ..self.clone() })
    }

    /// Reads a fragment and hands its batches to `emit` until that answers false.
    pub fn read(&self, fragment: &Fragment, emit: &mut dyn FnMut(RecordBatch) -> Result<bool>) -> Result<bool> {
        let mut held = Held::new(fragment, self.batch_rows);
        held.load(&self.filter_columns)?;
        let mut start = 0;
        while start < fragment.rows {
            let length = self.batch_rows.min(fragment.rows - start);
            let mask = self.mask(&held, start, length)?;
            let matches = mask.as_ref().map_or(length, BooleanArray::true_count);
            if matches > 0 {
                held.load(&self.projection)?;
                let mut batch = held.batch(&self.projection, &self.schema, start, length)?;
                if let Some(mask) = mask.filter(|_| matches < length) {
                    batch = filter_record_batch(&batch, &mask)?;
                }
                if !emit(batch)? {
                    return Ok(false);
                }
            }
            start += length;
        }
        Ok(true)
    }

    fn mask(&self, held: &Held<'_>, start: usize, length: usize) -> Result<Option<BooleanArray>> {
        let Some(filter) = &self.filter else { return Ok(None) };
        let batch = held.batch(&self.filter_columns, &self.filter_schema, start, length)?;
        let values = filter.evaluate(&batch)?.into_array(length)?;
        Ok(Some(as_boolean_array(&values)?.clone()))
    }
}

/// The columns of a fragment that have been read, and one batch of each constant.
struct Held<'a> {
    fragment: &'a Fragment,
    constant_rows: usize,
    /// By index. A list: it is short, and a study has hundreds of fragments of a few rows.
    columns: Vec<(usize, ArrayRef)>,
}

impl<'a> Held<'a> {
    fn new(fragment: &'a Fragment, batch_rows: usize) -> Self {
        Self { fragment, constant_rows: batch_rows.min(fragment.rows), columns: Vec::new() }
    }

    fn get(&self, column: usize) -> Option<&ArrayRef> {
        self.columns.iter().find(|(index, _)| *index == column).map(|(_, array)| array)
    }

    /// Makes sure that these columns are here; reads the missing ones at once.
    fn load(&mut self, wanted: &[usize]) -> Result<()> {
        let mut missing = Vec::new();
        for &column in wanted {
            if self.get(column).is_some() || missing.contains(&column) {
                continue;
            }
            match self.fragment.facts.get(column) {
                Some(Fact::Constant(value)) => {
                    self.columns.push((column, value.to_array_of_size(self.constant_rows)?));
                }
                _ => missing.push(column),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let arrays = (self.fragment.read)(&missing).map_err(external)?;
        self.columns.extend(missing.into_iter().zip(arrays));
        Ok(())
    }

    fn batch(&self, wanted: &[usize], schema: &SchemaRef, start: usize, length: usize) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(wanted.len());
        for (&column, field) in wanted.iter().zip(schema.fields()) {
            let is_constant = self.fragment.facts.get(column).and_then(Fact::constant).is_some();
            let array = match self.get(column) {
                Some(array) if is_constant => array.slice(0, length),
                Some(array) if array.len() >= start + length => array.slice(start, length),
                _ if length == 0 => new_empty_array(field.data_type()),
                _ => {
                    let message = format!("column `{}` has fewer rows than its segment says", field.name());
                    return Err(external(Error::damaged(message)));
                }
            };
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }
}
