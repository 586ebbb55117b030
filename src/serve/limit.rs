//! What ends a query before its last row: the client's request, and its `statement_timeout`.

use super::encode::refused;
use super::setting::timeout;
use async_trait::async_trait;
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::api::cancel::CancelHandler;
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::messages::cancel::CancelRequest;
use datafusion_postgres::pgwire::messages::startup::SecretKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection, as a cancel request names it: its number and its secret.
type Connection = (i32, Vec<u8>);

fn connection(number: i32, secret: &SecretKey) -> Connection {
    (number, secret.to_bytes().to_vec())
}

/// The queries under way.
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

/// The limits of one query, from its start until this is dropped.
pub(super) struct Limits {
    running: Arc<Running>,
    connection: Connection,
    stop: Arc<Notify>,
    deadline: Option<Instant>,
    limit: Duration,
}

impl Limits {
    /// Starts the clock, and makes the query known to cancel requests.
    pub fn new(running: &Arc<Running>, client: &(impl ClientInfo + ?Sized)) -> Self {
        let (number, secret) = client.pid_and_secret_key();
        let connection = connection(number, &secret);
        let stop = Arc::new(Notify::new());
        let mut queries = running.queries.lock().unwrap_or_else(PoisonError::into_inner);
        queries.insert(connection.clone(), Arc::clone(&stop));
        drop(queries);
        let limit = timeout(client);
        Self {
            running: Arc::clone(running),
            connection,
            stop,
            deadline: limit.map(|limit| Instant::now() + limit),
            limit: limit.unwrap_or_default(),
        }
    }

    /// Waits for `work`, or fails when the client or the clock is first.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> PgWireResult<T> {
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = work => Ok(done),
            () = self.stop.notified() => Err(refused("57014", "the query was cancelled by its client", None)),
            () = late => {
                let message = format!("the query took longer than statement_timeout, {} ms", self.limit.as_millis());
                Err(refused("57014", &message, Some("SET statement_timeout = 0 takes the limit away")))
            }
        }
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
