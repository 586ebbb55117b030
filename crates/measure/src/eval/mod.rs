//! Measures of a trained model: leakage shown by an attack's scores, distance of synthetic traces from real
//! ones in all aspects of traffic, and the intervals around both.
//!
//! Invariants: pure functions of records and numbers; the only randomness comes from seeds that are passed in.
//! Undefined values (0/0, an empty side, a rate that the number of traces cannot resolve, a non-finite value) are
//! `None` or NaN, never a silent 0. Sums run in sorted order, so that results do not depend on threads.

mod auc;
mod detection;
mod distance;
mod distribution;
mod diversity;
mod dynamics;
mod empirical;
mod features;
mod fidelity;
mod header;
mod header_checks;
mod interval;
mod joint;
mod leakage;
mod means;
mod measure;
mod roc;
mod rows;
mod summary;
mod tcp;
mod tpr;
mod validity;
mod variance;

pub use auc::auc_deviation;
pub use detection::detection;
pub use distance::{JensenShannon, jensen_shannon, jensen_shannon_counts, wasserstein_1, wasserstein_1_weighted};
pub use empirical::{Confusion, EmpiricalEpsilon, empirical_epsilon};
pub use features::{FEATURE_ABSENT, PACKET_FEATURES, by_field_and_position, feature_width, trace_features};
pub use fidelity::{HeaderPopulation, Population, fidelity, header_fidelity};
pub use header::{FIELDS, FieldKind};
pub use interval::{
    clopper_pearson, clopper_pearson_upper, difference_of_proportions, mean_of_draws, mean_over_draws, normal_quantile,
};
pub use leakage::{CONFIDENCE, INTERVAL_METHOD, Leakage, leakage};
pub use means::{MEAN_RESAMPLES, header_means};
pub use measure::{Aspect, FidelityRow, Metric, PopulationName};
pub use roc::{Roc, RocCorner, Scored};
pub use summary::{FieldMean, mean_by_field, mean_over_fields};
pub use tpr::{rare_rank, resolves_fpr};
pub use variance::median;
