//! Private evolution: members vote for the nearest of a few candidates, which are drawn again by votes and varied.
//!
//! Lin et al. 2023 (arXiv 2305.15560, algorithms 1 and 2), with a simulator and variations of whole flows in the place of a
//! foundation model. A member votes once a round, so a round's histogram has L2 sensitivity 1 (the flows of
//! a host share its vote).

use super::config::{NetPoolConfig, Votes};
use super::flow::Flow;
use super::flow_features::{ATTRIBUTES, Attribute, Cells};
use super::pool::Candidates;
use crate::model::rho_ledger::{RhoLedger, add_noise};
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::Mechanism;

/// Cells of an ordered attribute that are as far apart as any two values of another one.
const FAR: u16 = 8;

/// Candidates after all rounds, weighted by the votes of the last one; all rounds together cost `rho`.
///
/// # Errors
/// A pool without a flow.
pub(super) fn evolve(
    (config, votes): (&NetPoolConfig, &Votes),
    pool: &[Flow],
    members: &[(Cells, f64)],
    (rho, ledger): (f64, &mut RhoLedger),
    (seed, noise_seed): (Seed, Seed),
) -> Result<(Candidates, Vec<f64>)> {
    let mut rng = seed.named("population").rng();
    let mut candidates = Candidates::of_pool(pool, config, votes.population, config.best_effort, &mut rng)?;
    let mut weights = Vec::new();
    for round in 0..votes.rounds {
        let deviation = ledger.charge_for(Mechanism::Gaussian, "votes", rho / f64::from(votes.rounds), 1.0)?;
        let mut counts = histogram(&candidates.cells, members);
        add_noise(&mut counts, deviation, noise_seed.named("votes").numbered(u64::from(round)));
        weights = counts.iter().map(|count| (count - votes.threshold * deviation).max(0.0)).collect();
        if weights.iter().all(|weight| *weight == 0.0) {
            weights.fill(1.0);
        }
        if round + 1 < votes.rounds {
            // Wide changes first, small ones towards the end.
            let vary = config.vary * f64::from(votes.rounds - round - 1) / f64::from(votes.rounds);
            let mut rng = seed.named("evolve").numbered(u64::from(round)).rng();
            candidates = candidates.again(&weights, config.packets as usize, vary, &mut rng);
        }
    }
    let sum = weights.iter().sum::<f64>();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    Ok((candidates, weights))
}

/// The vote of each flow, of its weight, for the first of the nearest candidates.
fn histogram(candidates: &[Cells], members: &[(Cells, f64)]) -> Vec<f64> {
    let mut counts = vec![0.0; candidates.len()];
    for (member, weight) in members {
        let nearest = candidates.iter().enumerate().min_by_key(|(_, candidate)| distance(member, candidate));
        if let Some(count) = nearest.and_then(|(place, _)| counts.get_mut(place)) {
            *count += weight;
        }
    }
    counts
}

/// Attributes in which two flows differ, ordered ones by how far, in units of 1 / FAR.
fn distance(a: &Cells, b: &Cells) -> u32 {
    let parts = ATTRIBUTES.iter().zip(a.iter().zip(b));
    let of = |(attribute, (a, b)): (&Attribute, (&u16, &u16))| match attribute {
        Attribute::Packets | Attribute::First | Attribute::Gap | Attribute::Replies => {
            u32::from(a.abs_diff(*b).min(FAR))
        }
        _ => u32::from(FAR) * u32::from(a != b),
    };
    parts.map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_vote_and_it_goes_to_the_nearest_candidate() {
        let near = |first: u16, ttl: u16| {
            let mut cells = Cells::default();
            (cells[Attribute::First.index()], cells[Attribute::LocalTtl.index()]) = (first, ttl);
            cells
        };
        let candidates = [near(0, 64), near(20, 64), near(0, 128)];
        assert_eq!(distance(&candidates[0], &candidates[1]), u32::from(FAR), "no further than another value");
        let members = [near(3, 64), near(19, 64), near(21, 64), near(2, 128), near(10, 64)].map(|flow| (flow, 1.0));
        assert_eq!(histogram(&candidates, &members), [2.0, 2.0, 1.0]);
        assert_eq!(histogram(&candidates, &[]), [0.0; 3]);
        assert!(histogram(&[], &members).is_empty());
    }
}
