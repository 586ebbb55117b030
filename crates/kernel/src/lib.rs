//! Inner numerical loops, in a crate of their own so that they are built at optimisation level 3 in every profile
//! (Cargo.toml, `profile.dev.package`): the compiler vectorises them only there.
//!
//! Invariants: plain slices, no tensors; no fused multiply-add and no reordered sum, so results are the same on every
//! processor; no global state, no randomness.

#![allow(clippy::needless_range_loop, reason = "loops over an index of several rows are what becomes vectors")]

#[macro_use]
mod simd;

mod backward;
mod draw;
mod elementary;
mod forward;
mod matrix;
mod real;
mod recurrence;
mod ssm_scan;
mod trace;
mod weights;

pub use draw::{Drawing, Limits};
pub use real::Real;
pub use recurrence::{LANES, Recurrence};
pub use trace::Trainer;
pub use weights::{BlockWeights, MambaShape, MambaWeights};
