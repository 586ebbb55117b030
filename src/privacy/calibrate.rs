//! How much noise a budget needs.

use super::event::{Accountant, Ledger, PrivacyEvent, epsilon_by};
use crate::base::{ClipNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate};
use crate::error::{Error, Result};

/// What training may spend and how it will run.
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

/// Smallest noise multiplier (from above) at which `spent` is at most the target: doubling, then
/// bisection on a logarithmic scale, keeping an upper end whose epsilon was seen to meet the target.
///
/// # Errors
/// What `spent` fails with, and where even a noise multiplier of 1e7 spends more than the target.
pub fn noise_multiplier_where(target: Epsilon, spent: impl Fn(f64) -> Result<f64>) -> Result<NoiseMultiplier> {
    let meets = |sigma: f64| spent(sigma).map(|epsilon| epsilon <= target.get());
    let (mut low, mut high) = bracket(target, &spent)?;
    while high / low > 1.0 + BRACKET_TOLERANCE {
        let middle = (low * high).sqrt();
        if middle <= low || middle >= high {
            break;
        }
        if meets(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    NoiseMultiplier::new(high)
}

/// A noise multiplier that misses the target and one, at most twice as large, that meets it.
fn bracket(target: Epsilon, spent: &impl Fn(f64) -> Result<f64>) -> Result<(f64, f64)> {
    let mut high = 1.0;
    while spent(high)? > target.get() {
        high *= 2.0;
        if high > NOISE_MULTIPLIER_MAX {
            let floor = spent(NOISE_MULTIPLIER_MAX)?;
            return Err(unreachable_target(target, floor));
        }
    }
    let mut low = high / 2.0;
    while low > NOISE_MULTIPLIER_MIN && spent(low)? <= target.get() {
        high = low;
        low /= 2.0;
    }
    Ok((low, high))
}

fn unreachable_target(target: Epsilon, floor: f64) -> Error {
    let message = format!(
        "epsilon `{}` cannot be certified whatever the noise: the smallest reachable is `{floor:.6}`",
        target.get()
    );
    Error::user(message).hint("ask for a larger epsilon or delta (the accountant `pld` reaches lower than `rdp`)")
}
