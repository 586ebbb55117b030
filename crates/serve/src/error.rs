//! Errors with PostgreSQL's codes.

use datafusion::common::DataFusionError;
use pgwire::error::{ErrorInfo, PgWireError};
use syntrace_base::error::{Error, ErrorKind};
use syntrace_query::explained;

/// An error with a SQLSTATE code of PostgreSQL.
pub(super) fn refused(code: &str, message: &str, hint: Option<&str>) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.to_owned());
    info.hint = hint.map(str::to_owned);
    PgWireError::UserError(Box::new(info))
}

/// What messages of ours begin with, and the code by which clients tell such an error.
const CODES: [(&str, &str); 8] = [
    ("SQL here only reads", "25006"),
    ("there is no column `", "42703"),
    ("there is no table or view `", "42P01"),
    ("there is no function `", "42883"),
    ("no function takes `", "42883"),
    ("expected: ", "42601"), // the parser's
    ("arrow error: Divide by zero", "22012"),
    ("arrow error: Cast error", "22P02"),
];

/// One of our errors: by its message, `42000` for another statement that cannot be answered, `53200` for
/// one that needs more memory than it may use, `XX000` for damage and faults of ours.
pub(super) fn of_error(error: &Error) -> PgWireError {
    let text = error.to_string();
    let code = match error.kind() {
        ErrorKind::Internal => "XX000",
        ErrorKind::Interrupted => "57014",
        ErrorKind::User if text.contains("more memory than it may use") => "53200",
        ErrorKind::User => CODES.iter().find(|(start, _)| text.starts_with(start)).map_or("42000", |(_, code)| code),
    };
    refused(code, &text, error.hint_text())
}

/// An error of planning or running `text`.
pub(super) fn of_query(error: &DataFusionError, text: &str) -> PgWireError {
    of_error(&explained(error, text))
}
