//! What all pages have: the study's name and the ways to the others.

use crate::failure::{Answered, Failure};
use crate::study::Study;
use askama::Template;
use axum::response::{Html, IntoResponse};
use syntrace_base::error::Error;

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
    /// Of a page of the study.
    pub fn new(study: &Study, here: &'static str, title: impl Into<String>) -> Self {
        Self { title: title.into(), study: study.name.clone(), names_members: study.names_members(), here }
    }

    /// Of an error, which may be told to strangers.
    pub fn of_error() -> Self {
        Self { title: "No answer".to_owned(), study: String::new(), names_members: false, here: "" }
    }
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Answered {
    let text = page.render().map_err(|error| Error::internal(format!("cannot render the page: {error}")));
    Ok(Html(text.map_err(Failure::from)?).into_response())
}
