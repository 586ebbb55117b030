//! The noise that budgets need. Hundreds of models of a study share a handful of answers, and the tight accountant
//! takes a while: each distinct question is solved once.

use super::Plan;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use syntrace_base::base::{Delta, Epsilon, SamplingRate};
use syntrace_base::error::Result;
use syntrace_base::record::Regime;
use syntrace_measure::privacy::{self, Accountant, Budget};
use syntrace_model::train::TrainPlan;

/// Bits of epsilon, delta and sampling rate, the steps, the accountant.
type Question = (u64, u64, u64, u64, Accountant);

/// Noise multipliers that were found.
#[derive(Default)]
pub(super) struct Noises(Mutex<HashMap<Question, f64>>);

impl Noises {
    /// The noise multiplier of a budget; `solve` is asked once, and whoever needs the same meanwhile waits.
    fn multiplier(
        &self,
        budget: &Budget,
        accountant: Accountant,
        solve: impl FnOnce(&Budget, Accountant) -> Result<f64>,
    ) -> Result<f64> {
        let bits = (budget.epsilon.get().to_bits(), budget.delta.get().to_bits(), budget.sampling_rate.get().to_bits());
        let question = (bits.0, bits.1, bits.2, budget.steps, accountant);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noise) = known.get(&question) {
            return Ok(*noise);
        }
        let noise = solve(budget, accountant)?;
        known.insert(question, noise);
        Ok(noise)
    }
}

impl Plan {
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
        let solve =
            |budget: &Budget, accountant| privacy::noise_multiplier(budget, accountant).map(|noise| noise.get());
        self.noises.multiplier(&budget, self.spec.accountant, solve).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::error::Error;

    #[test]
    fn a_question_is_solved_once_and_a_failure_is_not_kept() {
        let budget = |steps| Budget {
            epsilon: Epsilon::new(4.0).unwrap(),
            delta: Delta::new(1e-5).unwrap(),
            sampling_rate: SamplingRate::new(0.1).unwrap(),
            steps,
        };
        let (noises, mut solved) = (Noises::default(), 0);
        for (steps, accountant) in [
            (10, Accountant::Pld),
            (10, Accountant::Pld),
            (10, Accountant::Rdp),
            (11, Accountant::Pld),
            (10, Accountant::Pld),
        ] {
            let found = noises.multiplier(&budget(steps), accountant, |budget, _| {
                solved += 1;
                Ok(budget.steps as f64)
            });
            assert_eq!(found.unwrap(), steps as f64);
        }
        assert_eq!(solved, 3);
        assert!(noises.multiplier(&budget(12), Accountant::Pld, |_, _| Err(Error::user("no"))).is_err());
        assert_eq!(noises.multiplier(&budget(12), Accountant::Pld, |_, _| Ok(1.0)).unwrap(), 1.0);
    }
}
