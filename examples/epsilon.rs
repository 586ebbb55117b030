//! What a training with differential privacy spends, and how much noise a budget needs.
//!
//! ```text
//! cargo run --features examples --example epsilon
//! ```
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use syntrace::base::{ClipNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate};
use syntrace::error::Result;
use syntrace::privacy::{Accountant, Budget, Ledger, epsilon_by, noise_multiplier};
use syntrace::record::{Mechanism, PrivacyEvent};

/// 250 traces, batches of 16 expected, 9 epochs.
const MEMBERS: f64 = 250.0;
const BATCH: f64 = 16.0;
const STEPS: u64 = 9 * 16;

/// Epsilon at delta 1e-5 of `STEPS` steps with this noise, by an accountant.
///
/// # Errors
/// Where the accountant does not converge.
pub fn spent(noise: f64, accountant: Accountant) -> Result<f64> {
    let event = PrivacyEvent {
        phase: "training".to_owned(),
        mechanism: Mechanism::PoissonSubsampledGaussian,
        sampling_rate: SamplingRate::new(BATCH / MEMBERS)?,
        noise_multiplier: NoiseMultiplier::new(noise)?,
        clip_norm: ClipNorm::new(1.0)?,
        steps: STEPS,
    };
    let mut ledger = Ledger::default();
    ledger.record(event);
    Ok(epsilon_by(accountant, &ledger, Delta::new(1e-5)?)?.epsilon)
}

/// The smallest noise multiplier whose epsilon is at most 4.
///
/// # Errors
/// Where no noise meets the budget.
pub fn needed() -> Result<f64> {
    let budget = Budget {
        epsilon: Epsilon::new(4.0)?,
        delta: Delta::new(1e-5)?,
        sampling_rate: SamplingRate::new(BATCH / MEMBERS)?,
        steps: STEPS,
    };
    Ok(noise_multiplier(&budget, Accountant::Rdp)?.get())
}

/// Prints both accountants beside each other.
///
/// # Errors
/// As [`spent`] and [`needed`].
pub fn main() -> Result<()> {
    for noise in [0.7, 1.0, 2.0] {
        let (rdp, pld) = (spent(noise, Accountant::Rdp)?, spent(noise, Accountant::Pld)?);
        println!("noise multiplier {noise}: epsilon {rdp:.3} by RDP, {pld:.3} by PLD");
    }
    println!("epsilon 4 needs a noise multiplier of {:.4}", needed()?);
    Ok(())
}
