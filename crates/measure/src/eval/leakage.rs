//! What an attack's scores leak: the measures of one attack result, each with its interval.

use super::auc::auc_interval;
use super::interval::{clopper_pearson, mean_of_proportions, percentile_interval};
use super::roc::{Roc, Scored, Step, members_at_fpr, tpr_at_fpr};
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Interval;

/// Confidence level of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Bootstrap resamples.
pub const RESAMPLES: usize = 1_000;

/// How the intervals of [`Leakage`] are made. None of them loses its width where the scores separate
/// perfectly.
pub const INTERVAL_METHOD: &str = "precision, recall, fpr: Clopper-Pearson; balanced_accuracy: square-and-add of \
     both Clopper-Pearson intervals; auc: the wider ends of DeLong (logit) and Newcombe (2006, method 5); \
     tpr_at_*_fpr: the wider ends of Clopper-Pearson at the threshold and of a percentile bootstrap over traces, \
     stratified by membership, 1000 resamples";

/// The measures of one attack on one set of traces. A value that is not defined (0/0) is not a number
/// with an interval of 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Leakage {
    /// Traces.
    pub n: u64,
    /// Members among them.
    pub n_members: u64,
    /// Of guessed members, the share that are.
    pub precision: Interval,
    /// Of members, the share guessed.
    pub recall: Interval,
    /// Of held-out traces, the share guessed to be members.
    pub fpr: Interval,
    /// Area under the ROC curve, ties half.
    pub auc: Interval,
    /// Mean of recall and 1 - FPR.
    pub balanced_accuracy: Interval,
    /// TPR at FPR 0.01.
    pub tpr_at_1pct_fpr: Interval,
    /// TPR at FPR 0.001.
    pub tpr_at_0_1pct_fpr: Interval,
    /// The curve.
    pub roc: Roc,
}

/// The bootstrapped measures of one resample.
#[derive(Debug, Clone, Copy, Default)]
struct Measures {
    tpr_at_1pct_fpr: f64,
    tpr_at_0_1pct_fpr: f64,
}

/// Measures of scored traces; a trace is guessed to be a member where its score is at least
/// `threshold`. `seed` drives the bootstrap only; resample i draws from its own sub-seed, so the result
/// does not depend on threads.
///
/// # Errors
/// Where there is no trace, or the threshold or a score is not a number.
pub fn leakage(scored: &[Scored], threshold: f64, seed: Seed) -> Result<Leakage> {
    if threshold.is_nan() {
        return Err(Error::internal("the decision threshold of an attack is not a number"));
    }
    let roc = Roc::new(scored)?;
    let guessed = guessed_steps(&roc, threshold);
    let (true_positives, false_positives) = totals(&roc, guessed);
    let counts = roc.counts();
    let resampled = resample_all(&roc, seed);
    let at_fpr = |fpr: f64, pick: fn(&Measures) -> f64| {
        let value = tpr_at_fpr(&counts, fpr);
        if value.is_nan() {
            return Interval { value, low: 0.0, high: 1.0 };
        }
        let (hits, members) = members_at_fpr(&counts, fpr);
        let exact = clopper_pearson(hits, members, CONFIDENCE);
        let drawn = percentile_interval(value, &mut resampled.iter().map(pick).collect(), CONFIDENCE);
        Interval { value, low: exact.low.min(drawn.low), high: exact.high.max(drawn.high) }
    };
    let recall = clopper_pearson(true_positives, roc.members(), CONFIDENCE);
    let specificity = clopper_pearson(roc.held_out() - false_positives, roc.held_out(), CONFIDENCE);
    Ok(Leakage {
        n: roc.members() + roc.held_out(),
        n_members: roc.members(),
        precision: clopper_pearson(true_positives, true_positives + false_positives, CONFIDENCE),
        recall,
        fpr: clopper_pearson(false_positives, roc.held_out(), CONFIDENCE),
        auc: auc_interval(&counts, CONFIDENCE),
        balanced_accuracy: mean_of_proportions(recall, specificity),
        tpr_at_1pct_fpr: at_fpr(0.01, |sample| sample.tpr_at_1pct_fpr),
        tpr_at_0_1pct_fpr: at_fpr(0.001, |sample| sample.tpr_at_0_1pct_fpr),
        roc,
    })
}

/// Number of distinct scores at or above the threshold.
fn guessed_steps(roc: &Roc, threshold: f64) -> usize {
    roc.steps.partition_point(|step| step.score >= threshold)
}

/// Members and held-out traces among the guessed.
fn totals(roc: &Roc, guessed: usize) -> (u64, u64) {
    roc.steps.iter().take(guessed).fold((0, 0), |sum, step| (sum.0 + step.members, sum.1 + step.held_out))
}

fn measures(counts: &[(u64, u64)]) -> Measures {
    Measures { tpr_at_1pct_fpr: tpr_at_fpr(counts, 0.01), tpr_at_0_1pct_fpr: tpr_at_fpr(counts, 0.001) }
}

/// The measures of every resample. Scores are sorted once; a resample only counts how often each
/// distinct score was drawn.
fn resample_all(roc: &Roc, seed: Seed) -> Vec<Measures> {
    // for each member (held-out trace), the index of its score
    let members = spread(roc, |step| step.members);
    let held_out = spread(roc, |step| step.held_out);
    if members.is_empty() || held_out.is_empty() {
        return Vec::new();
    }
    let numbers: Vec<u64> = (0..RESAMPLES as u64).collect();
    syntrace_base::base::map_ordered(&numbers, |&number| {
        let mut rng = seed.named("bootstrap").numbered(number).rng();
        let mut counts: Vec<(u64, u64)> = vec![(0, 0); roc.steps.len()];
        draw(&members, &mut rng, |step| {
            if let Some(count) = counts.get_mut(step) {
                count.0 += 1;
            }
        });
        draw(&held_out, &mut rng, |step| {
            if let Some(count) = counts.get_mut(step) {
                count.1 += 1;
            }
        });
        measures(&counts)
    })
}

fn spread(roc: &Roc, count: impl Fn(&Step) -> u64) -> Vec<usize> {
    let repeated = |(index, step): (usize, _)| std::iter::repeat_n(index, count(step) as usize);
    roc.steps.iter().enumerate().flat_map(repeated).collect()
}

/// Draws as many items as there are, with replacement.
fn draw(items: &[usize], rng: &mut syntrace_base::base::StreamRng, mut take: impl FnMut(usize)) {
    use rand::Rng;
    for _ in 0..items.len() {
        // multiply-shift: the bias is below items / 2^32, far under the bootstrap's own error
        let index = (u64::from(rng.next_u32()) * items.len() as u64) >> 32;
        if let Some(&item) = items.get(index as usize) {
            take(item);
        }
    }
}
