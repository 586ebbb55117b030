//! Which statements may be planned.

use super::nesting_limits::require_few_tables;
use super::rewrite::{inner, rewrite, with_select};
use super::walk::any_expression;
use crate::correctness::require_exact;
use crate::information_schema::described;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, SetExpr, Statement as SqlStatement};
use syntrace_base::error::{Error, HintReader, Result};

/// A statement that may be planned: it only reads, its `bytea` literals are bytes and its columns have names of
/// their own.
pub(crate) fn admitted(mut statement: Statement) -> Result<Statement> {
    with_select(&mut statement);
    require_few_tables(&statement)?;
    require_reading(&statement)?;
    require_plain_distinct_from(&mut statement)?;
    if let Some(statement) = inner(&mut statement) {
        require_exact(statement)?;
    }
    rewrite(&mut statement)?;
    Ok(statement)
}

/// Refuses `a IS DISTINCT FROM b AND c` without parentheses: sqlparser (0.62) takes all that follows for the right side,
/// `a IS DISTINCT FROM (b AND c)`, where PostgreSQL and DuckDB take `b` alone.
fn require_plain_distinct_from(statement: &mut Statement) -> Result<()> {
    let Some(statement) = inner(statement) else { return Ok(()) };
    let is_swallowed = |expression: &Expr| match expression {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            matches!(right.as_ref(), Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
        }
        _ => false,
    };
    if any_expression(statement, is_swallowed) {
        return Err(Error::user("expected parentheses around IS DISTINCT FROM next to AND or OR".to_owned())
            .hint("write (a IS DISTINCT FROM b) AND c: without them, what follows is read as a part of b"));
    }
    Ok(())
}

/// Refuses everything but reading.
fn require_reading(statement: &Statement) -> Result<()> {
    let what = match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            SqlStatement::Query(query) if query.to_string().contains(" INTO ") => return require_no_into(statement),
            SqlStatement::Query(_)
            | SqlStatement::ExplainTable { .. }
            | SqlStatement::ShowTables { .. }
            | SqlStatement::ShowColumns { .. }
            | SqlStatement::ShowFunctions { .. }
            | SqlStatement::ShowVariable { .. } => return Ok(()),
            SqlStatement::Explain { statement, .. } => {
                return require_reading(&Statement::Statement(statement.clone()));
            }
            other => first_words(&other.to_string()),
        },
        Statement::Explain(explain) => return require_reading(&explain.statement),
        Statement::CreateExternalTable(_) => "CREATE EXTERNAL TABLE".to_owned(),
        Statement::CopyTo(_) => "COPY".to_owned(),
        Statement::Reset(_) => "RESET".to_owned(),
    };
    Err(refusal(&what))
}

fn require_no_into(statement: &SqlStatement) -> Result<()> {
    match statement {
        SqlStatement::Query(query) => match query.body.as_ref() {
            SetExpr::Select(select) if select.into.is_some() => Err(refusal("SELECT INTO")),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn refusal(what: &str) -> Error {
    Error::user(format!("SQL here only reads, found `{what}`"))
        .with_sqlstate("25006")
        .hint("SELECT, WITH, EXPLAIN, DESCRIBE and SHOW work; to keep a result, write the answer to a file: -o FILE, or `.once FILE`")
        .hint_for(
            HintReader::Postgres,
            "SELECT, WITH, EXPLAIN, DESCRIBE and SHOW work; `\\copy (SELECT ...) TO 'answer.csv' CSV HEADER` in psql keeps a result",
        )
        .hint_for(
            HintReader::Python,
            "SELECT, WITH, EXPLAIN, DESCRIBE and SHOW work; `sql(...).to_arrow()` and `.to_pandas()` keep a result",
        )
}

fn first_words(statement: &str) -> String {
    statement.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// The plan of a statement, which may only read.
pub(crate) async fn reading_plan(
    context: &SessionContext,
    statement: Statement,
) -> datafusion::common::Result<LogicalPlan> {
    let plan = described(context.state().statement_to_plan(statement).await?)?;
    let only_reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_reads.verify_plan(&plan)?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_name_are_named_apart() {
        let statement = admitted(crate::sql::parse::parse("SELECT NULL, NULL::int, 1 AS a, NULL").unwrap()).unwrap();
        assert_eq!(statement.to_string(), "SELECT NULL, NULL::INT AS \"NULL_2\", 1 AS a, NULL AS \"NULL_3\"");
    }

    #[test]
    fn a_query_may_begin_with_from_and_end_there() {
        for (text, read) in [("FROM t", "SELECT * FROM t"), ("SELECT 1 IN (FROM u)", "SELECT 1 IN (SELECT * FROM u)")] {
            let statement = admitted(crate::sql::parse::parse(text).unwrap()).unwrap();
            assert_eq!(statement.to_string(), read);
        }
    }

    #[test]
    fn calls_that_differ_in_casts_alone_are_named_apart() {
        let admitted = |text: &str| admitted(crate::sql::parse::parse(text).unwrap()).unwrap().to_string();
        let found = admitted("SELECT avg(x), avg(x::real) AS b FROM t HAVING avg(x::real) > 1");
        assert_eq!(found, "SELECT avg(x), avg(coalesce(x::REAL)) AS b FROM t HAVING avg(coalesce(x::REAL)) > 1");
        let alone = "SELECT avg(x::REAL), avg(x::REAL) + 1 FROM t";
        assert_eq!(admitted(alone), alone);
    }

    #[test]
    fn bytea_literals_are_pairs_of_hex_digits() {
        let admitted = |text: &str| Ok::<_, Error>(admitted(crate::sql::parse::parse(text)?)?.to_string());
        let found = admitted(r"SELECT '\x45aF'::bytea, CAST('\x' AS BYTEA), 'ab'::bytea, '\x45'").unwrap();
        assert_eq!(found, r"SELECT X'45aF', X'', 'ab'::BYTEA, '\x45'");
        assert_eq!(admitted(r"EXPLAIN SELECT '\x00'::bytea").unwrap(), "EXPLAIN SELECT X'00'");
        for wrong in [r"'\x4'", r"'\x4g'", r"'\000'", r"'a\x00'"] {
            let error = admitted(&format!("SELECT 1 WHERE data = {wrong}::bytea")).unwrap_err().to_string();
            assert!(error.contains("pairs of hex digits"), "{error}");
        }
    }
}
