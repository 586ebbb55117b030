//! The paper's attack classifier: a fully connected network with two hidden layers of 256, batch
//! normalisation and ReLU, trained to tell members from held-out traces (paper, section 3.4.2; section 3.4.3 uses it too).

use super::kind::{Attack, AttackTerms, FittedAttack, Lesson};
use super::options::{canonical, overlay};
use syntrace_base::error::Result;

/// Settings of the network and of its training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpOptions {
    /// Rows in a batch. The paper names none; 64 is ours, as in the conformance bands.
    pub batch_rows: usize,
    /// Passes over the training rows, at most.
    pub epochs: usize,
    /// Width of both hidden layers.
    pub hidden: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Epochs without a better loss on the slice kept aside before training stops; `None`: never stop.
    pub patience: Option<usize>,
    /// Scale each input by mean and standard deviation over the training rows?
    pub standardise: bool,
    /// L2 added to the gradient by Adam.
    pub weight_decay: f64,
}

impl MlpOptions {
    /// As published (paper, section 3.4.2): raw inputs, Adam with rate 1e-5 and weight decay 1e-7, 10
    /// epochs.
    pub fn paper() -> Self {
        Self {
            batch_rows: 64,
            epochs: 10,
            hidden: 256,
            learning_rate: 1e-5,
            patience: None,
            standardise: false,
            weight_decay: 1e-7,
        }
    }

    /// Ours, for a fair bound on leakage: the published rate moves the weights so little that small
    /// studies see chance whatever leaks. Standardised inputs, rate 1e-3, up to 60 epochs, the weights
    /// of the epoch with the least loss on a seventh of the training rows.
    pub fn tuned() -> Self {
        Self {
            epochs: 60,
            learning_rate: 1e-3,
            patience: Some(8),
            standardise: true,
            weight_decay: 1e-4,
            ..Self::paper()
        }
    }
}

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
    fn fit(&self, _lesson: &Lesson<'_>) -> Result<Box<dyn FittedAttack>> {
        Err(syntrace_base::error::Error::user(format!(
            "attack `{}` needs libtorch, which this build leaves out",
            self.kind
        ))
        .hint("build with the cargo feature `torch`, or use attack `threshold` or `random_forest`"))
    }

    #[cfg(feature = "torch")]
    fn fit(&self, lesson: &Lesson<'_>) -> Result<Box<dyn FittedAttack>> {
        Ok(Box::new(super::fit::fit(&self.options, lesson.table, lesson.rows, lesson.seed)?))
    }
}
