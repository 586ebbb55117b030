//! The epsilon that a ledger has spent, by either accountant or by both.

use super::ledger::{Accountant, Ledger, SpentEpsilon};
use super::pld::{pld_epsilon, pld_upper};
use super::rdp::default_orders;
use super::rdp_conversion::rdp_epsilon;
use syntrace_base::base::Delta;
use syntrace_base::error::{Error, Result};

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
