//! A table on a page.

use crate::answer::Answer;
use askama::Template;
use syntrace_base::error::Result;

/// Longer texts of a cell are wrapped.
const LONG: usize = 48;

/// Longer texts of a cell are cut; files have them whole.
const CUT: usize = 400;

/// Columns whose ids have a page.
const PAGES: &[(&str, &str)] = &[("model_id", "/model/"), ("trace_id", "/trace/")];

#[derive(Template)]
#[template(path = "grid.html")]
pub(crate) struct Grid {
    /// What a screen reader calls it.
    label: String,
    header: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

/// The head of a column.
pub(crate) struct Head {
    /// Name of the column.
    pub name: String,
    /// Are its cells numbers?
    pub numeric: bool,
    /// What it means.
    pub doc: String,
    /// Where the table is sorted by it.
    pub sort: Option<String>,
    /// `ascending` or `descending` where it is.
    pub sorted: Option<&'static str>,
}

struct Cell {
    text: String,
    class: &'static str,
    link: Option<String>,
}

impl Grid {
    /// The rows of an answer.
    pub fn of(answer: &Answer, label: impl Into<String>) -> Result<Self> {
        Self::with_heads(answer, label, |head| head)
    }

    /// The same, with more in the heads of columns.
    pub fn with_heads(answer: &Answer, label: impl Into<String>, head: impl Fn(Head) -> Head) -> Result<Self> {
        let rendered = answer.rendered()?;
        let plain = |(name, numeric): (&String, &bool)| {
            head(Head { name: name.clone(), numeric: *numeric, doc: String::new(), sort: None, sorted: None })
        };
        let header: Vec<Head> = rendered.header.iter().zip(&rendered.numeric).map(plain).collect();
        let row = |row: &Vec<String>| header.iter().zip(row).map(|(head, text)| cell(head, text)).collect();
        let rows = rendered.rows.iter().map(row).collect();
        Ok(Self { label: label.into(), header, rows })
    }
}

fn cell(head: &Head, text: &str) -> Cell {
    let class = match text {
        "NULL" => "null",
        _ if head.numeric => "n",
        _ if text.contains('\n') => "dump",
        _ if text.chars().count() > LONG => "long",
        _ => "",
    };
    let shown = match text {
        "NULL" => "-".to_owned(),
        "Infinity" => "\u{221e}".to_owned(),
        _ if class == "long" && text.chars().count() > CUT => {
            format!("{}\u{2026}", text.chars().take(CUT).collect::<String>())
        }
        _ => text.to_owned(),
    };
    let page = PAGES.iter().find(|(name, _)| *name == head.name && class != "null");
    Cell { text: shown, class, link: page.map(|(_, page)| format!("{page}{text}")) }
}
