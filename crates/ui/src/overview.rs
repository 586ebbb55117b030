//! The first page: privacy against utility, the strongest attacks, and how far a run has come.

use crate::answer::{Answer, generators};
use crate::failure::{Answered, Failure};
use crate::grid::Grid;
use crate::layout::{Frame, page_of, text_of};
use crate::progress::Progress;
use crate::query_string::QueryString;
use crate::study::{Study, View};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use askama::Template;
use axum::extract::{RawQuery, State};
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Parameters, named, parse_parameter};
use syntrace_report::{FigureParts, Mark, privacy_vs_utility};

/// Rows of a figure or a table: far more than there are generators at budgets.
const ROWS_MAX: usize = 10_000;

/// What the page may be narrowed to: name in the address and in the rows, and words for it.
const FILTERS: &[(&str, &str)] =
    &[("dataset", "Dataset"), ("epsilon", "Epsilon"), ("attack", "Strongest attack"), ("plan", "Plan")];

/// Stands for NULL in an address.
const NONE: &str = "none";

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    filters: Vec<Filter>,
    figure: FigureParts,
    grid: Grid,
    rows: usize,
}

struct Filter {
    name: &'static str,
    words: &'static str,
    /// Values, and whether the page is narrowed to it.
    values: Vec<(String, bool)>,
}

/// `/`
pub(crate) async fn page(State(study): State<Arc<Study>>, RawQuery(query): RawQuery) -> Answered {
    answer(&study, &QueryString::parse(query.as_deref())).await
}

/// Stands in the kept page where the progress of a run is, which the clock is a part of.
pub(crate) const PROGRESS: &str = "<!-- progress -->";

/// The page of an address.
pub(crate) async fn answer(study: &Study, query: &QueryString) -> Answered {
    let known = |name: &str| FILTERS.iter().any(|(known, _)| *known == name);
    if let Some((name, _)) = query.pairs().iter().find(|(name, _)| !known(name)) {
        let names: Vec<&str> = FILTERS.iter().map(|(name, _)| *name).collect();
        let error = Error::user(format!("the overview has no filter `{name}`"));
        return Err(Failure::from(error.hint(format!("there are: {}", names.join(", ")))));
    }
    let view = study.view()?;
    let address = query.after("/");
    let drawn = view.kept(&address, async { Ok(text_of(&drawn(&view, query).await?)?) });
    let (page, progress) = tokio::try_join!(drawn, Progress::part(&view))?;
    let page = String::from_utf8_lossy(&page).replacen(PROGRESS, &progress, 1);
    Ok(page_of(page.into()))
}

async fn drawn(view: &View<'_>, query: &QueryString) -> Result<Page> {
    let (plane, attacks, generators) = tokio::try_join!(
        rows(view, "privacy_vs_utility", None),
        rows(view, "strongest_attacks", query.get("dataset")),
        generators(view),
    )?;
    let filters = FILTERS.iter().map(|&(name, words)| {
        let mut values: Vec<String> = words_of(&plane, name)?;
        values.sort();
        values.dedup();
        let chosen = query.get(name);
        // A value that no row has stays visible, so that an empty page can be explained.
        values.extend(chosen.filter(|chosen| values.iter().all(|value| value != chosen)).map(str::to_owned));
        let values = values.into_iter().map(|value| (value.clone(), chosen == Some(value.as_str()))).collect();
        Ok(Filter { name, words, values })
    });
    let filters = filters.collect::<Result<Vec<_>>>()?;
    let attacks = Answer::of(narrowed(attacks, &query.without("dataset"))?);
    Ok(Page {
        frame: view.study.frame("overview", "Overview"),
        filters,
        figure: privacy_vs_utility(narrowed(plane, query)?, generators, address)?,
        rows: attacks.rows(),
        grid: Grid::of(&attacks, "The strongest attack on each generator at each budget")?,
    })
}

/// All rows of a named query, of one dataset or of all.
async fn rows(view: &View<'_>, name: &str, dataset: Option<&str>) -> Result<RecordBatch> {
    let text = |dataset: &str| parse_parameter(&format!("dataset='{}'", dataset.replace('\'', "''")));
    let given = dataset.map(text).into_iter().collect::<Result<Parameters>>()?;
    Answer::first(view.ask_named(&named(name)?, &given).await?, ROWS_MAX).await?.into_batch()
}

/// A column as it stands in addresses.
fn words_of(rows: &RecordBatch, column: &str) -> Result<Vec<String>> {
    let wrong = |what: String| Error::internal(format!("column `{column}` of the overview: {what}"));
    let values = rows.column_by_name(column).ok_or_else(|| wrong("there is none".to_owned()))?;
    let texts = cast(values, &DataType::Utf8).map_err(|error| wrong(error.to_string()))?;
    let is_number = values.data_type().is_numeric();
    let whole = |text: &str| text.strip_suffix(".0").filter(|_| is_number).unwrap_or(text).to_owned();
    let text = |text: Option<&str>| text.map_or(NONE.to_owned(), whole);
    Ok(texts.as_string::<i32>().iter().map(text).collect())
}

/// The rows that have the values of an address.
fn narrowed(rows: RecordBatch, query: &QueryString) -> Result<RecordBatch> {
    let mut narrowed = rows;
    for (column, wanted) in query.pairs() {
        let kept: BooleanArray = words_of(&narrowed, column)?.iter().map(|found| Some(found == wanted)).collect();
        narrowed = filter_record_batch(&narrowed, &kept)
            .map_err(|error| Error::internal(format!("cannot filter the overview: {error}")))?;
    }
    Ok(narrowed)
}

/// The models of a mark.
fn address(mark: &Mark<'_>) -> String {
    let query = QueryString::default().with("dataset", mark.dataset).with("generator", mark.generator);
    let query = query.with("regime", mark.regime);
    let query = if mark.plan.is_empty() { query.with("plan__null", "1") } else { query.with("plan", mark.plan) };
    query.after("/table/target_models")
}
