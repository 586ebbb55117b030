//! From Renyi DP to (epsilon, delta)-DP.

use super::ledger::{Accountant, Ledger, SpentEpsilon};
use super::rdp::rdp_step;
use syntrace_base::base::Delta;
use syntrace_base::error::{Error, Result};

/// Smallest epsilon that a Renyi curve certifies at `delta`, and its order (Canonne, Kamath, Steinke
/// 2020, proposition 12; the conversion of Opacus and dp-accounting):
/// eps = rdp - (ln delta + ln alpha) / (alpha - 1) + ln((alpha - 1) / alpha), at least 0.
/// Orders with a value that is not a number drop out; infinite ones count as infinite.
///
/// # Errors
/// Where no order is left.
pub fn rdp_to_epsilon(orders: &[f64], rdp: &[f64], delta: Delta) -> Result<(f64, f64)> {
    let log_delta = delta.get().ln();
    let at = |(&alpha, &divergence): (&f64, &f64)| {
        let epsilon = divergence - (log_delta + alpha.ln()) / (alpha - 1.0) + (-1.0 / alpha).ln_1p();
        (!divergence.is_nan() && divergence >= 0.0 && alpha > 1.0).then_some((epsilon.max(0.0), alpha))
    };
    let best = orders.iter().zip(rdp).filter_map(at).min_by(|a, b| a.0.total_cmp(&b.0));
    best.ok_or_else(|| {
        Error::internal(format!("no Renyi order of `{}` converged, so no epsilon can be certified", orders.len()))
            .hint("use a noise multiplier between 0.01 and 1000, or another accountant")
    })
}

/// Epsilon of a ledger by RDP over the given orders: per order the divergences of all steps add up.
///
/// # Errors
/// Where no order converges.
pub fn rdp_epsilon(ledger: &Ledger, delta: Delta, orders: &[f64]) -> Result<SpentEpsilon> {
    let accountant = Accountant::Rdp;
    if ledger.steps() == 0 {
        return Ok(SpentEpsilon { epsilon: 0.0, order: None, accountant });
    }
    let rdp = composed_rdp(ledger, orders);
    let (epsilon, order) = rdp_to_epsilon(orders, &rdp, delta)?;
    Ok(SpentEpsilon { epsilon, order: epsilon.is_finite().then_some(order), accountant })
}

/// Renyi divergence of the whole ledger at each order.
fn composed_rdp(ledger: &Ledger, orders: &[f64]) -> Vec<f64> {
    let spent = |&alpha: &f64| {
        let events = ledger.events.iter().filter(|event| event.steps > 0);
        events.map(|event| event.steps as f64 * rdp_step(event.sampling_rate, event.noise_multiplier, alpha)).sum()
    };
    syntrace_base::base::map_ordered(orders, spent)
}
