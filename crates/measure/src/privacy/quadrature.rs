//! Expectations over the noise of one step by the trapezoidal rule on the real line, which converges
//! exponentially for these integrands (Trefethen and Weideman 2014).
//!
//! With base noise x ~ N(0, sigma^2), rate q and l(x) = (2x - 1) / (2 sigma^2), the privacy loss of one
//! step is L(x) = ln(1 - q + q exp(l(x))). Its branch points lie pi sigma^2 off the real line, so a
//! spacing of sigma^2 / 2.5 (and at most sigma / 6, for the Gaussian itself) leaves an error below
//! 1e-15 of the result.

/// Privacy loss at noise value `x` of one step: ln of the mixture's density over the base's.
pub(super) fn privacy_loss(q: f64, sigma: f64, x: f64) -> f64 {
    let shift = (2.0 * x - 1.0) / (2.0 * sigma * sigma);
    if q == 1.0 {
        return shift;
    }
    if shift < 30.0 { (q * shift.exp_m1()).ln_1p() } else { q.ln() + shift + ((1.0 - q) / q * (-shift).exp()).ln_1p() }
}

/// Nodes of the rule from `low` to `high`.
pub(super) struct Grid {
    pub(super) low: f64,
    pub(super) spacing: f64,
    pub(super) count: usize,
}

/// Standard deviations of the noise that the rule covers on each side.
const REACH: f64 = 13.0;

impl Grid {
    /// Covers the base distribution and the one shifted by `shift`; `None` if it takes more than
    /// `count_max` nodes.
    pub(super) fn covering(sigma: f64, shift: f64, count_max: usize) -> Option<Self> {
        let low = -REACH * sigma;
        let high = shift.max(0.0) + REACH * sigma;
        let spacing = (sigma / 6.0).min(sigma * sigma / 2.5);
        let count = ((high - low) / spacing).ceil();
        (count.is_finite() && count <= count_max as f64).then_some(Self { low, spacing, count: count as usize + 1 })
    }

    /// The nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = f64> {
        let (low, spacing) = (self.low, self.spacing);
        (0..self.count).map(move |index| low + spacing * index as f64)
    }
}
