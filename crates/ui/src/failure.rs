//! Requests without an answer: what was expected, what was found and what to do, as a page.

use crate::layout::{Frame, html};
use askama::Template;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use syntrace_base::error::{Error, ErrorKind};

/// An error with the status of its answer.
pub(crate) struct Failure {
    /// Status of the answer.
    pub status: StatusCode,
    /// What is wrong.
    pub error: Error,
}

/// What a page answers.
pub(crate) type Answered = Result<Response, Failure>;

/// A part of the address that a page reads.
pub(crate) type InAddress = Result<Path<String>, PathRejection>;

impl Failure {
    /// There is nothing at an address.
    pub fn nothing(error: Error) -> Self {
        Self { status: StatusCode::NOT_FOUND, error }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { status: status(&error), error }
    }
}

impl From<PathRejection> for Failure {
    fn from(wrong: PathRejection) -> Self {
        let error = Error::user(format!("this address cannot be read: {}", wrong.body_text()));
        Self::nothing(error.hint("the pages are named at the top"))
    }
}

/// The status that says who has to act.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::User if error.sqlstate() == "42501" => StatusCode::FORBIDDEN,
        ErrorKind::User => StatusCode::BAD_REQUEST,
        ErrorKind::Interrupted | ErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Message and hint of an error; a message may show the place in a statement on lines of its own.
pub(crate) struct Words {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<&Error> for Words {
    fn from(error: &Error) -> Self {
        Self { message: error.to_string(), hint: error.hint_text().map(in_a_browser) }
    }
}

/// A hint in the words of who reads pages: the crates below speak to the command line.
fn in_a_browser(hint: &str) -> String {
    let said = [
        ("`.tables` lists all", "all of them are under Tables"),
        ("; `.pivot k` and `--pivot k` turn any answer", ""),
        ("raise --memory (in Python `memory_mib`), or ask", "start `syntrace ui` with a larger --memory, or ask"),
        ("for example -v class=windows", "for example ?class=windows"),
        ("or start with --members", "or start `syntrace ui` with --members"),
        ("start with --members, and mind", "start `syntrace ui` with --members, and mind"),
    ];
    let hint = said.iter().fold(hint.to_owned(), |hint, (theirs, ours)| hint.replace(theirs, ours));
    // What gives a parameter its value on a command line.
    let hint = hint.split_once(" (on the command line").map_or(hint.as_str(), |(before, _)| before);
    match hint.starts_with("give it one: ") {
        true => "named queries have fields for their parameters; in a statement a value stands in its place".to_owned(),
        false => hint.to_owned(),
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Page {
    frame: Frame,
    words: Words,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = Page { frame: Frame::of_error(), words: Words::from(&self.error) };
        match html(&page) {
            Ok(response) => (self.status, response).into_response(),
            Err(error) => (self.status, error.to_string()).into_response(),
        }
    }
}

/// The answer to an address that no page has.
pub(crate) async fn no_page(uri: Uri) -> Failure {
    let error = Error::user(format!("there is no page `{}`", uri.path()));
    Failure::nothing(error.hint("the pages are named at the top"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_speak_to_readers_of_pages() {
        for hint in [
            "`.tables` lists all",
            "`FROM t PIVOT (x)`; `.pivot k` and `--pivot k` turn any answer",
            "give it one: a=VALUE (on the command line -v a=VALUE)",
        ] {
            let said = in_a_browser(hint);
            assert!(!said.contains("`.") && !said.contains(" -v ") && !said.contains("--pivot"), "{said}");
        }
        assert_eq!(in_a_browser("did you mean `x`?"), "did you mean `x`?");
    }
}
