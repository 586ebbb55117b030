//! Sizes, presets and training plan.

use crate::model::options::{require_counts, with_options};
use crate::model::shipped::{check_named, require_base, shipped, starts_public};
use crate::train::{OptimiserPlan, TrainPlan};
use serde::{Deserialize, Serialize};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;

/// Columns of a latent: one for eight columns of the image.
pub(super) const COLUMNS: i64 = 136;
/// Channels of a ternary latent: two for each of the eight bits of a column.
pub(super) const TERNARY_CHANNELS: i64 = 16;
/// Groups of every group norm.
pub(super) const NORM_GROUPS: i64 = 8;
/// Attribute kinds in the order of a trace's rows; the first is the attack's default.
pub(super) const ATTRIBUTE_KINDS: &[&str] = &["predicted_noise", "noise_error"];

/// What a latent is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatentCode {
    /// That of an autoencoder, trained on public traces.
    #[default]
    Learned,
    /// Three points on a circle for each bit, in two channels of its own: exact without training, and the noise
    /// predictor gives each bit's prior.
    Ternary,
}

impl LatentCode {
    /// As published, and as in models from before there was a choice: not written.
    fn is_learned(&self) -> bool {
        *self == Self::Learned
    }
}

/// The image autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// What a latent is. The other keys but `channels` say how a learned one is trained.
    #[serde(default, skip_serializing_if = "LatentCode::is_learned")]
    pub code: LatentCode,
    /// Channels of a latent: 16 give each of a cell's 8 ternary bits a direction of its own.
    pub channels: i64,
    /// Channels after the first and the second halving of the bit axis.
    pub hidden: [i64; 2],
    /// Standard deviation of the noise on latents in training, which the decoder has to tolerate.
    pub noise: f64,
    /// Optimiser steps.
    pub steps: u64,
    /// Latent cells of one step.
    pub batch: u32,
    /// Learning rate.
    pub rate: f64,
}

/// The noise predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnetConfig {
    /// Latent columns that one column of the first level takes in (4 = a 32-bit word of a header).
    pub patch: i64,
    /// Channels of each level; each level after the first halves the column axis.
    pub widths: Vec<i64>,
    /// Residual blocks of a level.
    pub blocks: u32,
    /// First level with attention.
    pub attention_from: u32,
    /// Heads of every attention.
    pub heads: i64,
    /// Words of the caption.
    pub words: i64,
    /// Width of a word's vector.
    pub context: i64,
    /// Width of the time embedding.
    pub time: i64,
    /// Channels of the head that sees each latent cell by itself.
    pub cell: i64,
}

/// The noise process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Diffusion steps, each a noise level.
    pub steps: u32,
    /// First and last beta; their roots are spaced evenly (scaled linear).
    pub beta: [f64; 2],
}

/// Training of the base on public traces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseTraining {
    /// Optimiser steps.
    pub steps: u64,
    /// Traces of a step.
    pub batch: u32,
    /// Learning rate of Adam; it rises over the first 20 steps and falls to 0 over the second half.
    pub rate: f64,
}

/// Sizes of the adapters of columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnShape {
    /// Columns of the U-Net's first level.
    pub places: i64,
    /// Channels that the maps see.
    pub from: i64,
    /// Channels that `out` and the cell head's features give.
    pub to: [i64; 2],
}

/// The adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank.
    pub rank: i64,
    /// Scale times rank.
    pub alpha: f64,
    /// Are the down projections trained? Their gradient is zero in the first step (the up projections
    /// start at zero) and small in the next ones, while DP noise is as large on them as elsewhere; without
    /// them the number of private weights halves, but an adapter only ever sees a random subspace. As
    /// published they are trained.
    pub train_down: bool,
    /// Are there also adapters, and a shift, of each column's maps at the U-Net's end? As published there are none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub columns: bool,
}

/// All that a NetDiffusion model depends on besides data and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetDiffusionConfig {
    /// Rows R of the image that is modelled, at least `packets`; below, the published 1,024 rows are blank.
    pub rows: u32,
    /// Most packets of a trace.
    pub packets: u32,
    /// Cells to latents.
    pub autoencoder: AutoencoderConfig,
    /// Noise predictor.
    pub unet: UnetConfig,
    /// Noise process.
    pub schedule: ScheduleConfig,
    /// Digest (BLAKE3, hexadecimal) of the base's weights. Without one the study trains a base on its public datasets, as
    /// `base` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_base: Option<String>,
    /// Training of a base of the study's own on public traces.
    pub base: BaseTraining,
    /// Private weights.
    pub lora: LoraConfig,
    /// Steps of sampling.
    pub sampler_steps: u32,
    /// Strength of the edges of a public trace (one of 64, drawn for each sample) in sampling, the ControlNet
    /// of the published system; 0 = none. Training and attributes go without.
    pub control_strength: f64,
    /// Noise levels of evaluation and attributes.
    pub fixed_steps: Vec<u32>,
    /// Is the attribute `predicted_noise` the whole map (channels x rows x 136 a step) or its mean over
    /// channels and over eight columns each (rows x 17 a step)?
    pub full_maps: bool,
    /// Repair profile of generated traces: `strict` or `reference`.
    pub repair: String,
    /// Expected batch size, traces (at most the number of members).
    pub batch: u32,
    /// Epochs.
    pub epochs: u32,
    /// Learning rate of AdamW.
    pub rate: f64,
    /// Does it fall to 0 in a straight line?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linear_decay: bool,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Clip norm under DP.
    pub clip_norm: f64,
    /// Traces of all models together in one forward pass.
    pub microbatch: u32,
    /// Noise levels and noises that are drawn for a trace in one step. Their gradients are averaged before they are clipped, so
    /// more of them cost time and no privacy (Dockhorn et al. 2023, "Differentially Private Diffusion Models", section 3.2).
    #[serde(default = "one_draw", skip_serializing_if = "is_one_draw")]
    pub draws: u32,
}

/// As published, and as in models from before there was a choice: not written.
fn one_draw() -> u32 {
    1
}

fn is_one_draw(draws: &u32) -> bool {
    *draws == one_draw()
}

/// Most evaluations of member and held-out loss in one training: each costs a forward pass over both.
const EVALUATIONS_MAX: u32 = 2;
/// Keys of a table that make a base of its own.
const NETWORK: &[&str] = &["rows", "autoencoder", "unet", "schedule", "base"];

impl NetDiffusionConfig {
    /// A preset: `small` trains in seconds on two cores, `paper` has the published settings.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "small" => {
                Ok(Self { public_base: shipped("netdiffusion")?.map(|base| base.digest().to_owned()), ..Self::small() })
            }
            "paper" => Ok(Self::paper()),
            _ => Err(Error::user(format!("preset of `netdiffusion` must be `small` or `paper`, found `{name}`"))),
        }
    }

    fn small() -> Self {
        Self {
            rows: 10,
            packets: 10,
            autoencoder: AutoencoderConfig {
                code: LatentCode::Ternary,
                channels: 16,
                hidden: [32, 64],
                noise: 0.3,
                steps: 400,
                batch: 2048,
                rate: 3e-3,
            },
            unet: UnetConfig {
                patch: 4,
                widths: vec![32, 48],
                blocks: 1,
                attention_from: 1,
                heads: 4,
                words: 8,
                context: 32,
                time: 96,
                cell: 32,
            },
            schedule: ScheduleConfig { steps: 1000, beta: [0.00085, 0.012] },
            public_base: None,
            base: BaseTraining { steps: 600, batch: 8, rate: 4e-3 },
            lora: LoraConfig { rank: 4, alpha: 4.0, train_down: true, columns: true },
            sampler_steps: 20,
            control_strength: 0.5,
            // With a ternary code hardly anything is left to predict below.
            fixed_steps: vec![200, 400, 600],
            full_maps: false,
            repair: "strict".to_owned(),
            batch: 8,
            epochs: 16,
            rate: 2e-2,
            linear_decay: true,
            weight_decay: 1e-4,
            clip_norm: 1e-3,
            microbatch: 8,
            draws: one_draw(),
        }
    }

    /// Published settings of the adapters (NetDiffusion, Jiang et al. 2024, SIGMETRICS: rank and alpha 4, AdamW at
    /// 1e-4 with decay 1e-4, batch 4, one epoch).
    fn paper() -> Self {
        let small = Self::small();
        Self {
            rows: 16,
            autoencoder: AutoencoderConfig { code: LatentCode::Learned, ..small.autoencoder },
            unet: UnetConfig {
                patch: 1,
                widths: vec![32, 64, 64],
                blocks: 2,
                words: 16,
                context: 64,
                time: 128,
                cell: 64,
                ..small.unet
            },
            base: BaseTraining { steps: 50_000, batch: 16, rate: 5e-4 },
            lora: LoraConfig { columns: false, ..small.lora },
            fixed_steps: vec![100, 300, 600],
            batch: 4,
            epochs: 1,
            rate: 1e-4,
            linear_decay: false,
            clip_norm: 2e-4,
            microbatch: 4,
            ..small
        }
    }

    /// Optimiser steps that the base spends on its code.
    #[cfg(feature = "torch")]
    pub(super) fn code_steps(&self) -> u64 {
        match self.autoencoder.code {
            LatentCode::Learned => self.autoencoder.steps,
            LatentCode::Ternary => 0,
        }
    }

    /// Elements of one latent, `channels x rows x 136`.
    pub fn latent_len(&self) -> i64 {
        self.autoencoder.channels * i64::from(self.rows) * COLUMNS
    }

    /// Columns of a level.
    pub(super) fn level_columns(&self, level: usize) -> i64 {
        // A halving with kernel 3, stride 2 and padding 1 rounds up.
        (0..level).fold(COLUMNS / self.unet.patch.max(1), |columns, _| (columns + 1) / 2)
    }

    /// Width of x and of the context for each adapted attention, in the order of the U-Net.
    pub(super) fn attentions(&self) -> Vec<(i64, i64)> {
        let levels =
            self.unet.widths.iter().enumerate().filter(|(level, _)| *level >= self.unet.attention_from as usize);
        let mut pairs: Vec<(i64, i64)> = Vec::new();
        for (_, &width) in levels {
            for _ in 0..self.unet.blocks {
                pairs.extend([(width, width), (width, self.unet.context)]);
            }
        }
        let last = self.unet.widths.last().copied().unwrap_or(1);
        pairs.extend([(last, last), (last, self.unet.context)]);
        pairs
    }

    /// Sizes of the adapters of columns, where there are any.
    pub(super) fn column_shape(&self) -> Option<ColumnShape> {
        let (unet, patch) = (&self.unet, self.unet.patch);
        let shape = ColumnShape {
            places: COLUMNS / patch.max(1),
            from: unet.widths.first().copied().unwrap_or(1),
            to: [self.autoencoder.channels * patch, unet.cell * patch],
        };
        self.lora.columns.then_some(shape)
    }

    /// Numbers of one model: up and down projections of q, k, v and output of each attention, and of columns, and
    /// shifts of columns.
    pub fn parameters(&self) -> u64 {
        let of = |(width, context): (i64, i64)| self.lora.rank * (6 * width + 2 * context);
        let columns = self.column_shape().map_or(0, |shape| shape.places * self.lora.rank * shape.from);
        self.attentions().into_iter().map(of).sum::<i64>() as u64 + columns as u64 + self.column_ups()
    }

    /// Up projections and shifts of columns.
    fn column_ups(&self) -> u64 {
        let of = |shape: ColumnShape| shape.places * shape.to.iter().sum::<i64>() * (self.lora.rank + 1);
        self.column_shape().map_or(0, of) as u64
    }

    /// Those of them that are trained.
    pub fn parameters_trained(&self) -> u64 {
        if self.lora.train_down {
            return self.parameters();
        }
        let ups = self.attentions().into_iter().map(|(width, _)| 4 * self.lora.rank * width).sum::<i64>();
        ups as u64 + self.column_ups()
    }

    /// Floating-point operations of one forward pass of the U-Net over one trace: convolutions, attention
    /// and the maps at both ends, two operations a multiplication.
    pub fn forward_flops(&self) -> f64 {
        let (unet, rows) = (&self.unet, i64::from(self.rows));
        let channels = self.autoencoder.channels;
        let first = unet.widths.first().copied().unwrap_or(1);
        let cells = rows * COLUMNS;
        let mut sum =
            2 * cells * channels * first + cells * (first + channels) * unet.cell + cells * unet.cell * unet.cell;
        let block = |from: i64, to: i64, places: i64| 9 * places * to * (from + to);
        let attention = |width: i64, places: i64| {
            let own = 4 * places * width * width + 2 * places * places * width;
            own + 2 * places * width * width + 2 * places * unet.words * width
        };
        for (level, &width) in unet.widths.iter().enumerate() {
            let places = rows * self.level_columns(level);
            let blocks = i64::from(unet.blocks);
            sum += blocks * (block(width, width, places) + block(2 * width, width, places));
            if level >= unet.attention_from as usize {
                sum += blocks * attention(width, places);
            }
            if let Some(next) = unet.widths.get(level + 1) {
                sum += 9 * places * width * next * 3 / 2;
            }
            if level + 1 == unet.widths.len() {
                sum += 2 * block(width, width, places) + attention(width, places);
            }
        }
        2.0 * sum as f64
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
            optimiser: OptimiserPlan::Adam {
                rate: self.rate,
                betas: (0.9, 0.999),
                eps: 1e-8,
                weight_decay: self.weight_decay,
            },
            linear_decay: self.linear_decay,
            trainable: crate::train::Trainable::All,
            average: crate::train::Average::None,
        }
    }

    /// Canonical JSON, keys sorted.
    pub fn json(&self) -> String {
        // A struct of plain numbers and names always serialises.
        serde_json::to_value(self).unwrap_or_default().to_string()
    }

    /// What the base depends on, as canonical JSON: models that differ in the rest share a base.
    pub fn base_json(&self) -> String {
        let parts = serde_json::json!({
            "rows": self.rows,
            "autoencoder": self.autoencoder,
            "unet": self.unet,
            "schedule": self.schedule,
            "base": self.base,
        });
        parts.to_string()
    }

    /// This configuration with some keys changed, for traces of at most `packets` packets. Unknown keys
    /// and values of a wrong type are refused.
    pub fn with(&self, options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let mut keys = options.clone();
        let mut preset = self.clone();
        preset.rows = preset.rows.max(packets);
        let own_network = packets > self.rows || NETWORK.iter().any(|key| options.contains_key(*key));
        if !starts_public(&mut keys, "study", "public_base", own_network)? {
            preset.public_base = None;
        }
        let config = with_options(&preset, &keys, packets)?;
        require_base(options, "public_base", config.public_base.is_some())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        self.check_positive()?;
        self.check_base()?;
        if self.rows < self.packets || self.rows > 1024 {
            return Err(Error::user(format!(
                "`rows` must be between the packets of a trace, {}, and 1024, found `{}`",
                self.packets, self.rows
            )));
        }
        let channels = self.autoencoder.channels;
        if self.autoencoder.code == LatentCode::Ternary && channels != TERNARY_CHANNELS {
            return Err(Error::user(format!(
                "`autoencoder.channels` must be {TERNARY_CHANNELS} where `autoencoder.code` is `ternary`, found `{channels}`"
            )));
        }
        if COLUMNS % self.unet.patch != 0 {
            return Err(Error::user(format!("`unet.patch` must divide {COLUMNS}, found `{}`", self.unet.patch)));
        }
        let unfit = |width: &&i64| **width % NORM_GROUPS != 0 || **width % self.unet.heads != 0;
        if let Some(width) = self.unet.widths.iter().find(unfit) {
            return Err(Error::user(format!(
                "`unet.widths` must be multiples of {NORM_GROUPS} and of `unet.heads`, found `{width}`"
            )));
        }
        if let Some(step) = self.fixed_steps.iter().find(|step| **step >= self.schedule.steps) {
            return Err(Error::user(format!(
                "`fixed_steps` must lie below `schedule.steps`, {}, found `{step}`",
                self.schedule.steps
            )));
        }
        if !matches!(self.repair.as_str(), "strict" | "reference") {
            return Err(Error::user(format!("`repair` must be `reference` or `strict`, found `{}`", self.repair)));
        }
        Ok(())
    }

    /// The shipped base is of the network of the preset `small`.
    fn check_base(&self) -> Result<()> {
        let Some(digest) = &self.public_base else { return Ok(()) };
        let small = Self::small();
        let fits = (self.rows, &self.autoencoder, &self.unet, &self.schedule)
            == (small.rows, &small.autoencoder, &small.unet, &small.schedule);
        check_named("netdiffusion", "public_base", digest, fits, "`start = \"study\"`")
    }

    fn check_positive(&self) -> Result<()> {
        let counts = [
            ("packets", i64::from(self.packets)),
            ("autoencoder.channels", self.autoencoder.channels),
            ("autoencoder.hidden", self.autoencoder.hidden[0].min(self.autoencoder.hidden[1])),
            ("autoencoder.steps", self.autoencoder.steps as i64),
            ("autoencoder.batch", i64::from(self.autoencoder.batch)),
            ("unet.patch", self.unet.patch),
            ("unet.widths", self.unet.widths.iter().copied().min().unwrap_or(0)),
            ("unet.blocks", i64::from(self.unet.blocks)),
            ("unet.heads", self.unet.heads),
            ("unet.words", self.unet.words),
            ("unet.context", self.unet.context),
            ("unet.time", self.unet.time),
            ("unet.cell", self.unet.cell),
            ("base.steps", self.base.steps as i64),
            ("base.batch", i64::from(self.base.batch)),
            ("lora.rank", self.lora.rank),
            ("sampler_steps", i64::from(self.sampler_steps)),
            ("fixed_steps", self.fixed_steps.len() as i64),
            ("batch", i64::from(self.batch)),
            ("epochs", i64::from(self.epochs)),
            ("microbatch", i64::from(self.microbatch)),
            ("draws", i64::from(self.draws)),
        ];
        require_counts(&counts)?;
        if self.schedule.steps < self.sampler_steps {
            return Err(Error::user(format!(
                "`sampler_steps` must be at most `schedule.steps`, {}, found `{}`",
                self.schedule.steps, self.sampler_steps
            )));
        }
        let [first, last] = self.schedule.beta;
        if !(0.0 < first && first <= last && last < 1.0) {
            return Err(Error::user(format!("`schedule.beta` must rise within 0 and 1, found `[{first}, {last}]`")));
        }
        if !(0.0..=1.0).contains(&self.control_strength) {
            return Err(Error::user(format!(
                "`control_strength` must be between 0 and 1, found `{}`",
                self.control_strength
            )));
        }
        let reals = [
            ("autoencoder.rate", self.autoencoder.rate),
            ("base.rate", self.base.rate),
            ("lora.alpha", self.lora.alpha),
            ("rate", self.rate),
            ("clip_norm", self.clip_norm),
        ];
        if let Some((key, value)) = reals.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            return Err(Error::user(format!("`{key}` must be above 0 and finite, found `{value}`")));
        }
        Ok(())
    }
}
