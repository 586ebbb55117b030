//! NetDiffusion's implementation of [`Family`]: its description for planning.

use super::config::NetDiffusionConfig;
use crate::model::options::{require_batch, split_preset};
use crate::model::{BaseSpec, Family, Start, WholeKind};
use crate::train::TrainPlan;
use syntrace_base::base::{Device, Digest};
use syntrace_base::error::Result;
use syntrace_base::record::{NamedScalar, Regime};
use syntrace_traffic::encoding::EncodingKind;

/// The generator `netdiffusion` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetDiffusion {
    preset: String,
    pub(super) config: NetDiffusionConfig,
    pub(super) device: Device,
}

impl NetDiffusion {
    /// A preset by name.
    pub fn preset(name: &str) -> Result<Self> {
        Ok(Self::new(name, NetDiffusionConfig::preset(name)?))
    }

    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let (preset, options) = split_preset(options)?;
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
        require_batch("batch", self.config.batch, members)
    }

    fn start(&self, _regime: Regime) -> Start {
        Start::Base
    }

    fn base(&self) -> Option<BaseSpec> {
        let named = self.config.public_base.as_deref().and_then(Digest::from_hex);
        Some(BaseSpec { config_json: self.config.base_json(), named })
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
        // The backward pass goes only to the activations: the frozen weights need no gradients.
        2.0 * self.config.forward_flops() * plan.steps as f64 * plan.expected_batch * f64::from(self.config.draws)
    }

    fn attribute_values(&self) -> u64 {
        let config = &self.config;
        let rows = u64::from(config.rows);
        let map = if config.full_maps { config.latent_len() as u64 } else { rows * 17 };
        config.fixed_steps.len() as u64 * (map + 1 + rows)
    }

    fn whole_attribute(&self) -> Option<WholeKind> {
        let config = &self.config;
        let steps = config.fixed_steps.len() as u32;
        let width = steps * (config.latent_len() / i64::from(config.rows.max(1))) as u32;
        Some(WholeKind { kind: "whole_noise", positions: config.rows, width })
    }

    /// Of the first fixed step, mean over the trace.
    fn scalars(&self, kind: &str) -> Vec<NamedScalar> {
        let noise = NamedScalar { name: "noise", start: 0, step: 0, tail: 0, member_high: false };
        if kind == "noise_error" { vec![noise] } else { Vec::new() }
    }
}

#[cfg(not(feature = "torch"))]
impl crate::model::Generator for NetDiffusion {}
