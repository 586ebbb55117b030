//! Fixed-order parallel maps: results come in input order whatever the number of threads.

use rayon::prelude::*;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

/// Applies `work` to each item on the thread pool; results in input order.
pub fn map_ordered<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> U + Sync + Send) -> Vec<U> {
    if !is_parallel() {
        return items.iter().map(work).collect();
    }
    items.par_iter().map(work).collect()
}

/// As [`map_ordered`], stopping at a failure.
pub fn try_map_ordered<T: Sync, U: Send>(
    items: &[T],
    work: impl Fn(&T) -> crate::error::Result<U> + Sync + Send,
) -> crate::error::Result<Vec<U>> {
    if !is_parallel() {
        return items.iter().map(work).collect();
    }
    items.par_iter().map(work).collect()
}

/// Number of worker threads of the pool.
pub fn thread_count() -> usize {
    if is_parallel() { rayon::current_num_threads() } else { 1 }
}

/// Can the threads of the pool be created? If not (`ulimit -v`, `ulimit -u`), all work is done on the calling thread:
/// the pool itself would panic. Nor is there one in a fork of the process that made it: whoever asked it would wait for
/// ever.
fn is_parallel() -> bool {
    static PARALLEL: OnceLock<(u32, bool)> = OnceLock::new();
    let asked = || try_threads(available_parallelism().map_or(1, usize::from), None).is_ok();
    let (process, parallel) = *PARALLEL.get_or_init(|| (std::process::id(), asked()));
    parallel && process == std::process::id()
}

/// Creates `count` threads at once, with stacks of `stack_bytes`, and ends them: a check before calling a library that
/// panics when it cannot create its threads.
///
/// # Errors
/// The error of the operating system.
pub fn try_threads(count: usize, stack_bytes: Option<usize>) -> std::io::Result<()> {
    let gate = Mutex::new(());
    scope(|scope| {
        let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let started = (0..count).try_for_each(|_| {
            let builder = stack_bytes.map_or_else(Builder::new, |bytes| Builder::new().stack_size(bytes));
            // Each waits until all have started.
            builder.spawn_scoped(scope, || drop(gate.lock())).map(drop)
        });
        drop(closed);
        started
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_the_system_does_not_give_are_an_error() {
        assert!(try_threads(4, None).is_ok());
        // No machine has a stack of an exbibyte.
        assert!(try_threads(2, Some(1 << 60)).is_err());
    }
}
