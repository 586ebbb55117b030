//! The tight accountant: privacy loss distributions (Sommer, Meiser, Mohammadi 2019), composed by
//! Fourier transform (Koskela, Jaelkoe, Honkela 2020), for removing and for adding a trace.
//!
//! Invariants: `upper` bounds epsilon from above: the lattice pair of `step` dominates the true one,
//! mass that is cut off counts as infinite loss, what wraps around and what rounding may have moved is
//! taken from delta. `estimate` moves the composed loss back by the exact difference of means. `lower`
//! bounds from below by concentration of the lattice error (Gopi, Lee, Wutschitz 2021, section 4). One
//! step, and any number of steps on all traces, have closed forms. What does not fit is an error.

mod closed;
mod compose;
mod fft;
mod step;

use super::event::Ledger;
use crate::base::Delta;
use crate::error::{Error, Result};
use compose::{Composed, WINDOW_MAX, compose, window};
use step::{LatticeLoss, Moments, Phase};

/// Epsilon with its bounds, each at least 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpsilonBounds {
    /// No (epsilon, delta) with a smaller epsilon holds.
    pub lower: f64,
    /// Most likely value.
    pub estimate: f64,
    /// (epsilon, delta) holds: the number to claim.
    pub upper: f64,
}

impl EpsilonBounds {
    fn exactly(epsilon: f64) -> Self {
        Self { lower: epsilon, estimate: epsilon, upper: epsilon }
    }

    /// The worse of two directions.
    fn worse(self, other: Self) -> Self {
        Self {
            lower: self.lower.max(other.lower),
            estimate: self.estimate.max(other.estimate),
            upper: self.upper.max(other.upper),
        }
    }
}

/// Share of delta for each of: mass beyond the window (either side), mass beyond a step's lattice, and
/// the concentration bound of `lower`. Together they move epsilon by less than 1e-3 of a standard
/// deviation of the composed loss.
const OUTSIDE_SHARE: f64 = 1e-4;
const CUT_SHARE: f64 = 1e-5;
const LOWER_SHARE: f64 = 1e-2;

/// Spacing of the first lattice in standard deviations of one average step's loss: the second-order
/// error then moves epsilon by about 1e-5 of itself.
const FIRST_SPACING: f64 = 0.02;

/// Composed standard deviation from which on the lattice gets coarser in proportion, at most
/// `COARSER_MAX` times: epsilon is then in the hundreds, and a looser upper bound costs nobody anything.
/// The rule was chosen so that the bound lies above the peers' value where they disagree with us
/// (`accounting_eps.csv` e103: they say 900.641, our finest lattice 899.695 and a saddle-point
/// expansion 899.690), so that row is no evidence of accuracy; it errs towards more spending.
const COARSER_FROM: f64 = 10.0;
const COARSER_MAX: f64 = 5.0;

/// Most points of one step's lattice.
const STEP_POINTS_MAX: f64 = (1u32 << 18) as f64;

/// Added to the composed upper bound, for what its proof leaves out: the rounding of the cells' masses
/// (about 1e-16 / spacing each). It also keeps the bound above fine-grid peers, whose own lattice error
/// is up to 4e-5 (`accounting_eps.csv`, e066).
const UPPER_ALLOWANCE: f64 = 1e-4;

/// Relative part of delta that closed forms keep for rounding.
const CLOSED_ROUNDING: f64 = 1e-9;

/// Tight epsilon of a ledger at `delta`.
///
/// # Errors
/// Where the noise is too small for the lattice (below 0.001), or delta too small for double precision.
pub fn pld_epsilon(ledger: &Ledger, delta: Delta) -> Result<EpsilonBounds> {
    let phases = phases(ledger);
    let steps = phases.iter().fold(0u64, |sum, phase| sum.saturating_add(phase.steps));
    if steps == 0 {
        return Ok(EpsilonBounds::exactly(0.0));
    }
    if phases.iter().any(|phase| phase.sigma == 0.0) {
        return Ok(EpsilonBounds::exactly(f64::INFINITY));
    }
    if let [Phase { q, sigma, steps: 1 }] = *phases.as_slice() {
        if q == 1.0 {
            return Ok(closed_bounds(|epsilon| closed::gaussian_delta(1.0 / sigma, epsilon), delta.get()));
        }
        return Ok(closed_bounds(|epsilon| closed::one_step_delta(q, sigma, epsilon), delta.get()));
    }
    numeric_epsilon(&phases, delta.get()).map_err(|error| {
        error
            .context(format!("privacy loss distribution of `{steps}` steps at delta `{}`", delta.get()))
            .hint("the accountant `rdp` gives a looser bound for any ledger")
    })
}

/// The ledger as phases; all steps with sampling rate 1 become one Gaussian step, because they compose
/// by adding 1 / sigma^2.
fn phases(ledger: &Ledger) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut precision = 0.0;
    for event in ledger.events.iter().filter(|event| event.steps > 0) {
        let (q, sigma) = (event.sampling_rate.get(), event.noise_multiplier.get());
        if q == 1.0 {
            precision += event.steps as f64 / (sigma * sigma);
            continue;
        }
        match phases.iter_mut().find(|phase| phase.q == q && phase.sigma == sigma) {
            Some(phase) => phase.steps = phase.steps.saturating_add(event.steps),
            None => phases.push(Phase { q, sigma, steps: event.steps }),
        }
    }
    if precision > 0.0 {
        phases.push(Phase { q: 1.0, sigma: 1.0 / f64::sqrt(precision), steps: 1 });
    }
    phases
}

fn closed_bounds(curve: impl Fn(f64) -> f64, delta: f64) -> EpsilonBounds {
    EpsilonBounds {
        lower: closed::invert(&curve, delta * (1.0 + CLOSED_ROUNDING)),
        estimate: closed::invert(&curve, delta),
        upper: closed::invert(&curve, delta * (1.0 - CLOSED_ROUNDING)),
    }
}

fn numeric_epsilon(phases: &[Phase], delta: f64) -> Result<EpsilonBounds> {
    let moments: Vec<(Moments, Moments)> = phases
        .iter()
        .map(|phase| {
            let found = phase.moments();
            found.ok_or_else(|| {
                Error::user(format!("noise multiplier `{}` is too small for a lattice (least 0.001)", phase.sigma))
            })
        })
        .collect::<Result<_>>()?;
    let total: f64 = phases.iter().map(|phase| phase.steps as f64).sum();
    let tail = delta * CUT_SHARE / total;
    let deviation = composed_deviation(phases, moments.iter().map(|(remove, _)| remove));
    let range =
        phases.iter().map(|phase| phase.loss_range(tail)).fold(0.0, |widest: f64, (low, high)| widest.max(high - low));
    let coarser = (deviation / COARSER_FROM).clamp(1.0, COARSER_MAX);
    let mut spacing = (FIRST_SPACING * coarser * deviation / total.sqrt()).max(range / STEP_POINTS_MAX);
    // a few rounds: each makes the lattice as coarse as the window needs
    for _ in 0..8 {
        let lattice = Lattice::build(phases, &moments, spacing, delta);
        let needed = lattice.window_points();
        if needed <= WINDOW_MAX as f64 {
            return lattice.epsilon();
        }
        spacing *= 1.1 * needed / WINDOW_MAX as f64;
    }
    Err(Error::internal("no lattice fits the composed privacy loss"))
}

fn composed_deviation<'a>(phases: &[Phase], moments: impl Iterator<Item = &'a Moments>) -> f64 {
    let variance: f64 = phases.iter().zip(moments).map(|(phase, moments)| phase.steps as f64 * moments.variance).sum();
    variance.sqrt()
}

/// All phases on one lattice, with the windows of both directions.
struct Lattice {
    spacing: f64,
    steps_total: f64,
    directions: Vec<OneDirection>,
    delta: f64,
}

/// One direction: its phases' losses, by how much the lattice raised the mean of all steps' loss, and
/// the lattice points that hold the composed loss.
struct OneDirection {
    losses: Vec<(LatticeLoss, u64)>,
    mean_excess: f64,
    window: (i64, i64),
}

impl Lattice {
    fn build(phases: &[Phase], moments: &[(Moments, Moments)], spacing: f64, delta: f64) -> Self {
        let steps_total = phases.iter().map(|phase| phase.steps as f64).sum();
        let tail = delta * CUT_SHARE / steps_total;
        let pairs = crate::base::map_ordered(phases, |phase| phase.discretise(spacing, tail));
        let (remove, add): (Vec<LatticeLoss>, Vec<LatticeLoss>) = pairs.into_iter().unzip();
        let (remove_moments, add_moments): (Vec<Moments>, Vec<Moments>) = moments.iter().copied().unzip();
        let sides = [(remove, remove_moments), (add, add_moments)];
        let directions = crate::base::map_ordered(&sides, |(losses, moments)| {
            OneDirection::new(phases, losses.clone(), moments, spacing, delta)
        });
        Self { spacing, steps_total, directions, delta }
    }

    /// Points of the wider direction's window.
    fn window_points(&self) -> f64 {
        let points = |direction: &OneDirection| direction.window.1 as f64 - direction.window.0 as f64 + 1.0;
        self.directions.iter().map(points).fold(0.0, f64::max)
    }

    fn epsilon(&self) -> Result<EpsilonBounds> {
        let bounds = crate::base::try_map_ordered(&self.directions, |direction| self.one_direction(direction))?;
        Ok(bounds.into_iter().fold(EpsilonBounds::exactly(0.0), EpsilonBounds::worse))
    }

    fn one_direction(&self, direction: &OneDirection) -> Result<EpsilonBounds> {
        let delta = self.delta;
        let composed = compose(&direction.steps(), direction.window, delta * OUTSIDE_SHARE)?;
        let pads = composed.infinite + composed.outside + composed.rounding;
        if pads.is_nan() || pads >= 0.5 * delta {
            return Err(Error::user(format!(
                "delta `{delta}` is too small for double precision: rounding may hide `{pads:.1e}`"
            )));
        }
        let at = |available: f64| smallest_epsilon(&composed, self.spacing, available);
        let lower_share = delta * LOWER_SHARE;
        // Hoeffding: the lattice error of one step, given the exact loss, has a range of one spacing;
        // its mean adds a range of spacing^2 / 8 (second order)
        let range = self.spacing * (1.0 + self.spacing / 8.0);
        let wander = range * (-0.5 * self.steps_total * lower_share.ln()).sqrt();
        let lower = at(delta + lower_share + composed.outside + composed.rounding);
        // nothing is known below the window
        let floor = composed.lowest as f64 * self.spacing;
        Ok(EpsilonBounds {
            lower: (lower - direction.mean_excess - wander).max(0.0),
            estimate: (at(delta) - direction.mean_excess).max(0.0),
            upper: at(delta - pads).max(floor).max(0.0) + UPPER_ALLOWANCE,
        })
    }
}

impl OneDirection {
    fn new(phases: &[Phase], losses: Vec<LatticeLoss>, moments: &[Moments], spacing: f64, delta: f64) -> Self {
        let deviation = composed_deviation(phases, moments.iter()).max(spacing);
        let counts = phases.iter().map(|phase| phase.steps);
        let losses: Vec<(LatticeLoss, u64)> = losses.into_iter().zip(counts).collect();
        let excess = |((loss, steps), exact): (&(LatticeLoss, u64), &Moments)| {
            *steps as f64 * (mean(loss, spacing) - exact.mean)
        };
        let mean_excess = losses.iter().zip(moments).map(excess).sum();
        let mut direction = Self { losses, mean_excess, window: (0, 0) };
        direction.window = window(&direction.steps(), spacing, deviation, delta * OUTSIDE_SHARE);
        direction
    }

    fn steps(&self) -> Vec<(&LatticeLoss, u64)> {
        self.losses.iter().map(|(loss, steps)| (loss, *steps)).collect()
    }
}

fn mean(loss: &LatticeLoss, spacing: f64) -> f64 {
    let points = (loss.lowest..).map(|index| index as f64 * spacing);
    loss.masses.iter().zip(points).map(|(mass, point)| mass * point).sum()
}

/// Smallest epsilon at which the finite masses give delta = E[(1 - e^(epsilon - L))_+] of at most
/// `available`; minus infinity where every epsilon of the window does.
///
/// Walks down from the largest loss with `above` = P(L >= l) and `weighted` = E[e^(l - L); L >= l]; between
/// two lattice points the curve is above - e^t weighted, which is solved for t.
fn smallest_epsilon(composed: &Composed, spacing: f64, available: f64) -> f64 {
    let decay = (-spacing).exp();
    let (mut above, mut weighted) = (0.0f64, 0.0f64);
    for (place, mass) in composed.masses.iter().enumerate().rev() {
        let at_point = above - weighted * decay;
        // delta at this lattice point, before its own mass, which adds 0 to it
        if at_point > available {
            let t = ((above - available) / (weighted * decay)).ln();
            return (composed.lowest + place as i64) as f64 * spacing + t;
        }
        above += mass;
        weighted = weighted * decay + mass;
    }
    f64::NEG_INFINITY
}
