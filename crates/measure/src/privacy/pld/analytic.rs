//! Exact privacy curves: one subsampled step, and any number of steps on the whole data.

use crate::privacy::normal::{cdf, log_cdf};

/// delta(epsilon) of the Gaussian mechanism with sensitivity over noise `mu` (Balle and Wang 2018,
/// theorem 8); composition adds mu squared.
pub(super) fn gaussian_delta(mu: f64, epsilon: f64) -> f64 {
    let above = cdf(mu / 2.0 - epsilon / mu);
    let below = (epsilon + log_cdf(-mu / 2.0 - epsilon / mu)).exp();
    (above - below).max(0.0)
}

/// delta(epsilon) of one Poisson-subsampled Gaussian step: the larger of removing and adding a trace.
pub(super) fn one_step_delta(q: f64, sigma: f64, epsilon: f64) -> f64 {
    let removing = {
        let x = threshold(q, sigma, epsilon);
        let base = (log_expm1_plus(epsilon, q) + log_cdf(-x / sigma)).exp();
        q * cdf((1.0 - x) / sigma) - base
    };
    let adding = {
        let x = threshold(q, sigma, -epsilon);
        let growth = epsilon.exp();
        // below ln(1 - q) there is no mass: x is minus infinity and both terms are 0
        let mixture = growth * q * cdf((x - 1.0) / sigma);
        if x == f64::NEG_INFINITY { 0.0 } else { cdf(x / sigma) * (1.0 - growth * (1.0 - q)) - mixture }
    };
    removing.max(adding).max(0.0)
}

/// ln(exp(epsilon) - 1 + q) without overflow.
fn log_expm1_plus(epsilon: f64, q: f64) -> f64 {
    if epsilon > 37.0 { epsilon } else { (epsilon.exp_m1() + q).ln() }
}

/// Noise value at which the privacy loss of one step is `loss`; minus infinity where the loss is below
/// ln(1 - q), which no noise value reaches.
pub(super) fn threshold(q: f64, sigma: f64, loss: f64) -> f64 {
    if q == 1.0 {
        return sigma * sigma * loss + 0.5;
    }
    let scaled = if loss > 37.0 { loss - q.ln() } else { (loss.exp_m1() / q).ln_1p() };
    if scaled.is_nan() { f64::NEG_INFINITY } else { sigma * sigma * scaled + 0.5 }
}

/// Smallest epsilon (from above, to rounding) at which a falling curve is at most `delta`.
pub(super) fn invert(curve: impl Fn(f64) -> f64, delta: f64) -> f64 {
    if curve(0.0) <= delta {
        return 0.0;
    }
    let mut high = 1.0;
    while curve(high) > delta && high < f64::MAX / 4.0 {
        high *= 2.0;
    }
    let mut low = 0.0;
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        if curve(middle) > delta {
            low = middle;
        } else {
            high = middle;
        }
    }
}
