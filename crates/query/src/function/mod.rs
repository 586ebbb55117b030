//! SQL functions, so that a new attack or fidelity measure is a query.
//!
//! Aggregates: `auc`, `tpr_at_fpr`, `jsd`, `js_divergence`, `wasserstein`, `entropy_bits`.
//! Scalars: `ip_text`, `hexdump`, `list_sum`, `list_mean`, `list_std`, `half_floats`, `empirical_epsilon`, `joint_epsilon`, `inet`,
//! `in_network`, `json_extract`, `json_extract_string`; `length` and `octet_length` of bytes too. `sum` of integers does not wrap.

mod address;
mod aggregate;
mod bytes;
mod divergence;
mod histogram;
mod json;
mod leakage;
mod privacy;
mod result_size;
mod scalar;
mod sum;

pub(super) use address::{AddressFunction, address_bytes, network};
pub(super) use json::{JsonFunction, Kind as JsonKind};

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
    for kind in address::AddressFunction::ALL {
        context.register_udf(ScalarUDF::from(address::AddressFunction::new(kind)));
    }
    for kind in json::JsonFunction::ALL {
        context.register_udf(ScalarUDF::from(json::JsonFunction::new(kind)));
    }
    context.register_udf(ScalarUDF::from(privacy::EmpiricalEpsilon::new()));
    context.register_udf(ScalarUDF::from(privacy::JointEpsilon::new()));
    context.register_udaf(AggregateUDF::from(sum::Sum::new()));
    result_size::register(context);
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
    "half_floats",
    "empirical_epsilon",
    "joint_epsilon",
    "inet",
    "in_network",
    "json_extract",
    "json_extract_string",
];
