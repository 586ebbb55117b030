//! Mechanisms that were applied to private traces, as events of a privacy ledger.

use crate::base::{ClipNorm, NoiseMultiplier, SamplingRate};
use crate::error::{Error, Result};

/// Some equal releases, each of which costs no more than a step of the Poisson-subsampled Gaussian mechanism with these
/// numbers: what accountants read.
#[derive(Debug, Clone, PartialEq)]
pub struct PrivacyEvent {
    /// What was trained or measured.
    pub phase: String,
    /// What was done.
    pub mechanism: Mechanism,
    /// Probability of a unit of privacy (a trace, a host) to be in a step's batch.
    pub sampling_rate: SamplingRate,
    /// Noise standard deviation in units of the clip norm.
    pub noise_multiplier: NoiseMultiplier,
    /// L2 bound of one unit's contribution; recorded, epsilon does not depend on it.
    pub clip_norm: ClipNorm,
    /// How many times it was applied.
    pub steps: u64,
}

/// What an event of a privacy ledger did to the private traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Gaussian noise on the clipped sum of a Poisson batch: a step of DP-SGD.
    PoissonSubsampledGaussian,
    /// Gaussian noise on counts of all members, one release a step; sampling rate 1.
    Gaussian,
    /// Gaussian noise in every cell of a histogram to which each unit adds 1 at most; sampling rate 1.
    GaussianMarginals,
    /// One choice by the exponential mechanism, whose noise multiplier is that of a Gaussian release that costs no less.
    Exponential,
}

impl Mechanism {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::PoissonSubsampledGaussian => "poisson_subsampled_gaussian",
            Self::Gaussian => "gaussian",
            Self::GaussianMarginals => "gaussian_marginals",
            Self::Exponential => "exponential",
        }
    }

    /// The mechanism of a name.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn from_name(name: &str) -> Result<Self> {
        let all = [Self::PoissonSubsampledGaussian, Self::Gaussian, Self::GaussianMarginals, Self::Exponential];
        let found = all.into_iter().find(|mechanism| mechanism.name() == name);
        found.ok_or_else(|| Error::internal(format!("unknown mechanism `{name}`")))
    }
}
