//! Renyi differential privacy of one Poisson-subsampled Gaussian step (Mironov, Talwar, Zhang 2019,
//! section 3.3), add or remove one trace.
//!
//! With u = q (exp(l) - 1) and E[u] = 0 under the base noise, the moment is
//! A(alpha) = E[(1 + u)^alpha] = 1 + E[(1 + u)^alpha - 1 - alpha u]. The bracket is never negative, so
//! A - 1 is summed without cancellation: for integer orders as the binomial sum from k = 2 on, for
//! fractional orders by quadrature. This keeps relative accuracy where A is within 1e-12 of 1 and
//! needs no alternating series, whose convergence is poor near q = 1/2.

use super::logspace::{log_1p_exp, log_expm1, log_sum_exp};
use super::quadrature::{Grid, privacy_loss};
use syntrace_base::base::{NoiseMultiplier, SamplingRate};

/// Above this many nodes (tiny noise) a fractional order is bounded by its integer neighbours.
const NODES_MAX: usize = 20_000;

/// The rule with every node and with every second one must agree to this, or the order falls back to
/// the bound by its neighbours; the rule's own error is then far below the 1e-6 that we promise.
const HALVING_TOLERANCE: f64 = 1e-6;

/// The orders of the accountant: 1.01, 1.02, 1.05, tenths from 1.1 to 10.9, integers from 11 to 64,
/// then integers about 6 % apart up to 2,048. The large ones certify small epsilons: with 63 as the
/// largest, no noise brings epsilon below 0.10 at delta 1e-5; with 2,048 the floor is 0.0014.
pub fn default_orders() -> Vec<f64> {
    let mut orders = vec![1.01, 1.02, 1.05];
    orders.extend((1..100).map(|tenth| 1.0 + f64::from(tenth) / 10.0));
    orders.extend((11..=64).map(f64::from));
    orders.extend((1..60).map(|step| (64.0 * (f64::from(step) / 12.0).exp2()).round()));
    orders.push(2048.0);
    orders
}

/// Renyi divergence of order `alpha` (above 1) of one step, in nats. Infinite without noise; not a
/// number where it did not converge or `alpha` is not above 1, which drops the order.
pub fn rdp_step(rate: SamplingRate, noise: NoiseMultiplier, alpha: f64) -> f64 {
    let (q, sigma) = (rate.get(), noise.get());
    if !alpha.is_finite() || alpha <= 1.0 {
        return f64::NAN;
    }
    if sigma == 0.0 {
        return f64::INFINITY;
    }
    if q == 1.0 {
        return alpha / (2.0 * sigma * sigma);
    }
    log_moment(q, sigma, alpha) / (alpha - 1.0)
}

/// ln A(alpha).
fn log_moment(q: f64, sigma: f64, alpha: f64) -> f64 {
    if alpha.fract() == 0.0 {
        return log_1p_exp(log_excess_integer(q, sigma, alpha));
    }
    match log_excess_fractional(q, sigma, alpha) {
        Some(excess) => log_1p_exp(excess),
        None => log_moment_between_integers(q, sigma, alpha),
    }
}

/// ln(A - 1) at an integer order: the terms k >= 2 of equation (8), each with exp(.) - 1, because the
/// binomial weights sum to 1 and the terms k = 0 and 1 have exponent 0.
fn log_excess_integer(q: f64, sigma: f64, alpha: f64) -> f64 {
    let (log_q, log_not_q) = (q.ln(), (-q).ln_1p());
    let mut log_binomial = alpha.ln();
    let mut terms = Vec::with_capacity(alpha as usize);
    let mut k = 2.0;
    while k <= alpha {
        log_binomial += ((alpha - k + 1.0) / k).ln();
        let exponent = k * (k - 1.0) / (2.0 * sigma * sigma);
        terms.push(log_binomial + k * log_q + (alpha - k) * log_not_q + log_expm1(exponent));
        k += 1.0;
    }
    log_sum_exp(&terms)
}

/// ln(A - 1) at a fractional order by quadrature; `None` where the rule is too long or has not settled.
fn log_excess_fractional(q: f64, sigma: f64, alpha: f64) -> Option<f64> {
    let grid = Grid::covering(sigma, alpha, NODES_MAX)?;
    let log_density = |x: f64| -x * x / (2.0 * sigma * sigma);
    let terms: Vec<f64> =
        grid.nodes().map(|x| log_density(x) + log_bracket(privacy_loss(q, sigma, x), alpha)).collect();
    let every_second: Vec<f64> = terms.iter().copied().step_by(2).collect();
    let fine = log_sum_exp(&terms);
    let coarse = log_sum_exp(&every_second) + std::f64::consts::LN_2;
    let settled = fine.is_finite() && (fine - coarse).abs() <= HALVING_TOLERANCE;
    let normaliser = (grid.spacing / sigma).ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
    settled.then_some(fine + normaliser)
}

/// ln((1 + u)^alpha - 1 - alpha u) for 1 + u = exp(loss), alpha > 1; minus infinity at u = 0.
fn log_bracket(loss: f64, alpha: f64) -> f64 {
    if (alpha * loss).abs() < 0.1 {
        return binomial_tail(loss.exp_m1(), alpha).ln();
    }
    if alpha * loss < 30.0 {
        return ((alpha * loss).exp_m1() - alpha * loss.exp_m1()).ln();
    }
    let log_linear = if loss < 30.0 { (alpha * loss.exp_m1()).ln_1p() } else { alpha.ln() + loss };
    alpha * loss + (-(log_linear - alpha * loss).exp()).ln_1p()
}

/// sum over k >= 2 of C(alpha, k) u^k for small |alpha u|.
fn binomial_tail(u: f64, alpha: f64) -> f64 {
    let mut term = alpha * u;
    let mut sum = 0.0;
    for k in 2..32 {
        let k = f64::from(k);
        term *= (alpha - k + 1.0) / k * u;
        sum += term;
        if term.abs() <= sum.abs() * f64::EPSILON {
            break;
        }
    }
    sum
}

/// Upper bound on ln A at a fractional order: ln A is convex in the order, so the chord between the
/// integer neighbours lies above it (ln A(1) = 0).
fn log_moment_between_integers(q: f64, sigma: f64, alpha: f64) -> f64 {
    let below = alpha.floor();
    let at = |order: f64| if order <= 1.0 { 0.0 } else { log_1p_exp(log_excess_integer(q, sigma, order)) };
    let weight = alpha - below;
    (1.0 - weight) * at(below) + weight * at(below + 1.0)
}
