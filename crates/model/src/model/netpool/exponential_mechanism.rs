//! One choice among several by the exponential mechanism, charged as one Gaussian release.
//!
//! Scores of sensitivity 1, each drawn with a probability proportional to exp(range * score / 2): between neighbours the
//! log-probability of an outcome moves by its own term, within range / 2 either way, and by the sum's, the same for all.
//! So the privacy losses of all outcomes lie in one interval [t - range, t], with 0 inside (Dong, Durfee and Rogers 2020,
//! bounded range). A pair of distributions whose likelihood ratios lie in [e^(t - range), e^t] is a post-processing of
//! the pair of coins with just these two ratios, whose trade-off function is linear but for one corner (a, 1 - e^t a) with
//! a = (1 - e^(t - range)) / (e^t - e^(t - range)). The trade-off function of N(0,1) against N(mu,1) is convex and ends
//! where that one does, so it lies below both pieces if it lies below the corner: if mu >= z(e^t a) - z(a), z the normal
//! quantile. That is largest at t = range / 2, where it is 2 z(1 / (1 + e^(-range / 2))); the unit test looks at all t.
//! So a choice composes with Gaussian releases as one of noise multiplier 1 / mu (Dong, Roth and Su 2022: mu-GDP), also
//! where choices depend on what was released before.

use crate::model::rho_ledger::RhoLedger;
use rand::RngExt;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::Mechanism;

/// P(Z <= z) of a standard normal Z.
pub(super) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// The range whose choice costs at most mu in Gaussian terms.
pub(super) fn range_of(mu: f64) -> f64 {
    let tail = normal_cdf(-mu / 2.0);
    2.0 * ((1.0 - tail) / tail).ln()
}

/// Draws the position of a score, for `rho`; a score must not move by more than 1 between neighbours.
pub(super) fn choose(scores: &[f64], rho: f64, ledger: &mut RhoLedger, seed: Seed) -> Result<usize> {
    let deviation = ledger.charge_for(Mechanism::Exponential, "choice of a marginal", rho, 1.0)?;
    let range = range_of(1.0 / deviation);
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (range / 2.0 * (score - highest)).exp()).collect();
    let mut left = seed.rng().random::<f64>() * weights.iter().sum::<f64>();
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return Ok(place);
        }
    }
    Ok(scores.iter().position(|score| *score == highest).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// z of a normal quantile, by bisection.
    fn quantile(p: f64) -> f64 {
        let (mut low, mut high) = (-40.0, 40.0);
        for _ in 0..200 {
            let middle = (low + high) / 2.0;
            if normal_cdf(middle) < p { low = middle } else { high = middle }
        }
        high
    }

    /// The corner of every coin of a range lies above the curve of the Gaussian that is charged for it.
    #[test]
    fn a_choice_costs_no_more_than_the_gaussian_that_is_charged_for_it() {
        for mu in [1e-3, 0.02, 0.1, 0.5, 1.0, 2.0, 4.0] {
            let range = range_of(mu);
            for step in 1..200 {
                let t = range * f64::from(step) / 200.0;
                let a = (1.0 - (t - range).exp()) / (t.exp() - (t - range).exp());
                let needed = quantile(t.exp() * a) - quantile(a);
                assert!(needed <= mu * (1.0 + 1e-9), "mu {mu}, t {t} of {range}: {needed}");
            }
        }
    }

    #[test]
    fn small_budgets_choose_nearly_evenly_and_large_ones_the_highest_score() {
        let share = |rho: f64| {
            let chosen = (0..400u64).filter(|number| {
                let mut ledger = RhoLedger::new(0.1).unwrap();
                choose(&[0.0, 10.0], rho, &mut ledger, Seed::root(*number)).unwrap() == 1
            });
            chosen.count()
        };
        assert!((150..280).contains(&share(1e-6)), "{}", share(1e-6));
        assert!(share(1.0) > 390, "{}", share(1.0));
    }
}
