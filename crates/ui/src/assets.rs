//! The style of all pages: the report's colours, and one sheet of our own.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// One sheet for all pages.
pub(crate) async fn style() -> Response {
    let text = format!("{}{}", syntrace_report::page_style(), include_str!("../templates/style.css"));
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}
