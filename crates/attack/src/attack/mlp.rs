//! The paper's attack classifier: a fully connected network with two hidden layers of 256, batch
//! normalisation and ReLU, trained to tell members from held-out traces (paper, section 3.4.2; section 3.4.3 uses it too).

use super::learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
use super::mlp_options::MlpOptions;
use super::options::{canonical, overlay};
use syntrace_base::error::Result;

/// The network attack with some options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mlp {
    kind: &'static str,
    options: MlpOptions,
}

impl Mlp {
    /// An attack of that kind: the preset overlaid by what is written.
    pub fn new(
        kind: &'static str,
        preset: &MlpOptions,
        written: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self> {
        Ok(Self { kind, options: overlay(preset, written)? })
    }
}

impl AttackTerms for Mlp {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn options(&self) -> String {
        canonical(self.kind, &self.options)
    }
}

impl Attack for Mlp {
    #[cfg(not(feature = "torch"))]
    fn fit(&self, _training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        Err(syntrace_base::error::Error::user(format!(
            "attack `{}` needs libtorch, which this build leaves out",
            self.kind
        ))
        .hint("build with the cargo feature `torch`, or use attack `threshold` or `random_forest`"))
    }

    #[cfg(feature = "torch")]
    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        Ok(Box::new(super::fit::fit(&self.options, training_set.table, training_set.rows, training_set.seed)?))
    }
}
