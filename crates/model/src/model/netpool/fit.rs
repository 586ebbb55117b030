//! From private traces and a public pool to a model, through one ledger.

use super::config::{FIXED, NetPoolConfig};
use super::flow::{Flow, flow_of};
use super::flow_features::{Cells, describe};
use super::heavy_hitters::Cell;
use super::marginal::{Measured, Query, candidates, choose_next, fixed};
use super::model::Model;
use super::place::{Found, Place};
use super::pool::{Candidates, VARY_AGAIN};
use super::reweight::{Goal, weigh};
use super::votes;
use crate::model::rho_ledger::RhoLedger;
use crate::train::EncodedTrace;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::{Mechanism, PrivacyEvent};

/// A trained model, what it cost, and how near it came.
pub(super) struct Fit {
    pub model: Model,
    pub events: Vec<PrivacyEvent>,
    /// Names of the marginals, in order, with the final distance of the weighted candidates from each noisy one: sum over
    /// cells of the absolute difference, as a share of the members.
    pub marginals: Vec<(String, f64)>,
    /// One over the sum of squared weights: how many candidates carry the result.
    pub effective: f64,
}

/// Private data: attributes and ends of the members, with the weight of each flow. Read only by [`Query::measure`],
/// [`choose_next`] and [`find`].
struct Private {
    flows: Vec<(Cells, f64)>,
    /// What the flows add to each of [`Place::ALL`].
    places: [Vec<(Cell, f64)>; Place::ALL.len()],
}

impl Private {
    fn new<'a>(traces: impl IntoIterator<Item = (&'a EncodedTrace, f64)>, packets: usize) -> Result<Self> {
        let mut private = Self { flows: Vec::new(), places: Default::default() };
        for (trace, weight) in traces {
            let flow = flow_of(trace)?;
            let Some(cells) = describe(&flow, packets) else { continue };
            private.flows.push((cells, weight));
            for (place, own) in Place::ALL.into_iter().zip(&mut private.places) {
                own.extend(place.of(&flow).map(|cell| (cell, weight)));
            }
        }
        Ok(private)
    }
}

/// Public or released data: candidates, weights, marginals so far.
struct Search<'a> {
    config: &'a NetPoolConfig,
    members: f64,
    candidates: Candidates,
    weights: Vec<f64>,
    measured: Vec<Measured>,
    seed: Seed,
}

impl Search<'_> {
    fn weigh(&mut self) {
        let goal = Goal {
            measured: &self.measured,
            members: self.members,
            prior: self.config.prior,
            iterations: self.config.iterations,
        };
        self.weights = weigh(&self.candidates.cells, &self.weights, goal);
    }

    /// Draws the candidates again around the weights, and weighs them.
    fn refine(&mut self, round: usize) {
        let mut rng = self.seed.named("refine").numbered(round as u64).rng();
        self.candidates = self.candidates.again(&self.weights, self.config.packets as usize, VARY_AGAIN, &mut rng);
        self.weights = Vec::new();
        self.weigh();
    }

    fn distance(&self, measured: &Measured) -> f64 {
        let mut shares = vec![0.0; measured.counts.len()];
        for (cells, weight) in self.candidates.cells.iter().zip(&self.weights) {
            if let Some(share) = shares.get_mut(measured.query.cell(cells) as usize) {
                *share += weight * self.members;
            }
        }
        let occupied = shares.iter().zip(&measured.counts).filter(|(share, _)| **share > 0.0);
        occupied.map(|(share, count)| (share - count).abs()).sum::<f64>() / self.members
    }
}

/// Fits a model to the traces of a public number of members, each with its weight (those of a unit of privacy sum to
/// 1): the noise multiplier is that of one Gaussian step that would spend the whole budget. `seed` may be known,
/// `noise_seed` must not.
///
/// # Errors
/// Traces in another encoding; a pool without flows; a noise multiplier of 0.
pub(super) fn fit<'a>(
    config: &NetPoolConfig,
    pool: &[Flow],
    traces: impl IntoIterator<Item = (&'a EncodedTrace, f64)>,
    (members, noise_multiplier): (u32, f64),
    (seed, noise_seed): (Seed, Seed),
) -> Result<Fit> {
    let packets = config.packets as usize;
    let private = Private::new(traces, packets)?;
    let mut ledger = RhoLedger::new(noise_multiplier)?;
    let histograms = config.histograms(noise_multiplier, members);
    let histogram_rho = config.histogram_share * ledger.total() / histograms as f64;
    let mut search = Search {
        config,
        members: f64::from(members),
        candidates: Candidates::default(),
        weights: Vec::new(),
        measured: Vec::new(),
        seed,
    };
    // What is left of the budget after the histograms.
    let rho = (1.0 - config.histogram_share) * ledger.total();
    match &config.votes {
        None => {
            let count = config.marginals(noise_multiplier, members);
            by_marginals(&mut search, pool, &private, &mut ledger, (count, rho), noise_seed)?;
        }
        Some(own) => {
            let voted = votes::evolve((config, own), pool, &private.flows, (rho, &mut ledger), (seed, noise_seed))?;
            (search.candidates, search.weights) = voted;
        }
    }
    let found = find(&private, config, &mut ledger, (histograms, histogram_rho), noise_seed)?;
    let mut rng = search.seed.named("kept").rng();
    let flows = search.candidates.drawn(&search.weights, config.kept as usize, &mut rng);
    let marginals = search.measured.iter().map(|own| (own.query.name(), search.distance(own))).collect();
    let effective = 1.0 / search.weights.iter().map(|weight| weight * weight).sum::<f64>();
    let model = Model { config: config.clone(), members, flows, found };
    Ok(Fit { model, events: ledger.events().to_vec(), marginals, effective })
}

/// Weighs candidates by `count` marginals, all together for `rho`.
fn by_marginals(
    search: &mut Search<'_>,
    pool: &[Flow],
    private: &Private,
    ledger: &mut RhoLedger,
    (count, rho): (usize, f64),
    noise_seed: Seed,
) -> Result<()> {
    let config = search.config;
    let choices = count - FIXED;
    let choice_rho = if choices > 0 { config.choice_share * ledger.total() } else { 0.0 };
    let rho = (rho - choice_rho) / count as f64;
    let mut rng = search.seed.named("candidates").rng();
    // Where no marginal can be of it, marks of the few candidates that noise lifts would tell classes apart that differ in
    // nothing else.
    let best_effort = if choices == 0 { 1.0 } else { config.best_effort };
    search.candidates = Candidates::of_pool(pool, config, config.records, best_effort, &mut rng)?;
    for (number, query) in fixed(config.packets as usize).into_iter().enumerate() {
        let seed = noise_seed.named("fixed").numbered(number as u64);
        search.measured.push(query.measure(&private.flows, rho, ledger, seed)?);
    }
    search.weigh();
    adapt(search, private, ledger, (choices, rho, choice_rho), noise_seed)
}

/// Measures the first `count` histograms of values, each for `rho`.
fn find(
    private: &Private,
    config: &NetPoolConfig,
    ledger: &mut RhoLedger,
    (count, rho): (usize, f64),
    noise_seed: Seed,
) -> Result<Found> {
    let mut found = Found::new();
    for (place, flows) in Place::ALL.into_iter().zip(&private.places).take(count) {
        let deviation = ledger.charge_for(Mechanism::GaussianMarginals, place.name(), rho, 1.0)?;
        let seed = noise_seed.named(place.name());
        found.push((place, place.domain().measure(flows, deviation, config.false_values, seed)));
    }
    Ok(found)
}

/// Chooses and measures marginals one by one, each `rho`, all choices together `choice_rho`, and draws the candidates
/// again in between.
fn adapt(
    search: &mut Search<'_>,
    private: &Private,
    ledger: &mut RhoLedger,
    (choices, rho, choice_rho): (usize, f64, f64),
    noise_seed: Seed,
) -> Result<()> {
    let mut open: Vec<Query> = candidates(search.config.packets as usize);
    let choices = choices.min(open.len());
    let refinements = search.config.refinements as usize;
    let mut refined = 0;
    for round in 0..choices {
        let seed = noise_seed.named("round").numbered(round as u64);
        let deviation = (0.5 / rho).sqrt();
        let present = (&search.candidates.cells[..], &search.weights[..]);
        let budget = (choice_rho / choices as f64, &mut *ledger, seed.named("choice"));
        let next = choose_next(&open, &private.flows, present, search.members, deviation, budget)?;
        let query = open.swap_remove(next);
        search.measured.push(query.measure(&private.flows, rho, ledger, seed.named("marginal"))?);
        search.weigh();
        // The last time after the last round.
        if refined < refinements.saturating_sub(1) && (round + 1) * refinements >= (refined + 1) * choices {
            search.refine(refined);
            refined += 1;
        }
    }
    for round in refined..refinements {
        search.refine(round);
    }
    Ok(())
}
