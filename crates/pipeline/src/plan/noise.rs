//! Noise calibration and privacy accounting, memoised: hundreds of models of a study share a handful of settings, and
//! the tight accountant is slow.

use super::{Plan, PlannedJob, Work};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use syntrace_base::base::{Delta, Epsilon, SamplingRate};
use syntrace_base::error::Result;
use syntrace_base::record::{PrivacyEvent, Regime};
use syntrace_measure::privacy::{self, Accountant, Budget, Ledger, SpentByBoth};
use syntrace_model::train::TrainPlan;
use syntrace_spec::NoiseSource;

/// Bits of epsilon, delta and sampling rate, the steps, the accountant.
type Question = (u64, u64, u64, u64, Accountant);

/// Upper bounds on what a ledger has spent: by the accountant of the spec, and by each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spent {
    pub epsilon: f64,
    pub rdp: Option<f64>,
    pub pld: Option<f64>,
}

/// Cached results of the accountants.
#[derive(Default)]
pub(super) struct Accounts {
    noises: Mutex<HashMap<Question, f64>>,
    spent: Mutex<HashMap<Vec<u64>, Spent>>,
}

/// Memoised: `solve` runs once for each question, concurrent callers block. Errors are not cached.
fn once<K: Eq + Hash, V: Copy>(
    known: &Mutex<HashMap<K, V>>,
    question: K,
    solve: impl FnOnce() -> Result<V>,
) -> Result<V> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = known.get(&question) {
        return Ok(*answer);
    }
    let answer = solve()?;
    known.insert(question, answer);
    Ok(answer)
}

impl Plan {
    /// Does a job that a run would do train with noise whose seed is not stored?
    pub fn trains_with_secret_noise(&self) -> bool {
        let private = |work: &Work| match work {
            Work::Train { models, .. } => models.iter().any(|model| model.regime.is_private()),
            Work::OneRunAudit { .. } => true,
            _ => false,
        };
        let missing = |job: &&PlannedJob| !job.done && !job.elsewhere;
        self.spec.noise == NoiseSource::System && self.jobs.iter().filter(missing).any(|job| private(&job.work))
    }

    /// The noise multiplier of a regime under a training plan, so that the upper bound of the spec's accountant meets
    /// the target; `None` without DP.
    ///
    /// # Errors
    /// Where the accountant has no answer, or no noise meets the target.
    pub(crate) fn noise_multiplier(&self, plan: &TrainPlan, regime: Regime) -> Result<Option<f64>> {
        let Regime::Dp { epsilon, delta } = regime else { return Ok(None) };
        let budget = Budget {
            epsilon: Epsilon::new(epsilon)?,
            delta: Delta::new(delta)?,
            sampling_rate: SamplingRate::new(plan.sampling_rate)?,
            steps: plan.steps,
        };
        let accountant = self.spec.accountant;
        let bits = (budget.epsilon.get().to_bits(), budget.delta.get().to_bits(), budget.sampling_rate.get().to_bits());
        once(&self.accounts.noises, (bits.0, bits.1, bits.2, budget.steps, accountant), || {
            privacy::noise_multiplier(&budget, accountant).map(|noise| noise.get())
        })
        .map(Some)
    }

    /// What a ledger has spent at a delta.
    ///
    /// # Errors
    /// Where the spec's accountant has no answer, or the two contradict each other.
    pub(crate) fn spent(&self, ledger: &Ledger, delta: Delta) -> Result<Spent> {
        let bits = |event: &PrivacyEvent| {
            [event.sampling_rate.get().to_bits(), event.noise_multiplier.get().to_bits(), event.steps]
        };
        let question = std::iter::once(delta.get().to_bits()).chain(ledger.events.iter().flat_map(bits)).collect();
        once(&self.accounts.spent, question, || {
            let both = SpentByBoth::of(ledger, delta)?;
            let answer = |spent: &Result<f64>| spent.as_ref().ok().copied();
            let (rdp, pld) = (answer(&both.rdp), answer(&both.pld));
            Ok(Spent { epsilon: both.by(self.spec.accountant)?, rdp, pld })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::error::Error;

    #[test]
    fn a_question_is_solved_once_and_a_failure_is_not_kept() {
        let (known, mut solved) = (Mutex::default(), 0);
        for question in [10, 10, 11, 10] {
            let found = once(&known, question, || {
                solved += 1;
                Ok(2 * question)
            });
            assert_eq!(found.unwrap(), 2 * question);
        }
        assert_eq!(solved, 2);
        assert!(once(&known, 12, || Err(Error::user("no"))).is_err());
        assert_eq!(once(&known, 12, || Ok(1)).unwrap(), 1);
    }
}
