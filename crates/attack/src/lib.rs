//! Models that evaluate generators: membership inference attacks, and downstream classifiers and regressors that
//! measure the utility of synthetic traffic.

pub mod attack;
pub mod utility;
