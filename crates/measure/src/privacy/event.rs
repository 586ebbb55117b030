//! What was done to the private traces, as data; accountants consume these events and nothing else.

use super::convert::rdp_epsilon;
use super::pld::pld_upper;
use super::rdp::default_orders;
use syntrace_base::base::{ClipNorm, Delta, NoiseMultiplier, SamplingRate};
use syntrace_base::error::Result;

/// The neighbouring relation that every epsilon of this module is for.
pub const NEIGHBOURS: &str = "add or remove one trace";

/// Some equal steps of the Poisson-subsampled Gaussian mechanism.
#[derive(Debug, Clone, PartialEq)]
pub struct PrivacyEvent {
    /// What was trained or measured.
    pub phase: String,
    /// Probability of a trace to be in a step's batch.
    pub sampling_rate: SamplingRate,
    /// Noise standard deviation in units of the clip norm.
    pub noise_multiplier: NoiseMultiplier,
    /// L2 bound of one trace's contribution; recorded, epsilon does not depend on it.
    pub clip_norm: ClipNorm,
    /// How many times it was applied.
    pub steps: u64,
}

/// Events in the order in which they happened; their composition is what the data owner has spent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// The events.
    pub events: Vec<PrivacyEvent>,
}

impl Ledger {
    /// Adds an event, joining it with the last one where only the number of steps differs.
    pub fn record(&mut self, event: PrivacyEvent) {
        if let Some(last) = self.events.last_mut() {
            let same = PrivacyEvent { steps: event.steps, ..last.clone() } == event;
            if same && let Some(steps) = last.steps.checked_add(event.steps) {
                last.steps = steps;
                return;
            }
        }
        self.events.push(event);
    }

    /// Steps of all events; saturates.
    pub fn steps(&self) -> u64 {
        self.events.iter().fold(0, |sum, event| sum.saturating_add(event.steps))
    }
}

/// How an epsilon was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accountant {
    /// Renyi DP over [`default_orders`] (Mironov, Talwar, Zhang 2019).
    Rdp,
    /// Privacy loss distributions (see [`super::pld_epsilon`]); the upper bound counts.
    Pld,
}

impl Accountant {
    /// Name in SQL and in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rdp => "rdp",
            Self::Pld => "pld",
        }
    }
}

/// An upper bound on what was spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpentEpsilon {
    /// Upper bound, at least 0; infinite where a step had no noise.
    pub epsilon: f64,
    /// Renyi order that gave it; `None` for other accountants and where none was needed.
    pub order: Option<f64>,
    /// How.
    pub accountant: Accountant,
}

/// Epsilon of a ledger at `delta`, upper bound, by the default accountant (RDP).
///
/// # Errors
/// Where no order converges.
pub fn epsilon(ledger: &Ledger, delta: Delta) -> Result<SpentEpsilon> {
    epsilon_by(Accountant::Rdp, ledger, delta)
}

/// Epsilon of a ledger at `delta`, upper bound, by a named accountant.
///
/// # Errors
/// Where the accountant does not converge.
pub fn epsilon_by(accountant: Accountant, ledger: &Ledger, delta: Delta) -> Result<SpentEpsilon> {
    match accountant {
        Accountant::Rdp => rdp_epsilon(ledger, delta, &default_orders()),
        Accountant::Pld => Ok(SpentEpsilon { epsilon: pld_upper(ledger, delta)?, order: None, accountant }),
    }
}
