//! What all pages have: the study's name and the ways to the others.

use askama::Template;
use axum::body::Bytes;
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

/// Where the list of several studies is: in a page of one of them this address stays as it is.
pub(crate) const LIST: &str = "/./";

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
    /// Are there links at the top?
    pub has_pages: bool,
    /// Is the page a file, which nobody answers?
    pub is_frozen: bool,
    /// Is there a page that lists several studies?
    pub is_one_of_several: bool,
}

impl Frame {
    /// Of an error, which may be told to strangers.
    pub fn of_error() -> Self {
        Self { has_pages: true, ..Self::of_no_study("No answer") }
    }

    /// Of a page outside all studies.
    pub fn of_no_study(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            study: String::new(),
            names_members: false,
            here: "",
            has_pages: false,
            is_frozen: false,
            is_one_of_several: false,
        }
    }
}

/// A page as text.
pub(crate) fn text_of(page: &impl Template) -> Result<String> {
    page.render().map_err(|error| Error::internal(format!("cannot render the page: {error}")))
}

/// The text of a page as an answer.
pub(crate) fn page_of(text: Bytes) -> Response {
    Html(text).into_response()
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Result<Response> {
    Ok(page_of(text_of(page)?.into()))
}
