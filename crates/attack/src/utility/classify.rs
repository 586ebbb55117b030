//! Classification of traces by random forests: trained on some traces, tested on real ones.
//!
//! A forest is random even for fixed traces, so several are trained, each with its own seed. A value is
//! their mean; its interval is that of the test traces (Clopper and Pearson; F1 as the proportion 2 TP of
//! 2 TP + FP + FN) and that of the seeds together, by square-and-add.

use super::measure::{ImportanceRow, Task, TrainedOn, UtilityMetric, UtilityRow};
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;
use syntrace_measure::eval::{CONFIDENCE, by_field_and_position, clopper_pearson, feature_width, trace_features};
use syntrace_measure::forest::{Forest, ForestOptions};

/// Name of the classifier in the `learner` column.
pub(super) const FOREST: &str = "random_forest";

/// Forests of a classifier.
const FORESTS: u64 = 5;

/// Standard deviations either side of the mean that hold 95 % of a normal distribution.
const DEVIATIONS: f64 = 1.959_964;

/// The traces of one class, for learning and for testing.
#[derive(Debug, Clone)]
pub struct ClassTraces<'a> {
    /// Class.
    pub class: String,
    /// Traces to learn from.
    pub train: Vec<&'a Trace>,
    /// Real traces to test on, never learnt from.
    pub test: Vec<&'a Trace>,
}

/// Result of a classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// Accuracy, macro F1, then precision, recall and F1 per class, each the mean over the forests.
    pub rows: Vec<UtilityRow>,
    /// Which fields it used, by position and field; empty for a guess.
    pub importances: Vec<ImportanceRow>,
}

/// Trains forests (scikit-learn's defaults) on the first `packets` packets of each trace. Classes
/// without a trace to learn from are never predicted; without any, all values are NULL.
///
/// # Errors
/// Where there are no classes, or a feature is not finite.
pub fn classify(classes: &[ClassTraces<'_>], trained_on: TrainedOn, packets: usize, seed: Seed) -> Result<Classified> {
    check(classes)?;
    let (train, labels) = flattened(classes, |class| &class.train);
    let (test, truth) = flattened(classes, |class| &class.test);
    if train.is_empty() || test.is_empty() || packets == 0 {
        return Ok(Classified { rows: rows(classes, trained_on, FOREST, &[]), importances: Vec::new() });
    }
    let width = feature_width(packets);
    let options = ForestOptions::standard();
    let (train, test) = (trace_features(&train, packets), trace_features(&test, packets));
    let (mut confusions, mut used) = (Vec::new(), vec![0.0; width]);
    for number in 0..FORESTS {
        let forest = Forest::fit(&train, width, &labels, classes.len(), &options, seed.numbered(number))?;
        confusions.push(confusion(&truth, &forest.predict(&test)?, classes.len()));
        for (sum, importance) in used.iter_mut().zip(forest.importances()) {
            *sum += importance / FORESTS as f64;
        }
    }
    let importances = by_field_and_position(&used).into_iter().map(|(field, position, importance)| ImportanceRow {
        task: Task::Classification,
        trained_on,
        field,
        position,
        importance,
    });
    Ok(Classified { rows: rows(classes, trained_on, FOREST, &confusions), importances: importances.collect() })
}

/// The majority-class baseline: every test trace is assigned the class with most training traces, the first of equal
/// ones.
///
/// # Errors
/// Where there are no classes.
pub fn guess_majority(classes: &[ClassTraces<'_>]) -> Result<Classified> {
    check(classes)?;
    let most = classes.iter().map(|class| class.train.len()).max().unwrap_or(0);
    let majority = classes.iter().position(|class| class.train.len() == most).unwrap_or(0);
    let (test, truth) = flattened(classes, |class| &class.test);
    let counts = confusion(&truth, &vec![majority; truth.len()], classes.len());
    let counts = if test.is_empty() { Vec::new() } else { vec![counts] };
    Ok(Classified { rows: rows(classes, TrainedOn::Majority, "guess", &counts), importances: Vec::new() })
}

fn check(classes: &[ClassTraces<'_>]) -> Result<()> {
    if classes.is_empty() {
        return Err(Error::internal("a classification needs at least one class, found none"));
    }
    Ok(())
}

fn flattened<'a>(
    classes: &[ClassTraces<'a>],
    side: impl for<'b> Fn(&'b ClassTraces<'a>) -> &'b [&'a Trace],
) -> (Vec<&'a Trace>, Vec<usize>) {
    let labelled = classes
        .iter()
        .enumerate()
        .flat_map(|(label, class)| side(class).iter().map(move |trace| (*trace, label)).collect::<Vec<_>>());
    labelled.unzip()
}

/// Counts of (true class, guessed class), row-major.
fn confusion(truth: &[usize], guesses: &[usize], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes * classes];
    for (truth, guess) in truth.iter().zip(guesses) {
        if let Some(count) = counts.get_mut(truth * classes + guess) {
            *count += 1;
        }
    }
    counts
}

/// A mean over forests with its interval.
#[derive(Debug, Clone, Copy)]
struct Score {
    value: f64,
    low: f64,
    high: f64,
}

impl Score {
    /// A share that each confusion gives as (part, whole); 0 where undefined, as scikit-learn reports it.
    fn of(confusions: &[Vec<u64>], share: impl Fn(&[u64]) -> (u64, u64)) -> Self {
        let shares: Vec<(u64, u64)> = confusions.iter().map(|counts| share(counts)).collect();
        let n = shares.len() as f64;
        let value = |&(part, whole): &(u64, u64)| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        // from the first one on: equal shares keep their last digit
        let first = shares.first().map_or(0.0, value);
        let mean = first + shares.iter().map(|share| value(share) - first).sum::<f64>() / n;
        let squares: f64 = shares.iter().map(|share| (value(share) - mean).powi(2)).sum();
        let seeds = if n < 2.0 { 0.0 } else { DEVIATIONS * (squares / (n - 1.0) / n).sqrt() };
        let rounded = |pick: fn(&(u64, u64)) -> u64| (shares.iter().map(pick).sum::<u64>() as f64 / n).round() as u64;
        let exact = clopper_pearson(rounded(|share| share.0), rounded(|share| share.1), CONFIDENCE);
        if exact.value.is_nan() {
            return Self { value: mean, low: 0.0, high: 1.0 };
        }
        let low = mean - (exact.value - exact.low).hypot(seeds);
        let high = mean + (exact.high - exact.value).hypot(seeds);
        Self { value: mean, low: low.max(0.0), high: high.min(1.0) }
    }

    /// The mean of independent ones.
    fn mean(scores: &[Self]) -> Self {
        let n = scores.len() as f64;
        let value = scores.iter().map(|score| score.value).sum::<f64>() / n;
        let side = |part: fn(&Self) -> f64| scores.iter().map(|score| part(score).powi(2)).sum::<f64>().sqrt() / n;
        let (low, high) = (side(|score| score.value - score.low), side(|score| score.high - score.value));
        Self { value, low: (value - low).max(0.0), high: (value + high).min(1.0) }
    }
}

/// Precision, recall and F1 of one class.
fn scores(confusions: &[Vec<u64>], class: usize, classes: usize) -> [Score; 3] {
    let at = |counts: &[u64], truth: usize, guess: usize| counts.get(truth * classes + guess).copied().unwrap_or(0);
    let right = |counts: &[u64]| at(counts, class, class);
    let guessed = |counts: &[u64]| (0..classes).map(|truth| at(counts, truth, class)).sum::<u64>();
    let of_class = |counts: &[u64]| (0..classes).map(|guess| at(counts, class, guess)).sum::<u64>();
    let mut f1 = Score::of(confusions, |counts| (2 * right(counts), guessed(counts) + of_class(counts)));
    // each right guess stands in both numbers twice: the interval is that of half as many trials
    let halves = Score::of(confusions, |counts| (right(counts), (guessed(counts) + of_class(counts)).div_ceil(2)));
    f1.low = (f1.value - (halves.value - halves.low)).max(0.0);
    f1.high = (f1.value + (halves.high - halves.value)).min(1.0);
    [
        Score::of(confusions, |counts| (right(counts), guessed(counts))),
        Score::of(confusions, |counts| (right(counts), of_class(counts))),
        f1,
    ]
}

/// The rows of confusions, one a forest; without values where there is none.
fn rows(classes: &[ClassTraces<'_>], trained_on: TrainedOn, learner: &str, confusions: &[Vec<u64>]) -> Vec<UtilityRow> {
    let k = classes.len();
    let n_train: u64 = classes.iter().map(|class| class.train.len() as u64).sum();
    let n_test: u64 = classes.iter().map(|class| class.test.len() as u64).sum();
    let measured = !confusions.is_empty();
    let per_class: Vec<[Score; 3]> =
        if measured { (0..k).map(|class| scores(confusions, class, k)).collect() } else { Vec::new() };
    let accuracy =
        measured.then(|| Score::of(confusions, |counts| (counts.iter().step_by(k + 1).sum(), counts.iter().sum())));
    let f1: Vec<Score> = per_class.iter().map(|[_, _, f1]| *f1).collect();
    let row = |metric, class: Option<&ClassTraces<'_>>, score: Option<Score>| UtilityRow {
        task: Task::Classification,
        trained_on,
        learner: learner.to_owned(),
        metric,
        class: class.map(|class| class.class.clone()),
        value: score.map(|score| score.value),
        interval: score.map(|score| (score.low, score.high)),
        n_train: class.map_or(n_train, |class| class.train.len() as u64),
        n_test: class.map_or(n_test, |class| class.test.len() as u64),
        real_share: None,
    };
    let mut rows = vec![
        row(UtilityMetric::Accuracy, None, accuracy),
        row(UtilityMetric::MacroF1, None, measured.then(|| Score::mean(&f1))),
    ];
    for (index, class) in classes.iter().enumerate() {
        let scores = per_class.get(index);
        let metrics = [UtilityMetric::Precision, UtilityMetric::Recall, UtilityMetric::F1];
        rows.extend(
            metrics
                .into_iter()
                .enumerate()
                .map(|(place, metric)| row(metric, Some(class), scores.and_then(|scores| scores.get(place).copied()))),
        );
    }
    rows
}
