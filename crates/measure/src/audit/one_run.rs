//! Privacy auditing with one training run (Steinke, Nasr, Jagielski 2023, theorem 5.2 and appendix D).
//!
//! Each of m canaries is trained on or left out by an independent fair coin. The auditor sees the model,
//! guesses `in` or `out` for some and abstains from the others. If the training is (epsilon, delta)-DP for
//! adding or removing one trace, the number of right guesses is dominated by that of randomised response,
//! up to delta: so many right guesses refute every small epsilon.

use super::exact_tests::binomial_masses;
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result};

/// One canary after training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canary {
    /// Higher = more likely trained on.
    pub score: f64,
    /// Was it trained on?
    pub included: bool,
}

/// Guesses on some canaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesses {
    /// Canaries.
    pub canaries: u64,
    /// Guesses made; the others were abstained from.
    pub guesses: u64,
    /// Right guesses.
    pub correct: u64,
}

/// Result of a one-run audit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneRunAudit {
    /// The guesses behind the bound.
    pub best: Guesses,
    /// Epsilon is at least this, with the stated confidence over all shares tried.
    pub epsilon_lower: f64,
    /// The bound that as many canaries give where every guess is right.
    pub epsilon_provable: f64,
}

/// Shares of the canaries that are guessed: chosen before anything is seen, and paid for by a union bound. A
/// few for faint leaks and one for models that give all away; not all canaries, because fair coins rarely put
/// exactly half of them in.
const GUESSED_SHARES: [f64; 4] = [0.05, 0.2, 0.5, 0.9];

/// Which canaries are trained on: fair coins from `seed`.
pub fn coin_flips(canaries: usize, seed: Seed) -> Vec<bool> {
    use rand::Rng;
    let mut rng = seed.named("one-run-coins").rng();
    (0..canaries).map(|_| rng.next_u32() >> 31 == 1).collect()
}

/// Guesses `in` for the `guesses / 2` canaries with the highest scores, `out` for as many with the lowest
/// (an odd one more is guessed `in`); ties in the order of the list.
pub fn one_run_guesses(canaries: &[Canary], guesses: usize) -> Guesses {
    let mut order: Vec<&Canary> = canaries.iter().collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    let guesses = guesses.min(order.len());
    let out = guesses / 2;
    let right_in = order.iter().take(guesses - out).filter(|canary| canary.included).count();
    let right_out = order.iter().rev().take(out).filter(|canary| !canary.included).count();
    Guesses { canaries: order.len() as u64, guesses: guesses as u64, correct: (right_in + right_out) as u64 }
}

/// The best lower bound over the shares of canaries that are guessed, at `confidence` jointly.
///
/// # Errors
/// Where a score is not a number, or there is no canary.
pub fn one_run_audit(canaries: &[Canary], delta: f64, confidence: f64) -> Result<OneRunAudit> {
    if canaries.is_empty() {
        return Err(Error::user("a one-run audit needs canaries, found none"));
    }
    if let Some(index) = canaries.iter().position(|canary| canary.score.is_nan()) {
        return Err(Error::internal(format!("the score of canary `{index}` (from 0) is not a number")));
    }
    let tried = GUESSED_SHARES.map(|share| {
        let guesses = one_run_guesses(canaries, guessed(share, canaries.len() as u64) as usize);
        (guesses, one_run_epsilon(guesses, delta, of_each(confidence)))
    });
    let mut best = (one_run_guesses(canaries, 0), 0.0);
    for candidate in tried {
        // of equal bounds, that with the most guesses
        if candidate.1 >= best.1 {
            best = candidate;
        }
    }
    let epsilon_provable = one_run_provable(canaries.len() as u64, delta, confidence);
    Ok(OneRunAudit { best: best.0, epsilon_lower: best.1, epsilon_provable })
}

/// The confidence of one of the shares tried, so that all hold jointly.
fn of_each(confidence: f64) -> f64 {
    1.0 - (1.0 - confidence) / GUESSED_SHARES.len() as f64
}

/// The bound for this many canaries if every guess is right: no larger epsilon can be refuted.
pub fn one_run_provable(canaries: u64, delta: f64, confidence: f64) -> f64 {
    let provable = |share: f64| one_run_epsilon(all_right(share, canaries), delta, of_each(confidence));
    GUESSED_SHARES.map(provable).into_iter().fold(0.0, f64::max)
}

/// The bound that guesses about one of the shares give, at `confidence` over all shares tried.
pub fn one_run_bound(guesses: Guesses, delta: f64, confidence: f64) -> f64 {
    one_run_epsilon(guesses, delta, of_each(confidence))
}

/// How many of some canaries are guessed.
fn guessed(share: f64, canaries: u64) -> u64 {
    (share * canaries as f64).ceil() as u64
}

fn all_right(share: f64, canaries: u64) -> Guesses {
    let guesses = guessed(share, canaries);
    Guesses { canaries, guesses, correct: guesses }
}

/// About how many canaries could refute `epsilon`, to a tenth: rounding of the shares makes the bound jump.
/// `None` where more than 100,000 could not.
pub fn one_run_canaries(epsilon: f64, delta: f64, confidence: f64) -> Option<u64> {
    let mut canaries = 10;
    while canaries <= CANARIES_MAX {
        let refutes = |share: f64| p_value(all_right(share, canaries), epsilon, delta) < 1.0 - of_each(confidence);
        if GUESSED_SHARES.into_iter().any(refutes) {
            return Some(canaries);
        }
        canaries += (canaries / 10).max(1);
    }
    None
}

/// Bisection ends when the bracket is this narrow; its lower end is returned.
const EPSILON_TOLERANCE: f64 = 1e-7;

/// More traces than a network is trained on for the sake of an audit.
const CANARIES_MAX: u64 = 100_000;

/// Confidence of the bound of a study's one-run audits.
pub const ONE_RUN_CONFIDENCE: f64 = 0.95;

/// No audit proves more than this many: the search stops there.
const EPSILON_MAX: f64 = 64.0;

/// Largest epsilon that the guesses refute: its p-value is below 1 - `confidence`. 0 where none is.
pub fn one_run_epsilon(guesses: Guesses, delta: f64, confidence: f64) -> f64 {
    let refuted = |epsilon: f64| p_value(guesses, epsilon, delta) < 1.0 - confidence;
    if !refuted(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while refuted(high) && high < EPSILON_MAX {
        (low, high) = (high, 2.0 * high);
    }
    while high - low > EPSILON_TOLERANCE {
        let middle = 0.5 * (low + high);
        if refuted(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Probability of at least this many right guesses under (epsilon, delta)-DP: that of randomised response,
/// P(B >= v), plus the largest that delta can add, 2 m delta max_i P(v - i <= B < v) / i.
fn p_value(guesses: Guesses, epsilon: f64, delta: f64) -> f64 {
    let Guesses { canaries, guesses, correct } = guesses;
    if guesses == 0 || correct > guesses {
        return 1.0;
    }
    let masses = binomial_masses(guesses, 1.0 / (1.0 + (-epsilon).exp()));
    let (below, above) = masses.split_at((correct as usize).min(masses.len()));
    let beta: f64 = above.iter().rev().sum();
    let (mut sum, mut alpha) = (0.0, 0.0f64);
    for (index, mass) in below.iter().rev().enumerate() {
        sum += mass;
        alpha = alpha.max(sum / (index + 1) as f64);
    }
    (beta + 2.0 * canaries as f64 * delta * alpha).min(1.0)
}
