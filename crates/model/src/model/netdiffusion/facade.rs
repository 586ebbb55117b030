//! NetDiffusion as a [`Generator`].

use super::config::NetDiffusionConfig;
use crate::model::{AttributeRow, BaseOutcome, BaseSpec, Family, Generator, RawTrace, Start, Weights};
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace, TrainPlan};
use syntrace_base::base::{Device, Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;
use syntrace_traffic::encoding::EncodingKind;

/// The generator `netdiffusion` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetDiffusion {
    preset: String,
    config: NetDiffusionConfig,
    device: Device,
}

impl NetDiffusion {
    /// A preset by name.
    pub fn preset(name: &str) -> Result<Self> {
        Ok(Self::new(name, NetDiffusionConfig::preset(name)?))
    }

    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let mut options = options.clone();
        let preset = match options.remove("preset") {
            None => "small".to_owned(),
            Some(serde_json::Value::String(preset)) => preset,
            Some(other) => return Err(Error::user(format!("`preset` must be a text, found {other}"))),
        };
        let config = NetDiffusionConfig::preset(&preset)?.with(&options, packets)?;
        Ok(Self::new(preset, config))
    }

    /// A configuration of one's own, under a preset's name.
    pub fn new(preset: impl Into<String>, config: NetDiffusionConfig) -> Self {
        Self { preset: preset.into(), config, device: Device::Cpu }
    }

    /// The configuration.
    pub fn config(&self) -> &NetDiffusionConfig {
        &self.config
    }
}

impl Family for NetDiffusion {
    fn name(&self) -> &'static str {
        "netdiffusion"
    }

    fn preset(&self) -> &str {
        &self.preset
    }

    fn config_json(&self, _regime: Regime) -> String {
        self.config.json()
    }

    fn encoding(&self) -> EncodingKind {
        EncodingKind::Nprint
    }

    fn repair(&self) -> Option<(&str, u32)> {
        Some((&self.config.repair, self.config.packets))
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

    fn start(&self, _regime: Regime) -> Start {
        Start::Base
    }

    fn base(&self) -> Option<BaseSpec> {
        Some(BaseSpec { config_json: self.config.base_json(), named: None })
    }

    fn attribute_kinds(&self) -> &'static [&'static str] {
        super::config::ATTRIBUTE_KINDS
    }

    fn plan(&self, members: u32, regime: Regime) -> TrainPlan {
        self.config.plan(members, regime)
    }

    fn parameters(&self) -> u64 {
        self.config.parameters()
    }

    fn training_flops(&self, members: u32, regime: Regime) -> f64 {
        let plan = self.config.plan(members, regime);
        // Backwards only to the activations: the frozen weights have no gradients of their own.
        2.0 * self.config.forward_flops() * plan.steps as f64 * plan.expected_batch
    }

    fn attribute_values(&self) -> u64 {
        let config = &self.config;
        let rows = u64::from(config.rows);
        let map = if config.full_maps { config.latent_len() as u64 } else { rows * 17 };
        config.fixed_steps.len() as u64 * (map + 1 + rows)
    }
}

impl Generator for NetDiffusion {
    #[cfg(feature = "torch")]
    fn train_base(&self, traces: &[EncodedTrace], seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        crate::nn::use_threads(1);
        super::base::train_base(&self.config, traces, seed, self.device, progress)
    }

    #[cfg(feature = "torch")]
    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        use crate::train::Network;
        crate::nn::use_threads(1);
        let seeds: Vec<Seed> = input.models.iter().map(|model| model.seed).collect();
        let mut network = super::NetDiffusionNetwork::initialised(self.load_base(input.base)?, &seeds);
        for (index, model) in input.models.iter().enumerate() {
            if let Some(initial) = &model.initial {
                network.params_mut().load_safetensors(index as i64, initial)?;
            }
        }
        network.move_to(self.device);
        network.set_pool(input.traces)?;
        let mut outcome = crate::train::train_cohort(&mut network, input, resume, sink, progress)?;
        super::monitor::add_monitors(&network, input, &mut outcome)?;
        Ok(outcome)
    }

    #[cfg(feature = "torch")]
    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<AttributeRow>>> {
        let mut network = self.load(weights)?;
        network.set_pool(traces)?;
        super::attribute::attributes(&network, traces.len())
    }

    #[cfg(feature = "torch")]
    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        super::sample::sample(&self.load(weights)?, count, seed, progress)
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
impl NetDiffusion {
    fn load_base(&self, base: Option<&[u8]>) -> Result<super::Base> {
        let bytes = base.ok_or_else(|| Error::internal("`netdiffusion` needs the weights of its base, found none"))?;
        super::Base::load(&self.config, bytes)
    }

    /// One model with stored weights, on its device and one thread.
    fn load(&self, weights: Weights<'_>) -> Result<super::NetDiffusionNetwork> {
        crate::nn::use_threads(1);
        let mut network = super::NetDiffusionNetwork::zeros(self.load_base(weights.base)?, &[Seed::root(0)]);
        network.weights_mut().load_safetensors(0, weights.own)?;
        network.move_to(self.device);
        Ok(network)
    }
}

#[cfg(not(feature = "torch"))]
fn without_torch(action: &str) -> Error {
    Error::user(format!("this build cannot {action} `netdiffusion` models: it was built without libtorch"))
        .hint("build with the default feature `torch`: `make setup && cargo build --release`")
}
