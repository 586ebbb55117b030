//! Fixed-order parallel maps: results come in input order whatever the number of threads.

use rayon::prelude::*;

/// Applies `work` to each item on the thread pool; results in input order.
pub fn map_ordered<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> U + Sync + Send) -> Vec<U> {
    items.par_iter().map(work).collect()
}

/// As [`map_ordered`], stopping at a failure.
pub fn try_map_ordered<T: Sync, U: Send>(
    items: &[T],
    work: impl Fn(&T) -> crate::error::Result<U> + Sync + Send,
) -> crate::error::Result<Vec<U>> {
    items.par_iter().map(work).collect()
}

/// Number of worker threads of the pool.
pub fn thread_count() -> usize {
    rayon::current_num_threads()
}
