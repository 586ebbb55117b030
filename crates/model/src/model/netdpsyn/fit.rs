//! From private traces to a model, through one ledger.

use super::config::{NetDpSynConfig, RowMode};
use super::consistency::{Measured, estimate_totals, make_consistent, non_increasing};
use super::dependence::{Candidate, choose_pairs, connect, dependence, merge_cliques};
use super::grouping::Grouping;
use super::model::{Model, Target};
use super::schema::{Records, Schema};
use super::table::{Shape, count, project};
use crate::model::rho_ledger::{RhoLedger, add_noise, split_rho};
use crate::train::EncodedTrace;
use syntrace_base::base::Seed;
use syntrace_base::error::Result;
use syntrace_base::record::PrivacyEvent;

/// A trained model and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The model.
    pub model: Model,
    /// Each Gaussian release.
    pub events: Vec<PrivacyEvent>,
    /// Rho spent for choosing marginals, for one-way and for combined ones.
    pub spent: [f64; 3],
}

/// Fits a model to the traces of a public number of members, each trace with its weight (the weights of a unit of privacy sum
/// to 1): the noise multiplier is that of one Gaussian step that would spend the whole budget.
///
/// # Errors
/// Traces in another encoding; a noise multiplier of 0.
pub fn fit<'a>(
    config: &NetDpSynConfig,
    traces: impl IntoIterator<Item = (&'a EncodedTrace, f64)>,
    members: u32,
    noise_multiplier: f64,
    noise_seed: Seed,
) -> Result<Fit> {
    let schema = Schema::new(config)?;
    let records = schema.records(traces)?;
    let ledger = RhoLedger::new(noise_multiplier)?;
    let shares = Shares::of(config, ledger.total());
    let mut fitting = Fitting { config, schema: &schema, members, ledger, shares, noise_seed };
    let mut singles = fitting.measure_singles(&records)?;
    let mut groupings: Vec<Grouping> =
        singles.iter().enumerate().map(|(column, single)| fitting.group(column, single)).collect();
    let grouped = group_records(&records, &groupings);
    let sets = fitting.choose(&grouped, &groupings)?;
    let alone: Vec<usize> =
        (0..groupings.len()).filter(|column| !sets.iter().any(|set| set.contains(column))).collect();
    let rhos = fitting.combined_rhos(&sets, &alone, &groupings);
    let (rhos, alone_rhos) = rhos.split_at(sets.len());
    let mut measured = fitting.measure_sets(&grouped, &sets, rhos, &groupings)?;
    fitting.measure_again(&records, &alone, alone_rhos, &mut singles)?;
    for column in &alone {
        if let (Some(grouping), Some(single)) = (groupings.get_mut(*column), singles.get(*column)) {
            *grouping = fitting.group(*column, single);
        }
    }
    let single =
        |column: &usize| singles.get(*column).map(|single| grouped_single(&schema, single, *column, &groupings));
    measured.extend(alone.iter().filter_map(single));
    let published = measured.len();
    // One-way marginals of the other columns help, but say nothing that the combined ones do not.
    measured.extend((0..singles.len()).filter(|column| !alone.contains(column)).filter_map(|column| single(&column)));
    let totals = fitting.totals(&measured);
    make_consistent(&mut measured, &totals, config.rounds);
    measured.truncate(published);
    let events = fitting.ledger.events().to_vec();
    let spent = phases(&events);
    Ok(Fit { model: model(config, schema, members, &totals, groupings, measured), events, spent })
}

/// Rho of each phase.
struct Shares {
    selection: f64,
    singles: f64,
    combined: f64,
}

/// Left unspent of each phase, for the rounding of sums.
const RESERVE: f64 = 1e-9;

impl Shares {
    fn of(config: &NetDpSynConfig, total: f64) -> Self {
        let total = total * (1.0 - RESERVE);
        let (selection, singles) = (total * config.selection_share, total * config.singles_share);
        Self { selection, singles, combined: total - selection - singles }
    }
}

/// Names of the phases in the ledger, before a colon.
const PHASES: [&str; 3] = ["selection", "single", "combined"];

fn phases(events: &[PrivacyEvent]) -> [f64; 3] {
    PHASES.map(|phase| {
        let own = events.iter().filter(|event| event.phase.split(':').next() == Some(phase));
        own.map(|event| 0.5 / (event.noise_multiplier.get() * event.noise_multiplier.get())).sum()
    })
}

struct Fitting<'a> {
    config: &'a NetDpSynConfig,
    schema: &'a Schema,
    /// Public.
    members: u32,
    ledger: RhoLedger,
    shares: Shares,
    noise_seed: Seed,
}

/// A one-way marginal in cells, `[strata * cells]`, with the standard deviation of its noise.
struct Single {
    values: Vec<f64>,
    deviation: f64,
}

impl Single {
    /// The mean with a second measurement, weighted by inverse variance.
    fn join(&mut self, values: &[f64], deviation: f64) {
        let (own, other) = (self.deviation.powi(-2), deviation.powi(-2));
        for (value, again) in self.values.iter_mut().zip(values) {
            *value = (*value * own + again * other) / (own + other);
        }
        self.deviation = (own + other).powf(-0.5);
    }
}

impl Fitting<'_> {
    /// Rho of a marginal grows with this power of its cells: 1/2 is what the published code does; 2/3 would make the sum of all
    /// errors least, where a direction of three cells drowns for the sake of an address of hundreds.
    fn exponent(&self) -> f64 {
        if self.config.published { 0.5 } else { 1.0 / 3.0 }
    }

    fn name(&self, columns: &[usize]) -> String {
        let names = columns.iter().filter_map(|column| self.schema.columns.get(*column));
        names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Noise of one release on its counts.
    fn release(&mut self, phase: &str, rho: f64, sensitivity: f64, values: &mut [f64]) -> Result<f64> {
        let deviation = self.ledger.charge(phase, rho, sensitivity)?;
        let seed = self.noise_seed.named("netdpsyn").numbered(self.ledger.events().len() as u64);
        add_noise(values, deviation, seed);
        Ok(deviation)
    }

    /// All one-way marginals: they decide the groups, and are used again beside the combined ones.
    fn measure_singles(&mut self, records: &Records) -> Result<Vec<Single>> {
        let cells: Vec<usize> = self.schema.columns.iter().map(|column| column.domain.cells()).collect();
        let strata = self.schema.strata();
        let sizes: Vec<usize> = cells.iter().map(|cells| cells * strata).collect();
        let mut singles = Vec::with_capacity(cells.len());
        for (column, rho) in split_rho(self.shares.singles, &sizes, self.exponent()).into_iter().enumerate() {
            let mut values = count(records, &Shape::over(&[column], &cells), strata);
            let phase = format!("{}:{}", PHASES[1], self.name(&[column]));
            let deviation = self.release(&phase, rho, self.schema.marginal_sensitivity(), &mut values)?;
            singles.push(Single { values, deviation });
        }
        Ok(singles)
    }

    /// Groups of a column by its noisy one-way marginal, strata together.
    fn group(&self, index: usize, single: &Single) -> Grouping {
        let strata = self.schema.strata();
        let cells = single.values.len() / strata;
        let mut summed = vec![0.0; cells];
        for stratum in single.values.chunks(cells.max(1)) {
            summed.iter_mut().zip(stratum).for_each(|(sum, value)| *sum += value);
        }
        let possible: Vec<bool> = (0..cells)
            .map(|cell| (0..strata).any(|stratum| self.schema.possible(stratum, index, cell as u16)))
            .collect();
        let deviation = single.deviation * (strata as f64).sqrt();
        Grouping::of_noisy(&summed, &possible, deviation, self.config.published)
    }

    /// Most rows that the members can have: a public number.
    fn rows_max(&self) -> f64 {
        f64::from(self.members) * self.schema.rows_max() as f64
    }

    /// Sets of columns to measure together: cliques and pairs, by noisy scores. Where there is nothing to
    /// choose from, the share of choosing goes to measuring.
    fn choose(&mut self, records: &Records, groupings: &[Grouping]) -> Result<Vec<Vec<usize>>> {
        let strata = self.schema.strata();
        let groups: Vec<usize> = groupings.iter().map(Grouping::groups).collect();
        // A column whose values are all in one group depends on nothing.
        let divided = |column: usize| groups.get(column).is_some_and(|groups| *groups > 1);
        let pairs = self.schema.candidates().into_iter().filter(|(a, b)| divided(*a) && divided(*b));
        let pairs = pairs.map(|(a, b)| Candidate {
            pair: (a, b),
            cells: Shape::over(&[a, b], &groups).cells().saturating_mul(strata),
            score: 0.0,
        });
        let mut candidates: Vec<Candidate> =
            pairs.filter(|candidate| candidate.cells <= self.config.cells_max as usize).collect();
        let mut scores =
            syntrace_base::base::map_ordered(&candidates, |c| dependence(records, c.pair, &groups, strata));
        if scores.is_empty() {
            self.shares.combined += self.shares.selection;
            return Ok(Vec::new());
        }
        let sensitivity = self.schema.score_sensitivity() * (scores.len() as f64).sqrt();
        self.release(PHASES[0], self.shares.selection, sensitivity, &mut scores)?;
        for (candidate, score) in candidates.iter_mut().zip(scores) {
            candidate.score = score;
        }
        let sensitivity = self.schema.marginal_sensitivity();
        let noise = sensitivity / (std::f64::consts::PI * self.shares.combined).sqrt();
        let mut chosen = choose_pairs(&candidates, noise, self.config.threshold * self.rows_max());
        if self.config.published {
            connect(&candidates, &mut chosen, groups.len());
        }
        let pairs: Vec<(usize, usize)> =
            chosen.into_iter().filter_map(|index| candidates.get(index)).map(|candidate| candidate.pair).collect();
        Ok(merge_cliques(&pairs, &groups, self.clique_cells()))
    }

    /// Most cells of a clique: the configured limit, and at most so many that a cell's mean count is not
    /// below the noise of a table that got the whole budget.
    fn clique_cells(&self) -> usize {
        let rows = self.rows_max() / self.schema.strata() as f64;
        let deviation = self.schema.marginal_sensitivity() / (2.0 * self.shares.combined).sqrt();
        (self.config.clique_cells as usize).min((rows / deviation) as usize)
    }

    /// Rho of each chosen set, then of each column in none, which is measured in cells.
    fn combined_rhos(&self, sets: &[Vec<usize>], alone: &[usize], groupings: &[Grouping]) -> Vec<f64> {
        let strata = self.schema.strata();
        let groups: Vec<usize> = groupings.iter().map(Grouping::groups).collect();
        let cells: Vec<usize> = self.schema.columns.iter().map(|column| column.domain.cells()).collect();
        let together = sets.iter().map(|set| Shape::over(set, &groups).cells() * strata);
        let single = alone.iter().map(|column| Shape::over(&[*column], &cells).cells() * strata);
        split_rho(self.shares.combined, &together.chain(single).collect::<Vec<_>>(), self.exponent())
    }

    fn measure_sets(
        &mut self,
        records: &Records,
        sets: &[Vec<usize>],
        rhos: &[f64],
        groupings: &[Grouping],
    ) -> Result<Vec<Measured>> {
        let groups: Vec<usize> = groupings.iter().map(Grouping::groups).collect();
        let mut measured = Vec::with_capacity(sets.len());
        for (set, rho) in sets.iter().zip(rhos) {
            let shape = Shape::over(set, &groups);
            let mut values = count(records, &shape, self.schema.strata());
            let phase = format!("{}:{}", PHASES[2], self.name(set));
            let deviation = self.release(&phase, *rho, self.schema.marginal_sensitivity(), &mut values)?;
            let possible = possible(self.schema, &shape, groupings);
            measured.push(Measured { shape, values, variance: deviation * deviation, possible });
        }
        Ok(measured)
    }

    /// Measures one-way marginals a second time and takes the mean by inverse variance: columns in no
    /// chosen set, which are all where the traces are too few for pairs.
    fn measure_again(
        &mut self,
        records: &Records,
        alone: &[usize],
        rhos: &[f64],
        singles: &mut [Single],
    ) -> Result<()> {
        let cells: Vec<usize> = self.schema.columns.iter().map(|column| column.domain.cells()).collect();
        for (column, rho) in alone.iter().zip(rhos) {
            let mut values = count(records, &Shape::over(&[*column], &cells), self.schema.strata());
            let phase = format!("{}:{}", PHASES[2], self.name(&[*column]));
            let deviation = self.release(&phase, *rho, self.schema.marginal_sensitivity(), &mut values)?;
            if let Some(single) = singles.get_mut(*column) {
                single.join(&values, deviation);
            }
        }
        Ok(())
    }

    /// Rows of each stratum: from the marginals, except that every member is one row in mode `traces`
    /// and one row at the first place in mode `positions`, and that places are reached in order.
    fn totals(&self, measured: &[Measured]) -> Vec<f64> {
        let members = f64::from(self.members);
        let mut totals = estimate_totals(measured, self.schema.strata());
        let most = if self.schema.rows == RowMode::Packets { self.rows_max() } else { members };
        for total in &mut totals {
            *total = total.clamp(0.0, most);
        }
        if let Some(first) = totals.first_mut()
            && self.schema.rows != RowMode::Packets
        {
            *first = members;
        }
        non_increasing(&mut totals);
        totals
    }
}

/// Rows with groups in place of cells.
fn group_records(records: &Records, groupings: &[Grouping]) -> Records {
    let columns = records.columns.iter().zip(groupings).map(|(cells, grouping)| {
        cells.iter().map(|cell| grouping.group_of.get(usize::from(*cell)).copied().unwrap_or(0)).collect()
    });
    Records { strata: records.strata.clone(), weights: records.weights.clone(), columns: columns.collect() }
}

/// A one-way marginal in groups.
fn grouped_single(schema: &Schema, single: &Single, column: usize, groupings: &[Grouping]) -> Measured {
    let groups: Vec<usize> = groupings.iter().map(Grouping::groups).collect();
    let shape = Shape::over(&[column], &groups);
    let map: Vec<u32> = groupings
        .get(column)
        .map_or_else(Vec::new, |grouping| grouping.group_of.iter().map(|g| u32::from(*g)).collect());
    let cells = map.len().max(1);
    let values = single.values.chunks(cells).flat_map(|stratum| project(stratum, &map, shape.cells())).collect();
    let variance = single.deviation * single.deviation * cells as f64 / shape.cells().max(1) as f64;
    let possible = possible(schema, &shape, groupings);
    Measured { shape, values, variance, possible }
}

/// Which cells of a marginal in groups a row can be in, by stratum: those with a possible value of each
/// column and, for each pair of columns with a rule, a possible pair of values.
fn possible(schema: &Schema, shape: &Shape, groupings: &[Grouping]) -> Vec<bool> {
    let cells = shape.cells();
    let mut possible = vec![true; cells * schema.strata()];
    let members = |column: usize, group: usize| groupings.get(column).map_or(&[][..], |g| g.members(group));
    let forbid = |possible: &mut [bool], onto: &Shape, allowed: &[bool]| {
        for (flag, index) in possible.iter_mut().zip(shape.projection(onto)) {
            *flag &= allowed.get(index as usize).copied().unwrap_or(false);
        }
    };
    for (column, size) in shape.columns.iter().zip(&shape.sizes) {
        let onto = Shape { columns: vec![*column], sizes: vec![*size] };
        for (stratum, flags) in possible.chunks_mut(cells).enumerate() {
            let any = |group| members(*column, group).iter().any(|cell| schema.possible(stratum, *column, *cell));
            forbid(flags, &onto, &(0..*size).map(any).collect::<Vec<bool>>());
        }
    }
    for (first, (a, size_a)) in shape.columns.iter().zip(&shape.sizes).enumerate() {
        for (b, size_b) in shape.columns.iter().zip(&shape.sizes).skip(first + 1) {
            if !schema.has_rule(*a, *b) {
                continue;
            }
            let onto = Shape { columns: vec![*a, *b], sizes: vec![*size_a, *size_b] };
            let any = |cell: usize| {
                let (of_a, of_b) = (members(*a, cell / size_b), members(*b, cell % size_b));
                of_a.iter().any(|x| of_b.iter().any(|y| schema.possible_pair((*a, *x), (*b, *y))))
            };
            let allowed: Vec<bool> = (0..onto.cells()).map(any).collect();
            for flags in possible.chunks_mut(cells) {
                forbid(flags, &onto, &allowed);
            }
        }
    }
    possible
}

fn model(
    config: &NetDpSynConfig,
    schema: Schema,
    members: u32,
    totals: &[f64],
    groupings: Vec<Grouping>,
    measured: Vec<Measured>,
) -> Model {
    let targets = measured.into_iter().map(|marginal| {
        let strata = marginal.values.chunks(marginal.shape.cells().max(1));
        let shares = strata.flat_map(|stratum| {
            let sum: f64 = stratum.iter().sum();
            let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
            stratum.iter().map(move |value| (value * scale) as f32)
        });
        Target { shares: shares.collect(), shape: marginal.shape }
    });
    let targets = targets.collect();
    let totals = totals.iter().map(|total| (total / f64::from(members.max(1))) as f32).collect();
    Model { config: config.clone(), schema, members, totals, groupings, targets }
}
