//! RMIA: robust membership inference of Zarifzadeh, Liu, Shokri (2024, "Low-cost high-power membership
//! inference attacks", equations 2 to 5).
//!
//! Score of a trace x: the share of population traces z with (p(x) / Pr(x)) / (p(z) / Pr(z)) > gamma,
//! where p is exp(-loss) under the attacked model and Pr the mean of p over other models. The population are the
//! traces outside the model's split that have its attributes: none of them is a member of it.
//!
//! Pr(x) = (P_in + P_out) / 2 with P_out the mean over models that were not trained on x; offline
//! P_in is approximated by a P_out + 1 - a, for x and z alike. P_out is never estimated from P_in: a z on which every
//! other model was trained is not in the population, such an x has no score. 1 - a is a probability and the ratios are
//! of probabilities, so scores that are defined only up to a constant are rejected.

use super::learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
use super::options::{canonical, in_range, overlay};
use super::references::{PerModel, References, TraceObservations, mean};
use super::statistic::Statistic;
use super::table::AttributeTable;
use super::threshold::best_cut;
use serde::{Deserialize, Serialize};
use syntrace_base::base::ModelId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::WithoutZero;

/// Which models a trace is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RmiaMode {
    /// Models that were not trained on it; `offline_a` stands in for those that were.
    Offline,
    /// Those, and models that were.
    Online,
}

/// Settings of RMIA.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmiaOptions {
    /// How many times as likely x must be as z.
    pub gamma: f64,
    /// Which models a trace is compared with.
    pub mode: RmiaMode,
    /// Slope `a` of the line that guesses Pr_in from Pr_out, between 0 and 1 (equation 12 there).
    pub offline_a: f64,
    /// Most population traces.
    pub population: usize,
}

impl RmiaOptions {
    /// Offline with a = 0.3. gamma is 1, one of the two published values: losses are means over a trace, so
    /// that ratios lie near 1, and the other (2) takes hardly any z for exceeded.
    pub fn standard() -> Self {
        Self { gamma: 1.0, mode: RmiaMode::Offline, offline_a: 0.3, population: 2_500 }
    }

    fn check(&self) -> Result<()> {
        in_range("gamma", self.gamma, "above 0", self.gamma > 0.0 && self.gamma.is_finite())?;
        in_range("offline_a", self.offline_a, "between 0 and 1", (0.0..=1.0).contains(&self.offline_a))?;
        in_range("population", self.population as f64, "at least 1", self.population > 0)
    }
}

/// RMIA with some options.
#[derive(Debug, Clone, PartialEq)]
pub struct Rmia {
    options: RmiaOptions,
    statistic: Statistic,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    options: RmiaOptions,
    /// Definition of Pr, part of the identity of results.
    prior: &'static str,
    statistic: &'a Statistic,
}

impl Rmia {
    /// A preset on the loss.
    pub fn preset(options: RmiaOptions) -> Self {
        Self { options, statistic: Statistic::loss() }
    }

    /// A preset overlaid by what is written.
    pub fn new(
        preset: &RmiaOptions,
        written: &serde_json::Map<String, serde_json::Value>,
        statistic: Statistic,
    ) -> Result<Self> {
        let options: RmiaOptions = overlay(preset, written)?;
        options.check()?;
        Ok(Self { options, statistic })
    }
}

impl AttackTerms for Rmia {
    fn kind(&self) -> &'static str {
        "rmia"
    }

    fn options(&self) -> String {
        canonical(self.kind(), &Written { options: self.options, prior: "outside", statistic: &self.statistic })
    }

    fn needs_references(&self) -> bool {
        true
    }

    fn needs_overlap(&self) -> bool {
        self.options.mode == RmiaMode::Online
    }

    fn reads_loss(&self) -> bool {
        self.statistic.is_loss()
    }

    fn refuses(&self, without: WithoutZero) -> bool {
        self.statistic.is_without_zero(without)
    }
}

impl Attack for Rmia {
    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        let references = References::new(training_set, &self.statistic, self.kind())?;
        let models = training_set.references.models.iter().copied();
        let populations = PerModel::new(models, |model| self.population(&references, training_set.references, model));
        let mut fitted = Fitted { options: self.options, references, populations, threshold: 0.0 };
        let scores = fitted.score(training_set.table, training_set.rows)?;
        fitted.threshold = best_cut(&scores, &training_set.table.labels(training_set.rows));
        Ok(Box::new(fitted))
    }
}

impl Rmia {
    /// ln(p(z) / Pr(z)) of the population of a model, rising.
    fn population(&self, references: &References, table: &AttributeTable, model: ModelId) -> Vec<f64> {
        let population = references.population(table, model).into_iter().filter_map(|(trace, log_p)| {
            let around = references.around(model, trace);
            population_log_prior(self.options, &around).map(|prior| log_p - prior)
        });
        let mut ratios: Vec<f64> = population.take(self.options.population).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios
    }
}

struct Fitted {
    options: RmiaOptions,
    references: References,
    /// ln(p(z) / Pr(z)) of each model's population, rising.
    populations: PerModel<Vec<f64>>,
    threshold: f32,
}

impl FittedAttack for Fitted {
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>> {
        rows.iter().map(|&row| self.row(table, row).map(|score| score as f32)).collect()
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }
}

impl Fitted {
    fn row(&self, table: &AttributeTable, row: usize) -> Result<f64> {
        let (Some(&model), Some(&trace)) = (table.models.get(row), table.traces.get(row)) else {
            return Err(Error::internal(format!("row `{row}` is not in the attributes")));
        };
        let missing =
            |what: String| Err(Error::user(what).hint("record the reference attributes of all models of the group"));
        let Some(population) = self.populations.get(model).filter(|population| !population.is_empty()) else {
            return missing(format!(
                "model `{model}` has no population trace that was also excluded from another model's training"
            ));
        };
        let around = self.references.around(model, trace);
        let Some(log_p) = self.references.value(table, row).filter(|_| !around.is_empty()) else {
            return missing(format!("no other model than `{model}` has attributes for trace `{trace}`"));
        };
        let score = |prior| rmia_score(log_p - prior, population, self.options.gamma);
        Ok(log_prior(self.options, &around).map_or(f64::NAN, score))
    }
}

/// Share of a rising population of ln(p(z) / Pr(z)) that ln(p(x) / Pr(x)) exceeds by more than ln gamma.
pub fn rmia_score(log_ratio: f64, population: &[f64], gamma: f64) -> f64 {
    let bar = log_ratio - gamma.ln();
    population.partition_point(|other| *other < bar) as f64 / population.len() as f64
}

/// ln Pr of an attacked trace, from its log-probabilities under other models.
pub fn rmia_log_prior(options: RmiaOptions, inside: &[f64], outside: &[f64]) -> Option<f64> {
    log_prior(options, &TraceObservations { inside: inside.to_vec(), outside: outside.to_vec() })
}

/// ln Pr of a population trace, from its log-probabilities under other models.
pub fn rmia_population_log_prior(options: RmiaOptions, inside: &[f64], outside: &[f64]) -> Option<f64> {
    population_log_prior(options, &TraceObservations { inside: inside.to_vec(), outside: outside.to_vec() })
}

/// Offline, and online where no other model saw the trace: ((1 + a) P_out + (1 - a)) / 2. Online:
/// (P_in + P_out) / 2. `None` where every other model saw it.
fn log_prior(options: RmiaOptions, around: &TraceObservations) -> Option<f64> {
    let TraceObservations { inside, outside } = around;
    if outside.is_empty() {
        return None;
    }
    Some(match options.mode {
        RmiaMode::Online if !inside.is_empty() => {
            log_sum(&[log_mean(inside), log_mean(outside)]) - std::f64::consts::LN_2
        }
        _ => offline(options, outside),
    })
}

/// Online: the mean over all models. Offline: as for a trace under attack. `None` where every other model saw it.
fn population_log_prior(options: RmiaOptions, around: &TraceObservations) -> Option<f64> {
    match options.mode {
        RmiaMode::Offline => log_prior(options, around),
        RmiaMode::Online => {
            let all: Vec<f64> = around.inside.iter().chain(&around.outside).copied().collect();
            (!around.outside.is_empty()).then(|| log_mean(&all))
        }
    }
}

fn offline(options: RmiaOptions, outside: &[f64]) -> f64 {
    let a = options.offline_a;
    let scaled = log_mean(outside) + ((1.0 + a) / 2.0).ln();
    if a < 1.0 { log_sum(&[scaled, ((1.0 - a) / 2.0).ln()]) } else { scaled }
}

/// ln of the mean of exp (log-sum-exp), which does not underflow for tiny probabilities.
fn log_mean(values: &[f64]) -> f64 {
    log_sum(values) - (values.len() as f64).ln()
}

fn log_sum(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_infinite() {
        return most;
    }
    let shifted: Vec<f64> = values.iter().map(|value| (value - most).exp()).collect();
    most + (mean(&shifted) * values.len() as f64).ln()
}
