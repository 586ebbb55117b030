//! A table of records: small, loaded as a whole, one declaration per column.

use super::study::Study;
use crate::scan::relation::{Fact, Fragment, Relation, ScanRequest};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray};
use std::sync::Arc;
use syntrace_base::error::Result;
use syntrace_store::schema::{Column, ColumnType};

type Get<R, T> = Box<dyn Fn(&R) -> T + Send + Sync>;

/// How a column's value comes out of a record.
enum Extract<R> {
    Bool(Get<R, Option<bool>>),
    I32(Get<R, Option<i32>>),
    I64(Get<R, Option<i64>>),
    F64(Get<R, Option<f64>>),
    Text(Get<R, Option<String>>),
    #[expect(dead_code, reason = "no record has a binary column yet; the type system of SQL has it")]
    Bytes(Get<R, Option<Vec<u8>>>),
}

/// The columns of a record table, declared in SQL order.
pub(super) struct Fields<R> {
    columns: Vec<Column>,
    extracts: Vec<Extract<R>>,
}

macro_rules! field_methods {
    ($($(#[$doc:meta])* $name:ident $nullable:ident $type:ty => $variant:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(
            self,
            name: &'static str,
            doc: &'static str,
            get: impl Fn(&R) -> $type + Send + Sync + 'static,
        ) -> Self {
            self.add(name, doc, false, Extract::$variant(Box::new(move |record| Some(get(record)))))
        }

        /// As above, with NULL for `None`.
        pub fn $nullable(
            self,
            name: &'static str,
            doc: &'static str,
            get: impl Fn(&R) -> Option<$type> + Send + Sync + 'static,
        ) -> Self {
            self.add(name, doc, true, Extract::$variant(Box::new(get)))
        }
    )+};
}

#[expect(clippy::allow_attributes, reason = "not every type is used in both forms")]
#[allow(dead_code, reason = "not every type is used in both forms")]
impl<R> Fields<R> {
    pub fn new() -> Self {
        Self { columns: Vec::new(), extracts: Vec::new() }
    }

    fn add(mut self, name: &'static str, doc: &'static str, nullable: bool, extract: Extract<R>) -> Self {
        let kind = match extract {
            Extract::Bool(_) => ColumnType::Bool,
            Extract::I32(_) => ColumnType::I32,
            Extract::I64(_) => ColumnType::I64,
            Extract::F64(_) => ColumnType::F64,
            Extract::Text(_) => ColumnType::Text,
            Extract::Bytes(_) => ColumnType::Bytes,
        };
        self.columns.push(Column { name, kind, nullable, doc });
        self.extracts.push(extract);
        self
    }

    field_methods! {
        /// BOOLEAN
        flag flag_or_null bool => Bool;
        /// INT
        int int_or_null i32 => I32;
        /// BIGINT
        big big_or_null i64 => I64;
        /// DOUBLE
        real real_or_null f64 => F64;
        /// VARCHAR
        text text_or_null String => Text;
    }
}

/// A table over records of type `R`.
pub(super) struct RecordTable<R> {
    study: Arc<Study>,
    fields: Arc<Fields<R>>,
    load: fn(&Study) -> Result<Vec<R>>,
}

/// Makes a record table; nothing is loaded before a query names it.
pub(super) fn record_table<R: Send + Sync + 'static>(
    study: &Arc<Study>,
    fields: Fields<R>,
    load: fn(&Study) -> Result<Vec<R>>,
) -> Arc<dyn Relation> {
    Arc::new(RecordTable { study: Arc::clone(study), fields: Arc::new(fields), load })
}

impl<R: Send + Sync + 'static> Relation for RecordTable<R> {
    fn columns(&self) -> &[Column] {
        &self.fields.columns
    }

    fn scan(&self, _request: &ScanRequest<'_>) -> Result<Vec<Fragment>> {
        let records = Arc::new((self.load)(&self.study)?);
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let fields = Arc::clone(&self.fields);
        let facts = Arc::new(vec![Fact::Unknown; fields.columns.len()]);
        let rows = records.len();
        let read = move |columns: &[usize]| {
            let extracts = columns.iter().filter_map(|&column| fields.extracts.get(column));
            Ok(extracts.map(|extract| extract.array(&records)).collect())
        };
        Ok(vec![Fragment { place: 0, rows, facts, read: Arc::new(read), content: Arc::new(|_| None) }])
    }
}

impl<R> Extract<R> {
    fn array(&self, records: &[R]) -> ArrayRef {
        match self {
            Self::Bool(get) => Arc::new(records.iter().map(get).collect::<BooleanArray>()),
            Self::I32(get) => Arc::new(records.iter().map(get).collect::<Int32Array>()),
            Self::I64(get) => Arc::new(records.iter().map(get).collect::<Int64Array>()),
            Self::F64(get) => Arc::new(records.iter().map(get).collect::<Float64Array>()),
            Self::Text(get) => Arc::new(records.iter().map(get).collect::<StringArray>()),
            Self::Bytes(get) => Arc::new(records.iter().map(get).collect::<BinaryArray>()),
        }
    }
}
