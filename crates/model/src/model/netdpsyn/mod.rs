//! NetDPSyn (Sun et al. 2024, after PrivSyn, Zhang et al. 2021): noisy marginals of header fields, and
//! rows that are updated until they match them. No network, no gradient, no attribute.
//!
//! ```text
//! traces -> rows -> one-way marginals -> groups -> scores -> pairs -> cliques -> combined marginals
//!                    0.1 rho                       0.1 rho                       0.8 rho
//! marginals -> consistent, non-negative -> stored | stored -> GUM -> leaves -> cells -> fields
//! ```
//!
//! Unit of privacy: one trace, added or removed; or one host, each of whose n traces then weighs 1/n. What a host adds to a
//! count is a mean over its traces, so that the bounds below hold for it as for one trace; `members` counts hosts, and shares are
//! means over hosts. Sensitivities, with P the most packets of a trace:
//!
//! | row mode    | rows a trace | a marginal, L2     | a dependence score |
//! | ----------- | ------------ | ------------------ | ------------------ |
//! | `packets`   | P            | P (all in one cell)| 4 P                |
//! | `positions` | P, one a place | sqrt(P)          | 4 P                |
//! | `traces`    | 1            | 1                  | 4                  |
//!
//! Mode `positions` tabulates each packet position separately: a marginal is one table per position, so that a
//! trace adds at most 1 to one cell of each. The proof of the score's bound is in [`dependence`].
//!
//! Invariants: the private rows are read by Gaussian releases alone, and each is charged to one
//! [`RhoLedger`](crate::model::RhoLedger), which refuses to exceed rho = 1 / (2 sigma^2) of the calibrated noise multiplier;
//! domains, strata, candidates and the number of members are public; all steps after a release
//! (groups, choices, consistency, rows) are post-processing. A model's bytes hold no more than that.
//!
//! Not copied from the published code: spending the one-way budget twice, selection noise of half the
//! stated sensitivity, domains read from the data, a consistency step scaled by rho, a search that may
//! never end (norm-sub here is exact, by sorting, so norm-cut is not needed), leaves in index order,
//! exponential bins decoded one too high, times drawn independently of the synthesised ones. The order
//! differs too: values are grouped before pairs are scored, because scores of sparse tables are mostly
//! sampling error. Setting `published` keeps its harmless choices.

mod assemble;
mod column;
mod columns;
mod config;
mod consistency;
mod dependence;
mod domain;
mod fit;
mod generator;
mod grouping;
mod gum;
mod leaves;
mod model;
mod sample;
mod schema;
mod table;

pub use column::Column;
pub use config::{NetDpSynConfig, RowMode};
pub use dependence::dependence;
pub use domain::Domain;
pub use fit::{Fit, fit};
pub use generator::NetDpSyn;
pub use gum::{GumOptions, Rows, synthesise};
pub use model::{Model, Target};
pub use sample::{block_error, sample};
pub use schema::{Records, Schema};
pub use table::{Goal, Shape, count};
