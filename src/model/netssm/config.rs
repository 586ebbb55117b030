//! Sizes, presets and training plan.

use super::tokens::{TokenLayout, VOCABULARY};
use crate::error::{Error, Result};
use crate::record::Regime;
use crate::train::{OptimiserPlan, TrainPlan};
use serde::Serialize;

/// How traces are drawn (facts section 7): top-k first, then temperature, then top-p inside the top-k.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sampling {
    /// Divides logits; 0 takes the largest.
    pub temperature: f64,
    /// Most candidates; 0 = all.
    pub top_k: u32,
    /// Smallest set of candidates with at least this probability; 1 = all.
    pub top_p: f64,
}

/// All that a NetSSM model depends on besides data and seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    #[serde(skip)]
    pub layout: TokenLayout,
    /// Drawing of traces.
    pub sampling: Sampling,
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
}

/// Most evaluations of member and held-out loss in one training: each costs a forward pass over both.
const EVALUATIONS_MAX: u32 = 10;

impl NetSsmConfig {
    /// A preset: `small` trains in seconds on two cores, `paper` has the published sizes.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "small" => Ok(Self::small()),
            "paper" => Ok(Self::paper()),
            _ => Err(Error::user(format!("preset of `netssm` must be `small` or `paper`, found `{name}`"))),
        }
    }

    fn small() -> Self {
        Self {
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
            layout: TokenLayout { link_header: false, packet_bytes: 64, padded: false, published: false },
            sampling: Sampling { temperature: 1.0, top_k: 0, top_p: 1.0 },
            batch: 16,
            epochs: 30,
            rate: 5e-3,
            clip_norm: 1.0,
            microbatch: 8,
        }
    }

    /// Published sizes (facts sections 5 to 7); batch 1, 10 epochs, AdamW at 5e-4.
    fn paper() -> Self {
        Self {
            width: 768,
            layers: 24,
            state: 128,
            head: 64,
            chunk: 64,
            layout: TokenLayout { link_header: true, packet_bytes: 128, padded: true, published: true },
            sampling: Sampling { temperature: 0.5, top_k: 25, top_p: 0.9 },
            batch: 1,
            epochs: 10,
            rate: 5e-4,
            microbatch: 1,
            ..Self::small()
        }
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
        self.layout.length_max(self.packets)
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

    /// Steps and batches for a public number of members; the same with and without DP, so that one
    /// cohort can hold all regimes.
    pub fn plan(&self, members: u32, _regime: Regime) -> TrainPlan {
        let members = members.max(1);
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
        }
    }

    /// Canonical JSON: fields in order of declaration, the layout spelled out.
    pub fn json(&self) -> String {
        let layout = serde_json::json!({
            "link_header": self.layout.link_header,
            "packet_bytes": self.layout.packet_bytes,
            "padded": self.layout.padded,
            "published": self.layout.published,
        });
        // A map of plain numbers and names always serialises.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.insert("layout".to_owned(), layout);
        }
        value.to_string()
    }
}
