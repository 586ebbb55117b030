//! Models over models: membership inference attacks, and downstream classifiers and regressors that say what traffic is
//! good for.

#[cfg(feature = "torch")]
mod adam;
pub mod attack;
pub mod utility;
