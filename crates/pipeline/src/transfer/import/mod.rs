//! Imports externally trained models into a study: read, checked, committed as one job per model, then attacked and
//! measured like the study's own.
//!
//! Invariants: an import is atomic: if any file of the manifest is rejected, nothing is stored; a job's identity is the
//! content of its files and their entries in the manifest, never their paths, so importing twice adds nothing; a
//! claimed epsilon is stored as a claim: `epsilon_spent` stays empty, the guarantee is `none` (the mechanism was not
//! observed), and the lineage records who claims what; members and held-out traces must all be traces of the study, or
//! the import fails.

mod content;
mod evaluate;
mod model;
mod names;

pub use evaluate::{EvaluationNotes, evaluation};
pub(crate) use evaluate::{empty_spec, kinds_without_zero, planned_model};
pub use model::{ImportedModel, import_models};
pub(crate) use names::class_of;
