//! Properties that marginals of header fields do not capture: the order and timing of packets, and totals per trace.
//! All measures are over whole traces (no packet position).

use super::distribution::{Absent, Distribution, compare, spread};
use super::measure::{Aspect, Metric};
use super::rows::Rows;
use syntrace_base::record::{Direction, Packet, Trace};

/// All measures that a comparison gives but the divergence (the square of the distance beside it).
const STORED: [Metric; 5] = [
    Metric::JensenShannonDistance,
    Metric::TotalVariation,
    Metric::Wasserstein,
    Metric::WassersteinScaled,
    Metric::KolmogorovSmirnov,
];

/// Directions packed into a pattern: more packets than fit are left out of it.
const PATTERN_PACKETS: usize = 64;

type PairCategory = fn(&Packet, &Packet) -> u128;
type PairNumber = fn(&Packet, &Packet) -> f64;
type TraceNumber = fn(&Trace) -> f64;

/// Categories of two neighbouring packets, pooled over positions.
const PAIR_CATEGORIES: [(&str, PairCategory); 3] = [
    ("direction_transition", |before, packet| pair(code(before), code(packet))),
    ("length_transition", |before, packet| pair(length_bucket(before), length_bucket(packet))),
    ("tcp_flags_transition", |before, packet| pair(tcp_flags(before), tcp_flags(packet))),
];

/// Numbers of two neighbouring packets, pooled over positions.
const PAIR_NUMBERS: [(Aspect, &str, PairNumber); 3] = [
    (Aspect::Transition, "length_change", |before, packet| f64::from(packet.ip_length) - f64::from(before.ip_length)),
    (Aspect::Timing, "inter_arrival_us", |before, packet| gap_us(before, packet)),
    // gaps span six orders of magnitude: in logarithms the small ones count as well
    (Aspect::Timing, "inter_arrival_log10", |before, packet| (1.0 + gap_us(before, packet).max(0.0)).log10()),
];

/// Numbers of a trace (of its kept packets).
const TRACE_NUMBERS: [(&str, TraceNumber); 6] = [
    ("packets", |trace| trace.packets.len() as f64),
    ("bytes", |trace| trace.packets.iter().map(|packet| f64::from(packet.ip_length)).sum()),
    ("payload_bytes", |trace| trace.packets.iter().map(|packet| f64::from(packet.payload_length)).sum()),
    ("forward_packets", |trace| forward(trace).count() as f64),
    ("forward_bytes", |trace| forward(trace).map(|packet| f64::from(packet.ip_length)).sum()),
    ("duration_us", |trace| match (trace.packets.first(), trace.packets.last()) {
        (Some(first), Some(last)) => gap_us(first, last),
        _ => 0.0,
    }),
];

fn pair(before: u64, packet: u64) -> u128 {
    u128::from(before) << 64 | u128::from(packet)
}

fn code(packet: &Packet) -> u64 {
    u64::from(packet.direction == Direction::Backward)
}

/// Lengths by powers of two: 32 to 63 bytes, 64 to 127, and so on.
pub(super) fn length_bucket(packet: &Packet) -> u64 {
    u64::from(u32::BITS - packet.ip_length.leading_zeros())
}

fn tcp_flags(packet: &Packet) -> u64 {
    packet.tcp_flags.map_or(256, u64::from)
}

fn gap_us(before: &Packet, packet: &Packet) -> f64 {
    packet.time_us.saturating_sub(before.time_us) as f64
}

fn forward(trace: &Trace) -> impl Iterator<Item = &Packet> {
    trace.packets.iter().filter(|packet| packet.direction == Direction::Forward)
}

/// The directions of a whole trace, a leading 1 marking its length.
fn direction_pattern(trace: &Trace) -> u128 {
    trace.packets.iter().take(PATTERN_PACKETS).fold(1, |pattern, packet| pattern << 1 | u128::from(code(packet)))
}

/// The dynamics of one side.
pub(super) struct Dynamics {
    traces: u64,
    /// Packets of the longest trace.
    longest: u64,
    pairs: u64,
    distributions: Vec<(Aspect, &'static str, Unit, Distribution)>,
}

/// What has one value of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Pair,
    Trace,
}

impl Dynamics {
    pub fn of(traces: &[&Trace]) -> Self {
        let pairs = || traces.iter().flat_map(|trace| trace.packets.iter().zip(trace.packets.iter().skip(1)));
        let mut distributions = Vec::new();
        for (field, category) in PAIR_CATEGORIES {
            let values = pairs().map(|(before, packet)| category(before, packet));
            distributions.push((Aspect::Transition, field, Unit::Pair, Distribution::categories(values)));
        }
        let patterns = Distribution::categories(traces.iter().map(|trace| direction_pattern(trace)));
        distributions.push((Aspect::Transition, "direction_pattern", Unit::Trace, patterns));
        for (aspect, field, number) in PAIR_NUMBERS {
            let values = pairs().map(|(before, packet)| number(before, packet));
            distributions.push((aspect, field, Unit::Pair, Distribution::numbers(values)));
        }
        for (field, number) in TRACE_NUMBERS {
            let values = traces.iter().map(|trace| number(trace));
            distributions.push((Aspect::Flow, field, Unit::Trace, Distribution::numbers(values)));
        }
        let longest = traces.iter().map(|trace| trace.packets.len() as u64).max().unwrap_or(0);
        Self { traces: traces.len() as u64, longest, pairs: pairs().count() as u64, distributions }
    }

    /// Pairs that the traces would have if each were as long as the longest one of either side, and do not.
    fn absent(&self, unit: Unit, longest: u64) -> Absent {
        match unit {
            Unit::Pair => Absent { packets: self.traces * longest.saturating_sub(1) - self.pairs, fields: 0 },
            Unit::Trace => Absent::default(),
        }
    }

    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        let longest = self.longest.max(compared.longest);
        for ((aspect, field, unit, real), (.., other)) in self.distributions.iter().zip(&compared.distributions) {
            let sides = (real.with(self.absent(*unit, longest)), other.with(compared.absent(*unit, longest)));
            let found = compare(sides.0, sides.1, spread(std::iter::once(real)));
            rows.comparison(*aspect, *field, None, &found, &STORED);
        }
    }
}
