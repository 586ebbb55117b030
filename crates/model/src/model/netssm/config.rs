//! Sizes, presets and training plan.

use super::private::PrivateTraining;
use super::sampling::{Decode, Sampling};
use super::tokens::VOCABULARY;
use crate::model::options::{require_counts, with_options};
use crate::model::shipped::{require_base, shipped_bases, starts_public};
use crate::train::{Average, OptimiserPlan, TrainPlan, Trainable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;
use syntrace_traffic::encoding::{PacketGrammar, TokenLayout};

/// All that a NetSSM model depends on besides data and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSsmConfig {
    /// Rows of the embedding.
    pub vocabulary: i64,
    /// Width of the residual stream d.
    pub width: i64,
    /// Number of blocks.
    pub layers: i64,
    /// State size N.
    pub state: i64,
    /// Head size P.
    pub head: i64,
    /// Inner width over width.
    pub expand: i64,
    /// Groups G that share B and C.
    pub groups: i64,
    /// Taps K of the causal convolution.
    pub taps: i64,
    /// Added to the mean square in norms.
    pub eps: f64,
    /// Positions Q of a chunk.
    pub chunk: i64,
    /// Most packets of a trace.
    pub packets: u32,
    /// Packets to tokens.
    pub layout: TokenLayout,
    /// Drawing of traces.
    pub sampling: Sampling,
    /// What may be drawn: `free` or `packet`.
    #[serde(default, skip_serializing_if = "Decode::is_free")]
    pub decode: Decode,
    /// Expected batch size, traces (at most the number of members).
    pub batch: u32,
    /// Epochs.
    pub epochs: u32,
    /// Learning rate of AdamW.
    pub rate: f64,
    /// Clip norm under DP.
    pub clip_norm: f64,
    /// Traces of all models together in one forward pass.
    pub microbatch: u32,
    /// Training under DP from a public base; `None` = from random weights, as without DP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<PrivateTraining>,
}

/// Most evaluations of member and held-out loss in one training: each costs a forward pass over both.
const EVALUATIONS_MAX: u32 = 10;

/// Keys of a table that make a network of its own, which no shipped base fits.
const NETWORK: &[&str] =
    &["vocabulary", "width", "layers", "state", "head", "expand", "groups", "taps", "eps", "layout"];

impl NetSsmConfig {
    /// A preset: `small` trains in seconds on two cores, `paper` has the published sizes.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "small" => Self::small(),
            "paper" => Self::paper(),
            _ => Err(Error::user(format!("preset of `netssm` must be `small` or `paper`, found `{name}`"))),
        }
    }

    fn small() -> Result<Self> {
        Ok(Self {
            vocabulary: i64::from(VOCABULARY),
            width: 32,
            layers: 2,
            state: 16,
            head: 16,
            expand: 2,
            groups: 1,
            taps: 4,
            eps: 1e-5,
            chunk: 32,
            packets: 10,
            layout: TokenLayout::small(),
            // Nearer to what the model learnt than the published 0.5, which leaves out what is rarer and tells classes apart:
            // classifiers that learn from its traces reach 0.9 of what real traces give, not 0.6.
            sampling: Sampling { temperature: 0.9, top_k: 100, top_p: 0.98 },
            decode: Decode::Packet,
            batch: 4,
            epochs: 30,
            rate: 5e-3,
            clip_norm: 1.0,
            microbatch: 8,
            private: PrivateTraining::small()?,
        })
    }

    /// Published sizes (NetSSM, Chu et al. 2025); batch 1, 10 epochs, AdamW at 5e-4.
    fn paper() -> Result<Self> {
        Ok(Self {
            width: 768,
            layers: 24,
            state: 128,
            head: 64,
            chunk: 64,
            layout: TokenLayout { published: true, ..TokenLayout::paper() },
            sampling: Sampling { temperature: 0.5, top_k: 25, top_p: 0.9 },
            decode: Decode::Free,
            batch: 1,
            epochs: 10,
            rate: 5e-4,
            microbatch: 1,
            private: None,
            ..Self::small()?
        })
    }

    /// Inner width `expand * width`.
    pub fn inner(&self) -> i64 {
        self.expand * self.width
    }

    /// Number of heads H.
    pub fn heads(&self) -> i64 {
        self.inner() / self.head
    }

    /// Channels of the convolution: inner width and B and C of all groups.
    pub fn channels(&self) -> i64 {
        self.inner() + 2 * self.groups * self.state
    }

    /// Columns of the input projection.
    pub fn projected(&self) -> i64 {
        self.inner() + self.channels() + self.heads()
    }

    /// Most tokens of a trace: from the layout, never from data.
    pub fn length_max(&self) -> usize {
        self.layout.tokens_max(self.packets as usize)
    }

    /// Parameters of one model.
    pub fn parameters(&self) -> u64 {
        let (inner, channels, heads) = (self.inner(), self.channels(), self.heads());
        let block = self.width * self.projected()
            + channels * (self.taps + 1)
            + 3 * heads
            + inner
            + inner * self.width
            + self.width;
        (self.vocabulary * self.width + self.layers * block + self.width) as u64
    }

    /// Parameters of one model of a regime: those of the base that ships with the program where it starts from that.
    pub fn parameters_in(&self, regime: Regime) -> u64 {
        let base = self.private_in(regime).map(|private| private.base.as_str());
        let shipped = shipped_bases().unwrap_or_default().iter().find(|known| Some(known.digest()) == base);
        shipped.map_or_else(|| self.parameters(), |known| known.manifest.parameters)
    }

    /// The training from a public base, where a regime has one.
    pub fn private_in(&self, regime: Regime) -> Option<&PrivateTraining> {
        self.private.as_ref().filter(|_| regime != Regime::None)
    }

    /// Steps and batches for a public number of members; from random weights the same with and without DP, so that
    /// one cohort can hold all regimes.
    pub fn plan(&self, members: u32, regime: Regime) -> TrainPlan {
        let members = members.max(1);
        if let Some(private) = self.private_in(regime) {
            return private.plan(members, self.microbatch);
        }
        let batch = self.batch.min(members);
        TrainPlan {
            sampling_rate: f64::from(batch) / f64::from(members),
            expected_batch: f64::from(batch),
            steps: u64::from(self.epochs) * u64::from(members.div_ceil(batch)),
            epochs: self.epochs,
            clip_norm: self.clip_norm,
            microbatch: self.microbatch,
            epochs_per_evaluation: self.epochs.div_ceil(EVALUATIONS_MAX).max(1),
            optimiser: OptimiserPlan::Adam { rate: self.rate, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 },
            linear_decay: true,
            trainable: Trainable::All,
            average: Average::None,
        }
    }

    /// Canonical JSON, keys sorted, of what a model of a regime depends on.
    pub fn json(&self, regime: Regime) -> String {
        let of_regime = Self { private: self.private_in(regime).cloned(), ..self.clone() };
        // A struct of plain numbers and names always serialises.
        serde_json::to_value(of_regime).unwrap_or_default().to_string()
    }

    /// This configuration with some keys changed, for traces of at most `packets` packets. Unknown keys
    /// and values of a wrong type are refused.
    pub fn with(&self, options: &Map<String, Value>, packets: u32) -> Result<Self> {
        let mut preset = self.clone();
        let steered = preset.steered(options)?;
        let config = with_options(&preset, &steered, packets)?;
        require_base(options, "private.base", config.private.is_some())?;
        config.check()?;
        Ok(config)
    }

    /// Takes `start` out of a table: `public` keeps or makes the training under DP, `scratch` takes it out. Without it, a
    /// table that makes a network of its own starts from random weights.
    fn steered(&mut self, options: &Map<String, Value>) -> Result<Map<String, Value>> {
        let mut options = options.clone();
        let own_network = NETWORK.iter().any(|key| options.contains_key(*key));
        let described = options.contains_key("private");
        if !starts_public(&mut options, "scratch", "private", own_network)? {
            self.private = None;
        } else if self.private.is_none() && (described || own_network) {
            self.private = PrivateTraining::small()?;
        }
        Ok(options)
    }

    fn check(&self) -> Result<()> {
        let positive = [
            ("width", self.width),
            ("layers", self.layers),
            ("state", self.state),
            ("head", self.head),
            ("expand", self.expand),
            ("groups", self.groups),
            ("taps", self.taps),
            ("chunk", self.chunk),
            ("batch", i64::from(self.batch)),
            ("epochs", i64::from(self.epochs)),
            ("microbatch", i64::from(self.microbatch)),
            ("layout.packet_bytes", i64::from(self.layout.packet_bytes)),
        ];
        require_counts(&positive)?;
        // Far above any network that fits a machine, and the number of parameters still fits a number.
        let bounded = [
            ("width", self.width, 1 << 16),
            ("layers", self.layers, 1 << 12),
            ("state", self.state, 1 << 12),
            ("head", self.head, 1 << 16),
            ("expand", self.expand, 1 << 6),
            ("groups", self.groups, 1 << 12),
            ("taps", self.taps, 1 << 12),
            ("chunk", self.chunk, 1 << 20),
            ("vocabulary", self.vocabulary, 1 << 20),
        ];
        if let Some((key, value, most)) = bounded.into_iter().find(|(_, value, most)| value > most) {
            return Err(Error::user(format!("`{key}` must be at most {most}, found `{value}`")));
        }
        if self.inner() % self.head != 0 || self.heads() % self.groups != 0 {
            return Err(Error::user(format!(
                "`expand` x `width` must be a multiple of `head` x `groups`, found {} and {} x {}",
                self.inner(),
                self.head,
                self.groups
            )));
        }
        if self.vocabulary < i64::from(VOCABULARY) {
            return Err(Error::user(format!(
                "`vocabulary` must be at least {VOCABULARY}, found `{}`",
                self.vocabulary
            )));
        }
        if self.decode == Decode::Packet
            && let Some(expected) = PacketGrammar::refuses(&self.layout)
        {
            return Err(Error::user(format!("`decode = \"packet\"` needs {expected}"))
                .hint("change the layout, or set `decode = \"free\"`"));
        }
        if let Some(private) = &self.private {
            private.check(&self.layout)?;
        }
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !positive(self.rate) || !positive(self.clip_norm) {
            return Err(Error::user(format!(
                "`rate` and `clip_norm` must be above 0 and finite, found `{}` and `{}`",
                self.rate, self.clip_norm
            )));
        }
        Ok(())
    }
}
