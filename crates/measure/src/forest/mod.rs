//! Random forests (Breiman 2001) with scikit-learn's defaults: what an attack on attributes and the
//! downstream classifiers of utility share.
//!
//! Invariants: same rows in the same order, same options, same seed: the same forest, whatever the
//! number of threads; each tree draws from its own sub-seed; splits depend on the order of a feature's
//! values and never on their scale.

mod columns;
mod grow;
mod model;
mod options;
mod split;
mod tree;

pub use model::Forest;
pub use options::{FeatureShare, ForestOptions};
