//! The traits that every generator implements, and their input and output types.

use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace, EpochRow, MonitorRow, TrainPlan};
#[cfg(feature = "torch")]
use crate::train::{CohortModel, ModelOutcome};
use syntrace_base::base::{Device, Digest, Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ModelStatus, NamedScalar, Regime, TraceAttribute, WholeAttribute};
use syntrace_traffic::encoding::{EncodingKind, Generated};

/// One generated trace before it is decoded to packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTrace {
    /// The generated output.
    pub content: Generated,
    /// Did it end by itself (end token or full number of packets) rather than by length?
    pub complete: bool,
    /// Rules that decided while it was drawn, and how often each: what `repairs` stores.
    pub repairs: Vec<(&'static str, u32)>,
}

impl RawTrace {
    /// A trace that the model wrote to its end, by no rule but its own.
    pub fn whole(content: Generated) -> Self {
        Self { content, complete: true, repairs: Vec::new() }
    }
}

/// Initial weights of a model's training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Random weights.
    Fresh,
    /// The weights of the generator's public base.
    Base,
    /// The weights of the model of the same split that was trained without DP: what the published
    /// fine-tuning does, and why its epsilon is only conditional.
    NonPrivate,
}

/// A base that is trained on public traffic and shared by all models of a generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSpec {
    /// Everything that it depends on besides data and seed, as canonical JSON.
    pub config_json: String,
    /// The one that is meant, by the digest of its weights: shipped with the program or held by the study. `None` is
    /// trained in the study.
    pub named: Option<Digest>,
}

/// A trained base.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseOutcome {
    /// Its weights, any self-describing format; the last good ones where it diverged.
    pub weights: Vec<u8>,
    /// Trained, or diverged at a step.
    pub status: ModelStatus,
    /// Parameters.
    pub parameters: u64,
    /// Its training, one row an epoch.
    pub epochs: Vec<EpochRow>,
    /// What else was measured.
    pub monitors: Vec<MonitorRow>,
}

/// What a trained model consists of.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// Its own weights.
    pub own: &'a [u8],
    /// Those of the base that it shares, where the generator has one.
    pub base: Option<&'a [u8]>,
}

/// An attribute that can be kept whole instead of in summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeKind {
    /// Its name; begins with [`syntrace_base::record::WHOLE`].
    pub kind: &'static str,
    /// Most positions that a trace can have.
    pub positions: u32,
    /// Numbers at each.
    pub width: u32,
}

impl WholeKind {
    /// Bytes of a trace at most: half floats.
    pub fn bytes(&self) -> f64 {
        2.0 * f64::from(self.positions) * f64::from(self.width)
    }
}

/// What a generator says before anything is trained: all that `plan` asks. None of it touches libtorch, so a program
/// that only plans is not linked to it (a `dyn Generator` names the training of its family, a `dyn Family` does not).
pub trait Family: Send + Sync {
    /// Family (`netssm`).
    fn name(&self) -> &'static str;

    /// Preset (`small`, `paper`).
    fn preset(&self) -> &str;

    /// Everything its results in a regime depend on besides data, seeds and plan, as canonical JSON.
    fn config_json(&self, regime: Regime) -> String;

    /// The encoding that it reads.
    fn encoding(&self) -> EncodingKind;

    /// Where its networks run; the CPU for those that have none.
    fn device(&self) -> Device {
        Device::Cpu
    }

    /// Moves its networks to a device. Like the number of threads no part of what a job is: a generator
    /// without a network stays where it is.
    fn set_device(&mut self, _device: Device) {}

    /// Refuses what it cannot train with this many members.
    fn check(&self, members: u32) -> Result<()>;

    /// Refuses what it cannot train in this regime with this many members.
    fn check_in(&self, members: u32, _regime: Regime) -> Result<()> {
        self.check(members)
    }

    /// Can it be trained in this regime at all?
    fn supports(&self, _regime: Regime) -> bool {
        true
    }

    /// What training in a regime starts from.
    fn start(&self, _regime: Regime) -> Start {
        Start::Fresh
    }

    /// The public base that it needs; `None` = none.
    fn base(&self) -> Option<BaseSpec> {
        None
    }

    /// Do the models of a regime need the base?
    fn shares_base(&self, _regime: Regime) -> bool {
        true
    }

    /// How generated nPrint cells become packets: the repair profile (`strict`, `reference`) and the most
    /// packets of a trace; `None` where it writes no cells.
    fn repair(&self) -> Option<(&str, u32)> {
        None
    }

    /// Models trained in lockstep on one CPU thread, by measurement (see `benches/train.rs`).
    fn cohort_size(&self) -> usize {
        3
    }

    /// Attribute kinds in the order of [`Generator::attributes`], the attack's default first; empty where
    /// a model says nothing about single traces, so that only attacks from outside are possible.
    fn attribute_kinds(&self) -> &'static [&'static str];

    /// Steps and batches for a public number of members: no private number enters.
    fn plan(&self, members: u32, regime: Regime) -> TrainPlan;

    /// Parameters of one model that are stored with it (those of a shared base are not).
    fn parameters(&self) -> u64;

    /// The same of one model of a regime, if the network depends on the regime.
    fn parameters_in(&self, _regime: Regime) -> u64 {
        self.parameters()
    }

    /// Floating-point operations of one model's training, forward and backward, to plan with.
    fn training_flops(&self, members: u32, regime: Regime) -> f64;

    /// Numbers that [`Generator::attributes`] gives a trace, over all kinds.
    fn attribute_values(&self) -> u64;

    /// What it says of every position of a trace, which a spec may ask to be kept; `None` where its attributes leave
    /// nothing out.
    fn whole_attribute(&self) -> Option<WholeKind> {
        None
    }

    /// Scalars inside an attribute of a kind, for attacks that read one number.
    fn scalars(&self, _kind: &str) -> Vec<NamedScalar> {
        Vec::new()
    }

    /// The attack of the paper on this family, where it is not the network `mlp` on the first attribute kind (sections 3.4.1 to
    /// 3.4.3: critic scores, predicted noise, logits): kind of attack, kind of attribute.
    fn published_attack(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

/// A family of generative models. The rejected alternative is an enum with a match in every stage: the families differ
/// in every method here, and an imported family implements only some. A build without libtorch reports an error for a
/// method that a family lacks; a build with libtorch does not compile if a family omits one that has no default.
pub trait Generator: Family {
    /// Trains the base on public traces, without DP.
    fn train_base(&self, _traces: &[EncodedTrace], _seed: Seed, _progress: &dyn Progress) -> Result<BaseOutcome> {
        #[cfg(not(feature = "torch"))]
        if self.base().is_some() {
            return Err(without_torch(self.name(), "train the base of"));
        }
        Err(Error::user(format!("`{}` uses no base, so there is none to train", self.name()))
            .hint("expected a family whose networks start from one: netssm, netshare or netdiffusion"))
    }

    /// Trains a cohort; see [`crate::train::train_cohort`].
    #[cfg(feature = "torch")]
    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome>;

    /// For each trace, one row per attribute kind, in evaluation mode.
    #[cfg(feature = "torch")]
    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>>;

    /// For each trace, what it says of every position, in evaluation mode: of the families that have a
    /// [`Family::whole_attribute`].
    fn whole_attributes(&self, _weights: Weights<'_>, _traces: &[EncodedTrace]) -> Result<Vec<WholeAttribute>> {
        Err(Error::internal(format!("`{}` has no attribute to keep whole, or this build has no libtorch", self.name())))
    }

    /// Draws `count` traces; trace number i depends on the weights, the seed and i alone.
    #[cfg(feature = "torch")]
    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>>;

    /// As with libtorch.
    #[cfg(not(feature = "torch"))]
    fn train_cohort(
        &self,
        _input: &CohortInput<'_>,
        _resume: Option<&[u8]>,
        _sink: &mut dyn CheckpointSink,
        _progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        Err(without_torch(self.name(), "train"))
    }

    /// As with libtorch.
    #[cfg(not(feature = "torch"))]
    fn attributes(&self, _weights: Weights<'_>, _traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        Err(without_torch(self.name(), "read attributes of"))
    }

    /// As with libtorch.
    #[cfg(not(feature = "torch"))]
    fn sample(
        &self,
        _weights: Weights<'_>,
        _count: u32,
        _seed: Seed,
        _progress: &dyn Progress,
    ) -> Result<Vec<RawTrace>> {
        Err(without_torch(self.name(), "sample from"))
    }
}

#[cfg(not(feature = "torch"))]
fn without_torch(family: &str, action: &str) -> Error {
    Error::user(format!("this build cannot {action} `{family}` models: it was built without libtorch"))
        .hint("build with the default feature `torch`: `make setup && cargo build --release`")
}

/// Trains one model without DP on public traces, from random weights, to be a base. `members` and `held_out` are positions in
/// `traces`, `train` the family's own training.
///
/// # Errors
/// Of `train`.
#[cfg(feature = "torch")]
pub(super) fn train_alone(
    family: &dyn Family,
    traces: &[EncodedTrace],
    (members, held_out): (Vec<usize>, Vec<usize>),
    seed: Seed,
    train: impl FnOnce(&CohortInput<'_>) -> Result<CohortOutcome>,
) -> Result<BaseOutcome> {
    let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
    family.check(count)?;
    let plan = family.plan(count, Regime::None);
    let label = format!("{} public base", family.name());
    let model = CohortModel { label, seed, noise_seed: None, members, learnt: None, held_out, dp: None, initial: None };
    let outcome = train(&CohortInput { traces, hosts: None, models: vec![model], base: None, plan })?;
    let model = outcome.models.into_iter().next().ok_or_else(|| Error::internal("a base without a model"))?;
    let ModelOutcome { weights, status, parameters, epochs, monitors, .. } = model;
    Ok(BaseOutcome { weights, status, parameters, epochs, monitors })
}
