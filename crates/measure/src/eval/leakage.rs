//! What an attack's scores leak: the measures of one attack result, each with its interval.

use super::auc::auc_interval;
use super::interval::{clopper_pearson, mean_of_proportions};
use super::roc::{Roc, Scored};
use super::tpr::tpr_interval;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Interval;

/// Confidence level of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// How the intervals of [`Leakage`] are made. None of them loses its width where the scores separate
/// perfectly.
pub const INTERVAL_METHOD: &str = "precision, recall, fpr: Clopper-Pearson; balanced_accuracy: square-and-add of \
     both Clopper-Pearson intervals; auc: the wider ends of DeLong (logit) and Newcombe (2006, method 5); \
     tpr_at_*_fpr: order statistics of held-out scores for the threshold and Clopper-Pearson for the members above it, \
     half of the error each";

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
    /// TPR at FPR 0.01; not a number with fewer than 100 held-out traces.
    pub tpr_at_1pct_fpr: Interval,
    /// TPR at FPR 0.001; not a number with fewer than 1,000 held-out traces.
    pub tpr_at_0_1pct_fpr: Interval,
    /// The curve.
    pub roc: Roc,
}

/// Measures of scored traces; a trace is guessed to be a member where its score is at least
/// `threshold`.
///
/// # Errors
/// Where there is no trace, or the threshold or a score is not a number.
pub fn leakage(scored: &[Scored], threshold: f64) -> Result<Leakage> {
    if threshold.is_nan() {
        return Err(Error::internal("the decision threshold of an attack is not a number"));
    }
    let roc = Roc::new(scored)?;
    let guessed = guessed_steps(&roc, threshold);
    let (true_positives, false_positives) = totals(&roc, guessed);
    let recall = clopper_pearson(true_positives, roc.members(), CONFIDENCE);
    let specificity = clopper_pearson(roc.held_out() - false_positives, roc.held_out(), CONFIDENCE);
    Ok(Leakage {
        n: roc.members() + roc.held_out(),
        n_members: roc.members(),
        precision: clopper_pearson(true_positives, true_positives + false_positives, CONFIDENCE),
        recall,
        fpr: clopper_pearson(false_positives, roc.held_out(), CONFIDENCE),
        auc: roc.auc_interval(CONFIDENCE),
        balanced_accuracy: mean_of_proportions(recall, specificity),
        tpr_at_1pct_fpr: roc.tpr_interval(0.01, CONFIDENCE),
        tpr_at_0_1pct_fpr: roc.tpr_interval(0.001, CONFIDENCE),
        roc,
    })
}

impl Roc {
    /// The area under the curve with its interval; not a number, with an interval of 0 to 1, where a side is empty.
    pub fn auc_interval(&self, confidence: f64) -> Interval {
        auc_interval(&self.counts(), confidence)
    }

    /// The TPR at a false positive rate of `fpr` in all held-out traffic, with an interval; not a number, with an interval
    /// of 0 to 1, where so few held-out traces cannot tell it from 0.
    pub fn tpr_interval(&self, fpr: f64, confidence: f64) -> Interval {
        tpr_interval(&self.counts(), fpr, confidence)
    }
}

/// Number of distinct scores at or above the threshold.
fn guessed_steps(roc: &Roc, threshold: f64) -> usize {
    roc.steps.partition_point(|step| step.score >= threshold)
}

/// Members and held-out traces among the guessed.
fn totals(roc: &Roc, guessed: usize) -> (u64, u64) {
    roc.steps.iter().take(guessed).fold((0, 0), |sum, step| (sum.0 + step.members, sum.1 + step.held_out))
}
