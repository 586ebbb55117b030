//! The attack network in libtorch: parameters and forward pass.
//!
//! All parameters lie in one flat tensor and the layers see views of it, so that a step of Adam is a
//! handful of passes over one array. Initial weights and batch order come from explicit seeds: libtorch's
//! global generator is never used.

use super::shuffle::uniform;
use crate::adam::Adam;
use syntrace_base::base::{Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use tch::{Kind, Reduction, Tensor};

/// Momentum and epsilon of batch normalisation: torch's defaults.
const NORM_MOMENTUM: f64 = 0.1;
const NORM_EPSILON: f64 = 1e-5;

/// Names of the parameters in the order in which they lie in memory (torch's module names).
const PARAMETERS: [&str; 10] = [
    "fc1.weight",
    "fc1.bias",
    "bn1.weight",
    "bn1.bias",
    "fc2.weight",
    "fc2.bias",
    "bn2.weight",
    "bn2.bias",
    "out.weight",
    "out.bias",
];

/// Names of the running statistics.
const BUFFERS: [&str; 4] = ["bn1.running_mean", "bn1.running_var", "bn2.running_mean", "bn2.running_var"];

/// Converts a libtorch error.
pub(super) fn torch(error: tch::TchError) -> Error {
    Error::internal(format!("libtorch failed in the attack network: {error}"))
}

/// Linear(d, h), BatchNorm, ReLU, Linear(h, h), BatchNorm, ReLU, Linear(h, 1).
pub struct MlpNetwork {
    flat: Tensor,
    parameters: [Tensor; 10],
    buffers: [Tensor; 4],
}

impl MlpNetwork {
    /// A network for inputs of `width` numbers with torch's default initialisation (uniform within
    /// 1 / sqrt(fan in) for weights and biases of linear layers, ones and zeros for the norms), drawn
    /// from `seed`.
    pub fn new(width: usize, hidden: usize, kind: Kind, seed: Seed) -> Result<Self> {
        let mut rng = seed.rng();
        let mut values = linear(width, hidden, &mut rng);
        values.extend(norm(hidden));
        values.extend(linear(hidden, hidden, &mut rng));
        values.extend(norm(hidden));
        values.extend(linear(hidden, 1, &mut rng));
        Self::build(&values, width as i64, hidden as i64, kind).map_err(torch)
    }

    fn build(values: &[f64], width: i64, hidden: i64, kind: Kind) -> std::result::Result<Self, tch::TchError> {
        let flat = Tensor::f_from_slice(values)?.f_to_kind(kind)?;
        let mut start = 0;
        let mut view = |shape: &[i64]| {
            let length = shape.iter().product();
            let part = flat.f_narrow(0, start, length)?.f_view(shape)?.f_detach()?;
            start += length;
            part.f_set_requires_grad(true)
        };
        let parameters = [
            view(&[hidden, width])?,
            view(&[hidden])?,
            view(&[hidden])?,
            view(&[hidden])?,
            view(&[hidden, hidden])?,
            view(&[hidden])?,
            view(&[hidden])?,
            view(&[hidden])?,
            view(&[1, hidden])?,
            view(&[1])?,
        ];
        let options = (kind, tch::Device::Cpu);
        let zeros = || Tensor::f_zeros([hidden], options);
        let ones = || Tensor::f_ones([hidden], options);
        let buffers = [zeros()?, ones()?, zeros()?, ones()?];
        Ok(Self { flat, parameters, buffers })
    }

    /// Parameters and running statistics with their names; shares memory with the network.
    pub fn state(&self) -> Vec<(&'static str, Tensor)> {
        let parameters = PARAMETERS.into_iter().zip(self.parameters.iter().map(Tensor::detach));
        parameters.chain(BUFFERS.into_iter().zip(self.buffers.iter().map(Tensor::shallow_clone))).collect()
    }

    /// Overwrites one parameter or running statistic; the shape must fit.
    pub fn set(&mut self, name: &str, value: &Tensor) -> Result<()> {
        let state = self.state();
        let Some((_, slot)) = state.into_iter().find(|(known, _)| *known == name) else {
            return Err(Error::internal(format!("expected a tensor of the attack network, found `{name}`")));
        };
        if slot.size() != value.size() {
            return Err(Error::internal(format!(
                "expected shape `{:?}` for `{name}`, found `{:?}`",
                slot.size(),
                value.size()
            )));
        }
        let mut slot = slot;
        slot.f_copy_(value).map_err(torch)
    }

    /// Logits `[B]` of inputs `[B, d]`; positive = member. In training the norms use the batch's
    /// statistics (B at least 2) and update the running ones.
    pub fn logits(&self, input: &Tensor, training: bool) -> Result<Tensor> {
        self.forward(input, training).map_err(torch)
    }

    fn forward(&self, input: &Tensor, training: bool) -> std::result::Result<Tensor, tch::TchError> {
        let [w1, b1, g1, o1, w2, b2, g2, o2, w3, b3] = &self.parameters;
        let [mean1, var1, mean2, var2] = &self.buffers;
        let norm = |x: Tensor, gain, offset, mean, variance| {
            let (gain, offset, mean, variance) = (Some(gain), Some(offset), Some(mean), Some(variance));
            x.f_batch_norm::<&Tensor>(gain, offset, mean, variance, training, NORM_MOMENTUM, NORM_EPSILON, false)
        };
        // [B, d] -> [B, h] -> [B, h] -> [B]
        let first = norm(input.f_linear(w1, Some(b1))?, g1, o1, mean1, var1)?.f_relu()?;
        let second = norm(first.f_linear(w2, Some(b2))?, g2, o2, mean2, var2)?.f_relu()?;
        second.f_linear(w3, Some(b3))?.f_squeeze_dim(1)
    }

    /// Mean binary cross-entropy of logits `[B]` against labels `[B]` of 0 and 1.
    pub fn loss(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let none: Option<&Tensor> = None;
        logits.f_binary_cross_entropy_with_logits(labels, none, none, Reduction::Mean).map_err(torch)
    }

    /// One step on a batch of inputs `[B, d]` and labels `[B]`; the loss before the step.
    pub fn step(&mut self, optimiser: &mut Adam, input: &Tensor, labels: &Tensor) -> Result<f64> {
        let loss = Self::loss(&self.logits(input, true)?, labels)?;
        let gradients = Tensor::f_run_backward(&[&loss], &self.parameters, false, false).map_err(torch)?;
        let gradient: Vec<Tensor> =
            gradients.iter().map(|part| part.f_reshape([-1])).collect::<std::result::Result<_, _>>().map_err(torch)?;
        let gradient = Tensor::f_cat(&gradient, 0).map_err(torch)?;
        let step = || self.flat.f_sub_(&optimiser.change(&self.flat, &gradient)?).map(drop);
        tch::no_grad(step).map_err(torch)?;
        loss.f_double_value(&[]).map_err(torch)
    }

    /// A copy of the weights and running statistics, for [`MlpNetwork::restore`].
    pub(super) fn snapshot(&self) -> Result<Vec<Tensor>> {
        std::iter::once(&self.flat)
            .chain(&self.buffers)
            .map(|tensor| tensor.f_detach_copy())
            .collect::<std::result::Result<_, _>>()
            .map_err(torch)
    }

    /// Goes back to a snapshot of this network.
    pub(super) fn restore(&mut self, snapshot: &[Tensor]) -> Result<()> {
        let own = std::iter::once(&mut self.flat).chain(&mut self.buffers);
        tch::no_grad(|| own.zip(snapshot).try_for_each(|(own, saved)| own.f_copy_(saved))).map_err(torch)
    }
}

fn linear(inputs: usize, outputs: usize, rng: &mut StreamRng) -> Vec<f64> {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    (0..inputs * outputs + outputs).map(|_| uniform(bound, rng)).collect()
}

fn norm(width: usize) -> impl Iterator<Item = f64> {
    std::iter::repeat_n(1.0, width).chain(std::iter::repeat_n(0.0, width))
}
