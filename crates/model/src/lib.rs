//! Networks and generators: layers with a model axis and per-trace clipping, training in cohorts, and one module for
//! each generator.

pub mod model;
#[cfg(feature = "torch")]
pub mod nn;
pub mod train;
