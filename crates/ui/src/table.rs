//! The rows of one table or view: filtered, sorted, counted, page by page.

use crate::answer::Answer;
use crate::download::FileFormat;
use crate::failure::{Answered, Failure, InAddress};
use crate::grid::Grid;
use crate::layout::{Frame, page_of, text_of};
use crate::query_string::QueryString;
use crate::study::{Study, View};
use crate::table_statement::{AFTER, BEFORE, DESCENDING, FACET, FORMAT, FROM, NO_FACET, OPERATORS, PAGE_ROWS, SORT};
use crate::table_statement::{TableStatement, is_sortable};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Parameters, Visible, create_table_text, tables, views};

/// Values of a column that are counted.
const FACET_VALUES_MAX: usize = 12;

/// Rows of a view whose values are counted in memory.
const VIEW_ROWS_MAX: usize = 20_000;

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
    /// Are pages found by the key of a row?
    has_key: bool,
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
    /// The page without it.
    address: String,
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
    /// Is it a query over tables?
    is_view: bool,
    /// Columns with what they mean.
    docs: Vec<(&'static str, &'static str)>,
}

fn known(name: &str) -> std::result::Result<Known, Failure> {
    if let Some(table) = tables().into_iter().find(|table| table.name == name) {
        let docs = table.columns.iter().map(|column| (column.name, column.doc)).collect();
        return Ok(Known { doc: table.doc, declaration: create_table_text(&table), is_view: false, docs });
    }
    if let Some(view) = views().into_iter().find(|view| view.name == name) {
        return Ok(Known { doc: view.doc, declaration: view.sql.to_owned(), is_view: true, docs: Vec::new() });
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
    let view = study.view()?;
    if let Some(format) = format {
        let statement = statement(&view, &name, &query).await?;
        return format.stream(&name, view.ask(&statement.all_rows(), &Parameters::new()).await?).await;
    }
    let address = query.after(&format!("/table/{name}"));
    let page = view.kept(&address, async { Ok(text_of(&of_table(&view, &name, known, &query).await?)?) });
    Ok(page_of(page.await?))
}

async fn statement(view: &View<'_>, name: &str, query: &QueryString) -> Result<TableStatement> {
    let visible = if view.study.names_members() { Visible::Everything } else { Visible::of(name) };
    let columns = view.columns(&format!("SELECT * FROM \"{name}\"")).await?;
    TableStatement::new(name, &columns, visible, query)
}

async fn of_table(view: &View<'_>, name: &str, known: Known, query: &QueryString) -> Result<Page> {
    let path = format!("/table/{name}");
    let statement = statement(view, name, query).await?;
    let sql = statement.rows();
    let (rows, (count, facets)) = tokio::try_join!(
        Answer::of_sql(view, &sql, PAGE_ROWS),
        counted(view, &statement, known.is_view, query, &path)
    )?;
    let rows = if statement.is_reversed() { rows.reversed()? } else { rows };
    let grid = grid(&rows, &statement, &known, query, &path)?;
    let (first, last) = (statement.from + 1, statement.from + rows.rows());
    let first_page = first_page(query);
    let link = |filter: &crate::table_statement::Filter| Link {
        words: filter.words.clone(),
        address: first_page.without(&filter.key).after(&path),
    };
    let (previous, next) = beside(&statement, query, &rows)?;
    Ok(Page {
        frame: view.study.frame(here(name), name),
        doc: known.doc,
        declaration: known.declaration,
        is_partial: statement.is_partial(),
        filters: statement.filters.iter().map(link).collect(),
        facets,
        has_key: statement.has_key,
        columns: countable(&statement),
        kept: first_page.pairs().to_vec(),
        rows: if rows.rows() == 0 { "none".to_owned() } else { format!("{first} to {last}") },
        grid,
        previous: (statement.from > 0).then(|| previous.after(&path)),
        next: (last < count && rows.rows() > 0).then(|| next.after(&path)),
        count: thousands(count),
        csv: first_page.with(FORMAT, "csv").after(&path),
        json: first_page.with(FORMAT, "json").after(&path),
        sql_page: QueryString::default().with("sql", sql.clone()).after("/sql"),
        sql,
    })
}

/// The address of the first page of the same rows.
fn first_page(query: &QueryString) -> QueryString {
    query.without(FROM).without(AFTER).without(BEFORE)
}

/// The addresses of the pages before and after one.
fn beside(statement: &TableStatement, query: &QueryString, rows: &Answer) -> Result<(QueryString, QueryString)> {
    let first = first_page(query);
    let at = |from: usize| if from == 0 { first.clone() } else { first.with(FROM, from.to_string()) };
    let (before, after) = (statement.from.saturating_sub(PAGE_ROWS), statement.from + rows.rows());
    if !statement.has_key || rows.rows() == 0 {
        return Ok((at(before), at(after)));
    }
    let columns = statement.order().map(|name| rows.texts(name)).collect::<Result<Vec<_>>>()?;
    let row = |row: usize| {
        let values = columns.iter().map(move |column| column.get(row).cloned().flatten());
        values.map(|value| value.map_or_else(|| "-".to_owned(), |value| format!("={value}"))).collect::<Vec<_>>()
    };
    let previous = if before == 0 { at(0) } else { at(before).with_all(BEFORE, row(0)) };
    Ok((previous, at(after).with_all(AFTER, row(rows.rows() - 1))))
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
    let answer = Answer::of_sql(view, &statement.count(), 1).await?;
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
            let query = first_page(query).without(DESCENDING).with(SORT, head.name.clone());
            let turned = if is_sorted && !descending { query.with(DESCENDING, "1") } else { query };
            head.sort = Some(turned.after(path));
        }
        head.sorted = is_sorted.then_some(if descending { "descending" } else { "ascending" });
        head
    })
}

/// The number of rows, and the facets.
async fn counted(
    view: &View<'_>,
    statement: &TableStatement,
    is_view: bool,
    query: &QueryString,
    path: &str,
) -> Result<(usize, Vec<Facet>)> {
    let asked: Vec<&str> = statement.facets.iter().map(String::as_str).filter(|it| query.get(it).is_none()).collect();
    // Each statement computes a view anew, and what it gives is small: its values are counted here.
    if is_view && !asked.is_empty() {
        let rows = Answer::of_sql(view, &statement.values(&asked), VIEW_ROWS_MAX).await?;
        if !rows.more {
            let of_column = |column: &&str| -> Result<Facet> {
                Ok(facet(statement, column, times(rows.texts(column)?), query, path))
            };
            let facets = asked.iter().map(of_column).collect::<Result<Vec<_>>>()?;
            return Ok((rows.rows(), told(facets, query)));
        }
    }
    let facets = try_join_all(asked.iter().map(|column| async {
        let answer = Answer::of_sql(view, &statement.facet(column, FACET_VALUES_MAX), FACET_VALUES_MAX + 1).await?;
        let times = answer.numbers("times")?.into_iter().map(|times| times.unwrap_or(0.0) as usize);
        let values = answer.texts("value")?.into_iter().zip(times).collect();
        Ok::<_, Error>(facet(statement, column, values, query, path))
    }));
    let (count, facets) = tokio::try_join!(count(view, statement), facets)?;
    Ok((count, told(facets, query)))
}

/// How often each value occurs, the most frequent first.
fn times(values: Vec<Option<String>>) -> Vec<(Option<String>, usize)> {
    let mut times: BTreeMap<Option<String>, usize> = BTreeMap::new();
    values.into_iter().for_each(|value| *times.entry(value).or_default() += 1);
    let mut times: Vec<(Option<String>, usize)> = times.into_iter().collect();
    times.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    times
}

/// Facets that tell something: one value for all rows does not, unless it was asked for.
fn told(mut facets: Vec<Facet>, query: &QueryString) -> Vec<Facet> {
    facets.retain(|facet| facet.values.len() > 1 || query.all(FACET).contains(&facet.column.as_str()));
    facets
}

/// The most frequent values of a column.
fn facet(
    statement: &TableStatement,
    column: &str,
    times: Vec<(Option<String>, usize)>,
    query: &QueryString,
    path: &str,
) -> Facet {
    let (first_page, more) = (first_page(query), times.len() > FACET_VALUES_MAX);
    let value = |(value, times): (Option<String>, usize)| {
        let (query, words) = match value {
            None => (first_page.with(&format!("{column}__null"), "1"), "empty".to_owned()),
            Some(value) => (first_page.with(column, value.clone()), value),
        };
        FacetValue { words, count: thousands(times), address: query.after(path) }
    };
    let values = times.into_iter().take(FACET_VALUES_MAX).map(value).collect();
    let others: Vec<String> = statement.facets.iter().filter(|other| *other != column).cloned().collect();
    let others = if others.is_empty() { vec![NO_FACET.to_owned()] } else { others };
    let address = query.with_all(FACET, others).after(path);
    Facet { column: column.to_owned(), address, values, more }
}
