//! The standard normal distribution with accurate tails.

use std::f64::consts::{PI, SQRT_2};

/// P(Z <= z).
pub(super) fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// ln P(Z <= z), also where the probability itself underflows.
pub(super) fn log_cdf(z: f64) -> f64 {
    if z > -25.0 {
        return cdf(z).ln();
    }
    // asymptotic series of Mills' ratio (Abramowitz and Stegun 26.2.12); the first term left out is
    // below 1e-11 of the sum here
    let inverse = 1.0 / (z * z);
    let series = 1.0 - inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse * (1.0 - 7.0 * inverse)));
    -0.5 * z * z - 0.5 * (2.0 * PI).ln() - (-z).ln() + series.ln()
}

/// A point with the smaller of its two tail probabilities: what a cell's mass is made from.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    positive: bool,
    tail: f64,
}

impl Bound {
    /// The point z; infinite values are the ends of the line.
    pub(super) fn at(z: f64) -> Self {
        Self { positive: z > 0.0, tail: cdf(-z.abs()) }
    }

    /// P(Z <= z).
    pub(super) fn below(self) -> f64 {
        if self.positive { 1.0 - self.tail } else { self.tail }
    }

    /// P(Z > z).
    pub(super) fn above(self) -> f64 {
        if self.positive { self.tail } else { 1.0 - self.tail }
    }

    /// P(self < Z <= upper), with relative accuracy in either tail; never negative.
    pub(super) fn mass_to(self, upper: Self) -> f64 {
        let mass = match (self.positive, upper.positive) {
            (true, true) => self.tail - upper.tail,
            (false, false) => upper.tail - self.tail,
            (false, true) => 1.0 - self.tail - upper.tail,
            (true, false) => 0.0,
        };
        mass.max(0.0)
    }
}
