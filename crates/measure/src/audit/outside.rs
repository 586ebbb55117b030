//! Attributes of a real trace from a set of synthetic traces, for an attacker who has the synthetic traffic but no
//! access to the model (black box). Attacks use these attributes like those of a model: calibrated by shadows (a
//! threshold, a forest), or by the attributes of the same trace from other models' synthetic traces (LiRA, RMIA).
//!
//! | kind | loss | values | after |
//! | --- | --- | --- | --- |
//! | `synthetic_nearest` | share of bytes that differ from the closest synthetic trace | that of the five closest; share of header fields that differ, of the five closest; how much farther off the closest reference trace is, in bytes and in fields | GAN-Leaks (Chen et al. 2020, arXiv 1909.03935), calibrated as in its section 4.4 |
//! | `synthetic_marginals` | minus the mean log share of synthetic traces that have the trace's value, over one and two fields | log ratio to the share among reference traces; minus loss; means over single fields, pairs of a flow, steps to the next packet; log ratio and mean log share over pairs of a flow's fields in bins | DOMIAS (van Breugel et al. 2023, arXiv 2302.12580); MAMA-MIA (Golob et al. 2024, arXiv 2410.05506) |
//! | `synthetic_markov` | minus the mean log-likelihood of a header byte under a Markov chain that learnt from the synthetic traces | log ratio to a chain that learnt from reference traces; minus loss; that of the likeliest and of the unlikeliest packet | n-gram surrogate (Meeus et al. 2025, arXiv 2502.14921) |
//!
//! Reference traces are real traces of the class that the model's split does not hold; without any, ratios are 0. A trace that
//! is one of them is held against the others.

use super::closest_record::{closest_of, keep};
use super::identifier::header;
use super::packet_digest::{Content, content};
use std::collections::{HashMap, HashSet};
use syntrace_base::base::{TraceId, map_ordered};
use syntrace_base::record::{NamedScalar, Packet, Trace, TraceAttribute};

/// Names of the kinds.
pub const OUTSIDE_KINDS: [&str; 3] = ["synthetic_markov", "synthetic_marginals", "synthetic_nearest"];

/// Raised when the same traces give other attributes.
pub const OUTSIDE_VERSION: u32 = 3;

/// Scalars inside an attribute of a kind; none where the kind is another.
pub fn outside_scalars(kind: &str) -> Vec<NamedScalar> {
    let one = |name, start, member_high| NamedScalar { name, start, step: 0, tail: 0, member_high };
    match kind {
        "synthetic_nearest" => {
            let places = NEIGHBOURS as u32;
            let (bytes, fields) = (one("bytes", 0, false), one("fields", places, false));
            vec![bytes, fields, one("bytes_gained", 2 * places, true), one("fields_gained", 2 * places + 1, true)]
        }
        "synthetic_marginals" => vec![one("ratio", 0, true), one("likelihood", 1, true), one("binned_ratio", 5, true)],
        "synthetic_markov" => vec![one("ratio", 0, true), one("likelihood", 1, true)],
        _ => Vec::new(),
    }
}

/// Closest synthetic traces that an attribute lists.
const NEIGHBOURS: usize = 5;

/// The attributes of real traces, one of each kind in the order of [`OUTSIDE_KINDS`], given what a model wrote and
/// reference traces.
pub fn outside_attributes(traces: &[Trace], synthetic: &[Trace], reference: &[Trace]) -> Vec<[TraceAttribute; 3]> {
    let (own, own_of_reference) = (Neighbours::new(synthetic), Neighbours::new(reference));
    let (marginals, of_reference) = (Marginals::new(synthetic), Marginals::new(reference));
    let (chain, chain_of_reference) = (Chain::new(synthetic), Chain::new(reference));
    let references: HashSet<TraceId> = reference.iter().map(|trace| trace.trace_id).collect();
    map_ordered(traces, |trace| {
        // A reference trace is held against the others.
        let itself: &[Trace] = if references.contains(&trace.trace_id) { std::slice::from_ref(trace) } else { &[] };
        [
            chain.attribute(trace, &chain_of_reference, &Chain::new(itself)),
            marginals.attribute(trace, &of_reference, &Marginals::new(itself)),
            own.attribute(trace, &own_of_reference),
        ]
    })
}

/// Number of header fields of a packet that are compared.
const FIELDS: usize = 14;

/// Header fields of a packet; gaps by powers of two, an absent field as a separate value.
fn fields(packet: &Packet, gap_us: i64) -> [u64; FIELDS] {
    let address = |bytes: &[u8]| short(content(bytes));
    let optional = |value: Option<u64>| value.map_or(u64::MAX, |value| value);
    [
        u64::from(packet.direction == syntrace_base::record::Direction::Backward),
        address(&packet.src_ip),
        address(&packet.dst_ip),
        u64::from(packet.src_port),
        u64::from(packet.dst_port),
        u64::from(packet.protocol),
        u64::from(packet.ip_length),
        u64::from(packet.ttl),
        u64::from(packet.tos),
        optional(packet.identification.map(u64::from)),
        optional(packet.flags.map(u64::from)),
        optional(packet.tcp_flags.map(u64::from)),
        u64::from(packet.payload_length),
        u64::from(64 - gap_us.unsigned_abs().leading_zeros()),
    ]
}

fn short(content: Content) -> u64 {
    content.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The fields of all packets of a trace.
fn rows(trace: &Trace) -> Vec<[u64; FIELDS]> {
    let before = trace.packets.iter().map(|packet| packet.time_us);
    let before = trace.packets.first().map(|first| first.time_us).into_iter().chain(before);
    trace
        .packets
        .iter()
        .zip(before)
        .map(|(packet, before)| fields(packet, packet.time_us.saturating_sub(before)))
        .collect()
}

/// Synthetic traces as bytes and as fields.
struct Neighbours<'a> {
    traces: &'a [Trace],
    rows: Vec<Vec<[u64; FIELDS]>>,
}

impl<'a> Neighbours<'a> {
    fn new(traces: &'a [Trace]) -> Self {
        Self { traces, rows: map_ordered(traces, rows) }
    }

    fn attribute(&self, trace: &Trace, reference: &Self) -> TraceAttribute {
        let [by_bytes, by_fields] = self.closest(trace, None);
        let gained = if reference.traces.iter().all(|other| other.trace_id == trace.trace_id) {
            [0.0; 2]
        } else {
            let [bytes, fields] = reference.closest(trace, Some(trace.trace_id));
            [bytes[0] - by_bytes[0], fields[0] - by_fields[0]]
        };
        let values = by_bytes.iter().chain(&by_fields).chain(&gained).map(|distance| *distance as f32).collect();
        TraceAttribute { kind: OUTSIDE_KINDS[2], loss: by_bytes[0] as f32, values }
    }

    /// Distances to the closest traces, `without` one of them, in bytes and in header fields.
    fn closest(&self, trace: &Trace, without: Option<TraceId>) -> [[f64; NEIGHBOURS]; 2] {
        let others = || self.traces.iter().zip(&self.rows).filter(|(other, _)| Some(other.trace_id) != without);
        let by_bytes = closest_of::<NEIGHBOURS>(trace, others().map(|(other, _)| other));
        let own = rows(trace);
        let mut by_fields = [1.0; NEIGHBOURS];
        for (_, other) in others() {
            let different: usize = own.iter().zip(other).map(|(a, b)| unequal(a, b)).sum();
            let total = FIELDS * own.len().max(other.len());
            let distance = (different + FIELDS * own.len().abs_diff(other.len())) as f64 / total.max(1) as f64;
            keep(&mut by_fields, distance);
        }
        [by_bytes, by_fields]
    }
}

fn unequal(a: &[u64; FIELDS], b: &[u64; FIELDS]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

/// Fields of the first packet, pairs of which are counted.
const FLOW_FIELDS: [usize; 8] = [1, 2, 3, 4, 6, 7, 9, 11];
/// Fields whose steps from packet to packet are counted.
const STEP_FIELDS: [usize; 5] = [0, 6, 11, 12, 13];

/// How a cell came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cell {
    /// A field at a position.
    Single(usize, usize, u64),
    /// Two fields of the first packet.
    Pair(usize, usize, u64, u64),
    /// A field at a position and at the next.
    Step(usize, usize, u64, u64),
    /// Two fields of the flow in bins: who writes values from the bins of a marginal matches no value exactly.
    Binned(usize, usize, u64, u64),
}

/// How many traces have each value.
struct Marginals {
    counts: HashMap<Cell, u32>,
    traces: u32,
}

impl Marginals {
    fn new(traces: &[Trace]) -> Self {
        let mut counts = HashMap::new();
        for cell in map_ordered(traces, cells).into_iter().flatten() {
            *counts.entry(cell).or_default() += 1;
        }
        Self { counts, traces: traces.len() as u32 }
    }

    fn count(&self, cell: &Cell) -> u32 {
        self.counts.get(cell).copied().unwrap_or(0)
    }

    /// Log share of the traces, but for some of them, that are in a cell; half a trace is added to each.
    fn log_share(&self, cell: &Cell, without: &Self) -> f64 {
        let count = self.count(cell).saturating_sub(without.count(cell));
        let traces = self.traces.saturating_sub(without.traces);
        ((f64::from(count) + 0.5) / (f64::from(traces) + 1.0)).ln()
    }

    fn attribute(&self, trace: &Trace, reference: &Self, itself: &Self) -> TraceAttribute {
        let none = Self::new(&[]);
        let (mut all, mut ratio) = (Mean::default(), Mean::default());
        let (mut binned, mut binned_ratio) = (Mean::default(), Mean::default());
        let mut by_kind = [Mean::default(); 3];
        for cell in cells(trace) {
            let share = self.log_share(&cell, &none);
            let gained = share - reference.log_share(&cell, itself);
            let kind = match cell {
                Cell::Binned(..) => {
                    binned.add(share);
                    binned_ratio.add(gained);
                    continue;
                }
                Cell::Single(..) => 0,
                Cell::Pair(..) => 1,
                Cell::Step(..) => 2,
            };
            all.add(share);
            ratio.add(gained);
            by_kind[kind].add(share);
        }
        let known = if reference.traces == itself.traces { 0.0 } else { 1.0 };
        let means = by_kind.map(Mean::value);
        let values = [ratio.value() * known, all.value()].into_iter().chain(means);
        let values = values.chain([binned_ratio.value() * known, binned.value()]).map(|value| value as f32);
        TraceAttribute { kind: OUTSIDE_KINDS[1], loss: -all.value() as f32, values: values.collect() }
    }
}

/// Bits by which an address is binned where it is not of a private network, and where it is.
const ADDRESS_BITS: [u32; 2] = [8, 16];

/// A flow in bins, as who tabulates marginals has to bin it: networks of both ends, service and bin of the client's port, and of
/// the first packet and the first answer length and TTL, then TOS, flags, numbering, TCP flags and number of packets.
fn binned(trace: &Trace) -> Vec<u64> {
    let Some(first) = trace.packets.first() else { return Vec::new() };
    let backward = syntrace_base::record::Direction::Backward;
    let answer = trace.packets.iter().find(|packet| packet.direction == backward);
    let optional = |value: Option<u64>| value.map_or(u64::MAX, |value| value);
    let octaves = |value: u64, steps: f64| (((value + 1) as f64).log2() * steps) as u64;
    let port = |port: u16| if port < 1024 { u64::from(port) } else { 1024 + octaves(u64::from(port), 8.0) };
    let network = |address: &[u8]| {
        let bits = ADDRESS_BITS[usize::from(matches!(address, [10, ..] | [172, 16..32, ..] | [192, 168, ..]))];
        address.iter().take(bits as usize / 8).fold(address.len() as u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    vec![
        network(&first.src_ip),
        network(&first.dst_ip),
        port(first.src_port),
        port(first.dst_port),
        octaves(u64::from(first.ip_length), 4.0),
        u64::from(first.ttl),
        optional(answer.map(|packet| octaves(u64::from(packet.ip_length), 4.0))),
        optional(answer.map(|packet| u64::from(packet.ttl))),
        u64::from(first.tos),
        optional(first.flags.map(u64::from)),
        optional(first.identification.map(|number| octaves(u64::from(number), 1.0))),
        optional(first.tcp_flags.map(u64::from)),
        trace.packets.len() as u64,
    ]
}

fn cells(trace: &Trace) -> Vec<Cell> {
    let rows = rows(trace);
    let mut found = Vec::new();
    for (position, row) in rows.iter().enumerate() {
        found.extend(row.iter().enumerate().map(|(field, value)| Cell::Single(field, position, *value)));
    }
    if let Some(first) = rows.first() {
        for (at, a) in FLOW_FIELDS.into_iter().enumerate() {
            found.extend(FLOW_FIELDS.into_iter().skip(at + 1).map(|b| Cell::Pair(a, b, first[a], first[b])));
        }
    }
    let bins = binned(trace);
    for (a, first) in bins.iter().enumerate() {
        found.extend(bins.iter().enumerate().skip(a + 1).map(|(b, second)| Cell::Binned(a, b, *first, *second)));
    }
    for (position, pair) in rows.windows(2).enumerate() {
        found.extend(STEP_FIELDS.map(|field| Cell::Step(field, position, pair[0][field], pair[1][field])));
    }
    found
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// 0 over nothing.
    fn value(self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / f64::from(self.count) }
    }
}

/// Added to the count of each of 256 bytes.
const SMOOTHING: f64 = 0.01;

/// Counts of header bytes by place and byte before.
struct Chain {
    next: HashMap<(u16, u8, u8), u32>,
    states: HashMap<(u16, u8), u32>,
}

impl Chain {
    fn new(traces: &[Trace]) -> Self {
        let mut chain = Self { next: HashMap::new(), states: HashMap::new() };
        for packet in traces.iter().flat_map(|trace| &trace.packets) {
            for (place, before, byte) in transitions(header(packet)) {
                *chain.next.entry((place, before, byte)).or_default() += 1;
                *chain.states.entry((place, before)).or_default() += 1;
            }
        }
        chain
    }

    /// As the traces, but for some of them, say.
    fn log_likelihood(&self, (place, before, byte): (u16, u8, u8), without: &Self) -> f64 {
        let of = |count: Option<&u32>| count.map_or(0.0, |count| f64::from(*count));
        let counts =
            |chain: &Self| (of(chain.next.get(&(place, before, byte))), of(chain.states.get(&(place, before))));
        let ((next, state), (next_without, state_without)) = (counts(self), counts(without));
        let (next, state) = ((next - next_without).max(0.0), (state - state_without).max(0.0));
        ((next + SMOOTHING) / (state + 256.0 * SMOOTHING)).ln()
    }

    fn attribute(&self, trace: &Trace, reference: &Self, itself: &Self) -> TraceAttribute {
        let none = Self::new(&[]);
        let (mut all, mut ratio) = (Mean::default(), Mean::default());
        let (mut best, mut worst) = (f64::NEG_INFINITY, f64::INFINITY);
        for packet in &trace.packets {
            let mut own = Mean::default();
            for transition in transitions(header(packet)) {
                let value = self.log_likelihood(transition, &none);
                own.add(value);
                all.add(value);
                ratio.add(value - reference.log_likelihood(transition, itself));
            }
            (best, worst) = (best.max(own.value()), worst.min(own.value()));
        }
        let ratio = if reference.next == itself.next { 0.0 } else { ratio.value() };
        let ends = if trace.packets.is_empty() { [0.0, 0.0] } else { [best, worst] };
        let values = [ratio, all.value()].into_iter().chain(ends).map(|value| value as f32).collect();
        TraceAttribute { kind: OUTSIDE_KINDS[0], loss: -all.value() as f32, values }
    }
}

/// Place in the header, the byte before (0 before the first) and the byte.
fn transitions(bytes: &[u8]) -> impl Iterator<Item = (u16, u8, u8)> {
    let before = std::iter::once(0).chain(bytes.iter().copied());
    (0u16..).zip(before).zip(bytes).map(|((place, before), byte)| (place, before, *byte))
}
