//! The fidelity and utility jobs: selects the populations to compare, and the training and test traces of downstream
//! models.

use super::context::Context;
use super::job::{JobHead, Start};
use super::load;
use crate::plan::{PlannedModel, PlannedUtility, UtilityClass};
use crate::rows;
use std::collections::HashSet;
use syntrace_attack::utility::{
    self, AugmentClass, AugmentOptions, ClassTraces, ImportanceRow, TrainedOn, UtilityRow, Windows,
};
use syntrace_base::base::{JobId, Seed, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::Trace;
use syntrace_measure::eval::{self, FidelityRow, Population, PopulationName};
#[cfg(feature = "torch")]
use syntrace_spec::Forecaster;
use syntrace_store::{JobResult, Snapshot};

/// The populations of one model: what it generated, its members, its held-out traces, and all real traces of
/// the class that are neither.
struct Populations<'a> {
    synthetic: &'a load::Synthetic,
    members: Vec<&'a Trace>,
    held_out: Vec<&'a Trace>,
    fresh: Vec<&'a Trace>,
}

fn of_ids<'a>(all: &'a [Trace], ids: &[TraceId]) -> Vec<&'a Trace> {
    let ids: HashSet<TraceId> = ids.iter().copied().collect();
    all.iter().filter(|trace| ids.contains(&trace.trace_id)).collect()
}

/// Sorts a class's traces into the populations of a model. Each is in the order of its ids, which are
/// hashes: the first of them are a fixed draw.
fn populations<'a>(
    all: &'a [Trace],
    synthetic: &'a load::Synthetic,
    (members, held_out): &(Vec<TraceId>, Vec<TraceId>),
) -> Populations<'a> {
    let split: HashSet<TraceId> = members.iter().chain(held_out).copied().collect();
    Populations {
        synthetic,
        members: of_ids(all, members),
        held_out: of_ids(all, held_out),
        fresh: all.iter().filter(|trace| !split.contains(&trace.trace_id)).collect(),
    }
}

/// One reference and what is compared with it.
struct Comparison<'a> {
    reference: (PopulationName, Vec<&'a Trace>),
    compared: Vec<(PopulationName, Vec<&'a Trace>)>,
}

impl<'a> Populations<'a> {
    /// Synthetic traces, and as many real ones that the model never saw, against the members (the paper's
    /// way); then synthetic, member and held-out traces against as many fresh ones as there are members. A
    /// distance falls with the number of traces: all that are compared with one reference are cut to the
    /// fewest of them, so that a real value is what a perfect generator gets. The traces that the model never
    /// saw are the held-out ones, and fresh ones where these are too few.
    fn comparisons(&self) -> Vec<Comparison<'a>> {
        let synthetic: Vec<&Trace> = self.synthetic.traces.iter().collect();
        let unseen: Vec<&Trace> = self.held_out.iter().chain(&self.fresh).copied().collect();
        let fresh: Vec<&Trace> = self.fresh.iter().take(self.members.len()).copied().collect();
        let (synthetic, members) =
            ((PopulationName::Synthetic, synthetic), (PopulationName::Members, self.members.clone()));
        let to_members = vec![synthetic.clone(), (PopulationName::HeldOut, unseen)];
        let to_real = vec![synthetic, members.clone(), (PopulationName::HeldOut, self.held_out.clone())];
        let both = [(members, to_members), ((PopulationName::Real, fresh), to_real)];
        let equal = |(reference, compared): ((PopulationName, Vec<&'a Trace>), _)| Comparison {
            reference,
            compared: equal_sizes(compared),
        };
        both.into_iter().map(equal).filter(|both| !both.reference.1.is_empty()).collect()
    }
}

/// The sides that have traces, subsampled to the size of the smallest.
fn equal_sizes(mut sides: Vec<(PopulationName, Vec<&Trace>)>) -> Vec<(PopulationName, Vec<&Trace>)> {
    sides.retain(|(_, traces)| !traces.is_empty());
    let fewest = sides.iter().map(|(_, traces)| traces.len()).min().unwrap_or(0);
    for (_, traces) in &mut sides {
        traces.truncate(fewest);
    }
    sides
}

/// All fidelity rows of a model; comparisons with fresh real traces only where the class has some.
fn fidelity_rows(populations: &Populations<'_>, packets: usize, seed: Seed) -> Result<Vec<FidelityRow>> {
    let mut rows = Vec::new();
    for Comparison { reference: (name, traces), compared } in populations.comparisons() {
        let reference = Population::new(name, &traces);
        for (other, others) in compared {
            let side = match other {
                PopulationName::Synthetic => {
                    let unreadable = populations.synthetic.unreadable.iter().take(others.len()).sum();
                    Population::generated(other, &others, unreadable)
                }
                _ => Population::new(other, &others),
            };
            rows.extend(eval::fidelity(&reference, &side));
            let seed = seed.named(name.name()).named(other.name());
            rows.extend(eval::detection((name, &traces), (other, &others), packets, seed)?);
            rows.extend(eval::header_means((name, &traces), (other, &others), seed.named("bootstrap")));
        }
    }
    Ok(rows)
}

/// Compares a target model's synthetic traces, and the baselines, with real ones.
pub(crate) fn fidelity(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    sources: &[JobId],
    synthesize: JobId,
) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let all = load::traces(&snapshot, model.class_id, sources)?;
    let split = load::split(&snapshot, model.split_id)?;
    let synthetic = load::synthetic_traces(&snapshot, model.model_id, &[synthesize])?;
    drop(snapshot);
    let packets = context.plan.spec.traces.packets as usize;
    let rows = fidelity_rows(&populations(&all, &synthetic, &split), packets, head.derived_seed())?;
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::fidelity_segment(model.model_id.0, &rows)?);
    context.store.commit(result)?;
    Ok(())
}

/// The traces of one class of a downstream task.
struct LoadedClass {
    class: String,
    real: Vec<Trace>,
    /// `None` for the baselines.
    synthetic: Option<Vec<Trace>>,
    members: Vec<TraceId>,
    held_out: Vec<TraceId>,
}

fn load_class(snapshot: &Snapshot, class: &UtilityClass) -> Result<LoadedClass> {
    let (members, held_out) = load::split(snapshot, class.split_id)?;
    let synthetic = match class.synthetic {
        // one of which nothing parses was generated as well: it is learnt from as it is
        Some((model, job)) => Some(load::synthetic_traces(snapshot, model, &[job])?.traces),
        None => None,
    };
    let real = load::traces(snapshot, class.class_id, &class.sources)?;
    Ok(LoadedClass { class: class.class.clone(), real, synthetic, members, held_out })
}

impl LoadedClass {
    /// What is learnt from, and the held-out traces that are tested on.
    fn traces(&self) -> ClassTraces<'_> {
        let train = match &self.synthetic {
            Some(synthetic) => synthetic.iter().collect(),
            None => of_ids(&self.real, &self.members),
        };
        ClassTraces { class: self.class.clone(), train, test: of_ids(&self.real, &self.held_out) }
    }
}

/// Trains downstream models on synthetic traces, or the baselines on real ones, and tests them.
pub(crate) fn utility(context: &Context<'_>, head: &JobHead, planned: &PlannedUtility) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let loaded = planned.classes.iter().map(|class| load_class(&snapshot, class)).collect::<Result<Vec<_>>>()?;
    drop(snapshot);
    let classes: Vec<ClassTraces<'_>> = loaded.iter().map(LoadedClass::traces).collect();
    let trained_on = if planned.generator.is_some() { TrainedOn::Synthetic } else { TrainedOn::Members };
    let packets = context.plan.spec.traces.packets as usize;
    let seed = head.derived_seed();
    let (measured, importances) = if planned.augmentation {
        (augmentation(context, planned, &loaded, seed)?, Vec::new())
    } else {
        let (mut rows, importances) = classification(&classes, trained_on, packets, seed.named("classification"))?;
        rows.extend(regression(context, &loaded, &classes, trained_on, seed.named("next length"))?);
        (rows, importances)
    };
    let described = rows::UtilityHead {
        job: head.job_id,
        dataset: &planned.dataset,
        generator: planned.generator.as_ref().map(|(name, _)| name.as_str()),
        regime: planned.generator.as_ref().map(|(_, regime)| *regime),
    };
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::utility_segment(&described, &measured)?);
    result.segments.push(rows::importances_segment(&described, &importances)?);
    context.store.commit(result)?;
    Ok(())
}

/// The class of a trace where synthetic traces are added to a share of the real ones; without a generator, of that
/// share alone. The same members are drawn for every generator.
fn augmentation(
    context: &Context<'_>,
    planned: &PlannedUtility,
    loaded: &[LoadedClass],
    seed: Seed,
) -> Result<Vec<UtilityRow>> {
    let splits = planned.classes.iter().map(|class| class.split_id);
    let classes: Vec<AugmentClass<'_>> = loaded
        .iter()
        .zip(splits)
        .map(|(class, split)| AugmentClass {
            class: class.class.clone(),
            members: of_ids(&class.real, &class.members),
            synthetic: class.synthetic.iter().flatten().collect(),
            test: of_ids(&class.real, &class.held_out),
            draw: Seed::root(split.0 as u64).named("augmentation"),
        })
        .collect();
    let spec = &context.plan.spec;
    let options = AugmentOptions {
        shares: spec.augment.shares.clone(),
        draws: spec.augment.draws,
        packets: spec.traces.packets as usize,
    };
    let trained_on = if planned.generator.is_some() { TrainedOn::ShareAndSynthetic } else { TrainedOn::Share };
    utility::augment(&classes, trained_on, &options, seed)
}

/// The class of a trace; nothing to tell apart where the dataset has one class.
fn classification(
    classes: &[ClassTraces<'_>],
    trained_on: TrainedOn,
    packets: usize,
    seed: Seed,
) -> Result<(Vec<UtilityRow>, Vec<ImportanceRow>)> {
    if classes.len() < 2 {
        return Ok((Vec::new(), Vec::new()));
    }
    let found = utility::classify(classes, trained_on, packets, seed)?;
    let mut rows = found.rows;
    if trained_on == TrainedOn::Members {
        rows.extend(utility::guess_majority(classes)?.rows);
    }
    Ok((rows, found.importances))
}

/// The next packet's length, class by class.
fn regression(
    context: &Context<'_>,
    loaded: &[LoadedClass],
    classes: &[ClassTraces<'_>],
    trained_on: TrainedOn,
    seed: Seed,
) -> Result<Vec<UtilityRow>> {
    // the same windows for all models that are tested on these traces
    let real: Vec<&Trace> = loaded.iter().flat_map(|class| &class.real).collect();
    let kind = Windows::fitting(&real);
    let mut rows = Vec::new();
    if trained_on == TrainedOn::Members {
        for class in classes {
            rows.extend(utility::guess_last_value(kind, &class.class, &class.test));
        }
    }
    #[cfg(feature = "torch")]
    {
        let options = match context.plan.spec.forecaster {
            Forecaster::None => return Ok(rows),
            Forecaster::Small => utility::ForecastOptions::small(),
            Forecaster::Paper => utility::ForecastOptions::paper(),
        };
        rows.extend(utility::forecast_rows(&options, kind, trained_on, classes, seed)?);
    }
    #[cfg(not(feature = "torch"))]
    let _ = (context, seed);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(id: i64) -> Trace {
        let (first_packet, link_type, flow_packets, flow_bytes) = (0, 1, 0, 0);
        Trace { trace_id: TraceId(id), first_packet, link_type, flow_packets, flow_bytes, packets: Vec::new() }
    }

    /// Sizes of (reference, compared) for these numbers of synthetic, member, held-out and fresh traces.
    fn sizes(synthetic: i64, members: i64, held_out: i64, fresh: i64) -> Vec<(&'static str, &'static str, usize)> {
        let all: Vec<Trace> = (0..members + held_out + fresh).map(trace).collect();
        let ids = |range: std::ops::Range<i64>| range.map(TraceId).collect::<Vec<_>>();
        let split = (ids(0..members), ids(members..members + held_out));
        let traces = (1000..1000 + synthetic).map(trace).collect();
        let synthetic = load::Synthetic { traces, unreadable: vec![0; synthetic as usize] };
        let comparisons = populations(&all, &synthetic, &split).comparisons();
        let of = |both: &Comparison<'_>| -> Vec<_> {
            let reference = both.reference.0.name();
            both.compared.iter().map(|(name, traces)| (reference, name.name(), traces.len())).collect()
        };
        comparisons.iter().flat_map(of).collect()
    }

    #[test]
    fn real_traces_are_compared_in_the_same_number_as_synthetic_ones() {
        let (members, real) = ("members", "real");
        // 40 held-out traces and 60 fresh ones beside 100 synthetic; 40 of each against fresh ones
        let found = sizes(100, 50, 40, 200);
        assert_eq!(found[..2], [(members, "synthetic", 100), (members, "held_out", 100)]);
        assert_eq!(found[2..], [(real, "synthetic", 40), (real, "members", 40), (real, "held_out", 40)]);
        // no fresh ones: as many synthetic traces as there are held-out ones
        assert_eq!(sizes(100, 50, 40, 0), [(members, "synthetic", 40), (members, "held_out", 40)]);
        assert_eq!(sizes(10, 50, 40, 0), [(members, "synthetic", 10), (members, "held_out", 10)]);
        // nothing real is left: all synthetic traces
        assert_eq!(sizes(100, 50, 0, 0), [(members, "synthetic", 100)]);
    }
}
