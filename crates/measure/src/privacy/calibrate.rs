//! How much noise a budget needs.

use super::epsilon::epsilon_by;
use super::ledger::{Accountant, Ledger};
use syntrace_base::base::{ClipNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Mechanism, PrivacyEvent};

/// Privacy budget and schedule of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Target epsilon; infinite asks for no noise.
    pub epsilon: Epsilon,
    /// Delta.
    pub delta: Delta,
    /// Probability of a trace to be in a step's batch.
    pub sampling_rate: SamplingRate,
    /// Steps that will be taken.
    pub steps: u64,
}

/// The search ends when its bracket is this narrow, relative; the safe end is returned.
const BRACKET_TOLERANCE: f64 = 1e-6;

/// Largest noise multiplier that the search tries: no training survives more.
const NOISE_MULTIPLIER_MAX: f64 = 1e7;

/// Smallest noise multiplier that the search tries.
const NOISE_MULTIPLIER_MIN: f64 = 1e-3;

/// Smallest noise multiplier (to a relative 1e-6, from above) whose epsilon is at most the budget's.
///
/// # Errors
/// Where no noise meets the target under this accountant; the message says what the smallest reachable
/// epsilon is.
pub fn noise_multiplier(budget: &Budget, accountant: Accountant) -> Result<NoiseMultiplier> {
    if budget.epsilon.get() == f64::INFINITY || budget.steps == 0 {
        return NoiseMultiplier::new(0.0);
    }
    let clip_norm = ClipNorm::new(1.0)?;
    let found = noise_multiplier_where(budget.epsilon, |sigma| {
        let event = PrivacyEvent {
            phase: "calibration".to_owned(),
            mechanism: Mechanism::PoissonSubsampledGaussian,
            sampling_rate: budget.sampling_rate,
            noise_multiplier: NoiseMultiplier::new(sigma)?,
            clip_norm,
            steps: budget.steps,
        };
        Ok(epsilon_by(accountant, &Ledger { events: vec![event] }, budget.delta)?.epsilon)
    });
    found.map_err(|error| error.context(describe(budget, accountant)))
}

fn describe(budget: &Budget, accountant: Accountant) -> String {
    format!(
        "noise for epsilon `{}` at delta `{}`, sampling rate `{}`, `{}` steps, accountant `{}`",
        budget.epsilon.get(),
        budget.delta.get(),
        budget.sampling_rate.get(),
        budget.steps,
        accountant.name()
    )
}

/// Smallest noise multiplier (from above) at which `spent` is at most the target: doubling, then a
/// bracketed search, keeping an upper end whose epsilon was seen to meet the target.
///
/// # Errors
/// What `spent` fails with, and where even a noise multiplier of 1e7 spends more than the target.
pub fn noise_multiplier_where(target: Epsilon, spent: impl Fn(f64) -> Result<f64>) -> Result<NoiseMultiplier> {
    let target = target.get();
    let at = |sigma: f64| spent(sigma).map(|epsilon| Tried { sigma, epsilon });
    let (mut low, mut high) = bracket(target, &at)?;
    let mut round = 0;
    while high.sigma / low.sigma > 1.0 + BRACKET_TOLERANCE {
        let sigma = next_guess(low, high, target, round);
        if sigma <= low.sigma || sigma >= high.sigma {
            break;
        }
        let tried = at(sigma)?;
        if tried.epsilon <= target {
            high = tried;
        } else {
            low = tried;
        }
        round += 1;
    }
    NoiseMultiplier::new(high.sigma)
}

/// A noise multiplier and the epsilon that it spends.
#[derive(Clone, Copy)]
struct Tried {
    sigma: f64,
    epsilon: f64,
}

/// Where to look next. ln epsilon is nearly linear in ln sigma, so mostly by interpolation, moved a
/// third of the tolerance towards the farther end, so that both ends close in; every third round halves
/// the bracket, which bounds the number of rounds.
fn next_guess(low: Tried, high: Tried, target: f64, round: u32) -> f64 {
    let middle = (low.sigma * high.sigma).sqrt();
    let share = (low.epsilon / target).ln() / (low.epsilon / high.epsilon).ln();
    if round % 3 == 2 || !(share > 0.0 && share < 1.0) {
        return middle;
    }
    let step = BRACKET_TOLERANCE / 3.0;
    let interpolated = low.sigma * (high.sigma / low.sigma).powf(share);
    let moved = if interpolated < middle { interpolated * (1.0 + step) } else { interpolated * (1.0 - step) };
    if moved > low.sigma && moved < high.sigma { moved } else { middle }
}

/// A noise multiplier that misses the target and one, at most twice as large, that meets it.
fn bracket(target: f64, at: &impl Fn(f64) -> Result<Tried>) -> Result<(Tried, Tried)> {
    let mut high = at(1.0)?;
    let mut low = None;
    while high.epsilon > target {
        if high.sigma > NOISE_MULTIPLIER_MAX {
            return Err(unreachable_target(target, high.epsilon));
        }
        low = Some(high);
        high = at(high.sigma * 2.0)?;
    }
    if let Some(low) = low {
        return Ok((low, high));
    }
    let mut low = at(high.sigma / 2.0)?;
    while low.sigma > NOISE_MULTIPLIER_MIN && low.epsilon <= target {
        high = low;
        low = at(low.sigma / 2.0)?;
    }
    Ok((low, high))
}

fn unreachable_target(target: f64, floor: f64) -> Error {
    let message =
        format!("epsilon `{target}` cannot be certified whatever the noise: the smallest reachable is `{floor:.6}`");
    Error::user(message).hint("ask for a larger epsilon or delta (the accountant `pld` reaches lower than `rdp`)")
}
