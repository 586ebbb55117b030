//! A cohort of adapters over one base.

use super::attention::{Adapted, Adapters, add_adapters, initialise_adapters};
use super::base::{Base, normal};
use super::columns::ColumnAdapters;
use super::config::NetDiffusionConfig;
use super::image::classes;
use crate::nn::{Params, Tape};
use crate::train::{EncodedTrace, MicroGradients, Microbatch, Network, PerSampleGrads};
use rand::RngExt;
use syntrace_base::base::{Identity, Seed};
use syntrace_base::error::Result;
use tch::{Device, Kind, Tensor};

/// One trace, encoded once: the autoencoder never changes.
#[derive(Debug)]
struct Pooled {
    /// `[c, rows, 136]`.
    latent: Tensor,
    /// Of its id: training draws.
    number: u64,
    /// Of its cells: evaluation draws.
    content: Seed,
}

/// M models' adapters, the base that they share, and the latents of the pooled traces.
#[derive(Debug)]
pub struct NetDiffusionNetwork {
    pub(super) config: NetDiffusionConfig,
    pub(super) base: Base,
    params: Params,
    adapters: Vec<Adapters>,
    columns: Option<ColumnAdapters>,
    seeds: Vec<Seed>,
    step: u64,
    pool: Vec<Pooled>,
}

impl NetDiffusionNetwork {
    /// Adapters of zero for as many models as there are seeds; each model draws from its own seed.
    pub fn zeros(base: Base, seeds: &[Seed]) -> Self {
        let config = base.config.clone();
        let mut params = Params::new(seeds.len() as i64);
        let adapters = add_adapters(&config, &mut params);
        let columns = ColumnAdapters::add(&config, &mut params);
        Self { config, base, params, adapters, columns, seeds: seeds.to_vec(), step: 0, pool: Vec::new() }
    }

    /// Fresh adapters: every model predicts what the base predicts.
    pub fn initialised(base: Base, seeds: &[Seed]) -> Self {
        let mut network = Self::zeros(base, seeds);
        initialise_adapters(&network.config, &mut network.params, seeds);
        network
    }

    /// Encodes the traces that batches will name by position.
    ///
    /// # Errors
    /// `internal` for traces in another encoding.
    pub fn set_pool(&mut self, traces: &[EncodedTrace]) -> Result<()> {
        self.pool.clear();
        for chunk in traces.chunks(super::base::WIDTH as usize) {
            let latents = self.base.encode(&classes(chunk, self.config.rows)?);
            for (index, trace) in chunk.iter().enumerate() {
                let content = Identity::new("netdiffusion-cells").int(i64::from(trace.rows)).bytes(&trace.data);
                self.pool.push(Pooled {
                    latent: latents.get(index as i64).copy(),
                    number: trace.trace_id.0.cast_unsigned(),
                    content: Seed::from_digest(content.finish()),
                });
            }
        }
        Ok(())
    }

    /// Moves base, adapters and the pooled latents.
    pub fn move_to(&mut self, device: syntrace_base::base::Device) {
        self.base.move_to(device);
        let device = crate::nn::placed(device);
        self.params.move_to(device);
        for pooled in &mut self.pool {
            pooled.latent = pooled.latent.to_device(device);
        }
    }

    /// Turns base, adapters and the pooled latents into another kind; double precision makes slopes of the loss
    /// comparable with its gradients.
    pub fn set_kind(&mut self, kind: Kind) {
        self.base.set_kind(kind);
        self.params.set_kind(kind);
        for pooled in &mut self.pool {
            pooled.latent = pooled.latent.to_kind(kind);
        }
    }

    /// The adapters.
    pub fn weights(&self) -> &Params {
        &self.params
    }

    /// The adapters, to fill them.
    pub fn weights_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// Latent of a pooled trace.
    fn latent(&self, trace: usize) -> Tensor {
        self.pool
            .get(trace)
            .map_or_else(|| Tensor::zeros([0], (Kind::Float, Device::Cpu)), |pooled| pooled.latent.shallow_clone())
    }

    /// Noise of a pooled trace at a fixed step, on the CPU: a function of its cells and the step.
    fn fixed_noise(&self, trace: usize, step: u32) -> Tensor {
        let Some(pooled) = self.pool.get(trace) else { return Tensor::zeros([0], (Kind::Float, Device::Cpu)) };
        normal(&pooled.latent, &pooled.content.numbered(u64::from(step)))
    }

    /// Predicted noise for x `[models x traces, c, rows, 136]`, model by model; `tape` is over `params`.
    pub(super) fn predict(&self, tape: &Tape<'_>, x: &Tensor, steps: &[u32], control: Option<&Tensor>) -> Tensor {
        let scale = self.config.lora.alpha / self.config.lora.rank as f64;
        let adapted = Adapted { tape, adapters: &self.adapters, columns: self.columns, scale };
        self.base.noise(x, steps, control, Some(&adapted))
    }

    /// Noise that the models predict for x `[models x traces, c, rows, 136]`, model by model.
    pub fn predicted_noise(&self, x: &Tensor, steps: &[u32]) -> Tensor {
        let tape = Tape::evaluation(&self.params, x.size()[0] / self.params.models().max(1));
        tch::no_grad(|| self.predict(&tape, x, steps, None))
    }

    /// The adapters of a microbatch's models; `None` when it is all of them.
    fn part(&self, batch: &Microbatch) -> Option<Params> {
        (batch.models.len() as i64 != self.params.models()).then(|| self.params.select(&batch.models))
    }

    /// Errors of the predicted noise `[traces of all models, c, rows, 136]`, and the prediction.
    fn error(&self, tape: &Tape<'_>, clean: &Tensor, noise: &Tensor, steps: &[u32]) -> (Tensor, Tensor) {
        let (signal, share) = self.base.schedule.roots(steps, clean.device());
        let predicted = self.predict(tape, &(clean * signal + noise * share), steps, None);
        ((&predicted - noise).square(), predicted)
    }

    /// Squared error and prediction of pooled traces at a fixed step, in evaluation mode.
    pub(super) fn at_fixed_step(&self, params: &Params, traces: &[usize], step: u32) -> (Tensor, Tensor) {
        let clean = Tensor::stack(&traces.iter().map(|trace| self.latent(*trace)).collect::<Vec<_>>(), 0);
        let noise: Vec<Tensor> = traces.iter().map(|trace| self.fixed_noise(*trace, step)).collect();
        let tape = Tape::evaluation(params, traces.len() as i64 / params.models().max(1));
        let steps = vec![step; traces.len()];
        let noise = Tensor::stack(&noise, 0).to_device(clean.device());
        tch::no_grad(|| self.error(&tape, &clean, &noise, &steps))
    }
}

/// Mean over a trace's latent, `[models, traces]`.
fn per_trace(error: &Tensor, models: i64) -> Tensor {
    error.mean_dim([1i64, 2, 3].as_slice(), false, None).reshape([models, -1])
}

impl Network for NetDiffusionNetwork {
    fn params(&self) -> &Params {
        &self.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    fn size(&self, _trace: usize) -> usize {
        // All images have the same size.
        0
    }

    fn before_step(&mut self, step: u64) {
        self.step = step;
    }

    fn gradients(&self, batch: &Microbatch, _clipping: bool) -> MicroGradients {
        let part = self.part(batch);
        let params = part.as_ref().unwrap_or(&self.params);
        let draws = i64::from(self.config.draws);
        let (mut clean, mut noise, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for (&model, row) in batch.models.iter().zip(&batch.rows) {
            let seed = self.seeds.get(model).copied().unwrap_or(Seed::root(0)).named("diffusion").numbered(self.step);
            for &trace in row {
                let latent = self.latent(trace);
                let own = seed.numbered(self.pool.get(trace).map_or(0, |pooled| pooled.number));
                for draw in 0..draws {
                    // The first draw is that of a configuration with one.
                    let own = if draw == 0 { own } else { own.named("draw").numbered(draw as u64) };
                    steps.push(own.named("step").rng().random_range(0..self.base.schedule.steps()));
                    noise.push(normal(&latent, &own.named("noise")));
                    clean.push(latent.shallow_clone());
                }
            }
        }
        let tape = Tape::recording(params, batch.width() as i64 * draws);
        // One move for all traces.
        let (clean, noise) = (Tensor::stack(&clean, 0), Tensor::stack(&noise, 0).to_device(params.device()));
        let (error, _) = self.error(&tape, &clean, &noise, &steps);
        let losses = per_trace(&error, params.models());
        let losses = losses.reshape([params.models(), -1, draws]).mean_dim([2i64].as_slice(), false, None);
        let gradients = PerSampleGrads::new(tape.backward(&losses.sum(losses.kind())).join_rows(draws));
        MicroGradients { losses: losses.detach(), gradients }
    }

    fn losses(&self, batch: &Microbatch) -> Tensor {
        let part = self.part(batch);
        let params = part.as_ref().unwrap_or(&self.params);
        let traces: Vec<usize> = batch.rows.iter().flatten().copied().collect();
        let steps = &self.config.fixed_steps;
        let errors: Vec<Tensor> = steps
            .iter()
            .map(|step| per_trace(&self.at_fixed_step(params, &traces, *step).0, params.models()))
            .collect();
        Tensor::stack(&errors, 0).mean_dim([0i64].as_slice(), false, None)
    }
}
