//! What an attack is: what it says of itself, what it learns from, and how it scores once it has learnt.

use super::table::AttributeTable;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::WithoutZero;

/// What an attack learns from.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// Attributes of shadows on their own members and held-out traces, checked.
    pub table: &'a AttributeTable,
    /// The rows that it may learn from: members and held-out traces among them.
    pub rows: &'a [usize],
    /// What any model (the target too) says about traces outside its own split, all of them not members
    /// of it; empty where none was recorded.
    pub references: &'a AttributeTable,
    /// Where its draws come from.
    pub seed: Seed,
}

/// What an attack says before it learns: all that planning asks. None of it touches libtorch.
pub trait AttackTerms: Send + Sync + std::fmt::Debug {
    /// Its kind, with its preset.
    fn kind(&self) -> &'static str;

    /// Resolved options as canonical JSON (keys sorted): part of the identity of the result.
    fn options(&self) -> String;

    /// Does it compare what several models say about one trace, so that it needs the references?
    fn needs_references(&self) -> bool {
        false
    }

    /// Does it read losses?
    fn reads_loss(&self) -> bool {
        false
    }

    /// Does it read as a probability what has no zero, so that it cannot be run at all?
    fn refuses(&self, _without: WithoutZero) -> bool {
        false
    }

    /// Does it need models that were trained on the traces it attacks?
    fn needs_overlap(&self) -> bool {
        false
    }
}

/// Something that learns membership from labelled attributes. A trait and not one function with many
/// options, because attacks share nothing but this shape: some train a network, some pick a number, some
/// compare what all models say about one trace.
pub trait Attack: AttackTerms {
    /// Learns. Same rows in the same order, same seed: same result.
    fn fit(&self, lesson: &Lesson<'_>) -> Result<Box<dyn FittedAttack>>;

    /// The attack on a target without shadows: `None` where it has to learn. The direction of its score is known beforehand;
    /// the threshold is the median of the target's scores, since half of them are members in a balanced list.
    ///
    /// # Errors
    /// Where an attribute is too short for it.
    fn without_shadows(&self, _target: &AttributeTable, _rows: &[usize]) -> Result<Option<Box<dyn FittedAttack>>> {
        Ok(None)
    }
}

/// An attack that has learnt.
pub trait FittedAttack {
    /// Scores of the given rows, in their order; higher = more likely a member. NaN: it knows too little of the
    /// trace to score it, and the row is left out of the evaluation.
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>>;

    /// Guess member where the score is at least this.
    fn threshold(&self) -> f32;

    /// Did its solver reach its tolerance before its cap of iterations? `None` where it has neither.
    fn converged(&self) -> Option<bool> {
        None
    }
}
