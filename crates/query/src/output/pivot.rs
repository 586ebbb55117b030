//! Pivots a result: the values of one column become columns (epsilons across, one measure below them).

use super::cell::{Style, texts};
use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};

/// Turns the values of `column` into columns that hold the result's last other column; rows with the
/// same remaining columns become one. Two values for one cell are an error: the query lacks a GROUP BY key.
pub fn pivot(schema: &SchemaRef, batches: &[RecordBatch], column: &str) -> Result<RecordBatch> {
    let wrong = |error: arrow::error::ArrowError| Error::user(format!("cannot pivot the answer: {error}"));
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let across = names.iter().position(|name| *name == column).ok_or_else(|| {
        Error::user(format!("the answer has no column `{column}` to pivot"))
            .hint(format!("it has: {}", names.join(", ")))
    })?;
    let mut keys: Vec<usize> = (0..names.len()).filter(|index| *index != across).collect();
    let value = keys.pop().ok_or_else(|| Error::user("a pivot needs a second column with the values"))?;
    let all = concat_batches(schema, batches).map_err(wrong)?;
    let fields = keys.iter().map(|key| SortField::new(schema.field(*key).data_type().clone())).collect();
    let key_columns: Vec<ArrayRef> = keys.iter().map(|key| Arc::clone(all.column(*key))).collect();
    let mut row_of: HashMap<Vec<u8>, usize> = HashMap::new();
    let rows_of: Vec<usize> = match keys.is_empty() {
        true => vec![0; all.num_rows()],
        false => {
            let rows = RowConverter::new(fields).and_then(|rows| rows.convert_columns(&key_columns)).map_err(wrong)?;
            let number = |row: arrow::row::Row<'_>| {
                let next = row_of.len();
                *row_of.entry(row.as_ref().to_vec()).or_insert(next)
            };
            rows.iter().map(number).collect()
        }
    };
    let places = Places::new(&all, across, rows_of)?;
    let firsts = UInt32Array::from(places.firsts.clone());
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (key, array) in keys.iter().zip(&key_columns) {
        fields.push(schema.field(*key).clone());
        columns.push(take(array, &firsts, None).map_err(wrong)?);
    }
    for (name, indices) in places.names.iter().zip(places.indices) {
        fields.push(Field::new(name, schema.field(value).data_type().clone(), true));
        columns.push(take(all.column(value), &UInt32Array::from(indices), None).map_err(wrong)?);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(wrong)
}

/// Which row of the answer goes where.
struct Places {
    /// Names of the new columns: the pivoted values as text, in order of appearance.
    names: Vec<String>,
    /// For each new column, the answer's row for each new row.
    indices: Vec<Vec<Option<u32>>>,
    /// For each new row, the first row of the answer that belongs to it.
    firsts: Vec<u32>,
}

impl Places {
    fn new(all: &RecordBatch, across: usize, rows_of: Vec<usize>) -> Result<Self> {
        let names = texts(all.column(across), Style::Exact, "NULL")?;
        let rows = rows_of.iter().max().map_or(0, |last| last + 1);
        let mut places = Self { names: Vec::new(), indices: Vec::new(), firsts: vec![u32::MAX; rows] };
        let mut column_of: HashMap<String, usize> = HashMap::new();
        for ((row, target), name) in rows_of.into_iter().enumerate().zip(names) {
            let column = *column_of.entry(name.clone()).or_insert_with(|| {
                places.names.push(name.clone());
                places.indices.push(vec![None; rows]);
                places.names.len() - 1
            });
            let place = places.indices.get_mut(column).and_then(|column| column.get_mut(target));
            if place.is_some_and(|place| place.replace(row as u32).is_some()) {
                return Err(Error::user(format!("duplicate rows for pivot column `{name}`"))
                    .hint("group by all columns but the last"));
            }
            if let Some(first) = places.firsts.get_mut(target) {
                *first = (*first).min(row as u32);
            }
        }
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Float64Array, StringArray};
    use arrow::datatypes::Float64Type;

    #[test]
    fn budgets_go_across_and_missing_places_are_null() {
        let class: ArrayRef = Arc::new(StringArray::from(vec!["mac", "mac", "meet"]));
        let epsilon: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(4.0), Some(4.0)]));
        let auc: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.6, 0.5]));
        let batch = RecordBatch::try_from_iter([("class", class), ("epsilon", epsilon), ("auc", auc)]).unwrap();
        let turned = pivot(&batch.schema(), std::slice::from_ref(&batch), "epsilon").unwrap();
        let names: Vec<&str> = turned.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["class", "NULL", "4.0"]);
        assert_eq!(turned.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["mac", "meet"]);
        assert_eq!(turned.column(1).as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(0.9), None]);
        assert_eq!(turned.column(2).as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(0.6), Some(0.5)]);
        let twice = concat_batches(&batch.schema(), [&batch, &batch]).unwrap();
        assert!(pivot(&twice.schema(), &[twice], "epsilon").unwrap_err().to_string().contains("duplicate rows"));
        assert!(pivot(&batch.schema(), &[batch], "delta").unwrap_err().hint_text().unwrap().contains("epsilon"));
    }
}
