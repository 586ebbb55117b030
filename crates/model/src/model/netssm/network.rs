//! Weights of a cohort of Mamba-2 language models and their initialisation.

use super::config::NetSsmConfig;
use super::tokens::{PADDING, trace_tokens};
use crate::nn::{Param, Params};
use crate::train::{EncodedTrace, Microbatch};
use rand::RngExt;
use syntrace_base::base::{Device, Seed};
use syntrace_base::error::{Error, Result};
use tch::{Kind, Tensor};

/// Weights of one block.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockParams {
    pub norm: Param,
    pub in_proj: Param,
    pub conv_weight: Param,
    pub conv_bias: Param,
    pub a_log: Param,
    pub d: Param,
    pub dt_bias: Param,
    pub gated_norm: Param,
    pub out_proj: Param,
}

/// A cohort of M models and the tokens of the pooled traces.
#[derive(Debug)]
pub struct NetSsmNetwork {
    pub(super) config: NetSsmConfig,
    pub(super) params: Params,
    pub(super) embedding: Param,
    pub(super) blocks: Vec<BlockParams>,
    pub(super) final_norm: Param,
    pool: Vec<Vec<i64>>,
    /// Never by the plain loops.
    pub(super) by_tensors: bool,
}

/// Tokens, targets and weights of one microbatch.
pub(super) struct TokenBatch {
    /// `[M, B, L]`, filled with the padding id.
    pub tokens: Tensor,
    /// `[M, B, L - 1]`: the next tokens.
    pub targets: Tensor,
    /// `[M, B, L - 1]`: one over the trace's number of targets where there is one, else 0.
    pub weights: Tensor,
}

/// A configuration with the sizes of some stored weights.
pub(super) fn sized(config: &NetSsmConfig, weights: &[u8]) -> Result<NetSsmConfig> {
    let file = safetensors::SafeTensors::deserialize(weights)
        .map_err(|error| Error::internal(format!("weights are not safetensors: {error}")))?;
    let size = |name: &str, axis: usize| -> Result<i64> {
        let view = file.tensor(name).ok();
        let size = view.and_then(|view| view.shape().get(axis).copied()).filter(|size| *size > 0);
        size.map(|size| size as i64).ok_or_else(|| Error::internal(format!("weight `{name}` expected, not found")))
    };
    let mixer = |name: &str| format!("backbone.layers.0.mixer.{name}");
    let (vocabulary, width) = (size("backbone.embedding.weight", 0)?, size("backbone.embedding.weight", 1)?);
    let (inner, heads) = (size(&mixer("out_proj.weight"), 1)?, size(&mixer("A_log"), 0)?);
    let (channels, taps) = (size(&mixer("conv1d.weight"), 0)?, size(&mixer("conv1d.weight"), 2)?);
    let layers = file.names().iter().filter(|name| name.ends_with("mixer.A_log")).count() as i64;
    let groups = config.groups;
    let state = (channels - inner) / (2 * groups);
    let [expand, head] = [inner / width, inner / heads];
    if [layers, state, expand, head].into_iter().any(|size| size < 1) || inner % width != 0 || inner % heads != 0 {
        return Err(Error::user(format!(
            "weights of `netssm` must fit each other, found width {width}, inner width {inner}, {heads} heads, \
             {channels} channels and {layers} layers"
        )));
    }
    Ok(NetSsmConfig { vocabulary, width, layers, state, head, expand, taps, ..config.clone() })
}

impl NetSsmNetwork {
    /// Weights of zero for `models` models, without traces.
    pub fn zeros(config: &NetSsmConfig, models: i64) -> Self {
        Self::build(config, models, (Kind::Float, tch::Device::Cpu))
    }

    /// As [`NetSsmNetwork::zeros`], in a given kind: f64 for comparisons.
    pub fn build(config: &NetSsmConfig, models: i64, options: (Kind, tch::Device)) -> Self {
        let mut params = Params::new(models);
        let mut add = |name: String, shape: &[i64]| {
            let mut full = vec![models];
            full.extend(shape);
            params.add(name, Tensor::zeros(&full[..], options))
        };
        let embedding = add("backbone.embedding.weight".to_owned(), &[config.vocabulary, config.width]);
        let blocks = (0..config.layers)
            .map(|layer| {
                let mut add = |name: &str, shape: &[i64]| add(format!("backbone.layers.{layer}.{name}"), shape);
                BlockParams {
                    norm: add("norm.weight", &[config.width]),
                    in_proj: add("mixer.in_proj.weight", &[config.projected(), config.width]),
                    conv_weight: add("mixer.conv1d.weight", &[config.channels(), 1, config.taps]),
                    conv_bias: add("mixer.conv1d.bias", &[config.channels()]),
                    a_log: add("mixer.A_log", &[config.heads()]),
                    d: add("mixer.D", &[config.heads()]),
                    dt_bias: add("mixer.dt_bias", &[config.heads()]),
                    gated_norm: add("mixer.norm.weight", &[config.inner()]),
                    out_proj: add("mixer.out_proj.weight", &[config.width, config.inner()]),
                }
            })
            .collect();
        let final_norm = add("backbone.norm_f.weight".to_owned(), &[config.width]);
        Self { config: config.clone(), params, embedding, blocks, final_norm, pool: Vec::new(), by_tensors: false }
    }

    /// Newly initialised models, one per seed; each depends on its own seed only.
    pub fn initialised(config: &NetSsmConfig, seeds: &[Seed]) -> Self {
        let mut network = Self::zeros(config, seeds.len() as i64);
        for (model, seed) in seeds.iter().enumerate() {
            network.initialise(model as i64, &seed.named("init"));
        }
        network
    }

    fn initialise(&mut self, model: i64, seed: &Seed) {
        let config = self.config.clone();
        let layers = (config.layers as f64).sqrt();
        let bound = |width: i64| 1.0 / (width as f64).sqrt();
        for param in self.params.handles() {
            let name = self.params.name(param).to_owned();
            let size = self.params.get(param).get(model).size();
            let count = size.iter().product();
            let seed = seed.named(&name);
            let value = match name.rsplit_once("mixer.").map_or(name.as_str(), |(_, rest)| rest) {
                "backbone.embedding.weight" => crate::train::standard_normal(&seed, 0, count) * 0.02,
                "in_proj.weight" => uniform(&seed, count, |unit| bound(config.width) * (2.0 * unit - 1.0)),
                "out_proj.weight" => uniform(&seed, count, |unit| bound(config.inner()) * (2.0 * unit - 1.0) / layers),
                "conv1d.weight" | "conv1d.bias" => {
                    uniform(&seed, count, |unit| bound(config.taps) * (2.0 * unit - 1.0))
                }
                "A_log" => uniform(&seed, count, |unit| (1.0 + 15.0 * unit).ln()),
                "dt_bias" => uniform(&seed, count, step_bias),
                // D and the norms' weights.
                _ => Tensor::ones([count], (Kind::Float, tch::Device::Cpu)),
            };
            self.params.get(param).get(model).copy_(&value.view(&size[..]));
        }
    }

    /// Keeps the tokens of the traces that batches will name by position.
    ///
    /// # Errors
    /// A token outside the vocabulary, or a trace without a target.
    pub fn set_pool(&mut self, traces: &[EncodedTrace]) -> Result<()> {
        let read = |trace: &EncodedTrace| Ok(trace_tokens(trace)?.into_iter().map(i64::from).collect());
        self.pool = traces.iter().map(read).collect::<Result<_>>()?;
        Ok(())
    }

    /// The weights.
    pub fn weights(&self) -> &Params {
        &self.params
    }

    /// The weights, to fill them.
    pub fn weights_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// Moves the weights; batches follow them.
    pub fn move_to(&mut self, device: Device) {
        self.params.move_to(crate::nn::placed(device));
    }

    /// The models of a microbatch as a separate network (without traces); `None` when it is all of
    /// them.
    pub(super) fn part(&self, batch: &Microbatch) -> Option<Self> {
        let all = batch.models.len() as i64 == self.params.models();
        (!all).then(|| Self {
            config: self.config.clone(),
            params: self.params.select(&batch.models),
            blocks: self.blocks.clone(),
            pool: Vec::new(),
            ..*self
        })
    }

    /// Tokens of the pool's trace with this index.
    pub(super) fn tokens(&self, trace: usize) -> &[i64] {
        self.pool.get(trace).map_or(&[], Vec::as_slice)
    }

    /// Lays a microbatch's traces out, filled to its longest.
    pub(super) fn token_batch(&self, batch: &Microbatch) -> TokenBatch {
        let all = batch.rows.iter().flatten();
        let length = all.map(|&trace| self.tokens(trace).len()).max().unwrap_or(2).max(2);
        let (models, width) = (batch.rows.len(), batch.width());
        let mut tokens = vec![i64::from(PADDING); models * width * length];
        let mut weights = vec![0f32; models * width * (length - 1)];
        for (model, row) in batch.rows.iter().enumerate() {
            for (column, &trace) in row.iter().enumerate() {
                let own = self.tokens(trace);
                let start = (model * width + column) * length;
                tokens[start..start + own.len()].copy_from_slice(own);
                let targets = own.len() - 1;
                let start = (model * width + column) * (length - 1);
                weights[start..start + targets].fill(1.0 / targets as f32);
            }
        }
        let shape = [models as i64, width as i64, length as i64];
        let device = self.params.device();
        let tokens = Tensor::from_slice(&tokens).to_device(device).view(shape);
        let targets = tokens.narrow(2, 1, shape[2] - 1).contiguous();
        let weights = Tensor::from_slice(&weights).to_device(device).view([shape[0], shape[1], shape[2] - 1]);
        TokenBatch { tokens, targets, weights }
    }
}

/// `count` numbers made from uniform ones in [0, 1).
fn uniform(seed: &Seed, count: i64, of: impl Fn(f64) -> f64) -> Tensor {
    let mut rng = seed.rng();
    let values: Vec<f32> = (0..count).map(|_| of(rng.random::<f64>()) as f32).collect();
    Tensor::from_slice(&values)
}

/// Inverse softplus of a step size drawn log-uniformly in [0.001, 0.1], at least 1e-4.
fn step_bias(unit: f64) -> f64 {
    let (low, high) = (0.001f64.ln(), 0.1f64.ln());
    let step = (low + unit * (high - low)).exp().max(1e-4);
    step + (-(-step).exp_m1()).ln()
}
