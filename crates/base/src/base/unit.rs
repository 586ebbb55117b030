//! Checked quantities: a value of one of these types lies in its legal range.

use crate::error::{Error, Result};

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $range:literal, $legal:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        pub struct $name(f64);

        impl $name {
            /// Checks the range; the error names the quantity, the range and the value found.
            pub fn new(value: f64) -> Result<Self> {
                let legal: fn(f64) -> bool = $legal;
                if legal(value) {
                    Ok(Self(value))
                } else {
                    Err(Error::user(format!("{} must be {}, found `{value}`", $what, $range)))
                }
            }

            /// The plain number.
            pub fn get(self) -> f64 {
                self.0
            }
        }
    )+};
}

units! {
    /// Privacy parameter epsilon of (epsilon, delta)-DP; infinite means that nothing is promised.
    Epsilon: "epsilon", "above 0", |value| value > 0.0;
    /// Privacy parameter delta.
    Delta: "delta", "between 0 and 1, both excluded", |value| value > 0.0 && value < 1.0;
    /// Standard deviation of the Gaussian noise on the sum, in units of the clip norm.
    NoiseMultiplier: "noise multiplier", "0 or above, and finite", |value| value >= 0.0 && value.is_finite();
    /// Probability with which Poisson sampling takes a trace into a step's batch.
    SamplingRate: "sampling rate", "above 0 and at most 1", |value| value > 0.0 && value <= 1.0;
    /// Largest L2 norm that one trace's gradient keeps.
    ClipNorm: "clip norm", "above 0 and finite", |value| value > 0.0 && value.is_finite();
}
