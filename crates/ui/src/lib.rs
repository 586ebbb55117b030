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
use query_string::QueryString;
use std::future::IntoFuture;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use study::Study;
use syntrace_base::error::{Error, Result};
use syntrace_query::{RealTraces, Service, SessionOptions, listen_on, server_threads, stop_asked};
use syntrace_store::Store;
use token::Access;
use tokio::runtime::Handle;

/// Port that is used if it is free and none is given.
pub const DEFAULT_PORT: u16 = 8765;

/// Threads that answer requests and plan statements.
const CLIENT_THREADS: usize = 2;

/// What to show.
pub struct UiOptions {
    /// The studies with their names, for titles and addresses. At least one.
    pub studies: Vec<(String, Store)>,
    /// May pages name real traces?
    pub real: RealTraces,
    /// Limits that all requests share.
    pub session: SessionOptions,
}

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
    let studies = opened(options, queries).await?;
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

/// The studies over one service, so that their queries share threads and memory.
async fn opened(options: UiOptions, queries: Handle) -> Result<Vec<Arc<Study>>> {
    if options.studies.is_empty() {
        return Err(Error::user("expected a study, found none"));
    }
    let service = Arc::new(Service::new(options.session, queries).await?);
    let is_one_of_several = options.studies.len() > 1;
    let names = several::names(options.studies.iter().map(|(name, _)| name.as_str()));
    let studies = options.studies.into_iter().zip(names).map(|((given, store), name)| {
        let name = if is_one_of_several { name } else { given };
        let study = Study::new(store, Arc::clone(&service), name, options.real);
        Arc::new(Study { is_one_of_several, ..study })
    });
    Ok(studies.collect())
}
