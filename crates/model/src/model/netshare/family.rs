//! NetShare's implementation of [`Family`]: its description for planning.

use super::config::{ATTRIBUTE_NUMBERS, NetShareConfig};
use super::options::StartOption;
use crate::model::options::{require_batch, split_preset};
use crate::model::{BaseSpec, Family, Start, WholeKind};
use crate::train::TrainPlan;
use syntrace_base::base::{Device, Digest};
use syntrace_base::error::Result;
use syntrace_base::record::{NamedScalar, Regime};
use syntrace_traffic::encoding::EncodingKind;

/// The generator `netshare` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetShare {
    preset: String,
    pub(super) config: NetShareConfig,
    pub(super) device: Device,
}

impl NetShare {
    /// A preset by name.
    pub fn preset(name: &str) -> Result<Self> {
        Ok(Self::new(name, NetShareConfig::preset(name)?))
    }

    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let (preset, options) = split_preset(options)?;
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

    fn config_json(&self, regime: Regime) -> String {
        self.config.json(regime)
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
        require_batch("batch", self.config.batch, members)
    }

    fn start(&self, regime: Regime) -> Start {
        match (self.config.start, regime) {
            (StartOption::PublicPretrain, _) | (StartOption::Public, Regime::Dp { .. }) => Start::Base,
            (StartOption::Finetune, Regime::Dp { .. }) => Start::NonPrivate,
            (StartOption::Finetune | StartOption::Public, Regime::None | Regime::Anonymised)
            | (StartOption::FromScratch, _) => Start::Fresh,
        }
    }

    fn base(&self) -> Option<BaseSpec> {
        let named = self.config.public_base.as_deref().and_then(Digest::from_hex);
        // What only private trainings depend on is no part of the base.
        let config = NetShareConfig { finetune_epochs: 1, clip_norm: 1.0, ..self.config.clone() };
        let has_base = matches!(self.config.start, StartOption::PublicPretrain | StartOption::Public);
        has_base.then(|| BaseSpec { config_json: config.json(Regime::None), named })
    }

    fn shares_base(&self, regime: Regime) -> bool {
        self.config.start == StartOption::PublicPretrain || self.config.starts_public(regime)
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

    fn whole_attribute(&self) -> Option<WholeKind> {
        let width = self.config.numbers_of(ATTRIBUTE_NUMBERS[1]) as u32;
        Some(WholeKind { kind: "whole_scores", positions: self.config.packets, width })
    }

    fn attribute_values(&self) -> u64 {
        self.config.attribute_values()
    }

    /// A critic's score comes first in its attribute.
    fn scalars(&self, kind: &str) -> Vec<NamedScalar> {
        let critic = NamedScalar { name: "critic", start: 0, step: 0, tail: 0, member_high: true };
        if matches!(kind, "critic_score" | "critic_scores") { vec![critic] } else { Vec::new() }
    }

    fn published_attack(&self) -> Option<(&'static str, &'static str)> {
        Some(("ocsvm", "critic_score"))
    }
}

#[cfg(not(feature = "torch"))]
impl crate::model::Generator for NetShare {}
