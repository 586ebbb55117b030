//! Numbers of a packet as a choice among public ranges and the place within the range (mode-specific
//! normalisation, Xu et al. 2019, section 4.2, with protocol constants for the modes).
//!
//! A sigmoid cell over the whole range of a field has to put 40, 52 and 1,500 bytes onto one smooth curve, and
//! moves a critic by a tenth of what a flipped choice does. As choices, values of common meaning (a pure
//! acknowledgement, a full segment, an untouched TTL) are exact, and a wrong one is as far off as a wrong bit.

#![cfg_attr(not(feature = "torch"), allow(dead_code, reason = "only networks have cells to lay out"))]

/// First value of each range of a field; the last number is the first value beyond all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranges(&'static [u32]);

/// IP lengths: TCP headers without options, with timestamps, with those of a SYN; a full Ethernet frame.
pub(super) const LENGTHS: Ranges = Ranges(&[20, 40, 41, 52, 53, 60, 61, 81, 141, 301, 601, 1_001, 1_301, 1_500, 1_501]);
/// TTLs: the usual initial values, and what is left of them after some hops.
pub(super) const TTLS: Ranges = Ranges(&[0, 33, 64, 65, 128, 129, 255, 256]);
/// Types of service: none, the three of congestion notification, low delay, expedited forwarding (RFC 2474), and
/// what lies between.
pub(super) const TOS: Ranges = Ranges(&[0, 1, 2, 3, 4, 16, 17, 64, 128, 184, 185, 256]);
/// Gaps in microseconds by decades; the public cap ends the last one.
const GAPS: &[u32] = &[0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// Identifications that follow from no other packet, by eighths of their range.
const IDENTIFICATIONS: Ranges = Ranges(&[0, 8_192, 16_384, 24_576, 32_768, 40_960, 49_152, 57_344, 65_536]);
/// Largest step of a counter of identifications that counts as its next value.
const STEP_MAX: u32 = 16;
/// Choices before the eighths: zero, the same as the sender's packet before, a step after it.
const FOLLOWING: usize = 3;

/// Ranges of gaps.
pub(super) const GAP_MODES: usize = GAPS.len();
/// Choices of an identification.
pub(super) const IDENTIFICATION_MODES: usize = FOLLOWING + 8;

/// A choice and the place in [0, 1] within it.
pub(super) type Placed = (usize, f32);
/// From microseconds to the scale on which gaps are placed, or back.
pub(super) type Scale = fn(f64) -> f64;

impl Ranges {
    pub(super) const fn count(self) -> usize {
        self.0.len() - 1
    }

    /// First and last value of a range.
    fn ends(self, mode: usize) -> (u32, u32) {
        let at = |index: usize| self.0.get(index).copied().unwrap_or(0);
        (at(mode), at(mode + 1).saturating_sub(1))
    }

    /// Where a value lies; values outside all ranges lie at the nearest end.
    pub(super) fn place(self, value: i64) -> Placed {
        let (least, beyond) = (self.ends(0).0, self.ends(self.count() - 1).1);
        let value = value.clamp(i64::from(least), i64::from(beyond)) as u32;
        let mode = self.0.partition_point(|first| *first <= value) - 1;
        let (first, last) = self.ends(mode);
        (mode, share(f64::from(first), f64::from(last), f64::from(value)))
    }

    /// The value at a place; the inverse of [`Ranges::place`].
    pub(super) fn value(self, (mode, place): Placed) -> i64 {
        let (first, last) = self.ends(mode);
        at(f64::from(first), f64::from(last), place).round() as i64
    }
}

/// How far a value is on the way from `first` to `last`; the middle where there is none.
fn share(first: f64, last: f64, value: f64) -> f32 {
    if last > first { ((value - first) / (last - first)) as f32 } else { 0.5 }
}

fn at(first: f64, last: f64, place: f32) -> f64 {
    // A cell that is no number stands at the start.
    let place = if place > 0.0 { f64::from(place.min(1.0)) } else { 0.0 };
    first + (last - first).max(0.0) * place
}

/// Ends of a range of gaps under a cap, microseconds, the upper one shared with the next range.
fn gap_ends(mode: usize, cap: f64) -> (f64, f64) {
    let first = |mode: usize| GAPS.get(mode).map_or(cap, |gap| f64::from(*gap).min(cap));
    (first(mode), first(mode + 1))
}

/// Where a gap of at most `cap` microseconds lies, on the scale `scale`.
pub(super) fn place_gap(gap_us: f64, cap: f64, scale: Scale) -> Placed {
    let mode = GAPS.partition_point(|first| f64::from(*first) <= gap_us).max(1) - 1;
    let (first, last) = gap_ends(mode, cap);
    (mode, share(scale(first), scale(last), scale(gap_us)))
}

/// The gap at a place, microseconds.
pub(super) fn gap((mode, place): Placed, cap: f64, scale: Scale, inverse: Scale) -> i64 {
    let (first, last) = gap_ends(mode, cap);
    inverse(at(scale(first), scale(last), place)).round() as i64
}

/// An identification, by the one of the same sender's packet before.
pub(super) fn place_identification(number: i64, before: Option<i64>) -> Placed {
    let step = before.map(|before| (number - before).rem_euclid(1 << 16) as u32);
    match step {
        _ if number == 0 => (0, 0.5),
        Some(0) => (1, 0.5),
        Some(step) if step <= STEP_MAX => (2, share(1.0, f64::from(STEP_MAX), f64::from(step))),
        _ => {
            let (eighth, place) = IDENTIFICATIONS.place(number);
            (FOLLOWING + eighth, place)
        }
    }
}

/// The identification at a place; without a packet before, "the same" and "a step on" are from 0.
pub(super) fn identification((mode, place): Placed, before: Option<i64>) -> i64 {
    let before = before.unwrap_or(0);
    match mode.checked_sub(FOLLOWING) {
        Some(eighth) => IDENTIFICATIONS.value((eighth, place)),
        None if mode == 0 => 0,
        None if mode == 1 => before,
        None => (before + at(1.0, f64::from(STEP_MAX), place).round() as i64).rem_euclid(1 << 16),
    }
}
