//! One trained generator and the lineage of its weights.

use crate::base::{ClassId, JobId, ModelId, SplitId};

/// Target, or one of the shadows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub enum Role {
    /// The model under attack.
    Target,
    /// A model that the attacker trains, with its index from 0.
    Shadow(u32),
    /// A base that was trained on public traffic and is shared by the models of a generator.
    Base,
}

impl Role {
    /// Name in SQL: `target`, `shadow` or `base`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Shadow(_) => "shadow",
            Self::Base => "base",
        }
    }

    /// Text for names and labels: `target`, `shadow2`, `base`.
    pub fn label(self) -> String {
        match self {
            Self::Shadow(index) => format!("shadow{index}"),
            Self::Target | Self::Base => self.name().to_owned(),
        }
    }

    /// Index of a shadow.
    pub fn shadow(self) -> Option<u32> {
        match self {
            Self::Target | Self::Base => None,
            Self::Shadow(index) => Some(index),
        }
    }
}

/// How a model is trained.
#[derive(Debug, Clone, Copy, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Regime {
    /// Without differential privacy.
    None,
    /// Differential privacy for a target (epsilon, delta), adding or removing one unit of privacy.
    Dp {
        /// Target epsilon.
        epsilon: f64,
        /// Delta.
        delta: f64,
    },
    /// Without differential privacy, on traces that were anonymised first.
    Anonymised,
}

impl Regime {
    /// Its text in the identities of models. A new field does not compile until it is decided how it enters.
    pub fn identity(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Dp { epsilon, delta } => format!("Dp {{ epsilon: {epsilon:?}, delta: {delta:?} }}"),
            Self::Anonymised => "Anonymised".to_owned(),
        }
    }

    /// Does it have a budget?
    pub fn is_private(self) -> bool {
        matches!(self, Self::Dp { .. })
    }

    /// The regime as which a network is trained: it does not know what was done to its traces before.
    pub fn of_training(self) -> Self {
        if self.is_private() { self } else { Self::None }
    }

    /// Its name in SQL and reports: `no DP`, `anonymised` or `eps 4.0`.
    pub fn words(self) -> String {
        match self {
            Self::None => "no DP".to_owned(),
            Self::Anonymised => "anonymised".to_owned(),
            Self::Dp { epsilon, .. } => format!("eps {epsilon:?}"),
        }
    }

    /// The budget, `None` without DP.
    pub fn epsilon(self) -> Option<f64> {
        match self {
            Self::None | Self::Anonymised => None,
            Self::Dp { epsilon, .. } => Some(epsilon),
        }
    }

    /// The delta, `None` without DP.
    pub fn delta(self) -> Option<f64> {
        match self {
            Self::None | Self::Anonymised => None,
            Self::Dp { delta, .. } => Some(delta),
        }
    }

    /// Text for names and progress: `none`, `anonymised` or `eps4`.
    pub fn label(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Anonymised => self.words(),
            Self::Dp { epsilon, .. } => format!("eps{epsilon}"),
        }
    }
}

/// What an epsilon means for a model, computed over its lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Guarantee {
    /// Nothing upstream of the weights saw private traces outside the mechanism.
    EndToEnd,
    /// The mechanism holds given upstream weights or choices that saw the private traces.
    Conditional,
    /// No differential privacy.
    None,
}

impl Guarantee {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::EndToEnd => "end-to-end",
            Self::Conditional => "conditional",
            Self::None => "none",
        }
    }
}

/// Kind of an ancestor of a model's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum LineageKind {
    /// The member traces of its split.
    TrainingTraces,
    /// Random initial weights.
    RandomInitialisation,
    /// Ranges, vocabularies, lengths fixed by protocol constants.
    PublicConstants,
    /// Weights of another model.
    Weights,
    /// Traces that are public: anybody may read them.
    PublicTraces,
    /// A choice (hyper-parameters, stopping) made by looking at private traces.
    PrivateSelection,
    /// Synthetic traces of a private model: what it has released.
    ReleasedTraces,
}

impl LineageKind {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrainingTraces => "training_traces",
            Self::RandomInitialisation => "random_initialisation",
            Self::PublicConstants => "public_constants",
            Self::Weights => "weights",
            Self::PublicTraces => "public_traces",
            Self::PrivateSelection => "private_selection",
            Self::ReleasedTraces => "released_traces",
        }
    }
}

/// One ancestor of a model's weights.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct LineageEdge {
    /// What kind of ancestor.
    pub kind: LineageKind,
    /// Its id (split, model) or 0.
    pub source_id: i64,
    /// In words.
    pub description: String,
    /// Through a DP mechanism?
    pub through_mechanism: bool,
    /// Did it see private traces?
    pub saw_private: bool,
}

/// How training ended.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum ModelStatus {
    /// All steps done.
    Trained,
    /// Stopped: the loss became infinite or not a number at this step.
    Diverged {
        /// Step, from 0.
        step: u64,
    },
}

/// Preset of every model that was made elsewhere. Of such a model 0 in `sampling_rate`, `steps`,
/// `expected_batch`, `parameters`, `parameters_private` and `seconds` means that its makers do not say,
/// and `epsilon_spent` is `None`: what they claim is `regime`, and nobody here checked it.
pub const IMPORTED: &str = "imported";

/// One trained generator. Key: [`ModelId`], from everything its weights depend on.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ModelRecord {
    /// From generator, config, split, regime and seed.
    pub model_id: ModelId,
    /// Generator family (`netssm`).
    pub generator: String,
    /// Preset (`small`, `paper`).
    pub preset: String,
    /// Resolved configuration, canonical JSON.
    pub config: String,
    /// Class it was trained on; the first of several for a base.
    pub class_id: ClassId,
    /// Split it was trained on; 0 for a base, which is trained on whole public classes.
    pub split_id: SplitId,
    /// Target or shadow.
    pub role: Role,
    /// None, DP with its target, or anonymised traces.
    pub regime: Regime,
    /// Cohort job that trained it.
    pub train_job: JobId,
    /// Noise multiplier sigma; `None` without DP.
    pub noise_multiplier: Option<f64>,
    /// Poisson sampling rate (used without DP as well).
    pub sampling_rate: f64,
    /// Optimiser steps taken.
    pub steps: u64,
    /// Expected batch size, units of privacy.
    pub expected_batch: f64,
    /// Clip norm C; `None` without DP.
    pub clip_norm: Option<f64>,
    /// Epsilon of the mechanism (upper bound of the accountant) at `regime`'s delta.
    pub epsilon_spent: Option<f64>,
    /// Accountant that gave it (`pld`, `rdp`).
    pub accountant: Option<String>,
    /// What the epsilon means.
    pub guarantee: Guarantee,
    /// Epsilon over the whole lineage; `None` = infinite.
    pub epsilon_end_to_end: Option<f64>,
    /// `system` (seed not stored) or `reproducible` (follows from the model's id); `None` without DP.
    pub noise: Option<String>,
    /// All parameters.
    pub parameters: u64,
    /// Parameters trained on private traces.
    pub parameters_private: u64,
    /// Wall time of training, divided evenly over its cohort, seconds.
    pub seconds: f64,
    /// How training ended.
    pub status: ModelStatus,
    /// Digest of the weights object (safetensors).
    pub weights: Option<[u8; 32]>,
    /// What the weights descend from.
    pub lineage: Vec<LineageEdge>,
}
