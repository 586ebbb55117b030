//! The accountants: what a training by DP-SGD spends, and the noise that a budget needs.

use crate::error::Raise;
use pyo3::prelude::*;
use syntrace_base::base::{ClipNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate};
use syntrace_base::error::Result;
use syntrace_base::record::{Mechanism, PrivacyEvent};
use syntrace_measure::privacy::{Accountant, Budget, Ledger, NEIGHBOURS, SpentByBoth};

/// A training by DP-SGD and its budget: Poisson-sampled steps, Gaussian noise on the sum of clipped gradients.
#[pyclass(frozen, get_all, module = "syntrace.privacy")]
pub struct Accounting {
    /// Upper bound of what is spent, at `delta`.
    epsilon: f64,
    /// The delta that epsilon holds at.
    delta: f64,
    /// Probability of a trace to be in a step's batch.
    sample_rate: f64,
    /// Standard deviation of the noise, in units of the clip norm.
    noise_multiplier: f64,
    /// Steps.
    steps: u64,
    /// How it was computed: `pld` or `rdp`.
    accountant: &'static str,
    /// What is protected.
    unit: &'static str,
    /// How neighbouring data sets differ.
    neighbours: &'static str,
}

#[pymethods]
impl Accounting {
    fn __repr__(&self) -> String {
        format!(
            "Accounting(epsilon={}, delta={:e}, sample_rate={}, noise_multiplier={}, steps={}, accountant='{}', \
             unit='{}', neighbours='{}')",
            self.epsilon,
            self.delta,
            self.sample_rate,
            self.noise_multiplier,
            self.steps,
            self.accountant,
            self.unit,
            self.neighbours
        )
    }
}

/// A training whose numbers are checked.
struct Training {
    sample_rate: f64,
    steps: u64,
    delta: f64,
    accountant: Accountant,
}

impl Training {
    fn accounting(self, noise_multiplier: f64, epsilon: f64) -> Accounting {
        Accounting {
            epsilon,
            delta: self.delta,
            sample_rate: self.sample_rate,
            noise_multiplier,
            steps: self.steps,
            accountant: self.accountant.name(),
            unit: "trace",
            neighbours: NEIGHBOURS,
        }
    }

    fn epsilon(self, noise_multiplier: f64) -> Result<Accounting> {
        let delta = Delta::new(self.delta)?;
        let mut ledger = Ledger::default();
        ledger.record(PrivacyEvent {
            phase: "asked".to_owned(),
            mechanism: Mechanism::PoissonSubsampledGaussian,
            sampling_rate: SamplingRate::new(self.sample_rate)?,
            noise_multiplier: NoiseMultiplier::new(noise_multiplier)?,
            // Noise is in its units: epsilon does not depend on it.
            clip_norm: ClipNorm::new(1.0)?,
            steps: self.steps,
        });
        let epsilon = SpentByBoth::of(&ledger, delta)?.by(self.accountant)?;
        Ok(self.accounting(noise_multiplier, epsilon))
    }

    fn noise(self, epsilon: f64) -> Result<Accounting> {
        let budget = Budget {
            epsilon: Epsilon::new(epsilon)?,
            delta: Delta::new(self.delta)?,
            sampling_rate: SamplingRate::new(self.sample_rate)?,
            steps: self.steps,
        };
        let noise = syntrace_measure::privacy::noise_multiplier(&budget, self.accountant)?;
        Ok(self.accounting(noise.get(), epsilon))
    }
}

/// The epsilon that a training by DP-SGD spends, as an upper bound.
///
/// Both accountants are asked and must not contradict each other; `accountant` says whose bound counts.
///
/// >>> import syntrace as st
/// >>> spent = st.privacy.epsilon(sample_rate=0.01, noise_multiplier=1.1, steps=1000, delta=1e-5)
/// >>> round(spent.epsilon, 3), spent.unit, spent.neighbours
/// (1.516, 'trace', 'add or remove one trace')
#[pyfunction]
#[pyo3(signature = (*, sample_rate, noise_multiplier, steps, delta, accountant = "pld"))]
pub fn epsilon(
    py: Python<'_>,
    sample_rate: f64,
    noise_multiplier: f64,
    steps: u64,
    delta: f64,
    accountant: &str,
) -> PyResult<Accounting> {
    let training = Training { sample_rate, steps, delta, accountant: Accountant::from_name(accountant).raise(py)? };
    py.detach(|| training.epsilon(noise_multiplier)).raise(py)
}

/// The smallest noise multiplier that keeps a training by DP-SGD within a budget.
///
/// >>> import syntrace as st
/// >>> needed = st.privacy.noise_multiplier(epsilon=4.0, delta=1e-5, sample_rate=0.01, steps=1000)
/// >>> spent = st.privacy.epsilon(
/// ...     sample_rate=0.01, noise_multiplier=needed.noise_multiplier, steps=1000, delta=1e-5)
/// >>> 3.99 < spent.epsilon <= 4.0
/// True
#[pyfunction]
#[pyo3(signature = (*, epsilon, delta, sample_rate, steps, accountant = "pld"))]
pub fn noise_multiplier(
    py: Python<'_>,
    epsilon: f64,
    delta: f64,
    sample_rate: f64,
    steps: u64,
    accountant: &str,
) -> PyResult<Accounting> {
    let training = Training { sample_rate, steps, delta, accountant: Accountant::from_name(accountant).raise(py)? };
    py.detach(|| training.noise(epsilon)).raise(py)
}
