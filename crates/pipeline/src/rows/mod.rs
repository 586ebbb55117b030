//! Conversion between typed rows and record batches, column by column under the names of [`syntrace_store::schema`],
//! which alone defines their order.

mod attributes;
mod measures;
mod traces;
mod training;

pub(crate) use attributes::*;
pub(crate) use measures::*;
pub(crate) use traces::*;
pub(crate) use training::*;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use syntrace_base::error::{Error, Result};
use syntrace_store::schema::SegmentTable;
use syntrace_store::{NewSegment, SegmentRecord, Snapshot, arrow_schema};

/// A segment of a table from its columns, in whatever order.
///
/// # Errors
/// Where a declared column is missing, one is not declared, or one has another type or length than the others.
pub(crate) fn segment(
    table: &'static SegmentTable,
    partition: i64,
    mut columns: Vec<(&'static str, ArrayRef)>,
) -> Result<NewSegment> {
    let fault = |what: String| Error::internal(format!("rows of table `{}`: {what}", table.name));
    let mut ordered = Vec::with_capacity(table.columns.len());
    for declared in table.columns {
        let found = columns.iter().position(|(name, _)| *name == declared.name);
        let place = found.ok_or_else(|| fault(format!("column `{}` is missing", declared.name)))?;
        ordered.push(columns.swap_remove(place).1);
    }
    if let Some((name, _)) = columns.first() {
        return Err(fault(format!("`{name}` is not one of its columns")));
    }
    let rows = RecordBatch::try_new(arrow_schema(table), ordered).map_err(|error| fault(error.to_string()))?;
    Ok(NewSegment { table, partition, rows })
}

/// Columns of one stored segment, by name.
pub(crate) struct Columns {
    table: &'static SegmentTable,
    /// Those that were read, in the table's order.
    columns: Vec<(&'static str, ArrayRef)>,
}

impl Columns {
    /// Reads the columns of these names; all where none is named.
    ///
    /// # Errors
    /// Where one is not declared or its bytes are damaged.
    pub fn read(
        snapshot: &Snapshot,
        table: &'static SegmentTable,
        segment: &SegmentRecord,
        names: &[&str],
    ) -> Result<Self> {
        let wanted = |name: &str| names.is_empty() || names.contains(&name);
        let places: Vec<usize> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| wanted(column.name))
            .map(|(place, _)| place)
            .collect();
        let read = snapshot.read_columns(table, segment, &places)?;
        let columns = places.iter().filter_map(|place| table.columns.get(*place)).map(|column| column.name).zip(read);
        Ok(Self { table, columns: columns.collect() })
    }

    /// A column as the Arrow array of its declared type.
    ///
    /// # Errors
    /// Where it was not read or has another type.
    pub fn typed<T: 'static>(&self, name: &str) -> Result<&T> {
        let found = self.columns.iter().find(|(column, _)| *column == name);
        found.and_then(|(_, column)| column.as_any().downcast_ref::<T>()).ok_or_else(|| {
            Error::internal(format!("column `{name}` of `{}` was not read or has another type", self.table.name))
        })
    }

    /// Distinct texts of a column.
    pub fn texts(&self, name: &str) -> Result<std::collections::BTreeSet<String>> {
        Ok(self.typed::<StringArray>(name)?.iter().flatten().map(str::to_owned).collect())
    }
}

/// A column of values that are never NULL.
macro_rules! column {
    ($type:ty, $rows:expr, $value:expr) => {
        std::sync::Arc::new(<$type>::from_iter_values($rows.iter().map($value))) as ArrayRef
    };
}

/// A column of values that may be NULL.
macro_rules! optional {
    ($type:ty, $rows:expr, $value:expr) => {
        std::sync::Arc::new($rows.iter().map($value).collect::<$type>()) as ArrayRef
    };
}

/// A column of truth values that are never NULL.
macro_rules! flags {
    ($rows:expr, $value:expr) => {
        std::sync::Arc::new(BooleanArray::from($rows.iter().map($value).collect::<Vec<_>>())) as ArrayRef
    };
}

use {column, flags, optional};

/// A stored integer as the narrower type of the record; damage gives an error.
fn fit<From: TryInto<To>, To>(value: Option<From>) -> Result<To> {
    value
        .and_then(|value| value.try_into().ok())
        .ok_or_else(|| Error::internal("a stored field is out of range").hint("run `syntrace verify STUDY`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::sync::Arc;
    use syntrace_store::schema::SPLIT_TRACES;

    #[test]
    fn columns_go_where_their_names_say_and_nowhere_else() {
        let trace_id = || Arc::new(Int64Array::from(vec![7])) as ArrayRef;
        let part = || Arc::new(StringArray::from(vec!["member"])) as ArrayRef;
        let found = segment(&SPLIT_TRACES, 1, vec![("part", part()), ("trace_id", trace_id())]).unwrap();
        assert_eq!(found.rows.column(0).as_ref(), trace_id().as_ref());
        let refused = [
            (vec![("trace_id", trace_id())], "column `part` is missing"),
            (vec![("part", part()), ("trace_id", trace_id()), ("side", part())], "`side` is not one of its columns"),
            (vec![("part", trace_id()), ("trace_id", part())], "column types must match"),
        ];
        for (columns, expected) in refused {
            let error = segment(&SPLIT_TRACES, 1, columns).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
