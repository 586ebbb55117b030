//! Measures of a finished model: what an attack's scores leak, how far synthetic traces are from real
//! ones, and the intervals around both.
//!
//! Invariants: pure functions of records and numbers; the only randomness is a bootstrap whose seed is
//! passed in. What is not defined (0/0, an empty side, a value that is not finite) is `None` or not a
//! number, never a silent 0. Sums run in sorted order, so that results do not depend on threads.

mod auc;
mod distance;
mod empirical;
mod fidelity;
mod interval;
mod leakage;
mod roc;
mod summary;

pub use distance::{JensenShannon, jensen_shannon, jensen_shannon_counts, wasserstein_1, wasserstein_1_weighted};
pub use empirical::{Confusion, EmpiricalEpsilon, empirical_epsilon};
pub use fidelity::{FIELDS, FidelityRow, FieldKind, Metric, fidelity};
pub use interval::{clopper_pearson, clopper_pearson_upper};
pub use leakage::{CONFIDENCE, INTERVAL_METHOD, Leakage, RESAMPLES, leakage};
pub use roc::{Roc, RocCorner, Scored};
pub use summary::{FieldMean, mean_by_field, mean_over_fields};
