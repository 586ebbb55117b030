//! NetSSM as a [`Generator`].

use super::config::NetSsmConfig;
use crate::model::{AttributeRow, BaseOutcome, BaseSpec, Family, Generator, RawTrace, Start, Weights};
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace, TrainPlan};
#[cfg(feature = "torch")]
use crate::train::{CohortModel, Trainable};
use syntrace_base::base::{Device, Digest, Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;
use syntrace_traffic::encoding::EncodingKind;

/// The generator `netssm` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetSsm {
    preset: String,
    config: NetSsmConfig,
    device: Device,
}

impl NetSsm {
    /// A preset by name.
    pub fn preset(name: &str) -> Result<Self> {
        Ok(Self::new(name, NetSsmConfig::preset(name)?))
    }

    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let mut options = options.clone();
        let preset = match options.remove("preset") {
            None => "small".to_owned(),
            Some(serde_json::Value::String(preset)) => preset,
            Some(other) => return Err(Error::user(format!("`preset` must be a text, found {other}"))),
        };
        let config = NetSsmConfig::preset(&preset)?.with(&options, packets)?;
        Ok(Self::new(preset, config))
    }

    /// A configuration of one's own, under a preset's name.
    pub fn new(preset: impl Into<String>, config: NetSsmConfig) -> Self {
        Self { preset: preset.into(), config, device: Device::Cpu }
    }

    /// The configuration.
    pub fn config(&self) -> &NetSsmConfig {
        &self.config
    }
}

/// One public trace of so many is never trained on.
#[cfg(feature = "torch")]
const HELD_OUT_EVERY: usize = 50;

/// Is a weight of this name among those that are trained?
#[cfg(feature = "torch")]
fn is_trained(trainable: Trainable, name: &str) -> bool {
    let is_norm = name.ends_with("norm.weight") || name.ends_with("norm_f.weight");
    let is_bias = name.ends_with(".bias") || name.ends_with("_bias");
    match trainable {
        Trainable::All => true,
        Trainable::Norms => is_norm,
        Trainable::Biases => is_bias,
        Trainable::Vectors => is_norm || is_bias || name.ends_with(".A_log") || name.ends_with(".D"),
        Trainable::Output => name.ends_with("norm_f.weight"),
    }
}

fn require_batch(key: &str, batch: u32, members: u32) -> Result<()> {
    if batch > members {
        let message = format!("`{key}` must be at most the number of members, {members}, found `{batch}`");
        return Err(Error::user(message).hint(format!("lower `{key}`, or raise `split.members`")));
    }
    Ok(())
}

impl Family for NetSsm {
    fn name(&self) -> &'static str {
        "netssm"
    }

    fn preset(&self) -> &str {
        &self.preset
    }

    fn config_json(&self, regime: Regime) -> String {
        self.config.json(regime)
    }

    fn start(&self, regime: Regime) -> Start {
        if self.config.private_in(regime).is_some() { Start::Base } else { Start::Fresh }
    }

    fn base(&self) -> Option<BaseSpec> {
        let private = self.config.private.as_ref()?;
        Some(BaseSpec { config_json: self.config.json(Regime::None), named: Digest::from_hex(&private.base) })
    }

    fn shares_base(&self, regime: Regime) -> bool {
        self.config.private_in(regime).is_some()
    }

    fn encoding(&self) -> EncodingKind {
        EncodingKind::Tokens(self.config.layout)
    }

    fn device(&self) -> Device {
        self.device
    }

    fn set_device(&mut self, device: Device) {
        self.device = device;
    }

    fn check(&self, members: u32) -> Result<()> {
        require_batch("batch", self.config.batch, members)
    }

    fn check_in(&self, members: u32, regime: Regime) -> Result<()> {
        match self.config.private_in(regime) {
            Some(private) => require_batch("private.batch", private.batch, members),
            None => self.check(members),
        }
    }

    fn attribute_kinds(&self) -> &'static [&'static str] {
        super::tokens::ATTRIBUTE_KINDS
    }

    fn plan(&self, members: u32, regime: Regime) -> TrainPlan {
        self.config.plan(members, regime)
    }

    fn parameters(&self) -> u64 {
        self.config.parameters()
    }

    fn parameters_in(&self, regime: Regime) -> u64 {
        self.config.parameters_in(regime)
    }

    fn training_flops(&self, members: u32, regime: Regime) -> f64 {
        let plan = self.config.plan(members, regime);
        // Two operations a weight and token forward, four backward.
        let tokens = plan.steps as f64 * plan.expected_batch * self.config.length_max() as f64;
        6.0 * self.config.parameters_in(regime) as f64 * tokens
    }

    fn attribute_values(&self) -> u64 {
        // See `attribute`: the summary, each byte's place, the mean logits.
        let (packets, packet_bytes) = (u64::from(self.config.packets), u64::from(self.config.layout.packet_bytes));
        let (summary, by_place) = (5 * packets + 8, packets * (packet_bytes + 1) + 1);
        summary + by_place + u64::from(super::tokens::VOCABULARY)
    }
}

impl Generator for NetSsm {
    #[cfg(feature = "torch")]
    fn train_base(&self, traces: &[EncodedTrace], seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        let is_held_out = |index: &usize| index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
        let (held_out, members): (Vec<usize>, Vec<usize>) = (0..traces.len()).partition(is_held_out);
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        self.check(count)?;
        let plan = self.config.plan(count, Regime::None);
        let label = "netssm public base".to_owned();
        let model =
            CohortModel { label, seed, noise_seed: None, members, learnt: None, held_out, dp: None, initial: None };
        let input = CohortInput { traces, models: vec![model], base: None, plan };
        let outcome = self.train_cohort(&input, None, &mut crate::train::NoCheckpoint, progress)?;
        let model = outcome.models.into_iter().next().ok_or_else(|| Error::internal("a base without a model"))?;
        let (weights, status) = (model.weights, model.status);
        let (epochs, monitors) = (model.epochs, model.monitors);
        Ok(BaseOutcome { weights, status, parameters: model.parameters, epochs, monitors })
    }

    #[cfg(feature = "torch")]
    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        crate::nn::use_threads(1);
        let seeds: Vec<Seed> = input.models.iter().map(|model| model.seed).collect();
        let mut network = match input.base {
            None => super::NetSsmNetwork::initialised(&self.config, &seeds),
            Some(base) => self.stored(base, seeds.len() as i64)?,
        };
        let trainable = input.plan.trainable;
        network.weights_mut().freeze_except(|name| is_trained(trainable, name));
        network.move_to(self.device);
        network.set_pool(input.traces)?;
        crate::train::train_cohort(&mut network, input, resume, sink, progress)
    }

    #[cfg(feature = "torch")]
    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<AttributeRow>>> {
        let mut network = self.load(weights.own)?;
        network.set_pool(traces)?;
        super::attribute::attributes(&network, traces.len())
    }

    #[cfg(feature = "torch")]
    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        let mut network = self.load(weights.own)?;
        if let (Some(_), Some(private)) = (weights.base, &self.config.private) {
            network.config.sampling = private.sampling;
        }
        network.sample(count, seed, progress)
    }

    #[cfg(not(feature = "torch"))]
    fn train_base(&self, _traces: &[EncodedTrace], _seed: Seed, _progress: &dyn Progress) -> Result<BaseOutcome> {
        Err(without_torch("train the base of"))
    }

    #[cfg(not(feature = "torch"))]
    fn train_cohort(
        &self,
        _input: &CohortInput<'_>,
        _resume: Option<&[u8]>,
        _sink: &mut dyn CheckpointSink,
        _progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        Err(without_torch("train"))
    }

    #[cfg(not(feature = "torch"))]
    fn attributes(&self, _weights: Weights<'_>, _traces: &[EncodedTrace]) -> Result<Vec<Vec<AttributeRow>>> {
        Err(without_torch("read attributes of"))
    }

    #[cfg(not(feature = "torch"))]
    fn sample(
        &self,
        _weights: Weights<'_>,
        _count: u32,
        _seed: Seed,
        _progress: &dyn Progress,
    ) -> Result<Vec<RawTrace>> {
        Err(without_torch("sample from"))
    }
}

#[cfg(feature = "torch")]
impl NetSsm {
    /// One model with stored weights, on its device and one thread.
    fn load(&self, weights: &[u8]) -> Result<super::NetSsmNetwork> {
        crate::nn::use_threads(1);
        let mut network = self.stored(weights, 1)?;
        network.move_to(self.device);
        Ok(network)
    }

    /// Models with the same stored weights, in the sizes that these have.
    fn stored(&self, weights: &[u8], models: i64) -> Result<super::NetSsmNetwork> {
        let config = super::network::sized(&self.config, weights)?;
        let mut network = super::NetSsmNetwork::zeros(&config, models);
        for model in 0..models {
            network.weights_mut().load_safetensors(model, weights)?;
        }
        Ok(network)
    }
}

#[cfg(not(feature = "torch"))]
fn without_torch(action: &str) -> syntrace_base::error::Error {
    syntrace_base::error::Error::user(format!(
        "this build cannot {action} `netssm` models: it was built without libtorch"
    ))
    .hint("build with the default feature `torch`: `make setup && cargo build --release`")
}
