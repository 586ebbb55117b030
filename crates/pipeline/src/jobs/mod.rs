//! Jobs: their identity, what each kind does, and what they load.

pub(crate) mod attack;
pub(crate) mod context;
pub(crate) mod dispatch;
pub(crate) mod job;
pub(crate) mod leakage;
pub(crate) mod load;
pub(crate) mod order;
pub(crate) mod outside;
pub(crate) mod quality;
pub(crate) mod reattack;
pub(crate) mod single_precision;
pub(crate) mod split;
