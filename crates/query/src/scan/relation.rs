//! What a SQL table is here: declared columns, and a scan that lists fragments without reading them.

use crate::information_schema::type_name;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::scalar::ScalarValue;
use std::sync::Arc;
use syntrace_base::error::Result;
use syntrace_store::schema::{Column, ColumnType};

/// A SQL table over a snapshot. A trait instead of DataFusion's own `TableProvider`, so that pruning,
/// filtering, parallel decoding and statistics are written once (in `provider`) and a table is only
/// its columns and its fragments. Implemented by record tables and by segment tables.
pub(crate) trait Relation: Send + Sync {
    /// The columns, in SQL order.
    fn columns(&self) -> &[Column];
    /// The fragments, read from records only; their bodies are read when polled.
    fn scan(&self, request: &ScanRequest<'_>) -> Result<Vec<Fragment>>;
}

/// What a query reads of a relation.
pub(crate) struct ScanRequest<'a> {
    /// Columns that it names, in its output or its filters (indices into `columns()`): facts are
    /// needed for these only.
    pub columns: &'a [usize],
}

/// Reads some columns of a fragment (indices into the relation's columns), each with all its rows.
pub(crate) type ReadColumns = Arc<dyn Fn(&[usize]) -> Result<Vec<ArrayRef>> + Send + Sync>;

/// Names what a column of a fragment holds (by its index), where that is known before it is read: columns
/// of one name have the same values in the same order.
pub(crate) type ContentOf = Arc<dyn Fn(usize) -> Option<Content> + Send + Sync>;

/// Digest, encoding, rows and NULLs of a stored column.
pub(crate) type Content = ([u8; 16], u8, u32, u32);

/// A run of rows that is read as one: a segment, or all rows of a record table.
#[derive(Clone)]
pub(crate) struct Fragment {
    /// Place among its lane's, once a scan has divided them.
    pub place: usize,
    /// Number of rows.
    pub rows: usize,
    /// What is known of each column without reading it, in the order of `columns()`.
    pub facts: Arc<Vec<Fact>>,
    /// Reads columns that are not constant.
    pub read: ReadColumns,
    /// Tells columns with equal values without reading them.
    pub content: ContentOf,
}

/// What is known of one column of a fragment before it is read.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    /// All rows have this value (a partition column): never read.
    Constant(ScalarValue),
    /// What is known of its values.
    Range(Box<Range>),
    /// Nothing.
    Unknown,
}

/// Bounds of the values that are not NULL, and the number of NULLs.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub min: Option<ScalarValue>,
    pub max: Option<ScalarValue>,
    pub null_count: u64,
}

impl Fact {
    /// The value that all rows share, if known.
    pub fn constant(&self) -> Option<&ScalarValue> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }
}

/// The arrow type of a column type.
pub(crate) fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::I16 => DataType::Int16,
        ColumnType::I32 => DataType::Int32,
        ColumnType::I64 => DataType::Int64,
        ColumnType::F32 => DataType::Float32,
        ColumnType::F64 => DataType::Float64,
        ColumnType::Text => DataType::Utf8,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::F32List => DataType::List(Arc::new(Field::new("item", DataType::Float32, false))),
        ColumnType::F64List => DataType::List(Arc::new(Field::new("item", DataType::Float64, false))),
    }
}

/// The SQL name of a column type, as in `schema/tables.sql`: PostgreSQL's, which means the same here.
pub(crate) fn sql_type(kind: ColumnType) -> String {
    type_name(&data_type(kind)).shown.to_uppercase()
}

/// The arrow schema of a list of columns.
pub(crate) fn arrow_schema(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(|column| Field::new(column.name, data_type(column.kind), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
