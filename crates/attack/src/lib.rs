//! Models that evaluate generators: membership inference attacks, and downstream classifiers and regressors that
//! measure the utility of synthetic traffic.

#[cfg(feature = "torch")]
mod adam;
pub mod attack;
pub mod utility;
