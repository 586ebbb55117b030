//! One rho for everything: who spent how much, and the noise that it buys.
//!
//! A Gaussian release of L2 sensitivity D with noise of standard deviation s costs rho = D^2 / (2 s^2)
//! (Bun and Steinke 2016, proposition 1.6), as one Gaussian step of noise multiplier s / D. Costs add
//! up, also where a release's rho was chosen by looking at earlier ones, because their sum is fixed
//! beforehand (Feldman and Zrnic 2021 for Renyi DP; as one Gaussian mechanism, which is tighter, Smith and Thakurta 2022).

use rand::RngExt;
use syntrace_base::base::{ClipNorm, NoiseMultiplier, SamplingRate, Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Mechanism, PrivacyEvent};

/// Every noise is this much larger than its rho asks for, so that rounding never spends too much.
const ROUNDING: f64 = 1e-9;

/// Privacy budget and expenses.
#[derive(Debug, Clone, PartialEq)]
pub struct RhoLedger {
    total: f64,
    spent: f64,
    events: Vec<PrivacyEvent>,
}

impl RhoLedger {
    /// The budget of one Gaussian step with this noise multiplier.
    ///
    /// # Errors
    /// A noise multiplier that is not above 0: there would be no limit.
    pub fn new(noise_multiplier: f64) -> Result<Self> {
        if !(noise_multiplier > 0.0 && noise_multiplier.is_finite()) {
            return Err(Error::internal(format!("noise multiplier above 0 expected, found `{noise_multiplier}`")));
        }
        Ok(Self { total: 0.5 / (noise_multiplier * noise_multiplier), spent: 0.0, events: Vec::new() })
    }

    /// The whole budget.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Expenses so far.
    pub fn spent(&self) -> f64 {
        self.spent
    }

    /// Takes `rho` for one release of a sensitivity; returns the standard deviation of its noise.
    ///
    /// # Errors
    /// More than is left, or nothing.
    pub fn charge(&mut self, phase: &str, rho: f64, sensitivity: f64) -> Result<f64> {
        self.charge_for(Mechanism::Gaussian, phase, rho, sensitivity)
    }

    /// As [`RhoLedger::charge`], for a mechanism of another name that costs no more than that Gaussian release.
    ///
    /// # Errors
    /// As there.
    pub fn charge_for(&mut self, mechanism: Mechanism, phase: &str, rho: f64, sensitivity: f64) -> Result<f64> {
        let noise_multiplier = (0.5 / rho).sqrt() * (1.0 + ROUNDING);
        let cost = 0.5 / (noise_multiplier * noise_multiplier);
        if !(rho > 0.0 && noise_multiplier.is_finite() && sensitivity > 0.0) || self.spent + cost > self.total {
            return Err(Error::internal(format!(
                "`{phase}` asks for rho `{rho}`, but only `{}` of `{}` is left",
                self.total - self.spent,
                self.total
            )));
        }
        self.spent += cost;
        self.events.push(PrivacyEvent {
            phase: phase.to_owned(),
            mechanism,
            sampling_rate: SamplingRate::new(1.0)?,
            noise_multiplier: NoiseMultiplier::new(noise_multiplier)?,
            clip_norm: ClipNorm::new(sensitivity)?,
            steps: 1,
        });
        Ok(noise_multiplier * sensitivity)
    }

    /// The releases, in order.
    pub fn events(&self) -> &[PrivacyEvent] {
        &self.events
    }
}

/// Adds independent Gaussian noise to each value.
pub fn add_noise(values: &mut [f64], deviation: f64, seed: Seed) {
    let mut rng = seed.rng();
    for pair in values.chunks_mut(2) {
        for (value, normal) in pair.iter_mut().zip(normals(&mut rng)) {
            *value += deviation * normal;
        }
    }
}

/// Two standard normal numbers (Box and Muller 1958) from uniform ones on a grid of 2^-53.
fn normals(rng: &mut StreamRng) -> [f64; 2] {
    // 1 - u lies in (0, 1], so that its logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * rng.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}

/// Splits a rho over releases in proportion to a power of their cells: with exponent 2/3 the expected
/// absolute error over all cells is least (PrivSyn, section 4.2); 1/2 is the published code's.
pub fn split_rho(rho: f64, cells: &[usize], exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = cells.iter().map(|cells| (*cells as f64).powf(exponent)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| rho * weight / sum).collect()
}
