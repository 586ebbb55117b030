//! Minimum detectable effect at a sample size, and the sample size that is required to show the absence of a leak.

use super::evidence::LeakEvidence;
use super::multiple_testing::Family;
use crate::eval::{
    auc_deviation, clopper_pearson, clopper_pearson_upper, difference_of_proportions, normal_quantile, rare_rank,
};

/// Probability with which a leak of the stated size is detected.
pub const POWER: f64 = 0.8;

/// Deviations of a normal that are exceeded with a probability of `error`.
fn deviations(error: f64) -> f64 {
    normal_quantile(1.0 - 2.0 * error)
}

/// The smallest AUC whose interval lies above `limit` with probability [`POWER`], when each of its ends errs with
/// probability `error`; `None` where no AUC does.
pub fn smallest_auc(members: u64, held_out: u64, limit: f64, error: f64) -> Option<f64> {
    if members == 0 || held_out == 0 {
        return None;
    }
    let needed = limit + deviations(error) * auc_deviation(limit, members, held_out);
    let shown = |auc: f64| auc - deviations(1.0 - POWER) * auc_deviation(auc, members, held_out) >= needed;
    if needed >= 1.0 {
        return None;
    }
    let (mut low, mut high) = (limit, 1.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if shown(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// About how many members, and as many held-out traces, show with probability [`POWER`] that the AUC of a model that leaks
/// nothing is at most `limit`; `None` where no number does.
pub fn traces_for_auc(limit: f64, error: f64) -> Option<u64> {
    let room = limit - 0.5;
    let deviations = deviations(error) + deviations(1.0 - POWER);
    // the deviation at chance is that of 1 / (6 n) and a little more
    (room > 0.0).then(|| ((deviations / room).powi(2) / 6.0).ceil() as u64 + 1)
}

/// The smallest probability with which at least `needed` of `trials` happen with probability [`POWER`].
fn smallest_probability(needed: u64, trials: u64) -> f64 {
    clopper_pearson_upper(needed.saturating_sub(1), trials, 1.0 - POWER)
}

/// The smallest number from 0 to `most` for which a test that holds from some number on holds.
fn first(most: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, most + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (low <= most).then_some(low)
}

/// The smallest TPR at FPR `fpr` whose interval lies above `limit` with probability [`POWER`]; `None` where none does.
pub fn smallest_tpr(members: u64, held_out: u64, fpr: f64, limit: f64, error: f64) -> Option<f64> {
    let (_, spent) = rare_rank(held_out, fpr, error / 2.0)?;
    let low = |hits| clopper_pearson(hits, members, 1.0 - 2.0 * (error - spent)).low;
    let needed = first(members, |hits| low(hits) > limit)?;
    Some(smallest_probability(needed, members))
}

/// The smallest share that, beside the control that was found, lies above the limit with probability [`POWER`]; `None`
/// where none does.
pub fn smallest_excess(leak: &LeakEvidence, limit: f64, family: &Family) -> Option<f64> {
    let confidence = 1.0 - 2.0 * family.error;
    let control = clopper_pearson(leak.control_hits, leak.control_n, confidence);
    let low = |hits| difference_of_proportions(clopper_pearson(hits, leak.n, confidence), control).low;
    let needed = first(leak.n, |hits| low(hits) > limit)?;
    Some(smallest_probability(needed, leak.n))
}

/// Of how many traces none may leak for the upper end of their share to be at most `limit`.
pub fn traces_for_share(limit: f64, error: f64) -> u64 {
    if limit >= 1.0 { 1 } else { (error.ln() / (-limit).ln_1p()).ceil() as u64 }
}
