//! Layers of the base: frozen for the adapters, so without a model axis. All models of a cohort share these
//! weights, and their traces lie side by side on one batch axis.

use super::config::NORM_GROUPS;
use crate::nn::{Param, Params};
use syntrace_base::base::Seed;
use tch::{Device, Kind, Tensor};

/// Adds the base's weights, of one model each.
pub(super) struct Builder<'a> {
    pub(super) params: &'a mut Params,
}

impl Builder<'_> {
    fn add(&mut self, name: &str, shape: &[i64]) -> Param {
        let full: Vec<i64> = std::iter::once(1).chain(shape.iter().copied()).collect();
        self.params.add(name, Tensor::zeros(&full[..], (Kind::Float, Device::Cpu)))
    }

    /// A free tensor.
    pub(super) fn tensor(&mut self, name: &str, shape: &[i64]) -> Param {
        self.add(name, shape)
    }

    /// Numbers that no training changes.
    pub(super) fn buffer(&mut self, name: &str, shape: &[i64]) -> Param {
        let full: Vec<i64> = std::iter::once(1).chain(shape.iter().copied()).collect();
        self.params.add_buffer(name, Tensor::zeros(&full[..], (Kind::Float, Device::Cpu)))
    }

    pub(super) fn linear(&mut self, name: &str, from: i64, to: i64) -> Linear {
        Linear { weight: self.add(&format!("{name}.weight"), &[to, from]), bias: Some(self.bias(name, to)) }
    }

    pub(super) fn linear_without_bias(&mut self, name: &str, from: i64, to: i64) -> Linear {
        Linear { weight: self.add(&format!("{name}.weight"), &[to, from]), bias: None }
    }

    fn bias(&mut self, name: &str, to: i64) -> Param {
        self.add(&format!("{name}.bias"), &[to])
    }

    /// A 3 x 3 convolution; `halving` the column axis or not.
    pub(super) fn conv(&mut self, name: &str, from: i64, to: i64, halving: bool) -> Conv {
        let weight = self.add(&format!("{name}.weight"), &[to, from, 3, 3]);
        Conv { weight, bias: self.bias(name, to), stride: [1, 1 + i64::from(halving)] }
    }

    pub(super) fn norm(&mut self, name: &str, width: i64) -> Norm {
        let weight = self.add(&format!("{name}.scale"), &[width]);
        Norm { weight, bias: self.bias(name, width) }
    }

    pub(super) fn places(&mut self, name: &str, places: i64, from: i64, to: i64) -> PerPlace {
        let weight = self.add(&format!("{name}.weight"), &[places, from, to]);
        PerPlace { weight, bias: self.add(&format!("{name}.bias"), &[places, 1, to]) }
    }

    pub(super) fn residual(&mut self, name: &str, from: i64, to: i64, time: i64) -> Residual {
        Residual {
            norm1: self.norm(&format!("{name}.norm1"), from),
            conv1: self.conv(&format!("{name}.conv1"), from, to, false),
            time: self.linear(&format!("{name}.time"), time, to),
            norm2: self.norm(&format!("{name}.norm2"), to),
            conv2: self.conv(&format!("{name}.conv2.zero"), to, to, false),
            skip: (from != to).then(|| self.linear(&format!("{name}.skip"), from, to)),
        }
    }
}

/// Fills the weights by their names: norms' scales with ones, biases and everything called `zero` with
/// zeros (each residual branch then starts as nothing), tables with N(0, 0.01), the rest with normals of
/// variance 1 / (3 x inputs), or 1 / inputs where each place has separate weights.
pub(super) fn initialise(params: &mut Params, seed: &Seed) {
    for param in params.handles() {
        let name = params.name(param).to_owned();
        let size = params.get(param).size();
        let count: i64 = size.iter().product();
        let normal = |deviation: f64| crate::train::standard_normal(&seed.named(&name), 0, count) * deviation;
        let value = if name.ends_with(".scale") {
            Tensor::ones([count], (Kind::Float, Device::Cpu))
        } else if name.ends_with(".bias") || name.contains(".zero") || !params.trainable(param) {
            continue;
        } else if name.ends_with(".table") {
            normal(0.1)
        } else if name.contains(".places") {
            normal((1.0 / size[2] as f64).sqrt())
        } else {
            let inputs: i64 = size.iter().skip(2).product();
            normal((1.0 / (3.0 * inputs as f64)).sqrt())
        };
        params.set(param, &value.view(&size[..]));
    }
}

/// `y = x w^T + b` over the last axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    pub(super) fn forward(&self, params: &Params, x: &Tensor) -> Tensor {
        let bias = self.bias.map(|bias| value(params, bias));
        x.linear(&value(params, self.weight), bias)
    }

    /// As a 1 x 1 convolution over `[n, c, h, w]`.
    pub(super) fn over_channels(&self, params: &Params, x: &Tensor) -> Tensor {
        let weight = value(params, self.weight).unsqueeze(-1).unsqueeze(-1);
        let bias = self.bias.map(|bias| value(params, bias));
        x.conv2d(&weight, bias, [1, 1], [0, 0], [1, 1], 1)
    }
}

/// A 3 x 3 convolution over rows and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    weight: Param,
    bias: Param,
    stride: [i64; 2],
}

impl Conv {
    pub(super) fn forward(&self, params: &Params, x: &Tensor) -> Tensor {
        let bias = value(params, self.bias);
        x.conv2d(&value(params, self.weight), Some(&bias), self.stride, [1, 1], [1, 1], 1)
    }
}

/// Group normalisation of `[n, c, ...]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    weight: Param,
    bias: Param,
}

impl Norm {
    pub(super) fn forward(&self, params: &Params, x: &Tensor) -> Tensor {
        let (weight, bias) = (value(params, self.weight), value(params, self.bias));
        x.group_norm(NORM_GROUPS, Some(&weight), Some(&bias), 1e-5, false)
    }
}

/// A linear map with separate weights for each column: a header field lies at a fixed place and nowhere
/// else, so that what one place learns need not be unlearned at another.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerPlace {
    weight: Param,
    bias: Param,
}

impl PerPlace {
    /// `[n, p, rows, places]` to `[n, q, rows, places]`.
    pub(super) fn forward(&self, params: &Params, x: &Tensor) -> Tensor {
        let size = x.size();
        let (traces, rows, places) = (size[0], size[2], size[3]);
        let flat = x.permute([3, 0, 2, 1]).reshape([places, traces * rows, size[1]]);
        let y = value(params, self.bias).baddbmm(&flat, &value(params, self.weight), 1.0, 1.0);
        y.view([places, traces, rows, -1]).permute([1, 3, 2, 0])
    }
}

/// Two convolutions around a shift by the time embedding (Ho et al. 2020, appendix B).
#[derive(Debug, Clone, Copy)]
pub(super) struct Residual {
    norm1: Norm,
    conv1: Conv,
    time: Linear,
    norm2: Norm,
    conv2: Conv,
    skip: Option<Linear>,
}

impl Residual {
    /// x `[n, c, rows, columns]`, time `[n, t]` (after its nonlinearity).
    pub(super) fn forward(&self, params: &Params, x: &Tensor, time: &Tensor) -> Tensor {
        let shift = self.time.forward(params, time).unsqueeze(-1).unsqueeze(-1);
        let hidden = self.conv1.forward(params, &self.norm1.forward(params, x).silu()) + shift;
        let branch = self.conv2.forward(params, &self.norm2.forward(params, &hidden).silu());
        match self.skip {
            Some(skip) => skip.over_channels(params, x) + branch,
            None => x + branch,
        }
    }
}

/// A base weight without its model axis.
pub(super) fn value(params: &Params, param: Param) -> Tensor {
    params.get(param).get(0)
}

/// Puts `patch` neighbouring columns into the channels: `[n, c, r, w]` to `[n, c patch, r, w / patch]`.
pub(super) fn gather_columns(x: &Tensor, patch: i64) -> Tensor {
    let size = x.size();
    let split = x.reshape([size[0], size[1], size[2], size[3] / patch, patch]);
    split.permute([0, 1, 4, 2, 3]).reshape([size[0], size[1] * patch, size[2], size[3] / patch])
}

/// The inverse of [`gather_columns`].
pub(super) fn spread_columns(x: &Tensor, patch: i64) -> Tensor {
    let size = x.size();
    let split = x.reshape([size[0], size[1] / patch, patch, size[2], size[3]]);
    split.permute([0, 1, 3, 4, 2]).reshape([size[0], size[1] / patch, size[2], size[3] * patch])
}
