//! Numbers about privacy and quality, without a network: accountants and lineage, distances and intervals, random
//! forests, audits.

pub mod audit;
pub mod eval;
pub mod forest;
pub mod privacy;
