//! The traits of an attack: its description, its training data, and scoring after training.

use super::table::AttributeTable;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::WithoutZero;

/// Training data of an attack.
#[derive(Debug, Clone, Copy)]
pub struct TrainingSet<'a> {
    /// Attributes of shadows on their own members and held-out traces, checked.
    pub table: &'a AttributeTable,
    /// The rows that it may train on: both members and held-out traces.
    pub rows: &'a [usize],
    /// Attributes of any model (the target too) on traces outside its own split, which are not members of it; empty if
    /// none was recorded.
    pub references: &'a AttributeTable,
    /// Seed of its random draws.
    pub seed: Seed,
}

/// Description of an attack, as far as planning needs it. None of it touches libtorch.
pub trait AttackTerms: Send + Sync + std::fmt::Debug {
    /// Its kind, with its preset.
    fn kind(&self) -> &'static str;

    /// Resolved options as canonical JSON (keys sorted): part of the identity of the result.
    fn options(&self) -> String;

    /// Does it compare attributes of one trace from several models, so that it needs the references?
    fn needs_references(&self) -> bool {
        false
    }

    /// Does it read losses?
    fn reads_loss(&self) -> bool {
        false
    }

    /// Does it need probabilities where the attribute is defined only up to a constant, so that it cannot run at all?
    fn refuses(&self, _without: WithoutZero) -> bool {
        false
    }

    /// Does it need models that were trained on the traces it attacks?
    fn needs_overlap(&self) -> bool {
        false
    }
}

/// Learns membership from labelled attributes. A trait and not one function with many options, because attacks share
/// only this interface: some train a network, some choose a threshold, some compare attributes of one trace from all
/// models.
pub trait Attack: AttackTerms {
    /// Trains the attack. Deterministic in rows, their order and the seed.
    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>>;

    /// The attack on a target without shadows: `None` where it has to learn. The direction of its score is known beforehand;
    /// the threshold is the median of the target's scores, since half of them are members in a balanced list.
    ///
    /// # Errors
    /// Where an attribute is too short for it.
    fn without_shadows(&self, _target: &AttributeTable, _rows: &[usize]) -> Result<Option<Box<dyn FittedAttack>>> {
        Ok(None)
    }
}

/// A trained attack.
pub trait FittedAttack {
    /// Scores of the given rows, in their order; higher = more likely a member. NaN: too few observations of the trace
    /// to score it; the row is left out of the evaluation.
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>>;

    /// Guess member where the score is at least this.
    fn threshold(&self) -> f32;

    /// Did its solver reach its tolerance before its cap of iterations? `None` where it has neither.
    fn converged(&self) -> Option<bool> {
        None
    }
}
