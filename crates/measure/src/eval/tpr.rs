//! The true positive rate at a small false positive rate, with an interval that knows that its threshold is
//! random too.

use super::interval::{clopper_pearson, clopper_pearson_upper};
use super::roc::{members_at_fpr, tpr_at_fpr};
use statrs::function::beta::checked_beta_reg;
use syntrace_base::record::Interval;

/// Can this number of held-out traces resolve this false positive rate? With fewer than 1 / `fpr` of them the largest
/// TPR at an FPR of at most `fpr` is that without any false positive, another measure. A rate of 0 requests that one.
pub fn resolves_fpr(held_out: u64, fpr: f64) -> bool {
    fpr == 0.0 || held_out as f64 * fpr >= 1.0 - ROUNDING
}

/// 100 held-out traces resolve an FPR of 0.01, whatever the last bit of their product says.
const ROUNDING: f64 = 1e-9;

/// TPR at a false positive rate of `fpr` of (members, held-out) counts from the highest score down: what the curve says,
/// and an interval of the TPR that the attack has where its FPR on *all* held-out traffic is `fpr`. Not a number, with an
/// interval of 0 to 1, where so few held-out traces cannot tell it.
///
/// Two things are random: how many members score above a threshold, and which threshold has that FPR. Each end pays for
/// both. The k-th highest of m held-out scores is exceeded by a share of held-out traffic that is at most a
/// Beta(k, m - k + 1), so for some k fixed by m alone its true FPR lies above (below) `fpr` with a probability of half of
/// the end's error or more surely; what is left of the error is the tail of a Clopper-Pearson bound for the members above
/// that score, who are drawn independently of it. Nothing is assumed of how scores are distributed, ties included. With
/// fewer than 436 held-out traces the lower end of a TPR at FPR 0.01 is therefore 0 at 95 %: none of their scores is
/// surely as rare.
pub(super) fn tpr_interval(counts: &[(u64, u64)], fpr: f64, confidence: f64) -> Interval {
    let value = tpr_at_fpr(counts, fpr);
    let held_out = counts.iter().map(|count| count.1).sum();
    if value.is_nan() || !resolves_fpr(held_out, fpr) {
        return Interval { value: f64::NAN, low: 0.0, high: 1.0 };
    }
    let tail = (1.0 - confidence) / 2.0;
    let members = members_at_fpr(counts, fpr).1;
    let low = rare_rank(held_out, fpr, tail / 2.0).map_or(0.0, |(rank, spent)| {
        let above = members_above(counts, rank);
        clopper_pearson(above, members, 1.0 - 2.0 * (tail - spent)).low
    });
    let (rank, spent) = common_rank(held_out, fpr, tail / 2.0);
    let high = clopper_pearson_upper(members_above(counts, rank), members, tail - spent);
    Interval { value, low: low.min(value), high: high.max(value) }
}

/// P(Binomial(trials, p) >= k).
fn at_least(k: u64, trials: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > trials {
        return 0.0;
    }
    checked_beta_reg(k as f64, (trials - k) as f64 + 1.0, p).unwrap_or(1.0)
}

/// The largest k at which the k-th highest held-out score has a true FPR above `fpr` with a probability of at most
/// `error`, and that probability. `None` where no score is so rare.
pub fn rare_rank(held_out: u64, fpr: f64, error: f64) -> Option<(u64, f64)> {
    let above = |k: u64| 1.0 - at_least(k, held_out, fpr);
    (1..=held_out).take_while(|&k| above(k) <= error).last().map(|k| (k, above(k)))
}

/// The smallest k at which it has one of at most `fpr` with a probability of at most `error`, and that probability;
/// one more than there are held-out traces where no score is so common.
fn common_rank(held_out: u64, fpr: f64, error: f64) -> (u64, f64) {
    let below = |k: u64| at_least(k, held_out, fpr);
    (1..=held_out + 1).find(|&k| below(k) <= error).map_or((held_out + 1, 0.0), |k| (k, below(k)))
}

/// Members with a score above the `rank`-th highest of the held-out scores; all where there are fewer.
fn members_above(counts: &[(u64, u64)], rank: u64) -> u64 {
    let (mut members, mut held_out) = (0, 0);
    for count in counts {
        held_out += count.1;
        if held_out >= rank {
            break;
        }
        members += count.0;
    }
    members
}

#[cfg(test)]
mod tests {
    use super::{common_rank, members_above, rare_rank};

    /// P(Binomial(300, 0.01) <= 0) = 0.99^300 = 0.0490, P(Binomial(100, 0.01) >= 5) = 0.00343 (SciPy).
    #[test]
    fn ranks_are_those_of_binomial_tails() {
        assert_eq!(rare_rank(300, 0.01, 0.04), None);
        let (rank, spent) = rare_rank(300, 0.01, 0.05).unwrap();
        assert!(rank == 1 && (spent - 0.99f64.powi(300)).abs() < 1e-12);
        let (rank, spent) = common_rank(100, 0.01, 0.0125);
        assert!(rank == 5 && (spent - 0.003_432_3).abs() < 1e-6, "{rank} {spent}");
        assert_eq!(common_rank(100, 0.01, 0.0).0, 101);
    }

    #[test]
    fn members_that_tie_with_the_held_out_score_are_not_above_it() {
        let counts = [(3, 0), (2, 1), (1, 0), (4, 2)];
        assert_eq!([1, 2, 3, 4].map(|rank| members_above(&counts, rank)), [3, 6, 6, 10]);
    }
}
