//! Training forecasters of the next packet length: N-BEATS, one model per class in lockstep.
//!
//! `paper` is what Darts does by default: raw bytes without scaling, mean squared error, Adam at 1e-3, shuffled
//! batches of 32, the short last batch kept. On real traffic that predicts conditional means of a distribution with
//! a few sharp peaks (acknowledgements, full segments), but is evaluated by absolute errors: with hundreds of windows
//! it is worse than repeating the last length. `small` predicts the change from the last length, minimises the metric,
//! the absolute error, in units of 100 bytes, which suit the initial weights and a higher learning rate, and decays the
//! rate to 0.
//!
//! Each model has its own weights, order and number of steps; finished models wait for the others. Its result does not
//! depend on the other models beyond rounding.

use super::classify::ClassTraces;
use super::measure::{TrainedOn, UtilityRow};
use super::nbeats::{Loss, Nbeats, NbeatsShape, torch};
use super::next_length::{WINDOW, Windows, error_rows, mean_absolute_errors, test_windows};
use crate::adam::Adam;
use rand::seq::SliceRandom;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use tch::{Kind, Tensor};

/// How a forecaster is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastOptions {
    /// Name in the `learner` column: `nbeats small` or `nbeats paper`.
    pub name: &'static str,
    /// Network.
    pub shape: NbeatsShape,
    /// Passes over the windows.
    pub epochs: usize,
    /// Windows of a batch.
    pub batch: usize,
    /// Most steps of a model: training ends with them, also inside an epoch.
    pub steps_max: usize,
    /// Learning rate.
    pub rate: f64,
    /// Does the rate fall, step by step, to 0?
    pub rate_falls: bool,
    /// What is minimised.
    pub loss: Loss,
    /// Bytes that 1 stands for in what the network reads and predicts.
    pub unit_bytes: f32,
    /// Does the network predict the change from the window's last length?
    pub from_last: bool,
}

impl ForecastOptions {
    /// Darts' defaults: 100 epochs of batches of 32.
    pub fn paper() -> Self {
        Self {
            name: "nbeats paper",
            shape: NbeatsShape::standard(),
            epochs: 100,
            batch: 32,
            steps_max: usize::MAX,
            rate: 1e-3,
            rate_falls: false,
            loss: Loss::Squared,
            unit_bytes: 1.0,
            from_last: false,
        }
    }

    /// A network of 15,000 parameters for seconds on one core. How it does beside Darts and beside repeating the
    /// last length: see `tests/utility.rs`.
    pub fn small() -> Self {
        Self {
            name: "nbeats small",
            shape: NbeatsShape::small(),
            epochs: 60,
            steps_max: 1_200,
            rate: 3e-3,
            rate_falls: true,
            loss: Loss::Absolute,
            unit_bytes: 100.0,
            from_last: true,
            ..Self::paper()
        }
    }

    /// Bytes that the network's prediction is added to.
    fn start(&self, window: &[f32; WINDOW]) -> f32 {
        if self.from_last { window[WINDOW - 1] } else { 0.0 }
    }
}

/// A trained forecaster for each series.
pub struct Forecasters {
    network: Nbeats,
    options: ForecastOptions,
    /// Mean loss over its last epoch, bytes or bytes squared; `None` for a series without windows, whose model keeps
    /// its first weights.
    pub losses: Vec<Option<f64>>,
}

impl Forecasters {
    /// Lengths, in bytes, that a model predicts after some windows.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn predict(&self, model: usize, windows: &[[f32; WINDOW]]) -> Result<Vec<f32>> {
        let unit = self.options.unit_bytes;
        let scaled: Vec<[f32; WINDOW]> = windows.iter().map(|window| window.map(|length| length / unit)).collect();
        let predicted = self.network.predict(model as i64, &scaled)?;
        Ok(predicted
            .into_iter()
            .zip(windows)
            .map(|(value, window)| value * unit + self.options.start(window))
            .collect())
    }
}

/// What one model learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Windows with the value that follows.
    pub windows: Vec<([f32; WINDOW], f32)>,
    /// Seed of its weights and order.
    pub seed: Seed,
}

/// Trains one model per series.
///
/// # Errors
/// Where libtorch fails.
pub fn train_forecasters(options: &ForecastOptions, series: &[Series]) -> Result<Forecasters> {
    let seeds: Vec<Seed> = series.iter().map(|series| series.seed.named("weights")).collect();
    let mut network = Nbeats::new(options.shape, &seeds, Kind::Float)?;
    let mut feeds: Vec<Feed<'_>> = series.iter().map(|series| Feed::new(options, series)).collect();
    let mut optimiser = Adam::new(options.rate, 0.0);
    let mut sums: Vec<(f64, usize)> = vec![(0.0, 0); series.len()];
    loop {
        let batches: Vec<Batch> = feeds.iter_mut().map(|feed| feed.next(options.batch)).collect();
        if batches.iter().all(|batch| batch.rows.is_empty()) {
            break;
        }
        let losses = step(&mut network, &mut optimiser, &batches, options)?;
        for ((batch, loss), sum) in batches.iter().zip(losses).zip(&mut sums) {
            if batch.first_of_epoch {
                *sum = (0.0, 0);
            }
            sum.0 += loss * batch.rows.len() as f64;
            sum.1 += batch.rows.len();
        }
    }
    let losses = sums.into_iter().map(|(sum, rows)| (rows > 0).then(|| sum / rows as f64)).collect();
    Ok(Forecasters { network, options: options.clone(), losses })
}

/// A model's windows as they come, epoch by epoch.
struct Feed<'a> {
    series: &'a Series,
    order: Vec<usize>,
    at: usize,
    epoch: usize,
    steps: usize,
    epochs: usize,
    /// Steps that the model takes in all.
    steps_all: usize,
    rate_falls: bool,
}

/// The next windows of one model; none once it is finished.
struct Batch {
    rows: Vec<([f32; WINDOW], f32)>,
    first_of_epoch: bool,
    /// Share of the learning rate.
    rate_share: f32,
}

impl<'a> Feed<'a> {
    fn new(options: &ForecastOptions, series: &'a Series) -> Self {
        let epochs = options.epochs;
        let steps_all = (series.windows.len().div_ceil(options.batch) * epochs).min(options.steps_max);
        Self { series, order: Vec::new(), at: 0, epoch: 0, steps: 0, epochs, steps_all, rate_falls: options.rate_falls }
    }

    fn next(&mut self, size: usize) -> Batch {
        let nothing = Batch { rows: Vec::new(), first_of_epoch: false, rate_share: 0.0 };
        if self.at >= self.order.len() {
            if self.epoch >= self.epochs || self.series.windows.is_empty() {
                return nothing;
            }
            self.order = (0..self.series.windows.len()).collect();
            self.order.shuffle(&mut self.series.seed.named("order").numbered(self.epoch as u64).rng());
            (self.at, self.epoch) = (0, self.epoch + 1);
        }
        if self.steps >= self.steps_all {
            return nothing;
        }
        let first_of_epoch = self.at == 0;
        let picked = self.order.iter().skip(self.at).take(size);
        let rows: Vec<_> = picked.filter_map(|&index| self.series.windows.get(index).copied()).collect();
        let done = if self.rate_falls { self.steps as f32 / self.steps_all as f32 } else { 0.0 };
        self.at += size;
        self.steps += 1;
        Batch { rows, first_of_epoch, rate_share: 1.0 - done }
    }
}

/// One step of every model that has a batch; the mean losses before it.
fn step(network: &mut Nbeats, optimiser: &mut Adam, batches: &[Batch], options: &ForecastOptions) -> Result<Vec<f64>> {
    let models = batches.len() as i64;
    let rows = batches.iter().map(|batch| batch.rows.len()).max().unwrap_or(0).min(options.batch);
    let (mut inputs, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for batch in batches {
        for row in 0..rows {
            // rows beyond a short batch have weight 0
            let (window, target) = batch.rows.get(row).copied().unwrap_or(([0.0; WINDOW], 0.0));
            inputs.extend(window.map(|length| length / options.unit_bytes));
            targets.push((target - options.start(&window)) / options.unit_bytes);
            weights.push(if row < batch.rows.len() { 1.0 / batch.rows.len() as f32 } else { 0.0 });
        }
    }
    let shares: Vec<f32> = batches.iter().map(|batch| batch.rate_share).collect();
    let tensor = |values: &[f32], shape: &[i64]| Tensor::f_from_slice(values).and_then(|flat| flat.f_view(shape));
    let rows = rows as i64;
    let inputs = tensor(&inputs, &[models, rows, WINDOW as i64]).map_err(torch)?;
    let targets = tensor(&targets, &[models, rows, 1]).map_err(torch)?;
    let weights = tensor(&weights, &[models, rows, 1]).map_err(torch)?;
    let shares = tensor(&shares, &[models, 1]).map_err(torch)?;
    let losses = network.losses(options.loss, &inputs, &targets, &weights)?;
    let gradient = network.gradient(&losses)?;
    // At a share of the rate for each model; those of 0 stay as they are.
    let step = || network.flat.f_sub_(&optimiser.change(&network.flat, &gradient)?.f_mul(&shares)?).map(drop);
    tch::no_grad(step).map_err(torch)?;
    let losses = losses.f_detach().and_then(|losses| losses.f_to_kind(Kind::Double)).map_err(torch)?;
    let losses = Vec::<f64>::try_from(&losses).map_err(torch)?;
    let unit = options.loss.of(f64::from(options.unit_bytes));
    Ok(losses.into_iter().map(|loss| loss * unit).collect())
}

/// Rows of the forecasters of some classes, one for each.
///
/// # Errors
/// Where libtorch fails.
pub fn forecast_rows(
    options: &ForecastOptions,
    kind: Windows,
    trained_on: TrainedOn,
    classes: &[ClassTraces<'_>],
    seed: Seed,
) -> Result<Vec<UtilityRow>> {
    let series: Vec<Series> = classes
        .iter()
        .map(|class| Series {
            windows: class.train.iter().flat_map(|trace| kind.of(trace)).collect(),
            seed: seed.named(&class.class),
        })
        .collect();
    let forecasters = train_forecasters(options, &series)?;
    let learner = format!("{}, {}", options.name, kind.name());
    let mut rows = Vec::new();
    for (index, (class, loss)) in classes.iter().zip(&forecasters.losses).enumerate() {
        let test = test_windows(kind, &class.test);
        let windows: Vec<[f32; WINDOW]> = test.iter().flatten().map(|(window, _)| *window).collect();
        let errors = match loss {
            Some(_) => mean_absolute_errors(&test, &forecasters.predict(index, &windows)?),
            None => Vec::new(),
        };
        rows.extend(error_rows((trained_on, &learner, &class.class), errors, *loss, class.train.len() as u64));
    }
    Ok(rows)
}
