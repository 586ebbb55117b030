//! The regimes of an answer as places of an axis, marks and words.

use super::answer::Answer;
use super::scale::number;
use syntrace_base::error::Result;

/// How the models of a row were trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Budget {
    /// Without DP.
    NoDp,
    /// Without DP, on anonymised traces.
    Anonymised,
    /// With DP for a target epsilon.
    Epsilon(f64),
}

impl Budget {
    /// Tells the kinds of regimes apart: without DP, anonymised, with DP.
    pub const KINDS: [fn(Self) -> bool; 3] =
        [|budget| budget == Self::NoDp, |budget| budget == Self::Anonymised, Self::is_private];

    /// Those of an answer with the columns `epsilon` and `regime`.
    ///
    /// # Errors
    /// `internal` if it lacks one of them.
    pub fn of(answer: &Answer) -> Result<Vec<Self>> {
        let regimes = answer.names("regime")?;
        let budget = |(epsilon, regime): (Option<f64>, String)| match epsilon {
            Some(epsilon) => Self::Epsilon(epsilon),
            None if regime == "anonymised" => Self::Anonymised,
            None => Self::NoDp,
        };
        Ok(answer.numbers("epsilon")?.into_iter().zip(regimes).map(budget).collect())
    }

    /// Is it DP?
    pub fn is_private(self) -> bool {
        matches!(self, Self::Epsilon(_))
    }

    /// As text in a sentence.
    pub fn words(self) -> String {
        match self {
            Self::Epsilon(epsilon) => format!("epsilon {}", number(epsilon)),
            Self::NoDp | Self::Anonymised => self.name(),
        }
    }

    /// As text under an axis of epsilons.
    fn name(self) -> String {
        match self {
            Self::NoDp => "no DP".to_owned(),
            Self::Anonymised => "anonymised".to_owned(),
            Self::Epsilon(epsilon) => number(epsilon),
        }
    }

    fn rank(self) -> f64 {
        match self {
            Self::NoDp => f64::INFINITY,
            Self::Anonymised => f64::MAX,
            Self::Epsilon(epsilon) => epsilon,
        }
    }
}

/// The budgets of an answer: no DP first, then anonymised, then from the largest epsilon to the smallest.
pub(super) struct Budgets(Vec<Budget>);

impl Budgets {
    /// The budgets that occur.
    pub fn of(budgets: &[Budget]) -> Self {
        let mut found = budgets.to_vec();
        found.sort_by(|left, right| right.rank().total_cmp(&left.rank()));
        found.dedup();
        Self(found)
    }

    /// Place of a budget, from 0.
    pub fn place(&self, budget: Budget) -> usize {
        self.0.iter().position(|known| *known == budget).unwrap_or(0)
    }

    /// Names of the places.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|budget| budget.name()).collect()
    }

    /// How full the marker of a budget is: from 1 (no DP) to 0 (the smallest epsilon).
    pub fn fill(&self, budget: Budget) -> f64 {
        match (budget, self.0.len()) {
            (Budget::NoDp, _) => 1.0,
            (_, 0..2) => 0.0,
            (_, budgets) => 1.0 - self.place(budget) as f64 / (budgets - 1) as f64,
        }
    }

    /// The budgets with their words, in order.
    pub fn list(&self) -> impl Iterator<Item = (Budget, String)> + '_ {
        self.0.iter().map(|budget| (*budget, budget.words()))
    }
}
