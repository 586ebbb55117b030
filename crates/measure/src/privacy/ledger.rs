//! Ledgers of privacy events: mechanisms that were applied to the private traces. Accountants consume these events and
//! nothing else.

use syntrace_base::error::{Error, Result};
use syntrace_base::record::{PrivacyEvent, PrivacyUnit};

/// The neighbouring relation where the unit of privacy is the trace; accountants take whatever unit the events bound.
pub const NEIGHBOURS: &str = PrivacyUnit::Trace.neighbours();

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
    /// Renyi DP over [`default_orders`](super::default_orders) (Mironov, Talwar, Zhang 2019).
    Rdp,
    /// Privacy loss distributions (see [`super::pld_epsilon`]); the upper bound counts.
    Pld,
}

impl Accountant {
    /// Both, the default of a spec first.
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
