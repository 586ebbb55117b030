//! Cancellation of a running query: by the client's `CancelRequest`, or by its `statement_timeout`.

use super::error::refused;
use super::setting::timeout;
use async_trait::async_trait;
use pgwire::api::ClientInfo;
use pgwire::api::cancel::CancelHandler;
use pgwire::error::PgWireResult;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection's identification in cancel requests: process id and secret key.
type Connection = (i32, Vec<u8>);

fn connection(number: i32, secret: &SecretKey) -> Connection {
    (number, secret.to_bytes().to_vec())
}

/// The running queries.
#[derive(Default)]
pub(super) struct Running {
    queries: Mutex<HashMap<Connection, Arc<Notify>>>,
}

#[async_trait]
impl CancelHandler for Running {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = queries.get(&connection(request.pid, &request.secret_key)) {
            stop.notify_one();
        }
    }
}

impl Running {
    /// A client has received a portion of a result: until it requests the next one there is nothing to cancel.
    pub fn rest(&self, client: &(impl ClientInfo + ?Sized)) {
        let (number, secret) = client.pid_and_secret_key();
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection(number, &secret));
    }
}

/// The limits of one query, from its start until this is dropped.
pub(super) struct Limits {
    running: Arc<Running>,
    connection: Connection,
    stop: Arc<Notify>,
    /// The remaining time: waiting for the client between portions does not count.
    left: Option<Duration>,
    limit: Duration,
}

impl Limits {
    /// Registers the query for cancel requests.
    pub fn new(running: &Arc<Running>, client: &(impl ClientInfo + ?Sized)) -> Self {
        let (number, secret) = client.pid_and_secret_key();
        let connection = connection(number, &secret);
        let limit = timeout(client);
        let made = Self {
            running: Arc::clone(running),
            connection,
            stop: Arc::new(Notify::new()),
            left: limit,
            limit: limit.unwrap_or_default(),
        };
        made.announce();
        made
    }

    /// Of several queries of a connection, the running one is cancelled.
    fn announce(&self) {
        let mut queries = self.running.queries.lock().unwrap_or_else(PoisonError::into_inner);
        queries.insert(self.connection.clone(), Arc::clone(&self.stop));
    }

    /// Waits for `work`, or fails if the client cancels it or the time limit expires first.
    pub async fn within<T>(&mut self, work: impl Future<Output = T>) -> PgWireResult<T> {
        self.announce();
        let started = Instant::now();
        let deadline = self.left.map(|left| started + left);
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            done = work => Ok(done),
            () = self.stop.notified() => Err(refused("57014", "the query was cancelled by its client", None)),
            () = late => {
                let message = format!("the query took longer than statement_timeout, {} ms", self.limit.as_millis());
                Err(refused("57014", &message, Some("SET statement_timeout = 0 takes the limit away")))
            }
        };
        self.left = self.left.map(|left| left.saturating_sub(started.elapsed()));
        done
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        let mut queries = self.running.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if queries.get(&self.connection).is_some_and(|stop| Arc::ptr_eq(stop, &self.stop)) {
            queries.remove(&self.connection);
        }
    }
}
