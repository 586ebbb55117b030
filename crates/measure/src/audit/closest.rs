//! Distance to the closest record: how near a synthetic trace comes to any training trace.

use syntrace_base::base::map_ordered;
use syntrace_base::record::Trace;

/// A synthetic trace is a near copy where at most this share of its bytes differs.
pub const NEAR_SHARE: f64 = 0.05;

/// Share of bytes that differ between two traces, packet by packet, times of arrival left out: bytes that
/// only one of them has count as different. 0 = the same bytes, 1 = nothing in common.
pub fn trace_distance(a: &Trace, b: &Trace) -> f64 {
    bounded_distance(a, b, f64::INFINITY).unwrap_or(1.0)
}

/// As [`trace_distance`]; `None` where it is above `limit`, as soon as that is certain.
fn bounded_distance(a: &Trace, b: &Trace, limit: f64) -> Option<f64> {
    let packets = a.packets.len().max(b.packets.len());
    let frame = |trace: &'_ Trace, index: usize| trace.packets.get(index).map_or(0, |packet| packet.data.len());
    let (mut total, mut different) = (0usize, 0usize);
    for index in 0..packets {
        let (left, right) = (frame(a, index), frame(b, index));
        total += left.max(right);
        different += left.abs_diff(right);
    }
    if total == 0 {
        return Some(0.0);
    }
    let most = limit * total as f64;
    for (left, right) in a.packets.iter().zip(&b.packets) {
        if different as f64 > most {
            return None;
        }
        different += left.data.iter().zip(&right.data).filter(|(left, right)| left != right).count();
    }
    (different as f64 <= most).then_some(different as f64 / total as f64)
}

/// Distance of each trace to the closest of `others`; 1 where there is none.
pub(super) fn closest(traces: &[Trace], others: &[Trace]) -> Vec<f64> {
    map_ordered(traces, |trace| {
        others.iter().fold(1.0, |best: f64, other| bounded_distance(trace, other, best).unwrap_or(best))
    })
}
