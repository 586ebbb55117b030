//! NetSSM's implementation of [`Family`]: its description for planning.

use super::config::NetSsmConfig;
use crate::model::options::{require_batch, split_preset};
use crate::model::{BaseSpec, Family, Start, WholeKind};
use crate::train::TrainPlan;
use syntrace_base::base::{Device, Digest};
use syntrace_base::error::Result;
use syntrace_base::record::{NamedScalar, Regime};
use syntrace_traffic::encoding::EncodingKind;

/// The generator `netssm` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetSsm {
    preset: String,
    pub(super) config: NetSsmConfig,
    pub(super) device: Device,
}

impl NetSsm {
    /// A preset by name.
    pub fn preset(name: &str) -> Result<Self> {
        Ok(Self::new(name, NetSsmConfig::preset(name)?))
    }

    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let (preset, options) = split_preset(options)?;
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

    fn whole_attribute(&self) -> Option<WholeKind> {
        let positions = self.config.length_max() as u32 - 1;
        Some(WholeKind { kind: super::tokens::WHOLE_KIND, positions, width: u32::from(super::tokens::VOCABULARY) })
    }

    /// The summary has per packet: mean and least log-probability, entropy, margin, share ranked first; then 8 values of the
    /// whole trace.
    fn scalars(&self, kind: &str) -> Vec<NamedScalar> {
        let of_packets = |name, start, member_high| NamedScalar { name, start, step: 5, tail: 8, member_high };
        match kind {
            "summary" => {
                vec![of_packets("confidence", 0, true), of_packets("entropy", 2, false), of_packets("margin", 3, true)]
            }
            _ => Vec::new(),
        }
    }

    fn published_attack(&self) -> Option<(&'static str, &'static str)> {
        Some(("mlp", "mean_logits"))
    }
}

#[cfg(not(feature = "torch"))]
impl crate::model::Generator for NetSsm {}
