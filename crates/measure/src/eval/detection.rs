//! Can a classifier tell two populations apart? The detection score of synthetic data: 0.5 = it cannot.
//!
//! A random forest with scikit-learn's defaults learns on half of the traces and scores the other half,
//! then the other way round, so that every trace is scored by a forest that never saw it. Both sides
//! are cut to the same number of traces.

use super::features::{feature_width, trace_features};
use super::measure::{Aspect, FidelityRow, Metric, PopulationName};
use super::roc::{Roc, Scored};
use super::rows::Rows;
use crate::forest::{Forest, ForestOptions};
use rand::seq::SliceRandom;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::Trace;

/// Fewer traces a side than this teach a classifier nothing.
const SIDE_TRACES_MIN: usize = 4;

/// AUC and balanced accuracy of telling `compared` from `reference`, over the first `packets` packets;
/// without a value where a side has fewer than four traces.
///
/// # Errors
/// Where a forest cannot be fitted (a feature that is not finite).
pub fn detection(
    (reference_name, reference): (PopulationName, &[&Trace]),
    (compared_name, compared): (PopulationName, &[&Trace]),
    packets: usize,
    seed: Seed,
) -> Result<Vec<FidelityRow>> {
    let n = reference.len().min(compared.len());
    let (mut auc, mut accuracy) = (None, None);
    if n >= SIDE_TRACES_MIN && packets > 0 {
        let scored = scored(&drawn(reference, n, seed), &drawn(compared, n, seed.named("compared")), packets, seed)?;
        auc = Some(Roc::new(&scored)?.auc());
        let right = scored.iter().filter(|trace| (trace.score >= 0.5) == trace.member).count();
        // both sides have n traces, so accuracy is balanced
        accuracy = Some(right as f64 / scored.len() as f64);
    }
    let mut rows = Rows::new(reference_name, compared_name);
    for (metric, value) in [(Metric::Auc, auc), (Metric::BalancedAccuracy, accuracy)] {
        rows.push((Aspect::Detection, "trace", None), metric, value, (n as u64, n as u64));
    }
    Ok(rows.rows)
}

/// `n` traces in a shuffled order.
fn drawn<'a>(traces: &[&'a Trace], n: usize, seed: Seed) -> Vec<&'a Trace> {
    let mut drawn = traces.to_vec();
    drawn.shuffle(&mut seed.named("order").rng());
    drawn.truncate(n);
    drawn
}

/// Out-of-fold probabilities to be of the compared side, which are the positives here.
fn scored(reference: &[&Trace], compared: &[&Trace], packets: usize, seed: Seed) -> Result<Vec<Scored>> {
    let middle = reference.len() / 2;
    let halves = [(0..middle, middle..reference.len()), (middle..reference.len(), 0..middle)];
    let mut scored = Vec::with_capacity(2 * reference.len());
    for (fold, (train, test)) in halves.into_iter().enumerate() {
        let of = |range: &std::ops::Range<usize>| {
            let side = |side: &[&Trace]| trace_features(side.get(range.clone()).unwrap_or_default(), packets);
            [side(reference), side(compared)].concat()
        };
        let labels: Vec<usize> = (0..2 * train.len()).map(|row| usize::from(row >= train.len())).collect();
        let seed = seed.named("fold").numbered(fold as u64);
        let forest = Forest::fit(&of(&train), feature_width(packets), &labels, 2, &ForestOptions::standard(), seed)?;
        for (row, shares) in forest.predict_proba(&of(&test))?.chunks_exact(2).enumerate() {
            scored.push(Scored { score: shares.last().copied().unwrap_or(0.0), member: row >= test.len() });
        }
    }
    Ok(scored)
}
