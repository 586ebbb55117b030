//! The generator: an MLP makes the attributes from noise, an LSTM the packets from attributes and
//! noise, `sample_len` packets a step. Everything is differentiable in the weights
//! that `values` hands out.

use super::config::NetShareConfig;
use super::options::{Mask, Outputs};
use super::segments::{Head, Segment, attribute_segments, feature_segments};
use crate::nn::Param;
use tch::{Kind, Tensor};

/// Added to the variance in batch normalisation.
const NORM_EPS: f64 = 1e-5;

/// One hidden layer of the attribute generator.
#[derive(Debug, Clone)]
pub(super) struct HiddenLayer {
    pub weight: Param,
    pub bias: Param,
    pub norm: Option<Norm>,
}

/// Batch normalisation: scale, shift, running mean and variance, each `[M, units]`.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub scale: Param,
    pub shift: Param,
    pub mean: Param,
    pub variance: Param,
}

/// Where the generator's weights are.
#[derive(Debug, Clone)]
pub(super) struct GeneratorParams {
    pub hidden: Vec<HiddenLayer>,
    pub head: (Param, Param),
    /// Input and hidden weights, input and hidden biases; gates input, forget, cell, output.
    pub lstm: [Param; 4],
    pub features: (Param, Param),
}

/// Noise of n samples of M models.
pub(super) struct Noise {
    /// `[M, n, noise]`.
    pub attributes: Tensor,
    /// `[M, n, steps, noise]`.
    pub features: Tensor,
    /// `[M, n, lstm]`, hidden and cell state at the start.
    pub states: [Tensor; 2],
}

/// Statistics that batch normalisation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistics {
    /// Of the samples at hand.
    Batch,
    /// The running ones.
    Running,
}

/// Generated samples.
pub(super) struct Samples {
    /// `[M, n, width]`: features of all packets, then attributes.
    pub cells: Tensor,
    /// New running mean and variance of each normalised layer; empty with running statistics.
    pub running: Vec<(Tensor, Tensor)>,
}

impl GeneratorParams {
    /// Makes samples. `values` gives a weight: the stored one, or a leaf whose gradient is wanted.
    pub fn samples(
        &self,
        config: &NetShareConfig,
        values: &dyn Fn(Param) -> Tensor,
        noise: &Noise,
        statistics: Statistics,
    ) -> Samples {
        let (attributes, running) = self.attributes(config, values, &noise.attributes, statistics);
        let features = self.features(config, values, noise, &hardened(&attributes, config).detach());
        let attributes = match config.outputs {
            Outputs::Soft => attributes,
            Outputs::StraightThrough => straight_through(&attributes, &attribute_segments(config.word_width)),
        };
        Samples { cells: Tensor::cat(&[features, attributes], 2), running }
    }

    fn attributes(
        &self,
        config: &NetShareConfig,
        values: &dyn Fn(Param) -> Tensor,
        noise: &Tensor,
        statistics: Statistics,
    ) -> (Tensor, Vec<(Tensor, Tensor)>) {
        let mut running = Vec::new();
        let mut x = noise.shallow_clone();
        for layer in &self.hidden {
            x = linear(&x, &values(layer.weight), &values(layer.bias)).relu();
            let Some(norm) = &layer.norm else { continue };
            let (mean, variance) = match statistics {
                Statistics::Running => (values(norm.mean).unsqueeze(1), values(norm.variance).unsqueeze(1)),
                Statistics::Batch => {
                    let mean = x.mean_dim([1].as_slice(), true, None);
                    let centred = &x - &mean;
                    let variance = (&centred * &centred).mean_dim([1].as_slice(), true, None);
                    let old = [values(norm.mean), values(norm.variance)];
                    running.push(moved(config.norm_momentum, old, [&mean, &variance], x.size()[1]));
                    (mean, variance)
                }
            };
            let normed = (x - mean) / (variance + NORM_EPS).sqrt();
            x = normed * values(norm.scale).unsqueeze(1) + values(norm.shift).unsqueeze(1);
        }
        let cells = linear(&x, &values(self.head.0), &values(self.head.1));
        (activated(&cells, &attribute_segments(config.word_width)), running)
    }

    /// Features of the packets, `[M, n, length * feature_width]`; zeros after the end of each trace.
    fn features(
        &self,
        config: &NetShareConfig,
        values: &dyn Fn(Param) -> Tensor,
        noise: &Noise,
        attributes: &Tensor,
    ) -> Tensor {
        let [input_weight, hidden_weight, input_bias, hidden_bias] = self.lstm.map(values);
        let (out_weight, out_bias) = (values(self.features.0), values(self.features.1));
        let [mut hidden, mut cell] = [noise.states[0].shallow_clone(), noise.states[1].shallow_clone()];
        let (models, n) = (hidden.size()[0], hidden.size()[1]);
        let mut blocks = Vec::new();
        for step in 0..config.lstm_steps() {
            let input = Tensor::cat(&[attributes.shallow_clone(), noise.features.select(2, step)], 2);
            let gates = linear(&input, &input_weight, &input_bias) + linear(&hidden, &hidden_weight, &hidden_bias);
            let gate = |index: i64| gates.narrow(2, index * config.lstm, config.lstm);
            cell = gate(1).sigmoid() * cell + gate(0).sigmoid() * gate(2).tanh();
            hidden = gate(3).sigmoid() * cell.tanh();
            blocks.push(linear(&hidden, &out_weight, &out_bias));
        }
        let shape = [models, n, config.length(), config.feature_width()];
        let segments = feature_segments(config.samples, config.numbers);
        let cells = activated(&Tensor::cat(&blocks, 2).view(shape), &segments);
        let kept = kept(config, &cells);
        let cells = match config.outputs {
            Outputs::Soft => cells,
            Outputs::StraightThrough => straight_through(&cells, &segments),
        };
        (cells * kept).flatten(2, 3)
    }
}

/// One where a packet's cells stay, `[M, n, length, 1]`: before it, all generation flags say
/// "continue".
fn kept(config: &NetShareConfig, cells: &Tensor) -> Tensor {
    let width = config.feature_width();
    let continues = cells.select(3, width - 2).detach().greater(0.5).to_kind(cells.kind());
    let block = match config.mask {
        Mask::Packet => 1,
        Mask::Block => i64::from(config.sample_len),
    };
    let size = continues.size();
    let by_block = continues.view([size[0], size[1], -1, block]).amin([3].as_slice(), false);
    let blocks = by_block.size()[2];
    let ones = by_block.narrow(2, 0, 1).ones_like();
    let before = Tensor::cat(&[ones, by_block.narrow(2, 0, blocks - 1)], 2).cumprod(2, None);
    before.unsqueeze(3).expand([size[0], size[1], blocks, block], false).reshape([size[0], size[1], -1, 1])
}

/// `x w^T + b`: x `[M, n, p]`, w `[M, q, p]`, b `[M, q]`.
fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    bias.unsqueeze(1).baddbmm(x, &weight.transpose(1, 2), 1.0, 1.0)
}

fn activated(cells: &Tensor, segments: &[Segment]) -> Tensor {
    by_segment(cells, segments, |part, head| match head {
        Head::Softmax(choices) => pieces(&part, choices).softmax(-1, None).view(&part.size()[..]),
        Head::Sigmoid => part.sigmoid(),
        Head::Tanh => part.tanh(),
    })
}

/// Choices as zeros and ones; other cells as they are.
fn hardened(cells: &Tensor, config: &NetShareConfig) -> Tensor {
    by_segment(cells, &attribute_segments(config.word_width), |part, head| match head {
        Head::Softmax(choices) => one_hot(&part, choices),
        Head::Sigmoid | Head::Tanh => part,
    })
}

/// The values of [`hardened`] with the gradient of the probabilities.
fn straight_through(cells: &Tensor, segments: &[Segment]) -> Tensor {
    by_segment(cells, segments, |part, head| match head {
        Head::Softmax(choices) => (one_hot(&part, choices) - &part).detach() + part,
        Head::Sigmoid | Head::Tanh => part,
    })
}

fn one_hot(part: &Tensor, choices: i64) -> Tensor {
    let choice = pieces(part, choices).argmax(-1, true);
    let ids = Tensor::arange(choices, (Kind::Int64, part.device()));
    choice.eq_tensor(&ids).to_kind(part.kind()).view(&part.size()[..])
}

/// `[..., n c]` to `[..., n, c]`.
fn pieces(part: &Tensor, choices: i64) -> Tensor {
    let mut shape = part.size();
    if let Some(last) = shape.last_mut() {
        *last /= choices;
    }
    shape.push(choices);
    part.contiguous().view(&shape[..])
}

fn by_segment(cells: &Tensor, segments: &[Segment], of: impl Fn(Tensor, Head) -> Tensor) -> Tensor {
    let mut from = 0;
    let parts: Vec<Tensor> = segments
        .iter()
        .map(|&(width, head)| {
            let part = cells.narrow(-1, from, width);
            from += width;
            of(part, head)
        })
        .collect();
    Tensor::cat(&parts, -1)
}

/// Running mean and (unbiased) variance after a batch of n.
fn moved(momentum: f64, [mean, variance]: [Tensor; 2], of_batch: [&Tensor; 2], n: i64) -> (Tensor, Tensor) {
    let unbiased = n as f64 / (n - 1).max(1) as f64;
    let step = |old: Tensor, new: Tensor| (old * (1.0 - momentum) + new * momentum).detach();
    (step(mean, of_batch[0].squeeze_dim(1)), step(variance, of_batch[1].squeeze_dim(1) * unbiased))
}
