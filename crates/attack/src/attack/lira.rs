//! LiRA: the likelihood ratio attack of Carlini et al. (2022, "Membership inference attacks from first
//! principles", algorithm 1 online, section IV-C offline).
//!
//! For each trace, the shadows' statistics are modelled by normal distributions: one for shadows trained
//! on it (in), one for the others (out). Online: ln N(phi; in) - ln N(phi; out). Offline: ln Pr[Z <= phi]
//! under out, all that is possible where no shadow was trained on the target's traces (the paper's split).

use super::learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
use super::options::{canonical, overlay};
use super::references::{PerModel, References, TraceObservations, mean};
use super::statistic::Statistic;
use super::table::AttributeTable;
use super::threshold::best_cut;
use serde::{Deserialize, Serialize};
use syntrace_base::base::ModelId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::WithoutZero;
use syntrace_measure::eval::median;

/// Added to a standard deviation, as in the published code, so that none is zero.
const DEVIATION_FLOOR: f64 = 1e-30;

/// Which models a trace is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiraMode {
    /// Models that were not trained on it.
    Offline,
    /// Those, and models that were.
    Online,
}

/// Centre of the normal distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centre {
    /// Of the trace's observations.
    Mean,
    /// Of the trace's observations.
    Median,
}

/// Spread of the normal distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variance {
    /// One for all in observations and one for all out observations, how traces differ among each other
    /// included: the published way with few shadows.
    Pooled,
    /// Each trace's own: the published way with dozens of shadows.
    PerTrace,
    /// One for in and one for out, of what models say about the same trace: how traces differ takes no part,
    /// so that scores of different models can be compared.
    Within,
}

/// What becomes of the statistic before it is taken for normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Nothing: a mean over many tokens or pixels is nearly normal by itself.
    None,
    /// ln(p / (1 - p)) with p = exp(-loss): the published scaling for a classifier's confidence.
    Logit,
}

/// Settings of LiRA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiraOptions {
    /// Centre of the distributions.
    pub centre: Centre,
    /// Which models a trace is compared with.
    pub mode: LiraMode,
    /// Scaling of the statistic.
    pub transform: Transform,
    /// Spread of the distributions.
    pub variance: Variance,
}

impl LiraOptions {
    /// Offline, one variance within traces, on the plain statistic.
    pub fn offline() -> Self {
        Self { centre: Centre::Mean, mode: LiraMode::Offline, transform: Transform::None, variance: Variance::Within }
    }

    /// Online, otherwise the same.
    pub fn online() -> Self {
        Self { mode: LiraMode::Online, ..Self::offline() }
    }
}

/// LiRA with some options.
#[derive(Debug, Clone, PartialEq)]
pub struct Lira {
    kind: &'static str,
    options: LiraOptions,
    statistic: Statistic,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    options: LiraOptions,
    statistic: &'a Statistic,
}

impl Lira {
    /// A preset on the loss.
    pub fn preset(kind: &'static str, options: LiraOptions) -> Self {
        Self { kind, options, statistic: Statistic::loss() }
    }

    /// A preset overlaid by what is written.
    pub fn new(
        kind: &'static str,
        preset: &LiraOptions,
        written: &serde_json::Map<String, serde_json::Value>,
        statistic: Statistic,
    ) -> Result<Self> {
        let options: LiraOptions = overlay(preset, written)?;
        if options.transform == Transform::Logit && !statistic.is_loss() {
            return Err(Error::user("`transform = \"logit\"` reads a probability out of the loss")
                .hint("leave `statistic` and `column` out, or use `transform = \"none\"`"));
        }
        Ok(Self { kind, options, statistic })
    }
}

impl AttackTerms for Lira {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn options(&self) -> String {
        canonical(self.kind, &Written { options: self.options, statistic: &self.statistic })
    }

    fn needs_references(&self) -> bool {
        true
    }

    fn needs_overlap(&self) -> bool {
        self.options.mode == LiraMode::Online
    }

    fn reads_loss(&self) -> bool {
        self.statistic.is_loss()
    }

    fn refuses(&self, without: WithoutZero) -> bool {
        self.options.transform == Transform::Logit && without.loss
    }
}

impl Attack for Lira {
    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        let references = References::new(training_set, &self.statistic, self.kind)?;
        let models = training_set.table.models.iter().chain(&training_set.references.models).copied();
        let spreads = PerModel::new(models, |model| Spread::of(&references, self.options, model));
        let mut fitted = Fitted { options: self.options, references, spreads, threshold: 0.0 };
        let scores = fitted.score(training_set.table, training_set.rows)?;
        fitted.threshold = best_cut(&scores, &training_set.table.labels(training_set.rows));
        Ok(Box::new(fitted))
    }
}

/// Pooled statistics of the observations of all models but one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Standard deviation of in observations.
    pub inside: f64,
    /// Standard deviation of out observations.
    pub outside: f64,
    /// Mean difference of in and out observations of the same trace: used to estimate a side that a trace lacks.
    pub gap: f64,
}

impl Spread {
    fn of(references: &References, options: LiraOptions, model: ModelId) -> Self {
        let (mut inside, mut outside, mut gaps) = (Observations::default(), Observations::default(), Vec::new());
        for trace in references.traces() {
            let around = transformed(options.transform, references.around(model, trace));
            if !around.inside.is_empty() && !around.outside.is_empty() {
                gaps.push(mean(&around.inside) - mean(&around.outside));
            }
            inside.add(&around.inside);
            outside.add(&around.outside);
        }
        let gap = match (gaps.is_empty(), inside.all.is_empty() || outside.all.is_empty()) {
            (false, _) => mean(&gaps),
            (true, false) => mean(&inside.all) - mean(&outside.all),
            (true, true) => 0.0,
        };
        Self { inside: inside.spread(options.variance), outside: outside.spread(options.variance), gap }
    }
}

/// In or out observations over all traces.
#[derive(Default)]
struct Observations {
    all: Vec<f64>,
    /// Squared deviations from the mean of the same trace, and their degrees of freedom.
    within: (f64, usize),
}

impl Observations {
    fn add(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let centre = mean(values);
        self.within.0 += values.iter().map(|value| (value - centre) * (value - centre)).sum::<f64>();
        self.within.1 += values.len() - 1;
        self.all.extend_from_slice(values);
    }

    /// Within traces where some trace has two observations, over all otherwise.
    fn spread(&self, variance: Variance) -> f64 {
        let (squares, freedom) = self.within;
        if variance == Variance::Within && freedom > 0 {
            return (squares / freedom as f64).sqrt() + DEVIATION_FLOOR;
        }
        deviation(&self.all)
    }
}

struct Fitted {
    options: LiraOptions,
    references: References,
    spreads: PerModel<Spread>,
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
        let around = transformed(self.options.transform, self.references.around(model, trace));
        let spread = self.spreads.get(model);
        let (Some(value), Some(spread)) = (self.references.value(table, row), spread) else {
            return Err(Error::user(format!("model `{model}` has no reference attributes (traces outside its split)"))
                .hint("record the reference attributes of all models of the group"));
        };
        if around.inside.is_empty() && around.outside.is_empty() {
            return Err(Error::user(format!("no other model than `{model}` has attributes for trace `{trace}`"))
                .hint("record the reference attributes of all models of the group"));
        }
        Ok(lira_score(self.options, transform(self.options.transform, value), &around.inside, &around.outside, *spread))
    }
}

/// The score of one trace: `phi` is the statistic of the attacked model, `inside` and `outside` those of the
/// other models, all transformed; a side without observations is the other one shifted by the gap.
pub fn lira_score(options: LiraOptions, phi: f64, inside: &[f64], outside: &[f64], spread: Spread) -> f64 {
    let centre = |values: &[f64]| match options.centre {
        Centre::Mean => mean(values),
        Centre::Median => median(values.to_vec()).unwrap_or(f64::NAN),
    };
    let (centre_in, centre_out) = match (inside.is_empty(), outside.is_empty()) {
        (true, _) => (centre(outside) + spread.gap, centre(outside)),
        (false, true) => (centre(inside), centre(inside) - spread.gap),
        (false, false) => (centre(inside), centre(outside)),
    };
    let own = |values: &[f64], pooled: f64| match options.variance {
        Variance::PerTrace if !values.is_empty() => deviation(values),
        _ => pooled,
    };
    let out = (phi - centre_out) / own(outside, spread.outside);
    match options.mode {
        LiraMode::Offline => log_normal_cdf(out),
        LiraMode::Online => {
            let deviation_in = own(inside, spread.inside);
            let within = (phi - centre_in) / deviation_in;
            // the constant ln sqrt(2 pi) cancels
            (out * out - within * within) / 2.0 + (own(outside, spread.outside) / deviation_in).ln()
        }
    }
}

fn transformed(transform_by: Transform, mut around: TraceObservations) -> TraceObservations {
    for value in around.inside.iter_mut().chain(&mut around.outside) {
        *value = transform(transform_by, *value);
    }
    around
}

/// The statistic is a log-probability here (the loss with its sign turned) where it is transformed.
fn transform(by: Transform, value: f64) -> f64 {
    match by {
        Transform::None => value,
        // ln(p / (1 - p)) = ln p - ln(1 - exp(ln p)); a probability of 1 is taken for the next below
        Transform::Logit => value - (-value.min(-f64::EPSILON).exp_m1()).ln(),
    }
}

fn deviation(values: &[f64]) -> f64 {
    if values.is_empty() {
        return DEVIATION_FLOOR;
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
    (squares / values.len() as f64).sqrt() + DEVIATION_FLOOR
}

/// Below this, erfc loses digits and then becomes 0: the asymptotic series takes over.
const SERIES_BELOW: f64 = -20.0;

/// ln Pr[Z <= z] of a standard normal.
fn log_normal_cdf(z: f64) -> f64 {
    if z > SERIES_BELOW {
        let half = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        // near 1 the complement has the digits
        return if z > 0.0 { (-0.5 * libm::erfc(z / std::f64::consts::SQRT_2)).ln_1p() } else { half.ln() };
    }
    let square = z * z;
    // Abramowitz and Stegun 26.2.12, four terms: relative error below 105 / z^8 < 5e-9 of the correction
    let series = 1.0 - 1.0 / square + 3.0 / (square * square) - 15.0 / (square * square * square);
    -square / 2.0 - (-z).ln() - (2.0 * std::f64::consts::PI).sqrt().ln() + series.ln()
}

#[cfg(test)]
mod tests {
    use super::{LiraOptions, Spread, Transform, lira_score, log_normal_cdf, median, transform};

    #[test]
    fn log_of_the_normal_distribution_has_its_tails() {
        // mpmath, 30 digits
        for (z, expected) in [
            (0.0, -std::f64::consts::LN_2),
            (-1.0, -1.841_021_645_009_264),
            (3.0, -1.350_809_964_748_202e-3),
            (9.0, -1.128_588_405_953_840_5e-19),
            (-10.0, -53.231_285_151_247_05),
            (-25.0, -316.639_408_004_255_3),
            (-1000.0, -500_007.826_694_812_2),
        ] {
            let found = log_normal_cdf(z);
            assert!((found / expected - 1.0).abs() < 1e-9, "{z}: {found} against {expected}");
        }
        assert_eq!(log_normal_cdf(f64::NEG_INFINITY), f64::NEG_INFINITY);
        let (above, below) = (log_normal_cdf(super::SERIES_BELOW + 1e-9), log_normal_cdf(super::SERIES_BELOW - 1e-9));
        assert!((above - below).abs() < 1e-6, "{above} and {below} at the seam");
    }

    #[test]
    fn a_side_without_models_is_the_other_one_moved_by_the_gap() {
        let spread = Spread { inside: 1.0, outside: 1.0, gap: 2.0 };
        let options = LiraOptions::online();
        assert_eq!(lira_score(options, 3.0, &[], &[1.0], spread), lira_score(options, 3.0, &[3.0], &[1.0], spread));
        assert_eq!(lira_score(options, 3.0, &[3.0], &[], spread), lira_score(options, 3.0, &[3.0], &[1.0], spread));
    }

    #[test]
    fn median_and_logit_are_those_of_the_definition() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0, 2.0, 3.0])), (Some(2.0), Some(2.5)));
        let p: f64 = 0.3;
        assert!((transform(Transform::Logit, p.ln()) - (p / (1.0 - p)).ln()).abs() < 1e-14);
        assert!(transform(Transform::Logit, 0.0).is_finite());
    }
}
