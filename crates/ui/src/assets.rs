//! What pages load: the report's colours with one sheet of our own, and small scripts.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::future::{Ready, ready};

/// A file that pages load.
pub(crate) struct Asset {
    /// Its address.
    pub address: &'static str,
    content_type: &'static str,
    /// Its content.
    pub text: fn() -> Cow<'static, str>,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All of them: the sheet, marks that say what they are, the progress of a run, and the editor's.
pub(crate) const ALL: [Asset; 4] = [
    Asset { address: "/style.css", content_type: "text/css; charset=utf-8", text: style },
    Asset { address: "/hover.js", content_type: SCRIPT, text: || include_str!("../templates/hover.js").into() },
    Asset { address: "/live.js", content_type: SCRIPT, text: || include_str!("../templates/live.js").into() },
    Asset { address: "/editor.js", content_type: SCRIPT, text: || include_str!("../templates/editor.js").into() },
];

impl Asset {
    /// What answers a request for it.
    pub fn answer(&self) -> impl Fn() -> Ready<Response> + Clone + Send + Sync + 'static + use<> {
        let (content_type, text) = (self.content_type, self.text);
        move || ready(([(header::CONTENT_TYPE, content_type)], text()).into_response())
    }
}

/// One sheet for all pages.
fn style() -> Cow<'static, str> {
    format!("{}{}", syntrace_report::page_style(), include_str!("../templates/style.css")).into()
}
