//! N-BEATS in its generic form (Oreshkin et al. 2020, section 3), as Darts' `NBEATSModel` builds it, for
//! M models of one shape in lockstep.
//!
//! A block is a stack of linear layers with ReLU, then two heads: theta = a linear layer to a few
//! coefficients, and a linear layer from these to the block's backcast and forecast, all with biases. A
//! block sees what the blocks before it have not explained (input minus their backcasts); the forecasts
//! add up. All parameters lie in one tensor `[M, P]` and the layers see views of it, so that a step of
//! Adam is a handful of passes over one array.

use super::next_length::WINDOW;
use rand::RngExt;
use syntrace_base::base::{Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use tch::{Device, Kind, Tensor};

/// Sizes of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NbeatsShape {
    /// Stacks.
    pub stacks: usize,
    /// Blocks of a stack; none share weights.
    pub blocks: usize,
    /// Linear layers of a block.
    pub layers: usize,
    /// Width of these layers.
    pub width: usize,
    /// Coefficients of a block's backcast and forecast (Darts: `expansion_coefficient_dim`).
    pub coefficients: usize,
    /// Values predicted at once.
    pub horizon: usize,
}

impl NbeatsShape {
    /// Darts' defaults: 30 stacks of one block, 4 layers of 256, 5 coefficients; 6,084,840 parameters for
    /// one value ahead.
    pub fn standard() -> Self {
        Self { stacks: 30, blocks: 1, layers: 4, width: 256, coefficients: 5, horizon: 1 }
    }

    /// 4 stacks of width 32: 15,000 parameters.
    pub fn small() -> Self {
        Self { stacks: 4, width: 32, ..Self::standard() }
    }

    /// Parameters of one model.
    pub fn parameters(&self) -> usize {
        self.layout().iter().map(|linear| linear.len()).sum()
    }

    /// The linear layers in the order in which they lie in memory.
    fn layout(&self) -> Vec<Linear> {
        let mut layers = Vec::new();
        for stack in 0..self.stacks {
            for block in 0..self.blocks {
                let mut add = |part: String, inputs, outputs| {
                    layers.push(Linear { name: format!("stacks.{stack}.blocks.{block}.{part}"), inputs, outputs });
                };
                for layer in 0..self.layers {
                    add(format!("fc_stack.{layer}"), if layer == 0 { WINDOW } else { self.width }, self.width);
                }
                add("backcast_linear_layer".to_owned(), self.width, self.coefficients);
                add("forecast_linear_layer".to_owned(), self.width, self.coefficients);
                add("backcast_g".to_owned(), self.coefficients, WINDOW);
                add("forecast_g".to_owned(), self.coefficients, self.horizon);
            }
        }
        layers
    }
}

/// What a forecaster minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Squared errors.
    Squared,
    /// Absolute errors.
    Absolute,
}

impl Loss {
    /// The loss of an error.
    pub(super) fn of(self, error: f64) -> f64 {
        match self {
            Self::Squared => error * error,
            Self::Absolute => error.abs(),
        }
    }
}

/// Name and sizes of one linear layer.
struct Linear {
    name: String,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    fn len(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }
}

/// Converts a libtorch error.
pub(super) fn torch(error: tch::TchError) -> Error {
    Error::internal(format!("libtorch failed in N-BEATS: {error}"))
}

type Torch<T> = std::result::Result<T, tch::TchError>;

/// The networks of M models.
pub struct Nbeats {
    shape: NbeatsShape,
    models: i64,
    names: Vec<String>,
    /// `[M, P]`.
    pub(super) flat: Tensor,
    /// Weight `[M, outputs, inputs]` and bias `[M, 1, outputs]` of each layer: views of `flat`.
    layers: Vec<(Tensor, Tensor)>,
}

impl Nbeats {
    /// One model per seed, with torch's default initialisation of linear layers (uniform within
    /// 1 / sqrt(inputs) for weights and biases).
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn new(shape: NbeatsShape, seeds: &[Seed], kind: Kind) -> Result<Self> {
        let layout = shape.layout();
        let mut values = Vec::with_capacity(seeds.len() * shape.parameters());
        for seed in seeds {
            let mut rng = seed.rng();
            for linear in &layout {
                values.extend(initial(linear, &mut rng));
            }
        }
        Self::build(shape, &layout, seeds.len() as i64, &values, kind).map_err(torch)
    }

    fn build(shape: NbeatsShape, layout: &[Linear], models: i64, values: &[f32], kind: Kind) -> Torch<Self> {
        let flat = Tensor::f_from_slice(values)?.f_to_kind(kind)?.f_view([models, -1])?;
        let (mut start, mut layers) = (0, Vec::with_capacity(layout.len()));
        for linear in layout {
            let (inputs, outputs) = (linear.inputs as i64, linear.outputs as i64);
            let weight = flat.f_narrow(1, start, inputs * outputs)?.f_view([models, outputs, inputs])?;
            let bias = flat.f_narrow(1, start + inputs * outputs, outputs)?.f_view([models, 1, outputs])?;
            start += (inputs + 1) * outputs;
            layers.push((weight.f_detach()?.f_set_requires_grad(true)?, bias.f_detach()?.f_set_requires_grad(true)?));
        }
        let names = layout.iter().map(|linear| linear.name.clone()).collect();
        Ok(Self { shape, models, names, flat, layers })
    }

    /// Number of models.
    pub fn models(&self) -> i64 {
        self.models
    }

    /// Weights and biases with Darts' names; shares memory with the network.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let named = self.names.iter().zip(&self.layers);
        named
            .flat_map(|(name, (weight, bias))| {
                [(format!("{name}.weight"), weight.detach()), (format!("{name}.bias"), bias.detach().squeeze_dim(1))]
            })
            .collect()
    }

    /// Forecasts `[M, B, horizon]` of windows `[M, B, 10]`.
    ///
    /// # Errors
    /// Where libtorch fails (a shape that does not fit).
    pub fn forecast(&self, windows: &Tensor) -> Result<Tensor> {
        self.forward(windows).map_err(torch)
    }

    fn forward(&self, windows: &Tensor) -> Torch<Tensor> {
        let linear =
            |x: &Tensor, (weight, bias): &(Tensor, Tensor)| bias.f_baddbmm(x, &weight.f_transpose(1, 2)?, 1.0, 1.0);
        let blocks = self.layers.chunks_exact(self.shape.layers + 4);
        let last = blocks.len().saturating_sub(1);
        let (mut rest, mut sum): (Tensor, Option<Tensor>) = (windows.shallow_clone(), None);
        for (number, block) in blocks.enumerate() {
            let (stack, heads) = block.split_at(self.shape.layers);
            let [to_backcast, to_forecast, backcast, forecast] = heads else { continue };
            let mut hidden = rest.shallow_clone();
            for layer in stack {
                hidden = linear(&hidden, layer)?.f_relu()?;
            }
            let predicted = linear(&linear(&hidden, to_forecast)?, forecast)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&predicted)?,
                None => predicted,
            });
            // nothing reads the last block's backcast
            if number < last {
                rest = rest.f_sub(&linear(&linear(&hidden, to_backcast)?, backcast)?)?;
            }
        }
        sum.ok_or_else(|| tch::TchError::Torch("a network without blocks".to_owned()))
    }

    /// Per model, the weighted sum of the losses over windows and horizon `[M]`: targets `[M, B, horizon]`,
    /// weights `[M, B, 1]`.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn losses(&self, loss: Loss, windows: &Tensor, targets: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let weighted = |forecast: Tensor| -> Torch<Tensor> {
            let errors = forecast.f_sub(targets)?;
            let errors = match loss {
                Loss::Squared => errors.f_square()?,
                Loss::Absolute => errors.f_abs()?,
            };
            errors.f_mul(weights)?.f_sum_dim_intlist([1, 2].as_slice(), false, None)
        };
        weighted(self.forecast(windows)?).map_err(torch)
    }

    /// Gradient `[M, P]` of the sum of some losses; zero for what the losses do not depend on.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn gradient(&self, losses: &Tensor) -> Result<Tensor> {
        let pass = || -> Torch<Tensor> {
            let per_block = self.shape.layers + 4;
            let last = self.layers.len().saturating_sub(per_block);
            // the last block's backcast heads are out of reach
            let unreached = [last + self.shape.layers, last + self.shape.layers + 2];
            let reached = |index: usize| !unreached.contains(&index);
            let leaves = self.layers.iter().enumerate().filter(|(index, _)| reached(*index));
            let leaves: Vec<&Tensor> = leaves.flat_map(|(_, (weight, bias))| [weight, bias]).collect();
            let total = losses.f_sum(losses.kind())?;
            let mut found = Tensor::f_run_backward(&[&total], &leaves, false, false)?.into_iter();
            let mut parts = Vec::with_capacity(2 * self.layers.len());
            for (index, (weight, bias)) in self.layers.iter().enumerate() {
                for leaf in [weight, bias] {
                    let part = if reached(index) { found.next() } else { None };
                    let part = part.map_or_else(|| leaf.f_zeros_like(), Ok)?;
                    parts.push(part.f_reshape([self.models, -1])?);
                }
            }
            Tensor::f_cat(&parts, 1)
        };
        pass().map_err(torch)
    }

    /// Predictions for windows of one model, in their order.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn predict(&self, model: i64, windows: &[[f32; WINDOW]]) -> Result<Vec<f32>> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let pass = || -> Torch<Vec<f32>> {
            let flat: Vec<f32> = windows.concat();
            let input = Tensor::f_from_slice(&flat)?.f_to_kind(self.flat.kind())?.f_view([1, -1, WINDOW as i64])?;
            // every model sees the windows; the others' forecasts are dropped
            let input = input.f_expand([self.models, -1, -1], false)?;
            let forecast = tch::no_grad(|| self.forward(&input))?.f_select(0, model)?.f_select(1, 0)?;
            let forecast = forecast.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            Vec::<f32>::try_from(&forecast)
        };
        pass().map_err(torch)
    }
}

fn initial(linear: &Linear, rng: &mut StreamRng) -> Vec<f32> {
    let bound = 1.0 / (linear.inputs.max(1) as f32).sqrt();
    (0..linear.len()).map(|_| (2.0 * rng.random::<f32>() - 1.0) * bound).collect()
}
