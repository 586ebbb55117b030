//! The base: autoencoder and noise predictor, trained once on public traces and shared by all models.

use super::attention::Adapted;
use super::autoencoder::{Autoencoder, Learned};
use super::config::{COLUMNS, NetDiffusionConfig};
use super::diffusion::{Schedule, step_tensor};
use super::image::{ABSENT, CELLS, classes, edges};
use super::layers::{Builder, initialise, value};
use super::ternary;
use super::unet::Unet;
use crate::model::BaseOutcome;
use crate::nn::{Param, Params, Part, PerTrace};
use crate::train::{EncodedTrace, EpochRow, MonitorRow, Optimiser, OptimiserPlan, PerSampleGrads, standard_normal};
use rand::RngExt;
use syntrace_base::base::{Device, Progress, Seed, StreamRng};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::ModelStatus;
use tch::{Kind, Reduction, Tensor};

/// Tokens of the caption that all images share (as in the published code of NetDiffusion), and the seed of their
/// embeddings. "type-1" to "type-5" are reserved: with one class per model the caption is constant.
const CAPTION: [&str; 7] = ["pixelated", "network", "data", "for", "type-0", "application", "traffic"];
const CAPTION_SEED: u64 = 0x4e44_4946;

/// One in this many public traces is held out from training: the autoencoder's error is measured on it.
const HELD_OUT_EVERY: usize = 8;
/// Public traces whose edge maps the base keeps for sampling.
const TEMPLATES: i64 = 64;
/// Steps over which the learning rate rises.
const WARM_UP: u64 = 20;
/// A loss of the base beyond this has exploded.
const LOSS_MAX: f64 = 1e6;
/// Largest norm of a whole gradient of the base.
const GRADIENT_NORM: f64 = 1.0;
/// Rows of the table `epochs` that the noise predictor's training gives.
const EPOCHS: u64 = 10;
/// Public held-out traces that the noise predictor is evaluated on.
const EVALUATED_MAX: i64 = 32;
/// Traces in one pass without gradients.
pub(super) const WIDTH: i64 = 32;

/// The base with its weights.
#[derive(Debug)]
pub struct Base {
    pub(super) config: NetDiffusionConfig,
    pub(super) params: Params,
    pub(super) autoencoder: Autoencoder,
    unet: Unet,
    pub(super) schedule: Schedule,
    caption: Tensor,
    /// Edge maps of some public traces, `[1, TEMPLATES, 1, rows, 136]`.
    templates: Param,
}

impl Base {
    fn zeros(config: &NetDiffusionConfig) -> Self {
        let mut params = Params::new(1);
        let mut builder = Builder { params: &mut params };
        let autoencoder = Autoencoder::build(config, &mut builder);
        let unet = Unet::build(config, &mut builder);
        let templates = builder.buffer("control.templates", &[TEMPLATES, 1, i64::from(config.rows), COLUMNS]);
        if let Autoencoder::Learned(learned) = &autoencoder {
            learned.set_statistics(&mut params, 0.0, 1.0);
        }
        let schedule = Schedule::new(&config.schedule);
        let caption = caption(config);
        Self { config: config.clone(), params, autoencoder, unet, schedule, caption, templates }
    }

    /// Fresh weights from a seed; a fresh U-Net predicts noise as if latents were independent normals.
    pub fn fresh(config: &NetDiffusionConfig, seed: &Seed) -> Self {
        let mut base = Self::zeros(config);
        initialise(&mut base.params, seed);
        base
    }

    /// Stored weights.
    pub fn load(config: &NetDiffusionConfig, bytes: &[u8]) -> Result<Self> {
        let mut base = Self::zeros(config);
        base.params.load_safetensors(0, bytes)?;
        Ok(base)
    }

    /// The weights as safetensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.params.to_safetensors(0)
    }

    /// Numbers in the base.
    pub fn parameters(&self) -> u64 {
        self.params.counts().0
    }

    /// Moves weights and caption.
    pub fn move_to(&mut self, device: Device) {
        let device = crate::nn::placed(device);
        self.params.move_to(device);
        self.caption = self.caption.to_device(device);
    }

    /// Latents of classes `[n, rows, 1088]`: `[n, c, rows, 136]`.
    pub fn encode(&self, classes: &Tensor) -> Tensor {
        let classes = classes.to_device(self.params.device());
        let of = |part: Tensor| tch::no_grad(|| self.autoencoder.encode(&self.params, &part));
        Tensor::cat(&parts(&classes).map(of).collect::<Vec<_>>(), 0)
    }

    /// Classes of latents.
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        let of = |part: Tensor| tch::no_grad(|| self.autoencoder.decode(&self.params, &part));
        Tensor::cat(&parts(latents).map(of).collect::<Vec<_>>(), 0)
    }

    /// Noise that is in x `[n, c, rows, 136]` at each trace's step, as predicted. For a learned code the network gives
    /// `F = (noise - sqrt(1 - a) x) / sqrt(a)`, so that its zero is the best guess for normal latents (Salimans
    /// and Ho 2022, section 4: v-prediction), for a ternary one the prior of each bit; the loss stays the error of
    /// the noise.
    pub(super) fn noise(
        &self,
        x: &Tensor,
        steps: &[u32],
        control: Option<&Tensor>,
        lora: Option<&Adapted<'_, '_>>,
    ) -> Tensor {
        let (signal, noise) = self.schedule.roots(steps, x.device());
        let time = step_tensor(steps, x.device()).to_kind(x.kind());
        let given = self.unet.forward(&self.params, x, &time, &self.caption, control, lora);
        match self.autoencoder {
            Autoencoder::Learned(_) => x * noise + given * signal,
            Autoencoder::Ternary => (x - ternary::mean(x, &signal, &noise, &given) * &signal) / noise,
        }
    }

    /// Turns weights and caption into another kind.
    pub(super) fn set_kind(&mut self, kind: Kind) {
        self.params.set_kind(kind);
        self.caption = self.caption.to_kind(kind);
    }

    /// Edge map of one of the public traces that the base keeps, drawn by a seed: `[1, rows, 136]`.
    pub(super) fn template(&self, seed: &Seed) -> Tensor {
        value(&self.params, self.templates).get(seed.rng().random_range(0..TEMPLATES))
    }

    /// Noise that the base predicts without adapters for x `[n, c, rows, 136]`.
    pub fn predicted_noise(&self, x: &Tensor, steps: &[u32]) -> Tensor {
        tch::no_grad(|| self.noise(x, steps, None, None))
    }

    /// Mean error of the predicted noise per trace, at one step with given noise.
    fn error_at(&self, latents: &Tensor, step: u32, seed: &Seed) -> f64 {
        let noise = normal_like(latents, seed);
        let (signal, share) = self.schedule.roots(&[step], latents.device());
        let x = latents * signal + &noise * share;
        let steps = vec![step; latents.size()[0] as usize];
        let error = tch::no_grad(|| (self.noise(&x, &steps, None, None) - noise).square().mean(Kind::Double));
        error.double_value(&[])
    }
}

fn parts(all: &Tensor) -> impl Iterator<Item = Tensor> + '_ {
    let count = all.size()[0];
    (0..count).step_by(WIDTH as usize).map(move |first| all.narrow(0, first, WIDTH.min(count - first)))
}

fn caption(config: &NetDiffusionConfig) -> Tensor {
    let seed = Seed::root(CAPTION_SEED);
    let word = |index: i64| {
        let name = CAPTION.get(index as usize).copied().unwrap_or("");
        standard_normal(&seed.named(name), index as u64, config.unet.context)
    };
    Tensor::stack(&(0..config.unet.words).map(word).collect::<Vec<_>>(), 0)
}

/// Normal numbers in kind and shape of some latents, on the CPU: to be moved with others.
pub(super) fn normal(latents: &Tensor, seed: &Seed) -> Tensor {
    standard_normal(seed, 0, latents.numel() as i64).to_kind(latents.kind()).view(&latents.size()[..])
}

fn normal_like(latents: &Tensor, seed: &Seed) -> Tensor {
    normal(latents, seed).to_device(latents.device())
}

/// Trains a base on public traces.
pub fn train_base(
    config: &NetDiffusionConfig,
    traces: &[EncodedTrace],
    seed: Seed,
    device: Device,
    progress: &dyn Progress,
) -> Result<BaseOutcome> {
    let is_held_out = |index: usize| index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
    let (held_out, trained): (Vec<_>, Vec<_>) =
        traces.iter().cloned().enumerate().partition(|(index, _)| is_held_out(*index));
    let without_index = |traces: Vec<(usize, EncodedTrace)>| -> Vec<EncodedTrace> {
        traces.into_iter().map(|(_, trace)| trace).collect()
    };
    let (held_out, trained) = (without_index(held_out), without_index(trained));
    if held_out.is_empty() {
        return Err(Error::user(format!(
            "the base of `netdiffusion` needs at least {HELD_OUT_EVERY} public traces, found {}",
            traces.len()
        )));
    }
    let mut base = Base::fresh(config, &seed.named("init"));
    base.move_to(device);
    let moved = |traces: &[EncodedTrace]| -> Result<Tensor> {
        Ok(classes(traces, config.rows)?.to_device(base.params.device()))
    };
    let (trained, held_out) = (moved(&trained)?, moved(&held_out)?);
    progress.start("netdiffusion base", config.code_steps() + config.base.steps);
    let (mut monitors, first) = match base.autoencoder.clone() {
        Autoencoder::Learned(learned) => {
            train_autoencoder(&mut base, &learned, &trained, &seed.named("autoencoder"), progress)?
        }
        Autoencoder::Ternary => (Vec::new(), None),
    };
    monitors.extend(code_monitors(&base, &trained, &held_out));
    let (epochs, second) = train_unet(&mut base, &trained, &held_out, &seed.named("unet"), &mut monitors, progress)?;
    progress.finish();
    let diverged = first.or(second.map(|step| config.code_steps() + step));
    let status = diverged.map_or(ModelStatus::Trained, |step| ModelStatus::Diverged { step });
    Ok(BaseOutcome { weights: base.to_bytes()?, status, parameters: base.parameters(), epochs, monitors })
}

/// Cross-entropy over the three classes, on cells of public traces, random bytes and random ternary bits,
/// with noise on the code. Gives the monitors, and the step at which it diverged.
fn train_autoencoder(
    base: &mut Base,
    learned: &Learned,
    trained: &Tensor,
    seed: &Seed,
    progress: &dyn Progress,
) -> Result<(Vec<MonitorRow>, Option<u64>)> {
    let config = base.config.autoencoder.clone();
    let public = byte_cells(trained)?;
    let device = base.params.device();
    let mut rng = seed.named("cells").rng();
    let mut trainer = Trainer::new(&base.params, &["encoder.", "decoder."], config.rate, config.steps);
    let mut loss_of_last = f64::NAN;
    for step in 0..config.steps {
        let cells = draw_cells(&public, config.batch as usize, &mut rng);
        let cells = Tensor::from_slice(&cells).to_device(device).view([1, 1, -1]);
        let code = learned.code(&base.params, &cells);
        let noise = standard_normal(&seed.named("noise"), step, code.numel() as i64).to_device(device);
        let noise = noise.view(&code.size()[..]);
        let scores = learned.scores(&base.params, &(code + noise * config.noise));
        let loss = scores.cross_entropy_loss(&cells.to_kind(Kind::Int64), None::<&Tensor>, Reduction::Mean, -100, 0.0);
        let Some(loss) = trainer.step(&mut base.params, &loss) else { break };
        loss_of_last = loss;
        advance(progress, "autoencoder", step, loss_of_last)?;
    }
    let diverged = trainer.finish();
    let codes: Vec<Tensor> = parts(trained).map(|part| tch::no_grad(|| learned.code(&base.params, &part))).collect();
    let codes = Tensor::cat(&codes, 0).to_kind(Kind::Double);
    learned.set_statistics(
        &mut base.params,
        codes.mean(Kind::Double).double_value(&[]),
        codes.std(true).double_value(&[]),
    );
    Ok((vec![MonitorRow::new("autoencoder_loss", "", loss_of_last)], diverged))
}

/// Share of public cells that do not survive the code, and mean and variance of the latents.
fn code_monitors(base: &Base, trained: &Tensor, held_out: &Tensor) -> [MonitorRow; 3] {
    let latents = base.encode(trained).to_kind(Kind::Double);
    let decoded = base.decode(&base.encode(held_out));
    let error = decoded.not_equal_tensor(held_out).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    [
        MonitorRow::new("autoencoder_error", "", error),
        MonitorRow::new("latent_mean", "", latents.mean(Kind::Double).double_value(&[])),
        MonitorRow::new("latent_variance", "", latents.var(true).double_value(&[])),
    ]
}

/// All latent cells of some traces as eight classes each, the blank ones left out but one.
fn byte_cells(classes: &Tensor) -> Result<Vec<[u8; CELLS as usize]>> {
    let flat = classes.contiguous().flatten(0, -1);
    let all = Vec::<u8>::try_from(flat).map_err(|error| Error::internal(format!("cell classes: {error}")))?;
    let mut cells: Vec<[u8; CELLS as usize]> =
        all.as_chunks().0.iter().copied().filter(|cell| *cell != [ABSENT; CELLS as usize]).collect();
    cells.push([ABSENT; CELLS as usize]);
    Ok(cells)
}

/// Classes of `count` latent cells: a quarter each of public cells, blank cells, random bytes and random
/// ternary bits.
fn draw_cells(public: &[[u8; CELLS as usize]], count: usize, rng: &mut StreamRng) -> Vec<u8> {
    let mut classes = Vec::with_capacity(count * CELLS as usize);
    for index in 0..count {
        let blank = [ABSENT; CELLS as usize];
        classes.extend(match index % 4 {
            0 => public.get(rng.random_range(0..public.len())).copied().unwrap_or(blank),
            1 => blank,
            2 => std::array::from_fn(|_| rng.random_range(0..ABSENT)),
            _ => std::array::from_fn(|_| rng.random_range(0..=ABSENT)),
        });
    }
    classes
}

/// Error of the predicted noise on public traces, with and without their own edges, time steps spread evenly over a
/// batch. Gives the epochs, and the step at which it diverged.
fn train_unet(
    base: &mut Base,
    trained: &Tensor,
    held_out: &Tensor,
    seed: &Seed,
    monitors: &mut Vec<MonitorRow>,
    progress: &dyn Progress,
) -> Result<(Vec<EpochRow>, Option<u64>)> {
    let plan = base.config.base.clone();
    let latents = base.encode(trained);
    let edges = edges(trained);
    let kept: Vec<i64> = (0..TEMPLATES).map(|index| index * latents.size()[0] / TEMPLATES).collect();
    let kept = Tensor::from_slice(&kept).to_device(edges.device());
    base.params.set(base.templates, &edges.index_select(0, &kept).unsqueeze(0));
    let evaluated = base.encode(&held_out.narrow(0, 0, held_out.size()[0].min(EVALUATED_MAX)));
    let mut rng = seed.named("batches").rng();
    let mut trainer = Trainer::new(&base.params, &["unet.", "attention."], plan.rate, plan.steps);
    let (mut epochs, mut sum, mut count) = (Vec::new(), 0.0, 0u64);
    for step in 0..plan.steps {
        let loss = unet_loss(base, &latents, &edges, &mut rng, &seed.named("noise").numbered(step));
        let Some(loss) = trainer.step(&mut base.params, &loss) else { break };
        advance(progress, "noise", base.config.code_steps() + step, loss)?;
        sum += loss;
        count += 1;
        if (step + 1) * EPOCHS / plan.steps > step * EPOCHS / plan.steps {
            let seed = seed.named("held out");
            let errors = base.config.fixed_steps.iter().map(|step| base.error_at(&evaluated, *step, &seed));
            epochs.push(EpochRow {
                epoch: epochs.len() as u32,
                step: step + 1,
                train_loss: Some(sum / count as f64),
                held_out_loss: Some(errors.sum::<f64>() / base.config.fixed_steps.len() as f64),
                ..EpochRow::of_pass(count * u64::from(plan.batch))
            });
            (sum, count) = (0.0, 0);
        }
    }
    let diverged = trainer.finish();
    for step in &base.config.fixed_steps {
        let error = base.error_at(&evaluated, *step, &seed.named("held out"));
        monitors.push(MonitorRow::new("noise_error", format!("t={step}"), error));
    }
    Ok((epochs, diverged))
}

fn unet_loss(base: &Base, latents: &Tensor, edges: &Tensor, rng: &mut StreamRng, seed: &Seed) -> Tensor {
    let (batch, all) = (base.config.base.batch, latents.size()[0]);
    let chosen: Vec<i64> = (0..batch).map(|_| rng.random_range(0..all)).collect();
    let levels = f64::from(base.schedule.steps());
    // One from each part of the range: less spread between batches than independent draws.
    let steps: Vec<u32> = (0..batch)
        .map(|index| ((f64::from(index) + rng.random::<f64>()) / f64::from(batch) * levels) as u32)
        .map(|step| step.min(base.schedule.steps() - 1))
        .collect();
    // Half of the batch sees its edges, so that the network can do without them.
    let shown: Vec<f32> = (0..batch).map(|_| f32::from(u8::from(rng.random::<bool>()))).collect();
    let device = latents.device();
    let chosen = Tensor::from_slice(&chosen).to_device(device);
    let shown = Tensor::from_slice(&shown).to_device(device).view([-1, 1, 1, 1]);
    let control = edges.index_select(0, &chosen) * shown;
    let clean = latents.index_select(0, &chosen);
    let noise = normal_like(&clean, seed);
    let (signal, share) = base.schedule.roots(&steps, device);
    let x = clean * signal + &noise * share;
    (base.noise(&x, &steps, Some(&control), None) - noise).square().mean(Kind::Float)
}

fn advance(progress: &dyn Progress, what: &str, done: u64, loss: f64) -> Result<()> {
    if progress.stop_requested() {
        return Err(Error::interrupted(format!("training of the base stopped after step `{done}`")));
    }
    progress.advance(1, &format!("{what} {loss:.4}"));
    Ok(())
}

/// Plain training of some of the base's weights: the only place where weights ask for gradients, as no
/// private trace comes near.
struct Trainer {
    leaves: Vec<Param>,
    values: Vec<Tensor>,
    /// Their values before the last step.
    previous: Vec<Tensor>,
    optimiser: Optimiser,
    steps: u64,
    step: u64,
    diverged: Option<u64>,
}

impl Trainer {
    fn new(params: &Params, prefixes: &[&str], rate: f64, steps: u64) -> Self {
        let chosen = |param: &Param| prefixes.iter().any(|prefix| params.name(*param).starts_with(prefix));
        let leaves: Vec<Param> = params.handles().filter(chosen).collect();
        let values = leaves.iter().map(|leaf| params.get(*leaf).set_requires_grad(true)).collect();
        let plan = OptimiserPlan::Adam { rate, betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.0 };
        Self {
            leaves,
            values,
            previous: Vec::new(),
            optimiser: Optimiser::new(plan, params),
            steps,
            step: 0,
            diverged: None,
        }
    }

    /// One step down the gradient of a scalar; returns its value. `None` once it has diverged: the weights are then
    /// those before the step that led to it.
    fn step(&mut self, params: &mut Params, loss: &Tensor) -> Option<f64> {
        let value = loss.double_value(&[]);
        if value.is_nan() || value > LOSS_MAX {
            self.diverged = Some(self.step);
            tch::no_grad(|| {
                for (value, good) in self.values.iter_mut().zip(&self.previous) {
                    value.copy_(good);
                }
            });
            return None;
        }
        let gradients = Tensor::run_backward(&[loss], &self.values, false, false);
        self.previous = self.values.iter().map(|value| value.detach().copy()).collect();
        let squares: Vec<Tensor> = gradients.iter().map(|gradient| gradient.square().sum(Kind::Double)).collect();
        let norm = Tensor::stack(&squares, 0).sum(Kind::Double).sqrt().double_value(&[]);
        let factor = (GRADIENT_NORM / norm.max(1e-12)).min(1.0);
        let mut per_trace = PerTrace::new(params, 1);
        for (leaf, gradient) in self.leaves.iter().zip(gradients) {
            per_trace.push(*leaf, Part::Direct((gradient * factor).reshape([1, 1, -1])));
        }
        let sum = PerSampleGrads::new(per_trace).sum_unclipped();
        let gradient = sum.privatise(&[None], &[], self.step, 1.0, &mut []);
        let rate = self.rate_factor() as f32;
        tch::no_grad(|| self.optimiser.step(params, gradient, &Tensor::from_slice(&[rate])));
        self.step += 1;
        Some(value)
    }

    /// Rises over the first steps, falls to 0 over the second half.
    fn rate_factor(&self) -> f64 {
        let done = self.step as f64 / self.steps.max(1) as f64;
        ((self.step + 1) as f64 / WARM_UP as f64).min(1.0).min(2.0 * (1.0 - done))
    }

    /// Gives the step at which it diverged.
    fn finish(self) -> Option<u64> {
        for value in self.values {
            let _ = value.set_requires_grad(false);
        }
        self.diverged
    }
}
