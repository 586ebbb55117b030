//! A study, or several, over the PostgreSQL wire protocol, read-only, for psql, pandas, Grafana, DBeaver.
//!
//! ```text
//! socket -> authentication (TLS, password) -> statement -> plan without content -> newest snapshot -> rows
//! ```
//!
//! Each statement is a separate redb read transaction: it sees the newest finished job and nothing
//! that is finished after its start, also inside BEGIN ... COMMIT (READ COMMITTED). Idle clients,
//! prepared statements and open transactions hold no snapshot; an open cursor does. The only home of
//! pgwire.

mod authentication;
mod cancellation;
mod catalog;
mod copy;
mod cursor;
mod describe;
mod encode;
mod error;
mod function;
mod handler;
mod parameter;
mod rewrite;
mod rows;
mod session;
mod setting;
mod statement;
mod tls;

use authentication::{Admission, Authentication};
use handler::{Connection, Handlers};
use pgwire::tokio::{TlsAcceptor, process_socket};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Service, SessionOptions, listen_on, server_threads, stop_asked};
use syntrace_store::Store;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// PostgreSQL's port, used if it is free and no port is given.
pub const DEFAULT_PORT: u16 = 5432;

/// Most connections that have not authenticated yet; a further one displaces the oldest, so that idle connections lock
/// no client out.
const HANDSHAKES_MAX: usize = 256;

/// Time in which a client has to authenticate.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How to listen, and to whom.
pub struct ServeOptions {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port; `None` takes [`DEFAULT_PORT`], or any free one where that is taken.
    pub port: Option<u16>,
    /// What clients must know. Required for hosts that other machines reach.
    pub password: Option<String>,
    /// Certificate chain and private key, PEM files. With them, clients without TLS are refused.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Limits that all clients share.
    pub session: SessionOptions,
}

/// Serves clients until the process is asked to stop (Ctrl-C, SIGTERM): one study, or several by different names, each a
/// schema, and the tables of all as unions. Calls `announce` with the bound
/// address once clients can connect. Fails before listening where other machines could read the study
/// without a password, or where the certificate or key is unusable.
pub fn serve(studies: Vec<(String, Store)>, options: ServeOptions, announce: impl FnOnce(SocketAddr)) -> Result<()> {
    if !options.host.is_loopback() && options.password.is_none() {
        return Err(Error::user(format!(
            "`{}` is reachable from other machines, and anyone who connects could read the whole study",
            options.host
        ))
        .hint("set a password: --password-file FILE, or the variable SYNTRACE_PASSWORD; or listen on 127.0.0.1"));
    }
    // Queries have a separate runtime, so that they never delay client messages and timeouts.
    let (clients, queries) = (server_threads(CLIENT_THREADS)?, server_threads(options.session.threads)?);
    let served = clients.block_on(listen(studies, options, queries.handle().clone(), announce));
    // Running queries are dropped, not awaited.
    clients.shutdown_timeout(Duration::from_secs(1));
    queries.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Threads that handle client connections and plan statements.
const CLIENT_THREADS: usize = 2;

async fn listen(
    studies: Vec<(String, Store)>,
    options: ServeOptions,
    queries: Handle,
    announce: impl FnOnce(SocketAddr),
) -> Result<()> {
    let tls = options.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
    let certificate = options.tls.as_ref().map(|(certificate, _)| certificate);
    let authentication = Authentication::new(options.password.as_deref(), certificate)?;
    let (names, stores): (Vec<String>, Vec<Store>) = studies.into_iter().unzip();
    let service = Service::of_several(&names, options.session, queries).await?;
    let handlers = Arc::new(Handlers::new(&names, stores, service, authentication).await?);
    let listener = listen_on(options.host, options.port, DEFAULT_PORT).await?;
    let address =
        listener.local_addr().map_err(|error| Error::internal(format!("no address to listen on: {error}")))?;
    let mut stop = std::pin::pin!(stop_asked()?);
    announce(address);
    let mut handshakes: VecDeque<oneshot::Sender<()>> = VecDeque::new();
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                // Out of file handles, or a client that was gone at once: others may still come.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => return Ok(()),
        };
        handshakes.retain(|handshake| !handshake.is_closed());
        if handshakes.len() >= HANDSHAKES_MAX {
            // What is dropped is closed by its task.
            handshakes.pop_front();
        }
        let (handshake, displaced) = oneshot::channel();
        handshakes.push_back(handshake);
        tokio::spawn(serve_client(socket, tls.clone(), Arc::clone(&handlers), displaced));
    }
}

/// Serves one client until it disconnects; closes the connection if it does not authenticate in time or is displaced.
async fn serve_client(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    handlers: Arc<Handlers>,
    displaced: oneshot::Receiver<()>,
) {
    let admission = Arc::new(Admission::default());
    let connection = Arc::new(Connection::new(handlers, Arc::clone(&admission)));
    // A failed connection affects no other client.
    let mut served = std::pin::pin!(process_socket(socket, tls, connection));
    tokio::select! {
        _ = &mut served => return,
        _ = displaced => return,
        admitted = tokio::time::timeout(HANDSHAKE_TIME, admission.admitted()) => {
            if admitted.is_err() {
                return;
            }
        }
    }
    let _ = served.await;
}
