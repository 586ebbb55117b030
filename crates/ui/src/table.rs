//! The rows of one table or view: filtered, sorted, counted, page by page.

use crate::answer::Answer;
use crate::download::FileFormat;
use crate::failure::{Answered, Failure, InAddress};
use crate::grid::Grid;
use crate::layout::{Frame, html};
use crate::query_string::QueryString;
use crate::study::{Study, View};
use crate::table_statement::{DESCENDING, FORMAT, FROM, OPERATORS, PAGE_ROWS, SORT, TableStatement, is_sortable};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::IntoResponse;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Parameters, Visible, create_table_text, tables, views};

/// Values of a column that are counted.
const FACET_VALUES_MAX: usize = 12;

#[derive(Template)]
#[template(path = "table.html")]
struct Page {
    frame: Frame,
    doc: &'static str,
    /// How the table is declared.
    declaration: String,
    is_partial: bool,
    filters: Vec<Link>,
    facets: Vec<Facet>,
    columns: Vec<String>,
    /// Fields of the form that keep the rest of the address.
    kept: Vec<(String, String)>,
    count: String,
    rows: String,
    grid: Grid,
    previous: Option<String>,
    next: Option<String>,
    csv: String,
    json: String,
    sql: String,
    sql_page: String,
}

struct Link {
    words: String,
    address: String,
}

struct Facet {
    column: String,
    values: Vec<FacetValue>,
    more: bool,
}

struct FacetValue {
    words: String,
    count: String,
    address: String,
}

/// What is known of a table without reading it.
struct Known {
    doc: &'static str,
    declaration: String,
    /// Columns with what they mean.
    docs: Vec<(&'static str, &'static str)>,
}

fn known(name: &str) -> std::result::Result<Known, Failure> {
    if let Some(table) = tables().into_iter().find(|table| table.name == name) {
        let docs = table.columns.iter().map(|column| (column.name, column.doc)).collect();
        return Ok(Known { doc: table.doc, declaration: create_table_text(&table), docs });
    }
    if let Some(view) = views().into_iter().find(|view| view.name == name) {
        return Ok(Known { doc: view.doc, declaration: view.sql.to_owned(), docs: Vec::new() });
    }
    let names: Vec<&str> =
        tables().iter().map(|table| table.name).chain(views().iter().map(|view| view.name)).collect();
    let error = Error::user(format!("there is no table or view `{name}`"));
    Err(Failure::nothing(error.hint_near(name, &names, "all of them are under Tables")))
}

/// `/table/NAME`
pub(crate) async fn page(State(study): State<Arc<Study>>, name: InAddress, RawQuery(query): RawQuery) -> Answered {
    let Path(name) = name?;
    let known = known(&name)?;
    let query = QueryString::parse(query.as_deref());
    let format = FileFormat::asked(query.get(FORMAT))?;
    let query = query.without(FORMAT);
    let view = study.view()?;
    let visible = if study.names_members() { Visible::Everything } else { Visible::of(&name) };
    let columns = view.columns(&format!("SELECT * FROM \"{name}\"")).await?;
    let statement = TableStatement::new(&name, &columns, visible, &query)?;
    let sql = statement.rows();
    let rows = Answer::first(view.ask(&sql, &Parameters::new()).await?, PAGE_ROWS).await?;
    if let Some(format) = format {
        let bytes = rows.written(format.format)?;
        return Ok(format.answer(&name, bytes).into_response());
    }
    let path = format!("/table/{name}");
    let count = count(&view, &statement).await?;
    let grid = grid(&rows, &statement, &known, &query, &path)?;
    let (first, last) = (statement.from + 1, statement.from + rows.rows());
    let at = |from: usize| match from {
        0 => query.without(FROM).after(&path),
        _ => query.with(FROM, from.to_string()).after(&path),
    };
    let link = |filter: &crate::table_statement::Filter| Link {
        words: filter.words.clone(),
        address: query.without(&filter.key).without(FROM).after(&path),
    };
    Ok(html(&Page {
        frame: study.frame(here(&name), name.clone()),
        doc: known.doc,
        declaration: known.declaration,
        is_partial: statement.is_partial(),
        filters: statement.filters.iter().map(link).collect(),
        facets: facets(&view, &statement, &query, &path).await?,
        columns: countable(&statement),
        kept: query.without(FROM).pairs().to_vec(),
        rows: if rows.rows() == 0 { "none".to_owned() } else { format!("{first} to {last}") },
        grid,
        previous: (statement.from > 0).then(|| at(statement.from.saturating_sub(PAGE_ROWS))),
        next: (last < count).then(|| at(last)),
        count: thousands(count),
        csv: query.with(FORMAT, "csv").after(&path),
        json: query.with(FORMAT, "json").after(&path),
        sql_page: QueryString::default().with("sql", sql.clone()).after("/sql"),
        sql,
    })?)
}

/// The link at the top that leads to a table.
fn here(name: &str) -> &'static str {
    match name {
        "target_models" => "models",
        "synthetic_traces" => "traces",
        _ => "tables",
    }
}

/// Columns whose values can be counted and written into an address.
fn countable(statement: &TableStatement) -> Vec<String> {
    let fields = statement.columns.fields().iter().filter(|field| is_sortable(field.data_type()));
    fields.map(|field| field.name().clone()).collect()
}

/// One number of a statement.
async fn count(view: &View<'_>, statement: &TableStatement) -> Result<usize> {
    let answer = Answer::first(view.ask(&statement.count(), &Parameters::new()).await?, 1).await?;
    let text = answer.rendered()?.rows.into_iter().flatten().next().unwrap_or_default();
    text.parse().map_err(|_| Error::internal(format!("expected a count, found `{text}`")))
}

/// A number with its thousands apart.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join("\u{a0}")
}

fn grid(rows: &Answer, statement: &TableStatement, known: &Known, query: &QueryString, path: &str) -> Result<Grid> {
    Grid::with_heads(rows, known.doc, |mut head| {
        let doc = known.docs.iter().find(|(name, _)| *name == head.name);
        head.doc = doc.map(|(_, doc)| (*doc).to_owned()).unwrap_or_default();
        let is_sorted = query.get(SORT) == Some(&head.name);
        let descending = query.get(DESCENDING).is_some();
        if statement.columns.field_with_name(&head.name).is_ok_and(|field| is_sortable(field.data_type())) {
            let query = query.without(FROM).without(DESCENDING).with(SORT, head.name.clone());
            let turned = if is_sorted && !descending { query.with(DESCENDING, "1") } else { query };
            head.sort = Some(turned.after(path));
        }
        head.sorted = is_sorted.then_some(if descending { "descending" } else { "ascending" });
        head
    })
}

async fn facets(view: &View<'_>, statement: &TableStatement, query: &QueryString, path: &str) -> Result<Vec<Facet>> {
    let mut facets = Vec::new();
    for column in statement.facets.iter().filter(|column| query.get(column).is_none()) {
        let sql = statement.facet(column, FACET_VALUES_MAX);
        let answer = Answer::first(view.ask(&sql, &Parameters::new()).await?, FACET_VALUES_MAX + 1).await?;
        let rows = answer.rendered()?.rows;
        let value = |row: &Vec<String>| {
            let (value, count) = (row.first()?, row.get(1)?);
            let (query, words) = match value.as_str() {
                "NULL" => (query.with(&format!("{column}__null"), "1"), "empty"),
                value => (query.with(column, value), value),
            };
            let address = query.without(FROM).after(path);
            Some(FacetValue { words: words.to_owned(), count: thousands(count.parse().ok()?), address })
        };
        let values = rows.iter().take(FACET_VALUES_MAX).filter_map(value).collect();
        facets.push(Facet { column: column.clone(), values, more: rows.len() > FACET_VALUES_MAX });
    }
    // One value for all rows tells nothing.
    facets.retain(|facet| facet.values.len() > 1);
    Ok(facets)
}
