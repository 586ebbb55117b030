//! The noise predictor: a U-Net over packets (rows) and words of their headers (columns).
//!
//! Its input and output maps have separate weights for each column. With weights shared over all columns, as for
//! images, a prototype of this size failed to generate even the version byte (3 % of sampled packets began with 0x45;
//! with separate weights 98 %; the two runs differed in batch size and learning rate as well). Down-sampling halves the
//! column axis only; self-attention and cross-attention to the caption act on the coarse levels. A small head sees each
//! latent cell by itself and removes the remaining noise.

use super::attention::{Adapted, Attention};
use super::config::{COLUMNS, NetDiffusionConfig};
use super::layers::{Builder, Conv, Linear, Norm, PerPlace, Residual, gather_columns, spread_columns, value};
use crate::nn::{Param, Params};
use tch::{Kind, Tensor};

/// Width of the sinusoids of the time step.
const SINUSOIDS: i64 = 32;

/// One level on the way down.
#[derive(Debug, Clone)]
struct Level {
    blocks: Vec<Residual>,
    /// To itself and to the caption, after each block; empty on fine levels.
    attention: Vec<[Attention; 2]>,
    /// To the next level.
    halve: Option<Conv>,
}

/// One level on the way up.
#[derive(Debug, Clone)]
struct Ascent {
    blocks: Vec<Residual>,
    /// To the level above, after doubling the columns.
    join: Option<Conv>,
}

/// The head that sees each latent cell by itself.
#[derive(Debug, Clone, Copy)]
struct CellHead {
    features: PerPlace,
    input: Linear,
    time: Linear,
    hidden: Linear,
    out: Linear,
}

/// Handles of the U-Net's weights.
#[derive(Debug, Clone)]
pub(super) struct Unet {
    patch: i64,
    stem: PerPlace,
    places: Param,
    control: PerPlace,
    time: [Linear; 2],
    down: Vec<Level>,
    middle: (Residual, [Attention; 2], Residual),
    up: Vec<Ascent>,
    norm: Norm,
    out: PerPlace,
    cell: CellHead,
}

impl Unet {
    pub(super) fn build(config: &NetDiffusionConfig, builder: &mut Builder<'_>) -> Self {
        let unet = &config.unet;
        let (channels, patch, time) = (config.autoencoder.channels, unet.patch, unet.time);
        let words = COLUMNS / patch;
        let first = unet.widths.first().copied().unwrap_or(1);
        let last = unet.widths.last().copied().unwrap_or(1);
        let mut attentions = 0..;
        let mut pair = |builder: &mut Builder<'_>, width: i64| {
            [None, Some(unet.context)]
                .map(|caption| Attention::build(builder, width, unet.heads, caption, attentions.next().unwrap_or(0)))
        };
        let mut down = Vec::new();
        for (level, &width) in unet.widths.iter().enumerate() {
            let name = format!("unet.down.{level}");
            let mut built = Level { blocks: Vec::new(), attention: Vec::new(), halve: None };
            for block in 0..unet.blocks {
                built.blocks.push(builder.residual(&format!("{name}.block.{block}"), width, width, time));
                if level >= unet.attention_from as usize {
                    built.attention.push(pair(builder, width));
                }
            }
            let next = unet.widths.get(level + 1);
            built.halve = next.map(|next| builder.conv(&format!("{name}.halve"), width, *next, true));
            down.push(built);
        }
        let middle = (
            builder.residual("unet.middle.block.0", last, last, time),
            pair(builder, last),
            builder.residual("unet.middle.block.1", last, last, time),
        );
        Self {
            patch,
            stem: builder.places("unet.stem.places", words, channels * patch, first),
            places: builder.tensor("unet.places.table", &[first, i64::from(config.rows), words]),
            control: builder.places("unet.control.places.zero", words, patch, first),
            time: [builder.linear("unet.time.0", SINUSOIDS, time), builder.linear("unet.time.1", time, time)],
            down,
            middle,
            up: build_ascent(config, builder),
            norm: builder.norm("unet.norm", first),
            out: builder.places("unet.out.places.zero", words, first, channels * patch),
            cell: CellHead {
                features: builder.places("unet.cell.places", words, first, unet.cell * patch),
                input: builder.linear("unet.cell.input", channels, unet.cell),
                time: builder.linear("unet.cell.time", time, unet.cell),
                hidden: builder.linear("unet.cell.hidden", unet.cell, unet.cell),
                out: builder.linear("unet.cell.out.zero", unet.cell, channels),
            },
        }
    }

    /// x `[n, c, rows, 136]` at steps `[n]` (f32), caption `[words, e]`: `[n, c, rows, 136]`. Traces of
    /// several models lie model by model on the first axis. `control` is an edge map `[n, 1, rows, 136]`, times
    /// its strength (Zhang et al. 2023: through a map that starts at zero, so that without it nothing changes).
    pub(super) fn forward(
        &self,
        params: &Params,
        x: &Tensor,
        steps: &Tensor,
        caption: &Tensor,
        control: Option<&Tensor>,
        lora: Option<&Adapted<'_, '_>>,
    ) -> Tensor {
        let time = self.time[1].forward(params, &self.time[0].forward(params, &sinusoids(steps)).silu()).silu();
        let attend = |hidden: Tensor, pair: &[Attention; 2]| {
            pair.iter().fold(hidden, |hidden, attention| attention.forward(params, &hidden, caption, lora))
        };
        let mut hidden = self.stem.forward(params, &gather_columns(x, self.patch)) + value(params, self.places);
        if let Some(control) = control {
            hidden += self.control.forward(params, &gather_columns(control, self.patch));
        }
        let mut skips = Vec::new();
        for level in &self.down {
            for (index, block) in level.blocks.iter().enumerate() {
                hidden = block.forward(params, &hidden, &time);
                if let Some(pair) = level.attention.get(index) {
                    hidden = attend(hidden, pair);
                }
                skips.push(hidden.shallow_clone());
            }
            if let Some(halve) = &level.halve {
                hidden = halve.forward(params, &hidden);
            }
        }
        let (before, pair, after) = &self.middle;
        hidden = after.forward(params, &attend(before.forward(params, &hidden, &time), pair), &time);
        for level in &self.up {
            for block in &level.blocks {
                let joined = match skips.pop() {
                    Some(skip) => Tensor::cat(&[&hidden, &skip], 1),
                    None => hidden,
                };
                hidden = block.forward(params, &joined, &time);
            }
            if let (Some(join), Some(skip)) = (&level.join, skips.last()) {
                let size = skip.size();
                hidden = join.forward(params, &hidden.upsample_nearest2d([size[2], size[3]], None, None));
            }
        }
        self.finish(params, x, &self.norm.forward(params, &hidden).silu(), &time, lora)
    }

    fn finish(
        &self,
        params: &Params,
        x: &Tensor,
        hidden: &Tensor,
        time: &Tensor,
        lora: Option<&Adapted<'_, '_>>,
    ) -> Tensor {
        let cell = &self.cell;
        let (mut coarse, mut features) = (self.out.forward(params, hidden), cell.features.forward(params, hidden));
        if let Some((lora, columns)) = lora.and_then(|lora| Some((lora, lora.columns?))) {
            let [of_out, of_cell] = columns.added(lora.tape, lora.scale, hidden);
            coarse += of_out;
            features += of_cell;
        }
        let (coarse, features) = (spread_columns(&coarse, self.patch), spread_columns(&features, self.patch));
        let shift = cell.time.forward(params, time).unsqueeze(-1).unsqueeze(-1);
        let first = (cell.input.over_channels(params, x) + features + shift).silu();
        let second = (&first + cell.hidden.over_channels(params, &first)).silu();
        coarse + cell.out.over_channels(params, &second)
    }
}

fn build_ascent(config: &NetDiffusionConfig, builder: &mut Builder<'_>) -> Vec<Ascent> {
    let unet = &config.unet;
    let mut up = Vec::new();
    for (level, &width) in unet.widths.iter().enumerate().rev() {
        let name = format!("unet.up.{level}");
        let blocks = (0..unet.blocks)
            .map(|block| builder.residual(&format!("{name}.block.{block}"), 2 * width, width, unet.time))
            .collect();
        let above = level.checked_sub(1).and_then(|above| unet.widths.get(above));
        let join = above.map(|above| builder.conv(&format!("{name}.join"), width, *above, false));
        up.push(Ascent { blocks, join });
    }
    up
}

/// Sines and cosines of the step at geometric frequencies from 1 to 1/10,000 (Vaswani et al. 2017).
fn sinusoids(steps: &Tensor) -> Tensor {
    let half = SINUSOIDS / 2;
    let exponent = Tensor::arange(half, (Kind::Float, steps.device())) * (-(1e4f64.ln()) / half as f64);
    let angles = steps.unsqueeze(1) * exponent.exp().unsqueeze(0);
    Tensor::cat(&[angles.cos(), angles.sin()], 1)
}
