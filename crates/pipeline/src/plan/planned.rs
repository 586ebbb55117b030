//! Resolved items of a plan: models, bases, downstream tasks, attacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use syntrace_attack::attack::{AnyAttack, AttackKind};
use syntrace_base::base::{ClassId, Digest, JobId, ModelId, SplitId};
use syntrace_base::record::{Regime, Role, WithoutZero};
use syntrace_model::model::AnyGenerator;
use syntrace_spec::Spec;

/// One model to be trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedModel {
    pub model_id: ModelId,
    /// Index into the plan's generators.
    pub generator: usize,
    pub dataset: String,
    pub class: String,
    pub class_id: ClassId,
    pub role: Role,
    pub regime: Regime,
    pub split_id: SplitId,
    /// Study seed, from which its initial weights and batches come.
    pub seed: u64,
    /// The public base that it shares.
    pub base: Option<ModelId>,
    /// What its training starts from.
    pub ancestor: Ancestor,
}

impl PlannedModel {
    pub fn label(&self, generator: &str) -> String {
        let role = self.role.label();
        format!("{generator} {}/{} {} {role}", self.dataset, self.class, self.regime.label())
    }
}

/// Initial weights, or released traces, of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ancestor {
    /// Random initial weights.
    None,
    /// Those of the public base.
    Base,
    /// Those of the model of the same split without DP.
    NonPrivate(ModelId),
    /// Random initial weights; trained on the synthetic traces of a private model of the same split, regime and class.
    Released(Released),
}

/// Synthetic traces that another model learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Released {
    /// The private model that drew them.
    pub model: ModelId,
    /// The job that drew them.
    pub synthesize: JobId,
}

/// A public base to be trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedBase {
    pub model_id: ModelId,
    /// Index into the plan's generators.
    pub generator: usize,
    /// Public classes and the jobs that encoded them.
    pub encodes: Vec<(ClassId, JobId)>,
    /// Digest of the one that ships with the program; `None` is trained.
    pub shipped: Option<Digest>,
}

/// Downstream models on the classes of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedUtility {
    pub dataset: String,
    /// Whose synthetic traces are learnt from, and how its models were trained; `None` for the baselines
    /// on real traces.
    pub generator: Option<(String, Regime)>,
    pub classes: Vec<UtilityClass>,
    /// Are they added to shares of the real traces (or, without a generator, these shares alone learnt from)?
    pub augmentation: bool,
}

/// One class of a downstream task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UtilityClass {
    pub class: String,
    pub class_id: ClassId,
    pub sources: Vec<JobId>,
    /// Split of the target models: its held-out traces are tested on.
    pub split_id: SplitId,
    /// Target model and the job that sampled it; `None` for the baselines.
    pub synthetic: Option<(ModelId, JobId)>,
}

/// A generator of the spec.
pub(crate) struct PlannedGenerator {
    /// Its name in the study: that of its table.
    pub name: String,
    pub family: AnyGenerator,
    /// Its base and, where that is missing, the index of the job that trains it.
    pub base: Option<(ModelId, Option<usize>)>,
    /// The generator of the plan from whose synthetic traces its models with DP learn.
    pub learns_from: Option<usize>,
}

impl PlannedGenerator {
    /// Number of training traces (hosts, where they are the unit) and training regime of its models of a regime: a generator
    /// that learns from released traces uses all that are drawn, and needs no DP itself (post-processing); anonymised traces are
    /// trained on like others.
    pub fn recipe(&self, spec: &Spec, regime: Regime) -> (u32, Regime) {
        match self.learns_from.filter(|_| regime.is_private()) {
            Some(_) => (spec.synthetic_traces, Regime::None),
            None => (spec.split.members, regime.of_training()),
        }
    }

    /// Floating-point operations of the training of a model of a regime, to plan with.
    pub fn training_flops(&self, spec: &Spec, regime: Regime) -> f64 {
        let (units, trained_as) = self.recipe(spec, regime);
        let private = self.learns_from.is_none() || !regime.is_private();
        let traces = if private { spec.split.unit.traces_max() } else { 1 };
        self.family.training_flops(units, trained_as) * f64::from(traces)
    }
}

/// An attack with resolved options.
#[derive(Debug, Clone)]
pub(crate) struct PlannedAttack {
    /// Name in the spec and in SQL.
    pub name: String,
    pub attack: Arc<AnyAttack>,
    /// Attribute kind that it reads.
    pub attribute: String,
    /// Is each model of the group a target in turn, in addition to the paper's protocol?
    pub each: bool,
    /// Does it read hosts, all traces of one in a row, and guess whether any of them was trained on?
    pub hosts: bool,
    /// Which values of the attribute are defined only up to a per-model constant, so that each model's median is
    /// subtracted first.
    pub without_zero: WithoutZero,
}

impl PlannedAttack {
    /// A preset by its own name.
    pub fn preset(kind: AttackKind, attribute: &str, without_zero: WithoutZero) -> Self {
        let (name, attack) = (kind.name().to_owned(), Arc::new(kind.attack()));
        Self { name, attack, attribute: attribute.to_owned(), each: false, hosts: false, without_zero }
    }

    /// Resolved options as canonical JSON; they say which medians are taken off, and whether rows are hosts.
    pub fn options(&self) -> String {
        let options = self.attack.options();
        if self.without_zero.is_none() && !self.hosts {
            return options;
        }
        let mut keys: BTreeMap<String, serde_json::Value> = serde_json::from_str(&options).unwrap_or_default();
        let WithoutZero { loss, values } = self.without_zero;
        let off = [(loss, "loss"), (values, "values")];
        let off: Vec<&str> = off.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
        if !off.is_empty() {
            keys.insert("median_taken_off".to_owned(), off.into());
        }
        if self.hosts {
            keys.insert("unit".to_owned(), "host".into());
        }
        serde_json::to_string(&keys).unwrap_or(options)
    }
}

/// The models that an attack reads, each with the job that recorded its attributes.
#[derive(Debug, Clone)]
pub(crate) struct AttackGroup {
    pub target: (PlannedModel, JobId),
    pub shadows: Vec<(PlannedModel, JobId)>,
    /// Jobs that recorded attributes on traces outside a model's split, where the attack reads them.
    pub references: Vec<(ModelId, JobId)>,
}

impl AttackGroup {
    /// The target, then each shadow.
    pub fn model_ids(&self) -> Vec<ModelId> {
        std::iter::once(&self.target).chain(&self.shadows).map(|(model, _)| model.model_id).collect()
    }
}
