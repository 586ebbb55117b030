//! The context that all jobs of a run share.

use crate::plan::Plan;
use syntrace_store::StoreWriter;

/// What a job runs with.
pub(crate) struct Context<'a> {
    pub store: &'a StoreWriter,
    pub plan: &'a Plan,
    /// Seconds between checkpoints of a training.
    pub checkpoint_seconds: f64,
}
