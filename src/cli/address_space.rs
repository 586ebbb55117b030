//! Checks resource limits of the process that are too low to run at all.

use crate::error::{Error, Result};

/// Addresses that every verb finds room in: the program, stacks of its threads, the page cache and a query.
const ADDRESSES: u64 = 3 << 29;

/// Rejects an address space limit that is too small: a process that runs out of memory is aborted without a clear
/// error.
///
/// # Errors
/// `user` below [`ADDRESSES`].
pub(super) fn require_addresses() -> Result<()> {
    // Linux only; elsewhere the limit is not checked.
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max address space")?.split_whitespace().next());
    match soft.and_then(|soft| soft.parse::<u64>().ok()) {
        Some(bytes) if bytes < ADDRESSES => Err(Error::user(format!(
            "this process may use {} MiB of address space (`ulimit -v`), syntrace needs {}",
            bytes >> 20,
            ADDRESSES >> 20
        ))
        .hint("raise the limit (`ulimit -v unlimited`, or the memory that a batch system was asked for)")),
        _ => Ok(()),
    }
}
