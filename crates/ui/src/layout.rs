//! What all pages have: the study's name and the ways to the others.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use syntrace_base::error::{Error, Result};

/// The links at the top: name in the code, address, words.
pub(crate) const PAGES: &[(&str, &str, &str)] = &[
    ("overview", "/", "Overview"),
    ("models", "/table/target_models", "Models"),
    ("traces", "/table/synthetic_traces", "Traces"),
    ("sql", "/sql", "SQL"),
    ("tables", "/tables", "Tables"),
];

/// The head of a page.
pub(crate) struct Frame {
    /// Title of the page.
    pub title: String,
    /// Name of the study; empty on a page that does not say it.
    pub study: String,
    /// May pages name real traces?
    pub names_members: bool,
    /// Which of the links at the top is this page's.
    pub here: &'static str,
}

impl Frame {
    /// Of an error, which may be told to strangers.
    pub fn of_error() -> Self {
        Self { title: "No answer".to_owned(), study: String::new(), names_members: false, here: "" }
    }
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Result<Response> {
    let text = page.render().map_err(|error| Error::internal(format!("cannot render the page: {error}")));
    Ok(Html(text?).into_response())
}
