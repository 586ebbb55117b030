//! The optimistic twin of the lattice of `step`: outcomes of one step are put into bins, each of which
//! has a privacy loss that is a lattice point, exactly.
//!
//! Telling only the bin is post-processing, so the binned pair of distributions is no easier to tell
//! apart than the true one, and every composition of it bounds the true curve from below. A bin's loss
//! is near the middle of its range, so that only variance is lost: the error is of second order in the
//! spacing, as that of the pessimistic lattice.
//!
//! Given a bin's lower border, its upper border follows from its lattice point, and so on: an error of a
//! border swings from bin to bin, its size times the density staying the same. So borders are laid from
//! both tails inwards and meet where the density is largest. The bin in which they meet is off the
//! lattice, by much where much of the mass has nearly one loss (a small rate with little noise), so the
//! lattice is shifted until that bin lies on it.

use super::analytic::threshold;
use super::step::{LatticeLoss, Phase};
use crate::privacy::normal::Bound;

/// A bin's loss may lie this far below its lattice point, in spacings: rounding of its two masses. The
/// lower bound pays it back for every step.
pub(super) const LOSS_TOLERANCE: f64 = 1e-6;

/// Rounds of the search for a border; two or three are usual.
const ROUNDS_MAX: usize = 60;

/// Shifts of the lattice that are tried, and halvings around the best pair of them.
const SHIFTS: usize = 16;
const HALVINGS: usize = 22;

/// Lattice points on each side of the middle with which the shift is looked for: borders farther away
/// hardly move the middle.
const NEAR_POINTS: f64 = 100.0;

/// A place between two bins: a loss, and the tails of both distributions there.
#[derive(Clone, Copy)]
struct Border {
    loss: f64,
    base: Bound,
    shifted: Bound,
}

/// Masses of a bin under both distributions.
#[derive(Clone, Copy)]
struct Bin {
    base: f64,
    shifted: f64,
}

/// On which side of the given border the next one lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BorderSide {
    Above,
    Below,
}

impl Phase {
    /// The binned losses in both directions, (remove, add), with total masses of at most 1: what lies in
    /// the far tail is left out, which only lowers the curve.
    pub(super) fn binned(&self, spacing: f64, tail: f64) -> (LatticeLoss, LatticeLoss) {
        let range = self.loss_range(tail);
        let mut binning = Binning { phase: self, spacing, offset: 0.0 };
        let middle = binning.points(range).middle as f64 * spacing;
        let reach = NEAR_POINTS * spacing;
        binning.shift((range.0.max(middle - reach), range.1.min(middle + reach)));
        let points = binning.points(range);
        binning.losses(&binning.bins(points).all, points)
    }
}

/// Indices of lattice points: the ends, and where both sides meet.
#[derive(Clone, Copy)]
struct Points {
    lowest: i64,
    middle: i64,
    highest: i64,
}

/// All bins, and the loss of that in which both sides meet, before it is cut.
struct Bins {
    all: Vec<Bin>,
    joint_loss: f64,
}

#[derive(Clone, Copy)]
struct Binning<'a> {
    phase: &'a Phase,
    spacing: f64,
    /// Loss of the lattice point 0.
    offset: f64,
}

impl Binning<'_> {
    /// The bins as lattice losses; off the lattice, a loss counts as the next lower point.
    fn losses(&self, bins: &[Bin], points: Points) -> (LatticeLoss, LatticeLoss) {
        let Points { lowest, highest, .. } = points;
        // two points to spare on each side, for rounding down and for the shift
        let length = (highest - lowest) as usize + 5;
        let empty = |lowest, offset| LatticeLoss { lowest, offset, masses: vec![0.0; length], infinite: 0.0 };
        let (mut remove, mut add) = (empty(lowest - 2, self.offset), empty(-highest - 2, -self.offset));
        for bin in bins {
            let place = (self.loss(*bin) - self.offset) / self.spacing;
            put(&mut remove, place, (1.0 - self.phase.q) * bin.base + self.phase.q * bin.shifted);
            put(&mut add, -place, bin.base);
        }
        (remove, add)
    }

    fn point(&self, index: i64) -> f64 {
        self.offset + index as f64 * self.spacing
    }

    fn border(&self, loss: f64) -> Border {
        let (q, sigma) = (self.phase.q, self.phase.sigma);
        let x = threshold(q, sigma, loss);
        Border { loss, base: Bound::at(x / sigma), shifted: Bound::at((x - 1.0) / sigma) }
    }

    fn bin(&self, lower: Border, upper: Border) -> Bin {
        Bin { base: lower.base.mass_to(upper.base), shifted: lower.shifted.mass_to(upper.shifted) }
    }

    /// ln of the ratio of both masses; not a number for an empty bin.
    fn loss(&self, bin: Bin) -> f64 {
        (self.phase.q * (bin.shifted / bin.base - 1.0)).ln_1p()
    }

    /// The lattice points of a range of losses; both sides meet at the one with the largest mass around it
    /// under both distributions.
    fn points(&self, (low, high): (f64, f64)) -> Points {
        let index = |loss: f64| ((loss - self.offset) / self.spacing).floor() as i64;
        let (lowest, highest) = (index(low), index(high));
        let mut best = (0.0, lowest);
        let mut lower = self.border(f64::NEG_INFINITY);
        for index in lowest..=highest {
            let upper = self.border(self.point(index) + 0.5 * self.spacing);
            let bin = self.bin(lower, upper);
            let mass = bin.base + self.phase.q * bin.shifted;
            if mass > best.0 {
                best = (mass, index);
            }
            lower = upper;
        }
        Points { lowest, middle: best.1, highest }
    }

    /// How far the joint is off the lattice, in spacings, between -0.5 and 0.5.
    fn off(&self, range: (f64, f64)) -> f64 {
        let place = (self.bins(self.points(range)).joint_loss - self.offset) / self.spacing;
        place - place.round()
    }

    /// Shifts the lattice so that the joint lies on it: looks around one whole spacing for a change of
    /// sign and halves; where there is none, the best shift seen stays.
    fn shift(&mut self, range: (f64, f64)) {
        let at = |share: f64| (share, Self { offset: share * self.spacing, ..*self }.off(range));
        let tried: Vec<(f64, f64)> = (0..=SHIFTS).map(|index| at(index as f64 / SHIFTS as f64)).collect();
        let crossing = tried.windows(2).find_map(|pair| match *pair {
            // a jump from one half spacing to the other is no crossing
            [low, high] if low.1 * high.1 <= 0.0 && (low.1 - high.1).abs() < 0.5 => Some((low, high)),
            _ => None,
        });
        let better = |a: &(f64, f64), b: &(f64, f64)| a.1.abs().total_cmp(&b.1.abs());
        let mut best = tried.iter().copied().min_by(better).unwrap_or((0.0, 0.0));
        if let Some((mut low, mut high)) = crossing {
            for _ in 0..HALVINGS {
                if best.1.abs() < 0.3 * LOSS_TOLERANCE {
                    break;
                }
                let middle = at(0.5 * (low.0 + high.0));
                if middle.1 * low.1 > 0.0 {
                    low = middle
                } else {
                    high = middle
                }
                best = [best, middle].into_iter().min_by(better).unwrap_or(best);
            }
        }
        self.offset = best.0 * self.spacing;
    }

    /// Bins for the lattice points from `lowest` to `highest`, from both ends to `middle`.
    fn bins(&self, Points { lowest, middle, highest }: Points) -> Bins {
        let mut all = Vec::with_capacity((highest - lowest) as usize + 3);
        let mut from_left = self.border(f64::NEG_INFINITY);
        for index in lowest..middle {
            let upper = self.next(from_left, self.point(index), BorderSide::Above);
            all.push(self.bin(from_left, upper));
            from_left = upper;
        }
        let mut from_right = self.border(self.point(highest) + 0.5 * self.spacing);
        let mut rights = Vec::new();
        for index in (middle + 1..=highest).rev() {
            let lower = self.next(from_right, self.point(index), BorderSide::Below);
            rights.push(self.bin(lower, from_right));
            from_right = lower;
        }
        let joint_loss = self.loss(self.bin(from_left, from_right));
        if from_left.loss < from_right.loss {
            all.extend(self.joint(from_left, from_right));
        }
        all.extend(rights.into_iter().rev());
        Bins { all, joint_loss }
    }

    /// The bin between both sides; where it is a little off the lattice, a sliver of it is told apart so
    /// that the rest is on it.
    fn joint(&self, lower: Border, upper: Border) -> Vec<Bin> {
        let whole = self.bin(lower, upper);
        let place = (self.loss(whole) - self.offset) / self.spacing;
        let off = place - place.round();
        if !off.is_finite() || off.abs() <= LOSS_TOLERANCE {
            return vec![whole];
        }
        let point = self.offset + place.round() * self.spacing;
        let cut = if off < 0.0 {
            self.next(upper, point, BorderSide::Below)
        } else {
            self.next(lower, point, BorderSide::Above)
        };
        if cut.loss <= lower.loss || cut.loss >= upper.loss {
            return vec![whole];
        }
        vec![self.bin(lower, cut), self.bin(cut, upper)]
    }

    /// The border that, with `from`, makes a bin whose loss is `point`: a guess that is right for a
    /// uniform density, one Newton step, then regula falsi (Illinois) in the bracket from the point itself
    /// to as far as any useful density needs.
    fn next(&self, from: Border, point: f64, side: BorderSide) -> Border {
        let sign = if side == BorderSide::Above { 1.0 } else { -1.0 };
        let ahead = |border: Border| {
            let bin = if side == BorderSide::Above { self.bin(from, border) } else { self.bin(border, from) };
            sign * (self.loss(bin) - point) / self.spacing
        };
        let done = |excess: f64| excess.abs() < 0.3 * LOSS_TOLERANCE;
        let distance = sign * (point - from.loss);
        if distance.is_nan() || distance <= 0.0 {
            // the lattice point is no longer ahead: an empty bin
            return from;
        }
        let mut guess = point + sign * distance.min(1.5 * self.spacing);
        for _ in 0..3 {
            let tried = self.border(guess);
            let at = ahead(tried);
            if done(at) {
                return tried;
            }
            // half of a border's way is a bin's way
            guess -= sign * 2.0 * at * self.spacing;
            let way = sign * (guess - point) / self.spacing;
            if !(way > 0.0 && way < 3.0) {
                break;
            }
        }
        let (mut near, mut far) = (self.border(point), self.border(point + sign * 3.0 * self.spacing));
        let (mut at_near, mut at_far) = (ahead(near), ahead(far));
        if !(at_near < 0.0 && at_far > 0.0) {
            return near;
        }
        for _ in 0..ROUNDS_MAX {
            let middle = self.border((near.loss * at_far - far.loss * at_near) / (at_far - at_near));
            let at_middle = ahead(middle);
            if done(at_middle) || at_middle.is_nan() {
                return middle;
            }
            if at_middle > 0.0 {
                (far, at_far, at_near) = (middle, at_middle, at_near * 0.5);
            } else {
                (near, at_near, at_far) = (middle, at_middle, at_far * 0.5);
            }
        }
        near
    }
}

/// Adds a mass at the lattice point at or below a place (in spacings); off the lattice it is left out.
fn put(losses: &mut LatticeLoss, place: f64, mass: f64) {
    let index = (place + LOSS_TOLERANCE).floor();
    if index.is_finite() && mass > 0.0 {
        let from_lowest = (index as i64).saturating_sub(losses.lowest);
        if let Some(sum) = usize::try_from(from_lowest).ok().and_then(|place| losses.masses.get_mut(place)) {
            *sum += mass;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::analytic::one_step_delta;
    use super::*;

    /// Rounding of some thousand masses.
    const ROUNDING: f64 = 1e-12;

    const CASES: [(f64, f64, f64); 6] = [
        (0.025, 0.7, 0.01),
        (0.5, 2.0, 0.05),
        (1e-4, 1.0, 1e-4),
        (0.999, 4.0, 0.1),
        (0.025, 0.3, 0.01),
        (0.3, 0.4, 0.1),
    ];

    fn delta(losses: &LatticeLoss, spacing: f64, epsilon: f64) -> f64 {
        let loss = |index: i64| losses.offset + index as f64 * spacing;
        let excess = |index: i64| (-(epsilon - loss(index)).exp_m1()).max(0.0);
        losses.masses.iter().zip(losses.lowest..).map(|(mass, index)| mass * excess(index)).sum()
    }

    #[test]
    fn binned_losses_never_exceed_the_exact_curve() {
        // slow twin: the closed form of one step; the tolerance of a loss can raise delta by as much
        for (q, sigma, spacing) in CASES {
            let (remove, add) = Phase { q, sigma, steps: 1 }.binned(spacing, 1e-14);
            for half in 0..60 {
                let epsilon = spacing * f64::from(half) / 2.0;
                let found = delta(&remove, spacing, epsilon).max(delta(&add, spacing, epsilon));
                let allowed = one_step_delta(q, sigma, epsilon) + LOSS_TOLERANCE * spacing + ROUNDING;
                assert!(found <= allowed, "q {q}, noise {sigma}, epsilon {epsilon}: {found} above {allowed}");
            }
        }
    }

    #[test]
    fn binned_losses_keep_the_mean_of_the_exact_loss_to_second_order() {
        // against quadrature: bins lose variance and next to no mean
        for (q, sigma, spacing) in CASES {
            let phase = Phase { q, sigma, steps: 1 };
            let (remove, add) = phase.binned(spacing, 1e-14);
            let (remove_moments, add_moments) = phase.moments().unwrap();
            for (losses, exact) in [(remove, remove_moments), (add, add_moments)] {
                let point = |index: i64| losses.offset + index as f64 * spacing;
                let mean: f64 =
                    losses.masses.iter().zip(losses.lowest..).map(|(mass, index)| mass * point(index)).sum();
                let lost = exact.mean - mean;
                assert!(lost > -ROUNDING && lost < 0.5 * spacing * spacing, "q {q}, noise {sigma}: lost {lost}");
            }
        }
    }
}
