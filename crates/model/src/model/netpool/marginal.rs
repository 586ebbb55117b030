//! Marginals: histograms of flows over one attribute or two, with noise, and which of them to measure.

use super::exponential_mechanism;
use super::flow_features::{ATTRIBUTES, Attribute, Cells};
use crate::model::rho_ledger::{RhoLedger, add_noise};
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::Mechanism;

/// Attributes of one marginal, one or two; a flow is in exactly one of its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    attributes: Vec<Attribute>,
    /// Cells of each.
    sizes: Vec<usize>,
}

/// A marginal that was released.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub query: Query,
    /// Noisy counts of all its cells, also those without a flow.
    pub counts: Vec<f64>,
    /// Standard deviation of their noise.
    pub deviation: f64,
}

impl Query {
    pub fn new(attributes: &[Attribute], packets: usize) -> Self {
        let sizes = attributes.iter().map(|attribute| attribute.cells(packets)).collect();
        Self { attributes: attributes.to_vec(), sizes }
    }

    /// Names of its attributes.
    pub fn name(&self) -> String {
        self.attributes.iter().map(|attribute| attribute.name()).collect::<Vec<_>>().join(" x ")
    }

    pub fn cells(&self) -> usize {
        self.sizes.iter().product()
    }

    /// The cell of a flow.
    pub fn cell(&self, flow: &Cells) -> u32 {
        let parts = self.attributes.iter().zip(&self.sizes);
        parts.fold(0, |cell, (attribute, size)| {
            let own = usize::from(flow.get(attribute.index()).copied().unwrap_or(0)).min(size - 1);
            cell * *size as u32 + own as u32
        })
    }

    /// Exact counts of weighted flows.
    pub fn count(&self, flows: &[(Cells, f64)]) -> Vec<f64> {
        let mut counts = vec![0.0; self.cells()];
        for (flow, weight) in flows {
            if let Some(count) = counts.get_mut(self.cell(flow) as usize) {
                *count += weight;
            }
        }
        counts
    }

    /// Releases the counts with noise in every cell, for `rho`: one flow changes one cell by its weight, so the flows of a
    /// unit of privacy, whose weights sum to 1, change the counts by an L2 norm of at most 1.
    pub fn measure(self, flows: &[(Cells, f64)], rho: f64, ledger: &mut RhoLedger, seed: Seed) -> Result<Measured> {
        let phase = format!("marginal: {}", self.name());
        let deviation = ledger.charge_for(Mechanism::GaussianMarginals, &phase, rho, 1.0)?;
        let mut counts = self.count(flows);
        add_noise(&mut counts, deviation, seed);
        Ok(Measured { query: self, counts, deviation })
    }
}

/// Marginals that are measured first, whatever the budget: the services, and the TTL, which separates systems best.
pub(super) fn fixed(packets: usize) -> [Query; super::config::FIXED] {
    [Query::new(&[Attribute::Kind], packets), Query::new(&[Attribute::LocalTtl], packets)]
}

/// What may be measured further: each attribute by kind of flow, and some by themselves, which small counts can tell.
pub(super) fn candidates(packets: usize) -> Vec<Query> {
    let by_kind = ATTRIBUTES.into_iter().skip(1).map(|attribute| vec![Attribute::Kind, attribute]);
    let alone = [
        Attribute::PeerTtl,
        Attribute::Packets,
        Attribute::LocalNumbering,
        Attribute::PeerNumbering,
        Attribute::First,
        Attribute::Second,
        Attribute::Port,
        Attribute::LocalTos,
        Attribute::LocalFlags,
        Attribute::Gap,
    ];
    let alone = alone.into_iter().map(|attribute| vec![attribute]);
    by_kind.chain(alone).map(|attributes| Query::new(&attributes, packets)).collect()
}

/// Chooses the candidate that the present weights are most wrong about, beyond what its noise of `deviation` would
/// hide (McKenna et al. 2022, AIM): by the exponential mechanism, for `rho`. A score is the sum over all cells of the
/// distance between the count and the weighted candidates' share of the members, less a term that no flow enters; one
/// flow more or less moves it by at most its weight, one unit of privacy by at most 1.
pub(super) fn choose_next(
    candidates: &[Query],
    flows: &[(Cells, f64)],
    (records, weights): (&[Cells], &[f64]),
    members: f64,
    deviation: f64,
    (rho, ledger, seed): (f64, &mut RhoLedger, Seed),
) -> Result<usize> {
    let of_all = |query: &Query| score(query, flows, (records, weights), members, deviation);
    let scores: Vec<f64> = candidates.iter().map(of_all).collect();
    exponential_mechanism::choose(&scores, rho, ledger, seed)
}

fn score(
    query: &Query,
    flows: &[(Cells, f64)],
    (records, weights): (&[Cells], &[f64]),
    members: f64,
    deviation: f64,
) -> f64 {
    let mut expected = vec![0.0; query.cells()];
    for (record, weight) in records.iter().zip(weights) {
        if let Some(share) = expected.get_mut(query.cell(record) as usize) {
            *share += weight * members;
        }
    }
    let noise: f64 = expected.iter().map(|share| (share / deviation).min(1.0)).sum();
    let counts = query.count(flows);
    let wrong: f64 = counts.iter().zip(&expected).map(|(count, share)| (count - share).abs()).sum();
    wrong - (2.0 / std::f64::consts::PI).sqrt() * deviation * noise
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    const PACKETS: usize = 10;

    fn random_flows(count: usize, seed: u64) -> Vec<Cells> {
        let mut rng = Seed::root(seed).rng();
        let mut flow = || std::array::from_fn(|at| rng.random_range(0..ATTRIBUTES[at].cells(PACKETS).min(9)) as u16);
        (0..count).map(|_| flow()).collect()
    }

    /// The bounds that noise is made for: counts move by 1 in one cell, scores by at most 1.
    #[test]
    fn one_flow_more_moves_one_cell_of_each_marginal_by_one_and_each_score_by_at_most_one() {
        let records = random_flows(50, 1);
        let weights = vec![0.02; 50];
        for seed in 2..12 {
            let flows: Vec<(Cells, f64)> = random_flows(30, seed).into_iter().map(|flow| (flow, 1.0)).collect();
            let fewer = &flows[1..];
            for query in fixed(PACKETS).into_iter().chain(candidates(PACKETS)) {
                let pairs = query.count(&flows).into_iter().zip(query.count(fewer));
                let moved: Vec<f64> = pairs.map(|(a, b)| a - b).filter(|change| *change != 0.0).collect();
                assert_eq!(moved, [1.0], "{}", query.name());
                let score = |flows: &[(Cells, f64)]| score(&query, flows, (&records, &weights), 30.0, 2.0);
                assert!((score(&flows) - score(fewer)).abs() <= 1.0 + 1e-9, "{}", query.name());
            }
        }
    }

    /// The same for hosts of one to four traces: what one adds has an L2 norm of at most 1.
    #[test]
    fn one_host_more_moves_each_marginal_and_each_score_by_at_most_one() {
        let records = random_flows(50, 1);
        let weights = vec![0.02; 50];
        for seed in 2..22 {
            let own = 1 + seed as usize % 4;
            let host = random_flows(own, 100 + seed).into_iter().map(|flow| (flow, 1.0 / own as f64));
            let fewer: Vec<(Cells, f64)> = random_flows(30, seed).into_iter().map(|flow| (flow, 0.5)).collect();
            let flows: Vec<(Cells, f64)> = host.chain(fewer.iter().copied()).collect();
            for query in fixed(PACKETS).into_iter().chain(candidates(PACKETS)) {
                let pairs = query.count(&flows).into_iter().zip(query.count(&fewer));
                let moved = pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(moved <= 1.0 + 1e-9, "{}: {moved}", query.name());
                let score = |flows: &[(Cells, f64)]| score(&query, flows, (&records, &weights), 16.0, 2.0);
                assert!((score(&flows) - score(&fewer)).abs() <= 1.0 + 1e-9, "{}", query.name());
            }
        }
    }

    #[test]
    fn different_cells_of_attributes_are_different_cells_of_their_marginal() {
        let query = Query::new(&[Attribute::Packets, Attribute::Replies], 3);
        let mut seen = std::collections::BTreeSet::new();
        for packets in 0..3 {
            for replies in 0..4 {
                let mut flow: Cells = Default::default();
                flow[Attribute::Packets.index()] = packets;
                flow[Attribute::Replies.index()] = replies;
                seen.insert(query.cell(&flow));
            }
        }
        assert_eq!((seen.len(), query.cells()), (12, 12));
    }
}
