//! Cells to latents and back. The bit axis alone is reduced, three times by two with kernels as wide as
//! their stride: a latent cell sees exactly its own eight columns of one packet, and no bit depends on a
//! neighbour. So the code can be exact to the bit, which a picture's autoencoder cannot.

use super::config::{LatentCode, NetDiffusionConfig};
use super::image::one_hot;
use super::layers::{Builder, value};
use super::ternary;
use crate::nn::{Param, Params};
use tch::{Kind, Tensor};

/// A convolution with kernel and stride (1, 2), or its transpose.
#[derive(Debug, Clone, Copy)]
struct Halving {
    weight: Param,
    bias: Param,
}

/// Cells to latents and back, by a fixed code or a learned one.
#[derive(Debug, Clone)]
pub(super) enum Autoencoder {
    /// See [`super::ternary`].
    Ternary,
    /// Trained.
    Learned(Learned),
}

/// Handles of the autoencoder's weights.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    encoder: [Halving; 3],
    decoder: [Halving; 3],
    /// Mean and standard deviation of the training latents: taken off by `encode`, put back by `decode`.
    shift: Param,
    scale: Param,
}

/// Kinds of a cell.
const CLASSES: i64 = 3;

impl Autoencoder {
    pub(super) fn build(config: &NetDiffusionConfig, builder: &mut Builder<'_>) -> Self {
        match config.autoencoder.code {
            LatentCode::Ternary => Self::Ternary,
            LatentCode::Learned => Self::Learned(Learned::build(config, builder)),
        }
    }

    /// Latents of classes `[n, rows, 8 w]`: `[n, c, rows, w]`.
    pub(super) fn encode(&self, params: &Params, classes: &Tensor) -> Tensor {
        match self {
            Self::Ternary => ternary::encode(classes),
            Self::Learned(learned) => learned.encode(params, classes),
        }
    }

    /// Most likely classes of latents, `[n, rows, 8 w]` u8.
    pub(super) fn decode(&self, params: &Params, latents: &Tensor) -> Tensor {
        match self {
            Self::Ternary => ternary::decode(latents),
            Self::Learned(learned) => learned.decode(params, latents),
        }
    }
}

impl Learned {
    fn build(config: &NetDiffusionConfig, builder: &mut Builder<'_>) -> Self {
        let [first, second] = config.autoencoder.hidden;
        let channels = config.autoencoder.channels;
        let mut layer = |name: &str, shape: [i64; 2], to: i64| Halving {
            weight: builder.tensor(&format!("{name}.weight"), &[shape[0], shape[1], 1, 2]),
            bias: builder.tensor(&format!("{name}.bias"), &[to]),
        };
        let encoder = [
            layer("encoder.0", [first, CLASSES], first),
            layer("encoder.1", [second, first], second),
            layer("encoder.2", [channels, second], channels),
        ];
        let decoder = [
            layer("decoder.0", [channels, second], second),
            layer("decoder.1", [second, first], first),
            layer("decoder.2", [first, CLASSES], CLASSES),
        ];
        Self {
            encoder,
            decoder,
            shift: builder.buffer("latent.shift", &[1]),
            scale: builder.buffer("latent.scale", &[1]),
        }
    }

    /// Sets what latents are centred and scaled by.
    pub(super) fn set_statistics(&self, params: &mut Params, mean: f64, deviation: f64) {
        params.set(self.shift, &Tensor::from_slice(&[mean as f32]).view([1, 1]));
        params.set(self.scale, &Tensor::from_slice(&[deviation as f32]).view([1, 1]));
    }

    /// Codes in (-1, 1) of classes `[n, rows, 8 w]`: `[n, c, rows, w]`.
    pub(super) fn code(&self, params: &Params, classes: &Tensor) -> Tensor {
        let [first, second, third] = &self.encoder;
        let halve = |x: &Tensor, layer: &Halving| {
            let bias = value(params, layer.bias);
            x.conv2d(&value(params, layer.weight), Some(&bias), [1, 2], [0, 0], [1, 1], 1)
        };
        let hidden = halve(&halve(&one_hot(classes), first).silu(), second).silu();
        halve(&hidden, third).tanh()
    }

    /// Scores of the three classes for codes `[n, c, rows, w]`: `[n, 3, rows, 8 w]`.
    pub(super) fn scores(&self, params: &Params, codes: &Tensor) -> Tensor {
        let [first, second, third] = &self.decoder;
        let double = |x: &Tensor, layer: &Halving| {
            let bias = value(params, layer.bias);
            x.conv_transpose2d(&value(params, layer.weight), Some(&bias), [1, 2], [0, 0], [0, 0], 1, [1, 1])
        };
        double(&double(&double(codes, first).silu(), second).silu(), third)
    }

    /// Latents of mean 0 and variance 1 over the public traces.
    fn encode(&self, params: &Params, classes: &Tensor) -> Tensor {
        (self.code(params, classes) - value(params, self.shift)) / value(params, self.scale)
    }

    fn decode(&self, params: &Params, latents: &Tensor) -> Tensor {
        let codes = latents * value(params, self.scale) + value(params, self.shift);
        self.scores(params, &codes).argmax(1, false).to_kind(Kind::Uint8)
    }
}
