//! The privacy loss distribution of one step on a lattice, in both directions.
//!
//! Each cell's mass is split between its two ends so that the masses under both neighbours are kept
//! ("connect the dots", Doroshenko et al. 2022): the lattice pair dominates the true one, so every
//! composition of it is an upper bound, and its error is of second order in the spacing.

use super::analytic::threshold;
use crate::privacy::normal::Bound;
use crate::privacy::quadrature::{Grid, privacy_loss};

/// Masses on the lattice points `offset + (lowest + i) * spacing`, and the mass at an infinite loss.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LatticeLoss {
    pub(super) lowest: i64,
    /// Loss of the lattice point 0.
    pub(super) offset: f64,
    pub(super) masses: Vec<f64>,
    pub(super) infinite: f64,
}

/// Mean and variance of the exact loss.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// One kind of step and how often it is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Phase {
    pub(super) q: f64,
    pub(super) sigma: f64,
    pub(super) steps: u64,
}

/// More quadrature nodes than this mean a noise multiplier below 0.001.
const NODES_MAX: usize = 4_000_000;

impl Phase {
    /// Exact moments of the loss in both directions, (remove, add); `None` where the noise is too small
    /// for the quadrature.
    pub(super) fn moments(&self) -> Option<(Moments, Moments)> {
        let grid = Grid::covering(self.sigma, 1.0, NODES_MAX)?;
        let weight = grid.spacing / (self.sigma * (2.0 * std::f64::consts::PI).sqrt());
        let density = |x: f64| weight * (-0.5 * (x / self.sigma).powi(2)).exp();
        let mut sums = [0.0f64; 4];
        for x in grid.nodes() {
            let loss = privacy_loss(self.q, self.sigma, x);
            let base = density(x);
            let mixture = (1.0 - self.q) * base + self.q * density(x - 1.0);
            sums[0] += mixture * loss;
            sums[1] += mixture * loss * loss;
            sums[2] -= base * loss;
            sums[3] += base * loss * loss;
        }
        let [remove, remove_square, add, add_square] = sums;
        Some((
            Moments { mean: remove, variance: (remove_square - remove * remove).max(0.0) },
            Moments { mean: add, variance: (add_square - add * add).max(0.0) },
        ))
    }

    /// Smallest and largest loss that the lattice must hold so that the mass outside is below
    /// `tail` in both directions.
    pub(super) fn loss_range(&self, tail: f64) -> (f64, f64) {
        // P(Z > z) <= exp(-z^2 / 2)
        let reach = |probability: f64| (-2.0 * probability.min(1.0).ln()).sqrt();
        let low = -self.sigma * reach(tail);
        let high = (1.0 + self.sigma * reach(tail / (2.0 * self.q))).max(self.sigma * reach(tail / 2.0));
        (privacy_loss(self.q, self.sigma, low), privacy_loss(self.q, self.sigma, high))
    }

    /// The lattice losses in both directions, (remove, add).
    pub(super) fn discretise(&self, spacing: f64, tail: f64) -> (LatticeLoss, LatticeLoss) {
        let (low, high) = self.loss_range(tail);
        let (lowest, highest) = ((low / spacing).floor() as i64, (high / spacing).ceil() as i64);
        let cells = (highest - lowest) as usize;
        let mut remove = vec![0.0; cells + 1];
        let mut add = vec![0.0; cells + 1];
        let mut lower = self.edge(lowest as f64 * spacing);
        let below = lower;
        for cell in 0..cells {
            let upper = self.edge((lowest + cell as i64 + 1) as f64 * spacing);
            let split = Split::of(self.q, spacing, lower, upper);
            if let Some([left, right]) = remove.get_mut(cell..cell + 2) {
                *left += split.remove.0;
                *right += split.remove.1;
            }
            // the add direction runs the other way: loss -l
            if let Some([left, right]) = add.get_mut(cells - cell - 1..cells - cell + 1) {
                *left += split.add.0;
                *right += split.add.1;
            }
            lower = upper;
        }
        let mixture = |base: f64, shifted: f64| (1.0 - self.q) * base + self.q * shifted;
        // mass below the lattice is rounded up to its lowest point; mass above it counts as infinite
        add_to_first(&mut remove, mixture(below.base.below(), below.shifted.below()));
        add_to_first(&mut add, lower.base.above());
        let remove = LatticeLoss {
            lowest,
            offset: 0.0,
            masses: remove,
            infinite: mixture(lower.base.above(), lower.shifted.above()),
        };
        (remove, LatticeLoss { lowest: -highest, offset: 0.0, masses: add, infinite: below.base.below() })
    }

    fn edge(&self, loss: f64) -> Edge {
        let x = threshold(self.q, self.sigma, loss);
        Edge { loss, base: Bound::at(x / self.sigma), shifted: Bound::at((x - 1.0) / self.sigma) }
    }
}

fn add_to_first(masses: &mut [f64], mass: f64) {
    if let Some(first) = masses.first_mut() {
        *first += mass;
    }
}

/// The border of two cells: its loss, and its place under the base noise and the shifted one.
#[derive(Clone, Copy)]
struct Edge {
    loss: f64,
    base: Bound,
    shifted: Bound,
}

/// Masses of one cell on its lower and upper loss, per direction.
struct Split {
    remove: (f64, f64),
    add: (f64, f64),
}

impl Split {
    /// With masses p (mixture) and b (base) of the cell, the upper end gets (p - b e^low) / (1 - e^-h)
    /// and the lower end (b e^high - p) / (e^h - 1); both are written with q factored out, since p and b
    /// nearly agree for small q. The add direction has the same two numbers times e^-loss.
    fn of(q: f64, spacing: f64, lower: Edge, upper: Edge) -> Self {
        let base = lower.base.mass_to(upper.base);
        let shifted = lower.shifted.mass_to(upper.shifted);
        let above_low = (q * shifted - base * (lower.loss.exp_m1() + q)).max(0.0);
        let below_high = (base * (upper.loss.exp_m1() + q) - q * shifted).max(0.0);
        let (to_upper, to_lower) = (above_low / -(-spacing).exp_m1(), below_high / spacing.exp_m1());
        let remove = share((1.0 - q) * base + q * shifted, to_lower, to_upper);
        // at loss -high (lower) and -low (upper)
        let add = share(base, to_upper * (-upper.loss).exp(), to_lower * (-lower.loss).exp());
        Self { remove, add }
    }
}

/// Splits `mass` in the ratio of two weights, all to the upper end where both are 0.
fn share(mass: f64, to_lower: f64, to_upper: f64) -> (f64, f64) {
    let sum = to_lower + to_upper;
    let upper = if sum > 0.0 && sum < f64::INFINITY { mass * (to_upper / sum) } else { mass };
    (mass - upper, upper)
}

#[cfg(test)]
mod tests {
    use super::super::analytic::one_step_delta;
    use super::*;

    /// Rounding of some thousand masses.
    const ROUNDING: f64 = 1e-12;

    impl LatticeLoss {
        /// delta(epsilon) by its definition.
        fn delta(&self, spacing: f64, epsilon: f64) -> f64 {
            let excess = |index: i64| (-(epsilon - index as f64 * spacing).exp_m1()).max(0.0);
            let finite: f64 = self.masses.iter().zip(self.lowest..).map(|(mass, index)| mass * excess(index)).sum();
            finite + self.infinite
        }
    }

    #[test]
    fn lattice_dominates_the_exact_curve_everywhere_and_touches_it_at_its_points() {
        // slow twin: the closed form of one step, on and between lattice points
        for (q, sigma, spacing) in [(0.025, 0.7, 0.01), (0.5, 2.0, 0.05), (1e-4, 1.0, 1e-4), (0.999, 4.0, 0.1)] {
            let phase = Phase { q, sigma, steps: 1 };
            let (remove, add) = phase.discretise(spacing, 1e-14);
            for half in 0..60 {
                let epsilon = spacing * f64::from(half) / 2.0;
                let found = remove.delta(spacing, epsilon).max(add.delta(spacing, epsilon));
                let exact = one_step_delta(q, sigma, epsilon);
                assert!(found >= exact - ROUNDING, "q {q}, epsilon {epsilon}: {found} below {exact}");
                // between two points it follows a chord, which starts at the exact curve of the lower one
                let allowed = one_step_delta(q, sigma, spacing * f64::from(half / 2)) + ROUNDING;
                assert!(found <= allowed, "q {q}, epsilon {epsilon}: {found} above {allowed}");
            }
        }
    }

    #[test]
    fn lattice_keeps_all_mass_in_both_directions() {
        let (remove, add) = Phase { q: 0.1, sigma: 0.6, steps: 1 }.discretise(0.003, 1e-12);
        for loss in [remove, add] {
            assert!((loss.masses.iter().sum::<f64>() + loss.infinite - 1.0).abs() < ROUNDING);
        }
    }

    #[test]
    fn moments_of_a_whole_data_step_are_those_of_the_gaussian() {
        // loss ~ N(1 / (2 sigma^2), 1 / sigma^2)
        let (remove, add) = Phase { q: 1.0, sigma: 2.0, steps: 1 }.moments().unwrap();
        for found in [remove, add] {
            assert!((found.mean - 0.125).abs() < ROUNDING && (found.variance - 0.25).abs() < ROUNDING, "{found:?}");
        }
    }
}
