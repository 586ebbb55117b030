//! Foundations of all other crates: the entities of a study as plain data, errors, and small tools (identities, seeds,
//! units, parallel maps in a fixed order, progress).

pub mod base;
pub mod error;
pub mod record;
