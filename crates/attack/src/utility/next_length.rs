//! Prediction of the next packet's length from the ten before: windows, errors, and the baseline that repeats the last
//! length.
//!
//! A window is 10 consecutive IP lengths and the one after them. Traces of the paper have 10 packets, so
//! that none has a whole window; the paper does not say how it got its windows. Where the real traces
//! are that short, the windows here begin before the trace: missing packets have length 0 (padding),
//! and every packet from the second on is predicted. Where real traces are longer, only whole windows
//! count, as in Darts.

use super::measure::{Task, TrainedOn, UtilityMetric, UtilityRow};
use syntrace_base::record::Trace;
use syntrace_measure::eval::median;

/// Packets that a prediction looks back on.
pub const WINDOW: usize = 10;
/// Test traces of a class (paper section 4.2.2); the first ones of the test side.
pub const TEST_TRACES: usize = 100;
/// Standard deviations either side of the mean that hold 95 % of a normal distribution.
const DEVIATIONS: f64 = 1.959_964;

/// How windows are cut from a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// 10 packets and the next.
    Whole,
    /// From the second packet on, missing packets being 0.
    Padded,
}

impl Windows {
    /// The way that fits real traces: whole where one is longer than a window.
    pub fn fitting(real: &[&Trace]) -> Self {
        if real.iter().any(|trace| trace.packets.len() > WINDOW) { Self::Whole } else { Self::Padded }
    }

    /// Name for the `learner` column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole windows",
            Self::Padded => "padded windows",
        }
    }

    /// The windows of one trace, each with the length that follows.
    pub fn of(self, trace: &Trace) -> Vec<([f32; WINDOW], f32)> {
        let lengths: Vec<f32> = trace.packets.iter().map(|packet| packet.ip_length as f32).collect();
        windows(self, &lengths)
    }
}

/// The windows of a series of lengths.
pub fn windows(kind: Windows, lengths: &[f32]) -> Vec<([f32; WINDOW], f32)> {
    let first = match kind {
        Windows::Whole => WINDOW,
        Windows::Padded => 1,
    };
    let at = |place: usize| -> Option<([f32; WINDOW], f32)> {
        let mut window = [0.0; WINDOW];
        let seen = lengths.get(place.saturating_sub(WINDOW)..place)?;
        window.get_mut(WINDOW - seen.len()..)?.copy_from_slice(seen);
        Some((window, *lengths.get(place)?))
    };
    (first..lengths.len()).filter_map(at).collect()
}

/// Mean absolute error of each test trace that has a window, given the predictions of all windows in
/// their order.
pub fn mean_absolute_errors(test: &[Vec<([f32; WINDOW], f32)>], predictions: &[f32]) -> Vec<f64> {
    let mut predictions = predictions.iter();
    let errors = test.iter().filter(|windows| !windows.is_empty()).map(|windows| {
        let sum: f64 = windows
            .iter()
            .zip(&mut predictions)
            .map(|((_, truth), guess)| (f64::from(*guess) - f64::from(*truth)).abs())
            .sum();
        sum / windows.len() as f64
    });
    errors.collect()
}

/// The rows of one class's regressor: median and mean over test traces of their mean absolute error.
pub fn error_rows(
    (trained_on, learner, class): (TrainedOn, &str, &str),
    errors: Vec<f64>,
    train_loss: Option<f64>,
    n_train: u64,
) -> Vec<UtilityRow> {
    let n_test = errors.len() as u64;
    let mean = (n_test > 0).then(|| errors.iter().sum::<f64>() / n_test as f64);
    let (median_interval, mean_interval) = (median_interval(&errors), mean_interval(&errors));
    let row = |metric, value, interval| UtilityRow {
        task: Task::NextLength,
        trained_on,
        learner: learner.to_owned(),
        metric,
        class: Some(class.to_owned()),
        value,
        interval,
        n_train,
        n_test,
        real_share: None,
    };
    let mut rows = vec![
        row(UtilityMetric::MedianMae, median(errors), median_interval),
        row(UtilityMetric::MeanMae, mean, mean_interval),
    ];
    rows.extend(train_loss.map(|loss| row(UtilityMetric::TrainLoss, Some(loss), None)));
    rows
}

/// 95 % interval of a median: the order statistics that a fair coin for each value puts around it (normal
/// approximation of their places, rounded outwards).
fn median_interval(errors: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = errors.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (n, last) = (errors.len() as f64, errors.len().checked_sub(1)?);
    let half = DEVIATIONS * n.sqrt() / 2.0;
    let low = (n / 2.0 - half).floor().max(0.0) as usize;
    let high = ((n / 2.0 + half).ceil() as usize).min(last);
    Some((*sorted.get(low)?, *sorted.get(high)?))
}

/// 95 % interval of a mean of independent values; `None` of fewer than two.
fn mean_interval(errors: &[f64]) -> Option<(f64, f64)> {
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let squares: f64 = errors.iter().map(|error| (error - mean).powi(2)).sum();
    let half = DEVIATIONS * (squares / (n - 1.0) / n).sqrt();
    (errors.len() > 1).then_some(((mean - half).max(0.0), mean + half))
}

/// The windows of the test traces of a class: of the first [`TEST_TRACES`] that have one.
pub fn test_windows(kind: Windows, test: &[&Trace]) -> Vec<Vec<([f32; WINDOW], f32)>> {
    test.iter().map(|trace| kind.of(trace)).filter(|windows| !windows.is_empty()).take(TEST_TRACES).collect()
}

/// The baseline: the next packet is as long as the last.
pub fn guess_last_value(kind: Windows, class: &str, test: &[&Trace]) -> Vec<UtilityRow> {
    let test = test_windows(kind, test);
    let last = |(window, _): &([f32; WINDOW], f32)| window.last().copied().unwrap_or(0.0);
    let guesses: Vec<f32> = test.iter().flatten().map(last).collect();
    let learner = format!("guess, {}", kind.name());
    error_rows((TrainedOn::LastValue, &learner, class), mean_absolute_errors(&test, &guesses), None, 0)
}
