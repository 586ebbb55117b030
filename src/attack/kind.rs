//! The attacks that there are, and what an attack is.

use super::mlp::{Mlp, MlpOptions};
use super::table::AttributeTable;
use super::threshold::Threshold;
use crate::base::Seed;
use crate::error::{Error, Result};

/// Something that learns membership from labelled attributes. A trait and not one function with many
/// options, because attacks share nothing but this shape: some train a network, some pick a number.
pub trait Attack {
    /// Name in specs and SQL.
    fn name(&self) -> &'static str;

    /// Resolved options as canonical JSON (keys sorted): part of the identity of the result.
    fn options(&self) -> String;

    /// Learns from the given rows of a checked table. Fails without members or held-out traces among
    /// them. Same rows in the same order, same seed: same result.
    fn fit(&self, table: &AttributeTable, rows: &[usize], seed: Seed) -> Result<Box<dyn FittedAttack>>;
}

/// An attack that has learnt.
pub trait FittedAttack {
    /// Scores of the given rows, in their order; higher = more likely a member.
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>>;

    /// Guess member where the score is at least this.
    fn threshold(&self) -> f32;
}

/// Every attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttackKind {
    /// The paper's two-layer network with its published settings.
    Mlp,
    /// The same network with standardised inputs, a higher rate and early stopping.
    MlpTuned,
    /// One threshold on the loss; needs no libtorch.
    Threshold,
}

impl AttackKind {
    /// Every attack, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Mlp, Self::MlpTuned, Self::Threshold];

    /// Name in specs and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mlp => "mlp",
            Self::MlpTuned => "mlp-tuned",
            Self::Threshold => "threshold",
        }
    }

    /// The attack of a name; the error lists the known ones.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known: Vec<String> = Self::ALL.iter().map(|kind| format!("`{}`", kind.name())).collect();
            Error::user(format!("expected an attack, found `{name}`"))
                .hint(format!("known attacks: {}", known.join(", ")))
        })
    }

    /// Does it train a network (and so need the cargo feature `torch`)?
    pub fn needs_torch(self) -> bool {
        self != Self::Threshold
    }

    /// The attack with the options of its preset.
    pub fn attack(self) -> Box<dyn Attack> {
        match self {
            Self::Mlp => Box::new(Mlp::new("mlp", MlpOptions::paper())),
            Self::MlpTuned => Box::new(Mlp::new("mlp-tuned", MlpOptions::tuned())),
            Self::Threshold => Box::new(Threshold),
        }
    }
}
