//! One attack result with its intervals.

use super::model::Regime;
use crate::base::{AttackId, ClassId, JobId, ModelId};

/// A number with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Interval {
    /// Point estimate; not a number where it is undefined (precision without a positive guess).
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Which traces an attack was evaluated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum EvaluatedOn {
    /// The 30 % of shadow attributes that the attack was not trained on.
    ShadowTest,
    /// The target model's own members and held-out traces.
    Target,
    /// Each model of the group in turn as target, attacked with what the others teach; scores less the
    /// threshold of their own attack, pooled.
    EachTarget,
}

/// What the words on an interval hold where it covers the randomness of training too.
pub const COVERS_TRAININGS: &str = "covers trainings";

impl EvaluatedOn {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::ShadowTest => "shadow_test",
            Self::Target => "target",
            Self::EachTarget => "each_target",
        }
    }
}

impl AttackRecord {
    /// What the interval of its AUC covers: `traces`, which ones were drawn and attacked, of one trained model; `traces and
    /// trainings`, the randomness of training too.
    pub fn interval_covers(&self) -> &'static str {
        if self.interval_method.contains(COVERS_TRAININGS) { "traces and trainings" } else { "traces" }
    }
}

/// One attack on the models of one (generator, class, regime), evaluated on one set of traces ([`EvaluatedOn`]). Its
/// scores and ROC points are segment rows. Key: [`AttackId`].
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct AttackRecord {
    /// Hash of attack, options, attribute kind, models and `evaluated_on`.
    pub attack_id: AttackId,
    /// Attack (`mlp`).
    pub attack: String,
    /// Resolved options, canonical JSON.
    pub options: String,
    /// Attribute kind it reads.
    pub attribute: String,
    /// Which traces.
    pub evaluated_on: EvaluatedOn,
    /// Target model; its generator, class and regime are the group's.
    pub target_model: ModelId,
    /// Shadow models it learnt from.
    pub shadow_models: Vec<ModelId>,
    /// Class.
    pub class_id: ClassId,
    /// Regime of all models of the group.
    pub regime: Regime,
    /// Job that ran it.
    pub job_id: JobId,
    /// Traces evaluated.
    pub n: u64,
    /// Members among them.
    pub n_members: u64,
    /// Share of the traces guessed to be members that are members.
    pub precision: Interval,
    /// Share of the members that are guessed to be members.
    pub recall: Interval,
    /// Of held-out traces, the share guessed to be members.
    pub fpr: Interval,
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Mean of recall and 1 - FPR.
    pub balanced_accuracy: Interval,
    /// TPR at FPR 0.01.
    pub tpr_at_1pct_fpr: Interval,
    /// TPR at FPR 0.001.
    pub tpr_at_0_1pct_fpr: Interval,
    /// Confidence level of all intervals (0.95).
    pub confidence: f64,
    /// How the intervals were made, in words.
    pub interval_method: String,
    /// Did the attack's solver reach its tolerance before its cap of iterations? `None` where an attack has
    /// none (networks train a fixed number of epochs; ratios are closed forms).
    pub converged: Option<bool>,
}
