//! The confidence interval of an area under the ROC curve.

use super::interval::normal_quantile;
use super::roc::auc;
use syntrace_base::record::Interval;

/// Interval of the area under a curve of (members, held-out) counts from the highest score down: from
/// the lower of the lower ends to the higher of the higher ends of
///
/// - DeLong, DeLong, Clarke-Pearson (1988) on the logit scale: right whatever the distributions of the
///   scores, but without width where they separate perfectly;
/// - Newcombe (2006, Statistics in Medicine 25:559, method 5): inverts the test that assumes exponential
///   scores, so it has its width at 0 and 1 as well, and at 0.5 it is the Mann-Whitney test.
///
/// Together they are wrong on the safe side. The area of a side that is empty is not a number, with an
/// interval of 0 to 1.
pub(super) fn auc_interval(counts: &[(u64, u64)], confidence: f64) -> Interval {
    let value = auc(counts);
    if value.is_nan() {
        return Interval { value, low: 0.0, high: 1.0 };
    }
    let quantile = normal_quantile(confidence);
    let (members, held_out) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let newcombe = (
        newcombe_low(value, members, held_out, quantile),
        1.0 - newcombe_low(1.0 - value, members, held_out, quantile),
    );
    let (low, high) = match delong(counts, value, quantile) {
        Some((low, high)) => (newcombe.0.min(low), newcombe.1.max(high)),
        None => newcombe,
    };
    Interval { value, low: low.clamp(0.0, value), high: high.clamp(value, 1.0) }
}

/// DeLong's interval on the logit scale; `None` where the variance is 0 or not defined.
fn delong(counts: &[(u64, u64)], value: f64, quantile: f64) -> Option<(f64, f64)> {
    let deviation = delong_variance(counts, value)?.sqrt();
    if deviation <= 0.0 || value <= 0.0 || value >= 1.0 {
        return None;
    }
    let logit = (value / (1.0 - value)).ln();
    let half = quantile * deviation / (value * (1.0 - value));
    let back = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    Some((back(logit - half), back(logit + half)))
}

/// Variance of the area: of each trace's share of won pairs, over members and over held-out traces.
fn delong_variance(counts: &[(u64, u64)], value: f64) -> Option<f64> {
    let (members, held_out) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    if members < 2 || held_out < 2 {
        return None;
    }
    let (mut of_members, mut of_held_out) = (0.0, 0.0);
    let (mut members_above, mut held_out_above) = (0u64, 0u64);
    for &(here, others) in counts {
        let beaten = (held_out - held_out_above - others) as f64 + others as f64 / 2.0;
        let lost_to = members_above as f64 + here as f64 / 2.0;
        let deviation = |share: f64| (share - value) * (share - value);
        of_members += here as f64 * deviation(beaten / held_out as f64);
        of_held_out += others as f64 * deviation(lost_to / members as f64);
        members_above += here;
        held_out_above += others;
    }
    let mean_square = |sum: f64, count: u64| sum / (count - 1) as f64 / count as f64;
    Some(mean_square(of_members, members) + mean_square(of_held_out, held_out))
}

/// Standard deviation of the empirical area under the curve for these sample sizes if the true area is `area`, for
/// exponential scores.
pub fn auc_deviation(area: f64, members: u64, held_out: u64) -> f64 {
    let (m, n) = (members as f64, held_out as f64);
    let spread = (1.0 - area) / (2.0 - area) + area / (1.0 + area);
    (area * (1.0 - area) * (1.0 + ((m + n) / 2.0 - 1.0) * spread) / (m * n)).sqrt()
}

/// The lower solution of |value - area| = quantile * deviation(area).
fn newcombe_low(value: f64, members: u64, held_out: u64, quantile: f64) -> f64 {
    let (mut low, mut high) = (0.0f64, value);
    // 60 halvings: below 1e-18 absolute
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if value - middle > quantile * auc_deviation(middle, members, held_out) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::{auc_interval, delong_variance};

    #[test]
    fn variance_is_that_of_the_pairs() {
        // Members 3, 2, 2; held-out 2, 1, 0: shares of won pairs 1, 5/6, 5/6 and 2/3, 1, 1.
        let counts = [(1, 0), (2, 1), (0, 1), (0, 1)];
        let value: f64 = 8.0 / 9.0;
        let square = |share: f64| (share - value) * (share - value);
        let members = (square(1.0) + 2.0 * square(5.0 / 6.0)) / 2.0 / 3.0;
        let held_out = (square(2.0 / 3.0) + 2.0 * square(1.0)) / 2.0 / 3.0;
        let found = delong_variance(&counts, value).unwrap();
        assert!((found - members - held_out).abs() < 1e-15);
    }

    #[test]
    fn perfect_separation_has_an_interval_with_width_that_shrinks_with_the_traces() {
        let width = |n: u64| {
            let interval = auc_interval(&[(n, 0), (0, n)], 0.95);
            assert_eq!((interval.value, interval.high), (1.0, 1.0));
            interval.high - interval.low
        };
        assert!(width(10) > 0.15 && width(10) < 0.4, "{}", width(10));
        assert!(width(1000) > 1e-4 && width(1000) < 0.005, "{}", width(1000));
    }

    #[test]
    fn reversed_scores_have_the_mirrored_interval() {
        let counts = [(3, 1), (2, 2), (0, 2), (1, 4)];
        let reversed: Vec<(u64, u64)> = counts.iter().rev().copied().collect();
        let (one, other) = (auc_interval(&counts, 0.95), auc_interval(&reversed, 0.95));
        assert!((one.low - (1.0 - other.high)).abs() < 1e-12 && (one.high - (1.0 - other.low)).abs() < 1e-12);
    }
}
