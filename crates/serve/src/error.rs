//! Errors with PostgreSQL's codes.

use datafusion::common::DataFusionError;
use pgwire::error::{ErrorInfo, PgWireError};
use syntrace_base::error::{Error, HintReader};
use syntrace_query::explained;

/// An error with a SQLSTATE code of PostgreSQL.
pub(super) fn refused(code: &str, message: &str, hint: Option<&str>) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.to_owned());
    info.hint = hint.map(str::to_owned);
    PgWireError::UserError(Box::new(info))
}

/// An error of this program with its code: `42000` for an invalid statement without a more specific code, `XX000` for
/// damage and internal errors.
pub(super) fn of_error(error: &Error) -> PgWireError {
    refused(error.sqlstate(), &error.to_string(), error.hint_text_for(HintReader::Postgres))
}

/// An error of planning or running `text`.
pub(super) fn of_query(error: &DataFusionError, text: &str) -> PgWireError {
    of_error(&explained(error, text))
}
