//! SQL functions, so that a new attack or fidelity measure is a query.
//!
//! Aggregates: `auc`, `tpr_at_fpr`, `jsd`, `js_divergence`, `wasserstein`, `entropy_bits`.
//! Scalars: `ip_text`, `hexdump`, `list_sum`, `list_mean`, `list_std`, `empirical_epsilon`; `length` and
//! `octet_length` of bytes too.

mod aggregate;
mod bytes;
mod divergence;
mod histogram;
mod leakage;
mod modest;
mod privacy;
mod scalar;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

/// Adds all functions to a context.
pub(super) fn register(context: &SessionContext) {
    for kind in aggregate::Kind::ALL {
        context.register_udaf(AggregateUDF::from(aggregate::StudyAggregate::new(kind)));
    }
    for kind in scalar::Kind::ALL {
        context.register_udf(ScalarUDF::from(scalar::StudyScalar::new(kind)));
    }
    for kind in bytes::ByteLength::ALL {
        context.register_udf(ScalarUDF::from(bytes::ByteLength::new(kind)));
    }
    context.register_udf(ScalarUDF::from(privacy::EmpiricalEpsilon::new()));
    modest::register(context);
}

/// Names of all functions of this module.
pub const NAMES: &[&str] = &[
    "auc",
    "tpr_at_fpr",
    "jsd",
    "js_divergence",
    "wasserstein",
    "entropy_bits",
    "ip_text",
    "hexdump",
    "list_sum",
    "list_mean",
    "list_std",
    "empirical_epsilon",
];
