//! What to simulate, and doing it.

use super::class;
use super::flow::Flow;
use super::host::{HOSTS, Host};
use super::wide;
use syntrace_base::base::{Seed, map_ordered};
use syntrace_base::error::{Error, Result};

/// Names of the datasets and their classes.
pub const CLASSES: &[(&str, &[&str])] = &[
    ("os", &["windows", "ubuntu", "mac"]),
    ("vca", &["meet", "teams", "webex"]),
    (PUBLIC, &["bsd", "android", "zoom"]),
    (WIDE, &[WIDE_CLASS]),
];

/// The dataset of systems and applications that are in neither study of the paper: what may be learned
/// from outside a mechanism (base models, vocabularies).
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

/// One packet on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedFrame {
    /// Microseconds since 1970.
    pub time_us: i64,
    /// A complete Ethernet II frame without its check sequence; IP, TCP and UDP checksums are valid.
    pub bytes: Vec<u8>,
}

/// Simulates the capture of one class: all frames of all flows, sorted by time.
///
/// Errors are the user's: an unknown dataset or class, or an option out of range.
pub fn simulate(options: &SimulateOptions) -> Result<Vec<SimulatedFrame>> {
    let class = check(options)?;
    let population = population(&options.seed, &options.dataset, &options.class);
    let indices: Vec<u32> = (0..options.flows).collect();
    let Some(class) = class else {
        let limit = options.packets_per_flow_max as usize;
        return Ok(in_order(map_ordered(&indices, |index| {
            wide::conversation(&population, u64::from(*index), options.start_us, limit)
        })));
    };
    let hosts: [Host; HOSTS] = std::array::from_fn(|index| Host::new(&population, index, class.system));
    Ok(in_order(map_ordered(&indices, |index| {
        let flow = Flow::new(options, &population, &hosts, *index, class.offload_bytes);
        class.converse(flow, options.dns_share)
    })))
}

/// The seed of all flows of a class.
pub(super) fn population(seed: &Seed, dataset: &str, class: &str) -> Seed {
    seed.named("simulate").named(dataset).named(class)
}

fn in_order(flows: Vec<Vec<SimulatedFrame>>) -> Vec<SimulatedFrame> {
    let mut frames: Vec<SimulatedFrame> = flows.into_iter().flatten().collect();
    // Stable: frames of one microsecond stay in the order of their flows, and in each flow's own.
    frames.sort_by_key(|frame| frame.time_us);
    frames
}

/// The class; `None` for the one of `wide`, whose flows have nothing in common.
fn check(options: &SimulateOptions) -> Result<Option<&'static class::Class>> {
    let datasets: Vec<&str> = CLASSES.iter().map(|(dataset, _)| *dataset).collect();
    let Some((_, classes)) = CLASSES.iter().find(|(dataset, _)| *dataset == options.dataset) else {
        return Err(unknown("dataset", &options.dataset, &datasets));
    };
    for (name, share) in [("dns_share", options.dns_share), ("ipv6_share", options.ipv6_share)] {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::user(format!("{name} must be between 0 and 1, found `{share}`")));
        }
    }
    for (name, count) in [("flows", options.flows), ("packets_per_flow_max", options.packets_per_flow_max)] {
        if count == 0 {
            return Err(Error::user(format!("{name} must be at least 1, found `0`")));
        }
    }
    if !classes.contains(&options.class.as_str()) {
        return Err(unknown(&format!("class of dataset `{}`", options.dataset), &options.class, classes));
    }
    Ok(class::find(&options.dataset, &options.class))
}

fn unknown(what: &str, found: &str, known: &[&str]) -> Error {
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let nearest = known.iter().max_by(|a, b| strsim::jaro(a, found).total_cmp(&strsim::jaro(b, found)));
    let error = Error::user(format!("no {what} is called `{found}`: expected one of {list}"));
    match nearest {
        // Below this similarity a guess misleads more than it helps.
        Some(name) if strsim::jaro(name, found) > 0.6 => error.hint(format!("did you mean `{name}`?")),
        _ => error,
    }
}
