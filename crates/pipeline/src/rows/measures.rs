//! Rows of fidelity, leakage and utility.

use super::{column, optional, segment};
use arrow::array::*;
use syntrace_attack::utility::{ImportanceRow, UtilityRow};
use syntrace_base::base::JobId;
use syntrace_base::error::Result;
use syntrace_base::record::Regime;
use syntrace_measure::audit::LeakRow;
use syntrace_store::NewSegment;
use syntrace_store::schema;

/// Fidelity of one model.
pub(crate) fn fidelity_segment(model: i64, rows: &[syntrace_measure::eval::FidelityRow]) -> Result<NewSegment> {
    let columns = vec![
        ("compared", column!(StringArray, rows, |row| row.compared.name())),
        ("reference", column!(StringArray, rows, |row| row.reference.name())),
        ("aspect", column!(StringArray, rows, |row| row.aspect.name())),
        ("field", column!(StringArray, rows, |row| row.field.as_ref())),
        ("position", optional!(Int32Array, rows, |row| row.position.map(|position| position as i32))),
        ("metric", column!(StringArray, rows, |row| row.metric.name())),
        ("value", optional!(Float64Array, rows, |row| row.value)),
        ("n_real", column!(Int64Array, rows, |row| row.n_real as i64)),
        ("n_compared", column!(Int64Array, rows, |row| row.n_compared as i64)),
        ("absent_real", optional!(Int64Array, rows, |row| row.absent.map(|absent| absent.0 as i64))),
        ("absent_compared", optional!(Int64Array, rows, |row| row.absent.map(|absent| absent.1 as i64))),
        ("value_low", optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.0))),
        ("value_high", optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.1))),
    ];
    segment(&schema::FIDELITY, model, columns)
}

/// What all utility rows of a job share: dataset, generator and its regime (`None` for a baseline).
pub(crate) struct UtilityHead<'a> {
    pub job: JobId,
    pub dataset: &'a str,
    pub generator: Option<&'a str>,
    pub regime: Option<Regime>,
}

impl UtilityHead<'_> {
    fn epsilon(&self) -> Option<f64> {
        self.regime.and_then(Regime::epsilon)
    }

    /// The regime where epsilon does not say it.
    fn other_regime(&self) -> Option<String> {
        self.regime.filter(|regime| *regime == Regime::Anonymised).map(Regime::words)
    }
}

/// Measures of downstream models.
pub(crate) fn utility_segment(head: &UtilityHead<'_>, rows: &[UtilityRow]) -> Result<NewSegment> {
    let columns = vec![
        ("dataset", column!(StringArray, rows, |_| head.dataset)),
        ("generator", optional!(StringArray, rows, |_| head.generator)),
        ("epsilon", optional!(Float64Array, rows, |_| head.epsilon())),
        ("task", column!(StringArray, rows, |row| row.task.name())),
        ("trained_on", column!(StringArray, rows, |row| row.trained_on.name())),
        ("learner", column!(StringArray, rows, |row| row.learner.as_str())),
        ("metric", column!(StringArray, rows, |row| row.metric.name())),
        ("class", optional!(StringArray, rows, |row| row.class.as_deref())),
        ("value", optional!(Float64Array, rows, |row| row.value)),
        ("n_train", column!(Int64Array, rows, |row| row.n_train as i64)),
        ("n_test", column!(Int64Array, rows, |row| row.n_test as i64)),
        ("value_low", optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.0))),
        ("value_high", optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.1))),
        ("real_share", optional!(Float64Array, rows, |row| row.real_share)),
        ("other_regime", optional!(StringArray, rows, |_| head.other_regime())),
    ];
    segment(&schema::UTILITY, head.job.0, columns)
}

/// What downstream classifiers used.
pub(crate) fn importances_segment(head: &UtilityHead<'_>, rows: &[ImportanceRow]) -> Result<NewSegment> {
    let columns = vec![
        ("dataset", column!(StringArray, rows, |_| head.dataset)),
        ("generator", optional!(StringArray, rows, |_| head.generator)),
        ("epsilon", optional!(Float64Array, rows, |_| head.epsilon())),
        ("task", column!(StringArray, rows, |row| row.task.name())),
        ("trained_on", column!(StringArray, rows, |row| row.trained_on.name())),
        ("field", column!(StringArray, rows, |row| row.field)),
        ("position", column!(Int32Array, rows, |row| row.position as i32)),
        ("importance", column!(Float64Array, rows, |row| row.importance)),
        ("other_regime", optional!(StringArray, rows, |_| head.other_regime())),
    ];
    segment(&schema::IMPORTANCES, head.job.0, columns)
}

/// Leakage into one model's synthetic traces.
pub(crate) fn leaks_segment(model: i64, rows: &[LeakRow]) -> Result<NewSegment> {
    let columns = vec![
        ("measure", column!(StringArray, rows, |row| row.measure)),
        ("kind", column!(StringArray, rows, |row| row.kind)),
        ("value", optional!(Float64Array, rows, |row| row.value)),
        ("control", optional!(Float64Array, rows, |row| row.control)),
        ("hits", column!(Int64Array, rows, |row| row.hits as i64)),
        ("n", column!(Int64Array, rows, |row| row.n as i64)),
        ("control_hits", column!(Int64Array, rows, |row| row.control_hits as i64)),
        ("control_n", column!(Int64Array, rows, |row| row.control_n as i64)),
        ("p_value", optional!(Float64Array, rows, |row| row.p_value)),
    ];
    segment(&schema::LEAKS, model, columns)
}
