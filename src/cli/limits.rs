//! Limits of the process that nothing can be done under.

use crate::error::{Error, Result};

/// Addresses that every verb finds room in: the program, stacks of its threads, the page cache and a query.
const ADDRESSES: u64 = 3 << 29;

/// Refuses a limit of addresses that is too small: where memory ends, a process is aborted and says little.
///
/// # Errors
/// `user` below [`ADDRESSES`].
pub(super) fn require_addresses() -> Result<()> {
    // Only Linux says it so; elsewhere nothing is known.
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
