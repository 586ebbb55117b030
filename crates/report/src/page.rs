//! The page from its templates (`templates/report/`, checked when the crate is compiled). Text of the study
//! is escaped by the templates; what is marked safe there was made by this module or by `svg`.

use super::answer::Answer;
use super::data_uri::data_uri;
use super::figure_layout::Sheet;
use super::sentence::{Part, Sentence};
use askama::Template;
use syntrace_base::error::{Error, Result};

/// The whole page.
#[derive(Template)]
#[template(path = "report/page.html")]
pub(super) struct Page {
    /// Name of the study.
    pub study: String,
    /// Version of the program.
    pub version: &'static str,
    /// Does it name training members?
    pub members_named: bool,
    /// All CSS.
    pub style: String,
    /// The study in short.
    pub headline: Vec<Sentence>,
    /// What follows.
    pub sections: Vec<Section>,
}

/// A part of the page with its heading.
pub(super) struct Section {
    /// Anchor.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What it is about.
    pub text: &'static str,
    /// Figures and tables, as HTML.
    pub blocks: Vec<String>,
}

#[derive(Template)]
#[template(path = "report/figure.html")]
struct FigureBlock<'a> {
    name: &'a str,
    title: &'a str,
    caption: &'a str,
    missing: Option<&'a str>,
    legend: Vec<LegendItem>,
    panels: Vec<String>,
    panel_width: u32,
    widest: u32,
    notes: &'a [String],
    source: SourceBlock,
}

struct LegendItem {
    sample: String,
    name: String,
}

#[derive(Template)]
#[template(path = "report/table.html")]
struct TableBlock<'a> {
    id: String,
    title: &'a str,
    caption: &'a str,
    missing: Option<&'a str>,
    grid: Grid,
    source: SourceBlock,
}

#[derive(Template)]
#[template(path = "report/source.html")]
struct SourceBlock {
    query: &'static str,
    given: String,
    rows: usize,
    question: String,
    command: String,
    csv: String,
    columns: String,
    /// The table as HTML; empty where it stands elsewhere or is too long.
    grid: String,
    sql: &'static str,
}

#[derive(Template)]
#[template(path = "report/grid.html")]
struct Grid {
    label: String,
    header: Vec<Head>,
    rows: Vec<Vec<Cell>>,
    more: usize,
}

struct Head {
    name: String,
    numeric: bool,
}

struct Cell {
    text: String,
    class: &'static str,
}

/// Longer texts of a cell are wrapped.
const LONG: usize = 48;
/// Rows of a table that stands under a figure.
const ROWS_UNDER_FIGURE: usize = 200;

fn made(template: &impl Template) -> Result<String> {
    template.render().map_err(|error| Error::internal(format!("cannot render the page: {error}")))
}

impl Grid {
    fn of(answer: &Answer, label: &str, rows_max: usize) -> Result<Self> {
        let rendered = answer.rendered()?;
        let cell = |(index, text): (usize, &String)| {
            let numeric = rendered.numeric.get(index) == Some(&true);
            match text.as_str() {
                "NULL" => Cell { text: "-".to_owned(), class: if numeric { "n null" } else { "null" } },
                "Infinity" => Cell { text: "\u{221e}".to_owned(), class: "n" },
                other if other.chars().count() > LONG => Cell { text: other.to_owned(), class: "long" },
                other => Cell { text: other.to_owned(), class: if numeric { "n" } else { "" } },
            }
        };
        let rows = rendered.rows.iter().take(rows_max).map(|row| row.iter().enumerate().map(cell).collect());
        let header = rendered.header.iter().zip(&rendered.numeric);
        Ok(Self {
            label: label.to_owned(),
            header: header.map(|(name, numeric)| Head { name: name.clone(), numeric: *numeric }).collect(),
            rows: rows.collect(),
            more: rendered.rows.len().saturating_sub(rows_max),
        })
    }
}

impl SourceBlock {
    fn of(answer: &Answer, grid: String) -> Result<Self> {
        Ok(Self {
            query: answer.query.name,
            given: answer.given.join(" "),
            rows: answer.rows(),
            question: answer.query.question.clone(),
            command: answer.command(),
            csv: data_uri("text/csv;charset=utf-8", answer.csv()?.as_bytes()),
            columns: answer.query.columns.clone(),
            grid,
            sql: answer.query.sql,
        })
    }
}

/// A figure with its query and data; `sheet` is `None` where the study lacks what it needs.
pub(super) fn figure_block(
    answer: &Answer,
    title: &str,
    caption: &str,
    needs: &str,
    sheet: Option<&Sheet>,
) -> Result<String> {
    let name = answer.query.name;
    let short = answer.rows() <= ROWS_UNDER_FIGURE && !answer.is_empty() && !answer.has_bytes();
    let grid = if short { made(&Grid::of(answer, title, ROWS_UNDER_FIGURE)?)? } else { String::new() };
    let source = SourceBlock::of(answer, grid)?;
    let panels = sheet.map(|sheet| sheet.panels.as_slice()).unwrap_or_default();
    let legend = sheet.map(|sheet| sheet.legend.as_slice()).unwrap_or_default();
    let width = panels.iter().map(|panel| panel.size.0).fold(0.0, f64::max);
    // Panels may grow to fill the line, but not past what their text needs.
    let columns = sheet.map_or(1, |sheet| sheet.columns.min(panels.len().max(1)));
    made(&FigureBlock {
        name,
        title,
        caption,
        missing: sheet.is_none().then_some(needs),
        legend: legend
            .iter()
            .map(|entry| LegendItem { sample: entry.sample_svg(), name: entry.name.clone() })
            .collect(),
        panels: panels.iter().enumerate().map(|(index, panel)| panel.svg(&format!("{name}-{index}"))).collect(),
        panel_width: width as u32,
        widest: (columns as f64 * width * 1.12) as u32,
        notes: sheet.map(|sheet| sheet.notes.as_slice()).unwrap_or_default(),
        source,
    })
}

/// A table with its query and data.
pub(super) fn table_block(answer: &Answer, title: &str, caption: &str, needs: &str, rows_max: usize) -> Result<String> {
    made(&TableBlock {
        id: format!("{}-table", answer.query.name),
        title,
        caption,
        missing: answer.is_empty().then_some(needs),
        grid: Grid::of(answer, title, rows_max)?,
        source: SourceBlock::of(answer, String::new())?,
    })
}

impl Page {
    /// The page as HTML.
    ///
    /// # Errors
    /// `internal` if a template fails.
    pub fn html(&self) -> Result<String> {
        made(self)
    }
}
