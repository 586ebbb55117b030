//! Critics: multilayer perceptrons with one score, and the per-trace gradient of their WGAN-GP loss in
//! closed form, without a second backward pass.
//!
//! Of one sample the loss is `D(fake) - D(real) + lambda (s - 1)^2`, `s = sqrt(|u|^2 + eps)`,
//! `u = dD/dx` at the interpolated point x. Write z for pre-activations, a for layer inputs,
//! b = dD/dz. The penalty's gradient is that of the directional derivative of D along
//! `v = 2 lambda (s - 1) / s u` with v held: with tangents `f = v` at layer 1 and
//! `f' = act'(z) (W f)` behind each layer, layer k gets `b f^T`. For piecewise linear activations that
//! is all; in general the tangent also moves act', which sends
//! `h = act''(z) (W f) (W_next^T b_next) + act'(z) (W_next^T h_next)` back: layer k gets `h a^T` and
//! its bias h. So a weight's gradient is a sum of three (four) outer products a sample.

use super::options::Activation;
use crate::nn::{Param, Params, Part, PerTrace};
use tch::Tensor;

/// Added under the square root of the gradient penalty's norm (as in the published code of NetShare).
pub const PENALTY_EPS: f64 = 1e-8;

/// One critic: where its weights are.
#[derive(Debug, Clone)]
pub struct Critic {
    /// Weight `[M, q, p]` and bias `[M, q]` of each layer; the last has q = 1.
    pub layers: Vec<(Param, Param)>,
    /// Of all layers but the last.
    pub activation: Activation,
}

/// Inputs of the loss of one batch: samples `[M, B, S, X]`.
#[derive(Debug)]
pub struct CriticBatch<'a> {
    /// Real samples.
    pub real: &'a Tensor,
    /// Generated samples.
    pub fake: &'a Tensor,
    /// Points of the penalty.
    pub between: &'a Tensor,
    /// Weight of each sample in its trace's loss, `[M, B, S]`; 0 for padding.
    pub weights: &'a Tensor,
    /// Weight lambda of the penalty.
    pub penalty: f64,
    /// Added under the root.
    pub eps: f64,
}

/// Losses of a batch, `[M, B]` each, and what went into them.
#[derive(Debug)]
pub struct CriticLoss {
    /// `D(fake) - D(real)`.
    pub distance: Tensor,
    /// `(s - 1)^2`, without lambda.
    pub penalty: Tensor,
}

/// The weights of one layer, taken from the models of a batch.
struct Layer {
    weight: Tensor,
    bias: Tensor,
}

/// Inputs a and pre-activations z of all layers, `[M, n, ...]`.
struct Pass {
    inputs: Vec<Tensor>,
    hidden: Vec<Tensor>,
}

impl Critic {
    /// Scores `[M, n]` of samples `[M, n, X]` by some models (all where `None`); differentiable in the
    /// samples.
    pub fn scores(&self, params: &Params, models: Option<&[usize]>, samples: &Tensor) -> Tensor {
        self.pass(&self.taken(params, models), samples).hidden.last().map_or_else(Tensor::new, |z| z.squeeze_dim(2))
    }

    /// Loss and per-trace gradient parts of a batch whose rows belong to `models` (all where `None`);
    /// the parts are pushed into `gradients`. Call without autograd.
    pub fn gradients(
        &self,
        params: &Params,
        models: Option<&[usize]>,
        batch: &CriticBatch<'_>,
        gradients: &mut PerTrace,
    ) -> CriticLoss {
        let layers = self.taken(params, models);
        let size = batch.real.size();
        let shape = [size[0], size[1], size[2]];
        let flat = |x: &Tensor| x.reshape([size[0], size[1] * size[2], size[3]]);
        let rows = size[1] * size[2];
        // One pass for the three points: fake, real, between.
        let pass = self.pass(&layers, &Tensor::cat(&[flat(batch.fake), flat(batch.real), flat(batch.between)], 1));
        let (slopes, input_gradient) = self.slopes(&layers, &pass);
        let u = input_gradient.narrow(1, 2 * rows, rows);
        let squares = (&u * &u).sum_dim_intlist([2].as_slice(), true, None);
        let s = (squares + batch.eps).sqrt();
        // At u = 0 without eps the penalty has no direction: 0 / 0 becomes 0.
        let gain = ((&s - 1.0) / &s * (2.0 * batch.penalty)).nan_to_num(0.0, 0.0, 0.0);
        let direction = &u * gain;
        let tangents = self.tangents(&layers, &pass, &direction, rows);
        let bent = self.bent(&layers, &pass, &slopes, &tangents, rows);
        let weights = batch.weights.reshape([size[0], rows, 1]);
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            let part = |x: &Tensor, point: i64| x.narrow(1, point * rows, rows);
            let slope = &slopes[index];
            let mut lefts =
                vec![part(slope, 0) * &weights, part(slope, 1) * &weights * -1.0, part(slope, 2) * &weights];
            let input = &pass.inputs[index];
            let mut rights = vec![part(input, 0), part(input, 1), tangents[index].input.shallow_clone()];
            let mut of_bias = &lefts[0] + &lefts[1];
            if let Some(bent) = &bent {
                let bent = &bent[index] * &weights;
                of_bias += &bent;
                lefts.push(bent);
                rights.push(part(input, 2));
            }
            gradients.push(*weight, outer(&lefts, &rights, shape));
            let q = of_bias.size()[2];
            let of_bias = of_bias.view([size[0], size[1], size[2], q]).sum_dim_intlist([2].as_slice(), false, None);
            gradients.push(*bias, Part::Direct(of_bias));
        }
        let scores = pass.hidden.last().map_or_else(Tensor::new, |z| z.squeeze_dim(2));
        let per_trace = |x: Tensor| (x.view(&shape[..]) * batch.weights).sum_dim_intlist([2].as_slice(), false, None);
        let distance = per_trace(scores.narrow(1, 0, rows) - scores.narrow(1, rows, rows));
        let excess = (s - 1.0).squeeze_dim(2);
        CriticLoss { distance, penalty: per_trace(&excess * &excess) }
    }

    /// Norms of the gradient of D at samples `[M, n, X]`: with respect to all weights, and to the
    /// sample; `[M, n]` each.
    pub fn gradient_norms(&self, params: &Params, samples: &Tensor) -> (Tensor, Tensor) {
        let layers = self.taken(params, None);
        let pass = self.pass(&layers, samples);
        let (slopes, input_gradient) = self.slopes(&layers, &pass);
        let squares = |x: &Tensor| (x * x).sum_dim_intlist([2].as_slice(), false, None);
        let mut total = Tensor::zeros([samples.size()[0], samples.size()[1]], (samples.kind(), samples.device()));
        for (slope, input) in slopes.iter().zip(&pass.inputs) {
            // The gradient is one outer product, and the slope itself for the bias.
            total += squares(slope) * (squares(input) + 1.0);
        }
        (total.sqrt(), squares(&input_gradient).sqrt())
    }

    fn taken(&self, params: &Params, models: Option<&[usize]>) -> Vec<Layer> {
        let index = models.map(|models| {
            let index: Vec<i64> = models.iter().map(|&model| model as i64).collect();
            Tensor::from_slice(&index).to_device(params.device())
        });
        let take = |param: Param| match &index {
            Some(index) => params.get(param).index_select(0, index),
            None => params.get(param).shallow_clone(),
        };
        self.layers.iter().map(|(weight, bias)| Layer { weight: take(*weight), bias: take(*bias) }).collect()
    }

    fn pass(&self, layers: &[Layer], samples: &Tensor) -> Pass {
        let mut pass = Pass { inputs: Vec::new(), hidden: Vec::new() };
        let mut input = samples.shallow_clone();
        for (index, layer) in layers.iter().enumerate() {
            let hidden = layer.bias.unsqueeze(1).baddbmm(&input, &layer.weight.transpose(1, 2), 1.0, 1.0);
            pass.inputs.push(input);
            input = if index + 1 < layers.len() { self.activate(&hidden) } else { hidden.shallow_clone() };
            pass.hidden.push(hidden);
        }
        pass
    }

    /// `dD/dz` of each layer and `dD/dx`.
    fn slopes(&self, layers: &[Layer], pass: &Pass) -> (Vec<Tensor>, Tensor) {
        let mut slope = pass.hidden.last().map_or_else(Tensor::new, Tensor::ones_like);
        let mut slopes = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate().rev() {
            let below = slope.bmm(&layer.weight);
            slopes.push(slope);
            slope = match index.checked_sub(1) {
                Some(lower) => below * self.first_derivative(&pass.hidden[lower]),
                None => below,
            };
        }
        slopes.reverse();
        (slopes, slope)
    }

    /// Tangents along `direction [M, rows, X]` at the third point.
    fn tangents(&self, layers: &[Layer], pass: &Pass, direction: &Tensor, rows: i64) -> Vec<Tangent> {
        let mut input = direction.shallow_clone();
        let mut tangents = Vec::with_capacity(layers.len());
        for (layer, hidden) in layers.iter().zip(&pass.hidden) {
            let output = input.bmm(&layer.weight.transpose(1, 2));
            let next = &output * self.first_derivative(&hidden.narrow(1, 2 * rows, rows));
            tangents.push(Tangent { input, output });
            input = next;
        }
        tangents
    }

    /// h of each layer at the third point; `None` for piecewise linear activations.
    fn bent(
        &self,
        layers: &[Layer],
        pass: &Pass,
        slopes: &[Tensor],
        tangents: &[Tangent],
        rows: i64,
    ) -> Option<Vec<Tensor>> {
        if self.activation != Activation::Tanh {
            return None;
        }
        let last = layers.len() - 1;
        let third = |x: &Tensor| x.narrow(1, 2 * rows, rows);
        let mut bent = vec![third(&slopes[last]).zeros_like()];
        for index in (0..last).rev() {
            let above = &layers[index + 1].weight;
            let hidden = third(&pass.hidden[index]);
            let bend = second_derivative(&hidden) * &tangents[index].output * third(&slopes[index + 1]).bmm(above);
            let passed = bent.last().map_or_else(|| bend.zeros_like(), |next| next.bmm(above));
            bent.push(bend + self.first_derivative(&hidden) * passed);
        }
        bent.reverse();
        Some(bent)
    }

    fn activate(&self, z: &Tensor) -> Tensor {
        match self.activation {
            Activation::Relu => z.relu(),
            Activation::LeakyRelu => z.maximum(&(z * LEAK)),
            Activation::Tanh => z.tanh(),
        }
    }

    fn first_derivative(&self, z: &Tensor) -> Tensor {
        match self.activation {
            Activation::Relu => z.greater(0.0).to_kind(z.kind()),
            Activation::LeakyRelu => z.greater(0.0).to_kind(z.kind()) * (1.0 - LEAK) + LEAK,
            Activation::Tanh => {
                let value = z.tanh();
                (&value * &value).neg() + 1.0
            }
        }
    }
}

/// Slope of the leaky ReLU below 0.
const LEAK: f64 = 0.2;

/// The tangent that enters a layer, and its product with the weight.
struct Tangent {
    input: Tensor,
    output: Tensor,
}

/// Second derivative of the hyperbolic tangent.
fn second_derivative(z: &Tensor) -> Tensor {
    let value = z.tanh();
    ((&value * &value).neg() + 1.0) * value * -2.0
}

/// Outer products of rows `[M, B S, .]` as one part: positions are terms and samples.
fn outer(lefts: &[Tensor], rights: &[Tensor], [models, traces, samples]: [i64; 3]) -> Part {
    let positions = |terms: &[Tensor]| {
        let by_trace = |term: &Tensor| term.reshape([models, traces, samples, -1]);
        Tensor::cat(&terms.iter().map(by_trace).collect::<Vec<_>>(), 2).unsqueeze(2)
    };
    Part::Outer { left: positions(lefts), right: positions(rights) }
}
