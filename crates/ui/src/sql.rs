//! Statements of the reader, and the named queries: each answer is an address.

use crate::answer::Answer;
use crate::chart::ChartForm;
use crate::download::FileFormat;
use crate::failure::{Answered, Failure, InAddress, Words, status};
use crate::grid::Grid;
use crate::layout::{Frame, html};
use crate::query_string::QueryString;
use crate::study::{Running, Study, View};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use syntrace_base::error::Result;
use syntrace_query::{FUNCTIONS, NamedQuery, Parameters, QUERIES_SCHEMA, is_about_real_traces, named, named_queries};
use syntrace_query::{parse_parameter, tables, views};

/// Rows on a page; files have all.
const ROWS_MAX: usize = 1_000;

/// Name of the statement in an address.
const SQL: &str = "sql";
/// `csv` or `json`.
const FORMAT: &str = "_format";

#[derive(Template)]
#[template(path = "sql.html")]
struct Page {
    frame: Frame,
    sql: String,
    /// Lines of the editor.
    lines: usize,
    outcome: Option<Outcome>,
    /// Where the statement is wrong.
    place: Option<Place>,
    /// Whether a named query is answered here, and the query.
    queries: Vec<(bool, NamedQuery)>,
    csv: String,
    json: String,
}

#[derive(Template)]
#[template(path = "query.html")]
struct NamedPage {
    frame: Frame,
    query: NamedQuery,
    /// Name, value and meaning of each parameter.
    parameters: Vec<(String, String, String)>,
    outcome: Outcome,
    csv: String,
    json: String,
    sql_page: String,
}

/// What became of a statement.
enum Outcome {
    Rows(Box<Shown>),
    Refused(Words),
}

struct Shown {
    rows: usize,
    more: bool,
    milliseconds: u128,
    grid: Grid,
    chart: ChartForm,
}

/// Where a statement is wrong: line and column from 1, and characters.
#[derive(Debug, PartialEq)]
struct Place {
    line: usize,
    column: usize,
    length: usize,
}

impl Place {
    /// The first place that a message shows, as a line of the statement with its number and carets below.
    fn of(message: &str) -> Option<Self> {
        let lines: Vec<&str> = message.lines().collect();
        lines.iter().zip(lines.iter().skip(1)).find_map(|(shown, below)| {
            let (number, text) = shown.strip_prefix("  ")?.split_once(" | ")?;
            let margin = shown.len() - text.len();
            let (indent, carets) = below.split_at(below.find('^')?);
            let is_caret = carets.chars().all(|character| character == '^');
            let column = indent.chars().count().checked_sub(margin)? + 1;
            is_caret.then_some(Self { line: number.parse().ok()?, column, length: carets.len() })
        })
    }
}

/// The rows of a statement, or why there are none.
async fn outcome(
    view: &View<'_>,
    query: &QueryString,
    running: Result<Running>,
    started: Instant,
) -> (StatusCode, Outcome) {
    let shown = async {
        let answer = Answer::first(running?, ROWS_MAX).await?;
        let milliseconds = started.elapsed().as_millis();
        let grid = Grid::of(&answer, "answer")?;
        let chart = ChartForm::of(view, &answer, query).await?;
        Ok(Outcome::Rows(Box::new(Shown { rows: answer.rows(), more: answer.more, milliseconds, grid, chart })))
    };
    match shown.await {
        Ok(shown) => (StatusCode::OK, shown),
        Err(error) => (status(&error), Outcome::Refused(Words::from(&error))),
    }
}

/// What the editor completes: names of tables, views, columns, functions and named queries.
pub(crate) fn words() -> &'static str {
    static WORDS: LazyLock<String> = LazyLock::new(|| {
        let mut words: BTreeSet<String> = FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
        for table in tables() {
            words.insert(table.name.to_owned());
            words.extend(table.columns.iter().map(|column| column.name.to_owned()));
        }
        words.extend(views().iter().map(|view| view.name.to_owned()));
        words.extend(named_queries().iter().map(|query| format!("{QUERIES_SCHEMA}.{}", query.name)));
        words.into_iter().collect::<Vec<_>>().join(" ")
    });
    &WORDS
}

/// `/sql`
pub(crate) async fn page(State(study): State<Arc<Study>>, RawQuery(query): RawQuery) -> Answered {
    let query = QueryString::parse(query.as_deref());
    let format = FileFormat::asked(query.get(FORMAT))?;
    let sql = query.get(SQL).unwrap_or_default().replace("\r\n", "\n");
    let (view, none) = (study.view()?, Parameters::new());
    let started = Instant::now();
    let (code, outcome) = match (format, sql.is_empty()) {
        (Some(format), _) => return format.stream("answer", view.ask(&sql, &none).await?).await,
        (None, true) => (StatusCode::OK, None),
        (None, false) => {
            let (code, outcome) = outcome(&view, &query, view.ask(&sql, &none).await, started).await;
            (code, Some(outcome))
        }
    };
    let file = |format: &str| query.without(FORMAT).with(FORMAT, format).after("/sql");
    let place = match &outcome {
        Some(Outcome::Refused(words)) => Place::of(&words.message),
        _ => None,
    };
    let is_answered = |query: &NamedQuery| study.names_members() || !is_about_real_traces(query.name);
    let with_mark = |query: NamedQuery| (is_answered(&query), query);
    let page = Page {
        frame: study.frame("sql", if study.is_frozen { "Queries" } else { "SQL" }),
        lines: sql.lines().count().clamp(6, 24),
        outcome,
        place,
        queries: named_queries().into_iter().map(with_mark).collect(),
        csv: file("csv"),
        json: file("json"),
        sql,
    };
    Ok((code, html(&page)?).into_response())
}

/// `/query/NAME`
pub(crate) async fn named_page(
    State(study): State<Arc<Study>>,
    name: InAddress,
    RawQuery(asked): RawQuery,
) -> Answered {
    let Path(name) = name?;
    let query = named(&name).map_err(Failure::nothing)?;
    let asked = QueryString::parse(asked.as_deref());
    let format = FileFormat::asked(asked.get(FORMAT))?;
    let asked = asked.without(FORMAT);
    let view = study.view()?;
    let started = Instant::now();
    let running = ask_named(&view, &query, &asked.parameters()).await;
    if let Some(format) = format {
        return format.stream(&name, running?).await;
    }
    let (code, outcome) = outcome(&view, &asked, running, started).await;
    let path = format!("/query/{name}");
    let parameter = |parameter: &syntrace_query::Parameter| {
        let default = || if parameter.default.is_null() { String::new() } else { parameter.default.to_string() };
        let value = asked.get(&parameter.name).map_or_else(default, str::to_owned);
        (parameter.name.clone(), value, parameter.doc.clone())
    };
    let page = NamedPage {
        frame: study.frame("sql", query.name),
        parameters: query.parameters.iter().map(parameter).collect(),
        outcome,
        csv: asked.with(FORMAT, "csv").after(&path),
        json: asked.with(FORMAT, "json").after(&path),
        sql_page: QueryString::default().with(SQL, format!("SELECT *\nFROM queries.{name}")).after("/sql"),
        query,
    };
    Ok((code, html(&page)?).into_response())
}

/// Starts a named query with the values of an address.
async fn ask_named(view: &View<'_>, query: &NamedQuery, asked: &QueryString) -> Result<Running> {
    let given = asked.pairs().iter().map(|(name, value)| parse_parameter(&format!("{name}={value}")));
    view.ask_named(query, &given.collect::<Result<Parameters>>()?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_error_is_read_from_its_message() {
        let message = "there is no column `b`\n  12 | \tb FROM t\n       \t^^";
        assert_eq!(Place::of(message), Some(Place { line: 12, column: 2, length: 2 }));
        assert_eq!(Place::of("no table\n  1 | SELECT 1\nand so on"), None);
    }
}
