//! Routes: those of one study, or those of several, each below its name, with a page that lists them.

use crate::access;
use crate::answer::Answer;
use crate::failure::{Answered, Failure};
use crate::layout::{Frame, LIST, html};
use crate::links::with_addresses;
use crate::study::Study;
use crate::token::Access;
use crate::{assets, failure, model, overview, progress, sql, table, table_list, trace};
use askama::Template;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use syntrace_base::error::Error;
use syntrace_query::{Parameters, named};

/// Longest name in an address.
const NAME_MAX: usize = 60;

/// All pages, for who may see them.
pub(crate) fn routes(studies: Vec<Arc<Study>>, access: Arc<Access>) -> Router {
    let router = match <[Arc<Study>; 1]>::try_from(studies) {
        Ok([study]) => of_study(study),
        Err(studies) => of_studies(&studies),
    };
    router.layer(from_fn_with_state(access, access::guard))
}

fn of_study(study: Arc<Study>) -> Router {
    with_assets(Router::new())
        .route("/", get(overview::page))
        .route("/progress.json", get(progress::json))
        .route("/model/{id}", get(model::page))
        .route("/trace/{id}", get(trace::page))
        .route("/tables", get(table_list::page))
        .route("/table/{name}", get(table::page))
        .route("/sql", get(sql::page))
        .route("/query/{name}", get(sql::named_page))
        .fallback(failure::no_page)
        .with_state(study)
}

fn with_assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    assets::ALL.iter().fold(router, |router, asset| router.route(asset.address, get(asset.answer())))
}

fn of_studies(studies: &[Arc<Study>]) -> Router {
    let list = with_assets(Router::new()).route("/", get(page)).fallback(failure::no_page).with_state(studies.to_vec());
    studies.iter().fold(list, |router, study| {
        let prefix = format!("/{}", study.name);
        let below = from_fn_with_state(prefix.clone(), below);
        router.nest(&prefix, of_study(Arc::clone(study)).layer(below))
    })
}

/// Names that can stand in an address and differ, in the order of the given ones.
pub(crate) fn names<'a>(given: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in given {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
        let plain: String = name.chars().map(plain).take(NAME_MAX).collect();
        let plain = if plain.is_empty() { "study".to_owned() } else { plain };
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        names.extend(std::iter::once(plain.clone()).chain(numbered).find(|name| !names.contains(name)));
    }
    names
}

/// Gives the addresses in a page the name of its study.
async fn below(State(prefix): State<String>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/html")) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // Pages are whole in memory already.
    let page = to_bytes(body, usize::MAX).await.ok().and_then(|bytes| String::from_utf8(bytes.into()).ok());
    let Some(page) = page else {
        return Failure::from(Error::internal("a page that is no text")).into_response();
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, with_addresses(&page, |address| Some(prefixed(&prefix, address))).into())
}

fn prefixed(prefix: &str, address: &str) -> String {
    match address.strip_prefix('/') {
        _ if address == LIST => address.to_owned(),
        Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("{prefix}{rest}"),
        _ => format!("{prefix}{address}"),
    }
}

#[derive(Template)]
#[template(path = "studies.html")]
struct Page {
    frame: Frame,
    studies: Vec<Listed>,
}

/// A study in the list.
struct Listed {
    name: String,
    /// What it holds; where it cannot be read, why.
    words: String,
}

/// `/` of several studies
async fn page(State(studies): State<Vec<Arc<Study>>>) -> Answered {
    let mut listed = Vec::new();
    for study in &studies {
        let words = totals(study).await.unwrap_or_else(|failure| failure.error.to_string());
        listed.push(Listed { name: study.name.clone(), words });
    }
    Ok(html(&Page { frame: Frame::of_no_study("Studies"), studies: listed })?)
}

/// What a study holds, in words.
async fn totals(study: &Study) -> std::result::Result<String, Failure> {
    let running = study.view()?.ask_named(&named("study_totals")?, &Parameters::new()).await?;
    let rendered = Answer::first(running, 1).await?.rendered()?;
    let Some(row) = rendered.rows.into_iter().next() else { return Ok(String::new()) };
    let counted =
        rendered.header.into_iter().zip(row).map(|(name, value)| format!("{value} {}", name.replace('_', " ")));
    Ok(counted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_studies_are_addresses_and_differ() {
        assert_eq!(
            names(["demo", "a b/c", "demo", "", "demo-2"].into_iter()),
            ["demo", "a-b-c", "demo-2", "study", "demo-2-2"]
        );
        assert_eq!(prefixed("/a", "/"), "/a");
        assert_eq!(prefixed("/a", "/?epsilon=4"), "/a?epsilon=4");
        assert_eq!(prefixed("/a", "/table/models"), "/a/table/models");
        assert_eq!(prefixed("/a", LIST), LIST);
    }
}
