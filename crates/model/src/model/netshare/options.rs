//! The choices that a configuration makes between what is published and what is ours.

use serde::{Deserialize, Serialize};

/// What one sample of the networks is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Samples {
    /// A whole trace, each packet with a direction bit.
    Bidirectional,
    /// Each 5-tuple of a trace for itself, as published; a trace's samples share one clip.
    Directional,
}

/// Scale of the gaps between packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interarrival {
    /// `log(1 + gap) / log(1 + cap)`.
    Log1p,
    /// `gap / cap`: min-max as published, with a public range.
    Minmax,
}

/// How gaps, lengths, identifications, TTLs and types of service become cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    /// One cell each, min-max as published.
    #[default]
    Linear,
    /// A choice among public ranges and the place within (Xu et al. 2019).
    Modes,
}

impl Numbers {
    /// As published, and as in models from before there was a choice: not written.
    pub(super) fn is_linear(&self) -> bool {
        *self == Self::Linear
    }
}

/// Where the gradient penalty is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Uniformly between real and generated sample (Gulrajani et al. 2017, algorithm 1).
    Uniform,
    /// At the generated sample: what the published code does.
    FakeOnly,
}

/// Which generated cells after the end of a trace are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// All of them.
    Packet,
    /// Those of later blocks of `sample_len` packets only, as published: inside the last block real
    /// and generated samples are told apart by their padding.
    Block,
}

/// What the critics see of a generated choice between several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outputs {
    /// Probabilities, as published; real samples hold zeros and ones only.
    Soft,
    /// Zeros and ones, with the gradient of the probabilities (Bengio et al. 2013).
    StraightThrough,
}

/// Activation of the critics' hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(z, 0)`.
    Relu,
    /// `z` above 0, `0.2 z` below.
    LeakyRelu,
    /// Hyperbolic tangent; its second derivative enters the penalty's gradient.
    Tanh,
}

/// Where a training starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartOption {
    /// Random weights.
    FromScratch,
    /// Under DP: the weights of the public base that `public_base` names; random ones without DP.
    Public,
    /// Weights trained without DP on the study's public traces.
    PublicPretrain,
    /// Under DP: the same split's model of regime `none`, as in the paper (section 3.5).
    Finetune,
}
