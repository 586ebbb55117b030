//! Rows and errors as the protocol wants them.

use crate::error::{Error, ErrorKind};
use crate::query::explained;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::DataFusionError;
use datafusion_postgres::arrow_pg::encoder::encode_value;
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::data::DataRow;
use std::sync::Arc;

/// An error with a SQLSTATE code of PostgreSQL.
pub(super) fn refused(code: &str, message: &str, hint: Option<&str>) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.to_owned());
    info.hint = hint.map(str::to_owned);
    PgWireError::UserError(Box::new(info))
}

/// One of our errors: `42000` for a statement that cannot be answered, `25006` for one that would
/// write, `53200` for one that needs more memory than it may use, `XX000` for damage and faults of ours.
pub(super) fn of_error(error: &Error) -> PgWireError {
    let text = error.to_string();
    let code = match error.kind() {
        ErrorKind::Internal => "XX000",
        ErrorKind::Interrupted => "57014",
        ErrorKind::User if text.starts_with("SQL here only reads") => "25006",
        ErrorKind::User if text.contains("more memory than it may use") => "53200",
        ErrorKind::User => "42000",
    };
    refused(code, &text, error.hint_text())
}

/// An error of planning or running `text`.
pub(super) fn of_query(error: &DataFusionError, text: &str) -> PgWireError {
    of_error(&explained(error, text))
}

/// The rows of a batch.
pub(super) fn rows(batch: &RecordBatch, fields: &Arc<Vec<FieldInfo>>) -> Vec<PgWireResult<DataRow>> {
    let mut encoder = DataRowEncoder::new(Arc::clone(fields));
    let schema = batch.schema_ref();
    let row = |row: usize| {
        for (at, (column, field)) in batch.columns().iter().zip(fields.iter()).enumerate() {
            match infinity(column, row, field) {
                Some(word) => encoder.encode_field(&Some(word))?,
                None => encode_value(&mut encoder, column, row, schema.field(at), field)?,
            }
        }
        Ok(encoder.take_row())
    };
    (0..batch.num_rows()).map(row).collect()
}

/// PostgreSQL's word for an infinite number in text; the encoder's own is `inf`, which JDBC refuses.
fn infinity(column: &ArrayRef, row: usize, field: &FieldInfo) -> Option<&'static str> {
    if field.format() != FieldFormat::Text || column.is_null(row) {
        return None;
    }
    let value = match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row),
        DataType::Float32 => f64::from(column.as_primitive::<Float32Type>().value(row)),
        _ => return None,
    };
    value.is_infinite().then_some(if value > 0.0 { "Infinity" } else { "-Infinity" })
}
