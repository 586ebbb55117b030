//! Sizes, presets, options and training plan.

use super::options::{Activation, Interarrival, Interpolation, Mask, Numbers, Outputs, Samples, StartOption};
use super::segments::feature_segments;
use crate::model::options::{require_counts, with_options};
use crate::model::shipped::{check_named, no_base, shipped};
use crate::train::{OptimiserPlan, TrainPlan};
use serde::{Deserialize, Serialize};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Regime;

/// All that a NetShare model depends on besides data and seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetShareConfig {
    /// Most packets of a trace.
    pub packets: u32,
    /// What one sample is.
    pub samples: Samples,
    /// Scale of the gaps.
    pub interarrival: Interarrival,
    /// Cells of a packet's numbers.
    #[serde(default, skip_serializing_if = "Numbers::is_linear")]
    pub numbers: Numbers,
    /// Longest gap that is told from longer ones, microseconds: a public constant.
    pub gap_cap_us: u32,
    /// Width of a word vector of ports and protocols.
    pub word_width: i64,
    /// Units of each hidden layer of the attribute generator and of both critics.
    pub units: i64,
    /// Hidden layers of each.
    pub layers: i64,
    /// Width of each noise vector.
    pub noise: i64,
    /// Units of the LSTM.
    pub lstm: i64,
    /// Packets made by one step of the LSTM.
    pub sample_len: u32,
    /// Batch normalisation after each hidden layer of the attribute generator?
    pub batch_norm: bool,
    /// Weight of the newest batch in the running means that sampling uses; published 0.9, so that
    /// hardly more than the last batch counts.
    pub norm_momentum: f64,
    /// Activation of the critics.
    pub activation: Activation,
    /// What the critics see of generated choices.
    pub outputs: Outputs,
    /// Zeros after the end.
    pub mask: Mask,
    /// Where the gradient penalty is taken.
    pub interpolation: Interpolation,
    /// Weight of the gradient penalty.
    pub penalty: f64,
    /// Weight of critic A in the generator's loss.
    pub attribute_weight: f64,
    /// Critic steps per generator step.
    pub critic_rounds: u32,
    /// Expected batch size, traces (at most the number of members).
    pub batch: u32,
    /// Samples that the generator makes for each step: of critics and of its own.
    pub fakes: u32,
    /// Epochs; in one, each critic round sees each trace once on average.
    pub epochs: u32,
    /// Epochs under DP where training starts from trained weights.
    pub finetune_epochs: u32,
    /// Learning rate of the three Adams.
    pub rate: f64,
    /// Does the learning rate fall to 0 in a straight line?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linear_decay: bool,
    /// L2 bound of one trace's gradient of both critics together, under DP.
    pub clip_norm: f64,
    /// Traces of all models together in one pass.
    pub microbatch: u32,
    /// Where training starts.
    pub start: StartOption,
    /// Digest (BLAKE3, hexadecimal) of the weights that `start = "public"` starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_base: Option<String>,
}

/// Keys of a table that make networks of its own.
const NETWORK: &[&str] =
    &["samples", "numbers", "word_width", "units", "layers", "noise", "lstm", "sample_len", "batch_norm"];

/// Attribute kinds, the attack's default first: D's score; the scores of D and A; the norms of D's
/// gradient with respect to its weights and to the sample.
pub(super) const ATTRIBUTE_KINDS: &[&str] = &["critic_score", "critic_scores", "critic_gradient_norm"];
/// Numbers of one sample behind each kind.
pub(super) const ATTRIBUTE_NUMBERS: [usize; 3] = [1, 2, 2];
/// Most evaluations of member and held-out loss in one training.
const EVALUATIONS_MAX: u32 = 10;
/// Decay rates of Adam's moments, as in the published code of NetShare.
pub(super) const BETAS: (f64, f64) = (0.5, 0.999);
/// Added to the root of Adam's second moment.
pub(super) const ADAM_EPS: f64 = 1e-8;

impl NetShareConfig {
    /// A preset: `small` trains in seconds on two cores, `paper` has the published sizes.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "small" => Ok(match shipped("netshare")? {
                Some(base) => {
                    let public_base = Some(base.digest().to_owned());
                    Self { start: StartOption::Public, public_base, ..Self::small() }
                }
                None => Self::small(),
            }),
            "paper" => Ok(Self::paper()),
            _ => Err(Error::user(format!("preset of `netshare` must be `small` or `paper`, found `{name}`"))),
        }
    }

    fn small() -> Self {
        Self {
            packets: 10,
            samples: Samples::Bidirectional,
            interarrival: Interarrival::Log1p,
            numbers: Numbers::Modes,
            gap_cap_us: 60_000_000,
            word_width: 10,
            units: 64,
            layers: 2,
            noise: 8,
            lstm: 32,
            sample_len: 5,
            batch_norm: true,
            norm_momentum: 0.05,
            activation: Activation::Relu,
            outputs: Outputs::StraightThrough,
            mask: Mask::Packet,
            interpolation: Interpolation::Uniform,
            penalty: 10.0,
            attribute_weight: 1.0,
            critic_rounds: 2,
            batch: 16,
            fakes: 64,
            epochs: 80,
            finetune_epochs: 3,
            rate: 3e-3,
            linear_decay: true,
            clip_norm: 1.0,
            microbatch: 512,
            start: StartOption::FromScratch,
            public_base: None,
        }
    }

    /// Published sizes and settings (NetShare, Yin et al. 2022, SIGCOMM), with the gradient penalty evaluated where
    /// WGAN-GP does (between real and generated samples).
    fn paper() -> Self {
        Self {
            units: 512,
            layers: 4,
            noise: 5,
            lstm: 100,
            sample_len: 10,
            numbers: Numbers::Linear,
            norm_momentum: 0.9,
            outputs: Outputs::Soft,
            critic_rounds: 5,
            batch: 100,
            fakes: 100,
            epochs: 40,
            finetune_epochs: 10,
            rate: 1e-4,
            linear_decay: false,
            microbatch: 100,
            ..Self::small()
        }
    }

    /// Packets of a sample in the networks: `packets` rounded up to whole LSTM steps.
    pub fn length(&self) -> i64 {
        i64::from(self.packets.div_ceil(self.sample_len) * self.sample_len)
    }

    /// LSTM steps of a sample.
    pub fn lstm_steps(&self) -> i64 {
        self.length() / i64::from(self.sample_len)
    }

    /// Cells of the attributes: two 32-bit addresses as bit pairs, three words, the start.
    pub fn attribute_width(&self) -> i64 {
        2 * 64 + 3 * self.word_width + 1
    }

    /// Cells of one packet. Linear: gap, length, tos, identification, flags (3), offset, ttl, the direction
    /// (2, bidirectional only), the generation flag (2). Modes: five places, the choices, direction and flag.
    pub fn feature_width(&self) -> i64 {
        feature_segments(self.samples, self.numbers).iter().map(|(width, _)| width).sum()
    }

    /// Cells of a sample: features of all packets, then attributes.
    pub fn width(&self) -> i64 {
        self.length() * self.feature_width() + self.attribute_width()
    }

    /// Parameters of generator, critic D and critic A.
    pub fn parameters_by_part(&self) -> [u64; 3] {
        let (units, hidden) = (self.units, self.layers - 1);
        let mlp = |input: i64, output: i64| {
            input * units + units + hidden * (units * units + units) + units * output + output
        };
        let norms = if self.batch_norm { self.layers * 2 * units } else { 0 };
        let attributes = mlp(self.noise, self.attribute_width()) + norms;
        let lstm = 4 * self.lstm * (self.attribute_width() + self.noise + self.lstm + 2);
        let heads = i64::from(self.sample_len) * self.feature_width() * (self.lstm + 1);
        let generator = attributes + lstm + heads;
        [generator, mlp(self.width(), 1), mlp(self.attribute_width(), 1)].map(|count| count as u64)
    }

    /// Epochs of a training in a regime.
    pub fn epochs_in(&self, regime: Regime) -> u32 {
        match (regime, self.start) {
            (Regime::None | Regime::Anonymised, _) | (_, StartOption::FromScratch) => self.epochs,
            _ => self.finetune_epochs,
        }
    }

    /// Steps and batches for a public number of members. A step is one round of both critics, each on
    /// a Poisson batch of its own; every `critic_rounds`-th is followed by a generator step.
    pub fn plan(&self, members: u32, regime: Regime) -> TrainPlan {
        let members = members.max(1);
        let batch = self.batch.min(members);
        let epochs = self.epochs_in(regime);
        TrainPlan {
            sampling_rate: f64::from(batch) / f64::from(members),
            expected_batch: f64::from(batch),
            steps: u64::from(epochs) * u64::from(members.div_ceil(batch)) * u64::from(self.critic_rounds),
            epochs,
            clip_norm: self.clip_norm,
            microbatch: self.microbatch,
            epochs_per_evaluation: epochs.div_ceil(EVALUATIONS_MAX).max(1),
            optimiser: OptimiserPlan::Adam { rate: self.rate, betas: BETAS, eps: ADAM_EPS, weight_decay: 0.0 },
            linear_decay: self.linear_decay,
            trainable: crate::train::Trainable::All,
            average: crate::train::Average::None,
        }
    }

    /// Floating-point operations of one model's training. A critic's step on one sample costs 20 per
    /// weight: forward and backward at three points, one tangent, four outer products.
    pub fn training_flops(&self, members: u32, regime: Regime) -> f64 {
        const CRITIC: f64 = 20.0;
        let plan = self.plan(members, regime);
        let [generator, d, a] = self.parameters_by_part().map(|count| count as f64);
        let fakes = f64::from(self.fakes);
        let samples = if self.samples == Samples::Directional { 2.0 } else { 1.0 };
        let critic_step = CRITIC * (d + a) * plan.expected_batch * samples + 2.0 * generator * fakes;
        let generator_step = (6.0 * generator + 4.0 * (d + a)) * fakes;
        plan.steps as f64 * (critic_step + generator_step / f64::from(self.critic_rounds))
    }

    /// Values a trace over all attribute kinds: directional samples are reduced to mean, least and largest
    /// of each number, and how many there are.
    pub fn attribute_values(&self) -> u64 {
        ATTRIBUTE_NUMBERS.iter().map(|&numbers| self.numbers_of(numbers) as u64).sum()
    }

    /// Values of an attribute kind with so many numbers of a sample.
    pub(super) fn numbers_of(&self, numbers: usize) -> usize {
        match self.samples {
            Samples::Bidirectional => numbers,
            Samples::Directional => 3 * numbers + 1,
        }
    }

    /// Do models of a regime start from the base that `public_base` names?
    pub fn starts_public(&self, regime: Regime) -> bool {
        self.start == StartOption::Public && regime != Regime::None
    }

    /// Canonical JSON, keys sorted, of what a model of a regime depends on.
    pub fn json(&self, regime: Regime) -> String {
        let mut of_regime = self.clone();
        if self.start == StartOption::Public && regime == Regime::None {
            (of_regime.start, of_regime.public_base) = (StartOption::FromScratch, None);
        }
        // A struct of plain numbers and names always serialises.
        serde_json::to_value(of_regime).unwrap_or_default().to_string()
    }

    /// This configuration with some keys changed, for traces of at most `packets` packets. Unknown keys
    /// and values of a wrong type are refused.
    pub fn with(&self, options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let mut config = with_options(self, options, packets)?;
        let named = options.contains_key("public_base");
        let own_network = config.length() != self.length() || NETWORK.iter().any(|key| options.contains_key(*key));
        if own_network && !named && !options.contains_key("start") && config.start == StartOption::Public {
            config.start = StartOption::FromScratch;
        }
        if config.start != StartOption::Public {
            if named {
                let message = "`public_base` names a base, and `start` is not `public`";
                return Err(Error::user(message).hint("drop one of the two keys"));
            }
            config.public_base = None;
        }
        config.check()?;
        Ok(config)
    }

    /// Is there a base to start from, and is the shipped one of these networks?
    fn check_base(&self) -> Result<()> {
        if self.start != StartOption::Public {
            return Ok(());
        }
        let digest = self.public_base.as_ref().ok_or_else(|| no_base("public_base"))?;
        let small = Self::small();
        let sizes = |config: &Self| {
            let numbers = [config.word_width, config.units, config.layers, config.noise, config.lstm, config.length()];
            (numbers, config.sample_len, config.samples, config.numbers, config.batch_norm)
        };
        check_named("netshare", "public_base", digest, sizes(self) == sizes(&small), "`start = \"from-scratch\"`")
    }

    fn check(&self) -> Result<()> {
        self.check_base()?;
        let positive = [
            ("packets", i64::from(self.packets)),
            ("gap_cap_us", i64::from(self.gap_cap_us)),
            ("word_width", self.word_width),
            ("units", self.units),
            ("layers", self.layers),
            ("noise", self.noise),
            ("lstm", self.lstm),
            ("sample_len", i64::from(self.sample_len)),
            ("critic_rounds", i64::from(self.critic_rounds)),
            ("batch", i64::from(self.batch)),
            ("epochs", i64::from(self.epochs)),
            ("finetune_epochs", i64::from(self.finetune_epochs)),
            ("microbatch", i64::from(self.microbatch)),
        ];
        require_counts(&positive)?;
        // Batch normalisation of one sample is zero, whatever the sample.
        if self.fakes < 2 {
            return Err(Error::user(format!("`fakes` must be at least 2, found `{}`", self.fakes)));
        }
        let finite = [
            ("rate", self.rate, 0.0),
            ("clip_norm", self.clip_norm, 0.0),
            ("penalty", self.penalty, -f64::MIN_POSITIVE),
            ("attribute_weight", self.attribute_weight, -f64::MIN_POSITIVE),
        ];
        if !(self.norm_momentum > 0.0 && self.norm_momentum <= 1.0) {
            let found = self.norm_momentum;
            return Err(Error::user(format!("`norm_momentum` must be above 0 and at most 1, found `{found}`")));
        }
        match finite.into_iter().find(|(_, value, low)| !(value.is_finite() && value > low)) {
            Some((key, value, low)) => {
                let least = if low < 0.0 { "at least 0" } else { "above 0" };
                Err(Error::user(format!("`{key}` must be {least} and finite, found `{value}`")))
            }
            None => Ok(()),
        }
    }
}
