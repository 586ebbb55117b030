//! All tables and views with their columns.

use crate::failure::Answered;
use crate::layout::{Frame, html};
use crate::study::Study;
use askama::Template;
use axum::extract::State;
use std::sync::Arc;
use syntrace_query::{ViewInfo, create_table_text, tables, views};

#[derive(Template)]
#[template(path = "tables.html")]
struct Page {
    frame: Frame,
    tables: Vec<Entry>,
    views: Vec<ViewInfo>,
}

struct Entry {
    name: &'static str,
    doc: &'static str,
    /// Its `CREATE TABLE` with a comment for each column.
    text: String,
}

/// `/tables`
pub(crate) async fn page(State(study): State<Arc<Study>>) -> Answered {
    let entry = |table| Entry { text: create_table_text(&table), name: table.name, doc: table.doc };
    let tables = tables().into_iter().map(entry).collect();
    Ok(html(&Page { frame: study.frame("tables", "Tables"), tables, views: views() })?)
}
