//! Compares what a generator leaks with its guarantee: leakage of training traces into synthetic ones,
//! empirical lower bounds on epsilon, and the verdict of an audit.
//!
//! Every measure of leakage has a control: the same statistic for held-out traces, which the model
//! never saw. The common part is a property of network traffic; the difference is due to memorisation.
//!
//! Invariants: pure functions of traces and numbers; no randomness but the coin flips of a one-run audit,
//! whose seed is passed in. A bound on epsilon errs downwards: it is exceeded by the truth with at least the
//! stated confidence, so that a bound above a claim refutes the claim.

mod closest_record;
mod dns_sni;
mod evidence;
mod exact_tests;
mod group;
mod identifier;
mod inference;
mod leak;
mod leak_row;
mod multiple_testing;
mod one_run;
mod outside;
mod overlap;
mod packet_digest;
mod policy;
mod power;
mod verdict;

pub use closest_record::{NEAR_SHARE, trace_distance};
pub use evidence::{Access, AttackEvidence, Bound, BoundEvidence, Evidence, HostEvidence, LeakEvidence};
pub use group::Group;
pub use identifier::{Identifier, IdentifierKind, identifiers};
pub use leak::leaks;
pub use leak_row::LeakRow;
pub use multiple_testing::Family;
pub use one_run::{
    Canary, Guesses, ONE_RUN_CONFIDENCE, OneRunAudit, coin_flips, one_run_audit, one_run_bound, one_run_canaries,
    one_run_epsilon, one_run_guesses, one_run_provable,
};
pub use outside::{OUTSIDE_KINDS, OUTSIDE_VERSION, outside_attributes, outside_scalars};
pub use policy::Policy;
pub use power::{POWER, smallest_auc, smallest_excess, smallest_tpr, traces_for_auc, traces_for_share};
pub use verdict::{Check, Verdict, judge, verdict};
