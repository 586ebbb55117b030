//! Requests without an answer: what was expected, what was found and what to do, as a page.

use crate::layout::{Frame, html};
use askama::Template;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use syntrace_base::error::{Error, ErrorKind, HintReader};

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
        Self { message: error.to_string(), hint: error.hint_text_for(HintReader::Browser).map(str::to_owned) }
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
