//! A lower bound on epsilon from an attack's confusion counts (Jagielski, Ullman, Oprea 2020; Nasr et al. 2021). It is a
//! proof where the counts are of independent trials, such as many trainings with one trace more or less; over the traces of
//! one model with a split of fixed size it is a strong hint.

use super::interval::clopper_pearson_upper;

/// Guesses of one attack at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confusion {
    /// Members guessed to be members.
    pub true_positives: u64,
    /// Held-out traces guessed to be members.
    pub false_positives: u64,
    /// Held-out traces not guessed.
    pub true_negatives: u64,
    /// Members not guessed.
    pub false_negatives: u64,
}

/// Epsilon that an attack implies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmpiricalEpsilon {
    /// Lower bound at the asked confidence; 0 where nothing is found.
    pub lower: f64,
    /// From the rates as counted, without confidence; infinite where an error rate is 0,
    /// not a number where a side is empty.
    pub point: f64,
    /// Upper bound of the false positive rate that the lower bound used.
    pub fpr_upper: f64,
    /// Upper bound of the false negative rate.
    pub fnr_upper: f64,
}

/// eps >= ln((1 - delta - FNR) / FPR) and ln((1 - delta - FPR) / FNR), with one-sided Clopper-Pearson
/// upper bounds at (1 - confidence) / 2 each, so that the pair holds jointly. `delta` 0 asks for pure
/// DP. The model must have claimed (epsilon, delta)-DP for the pair of populations compared.
pub fn empirical_epsilon(counts: Confusion, delta: f64, confidence: f64) -> EmpiricalEpsilon {
    let tail = (1.0 - confidence) / 2.0;
    let held_out = counts.false_positives + counts.true_negatives;
    let members = counts.true_positives + counts.false_negatives;
    let fpr_upper = clopper_pearson_upper(counts.false_positives, held_out, tail);
    let fnr_upper = clopper_pearson_upper(counts.false_negatives, members, tail);
    let fpr = counts.false_positives as f64 / held_out as f64;
    let fnr = counts.false_negatives as f64 / members as f64;
    EmpiricalEpsilon {
        lower: implied(fpr_upper, fnr_upper, delta),
        point: if held_out == 0 || members == 0 { f64::NAN } else { implied(fpr, fnr, delta) },
        fpr_upper,
        fnr_upper,
    }
}

/// The larger of both bounds, at least 0.
fn implied(fpr: f64, fnr: f64, delta: f64) -> f64 {
    let bound = |power: f64, error: f64| if power > 0.0 { (power / error).ln() } else { 0.0 };
    bound(1.0 - delta - fnr, fpr).max(bound(1.0 - delta - fpr, fnr)).max(0.0)
}
