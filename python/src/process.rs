//! Threads behind Python: how a call waits for one, and what a fork breaks (a child has the memory of its parent, and none of
//! its threads).

use crate::error::Raise;
use pyo3::prelude::*;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use syntrace_base::error::{Error, Result};

/// A value that is of use in the process that made it alone.
pub struct OfProcess<T> {
    id: u32,
    /// `None` while it is dropped.
    value: Option<T>,
}

impl<T> OfProcess<T> {
    /// Of the process that calls.
    pub fn new(value: T) -> Self {
        Self { id: std::process::id(), value: Some(value) }
    }

    /// The value; in a child an error.
    pub fn get(&self) -> Result<&T> {
        self.value.as_ref().filter(|_| self.id == std::process::id()).ok_or_else(refusal)
    }
}

fn refusal() -> Error {
    Error::user("expected a study that this process opened, found one of its parent, whose threads it has not")
        .hint("open it again after the fork: `syntrace.open(path)`")
}

/// In a child the value is left as it is: to drop it would wait for threads that are not there.
impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.id != std::process::id() {
            Box::leak(Box::new(self.value.take()));
        }
    }
}

/// How long a call waits before it looks whether Python has a signal to handle.
const LOOK: Duration = Duration::from_millis(50);

/// What another thread sends, without the interpreter's lock; `None` once it sends no more. Where a signal handler
/// raises meanwhile (Ctrl-C), `stop` is called and the exception given.
pub fn received<T: Send>(py: Python<'_>, from: &Mutex<Receiver<T>>, stop: impl Fn()) -> PyResult<Option<T>> {
    loop {
        let next = py.detach(|| from.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK));
        match next {
            Ok(sent) => return Ok(Some(sent)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| stop())?,
        }
    }
}

/// Starts a thread.
///
/// # Errors
/// `user` where the process may have no more of them.
pub fn started<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().spawn(work);
    thread.map(drop).map_err(|error| {
        Error::user(format!("cannot start the thread of a query: {error}"))
            .hint("raise the limits of this process (`ulimit -v`, `ulimit -u`)")
    })
}

/// What some work gives, done on a thread of its own so that Ctrl-C ends the wait for it.
pub fn computed<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    let (to, from) = sync_channel(1);
    started(move || to.send(work())).raise(py)?;
    let done = received(py, &Mutex::new(from), || {})?;
    done.ok_or_else(|| Error::internal("a thread of the study ended unexpectedly")).raise(py)
}
