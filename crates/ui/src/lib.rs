//! Studies in a browser, on this machine alone, read-only.
//!
//! ```text
//! request -> access (host, token) -> study -> page -> statements over the newest snapshot -> template or file
//! ```
//!
//! Each page is one URL whose answer depends on the study alone, works without scripts, and is made of statements that
//! `Service` plans and runs: a page reads nothing past SQL. Where real traces are hidden, the service refuses
//! statements that could name them, so no page has to know which ones do. Addresses in pages begin with `/`; beside other
//! studies, and as files, pages are the same with other addresses (`links.rs`). The only home of axum.

mod access;
mod answer;
mod assets;
mod chart;
mod download;
mod failure;
mod freeze;
mod grid;
mod kept;
mod layout;
mod links;
mod model;
mod model_figures;
mod nearest;
mod options;
mod overview;
mod packet;
mod progress;
mod query_string;
mod several;
mod sql;
mod standing;
mod study;
mod table;
mod table_list;
mod table_statement;
mod token;
mod trace;

pub use freeze::freeze;
pub use options::UiOptions;
use options::opened;
use query_string::QueryString;
use std::future::IntoFuture;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{listen_on, server_threads, stop_asked};
use token::Access;
use tokio::runtime::Handle;

/// Port that is used if it is free and none is given.
pub const DEFAULT_PORT: u16 = 8765;

/// Threads that answer requests and plan statements.
const CLIENT_THREADS: usize = 2;

/// Answers requests until the process is asked to stop (Ctrl-C, SIGTERM). Calls `announce` with the first page's
/// address, its secret included, once it can be opened. Without a port, [`DEFAULT_PORT`] is taken, or any free one where that
/// is not.
pub fn ui(options: UiOptions, port: Option<u16>, announce: impl FnOnce(&str)) -> Result<()> {
    // Queries have a separate runtime, so that they never delay other requests and timeouts.
    let (clients, queries) = (server_threads(CLIENT_THREADS)?, server_threads(options.session.threads)?);
    let served = clients.block_on(listen(options, port, queries.handle().clone(), announce));
    // Running queries are dropped, not awaited.
    clients.shutdown_timeout(std::time::Duration::from_secs(1));
    queries.shutdown_timeout(std::time::Duration::from_secs(1));
    served
}

async fn listen(options: UiOptions, port: Option<u16>, queries: Handle, announce: impl FnOnce(&str)) -> Result<()> {
    let listener = listen_on(IpAddr::V4(Ipv4Addr::LOCALHOST), port, DEFAULT_PORT).await?;
    let studies = opened(options, queries)?;
    let failed = |error: std::io::Error| Error::internal(format!("no address to listen on: {error}"));
    let address: SocketAddr = listener.local_addr().map_err(failed)?;
    let access = Arc::new(Access::new(address.port())?);
    let stop = stop_asked()?;
    announce(&access.first_url());
    // The first page is made while its address is on its way to a browser; what fails is said to who asks for it.
    let first = Arc::clone(&studies[0]);
    tokio::spawn(async move { drop(overview::answer(&first, &QueryString::default()).await) });
    let routes = several::routes(studies, access);
    tokio::select! {
        ended = axum::serve(listener, routes).into_future() => {
            ended.map_err(|error| Error::internal(format!("the server ended: {error}")))
        }
        () = stop => Ok(()),
    }
}
