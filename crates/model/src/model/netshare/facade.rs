//! NetShare as a [`Generator`].

use super::config::NetShareConfig;
use super::options::StartOption;
use crate::model::{AttributeRow, BaseOutcome, BaseSpec, Family, Generator, RawTrace, Start, Weights};
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace, TrainPlan};
use syntrace_base::base::{Device, Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;
use syntrace_traffic::encoding::EncodingKind;

/// The generator `netshare` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetShare {
    preset: String,
    config: NetShareConfig,
    device: Device,
}

impl NetShare {
    /// A preset by name.
    pub fn preset(name: &str) -> Result<Self> {
        Ok(Self::new(name, NetShareConfig::preset(name)?))
    }

    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let mut options = options.clone();
        let preset = match options.remove("preset") {
            None => "small".to_owned(),
            Some(serde_json::Value::String(preset)) => preset,
            Some(other) => return Err(Error::user(format!("`preset` must be a text, found {other}"))),
        };
        let config = NetShareConfig::preset(&preset)?.with(&options, packets)?;
        Ok(Self::new(preset, config))
    }

    /// A configuration of one's own, under a preset's name.
    pub fn new(preset: impl Into<String>, config: NetShareConfig) -> Self {
        Self { preset: preset.into(), config, device: Device::Cpu }
    }

    /// The configuration.
    pub fn config(&self) -> &NetShareConfig {
        &self.config
    }
}

impl Family for NetShare {
    fn name(&self) -> &'static str {
        "netshare"
    }

    fn preset(&self) -> &str {
        &self.preset
    }

    fn config_json(&self, _regime: Regime) -> String {
        self.config.json()
    }

    fn encoding(&self) -> EncodingKind {
        EncodingKind::Fields
    }

    fn device(&self) -> Device {
        self.device
    }

    fn set_device(&mut self, device: Device) {
        self.device = device;
    }

    fn check(&self, members: u32) -> Result<()> {
        if self.config.batch > members {
            return Err(Error::user(format!(
                "`batch` must be at most the number of members, {members}, found `{}`",
                self.config.batch
            ))
            .hint("lower `batch`, or raise `split.members`"));
        }
        Ok(())
    }

    fn start(&self, regime: Regime) -> Start {
        match (self.config.start, regime) {
            (StartOption::PublicPretrain, _) => Start::Base,
            (StartOption::Finetune, Regime::Dp { .. }) => Start::NonPrivate,
            (StartOption::Finetune, Regime::None) | (StartOption::FromScratch, _) => Start::Fresh,
        }
    }

    fn base(&self) -> Option<BaseSpec> {
        // What only private trainings depend on is no part of the base.
        let config = NetShareConfig { finetune_epochs: 1, clip_norm: 1.0, ..self.config.clone() };
        (self.config.start == StartOption::PublicPretrain).then(|| BaseSpec { config_json: config.json(), named: None })
    }

    fn attribute_kinds(&self) -> &'static [&'static str] {
        super::config::ATTRIBUTE_KINDS
    }

    fn plan(&self, members: u32, regime: Regime) -> TrainPlan {
        self.config.plan(members, regime)
    }

    fn parameters(&self) -> u64 {
        self.config.parameters_by_part().iter().sum()
    }

    fn training_flops(&self, members: u32, regime: Regime) -> f64 {
        self.config.training_flops(members, regime)
    }

    fn attribute_values(&self) -> u64 {
        self.config.attribute_values()
    }
}

impl Generator for NetShare {
    #[cfg(feature = "torch")]
    fn train_base(&self, traces: &[EncodedTrace], seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        let count = u32::try_from(traces.len()).unwrap_or(u32::MAX);
        self.check(count)?;
        let model = crate::train::CohortModel {
            label: "netshare public base".to_owned(),
            seed,
            noise_seed: None,
            members: (0..traces.len()).collect(),
            learnt: None,
            held_out: Vec::new(),
            dp: None,
            initial: None,
        };
        let plan = self.config.plan(count, Regime::None);
        let input = CohortInput { traces, models: vec![model], base: None, plan };
        let outcome = self.train_from(&input, None, &mut crate::train::NoCheckpoint, progress)?;
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
        if self.config.start == StartOption::PublicPretrain && input.base.is_none() {
            return Err(Error::internal("`start = \"public-pretrain\"` needs the weights of its public base"));
        }
        self.train_from(input, resume, sink, progress)
    }

    #[cfg(feature = "torch")]
    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<AttributeRow>>> {
        crate::nn::use_threads(1);
        let mut network = self.load(weights.own)?;
        network.set_pool(traces)?;
        super::attribute::attributes(&network, traces.len())
    }

    #[cfg(feature = "torch")]
    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        crate::nn::use_threads(1);
        super::sample::sample(&self.load(weights.own)?, count, seed, progress)
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
    fn train_base(&self, _traces: &[EncodedTrace], _seed: Seed, _progress: &dyn Progress) -> Result<BaseOutcome> {
        Err(without_torch("train the base of"))
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
impl NetShare {
    /// One model with stored weights, on its device.
    fn load(&self, weights: &[u8]) -> Result<super::NetShareNetwork> {
        let mut network = super::NetShareNetwork::stored(&self.config, weights)?;
        network.move_to(self.device);
        Ok(network)
    }

    /// Trains from each model's own start: its ancestor's weights, the base's, or random ones.
    fn train_from(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        crate::nn::use_threads(1);
        let seeds: Vec<Seed> = input.models.iter().map(|model| model.seed).collect();
        let kind = (tch::Kind::Float, tch::Device::Cpu);
        let mut network = super::NetShareNetwork::initialised(&self.config, &seeds, kind);
        for (index, model) in input.models.iter().enumerate() {
            if let Some(weights) = model.initial.as_deref().or(input.base) {
                network.weights_mut().load_safetensors(index as i64, weights)?;
            }
        }
        network.move_to(self.device);
        network.set_pool(input.traces)?;
        network.steps = input.plan.steps;
        let mut outcome = crate::train::train_cohort(&mut network, input, resume, sink, progress)?;
        for (trained, model) in outcome.models.iter_mut().zip(&input.models) {
            let alone = self.load(&trained.weights)?;
            trained.monitors.extend(super::monitor::monitors(&alone, model.seed.named("monitor"))?);
        }
        Ok(outcome)
    }
}

#[cfg(not(feature = "torch"))]
fn without_torch(action: &str) -> syntrace_base::error::Error {
    syntrace_base::error::Error::user(format!(
        "this build cannot {action} `netshare` models: it was built without libtorch"
    ))
    .hint("build with the default feature `torch`: `make setup && cargo build --release`")
}
