//! What was done to the private traces, as data; accountants consume these events and nothing else.

use super::convert::rdp_epsilon;
use super::pld::{pld_epsilon, pld_upper};
use super::rdp::default_orders;
use syntrace_base::base::{ClipNorm, Delta, NoiseMultiplier, SamplingRate};
use syntrace_base::error::{Error, Result};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Accountant {
    /// Renyi DP over [`default_orders`] (Mironov, Talwar, Zhang 2019).
    Rdp,
    /// Privacy loss distributions (see [`super::pld_epsilon`]); the upper bound counts.
    Pld,
}

impl Accountant {
    /// Both, that of a spec that says nothing first.
    pub const ALL: [Self; 2] = [Self::Pld, Self::Rdp];

    /// The accountant of a name.
    ///
    /// # Errors
    /// `user` for another name.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|accountant| accountant.name() == name)
            .ok_or_else(|| Error::user(format!("an accountant is `pld` or `rdp`, found `{name}`")))
    }

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

/// Epsilon of a ledger at `delta`, upper bound, by RDP over [`default_orders`].
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

/// Upper bounds on the epsilon of one ledger; an accountant without an answer has its error.
#[derive(Debug)]
pub struct SpentByBoth {
    /// By Renyi DP.
    pub rdp: Result<f64>,
    /// By privacy loss distributions.
    pub pld: Result<f64>,
}

impl SpentByBoth {
    /// Of a ledger at `delta`. The two know nothing of each other, so they are checked against each other.
    ///
    /// # Errors
    /// `internal` where the lower bound of one lies above the upper bound of the other: one of them is wrong.
    pub fn of(ledger: &Ledger, delta: Delta) -> Result<Self> {
        let rdp = epsilon(ledger, delta).map(|spent| spent.epsilon);
        let pld = pld_epsilon(ledger, delta);
        if let (Ok(rdp), Ok(bounds)) = (&rdp, &pld)
            && bounds.lower > rdp * (1.0 + ROUNDING)
        {
            return Err(Error::internal(format!(
                "the accountants contradict each other at delta `{}`: epsilon is at most `{rdp}` by `rdp` and at least `{}` by `pld`",
                delta.get(),
                bounds.lower
            )));
        }
        Ok(Self { rdp, pld: pld.map(|bounds| bounds.upper) })
    }

    /// The bound of one accountant.
    ///
    /// # Errors
    /// Where it has none.
    pub fn by(self, accountant: Accountant) -> Result<f64> {
        match accountant {
            Accountant::Rdp => self.rdp,
            Accountant::Pld => self.pld,
        }
    }
}

/// Relative rounding of two accountants that give the same number.
const ROUNDING: f64 = 1e-9;
