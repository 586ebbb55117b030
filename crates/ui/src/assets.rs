//! What pages load: the report's colours with one sheet of our own, and one script.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// What shows a run as it goes on.
pub(crate) async fn live() -> Response {
    let text = include_str!("../templates/live.js");
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response()
}

/// One sheet for all pages.
pub(crate) async fn style() -> Response {
    let text = format!("{}{}", syntrace_report::page_style(), include_str!("../templates/style.css"));
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}
