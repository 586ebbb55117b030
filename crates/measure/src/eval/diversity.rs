//! How many different things occur on a side, and whether they are the real ones: copies of traces,
//! distinct values per field, coverage. Counts of distinct things depend on the number of traces: compare
//! them with the baselines, which have their own sample sizes in `n_compared`. They count present values only:
//! missing fields and packets are measured in the aspects `header` and `flow`.

use super::distribution::count;
use super::header::{FIELDS, FieldKind};
use super::measure::{Aspect, Metric};
use super::rows::Rows;
use std::collections::HashMap;
use syntrace_base::base::Identity;
use syntrace_base::record::{Direction, Packet, Trace};

/// What occurs on one side, each with its number of occurrences.
pub(super) struct Diversity {
    /// Whole traces, by the digest of their frames.
    traces: HashMap<[u8; 16], u64>,
    /// Whole traces, by the digest of what stays of their headers; see [`headers`].
    headers: HashMap<[u8; 16], u64>,
    /// Values of each header field but time, pooled over positions.
    fields: Vec<(&'static str, HashMap<u128, u64>)>,
}

impl Diversity {
    pub fn of(traces: &[&Trace]) -> Self {
        let packets = || traces.iter().flat_map(|trace| &trace.packets);
        let fields = FIELDS.iter().filter_map(|(name, kind)| {
            let counts = match kind {
                FieldKind::Address(extract) => count(packets().map(extract)),
                FieldKind::Code(extract) => count(packets().filter_map(extract).map(u128::from)),
                FieldKind::Size(extract) => count(packets().map(|packet| u128::from(extract(packet)))),
                FieldKind::Gap(_) => return None,
            };
            Some((*name, counts))
        });
        Self {
            traces: count(traces.iter().map(|trace| frames(trace))),
            headers: count(traces.iter().map(|trace| headers(trace))),
            fields: fields.collect(),
        }
    }

    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        overlap("trace", &self.traces, &compared.traces, rows);
        overlap("headers", &self.headers, &compared.headers, rows);
        for ((field, real), (_, other)) in self.fields.iter().zip(&compared.fields) {
            overlap(field, real, other, rows);
        }
    }
}

/// Digest of a trace's frames, without their times.
fn frames(trace: &Trace) -> [u8; 16] {
    trace
        .packets
        .iter()
        .fold(Identity::new("frames"), |identity, packet| identity.bytes(&packet.data))
        .finish()
        .prefix16()
}

/// Digest of a trace's headers without what changes from one repetition to the next: time,
/// identification, checksum.
fn headers(trace: &Trace) -> [u8; 16] {
    trace.packets.iter().fold(Identity::new("headers"), of_packet).finish().prefix16()
}

fn of_packet(identity: Identity, packet: &Packet) -> Identity {
    let small = [
        packet.ip_version,
        packet.protocol,
        packet.header_length,
        packet.tos,
        packet.flags.unwrap_or(u8::MAX),
        packet.ttl,
        packet.tcp_flags.unwrap_or(u8::MAX),
        u8::from(packet.tcp_flags.is_some()),
        u8::from(packet.direction == Direction::Backward),
    ];
    let ports = i64::from(packet.src_port) << 16 | i64::from(packet.dst_port);
    let identity = identity.bytes(&packet.src_ip).bytes(&packet.dst_ip).bytes(&small).int(ports);
    identity.int(packet.ip_length.into()).int(packet.fragment_offset.map_or(-1, i64::from))
}

fn overlap<K: Eq + std::hash::Hash>(
    field: &'static str,
    real: &HashMap<K, u64>,
    compared: &HashMap<K, u64>,
    rows: &mut Rows,
) {
    let total = |side: &HashMap<K, u64>| side.values().sum::<u64>();
    let shared = |of: &HashMap<K, u64>, other: &HashMap<K, u64>| {
        of.iter().filter(|(value, _)| other.contains_key(*value)).map(|(_, times)| times).sum::<u64>()
    };
    let n = (total(real), total(compared));
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let known = if n.0 > 0 { share(shared(compared, real), n.1) } else { None };
    let covered = if n.1 > 0 { share(shared(real, compared), n.0) } else { None };
    let measures = [
        (Metric::DistinctShare, share(compared.len() as u64, n.1)),
        (Metric::DistinctRatio, share(compared.len() as u64, real.len() as u64)),
        (Metric::Coverage, covered),
        (Metric::Novelty, known.map(|known| 1.0 - known)),
    ];
    for (metric, value) in measures {
        rows.push((Aspect::Diversity, field, None), metric, value, n);
    }
}
