//! Private selection from a public pool: noisy marginals of a flow's attributes choose among public flows.
//!
//! ```text
//! public traces -> pool -> candidates (variations) --------------+-> weights -> candidates again -> weights -> flows
//! members -> attributes of the flow -> noisy marginals (rounds) -+
//!         -> addresses, networks, ports -> noisy histograms, cut ------------------> ends of drawn flows
//! ```
//!
//! Properties that are not measured, or measured too noisily, stay as in public traffic, and every sampled trace is a
//! well-formed flow (public data as prior and as support: Liu et al. 2021, arXiv 2102.08598; adaptive choice of
//! marginals by the current estimate: McKenna et al. 2022, AIM, arXiv 2201.12677). No network, no gradient, no
//! attribute.
//!
//! Unit of privacy: one trace, added or removed. The number of members is public. A trace is one flow with one value of
//! each attribute, so it adds 1 to at most one cell of each marginal and of each histogram of values: L2 sensitivity 1.
//! Where the unit is the host, each of its n traces adds 1/n: what a host adds is a mean over its traces, of L1 and so L2 norm 1
//! at most, and members are hosts.
//! A trace without a packet that parses adds nothing. Three things read private traces, each charged to one [`RhoLedger`]
//! (rho = 1 / (2 sigma^2) of the calibrated noise multiplier, composed as one Gaussian):
//!
//! - marginals: every cell gets noise, see [`marginal`];
//! - choices of marginals: the exponential mechanism on scores of sensitivity 1, see [`exponential_mechanism`] for what it costs;
//! - histograms of values, addresses and networks and ports of both ends ([`place`]): all cells, up to 2^32 + 2^128, get
//!   noise, see [`heavy_hitters`].
//!
//! [`votes`] replaces marginals by private evolution: the same ledger, candidates and ends.
//!
//! The number of marginals and histograms follows from the budget and the number of members, domains from protocol
//! constants, candidates from the pool. Weights, resampled candidates, kept flows and all sampling read releases only
//! (post-processing): they cost no budget, and neither does sampling more traces.
//!
//! The pool is the base of the generator: the traces of the spec's public datasets, in the study with a separate
//! lineage, so a model is `end-to-end` private as long as its pool saw no private trace outside a mechanism.
//!
//! [`RhoLedger`]: crate::model::RhoLedger

mod config;
mod exponential_mechanism;
mod fit;
mod flow;
mod flow_features;
mod generator;
mod heavy_hitters;
mod marginal;
mod model;
mod place;
mod pool;
mod reweight;
mod vary;
mod votes;

pub use config::{NetPoolConfig, Votes};
pub use generator::NetPool;
