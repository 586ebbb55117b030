//! The loop: Poisson batches, clipped sums, private gradients, optimiser, epochs, checkpoints.

use super::checkpoint::{self, Running, State};
use super::{
    CheckpointSink, ClippedSum, Clipping, CohortInput, CohortOutcome, DpPlan, EpochRow, Microbatch, ModelOutcome,
    Network, Optimiser, PrivacyEvent, PrivateGrad, poisson_batch,
};
use crate::base::{Progress, Seed};
use crate::error::{Error, Result};
use crate::record::ModelStatus;
use tch::{Kind, Tensor};

/// Trains the models of a cohort in lockstep. `network` holds the initial weights of the models in the
/// order of `input.models` (and the pooled traces). With `resume`, continues from a checkpoint of the
/// same input and ends with the same weights, bit for bit.
///
/// # Errors
/// Interrupted, after saving a checkpoint, when `progress` asks to stop; an unreadable checkpoint; a
/// sink that fails.
pub fn train_cohort<N: Network>(
    network: &mut N,
    input: &CohortInput<'_>,
    resume: Option<&[u8]>,
    sink: &mut dyn CheckpointSink,
    progress: &dyn Progress,
) -> Result<CohortOutcome> {
    let mut training = Training::new(network, input, resume)?;
    let steps = input.plan.steps;
    let label = input.models.first().map_or("training", |model| model.label.as_str());
    progress.start(label, steps);
    progress.advance(training.state.step, "");
    let mut started = sink.seconds();
    while training.state.step < steps {
        if progress.stop_requested() {
            let now = sink.seconds();
            training.add_seconds(now - started);
            sink.save(&training.checkpoint()?)?;
            return Err(Error::interrupted(format!("training stopped after step `{}`", training.state.step))
                .hint("run the same command again: it goes on from there"));
        }
        let loss = training.step()?;
        progress.advance(1, &loss.map_or(String::new(), |loss| format!("loss {loss:.3}")));
        if training.at_epoch_end() {
            let now = sink.seconds();
            training.add_seconds(now - started);
            started = now;
            training.finish_epoch();
        }
        if training.state.step < steps && sink.due(training.state.step) {
            let now = sink.seconds();
            training.add_seconds(now - started);
            started = now;
            sink.save(&training.checkpoint()?)?;
        }
    }
    progress.finish();
    training.outcome()
}

/// A training between two steps.
struct Training<'a, N> {
    network: &'a mut N,
    input: &'a CohortInput<'a>,
    plans: Vec<Option<DpPlan>>,
    clipping: Clipping,
    noise_seeds: Vec<Seed>,
    optimiser: Optimiser,
    state: State,
    /// Last finite weights of diverged models.
    frozen: Vec<Option<Vec<u8>>>,
}

impl<'a, N: Network> Training<'a, N> {
    fn new(network: &'a mut N, input: &'a CohortInput<'a>, resume: Option<&[u8]>) -> Result<Self> {
        let plans: Vec<Option<DpPlan>> = input.models.iter().map(|model| model.dp).collect();
        let mut optimiser = Optimiser::new(input.plan.optimiser, network.params());
        let (state, frozen) = match resume {
            Some(bytes) => checkpoint::read(bytes, network.params_mut(), &mut optimiser)?,
            None => {
                let seeds = input.models.iter().map(|model| match (model.dp, model.noise_seed) {
                    (Some(_), None) => Seed::from_system(),
                    (_, seed) => Ok(seed.unwrap_or(model.seed)),
                });
                let seeds: Vec<Seed> = seeds.collect::<Result<_>>()?;
                (State::new(&seeds), vec![None; seeds.len()])
            }
        };
        if state.models.len() != input.models.len() {
            return Err(Error::internal(format!(
                "checkpoint must hold `{}` models, found `{}`",
                input.models.len(),
                state.models.len()
            )));
        }
        let noise_seeds = state.models.iter().map(|model| Seed::from_bytes(model.noise_seed).named("noise")).collect();
        let clipping = Clipping::new(&plans);
        Ok(Self { network, input, plans, clipping, noise_seeds, optimiser, state, frozen })
    }

    /// One step of all models; returns the mean loss of the step's traces.
    fn step(&mut self) -> Result<Option<f64>> {
        let step = self.state.step;
        let batches = self.draw(step);
        let width = self.width();
        let mut sum: Option<ClippedSum> = None;
        let (mut loss_sum, mut loss_count) = (0.0, 0u64);
        let mut finite = vec![true; batches.len()];
        for batch in microbatches(&batches, width) {
            let result = self.network.gradients(&batch, self.clipping.any());
            let (part, norms) = if self.clipping.any() {
                let (part, norms) = result.gradients.clip(&self.clipping);
                (part, Some(table(&norms)?))
            } else {
                (result.gradients.sum_unclipped(), None)
            };
            let losses = table(&result.losses)?;
            for (model, row) in batch.rows.iter().enumerate() {
                let norms = norms.as_ref().map(|norms| &norms[model]);
                let (total, good) = self.count(model, row.len(), &losses[model], norms);
                finite[model] &= good;
                loss_sum += total;
                loss_count += row.len() as u64;
            }
            sum = Some(match sum {
                Some(sum) => sum.plus(part),
                None => part,
            });
        }
        let sum = sum.unwrap_or_else(|| ClippedSum::empty(self.network.params()));
        self.apply(sum, step, &finite)?;
        self.state.step += 1;
        Ok((loss_count > 0).then(|| loss_sum / loss_count as f64))
    }

    /// Traces a model in one forward pass: the plan's number is for all models together, because what
    /// counts is that a pass stays in the caches.
    fn width(&self) -> usize {
        (self.input.plan.microbatch as usize / self.plans.len().max(1)).max(1)
    }

    /// Poisson batches of all models that still train, each sorted by size, longest first.
    fn draw(&self, step: u64) -> Vec<Vec<usize>> {
        let models = self.input.models.iter().zip(&self.state.models);
        let draws = models.map(|(model, state)| {
            if state.diverged.is_some() {
                return Vec::new();
            }
            let mut batch = poisson_batch(&model.seed, step, &model.members, self.input.plan.sampling_rate);
            batch.sort_by_key(|&trace| (std::cmp::Reverse(self.network.size(trace)), trace));
            batch
        });
        draws.collect()
    }

    /// Counts a model's losses and norms; returns the sum of losses and whether all were finite.
    fn count(&mut self, model: usize, traces: usize, losses: &[f64], norms: Option<&Vec<f64>>) -> (f64, bool) {
        let clip_norm = self.plans[model].map(|plan| plan.clip_norm);
        let running = &mut self.state.models[model].running;
        let (mut total, mut finite) = (0.0, true);
        for trace in 0..traces {
            total += losses[trace];
            finite &= losses[trace].is_finite();
            running.add_loss(losses[trace]);
            if let Some(norms) = norms {
                finite &= norms[trace].is_finite();
                running.add_norm(norms[trace], clip_norm);
            }
        }
        (total, finite)
    }

    /// Noise, optimiser, ledger. Models whose loss or gradient was not finite in this step keep their
    /// weights and stop here.
    fn apply(&mut self, sum: ClippedSum, step: u64, finite: &[bool]) -> Result<()> {
        for (model, &finite) in finite.iter().enumerate() {
            if !finite && self.state.models[model].diverged.is_none() {
                self.frozen[model] = Some(self.network.params().to_safetensors(model as i64)?);
                self.state.models[model].diverged = Some(step);
            }
        }
        let mut ledger = self.ledger();
        let mut gradient: PrivateGrad =
            sum.privatise(&self.plans, &self.noise_seeds, step, self.input.plan.expected_batch, &mut ledger);
        for (model, event) in self.state.models.iter_mut().zip(ledger) {
            // A model that stopped releases nothing any more.
            if let (Some(event), None) = (event, model.diverged) {
                model.releases = event.steps;
            }
        }
        let active: Vec<bool> = self.state.models.iter().map(|model| model.diverged.is_none()).collect();
        if active.contains(&false) {
            gradient.only(&Tensor::from_slice(&active));
        }
        let factor = self.input.plan.rate_factor(step);
        let rates: Vec<f64> = active.iter().map(|&active| if active { factor } else { 0.0 }).collect();
        self.optimiser.step(self.network.params_mut(), gradient, &Tensor::from_slice(&rates));
        Ok(())
    }

    fn ledger(&self) -> Vec<Option<PrivacyEvent>> {
        let rate = self.input.plan.sampling_rate;
        let models = self.plans.iter().zip(&self.state.models);
        models.map(|(plan, model)| plan.map(|plan| checkpoint::event(model, plan, rate))).collect()
    }

    fn at_epoch_end(&self) -> bool {
        let plan = &self.input.plan;
        let epochs = self.epochs_done() as u64;
        let is_last = epochs + 1 == u64::from(plan.epochs.max(1));
        // The last epoch takes what the division left over.
        if is_last { self.state.step == plan.steps } else { self.state.step == (epochs + 1) * plan.steps_per_epoch() }
    }

    fn epochs_done(&self) -> usize {
        self.state.models.first().map_or(0, |model| model.epochs.len())
    }

    fn add_seconds(&mut self, seconds: f64) {
        self.state.epoch_seconds = (f64::from_bits(self.state.epoch_seconds) + seconds).to_bits();
    }

    /// Turns the running sums into a row per model, evaluating where the plan says so.
    fn finish_epoch(&mut self) {
        let plan = &self.input.plan;
        let epoch = self.epochs_done() as u32;
        let evaluate = (epoch + 1).is_multiple_of(plan.epochs_per_evaluation.max(1)) || self.state.step >= plan.steps;
        let (members, held_out) = if evaluate {
            (self.mean_losses(|model| &model.members), self.mean_losses(|model| &model.held_out))
        } else {
            (vec![None; self.plans.len()], vec![None; self.plans.len()])
        };
        let seconds = f64::from_bits(std::mem::take(&mut self.state.epoch_seconds));
        for (index, model) in self.state.models.iter_mut().enumerate() {
            let Running { traces, loss, norm, clipped } = std::mem::take(&mut model.running);
            let per_trace = |sum: u64| (traces > 0).then(|| f64::from_bits(sum) / traces as f64);
            let has_norms = self.clipping.any();
            let row = EpochRow {
                epoch,
                step: self.state.step,
                train_loss: per_trace(loss),
                member_loss: members[index],
                held_out_loss: held_out[index],
                gradient_norm: if has_norms { per_trace(norm) } else { None },
                clipped_fraction: self.plans[index].and((traces > 0).then(|| clipped as f64 / traces as f64)),
                traces,
                seconds,
            };
            model.epochs.push((&row).into());
        }
    }

    /// Mean loss of some traces of each model, in evaluation mode.
    fn mean_losses(&self, traces: impl Fn(&super::CohortModel) -> &Vec<usize>) -> Vec<Option<f64>> {
        let rows: Vec<Vec<usize>> = self
            .input
            .models
            .iter()
            .map(|model| {
                let mut row = traces(model).clone();
                row.sort_by_key(|&trace| (std::cmp::Reverse(self.network.size(trace)), trace));
                row
            })
            .collect();
        let mut sums = vec![0.0; rows.len()];
        for batch in microbatches(&rows, self.width()) {
            let losses = tch::no_grad(|| self.network.losses(&batch));
            let per_model = losses.sum_dim_intlist([1].as_slice(), false, Kind::Double);
            for (sum, more) in sums.iter_mut().zip(Vec::<f64>::try_from(per_model).unwrap_or_default()) {
                *sum += more;
            }
        }
        sums.iter().zip(&rows).map(|(sum, row)| (!row.is_empty()).then(|| sum / row.len() as f64)).collect()
    }

    fn checkpoint(&mut self) -> Result<Vec<u8>> {
        self.state.optimiser_steps = self.optimiser.steps();
        checkpoint::write(&self.state, self.network.params(), &self.optimiser, &self.frozen)
    }

    fn outcome(self) -> Result<CohortOutcome> {
        let ledger = self.ledger();
        let (parameters, parameters_private) = self.network.params().counts();
        let mut models = Vec::with_capacity(self.state.models.len());
        for ((index, state), event) in self.state.models.iter().enumerate().zip(ledger) {
            let weights = match &self.frozen[index] {
                Some(weights) => weights.clone(),
                None => self.network.params().to_safetensors(index as i64)?,
            };
            let status = match state.diverged {
                Some(step) => ModelStatus::Diverged { step },
                None => ModelStatus::Trained,
            };
            models.push(ModelOutcome {
                weights,
                epochs: state.epochs.iter().map(EpochRow::from).collect(),
                events: event.into_iter().collect(),
                steps: state.diverged.unwrap_or(self.state.step),
                status,
                parameters,
                parameters_private,
            });
        }
        Ok(CohortOutcome { models })
    }
}

/// Cuts the rows of all models into microbatches of at most `width` traces a model; none without traces.
fn microbatches(rows: &[Vec<usize>], width: usize) -> Vec<Microbatch> {
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let count = longest.div_ceil(width);
    // Even microbatches: 33 traces are 17 and 16, not 32 and 1.
    let width = longest.div_ceil(count.max(1));
    let cut = |row: &Vec<usize>, index: usize| -> Vec<usize> {
        row.iter().skip(index * width).take(width).copied().collect()
    };
    (0..count)
        .map(|index| {
            let rows: Vec<Vec<usize>> = rows.iter().map(|row| cut(row, index)).collect();
            let width = rows.iter().map(Vec::len).max().unwrap_or(0);
            Microbatch { rows, width }
        })
        .collect()
}

/// A `[M, B]` tensor as rows of numbers.
fn table(values: &Tensor) -> Result<Vec<Vec<f64>>> {
    Vec::<Vec<f64>>::try_from(values.to_kind(Kind::Double).to_device(tch::Device::Cpu))
        .map_err(|error| Error::internal(format!("tensor to numbers: {error}")))
}
