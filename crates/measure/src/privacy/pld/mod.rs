//! The tight accountant: privacy loss distributions (Sommer, Meiser, Mohammadi 2019), composed by
//! Fourier transform (Koskela, Jaelkoe, Honkela 2020), for removing and for adding a trace.
//!
//! Invariants: `upper` bounds epsilon from above: the lattice pair of `step` dominates the true one, mass
//! that is cut off counts as infinite loss, mass that wraps around and possible rounding errors are subtracted
//! from delta. `lower` bounds from below: the binned pair of `binned` is post-processing of the true one,
//! mass that is cut off counts as no loss. `estimate` is the midpoint of both. One step, and any number of
//! steps on all traces, have closed forms. A loss that exceeds the grid is an error.

mod analytic;
mod binned;
mod compose;
mod step;

use super::ledger::Ledger;
use binned::LOSS_TOLERANCE;
use compose::{Composed, WINDOW_MAX, compose, window};
use step::{LatticeLoss, Moments, Phase};
use syntrace_base::base::Delta;
use syntrace_base::error::{Error, Result};

/// Epsilon with its bounds, each at least 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpsilonBounds {
    /// (epsilon, delta) holds for no smaller epsilon.
    pub lower: f64,
    /// The middle of the composed bounds; the true value for closed forms.
    pub estimate: f64,
    /// (epsilon, delta) holds: the number to claim.
    pub upper: f64,
}

impl EpsilonBounds {
    fn exactly(epsilon: f64) -> Self {
        Self { lower: epsilon, estimate: epsilon, upper: epsilon }
    }
}

/// Share of delta for mass beyond the window (either side), and for mass beyond a step's lattice.
/// Together they move epsilon by less than 1e-4 of a standard deviation of the composed loss.
const OUTSIDE_SHARE: f64 = 1e-4;
const CUT_SHARE: f64 = 1e-5;

/// Spacing of a lattice in standard deviations of one average step's loss: the second-order error then
/// moves either bound by about 1e-5 of itself.
const FIRST_SPACING: f64 = 0.02;

/// Composed standard deviation from which on the lattice of the upper bound gets coarser in proportion,
/// at most `COARSER_MAX` times: epsilon is then in the hundreds and promises nothing, and the bound, still
/// a bound, lies up to 2e-3 of itself above the truth. The rule was chosen so that it also lies above the
/// fine-grid peer where that peer drifts (`accounting_eps.csv` e103: it says 900.641, our finest lattices
/// say between 899.65 and 899.70, and a saddle-point expansion 899.690): a claim errs towards more.
const COARSER_FROM: f64 = 10.0;
const COARSER_MAX: f64 = 5.0;

/// Most points of one step's lattice.
const STEP_POINTS_MAX: f64 = (1u32 << 18) as f64;

/// Added to the composed upper bound: a thousandth of it, at most 1e-4. The lattice's bound needs none of
/// it (the rounding of the cells' masses moves it by less than 1e-10); it keeps the claim above that of
/// peers on fine grids, whose own rounding reaches 5e-4 of epsilon where a rate is tiny or a run long
/// (`accounting_eps.csv`: e061, e066, e086, e091).
const ALLOWANCE_RELATIVE: f64 = 1e-3;
const ALLOWANCE_MAX: f64 = 1e-4;

/// Most different kinds of step of one ledger: each holds a separate lattice in memory.
const PHASES_MAX: usize = 256;

/// Relative part of delta that closed forms keep for rounding.
const CLOSED_ROUNDING: f64 = 1e-9;

/// Tight epsilon of a ledger at `delta`.
///
/// # Errors
/// Where the noise is too small for the lattice (below 0.001), delta too small for double precision, or the ledger has
/// more than 256 different kinds of steps.
pub fn pld_epsilon(ledger: &Ledger, delta: Delta) -> Result<EpsilonBounds> {
    bounds(ledger, delta, Want::Both)
}

/// The upper bound of [`pld_epsilon`] alone, at half its cost: what calibration needs.
///
/// # Errors
/// As [`pld_epsilon`].
pub fn pld_upper(ledger: &Ledger, delta: Delta) -> Result<f64> {
    bounds(ledger, delta, Want::Upper).map(|bounds| bounds.upper)
}

fn bounds(ledger: &Ledger, delta: Delta, want: Want) -> Result<EpsilonBounds> {
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
            return Ok(closed_bounds(|epsilon| analytic::gaussian_delta(1.0 / sigma, epsilon), delta.get()));
        }
        return Ok(closed_bounds(|epsilon| analytic::one_step_delta(q, sigma, epsilon), delta.get()));
    }
    let composed = if phases.len() > PHASES_MAX {
        Err(Error::user(format!("`{}` kinds of steps are more than {PHASES_MAX}", phases.len())))
    } else {
        numeric_epsilon(&phases, delta.get(), want)
    };
    composed.map_err(|error| {
        error
            .context(format!("privacy loss distribution of `{steps}` steps at delta `{}`", delta.get()))
            .hint("the accountant `rdp` gives a looser bound for any ledger (`regimes.accountant = \"rdp\"` in a spec)")
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
        lower: analytic::invert(&curve, delta * (1.0 + CLOSED_ROUNDING)),
        estimate: analytic::invert(&curve, delta),
        upper: analytic::invert(&curve, delta * (1.0 - CLOSED_ROUNDING)),
    }
}

/// What a caller needs of a composed loss.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Upper,
    Both,
}

fn numeric_epsilon(phases: &[Phase], delta: f64, want: Want) -> Result<EpsilonBounds> {
    let moments: Vec<(Moments, Moments)> = phases
        .iter()
        .map(|phase| {
            let found = phase.moments();
            found.ok_or_else(|| {
                Error::user(format!(
                    "noise multiplier `{}` is below 0.001, the smallest that the grid supports",
                    phase.sigma
                ))
            })
        })
        .collect::<Result<_>>()?;
    let total: f64 = phases.iter().map(|phase| phase.steps as f64).sum();
    let tail = delta * CUT_SHARE / total;
    let deviation = composed_deviation(phases, moments.iter().map(|(remove, _)| remove));
    let range =
        phases.iter().map(|phase| phase.loss_range(tail)).fold(0.0, |widest: f64, (low, high)| widest.max(high - low));
    let coarser = (deviation / COARSER_FROM).clamp(1.0, COARSER_MAX);
    let fine = FIRST_SPACING * deviation / total.sqrt();
    let fitted = |spacing: f64, discretise: fn(&Phase, f64, f64) -> (LatticeLoss, LatticeLoss)| {
        let build = |spacing| {
            let losses = syntrace_base::base::map_ordered(phases, |phase| discretise(phase, spacing, tail));
            Lattice::new(phases, &moments, losses, spacing, delta)
        };
        fitted_lattice(spacing.max(range / STEP_POINTS_MAX), build)
    };
    let upper = fitted(fine * coarser, Phase::discretise)?.upper()?;
    let lower = match want {
        Want::Upper => 0.0,
        Want::Both => fitted(fine, Phase::binned)?.lower()?.min(upper),
    };
    let allowance = (ALLOWANCE_RELATIVE * upper).min(ALLOWANCE_MAX);
    Ok(EpsilonBounds { lower, estimate: 0.5 * (lower + upper), upper: upper + allowance })
}

/// A lattice whose windows fit: a few rounds, each of which makes it as coarse as the windows need.
fn fitted_lattice(mut spacing: f64, build: impl Fn(f64) -> Lattice) -> Result<Lattice> {
    for _ in 0..8 {
        let lattice = build(spacing);
        let needed = lattice.window_points();
        if needed <= WINDOW_MAX as f64 {
            return Ok(lattice);
        }
        spacing *= 1.1 * needed / WINDOW_MAX as f64;
    }
    Err(Error::internal("the grid of the composed privacy loss would exceed its maximum size"))
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

/// One direction: its phases' losses, and the lattice points that hold the composed loss.
struct OneDirection {
    losses: Vec<(LatticeLoss, u64)>,
    window: (i64, i64),
}

impl Lattice {
    /// From the (remove, add) losses of each phase.
    fn new(
        phases: &[Phase],
        moments: &[(Moments, Moments)],
        losses: Vec<(LatticeLoss, LatticeLoss)>,
        spacing: f64,
        delta: f64,
    ) -> Self {
        let steps_total = phases.iter().map(|phase| phase.steps as f64).sum();
        let (remove, add): (Vec<LatticeLoss>, Vec<LatticeLoss>) = losses.into_iter().unzip();
        let (remove_moments, add_moments): (Vec<Moments>, Vec<Moments>) = moments.iter().copied().unzip();
        let sides = [(remove, remove_moments), (add, add_moments)];
        let directions = syntrace_base::base::map_ordered(&sides, |(losses, moments)| {
            let deviation = composed_deviation(phases, moments.iter()).max(spacing);
            let counted = losses.iter().cloned().zip(phases.iter().map(|phase| phase.steps)).collect();
            let mut direction = OneDirection { losses: counted, window: (0, 0) };
            direction.window = window(&direction.steps(), spacing, deviation, delta * OUTSIDE_SHARE);
            direction
        });
        Self { spacing, steps_total, directions, delta }
    }

    /// Points of the wider direction's window.
    fn window_points(&self) -> f64 {
        let points = |direction: &OneDirection| direction.window.1 as f64 - direction.window.0 as f64 + 1.0;
        self.directions.iter().map(points).fold(0.0, f64::max)
    }

    fn compose(&self, direction: &OneDirection) -> Result<Composed> {
        compose(&direction.steps(), direction.window, self.delta * OUTSIDE_SHARE)
    }

    /// Upper bound on epsilon: of a lattice that dominates the true pair.
    fn upper(&self) -> Result<f64> {
        let delta = self.delta;
        let of_directions = syntrace_base::base::try_map_ordered(&self.directions, |direction| {
            let composed = self.compose(direction)?;
            let pads = composed.infinite + composed.outside + composed.rounding;
            if pads.is_nan() || pads >= 0.5 * delta {
                return Err(Error::user(format!(
                    "delta `{delta}` is too small for double precision: rounding may hide `{pads:.1e}`"
                )));
            }
            // nothing is known below the window
            let floor = composed.lowest as f64 * self.spacing;
            Ok(smallest_epsilon(&composed, self.spacing, delta - pads).max(floor))
        })?;
        Ok(of_directions.into_iter().fold(0.0, f64::max))
    }

    /// Lower bound on epsilon: of a lattice that the true pair dominates.
    fn lower(&self) -> Result<f64> {
        let rounded_up = self.steps_total * self.spacing * LOSS_TOLERANCE;
        let of_directions = syntrace_base::base::try_map_ordered(&self.directions, |direction| {
            let composed = self.compose(direction)?;
            let available = self.delta + composed.outside + composed.rounding;
            let offset: f64 = direction.losses.iter().map(|(loss, steps)| loss.offset * *steps as f64).sum();
            Ok(offset + smallest_epsilon(&composed, self.spacing, available) - rounded_up)
        })?;
        Ok(of_directions.into_iter().fold(0.0, f64::max))
    }
}

impl OneDirection {
    fn steps(&self) -> Vec<(&LatticeLoss, u64)> {
        self.losses.iter().map(|(loss, steps)| (loss, *steps)).collect()
    }
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
