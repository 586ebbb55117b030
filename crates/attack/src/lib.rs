//! Models over models: membership inference attacks, and downstream classifiers and regressors that say what traffic is
//! good for.

pub mod attack;
pub mod utility;
