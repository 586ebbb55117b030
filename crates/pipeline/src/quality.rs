//! The fidelity and utility jobs: which populations are compared, and which traces downstream models
//! learn from and are tested on.

use super::job::{JobHead, Start};
use super::plan::{PlannedModel, PlannedUtility, UtilityClass};
use super::stage::Context;
use super::{load, rows};
use std::collections::HashSet;
use syntrace_attack::utility::{self, ClassTraces, ImportanceRow, TrainedOn, UtilityRow, Windows};
use syntrace_base::base::{JobId, Seed, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::Trace;
use syntrace_measure::eval::{self, FidelityRow, Side, SideName};
#[cfg(feature = "torch")]
use syntrace_spec::Forecaster;
use syntrace_store::{JobResult, Snapshot};

/// The populations of one model: what it generated, its members, its held-out traces, and as many real
/// traces that are neither.
struct Populations<'a> {
    synthetic: Vec<&'a Trace>,
    members: Vec<&'a Trace>,
    held_out: Vec<&'a Trace>,
    real: Vec<&'a Trace>,
}

fn of_ids<'a>(all: &'a [Trace], ids: &[TraceId]) -> Vec<&'a Trace> {
    let ids: HashSet<TraceId> = ids.iter().copied().collect();
    all.iter().filter(|trace| ids.contains(&trace.trace_id)).collect()
}

/// Sorts a class's traces into the populations of a model. Fresh real traces are taken in the order of
/// their ids, which are hashes: a fixed draw.
fn populations<'a>(
    all: &'a [Trace],
    synthetic: &'a [Trace],
    (members, held_out): &(Vec<TraceId>, Vec<TraceId>),
) -> Populations<'a> {
    let split: HashSet<TraceId> = members.iter().chain(held_out).copied().collect();
    let fresh = all.iter().filter(|trace| !split.contains(&trace.trace_id));
    Populations {
        synthetic: synthetic.iter().collect(),
        members: of_ids(all, members),
        held_out: of_ids(all, held_out),
        real: fresh.take(members.len()).collect(),
    }
}

impl<'a> Populations<'a> {
    fn of(&self, name: SideName) -> &[&'a Trace] {
        match name {
            SideName::Synthetic => &self.synthetic,
            SideName::Members => &self.members,
            SideName::HeldOut => &self.held_out,
            SideName::Real => &self.real,
        }
    }
}

/// (reference, compared): synthetic and held-out traces against the members, then synthetic, member and
/// held-out traces against fresh real ones.
const COMPARISONS: [(SideName, SideName); 5] = [
    (SideName::Members, SideName::Synthetic),
    (SideName::Members, SideName::HeldOut),
    (SideName::Real, SideName::Synthetic),
    (SideName::Real, SideName::Members),
    (SideName::Real, SideName::HeldOut),
];

/// All fidelity rows of a model; comparisons with fresh real traces only where the class has some.
fn fidelity_rows(populations: &Populations<'_>, packets: usize, seed: Seed) -> Result<Vec<FidelityRow>> {
    let names = [SideName::Synthetic, SideName::Members, SideName::HeldOut, SideName::Real];
    let sides: Vec<Side> = names.iter().map(|&name| Side::new(name, populations.of(name))).collect();
    let side = |wanted: SideName| sides.iter().find(|side| side.name() == wanted);
    let mut rows = Vec::new();
    for (reference, compared) in COMPARISONS {
        if populations.of(reference).is_empty() {
            continue;
        }
        if let (Some(reference), Some(compared)) = (side(reference), side(compared)) {
            rows.extend(eval::fidelity(reference, compared));
        }
        let seed = seed.named(reference.name()).named(compared.name());
        let (real, other) = (populations.of(reference), populations.of(compared));
        rows.extend(eval::detection((reference, real), (compared, other), packets, seed)?);
    }
    Ok(rows)
}

/// Compares a target model's synthetic traces, and the baselines, with real ones.
pub(super) fn fidelity(
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
        Some((model, job)) => Some(load::synthetic_traces(snapshot, model, &[job])?),
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
pub(super) fn utility(context: &Context<'_>, head: &JobHead, planned: &PlannedUtility) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let loaded = planned.classes.iter().map(|class| load_class(&snapshot, class)).collect::<Result<Vec<_>>>()?;
    let classes: Vec<ClassTraces<'_>> = loaded.iter().map(LoadedClass::traces).collect();
    let trained_on = if planned.generator.is_some() { TrainedOn::Synthetic } else { TrainedOn::Members };
    let packets = context.plan.spec.traces.packets as usize;
    let seed = head.derived_seed();
    let (mut measured, importances) = classification(&classes, trained_on, packets, seed.named("classification"))?;
    measured.extend(regression(context, &loaded, &classes, trained_on, seed.named("next length"))?);
    let described = rows::UtilityHead {
        job: head.job_id,
        dataset: &planned.dataset,
        generator: planned.generator.as_ref().map(|(name, _)| name.as_str()),
        epsilon: planned.generator.as_ref().and_then(|(_, regime)| regime.epsilon()),
    };
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::utility_segment(&described, &measured)?);
    result.segments.push(rows::importances_segment(&described, &importances)?);
    context.store.commit(result)?;
    Ok(())
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
    // the same windows for whoever is tested on these traces
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
