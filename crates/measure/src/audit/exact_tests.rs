//! Exact tail probabilities of counts.

/// ln n!
fn log_factorial(n: u64) -> f64 {
    libm::lgamma(n as f64 + 1.0)
}

fn log_choose(n: u64, k: u64) -> f64 {
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// Probabilities of 0 to `trials` successes of probability `p`, 0 < p < 1.
pub(super) fn binomial_masses(trials: u64, p: f64) -> Vec<f64> {
    let (log_p, log_not) = (p.ln(), (-p).ln_1p());
    let mass = |k: u64| (log_choose(trials, k) + k as f64 * log_p + (trials - k) as f64 * log_not).exp();
    (0..=trials).map(mass).collect()
}

/// Fisher's exact test, one-sided: probability, given the margins, that at least `hits` of the
/// `hits + control_hits` lie among the `n` rather than among the `control_n`; `None` where a side is empty, so that nothing
/// is tested.
pub(super) fn fisher_test(hits: u64, n: u64, control_hits: u64, control_n: u64) -> Option<f64> {
    let drawn = hits + control_hits;
    if n == 0 || control_n == 0 {
        return None;
    }
    let all = log_choose(n + control_n, drawn);
    let mass = |k: u64| (log_choose(n, k) + log_choose(control_n, drawn - k) - all).exp();
    Some((hits..=drawn.min(n)).rev().filter(|k| drawn - k <= control_n).map(mass).sum::<f64>().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of sums of log factorials.
    const ROUNDING: f64 = 1e-12;

    #[test]
    fn fisher_test_equals_the_tea_tasting_table() {
        // Fisher 1935: 3 of 4 right gives 17/70, 4 of 4 gives 1/70
        assert!((fisher_test(3, 4, 1, 4).unwrap() - 17.0 / 70.0).abs() < ROUNDING);
        assert!((fisher_test(4, 4, 0, 4).unwrap() - 1.0 / 70.0).abs() < ROUNDING);
        assert!((fisher_test(0, 4, 4, 4).unwrap() - 1.0).abs() < ROUNDING);
        assert_eq!(fisher_test(0, 0, 0, 4), None);
    }
}
