//! The loop: Poisson batches, clipped sums, private gradients, optimiser, epochs, checkpoints.

use super::checkpoint::{self, ModelState, Running, State};
use super::step::Overflow;
use super::{
    CheckpointSink, ClippedSum, Clipping, CohortInput, CohortModel, CohortOutcome, DpPlan, EpochRow, Microbatch,
    ModelOutcome, MonitorRow, Network, OVERFLOWS, Optimiser, PrivateGrad, poisson_batch,
};
use crate::nn::Params;
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ModelStatus, PrivacyEvent};
use tch::{Device, Kind, Tensor};

/// Trains the models of a cohort in lockstep. `network` holds the initial weights of the models in the
/// order of `input.models` (and the pooled traces). With `resume`, continues from a checkpoint of the
/// same input: a model without DP, or with reproducible noise, ends with the same weights, bit for bit; one
/// with the operating system's noise draws fresh noise and fresh batches from there on, which are independent
/// of those before, so that the accounting stands.
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
                .hint("run the same command again: it resumes from there"));
        }
        let loss = training.step()?;
        progress.advance(1, &loss.map_or(String::new(), |loss| format!("loss {loss:.3}")));
        if training.at_epoch_end() {
            let now = sink.seconds();
            training.add_seconds(now - started);
            started = now;
            training.finish_epoch()?;
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

/// A loss beyond this has exploded: cross-entropies and noise errors are below 10, critics' distances below 1e4.
/// Models with DP are asked for neither losses nor norms: when they stop follows from released weights alone.
const LOSS_MAX: f64 = 1e6;
/// A weight beyond this has exploded.
const WEIGHT_MAX: f64 = 1e6;

/// A training between two steps.
struct Training<'a, N> {
    network: &'a mut N,
    input: &'a CohortInput<'a>,
    plans: Vec<Option<DpPlan>>,
    clipping: Clipping,
    /// Of models with the operating system's noise: behind their noise and their batches, new in each process and
    /// written nowhere.
    secrets: Vec<Option<Seed>>,
    noise_seeds: Vec<Seed>,
    optimiser: Optimiser,
    state: State,
    /// Last good weights of diverged models.
    frozen: Vec<Option<Vec<u8>>>,
    /// All weights before the last step: good ones, as the loss was finite with them.
    previous: Option<Params>,
    /// Of each model the traces of each host, where hosts are drawn and clipped as a whole.
    hosts: Option<Vec<Vec<Vec<usize>>>>,
}

impl<'a, N: Network> Training<'a, N> {
    fn new(network: &'a mut N, input: &'a CohortInput<'a>, resume: Option<&[u8]>) -> Result<Self> {
        let plans: Vec<Option<DpPlan>> = input.models.iter().map(|model| model.dp).collect();
        let optimiser = Optimiser::new(input.plan.optimiser, network.params());
        let mut optimiser = optimiser.averaging(input.plan.average, input.plan.steps, network.params());
        let resumed = match resume {
            Some(bytes) => checkpoint::read(bytes, network.params_mut(), &mut optimiser)?,
            None => None,
        };
        let fresh = || (State::new(input.models.len()), vec![None; input.models.len()], None);
        let (state, frozen, previous) = resumed.unwrap_or_else(fresh);
        if state.models.len() != input.models.len() {
            return Err(Error::internal(format!(
                "checkpoint must hold `{}` models, found `{}`",
                input.models.len(),
                state.models.len()
            )));
        }
        let is_secret = |model: &CohortModel| model.dp.is_some() && model.noise_seed.is_none();
        let secrets = input.models.iter().map(|model| is_secret(model).then(Seed::from_system).transpose());
        let secrets: Vec<Option<Seed>> = secrets.collect::<Result<_>>()?;
        let of_model = |(model, secret): (&CohortModel, &Option<Seed>)| secret.or(model.noise_seed);
        let noise_seeds = input.models.iter().zip(&secrets);
        let noise_seeds = noise_seeds.map(|pair| of_model(pair).unwrap_or(pair.0.seed).named("noise")).collect();
        let clipping = Clipping::new(&plans);
        let units = || input.models.iter().map(|model| input.units(model.learns_from())).collect();
        let hosts = input.hosts.map(|_| units());
        Ok(Self { network, input, plans, clipping, secrets, noise_seeds, optimiser, state, frozen, previous, hosts })
    }

    /// One step of all models; returns the mean loss of the step's traces.
    fn step(&mut self) -> Result<Option<f64>> {
        let step = self.state.step;
        self.network.before_step(step);
        let batches = self.draw(step);
        let (mut sum, done) = self.sum(&batches, Overflow::Kept);
        // Read once a step: a device waits at each reading.
        let (mut loss_sum, mut loss_count) = (0.0, 0u64);
        let mut finite = vec![true; batches.len()];
        let losses = tables(done.iter().map(|(_, losses, _)| losses))?;
        let norms = tables(done.iter().filter_map(|(_, _, norms)| norms.as_ref()))?;
        if norms.iter().flatten().flatten().any(|norm| !norm.is_finite()) {
            // Rare, so that every other step is spared the mask.
            sum = self.sum(&batches, Overflow::Zeroed).0;
        }
        for (at, (pass, losses)) in done.iter().map(|(pass, ..)| pass).zip(&losses).enumerate() {
            for (row, (&model, &own)) in pass.batch.models.iter().zip(&pass.own).enumerate() {
                let (traces, norms) = (own * pass.unit, norms.get(at).map(|norms| &norms[row][..own]));
                let (total, good) = self.count(model, &losses[row][..traces], norms);
                finite[model] &= good;
                loss_sum += total;
                loss_count += traces as u64;
            }
        }
        self.apply(sum, step, &finite)?;
        self.state.step += 1;
        if self.state.step == self.input.plan.steps {
            self.optimiser.settle(self.network.params_mut());
        }
        Ok((loss_count > 0).then(|| loss_sum / loss_count as f64))
    }

    /// The clipped sum of a step's batches, with each pass's losses and norms. Zero times infinity is no number,
    /// so the gradient of an overflowing trace is set to zero where `overflow` says so.
    fn sum(&self, batches: &[Vec<usize>], overflow: Overflow) -> (ClippedSum, Vec<Done>) {
        let mut sum = ClippedSum::empty(self.network.params());
        let mut done = Vec::new();
        for pass in self.unit_passes(batches) {
            let own = pass.own_columns(self.network.params().device());
            let result = self.network.gradients(&pass.batch, self.clipping.any());
            let gradients = result.gradients.joined(pass.unit);
            let (part, norms) = if self.clipping.any() {
                let clipping = self.clipping.select(&pass.batch.models);
                let (part, norms) = gradients.clip_own(&clipping, own.as_ref(), overflow);
                (part, Some(norms))
            } else {
                (gradients.sum_own(own.as_ref()), None)
            };
            sum.add_rows(&pass.batch.models, part);
            done.push((pass, result.losses, norms));
        }
        (sum, done)
    }

    /// Rows of all models as passes. On the CPU none holds padding; elsewhere a pass costs by its launches
    /// more than by its traces, so that rows are filled up instead.
    fn passes(&self, rows: &[Vec<usize>]) -> Vec<Pass> {
        passes(rows, self.input.plan.microbatch as usize, self.network.params().device() != Device::Cpu)
    }

    /// The batches of a step as passes. Of hosts, those with equally many traces are in a pass, a host's traces beside
    /// each other, so that nothing is filled up to join them.
    fn unit_passes(&self, batches: &[Vec<usize>]) -> Vec<Pass> {
        let Some(hosts) = &self.hosts else { return self.passes(batches) };
        let most = hosts.iter().flatten().map(Vec::len).max().unwrap_or(0);
        let traces = self.input.plan.microbatch as usize;
        let padded = self.network.params().device() != Device::Cpu;
        let of_size = |size: usize| {
            let own = |(batch, hosts): (&Vec<usize>, &Vec<Vec<usize>>)| -> Vec<usize> {
                batch.iter().copied().filter(|host| hosts[*host].len() == size).collect()
            };
            let rows: Vec<Vec<usize>> = batches.iter().zip(hosts).map(own).collect();
            passes(&rows, (traces / size).max(1), padded).into_iter().map(move |pass| pass.of_hosts(hosts, size))
        };
        (1..=most).flat_map(of_size).collect()
    }

    /// Poisson batches of all models that still train, positions of traces or numbers of hosts, each sorted by size, longest
    /// first.
    fn draw(&self, step: u64) -> Vec<Vec<usize>> {
        let models = self.input.models.iter().zip(&self.secrets).zip(&self.state.models).enumerate();
        let draws = models.map(|(at, ((model, secret), state))| {
            if state.diverged.is_some() {
                return Vec::new();
            }
            // Amplification by sampling assumes that nobody knows the draws: with system noise they are
            // as secret as the noise, and not a function of the study's seed.
            let seed = secret.unwrap_or(model.seed);
            let rate = self.input.plan.sampling_rate;
            let Some(hosts) = &self.hosts else {
                let mut batch = poisson_batch(&seed, step, model.learns_from(), rate);
                batch.sort_by_key(|&trace| (std::cmp::Reverse(self.network.size(trace)), trace));
                return batch;
            };
            let numbers: Vec<usize> = (0..hosts[at].len()).collect();
            let mut batch = poisson_batch(&seed, step, &numbers, rate);
            let longest = |host: usize| hosts[at][host].iter().map(|&trace| self.network.size(trace)).max();
            batch.sort_by_key(|&host| (std::cmp::Reverse(longest(host)), host));
            batch
        });
        draws.collect()
    }

    /// Counts the losses of a model's traces and the norms of its units; returns the sum of losses and whether the
    /// model may go on: without DP while all are in bounds, with DP whatever they are.
    fn count(&mut self, model: usize, losses: &[f64], norms: Option<&[f64]>) -> (f64, bool) {
        let clip_norm = self.plans[model].map(|plan| plan.clip_norm);
        let state = &mut self.state.models[model];
        let (mut total, mut finite) = (0.0, true);
        for &loss in losses {
            total += loss;
            finite &= loss.is_finite() && loss.abs() <= LOSS_MAX;
            state.running.add_loss(loss);
        }
        for &norm in norms.unwrap_or_default() {
            finite &= norm.is_finite();
            state.overflows += u64::from(!norm.is_finite());
            state.running.add_norm(norm, clip_norm);
        }
        (total, finite || clip_norm.is_some())
    }

    /// Noise, optimiser, ledger. Models whose loss exploded or whose gradient was not finite in this step stop here.
    fn apply(&mut self, sum: ClippedSum, step: u64, finite: &[bool]) -> Result<()> {
        for model in (0..finite.len()).filter(|&model| !finite[model]) {
            self.stop(model, step)?;
        }
        let mut ledger = self.ledger()?;
        let mut gradient: PrivateGrad =
            sum.privatise(&self.plans, &self.noise_seeds, step, self.input.plan.expected_batch, &mut ledger);
        for (model, event) in self.state.models.iter_mut().zip(ledger) {
            // A model that stopped releases nothing any more.
            if let (Some(event), None) = (event, model.diverged) {
                model.releases = event.steps;
            }
        }
        let mut active: Vec<bool> = self.state.models.iter().map(|model| model.diverged.is_none()).collect();
        if active.contains(&false) {
            gradient.only(&Tensor::from_slice(&active));
        }
        let factor = self.input.plan.rate_factor(step);
        let rates: Vec<f64> = active.iter().map(|&active| if active { factor } else { 0.0 }).collect();
        self.previous = Some(self.network.params().snapshot());
        self.optimiser.step(self.network.params_mut(), gradient, &Tensor::from_slice(&rates));
        for model in exploded(self.network.params())? {
            active[model] = false;
            self.stop(model, step + 1)?;
        }
        for model in self.network.after_step(step, &active) {
            self.stop(model, step)?;
        }
        Ok(())
    }

    /// Ends a model's training as diverged, with the weights before the step that led to it.
    fn stop(&mut self, model: usize, step: u64) -> Result<()> {
        if self.state.models[model].diverged.is_none() {
            let good = self.previous.as_ref().unwrap_or(self.network.params());
            self.frozen[model] = Some(good.to_safetensors(model as i64)?);
            self.state.models[model].diverged = Some(step);
        }
        Ok(())
    }

    fn ledger(&self) -> Result<Vec<Option<PrivacyEvent>>> {
        let rate = self.input.plan.sampling_rate;
        let models = self.plans.iter().zip(&self.state.models);
        models.map(|(plan, model)| plan.map(|plan| checkpoint::event(model, plan, rate)).transpose()).collect()
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
    fn finish_epoch(&mut self) -> Result<()> {
        let plan = &self.input.plan;
        let epoch = self.epochs_done() as u32;
        let evaluate = (epoch + 1).is_multiple_of(plan.epochs_per_evaluation.max(1)) || self.state.step >= plan.steps;
        let (members, held_out) = if evaluate {
            (self.mean_losses(|model| &model.members)?, self.mean_losses(|model| &model.held_out)?)
        } else {
            (vec![None; self.plans.len()], vec![None; self.plans.len()])
        };
        let seconds = f64::from_bits(std::mem::take(&mut self.state.epoch_seconds));
        for (index, model) in self.state.models.iter_mut().enumerate() {
            let Running { traces, loss, norm, norms, clipped } = std::mem::take(&mut model.running);
            let mean = |sum: u64, count: u64| (count > 0).then(|| f64::from_bits(sum) / count as f64);
            let row = EpochRow {
                epoch,
                step: self.state.step,
                train_loss: mean(loss, traces),
                member_loss: members[index],
                held_out_loss: held_out[index],
                gradient_norm: mean(norm, norms),
                clipped_fraction: self.plans[index].and((norms > 0).then(|| clipped as f64 / norms as f64)),
                traces,
                seconds,
            };
            model.epochs.push((&row).into());
        }
        Ok(())
    }

    /// Mean loss of some traces of each model, in evaluation mode.
    fn mean_losses(&self, traces: impl Fn(&super::CohortModel) -> &Vec<usize>) -> Result<Vec<Option<f64>>> {
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
        for pass in self.passes(&rows) {
            let mut losses = tch::no_grad(|| self.network.losses(&pass.batch));
            if let Some(own) = pass.own_columns(losses.device()) {
                losses *= own;
            }
            let per_model = losses.sum_dim_intlist([1].as_slice(), false, Kind::Double);
            let per_model = Vec::<f64>::try_from(per_model).map_err(no_numbers)?;
            for (&model, more) in pass.batch.models.iter().zip(per_model) {
                sums[model] += more;
            }
        }
        Ok(sums.iter().zip(&rows).map(|(sum, row)| (!row.is_empty()).then(|| sum / row.len() as f64)).collect())
    }

    fn checkpoint(&mut self) -> Result<Vec<u8>> {
        self.state.optimiser_steps = self.optimiser.steps();
        let weights = (self.network.params(), self.previous.as_ref());
        let is_secret: Vec<bool> = self.secrets.iter().map(Option::is_some).collect();
        checkpoint::write(&self.state.storable(&is_secret), weights, &self.optimiser, &self.frozen)
    }

    fn outcome(self) -> Result<CohortOutcome> {
        let ledger = self.ledger()?;
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
                monitors: overflows(state, &self.plans[index]).into_iter().collect(),
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

/// Traces of a model with DP whose gradients were not finite and counted as zero; no row where there was none.
fn overflows(state: &ModelState, plan: &Option<DpPlan>) -> Option<MonitorRow> {
    (plan.is_some() && state.overflows > 0).then(|| MonitorRow::new(OVERFLOWS, "", state.overflows as f64))
}

/// Models with a trained weight that is not finite or beyond [`WEIGHT_MAX`].
fn exploded(params: &Params) -> Result<Vec<usize>> {
    let trained = params.handles().filter(|param| params.trainable(*param));
    let largest: Vec<Tensor> = trained
        .map(|param| params.get(param).reshape([params.models(), -1]).abs().amax([1].as_slice(), false))
        .collect();
    if largest.is_empty() {
        return Ok(Vec::new());
    }
    let largest = table(&Tensor::stack(&largest, 1))?;
    let is_bad = |weights: &[f64]| weights.iter().any(|weight| weight.is_nan() || *weight > WEIGHT_MAX);
    Ok((0..largest.len()).filter(|model| is_bad(&largest[*model])).collect())
}

/// Cuts the rows of all models into microbatches of about `traces` traces of all models together (at
/// least one a model): what counts for speed is that a pass stays in the caches. Each takes the same
/// number from its models, so no pass holds padding traces, and has no more models than leave two traces
/// for each: products of single traces are slower (a cohort of 8 in passes of 8 traces, one a model, took
/// 4 % longer than its models one after the other).
///
/// With `padded`, each takes what its longest model has left, as far as it fits, and repeats a trace of the
/// others: fewer passes.
fn passes(rows: &[Vec<usize>], traces: usize, padded: bool) -> Vec<Pass> {
    let mut taken = vec![0; rows.len()];
    let mut passes = Vec::new();
    loop {
        let left = |model: usize| rows[model].len() - taken[model];
        let models: Vec<usize> = (0..rows.len()).filter(|&model| left(model) > 0).take((traces / 2).max(1)).collect();
        let all_left = models.iter().map(|&model| left(model));
        let Some(wanted) = (if padded { all_left.max() } else { all_left.min() }) else { return passes };
        let most = (traces / models.len()).max(1);
        // Even parts: 9 traces are 5 and 4, not 8 and 1.
        let width = wanted.div_ceil(wanted.div_ceil(most));
        let own: Vec<usize> = models.iter().map(|&model| left(model).min(width)).collect();
        let mut cut = Vec::with_capacity(models.len());
        for (&model, own) in models.iter().zip(&own) {
            let mut row = rows[model][taken[model]..taken[model] + own].to_vec();
            row.resize(width, row[0]);
            cut.push(row);
            taken[model] += own;
        }
        passes.push(Pass { batch: Microbatch { models, rows: cut }, own, unit: 1 });
    }
}

/// A pass, the losses of its traces `[M, B U]`, and the norms of its units' gradients where any model clips, `[M, B]`.
type Done = (Pass, Tensor, Option<Tensor>);

/// One forward pass.
struct Pass {
    batch: Microbatch,
    /// Units of each row that are its model's; what stands behind them fills the row.
    own: Vec<usize>,
    /// Traces of each unit, U: neighbours in a row.
    unit: usize,
}

impl Pass {
    /// A pass over numbers of hosts as one over their traces, `unit` of each.
    fn of_hosts(mut self, hosts: &[Vec<Vec<usize>>], unit: usize) -> Self {
        for (&model, row) in self.batch.models.iter().zip(&mut self.batch.rows) {
            *row = row.iter().flat_map(|&host| hosts[model][host].iter().copied()).collect();
        }
        Self { unit, ..self }
    }

    /// `[M, B]`, 1 for a model's own units and 0 for padding; `None` without padding.
    fn own_columns(&self, device: Device) -> Option<Tensor> {
        let width = self.batch.width() / self.unit;
        if self.own.iter().all(|&own| own == width) {
            return None;
        }
        let column = |own: &usize| (0..width).map(|at| f32::from(u8::from(at < *own))).collect::<Vec<_>>();
        let flat: Vec<f32> = self.own.iter().flat_map(column).collect();
        Some(Tensor::from_slice(&flat).to_device(device).view([self.own.len() as i64, width as i64]))
    }
}

/// A `[M, B]` tensor as rows of numbers.
fn table(values: &Tensor) -> Result<Vec<Vec<f64>>> {
    Vec::<Vec<f64>>::try_from(values.to_kind(Kind::Double).to_device(Device::Cpu)).map_err(no_numbers)
}

fn no_numbers(error: tch::TchError) -> Error {
    Error::internal(format!("tensor to numbers: {error}"))
}

/// Several `[M, B]` tensors as rows of numbers, brought from their device together.
fn tables<'t>(all: impl Iterator<Item = &'t Tensor>) -> Result<Vec<Vec<Vec<f64>>>> {
    let (shapes, flat): (Vec<Vec<i64>>, Vec<Tensor>) =
        all.map(|values| (values.size(), values.to_kind(Kind::Double).flatten(0, -1))).unzip();
    if flat.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = Vec::<f64>::try_from(Tensor::cat(&flat, 0)).map_err(no_numbers)?;
    let mut rest = numbers.as_slice();
    let mut rows_of = |shape: &Vec<i64>| {
        let (own, behind) = rest.split_at(shape.iter().product::<i64>() as usize);
        rest = behind;
        own.chunks_exact(shape.last().copied().unwrap_or(1).max(1) as usize).map(<[f64]>::to_vec).collect()
    };
    Ok(shapes.iter().map(&mut rows_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every trace of every model once, in order; equal rows; never more than asked for.
    #[test]
    fn passes_hold_each_trace_once_and_no_padding() {
        const TRACES: usize = 8;
        let rows: Vec<Vec<usize>> = [13, 0, 4, 9].iter().map(|&count| (0..count).collect()).collect();
        let mut seen: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
        for pass in passes(&rows, TRACES, false) {
            assert!(pass.own_columns(Device::Cpu).is_none());
            let batch = pass.batch;
            assert!(batch.width() > 0 && batch.width() * batch.models.len() <= TRACES);
            for (&model, row) in batch.models.iter().zip(&batch.rows) {
                assert_eq!(row.len(), batch.width());
                seen[model].extend(row);
            }
        }
        assert_eq!(seen, rows);
        assert!(passes(&[Vec::new()], TRACES, false).is_empty());
    }

    /// As above with padding: own traces once, padding marked, and as few passes as the longest row needs.
    #[test]
    fn padded_passes_mark_what_fills_their_rows() {
        const TRACES: usize = 32;
        let rows: Vec<Vec<usize>> = [13, 0, 4, 9].iter().map(|&count| (100..100 + count).collect()).collect();
        let mut seen: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
        let all = passes(&rows, TRACES, true);
        assert_eq!(all.len(), 2, "13 traces in passes of at most 10 a model");
        for pass in &all {
            assert!(pass.batch.width() * pass.batch.models.len() <= TRACES);
            let own = pass.own_columns(Device::Cpu).map(|own| Vec::<Vec<f32>>::try_from(own).unwrap());
            for (row, &model) in pass.batch.models.iter().enumerate() {
                let traces = &pass.batch.rows[row];
                assert_eq!(traces.len(), pass.batch.width());
                let mark = |at: usize| own.as_ref().is_none_or(|own| own[row][at] == 1.0);
                seen[model].extend((0..traces.len()).filter(|&at| mark(at)).map(|at| traces[at]));
            }
        }
        assert_eq!(seen, rows);
    }
}
