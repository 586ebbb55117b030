//! Statistics of each trace under all models but one: the joint evidence of LiRA and RMIA.

use super::learner::TrainingSet;
use super::statistic::Statistic;
use super::table::AttributeTable;
use std::collections::{BTreeMap, HashMap};
use syntrace_base::base::{ModelId, TraceId};
use syntrace_base::error::{Error, Result};

/// One model's statistic of one trace.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Observation {
    model: ModelId,
    member: bool,
    value: f64,
}

/// Observations of one trace around a model, as values of the statistic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TraceObservations {
    /// By models that were trained on the trace.
    pub inside: Vec<f64>,
    /// By models that were not.
    pub outside: Vec<f64>,
}

impl TraceObservations {
    /// Are there no observations?
    pub fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.outside.is_empty()
    }
}

/// All observations of shadows, by trace. Values are oriented so that higher indicates a member.
pub(super) struct References {
    by_trace: HashMap<TraceId, Vec<Observation>>,
    statistic: Statistic,
    sign: f64,
}

impl References {
    /// Collects the shadows' statistics of their own traces and of others. The attacked model is excluded by
    /// [`References::around`].
    pub fn new(training_set: &TrainingSet<'_>, statistic: &Statistic, kind: &str) -> Result<Self> {
        statistic.check(training_set.table, &format!("attack `{kind}`"))?;
        if training_set.references.rows() == 0 {
            return Err(Error::user(format!(
                "attack `{kind}` compares what several models say about one trace, found no attributes of models \
                 on traces outside their own splits"
            ))
            .hint("`syntrace run` and `syntrace attack` record them where a spec names this attack"));
        }
        let sign = statistic.sign(training_set.table, training_set.rows);
        let mut references = Self { by_trace: HashMap::new(), statistic: statistic.clone(), sign };
        for table in [training_set.table, training_set.references] {
            for row in 0..table.rows() {
                let (Some(&trace), Some(&model)) = (table.traces.get(row), table.models.get(row)) else { continue };
                let (Some(value), Some(&member)) = (references.value(table, row), table.member.get(row)) else {
                    continue;
                };
                references.by_trace.entry(trace).or_default().push(Observation { model, member, value });
            }
        }
        for observations in references.by_trace.values_mut() {
            observations.sort_unstable_by_key(|observation| observation.model);
        }
        Ok(references)
    }

    /// The statistic of a row, oriented so that higher indicates a member.
    pub fn value(&self, table: &AttributeTable, row: usize) -> Option<f64> {
        self.statistic.raw(table, row).map(|value| self.sign * value)
    }

    /// The statistics of a trace under all models but one, in the order of their ids.
    pub fn around(&self, model: ModelId, trace: TraceId) -> TraceObservations {
        let mut around = TraceObservations::default();
        for observation in self.by_trace.get(&trace).into_iter().flatten() {
            if observation.model != model {
                let side = if observation.member { &mut around.inside } else { &mut around.outside };
                side.push(observation.value);
            }
        }
        around
    }

    /// Traces outside a model's split with its statistic of each, sorted by id. Ids are hashes, so the first ones are a
    /// random sample.
    pub fn population(&self, references: &AttributeTable, model: ModelId) -> Vec<(TraceId, f64)> {
        let rows = (0..references.rows()).filter(|row| references.models.get(*row) == Some(&model));
        let mut population: Vec<(TraceId, f64)> =
            rows.filter_map(|row| Some((*references.traces.get(row)?, self.value(references, row)?))).collect();
        population.sort_unstable_by_key(|(trace, _)| *trace);
        population
    }

    /// All traces, sorted.
    pub fn traces(&self) -> Vec<TraceId> {
        let mut traces: Vec<TraceId> = self.by_trace.keys().copied().collect();
        traces.sort_unstable();
        traces
    }
}

/// A value per model, computed lazily from all observations except those of the model.
pub(super) struct PerModel<T> {
    made: BTreeMap<ModelId, T>,
}

impl<T> PerModel<T> {
    /// Computes the values of some models.
    pub fn new(models: impl Iterator<Item = ModelId>, make: impl Fn(ModelId) -> T) -> Self {
        let mut made = BTreeMap::new();
        for model in models {
            made.entry(model).or_insert_with(|| make(model));
        }
        Self { made }
    }

    /// The value of a model.
    pub fn get(&self, model: ModelId) -> Option<&T> {
        self.made.get(&model)
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
