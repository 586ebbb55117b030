//! Statements of the reader, and the named queries: each answer is an address.

use crate::answer::Answer;
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
use std::sync::Arc;
use std::time::Instant;
use syntrace_base::error::Result;
use syntrace_query::{NamedQuery, Parameters, named, named_queries, parse_parameter};

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
    queries: Vec<NamedQuery>,
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
}

/// The rows of a statement, or why there are none.
async fn outcome(running: Result<Running>, started: Instant) -> (StatusCode, Outcome) {
    let shown = async {
        let answer = Answer::first(running?, ROWS_MAX).await?;
        let milliseconds = started.elapsed().as_millis();
        let grid = Grid::of(&answer, "answer")?;
        Ok(Outcome::Rows(Box::new(Shown { rows: answer.rows(), more: answer.more, milliseconds, grid })))
    };
    match shown.await {
        Ok(shown) => (StatusCode::OK, shown),
        Err(error) => (status(&error), Outcome::Refused(Words::from(&error))),
    }
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
            let (code, outcome) = outcome(view.ask(&sql, &none).await, started).await;
            (code, Some(outcome))
        }
    };
    let file = |format: &str| query.without(FORMAT).with(FORMAT, format).after("/sql");
    let page = Page {
        frame: study.frame("sql", "SQL"),
        lines: sql.lines().count().clamp(6, 24),
        outcome,
        queries: named_queries(),
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
    let running = ask_named(&view, &query, &asked).await;
    if let Some(format) = format {
        return format.stream(&name, running?).await;
    }
    let (code, outcome) = outcome(running, started).await;
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
