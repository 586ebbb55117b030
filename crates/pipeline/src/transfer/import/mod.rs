//! Models made elsewhere into a study: read, checked, committed as one job a model, then attacked and
//! measured as our own are.
//!
//! Invariants: a file that is refused leaves nothing behind, in whichever model of the manifest it is; a
//! job's identity is the content of its files and what the manifest says of them, never their paths, so
//! importing twice adds nothing; a claimed epsilon is stored as claimed: `epsilon_spent` stays empty, the
//! guarantee is `none` (nobody here saw the mechanism), and the lineage says who claims what; members and
//! held-out traces are traces of the study, named one by one, or the import fails.

mod content;
mod evaluate;
mod model;
mod names;

pub use evaluate::{EvaluationNotes, evaluation};
pub(crate) use evaluate::{empty_spec, kinds_without_zero, planned_model};
pub use model::{ImportedModel, import_models};
pub(crate) use names::class_of;
