//! Data augmentation: the gain from adding synthetic traces to few real ones, a common use of synthetic traffic
//! (Jiang et al. 2024, "NetDiffusion", augment real data in several proportions).
//!
//! A share of the members of each class is drawn; one forest is trained on it alone and another on it together with
//! all synthetic traces; both are tested on held-out traces. The members are drawn by the class's seed, so every
//! generator augments the same ones, and the smaller of two shares is a subset of the larger; the forests of the share
//! alone, the common baseline of all generators, depend on that seed too. The draw is repeated: with few real traces
//! it is the largest source of variance.

use super::measure::{Task, TrainedOn, UtilityMetric, UtilityRow};
use rand::seq::SliceRandom;
use syntrace_base::base::{Seed, map_ordered};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Interval, Trace};
use syntrace_measure::eval::{CONFIDENCE, feature_width, mean_over_draws, trace_features};
use syntrace_measure::forest::{Forest, ForestOptions};

/// The traces of one class.
#[derive(Debug, Clone)]
pub struct AugmentClass<'a> {
    /// Class.
    pub class: String,
    /// The real traces that the generator learnt from.
    pub members: Vec<&'a Trace>,
    /// What it generated; empty: nothing is added.
    pub synthetic: Vec<&'a Trace>,
    /// Held-out real traces to test on.
    pub test: Vec<&'a Trace>,
    /// Seed of the draw of members; that of the first class also seeds the baseline forests.
    pub draw: Seed,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct AugmentOptions {
    /// Shares of the members, above 0 and at most 1.
    pub shares: Vec<f64>,
    /// How often each share is drawn.
    pub draws: u32,
    /// Packets of a trace that a forest reads.
    pub packets: usize,
}

/// Features of one class, a row a trace.
struct Features {
    members: Vec<f32>,
    synthetic: Vec<f32>,
    /// The members in the order of each draw.
    orders: Vec<Vec<usize>>,
}

/// Accuracy of a forest that was trained on a share of the members alone, or together with synthetic traces.
/// A share that rounds to no trace of a class counts as one trace.
///
/// # Errors
/// Where there are fewer than two classes, or a feature is not finite.
pub fn augment(
    classes: &[AugmentClass<'_>],
    trained_on: TrainedOn,
    options: &AugmentOptions,
    seed: Seed,
) -> Result<Vec<UtilityRow>> {
    if classes.len() < 2 {
        return Err(Error::internal(format!("a classification needs at least two classes, found {}", classes.len())));
    }
    let study = Study::new(classes, trained_on, options, seed);
    options.shares.iter().map(|&share| study.rows(share)).collect::<Result<Vec<_>>>().map(|rows| rows.concat())
}

struct Study<'a> {
    options: &'a AugmentOptions,
    trained_on: TrainedOn,
    features: Vec<Features>,
    test: Vec<f32>,
    truth: Vec<usize>,
    /// Of forests that learn from a share alone, and with synthetic traces.
    seeds: [Seed; 2],
}

impl<'a> Study<'a> {
    fn new(classes: &[AugmentClass<'_>], trained_on: TrainedOn, options: &'a AugmentOptions, seed: Seed) -> Self {
        let orders = |class: &AugmentClass<'_>| {
            let drawn = |draw| {
                let mut order: Vec<usize> = (0..class.members.len()).collect();
                order.shuffle(&mut class.draw.numbered(u64::from(draw)).rng());
                order
            };
            (0..options.draws).map(drawn).collect()
        };
        let features = |class: &AugmentClass<'_>| Features {
            members: trace_features(&class.members, options.packets),
            synthetic: trace_features(&class.synthetic, options.packets),
            orders: orders(class),
        };
        let test: Vec<&Trace> = classes.iter().flat_map(|class| class.test.iter().copied()).collect();
        let labels = classes.iter().enumerate();
        Self {
            options,
            trained_on,
            features: classes.iter().map(features).collect(),
            test: trace_features(&test, options.packets),
            truth: labels.flat_map(|(label, class)| vec![label; class.test.len()]).collect(),
            seeds: [classes.first().map_or(seed, |class| class.draw).named("alone"), seed.named("augmented")],
        }
    }

    /// The row of one share and, with synthetic traces, the row of their gain.
    fn rows(&self, share: f64) -> Result<Vec<UtilityRow>> {
        let adds = self.trained_on == TrainedOn::ShareAndSynthetic;
        let draws: Vec<u32> = (0..self.options.draws).collect();
        let measured = map_ordered(&draws, |&draw| -> Result<(Vec<f64>, Option<Vec<f64>>)> {
            let alone = self.right(share, draw, false)?;
            Ok(if adds { (self.right(share, draw, true)?, Some(alone)) } else { (alone, None) })
        });
        let measured = measured.into_iter().collect::<Result<Vec<_>>>()?;
        let (right, alone): (Vec<Vec<f64>>, Vec<Option<Vec<f64>>>) = measured.into_iter().unzip();
        let mut rows = vec![self.row(share, UtilityMetric::Accuracy, &right)];
        if let Some(alone) = alone.into_iter().collect::<Option<Vec<_>>>() {
            let gain =
                right.iter().zip(&alone).map(|(with, alone)| with.iter().zip(alone).map(|(w, a)| w - a).collect());
            rows.push(self.row(share, UtilityMetric::AccuracyGain, &gain.collect::<Vec<_>>()));
        }
        Ok(rows)
    }

    /// For each test trace, 1 where the forest of a draw gives its class.
    fn right(&self, share: f64, draw: u32, synthetic: bool) -> Result<Vec<f64>> {
        let width = feature_width(self.options.packets);
        let (mut x, mut labels) = (Vec::new(), Vec::new());
        for (label, class) in self.features.iter().enumerate() {
            let order = class.orders.get(draw as usize).map_or(&[][..], Vec::as_slice);
            let real = order.iter().take(drawn(share, order.len()));
            real.filter_map(|&member| class.members.get(member * width..(member + 1) * width))
                .for_each(|row| x.extend(row));
            if synthetic {
                x.extend(&class.synthetic);
            }
            labels.resize(x.len() / width.max(1), label);
        }
        if labels.is_empty() || self.truth.is_empty() {
            return Ok(Vec::new());
        }
        let seed = self.seeds[usize::from(synthetic)].numbered(u64::from(draw));
        let classes = self.features.len();
        let forest = Forest::fit(&x, width, &labels, classes, &ForestOptions::standard(), seed)?;
        let guesses = forest.predict(&self.test)?;
        Ok(guesses.iter().zip(&self.truth).map(|(guess, truth)| f64::from(u8::from(guess == truth))).collect())
    }

    fn row(&self, share: f64, metric: UtilityMetric, values: &[Vec<f64>]) -> UtilityRow {
        let all: Vec<f64> = values.iter().flatten().copied().collect();
        let real: usize =
            self.features.iter().filter_map(|class| class.orders.first()).map(|order| drawn(share, order.len())).sum();
        let width = feature_width(self.options.packets).max(1);
        let synthetic: usize = match self.trained_on {
            TrainedOn::ShareAndSynthetic => self.features.iter().map(|class| class.synthetic.len() / width).sum(),
            _ => 0,
        };
        let least = if metric == UtilityMetric::AccuracyGain { -1.0 } else { 0.0 };
        let limits = mean_over_draws(values, CONFIDENCE).map(|Interval { value, low, high }| Interval {
            value,
            low: low.max(least),
            high: high.min(1.0),
        });
        UtilityRow {
            task: Task::Augmentation,
            trained_on: self.trained_on,
            learner: super::classify::FOREST.to_owned(),
            metric,
            class: None,
            value: (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64),
            n_train: (real + synthetic) as u64,
            n_test: self.truth.len() as u64,
            real_share: Some(share),
            interval: limits.map(|limits| (limits.low, limits.high)),
        }
    }
}

/// Number of a class's members that a share stands for: at least one unless the class is empty.
fn drawn(share: f64, members: usize) -> usize {
    ((share * members as f64).round() as usize).clamp(members.min(1), members)
}
