//! Distance to the closest record (DCR): the distance of a synthetic trace to the nearest training trace.

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

/// Is a trace a near copy of any of `others`?
pub(super) fn has_near_copy(trace: &Trace, others: &[Trace]) -> bool {
    others.iter().any(|other| bounded_distance(trace, other, NEAR_SHARE).is_some())
}

/// Distances of a trace to the `N` closest of `others`, in order; 1 where there are no more.
pub(super) fn closest_of<'a, const N: usize>(trace: &Trace, others: impl Iterator<Item = &'a Trace>) -> [f64; N] {
    let mut least = [1.0; N];
    for other in others {
        let limit = least.last().copied().unwrap_or(1.0);
        if let Some(distance) = bounded_distance(trace, other, limit) {
            keep(&mut least, distance);
        }
    }
    least
}

/// Distance of each trace to the closest of `others`, and its place among them; 1 where there is none.
pub(super) fn closest(traces: &[Trace], others: &[Trace]) -> Vec<(f64, usize)> {
    map_ordered(traces, |trace| {
        let first = (1.0, others.len());
        others.iter().enumerate().fold(first, |best, (place, other)| match bounded_distance(trace, other, best.0) {
            Some(distance) if distance < best.0 || best == first => (distance, place),
            _ => best,
        })
    })
}

/// Keeps the least of some distances, in order.
pub(super) fn keep(least: &mut [f64], distance: f64) {
    let place = least.partition_point(|kept| *kept <= distance);
    if let Some(rest @ [_, ..]) = least.get_mut(place..) {
        rest.rotate_right(1);
        rest[0] = distance;
    }
}

#[cfg(test)]
mod tests {
    use super::keep;

    #[test]
    fn the_least_distances_are_kept_in_order() {
        let mut least = [1.0; 3];
        for distance in [0.5, 0.7, 0.2, 0.9, 0.5, 2.0] {
            keep(&mut least, distance);
        }
        assert_eq!(least, [0.2, 0.5, 0.5]);
    }
}
