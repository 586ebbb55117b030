//! SQL text to one statement.

use super::diagnose::explain;
use super::nesting_limits::require_shallow;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use syntrace_base::error::{Error, HintReader, Result};

/// Reads exactly one statement.
pub(crate) fn parse(text: &str) -> Result<Statement> {
    require_shallow(text)?;
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    let parsed =
        DFParserBuilder::new(text).with_dialect(&dialect).build().and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| match text.trim_start().get(..6) {
        Some(verb) if verb.eq_ignore_ascii_case("PIVOT ") => Error::user("a statement does not begin with PIVOT here")
            .hint("`FROM t PIVOT (sum(x) FOR k IN ('a', 'b'))`; `.pivot k` and `--pivot k` turn any answer")
            .hint_for(
                HintReader::Postgres,
                "`FROM t PIVOT (sum(x) FOR k IN ('a', 'b'))`; `\\crosstabview` in psql turns any answer",
            )
            .hint_for(
                HintReader::Python,
                "`FROM t PIVOT (sum(x) FOR k IN ('a', 'b'))`; pandas' `pivot` turns any answer",
            ),
        _ => explain(&error, text),
    })?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(Error::user("expected a SQL statement, found nothing")),
        (_, more) => Err(Error::user(format!("expected one SQL statement, found {}", more + 1))),
    }
}
