//! Weights of a cohort of NetShare models, their initialisation, and the critics' step.

use super::config::NetShareConfig;
use super::critic::{Critic, CriticBatch, PENALTY_EPS};
use super::generator::{GeneratorParams, HiddenLayer, Noise, Norm, Statistics};
use super::ip2vec::Words;
use super::layout::{trace_rows, trace_samples};
use super::options::Interpolation;
use crate::nn::{Param, Params, PerTrace};
use crate::train::{EncodedTrace, MicroGradients, Microbatch, Network, PerSampleGrads, standard_normal};
use rand::RngExt;
use syntrace_base::base::{Seed, TraceId};
use syntrace_base::error::{Error, Result};
use tch::{Device, Kind, Tensor};

/// A parameter of the generator and the moments of its Adam.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub value: Param,
    pub first: Param,
    pub second: Param,
}

/// A cohort of M models and the cells of the pooled traces.
///
/// The generated samples that a step's critics see are drawn once a step, `config.fakes` a model, from
/// the model's seed; each real sample is paired with one of them, and with its place of the penalty,
/// by a hash of step and trace. So what one trace adds to the sum depends on no other trace (batch
/// normalisation over the batch's own fakes would break that), as clipping per trace needs.
#[derive(Debug)]
pub struct NetShareNetwork {
    pub(super) config: NetShareConfig,
    pub(super) params: Params,
    pub(super) generator: GeneratorParams,
    pub(super) moments: Vec<Moments>,
    pub(super) d: Critic,
    pub(super) a: Critic,
    pub(super) seeds: Vec<Seed>,
    words: Param,
    kind: (Kind, Device),
    pool: Pool,
    step: u64,
    /// Steps of the training, over which the generator's learning rate may fall.
    pub(super) steps: u64,
    /// `[M, fakes, width]`.
    fakes: Tensor,
}

/// Cells of the pooled traces.
#[derive(Debug)]
struct Pool {
    ids: Vec<TraceId>,
    /// `[N, S, width]`, zero where a trace has fewer samples.
    samples: Tensor,
    /// `[N, S]`: one over the trace's number of samples, 0 where it has none.
    weights: Tensor,
}

/// Samples and weights of one microbatch.
pub(super) struct RealBatch {
    /// `[m, B, S, width]`.
    pub samples: Tensor,
    /// `[m, B, S]`.
    pub weights: Tensor,
}

impl NetShareNetwork {
    /// Weights of zero for `models` models, without traces.
    pub fn build(config: &NetShareConfig, models: i64, kind: (Kind, Device)) -> Self {
        let mut params = Params::new(models);
        let generator = add_generator(&mut params, config, kind);
        let d = add_critic(&mut params, "critic_d", config.width(), config, kind);
        let a = add_critic(&mut params, "critic_a", config.attribute_width(), config, kind);
        let table = [models, Words::count() as i64, config.word_width];
        let words = params.add_buffer("ip2vec.weight", Tensor::zeros(table, kind));
        let moments = add_moments(&mut params, &generator, kind);
        let empty = || Tensor::zeros([0], kind);
        Self {
            config: config.clone(),
            params,
            generator,
            moments,
            d,
            a,
            seeds: Vec::new(),
            words,
            kind,
            pool: Pool { ids: Vec::new(), samples: empty(), weights: empty() },
            step: 0,
            steps: 0,
            fakes: empty(),
        }
    }

    /// Newly initialised models, one per seed; each depends on its own seed only.
    pub fn initialised(config: &NetShareConfig, seeds: &[Seed], kind: (Kind, Device)) -> Self {
        let mut network = Self::build(config, seeds.len() as i64, kind);
        let words = Words::trained(config.word_width as usize);
        let table = Tensor::from_slice(words.vectors());
        for (model, seed) in seeds.iter().enumerate() {
            // A bias stands behind its weight and has the same inputs.
            let mut inputs = 1;
            for param in network.params.handles() {
                let slot = network.params.get(param).get(model as i64);
                let name = network.params.name(param).to_owned();
                inputs = if name.ends_with("bias") { inputs } else { slot.size().last().copied().unwrap_or(1) };
                initialise(&name, &seed.named("init"), inputs, slot);
            }
            let mut slot = network.params.get(network.words).get(model as i64);
            slot.copy_(&table.view_as(&slot));
        }
        network.seeds = seeds.to_vec();
        network
    }

    /// One model with stored weights.
    pub fn stored(config: &NetShareConfig, weights: &[u8]) -> Result<Self> {
        let mut network = Self::build(config, 1, (Kind::Float, Device::Cpu));
        network.params.load_safetensors(0, weights)?;
        Ok(network)
    }

    /// The weights.
    pub fn weights(&self) -> &Params {
        &self.params
    }

    /// The weights, to fill them.
    pub fn weights_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// Moves weights and pooled traces.
    pub fn move_to(&mut self, device: syntrace_base::base::Device) {
        let device = crate::nn::placed(device);
        self.kind.1 = device;
        self.params.move_to(device);
        for tensor in [&mut self.pool.samples, &mut self.pool.weights, &mut self.fakes] {
            *tensor = tensor.to_device(device);
        }
    }

    /// The vectors of ports and protocols that are stored with the weights.
    pub fn words(&self) -> Result<Words> {
        let stored = Vec::<f32>::try_from(self.params.get(self.words).get(0).flatten(0, -1).to_kind(Kind::Float));
        let vectors = stored.map_err(|error| Error::internal(format!("word vectors: {error}")))?;
        Words::with_vectors(self.config.word_width as usize, vectors)
            .ok_or_else(|| Error::internal("the stored word vectors are not those of the vocabulary"))
    }

    /// Keeps the cells of the traces that batches will name by position.
    ///
    /// # Errors
    /// A trace that is not rows of 15 fields, or has none.
    pub fn set_pool(&mut self, traces: &[EncodedTrace]) -> Result<()> {
        let words = self.words()?;
        let samples_of = |trace: &EncodedTrace| Ok(trace_samples(&self.config, &words, &trace_rows(trace)?));
        let all: Vec<Vec<Vec<f32>>> = traces.iter().map(samples_of).collect::<Result<_>>()?;
        let most = all.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let width = self.config.width() as usize;
        let mut cells = vec![0f32; all.len() * most * width];
        let mut weights = vec![0f32; all.len() * most];
        for (trace, samples) in all.iter().enumerate() {
            for (index, sample) in samples.iter().enumerate() {
                let row = trace * most + index;
                cells[row * width..(row + 1) * width].copy_from_slice(sample);
                weights[row] = 1.0 / samples.len() as f32;
            }
        }
        let shape = [all.len() as i64, most as i64, width as i64];
        let tensor = |values: &[f32], shape: &[i64]| {
            Tensor::from_slice(values).view(shape).to_kind(self.kind.0).to_device(self.kind.1)
        };
        self.pool = Pool {
            ids: traces.iter().map(|trace| trace.trace_id).collect(),
            samples: tensor(&cells, &shape),
            weights: tensor(&weights, &shape[..2]),
        };
        Ok(())
    }

    /// Noise of `count` samples, each model's from its own seed: `[M, count, ...]`.
    pub(super) fn noise(&self, name: &str, step: u64, count: i64) -> Noise {
        let size = noise_size(&self.config);
        let rows: Vec<Tensor> =
            self.seeds.iter().map(|seed| standard_normal(&seed.named(name), step, count * size)).collect();
        let flat = Tensor::stack(&rows, 0).view([-1, count, size]).to_kind(self.kind.0).to_device(self.kind.1);
        split_noise(&self.config, &flat)
    }

    /// Generated samples `[M, n, width]` with the stored weights.
    pub(super) fn generated(&self, noise: &Noise, statistics: Statistics) -> Tensor {
        let values = |param: Param| self.params.get(param).shallow_clone();
        tch::no_grad(|| self.generator.samples(&self.config, &values, noise, statistics).cells)
    }

    /// The traces of a microbatch.
    pub(super) fn real(&self, batch: &Microbatch) -> RealBatch {
        let positions: Vec<i64> = batch.rows.iter().flatten().map(|&trace| trace as i64).collect();
        let index = Tensor::from_slice(&positions).to_device(self.kind.1);
        let size = self.pool.samples.size();
        let shape = [batch.models.len() as i64, batch.width() as i64, size[1], size[2]];
        RealBatch {
            samples: self.pool.samples.index_select(0, &index).view(shape),
            weights: self.pool.weights.index_select(0, &index).view(&shape[..3]),
        }
    }

    /// The generated partner of each real sample and the place of its penalty between the two.
    fn paired(&self, batch: &Microbatch, real: &Tensor) -> (Tensor, Tensor) {
        let size = real.size();
        let count = self.fakes.size()[1];
        let (mut partners, mut places) = (Vec::new(), Vec::new());
        for (&model, row) in batch.models.iter().zip(&batch.rows) {
            let of_step = self.seeds[model].named("pairs").numbered(self.step);
            for &trace in row {
                let mut rng = of_step.numbered(self.pool.ids[trace].0 as u64).rng();
                for _ in 0..size[2] {
                    partners.push(model as i64 * count + rng.random_range(0..count));
                    places.push(rng.random::<f64>());
                }
            }
        }
        let fake = self.fakes.flatten(0, 1).index_select(0, &Tensor::from_slice(&partners).to_device(self.kind.1));
        let fake = fake.view(&size[..]);
        let between = match self.config.interpolation {
            Interpolation::FakeOnly => fake.shallow_clone(),
            Interpolation::Uniform => {
                let place = Tensor::from_slice(&places).to_kind(self.kind.0).to_device(self.kind.1);
                real + place.view([size[0], size[1], size[2], 1]) * (&fake - real)
            }
        };
        (fake, between)
    }

    /// The models of a microbatch, `None` when it is all of them.
    fn some<'a>(&self, batch: &'a Microbatch) -> Option<&'a [usize]> {
        (batch.models.len() as i64 != self.params.models()).then_some(batch.models.as_slice())
    }
}

impl Network for NetShareNetwork {
    fn params(&self) -> &Params {
        &self.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    fn size(&self, _trace: usize) -> usize {
        1
    }

    fn before_step(&mut self, step: u64) {
        self.step = step;
        let noise = self.noise("fakes", step, i64::from(self.config.fakes));
        self.fakes = self.generated(&noise, Statistics::Batch);
    }

    /// The loss of a trace is `D(fake) - D(real)`, the mean over its samples: its part in critic D's
    /// estimate of the Wasserstein distance, negated. The gradients are those of the whole loss of both
    /// critics, penalties included.
    fn gradients(&self, batch: &Microbatch, _clipping: bool) -> MicroGradients {
        tch::no_grad(|| {
            let RealBatch { samples: real, weights } = self.real(batch);
            let (fake, between) = self.paired(batch, &real);
            let mut gradients = PerTrace::for_models(&self.params, batch.models.len() as i64, batch.width() as i64);
            let models = self.some(batch);
            let (penalty, eps) = (self.config.penalty, PENALTY_EPS);
            let whole = CriticBatch { real: &real, fake: &fake, between: &between, weights: &weights, penalty, eps };
            let of_d = self.d.gradients(&self.params, models, &whole, &mut gradients);
            let from = self.config.width() - self.config.attribute_width();
            let attributes = |x: &Tensor| x.narrow(3, from, self.config.attribute_width());
            let (real, fake, between) = (attributes(&real), attributes(&fake), attributes(&between));
            let part = CriticBatch { real: &real, fake: &fake, between: &between, weights: &weights, penalty, eps };
            let of_a = self.a.gradients(&self.params, models, &part, &mut gradients);
            // A penalty that is not finite must stop the model as a distance that is not finite does.
            let finite = (of_d.penalty + of_a.penalty + of_a.distance) * 0.0;
            MicroGradients { losses: of_d.distance + finite, gradients: PerSampleGrads::new(gradients) }
        })
    }

    /// `-D(real)`, the mean over the trace's samples.
    fn losses(&self, batch: &Microbatch) -> Tensor {
        let RealBatch { samples, weights } = self.real(batch);
        let size = samples.size();
        let scores = self.d.scores(&self.params, self.some(batch), &samples.flatten(1, 2));
        (scores.view(&size[..3]) * weights).sum_dim_intlist([2].as_slice(), false, None).neg()
    }

    fn after_step(&mut self, step: u64, active: &[bool]) -> Vec<usize> {
        self.generator_step(step, active)
    }
}

/// Normal numbers that one sample needs.
pub(super) fn noise_size(config: &NetShareConfig) -> i64 {
    config.noise * (1 + config.lstm_steps()) + 2 * config.lstm
}

/// Cuts `[M, n, noise_size]` into its uses.
pub(super) fn split_noise(config: &NetShareConfig, flat: &Tensor) -> Noise {
    let (noise, steps, lstm) = (config.noise, config.lstm_steps(), config.lstm);
    let size = flat.size();
    let from = noise * (1 + steps);
    Noise {
        attributes: flat.narrow(2, 0, noise),
        features: flat.narrow(2, noise, noise * steps).reshape([size[0], size[1], steps, noise]),
        states: [flat.narrow(2, from, lstm), flat.narrow(2, from + lstm, lstm)],
    }
}

fn add_generator(params: &mut Params, config: &NetShareConfig, kind: (Kind, Device)) -> GeneratorParams {
    let models = params.models();
    let zeros = |shape: &[i64]| Tensor::zeros([&[models], shape].concat(), kind);
    let units = config.units;
    let hidden = (0..config.layers)
        .map(|layer| {
            let name = |what: &str| format!("attribute_generator.{layer}.{what}");
            let input = if layer == 0 { config.noise } else { units };
            HiddenLayer {
                weight: params.add_frozen(name("weight"), zeros(&[units, input])),
                bias: params.add_frozen(name("bias"), zeros(&[units])),
                norm: config.batch_norm.then(|| Norm {
                    scale: params.add_frozen(name("norm.weight"), zeros(&[units])),
                    shift: params.add_frozen(name("norm.bias"), zeros(&[units])),
                    mean: params.add_buffer(name("norm.running_mean"), zeros(&[units])),
                    variance: params.add_buffer(name("norm.running_var"), zeros(&[units])),
                }),
            }
        })
        .collect();
    let mut add = |name: &str, shape: &[i64]| params.add_frozen(name, zeros(shape));
    let (lstm, input) = (config.lstm, config.attribute_width() + config.noise);
    let out = i64::from(config.sample_len) * config.feature_width();
    GeneratorParams {
        hidden,
        head: (
            add("attribute_generator.head.weight", &[config.attribute_width(), units]),
            add("attribute_generator.head.bias", &[config.attribute_width()]),
        ),
        lstm: [
            add("feature_generator.lstm.weight_ih_l0", &[4 * lstm, input]),
            add("feature_generator.lstm.weight_hh_l0", &[4 * lstm, lstm]),
            add("feature_generator.lstm.bias_ih_l0", &[4 * lstm]),
            add("feature_generator.lstm.bias_hh_l0", &[4 * lstm]),
        ],
        features: (add("feature_generator.head.weight", &[out, lstm]), add("feature_generator.head.bias", &[out])),
    }
}

fn add_critic(params: &mut Params, name: &str, input: i64, config: &NetShareConfig, kind: (Kind, Device)) -> Critic {
    let models = params.models();
    let mut width = input;
    let layers = (0..=config.layers)
        .map(|layer| {
            let output = if layer == config.layers { 1 } else { config.units };
            let weight = Tensor::zeros([models, output, width], kind);
            width = output;
            (
                params.add(format!("{name}.{layer}.weight"), weight),
                params.add(format!("{name}.{layer}.bias"), Tensor::zeros([models, output], kind)),
            )
        })
        .collect();
    Critic { layers, activation: config.activation }
}

fn add_moments(params: &mut Params, generator: &GeneratorParams, kind: (Kind, Device)) -> Vec<Moments> {
    let mut values: Vec<Param> = Vec::new();
    for layer in &generator.hidden {
        values.extend([layer.weight, layer.bias]);
        values.extend(layer.norm.iter().flat_map(|norm| [norm.scale, norm.shift]));
    }
    values.extend([generator.head.0, generator.head.1]);
    values.extend(generator.lstm);
    values.extend([generator.features.0, generator.features.1]);
    values
        .into_iter()
        .map(|value| {
            let (name, size) = (params.name(value).to_owned(), params.get(value).size());
            let mut add = |which: &str| params.add_scratch(format!("{which}.{name}"), Tensor::zeros(&size[..], kind));
            Moments { value, first: add("first_moment"), second: add("second_moment") }
        })
        .collect()
}

/// Fills one model's tensor by its name: critics and LSTM input Xavier-uniform, LSTM recurrence
/// orthogonal, biases 0 but the forget gate's 1, the generator's other layers (biases too) uniform
/// within one over the root of the layer's `inputs`.
fn initialise(name: &str, seed: &Seed, inputs: i64, mut slot: Tensor) {
    let size = slot.size();
    let seed = seed.named(name);
    let value = match name.rsplit_once('.').unwrap_or(("", name)) {
        _ if name.starts_with("first_moment") || name.starts_with("second_moment") => return,
        (_, "running_var") => slot.ones_like(),
        (layer, "weight") if layer.ends_with("norm") => slot.ones_like(),
        (layer, "bias") if layer.ends_with("norm") || layer.starts_with("critic") => return,
        (_, "running_mean" | "bias_hh_l0") => return,
        (_, "bias_ih_l0") => forget_gate_open(size.first().copied().unwrap_or(0)),
        (_, "weight_hh_l0") => orthogonal(&seed, &size),
        (layer, "weight") if layer.starts_with("critic") => uniform(&seed, &size, xavier(&size)),
        (_, "weight_ih_l0") => uniform(&seed, &size, xavier(&size)),
        (_, "weight") => uniform(&seed, &size, 1.0 / (inputs as f64).sqrt()),
        (_, "bias") => uniform(&seed, &size, 1.0 / (inputs as f64).sqrt()),
        _ => return,
    };
    slot.copy_(&value.view_as(&slot));
}

fn xavier(size: &[i64]) -> f64 {
    (6.0 / size.iter().sum::<i64>() as f64).sqrt()
}

fn uniform(seed: &Seed, size: &[i64], bound: f64) -> Tensor {
    let mut rng = seed.rng();
    let count: i64 = size.iter().product();
    let values: Vec<f32> = (0..count).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect();
    Tensor::from_slice(&values)
}

fn forget_gate_open(gates: i64) -> Tensor {
    let values: Vec<f32> =
        (0..gates).map(|gate| if (gates / 4..gates / 2).contains(&gate) { 1.0 } else { 0.0 }).collect();
    Tensor::from_slice(&values)
}

/// Orthonormal columns by Gram and Schmidt, in f64: `[rows, columns]`, rows at least columns.
fn orthogonal(seed: &Seed, size: &[i64]) -> Tensor {
    let (rows, columns) = (size[0] as usize, size[1] as usize);
    let normals = standard_normal(seed, 0, (rows * columns) as i64);
    let normals = Vec::<f32>::try_from(normals).unwrap_or_else(|_| vec![0.0; rows * columns]);
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(columns);
    for start in normals.chunks_exact(rows) {
        let mut column: Vec<f64> = start.iter().map(|&value| f64::from(value)).collect();
        for other in &done {
            let product: f64 = column.iter().zip(other).map(|(a, b)| a * b).sum();
            column.iter_mut().zip(other).for_each(|(value, other)| *value -= product * other);
        }
        let norm = column.iter().map(|value| value * value).sum::<f64>().sqrt();
        column.iter_mut().for_each(|value| *value /= norm);
        done.push(column);
    }
    let values: Vec<f32> = (0..rows).flat_map(|row| done.iter().map(move |column| column[row] as f32)).collect();
    Tensor::from_slice(&values)
}
