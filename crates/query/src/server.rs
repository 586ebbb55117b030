//! What every server over a study needs besides its protocol: threads with room for deep plans, a socket, a way to end.

use crate::sql::nesting_limits::STACK_BYTES;
use std::net::{IpAddr, SocketAddr};
use syntrace_base::error::{Error, Result};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Threads that plan or run statements.
pub fn server_threads(threads: usize) -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .worker_threads(threads.max(1))
        .enable_all()
        .build()
        .map_err(|error| Error::internal(format!("cannot start the server's threads: {error}")))
}

/// Listens on a port; without one on `usual`, or on any free one where that is taken.
pub async fn listen_on(host: IpAddr, port: Option<u16>, usual: u16) -> Result<TcpListener> {
    let wanted = SocketAddr::new(host, port.unwrap_or(usual));
    let bound = match (TcpListener::bind(wanted).await, port) {
        (Err(error), None) if error.kind() == std::io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(host, 0)).await
        }
        (bound, _) => bound,
    };
    bound.map_err(|error| {
        let failed = Error::user(format!("cannot listen on {wanted}: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failed.hint("another program has this port: choose another with --port"),
            std::io::ErrorKind::PermissionDenied => failed.hint("ports below 1024 are for the system: choose another"),
            std::io::ErrorKind::AddrNotAvailable => failed.hint("this machine does not have that address"),
            _ => failed,
        }
    })
}

/// Ends when the process is asked to stop (Ctrl-C, SIGTERM).
pub fn stop_asked() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Error::internal(format!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
