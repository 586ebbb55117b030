//! Privacy accounting in plain `f64`: what a list of Poisson-subsampled Gaussian steps has spent, and
//! how much noise a budget needs.
//!
//! Unit of privacy: one trace. Neighbouring relation: add or remove one trace.
//!
//! Invariants: no tensors, no randomness, no state. Every bound may only err towards more spending: an
//! order or a sum that does not converge drops out or is an error, never a smaller epsilon. What was
//! done is a [`Ledger`] of events; accountants only read it.

mod calibrate;
mod epsilon;
mod ledger;
mod lineage;
mod logspace;
mod normal;
mod pld;
mod quadrature;
mod rdp;
mod rdp_conversion;
mod release;

pub use calibrate::{Budget, noise_multiplier, noise_multiplier_where};
pub use epsilon::{SpentByBoth, epsilon, epsilon_by};
pub use ledger::{Accountant, Ledger, NEIGHBOURS, SpentEpsilon};
pub use lineage::{NONE_BY_DELTA, REPRODUCIBLE_NOISE, guarantee, promise, promises_nothing};
pub use pld::{EpsilonBounds, pld_epsilon, pld_upper};
pub use rdp::{default_orders, rdp_step};
pub use rdp_conversion::{rdp_epsilon, rdp_to_epsilon};
pub use release::{Joint, Released, joint};
