//! The class of a trace by a random forest: trained on some traces, tested on real ones.

use super::measure::{ImportanceRow, Task, TrainedOn, UtilityMetric, UtilityRow};
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;
use syntrace_measure::eval::{by_field_and_position, feature_width, trace_features};
use syntrace_measure::forest::{Forest, ForestOptions};

/// Name of the classifier in the `learner` column.
const FOREST: &str = "random_forest";

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

/// What a classifier did.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// Accuracy, macro F1, then precision, recall and F1 per class.
    pub rows: Vec<UtilityRow>,
    /// Which fields it used, by position and field; empty for a guess.
    pub importances: Vec<ImportanceRow>,
}

/// Trains a forest (scikit-learn's defaults) on the first `packets` packets of each trace. Classes
/// without a trace to learn from are never predicted; without any, all values are NULL.
///
/// # Errors
/// Where there are no classes, or a feature is not finite.
pub fn classify(classes: &[ClassTraces<'_>], trained_on: TrainedOn, packets: usize, seed: Seed) -> Result<Classified> {
    check(classes)?;
    let (train, labels) = flattened(classes, |class| &class.train);
    let (test, truth) = flattened(classes, |class| &class.test);
    if train.is_empty() || test.is_empty() || packets == 0 {
        return Ok(Classified { rows: rows(classes, trained_on, FOREST, None), importances: Vec::new() });
    }
    let width = feature_width(packets);
    let options = ForestOptions::standard();
    let forest = Forest::fit(&trace_features(&train, packets), width, &labels, classes.len(), &options, seed)?;
    let guesses = forest.predict(&trace_features(&test, packets))?;
    let counts = confusion(&truth, &guesses, classes.len());
    let importances = by_field_and_position(forest.importances()).into_iter().map(|(field, position, importance)| {
        ImportanceRow { task: Task::Classification, trained_on, field, position, importance }
    });
    Ok(Classified { rows: rows(classes, trained_on, FOREST, Some(&counts)), importances: importances.collect() })
}

/// The floor: every test trace is given the class with most traces to learn from, of equal ones the
/// first.
///
/// # Errors
/// Where there are no classes.
pub fn guess_majority(classes: &[ClassTraces<'_>]) -> Result<Classified> {
    check(classes)?;
    let most = classes.iter().map(|class| class.train.len()).max().unwrap_or(0);
    let majority = classes.iter().position(|class| class.train.len() == most).unwrap_or(0);
    let (test, truth) = flattened(classes, |class| &class.test);
    let counts = confusion(&truth, &vec![majority; truth.len()], classes.len());
    let counts = (!test.is_empty()).then_some(&counts);
    Ok(Classified { rows: rows(classes, TrainedOn::Majority, "guess", counts.map(|v| &**v)), importances: Vec::new() })
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

/// Precision, recall and F1 of one class; 0 where undefined, as scikit-learn reports them.
fn scores(counts: &[u64], class: usize, classes: usize) -> [f64; 3] {
    let at = |truth: usize, guess: usize| counts.get(truth * classes + guess).copied().unwrap_or(0);
    let right = at(class, class);
    let guessed: u64 = (0..classes).map(|truth| at(truth, class)).sum();
    let of_class: u64 = (0..classes).map(|guess| at(class, guess)).sum();
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    [share(right, guessed), share(right, of_class), share(2 * right, guessed + of_class)]
}

fn rows(classes: &[ClassTraces<'_>], trained_on: TrainedOn, learner: &str, counts: Option<&[u64]>) -> Vec<UtilityRow> {
    let k = classes.len();
    let n_train: u64 = classes.iter().map(|class| class.train.len() as u64).sum();
    let n_test: u64 = classes.iter().map(|class| class.test.len() as u64).sum();
    let per_class: Vec<[f64; 3]> =
        counts.map(|counts| (0..k).map(|class| scores(counts, class, k)).collect()).unwrap_or_default();
    let right: u64 = counts.map_or(0, |counts| counts.iter().step_by(k + 1).sum());
    let mean_f1 = per_class.iter().map(|[_, _, f1]| f1).sum::<f64>() / k as f64;
    let row = |metric, class: Option<&ClassTraces<'_>>, value: Option<f64>| UtilityRow {
        task: Task::Classification,
        trained_on,
        learner: learner.to_owned(),
        metric,
        class: class.map(|class| class.class.clone()),
        value,
        n_train: class.map_or(n_train, |class| class.train.len() as u64),
        n_test: class.map_or(n_test, |class| class.test.len() as u64),
    };
    let mut rows = vec![
        row(UtilityMetric::Accuracy, None, counts.map(|_| right as f64 / n_test as f64)),
        row(UtilityMetric::MacroF1, None, counts.map(|_| mean_f1)),
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
