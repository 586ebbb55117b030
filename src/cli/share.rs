//! `syntrace export STUDY share`

use super::CACHE_BYTES;
use super::progress_bars::Bar;
use crate::error::{Error, Result};
use crate::pipeline;
use crate::store::{Snapshot, StoreWriter};
use std::path::Path;

/// Writes the redacted copy; a failed one leaves no file.
pub(super) fn share(snapshot: &Snapshot, out: &Path) -> Result<()> {
    if out.exists() {
        return Err(Error::user(format!("`{}` exists already", out.display()))
            .hint("a redacted copy is a new file: what another file held might stay in its free pages"));
    }
    let written =
        StoreWriter::open_or_create(out, CACHE_BYTES).and_then(|copy| pipeline::share(snapshot, &copy, &Bar::alone()));
    if written.is_err() {
        let _ = std::fs::remove_file(out);
    }
    let report = written?;
    note!(
        "{}: {} jobs, {} models without weights, {} attack results, {} rows of results",
        out.display(),
        report.jobs,
        report.models,
        report.attacks,
        report.rows
    );
    note!(
        "it holds no seed, and ids and digests of its own; but results are results: whoever holds the captures (or, of \
         simulated traffic, guesses a small `seed`) can run the study again and compare them"
    );
    Ok(())
}
