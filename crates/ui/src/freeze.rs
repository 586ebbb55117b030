//! Pages as files that need no server: those that a reader reaches from the first page by links, without what only a server
//! answers (filters, order, further pages, statements of the reader).

use crate::assets;
use crate::failure::Answered;
use crate::links::with_addresses;
use crate::options::{UiOptions, opened};
use crate::query_string::QueryString;
use crate::study::Study;
use crate::{model, overview, sql, table, table_list, trace};
use axum::body::to_bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result, panic_text};
use syntrace_query::{STACK_BYTES, server_threads};
use tokio::runtime::Handle;

/// Pages of a study, of which more than this are left out.
const PAGES_MAX: usize = 5_000;

/// Name of a folder and of the first file in it.
const FIRST: &str = "/";

/// Writes the pages of one study as files; `write` is given each file's name and content. Returns the number of pages, and
/// whether there are more.
///
/// # Errors
/// As the pages'; `user` for several studies.
pub fn freeze(options: UiOptions, mut write: impl FnMut(&str, &[u8]) -> Result<()> + Send) -> Result<(usize, bool)> {
    if options.studies.len() > 1 {
        let error = Error::user("expected one study to write as files, found several");
        return Err(error.hint("write each into a folder of its own"));
    }
    let (clients, queries) = (server_threads(1)?, server_threads(options.session.threads)?);
    // Statements are planned where pages are made: deep plans need a large stack.
    std::thread::scope(|scope| {
        let work = || clients.block_on(all(options, queries.handle().clone(), &mut write));
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread =
            thread.map_err(|error| Error::internal(format!("cannot start a thread for the pages: {error}")))?;
        thread.join().unwrap_or_else(|panic| Err(Error::internal(panic_text(panic.as_ref()))))
    })
}

async fn all(
    options: UiOptions,
    queries: Handle,
    write: &mut impl FnMut(&str, &[u8]) -> Result<()>,
) -> Result<(usize, bool)> {
    let mut studies = opened(options, queries)?.into_iter().filter_map(Arc::into_inner);
    let study = studies.next().ok_or_else(|| Error::internal("a study that is shown elsewhere"))?;
    for asset in &assets::ALL {
        write(asset.address.trim_start_matches('/'), (asset.text)().as_bytes())?;
    }
    pages(&Arc::new(study.frozen()), write).await
}

async fn pages(study: &Arc<Study>, write: &mut impl FnMut(&str, &[u8]) -> Result<()>) -> Result<(usize, bool)> {
    let mut open = VecDeque::from([FIRST.to_owned()]);
    let mut known: HashSet<String> = open.iter().cloned().collect();
    let mut written = 0;
    while let Some(address) = open.pop_front() {
        if written == PAGES_MAX {
            return Ok((written, true));
        }
        let response = match page(study, &address).await {
            Ok(response) => response,
            // A trace without a packet, a view that names real traces: the file says so, as the page does.
            Err(failure) if matches!(failure.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) => {
                failure.into_response()
            }
            Err(failure) => return Err(failure.error.context(format!("the page {address}"))),
        };
        let body = to_bytes(response.into_body(), usize::MAX).await;
        let body = body.map_err(|error| Error::internal(format!("the page {address}: {error}")))?;
        let name = file_name(&address);
        if !name.ends_with(".html") {
            write(&name, &body)?;
            continue;
        }
        let text = String::from_utf8_lossy(&body);
        let text = with_addresses(&text, |link| {
            if assets::ALL.iter().any(|asset| asset.address == link) {
                return Some(link.trim_start_matches('/').to_owned());
            }
            if !has_file(link, &address) || (known.len() >= PAGES_MAX && !known.contains(link)) {
                return None;
            }
            if known.insert(link.to_owned()) {
                open.push_back(link.to_owned());
            }
            Some(file_name(link))
        });
        write(&name, text.as_bytes())?;
        written += 1;
    }
    Ok((written, known.len() >= PAGES_MAX))
}

/// Has an address a file, where a page links to it?
fn has_file(address: &str, page: &str) -> bool {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    match path.trim_start_matches('/').split_once('/') {
        None => matches!(path, FIRST | "/tables" | "/sql") && query.is_empty(),
        Some(("table", _)) => query.is_empty() || page == FIRST,
        Some((kind, _)) => matches!(kind, "model" | "trace" | "query") && query.is_empty(),
    }
}

/// The file of an address: all are in one folder.
fn file_name(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let name = match path.trim_start_matches('/') {
        "" => "index".to_owned(),
        name => name.replace('/', "-"),
    };
    if name.ends_with(".pcap") {
        return name;
    }
    if query.is_empty() {
        format!("{name}.html")
    } else {
        format!("{name}-{}.html", &Digest::of(query.as_bytes()).hex()[..12])
    }
}

/// The page of an address that has a file.
async fn page(study: &Arc<Study>, address: &str) -> Answered {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (study, query) = (State(Arc::clone(study)), RawQuery(Some(query.to_owned())));
    match path.trim_start_matches('/').split_once('/') {
        Some(("table", name)) => table::page(study, Ok(Path(name.to_owned())), query).await,
        Some(("model", id)) => model::page(study, Ok(Path(id.to_owned())), query).await,
        Some(("trace", id)) => trace::page(study, Ok(Path(id.to_owned())), query).await,
        Some(("query", name)) => sql::named_page(study, Ok(Path(name.to_owned())), query).await,
        _ if path == "/tables" => table_list::page(study).await,
        _ if path == "/sql" => sql::page(study, query).await,
        _ => overview::answer(&study.0, &QueryString::default()).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_of_pages_without_a_question() {
        assert!(has_file("/table/models", "/tables") && has_file("/table/models?generator=x", "/"));
        assert!(!has_file("/table/models?_sort=x", "/table/models") && !has_file("/model/1?versus=2", "/model/1"));
        assert!(has_file("/trace/5.pcap", "/trace/5") && !has_file("/progress.json", "/"));
        assert_eq!(file_name("/"), "index.html");
        assert_eq!(file_name("/trace/5.pcap"), "trace-5.pcap");
        assert_ne!(file_name("/table/models?a=1"), file_name("/table/models?a=2"));
    }
}
