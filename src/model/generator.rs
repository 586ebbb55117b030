//! The trait every generator implements, and the one place that knows them all by name.

use crate::base::{Progress, Seed};
use crate::encoding::EncodingKind;
use crate::error::{Error, Result};
use crate::record::Regime;
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace, TrainPlan};

/// What a model says about one trace.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeRow {
    /// Which attribute.
    pub kind: &'static str,
    /// Loss of the trace in evaluation mode.
    pub loss: f32,
    /// Its values; the same number for every trace of a kind.
    pub values: Vec<f32>,
}

/// One generated trace before it is decoded to packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTrace {
    /// Tokens without the label: byte values, delimiters and, where it came, the end.
    pub tokens: Vec<u16>,
    /// Did it end by itself (end token or full number of packets) rather than by length?
    pub complete: bool,
}

/// A family of generative models. The rejected alternative is an enum with a match in every stage:
/// four families differ in all of these answers, and an imported one gives only some.
pub trait Generator: Send + Sync {
    /// Family (`netssm`).
    fn name(&self) -> &'static str;

    /// Preset (`small`, `paper`).
    fn preset(&self) -> &str;

    /// Everything its results depend on besides data, seeds and plan, as canonical JSON.
    fn config_json(&self) -> String;

    /// The encoding that it reads.
    fn encoding(&self) -> EncodingKind;

    /// Refuses what it cannot train with this many members.
    fn check(&self, members: u32) -> Result<()>;

    /// Models trained in lockstep on one CPU thread, by measurement (see `benches/train.rs`).
    fn cohort_size(&self) -> usize {
        3
    }

    /// Attribute kinds in the order of [`Generator::attributes`], the attack's default first.
    fn attribute_kinds(&self) -> &'static [&'static str];

    /// Steps and batches for a public number of members: no private number enters.
    fn plan(&self, members: u32, regime: Regime) -> TrainPlan;

    /// Parameters of one model.
    fn parameters(&self) -> u64;

    /// Trains a cohort; see [`crate::train::train_cohort`].
    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome>;

    /// For each trace, one row per attribute kind, in evaluation mode.
    fn attributes(&self, weights: &[u8], traces: &[EncodedTrace]) -> Result<Vec<Vec<AttributeRow>>>;

    /// Draws `count` traces; trace number i depends on the weights, the seed and i alone.
    fn sample(&self, weights: &[u8], count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>>;
}

/// Names of all generators.
pub fn generator_names() -> &'static [&'static str] {
    &["netssm"]
}

/// Builds a generator from its name and the options of its table in a spec (`preset` and any key of its
/// configuration), for traces of at most `packets` packets.
pub fn generator(
    name: &str,
    options: &serde_json::Map<String, serde_json::Value>,
    packets: u32,
) -> Result<Box<dyn Generator>> {
    match name {
        "netssm" => Ok(Box::new(super::netssm::NetSsm::from_options(options, packets)?)),
        _ => Err(Error::user(format!("generator must be one of `{}`, found `{name}`", generator_names().join("`, `")))),
    }
}
