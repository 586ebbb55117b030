//! What to simulate: datasets, their classes, and the options of a capture.

use syntrace_base::base::Seed;

/// Names of the datasets and their classes.
pub const CLASSES: &[(&str, &[&str])] = &[
    ("os", &["windows", "ubuntu", "mac"]),
    ("vca", &["meet", "teams", "webex"]),
    (PUBLIC, &["bsd", "android", "zoom"]),
    (WIDE, &[WIDE_CLASS]),
];

/// The dataset of systems and applications that are in neither study of the paper. What is learned from it (base
/// models, vocabularies) costs no privacy.
pub const PUBLIC: &str = "public";

/// The dataset of no class: every flow has hosts, stacks and a service of its own. What shipped bases are trained on,
/// and a pool to select from.
pub const WIDE: &str = "wide";
/// Its one class.
pub(super) const WIDE_CLASS: &str = "internet";

/// 2024-01-15 08:00:00 UTC.
pub(super) const START_US: i64 = 1_705_305_600_000_000;
/// Frames of a flow by default: more than the ten of a trace, so that longer traces can be cut.
const PACKETS_PER_FLOW_MAX: u32 = 40;

/// What to simulate. Everything follows from these values: the same options give the same bytes, on any
/// number of threads, and a larger `flows` only adds flows.
#[derive(Debug, Clone)]
pub struct SimulateOptions {
    /// `os`, `vca`, `public` or `wide`.
    pub dataset: String,
    /// A class of the dataset, see [`CLASSES`].
    pub class: String,
    /// Number of flows: bidirectional 5-tuples. In `wide` some share one, as discoveries to everyone do.
    pub flows: u32,
    /// Source of all draws; dataset and class are mixed in.
    pub seed: Seed,
    /// A flow ends after this many packets at the latest, as if the capture had stopped.
    pub packets_per_flow_max: u32,
    /// Share of flows that are name look-ups (2 to 4 packets each); `wide` has shares of its own.
    pub dns_share: f64,
    /// Share of flows over IPv6, bounded by the share of households that have it (6 in 10).
    pub ipv6_share: f64,
    /// Time of the first flow, microseconds since 1970.
    pub start_us: i64,
}

impl SimulateOptions {
    /// Options with the defaults: 40 packets a flow, a fifth of the flows DNS, a tenth over IPv6.
    pub fn new(dataset: &str, class: &str, flows: u32, seed: Seed) -> Self {
        Self {
            dataset: dataset.to_owned(),
            class: class.to_owned(),
            flows,
            seed,
            packets_per_flow_max: PACKETS_PER_FLOW_MAX,
            dns_share: 0.2,
            ipv6_share: 0.1,
            start_us: START_US,
        }
    }
}

/// The seed of all flows of a class.
pub(super) fn population(seed: &Seed, dataset: &str, class: &str) -> Seed {
    seed.named("simulate").named(dataset).named(class)
}
