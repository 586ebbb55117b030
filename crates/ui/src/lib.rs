//! A study in a browser, on this machine alone, read-only.
//!
//! ```text
//! request -> access (host, token) -> page -> statements over the newest snapshot -> template or file
//! ```
//!
//! Each page is one URL whose answer depends on the study alone, works without scripts, and is made of statements that
//! `Service` plans and runs: a page reads nothing past SQL. Where real traces are hidden, the service refuses
//! statements that could name them, so no page has to know which ones do. The only home of axum.

mod access;
mod answer;
mod assets;
mod download;
mod failure;
mod grid;
mod layout;
mod model;
mod overview;
mod packet;
mod progress;
mod query_string;
mod sql;
mod study;
mod table;
mod table_list;
mod table_statement;
mod token;
mod trace;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use std::future::IntoFuture;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use study::Study;
use syntrace_base::error::{Error, Result};
use syntrace_query::{RealTraces, Service, SessionOptions, listen_on, server_threads, stop_asked};
use syntrace_store::Store;
use tokio::runtime::Handle;

/// Port that is used if it is free and none is given.
pub const DEFAULT_PORT: u16 = 8765;

/// Threads that answer requests and plan statements.
const CLIENT_THREADS: usize = 2;

/// What to show, and where.
pub struct UiOptions {
    /// Name of the study, for titles.
    pub name: String,
    /// Port; `None` takes [`DEFAULT_PORT`], or any free one where that is taken.
    pub port: Option<u16>,
    /// May pages name real traces?
    pub real: RealTraces,
    /// Limits that all requests share.
    pub session: SessionOptions,
}

/// Answers requests until the process is asked to stop (Ctrl-C, SIGTERM). Calls `announce` with the first page's
/// address, its secret included, once it can be opened.
pub fn ui(store: Store, options: UiOptions, announce: impl FnOnce(&str)) -> Result<()> {
    // Queries have a separate runtime, so that they never delay other requests and timeouts.
    let (clients, queries) = (server_threads(CLIENT_THREADS)?, server_threads(options.session.threads)?);
    let served = clients.block_on(listen(store, options, queries.handle().clone(), announce));
    // Running queries are dropped, not awaited.
    clients.shutdown_timeout(std::time::Duration::from_secs(1));
    queries.shutdown_timeout(std::time::Duration::from_secs(1));
    served
}

async fn listen(store: Store, options: UiOptions, queries: Handle, announce: impl FnOnce(&str)) -> Result<()> {
    let service = Service::new(options.session, queries).await?;
    let listener = listen_on(IpAddr::V4(Ipv4Addr::LOCALHOST), options.port, DEFAULT_PORT).await?;
    let failed = |error: std::io::Error| Error::internal(format!("no address to listen on: {error}"));
    let address: SocketAddr = listener.local_addr().map_err(failed)?;
    let study = Arc::new(Study::new(store, service, options.name, options.real, address.port())?);
    let stop = stop_asked()?;
    announce(&study.access.first_url());
    let routes = routes(study);
    tokio::select! {
        ended = axum::serve(listener, routes).into_future() => {
            ended.map_err(|error| Error::internal(format!("the server ended: {error}")))
        }
        () = stop => Ok(()),
    }
}

fn routes(study: Arc<Study>) -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/progress.json", get(progress::json))
        .route("/model/{id}", get(model::page))
        .route("/trace/{id}", get(trace::page))
        .route("/tables", get(table_list::page))
        .route("/table/{name}", get(table::page))
        .route("/sql", get(sql::page))
        .route("/query/{name}", get(sql::named_page))
        .route("/style.css", get(assets::style))
        .route("/live.js", get(assets::live))
        .fallback(failure::no_page)
        .layer(from_fn_with_state(Arc::clone(&study), access::guard))
        .with_state(study)
}
