//! Cohort training as a job.

use super::inputs::{Pool, StoreSink, encode_trace, generator, weights_of};
use super::record::{add_model, lineage};
use crate::jobs::context::Context;
use crate::jobs::job::{JobHead, Start};
use crate::jobs::load;
use crate::plan::{Ancestor, PlannedModel};
use syntrace_base::base::{Identity, JobId, Progress, Seed, map_ordered};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{JobRecord, PrivacyUnit, Regime};
use syntrace_model::model::Generator;
use syntrace_model::train::{CohortInput, CohortModel, DpPlan, TrainPlan};
use syntrace_spec::NoiseSource;
use syntrace_store::{JobResult, Snapshot};
use syntrace_traffic::synth::mend;

pub(super) fn dp_plan(context: &Context<'_>, plan: &TrainPlan, regime: Regime) -> Result<Option<DpPlan>> {
    let noise = context.plan.noise_multiplier(plan, regime)?;
    Ok(noise.map(|noise_multiplier| DpPlan { noise_multiplier, clip_norm: plan.clip_norm }))
}

fn cohort_model(
    context: &Context<'_>,
    pool: &Pool,
    snapshot: &Snapshot,
    family: &str,
    plan: &TrainPlan,
    model: &PlannedModel,
    learnt: Option<Vec<usize>>,
) -> Result<CohortModel> {
    let (members, held_out) = load::split(snapshot, model.split_id)?;
    let seed = Seed::from_digest(Identity::new("model-seed").int(model.model_id.0).finish());
    let initial = match model.ancestor {
        Ancestor::NonPrivate(ancestor) => Some(weights_of(snapshot, ancestor)?),
        Ancestor::None | Ancestor::Base | Ancestor::Released(_) => None,
    };
    let noise_seed = match context.plan.spec.noise {
        NoiseSource::System => None,
        NoiseSource::Reproducible => Some(seed.named("noise")),
    };
    Ok(CohortModel {
        label: model.label(family),
        seed,
        noise_seed,
        members: load::positions(&members, &pool.positions)?,
        learnt,
        held_out: load::positions(&held_out, &pool.positions)?,
        dp: dp_plan(context, plan, context.plan.recipe(model.generator, model.regime).1)?,
        initial,
    })
}

/// Adds the traces that a model learns from instead of its members to the pool: their positions.
fn released(
    snapshot: &Snapshot,
    pool: &mut Pool,
    family: &dyn Generator,
    model: &PlannedModel,
) -> Result<Option<Vec<usize>>> {
    let Ancestor::Released(from) = model.ancestor else { return Ok(None) };
    let encoding = family.encoding();
    let mut traces = load::synthetic_traces(snapshot, from.model, &[from.synthesize])?.traces;
    traces.retain(|trace| !trace.packets.is_empty());
    let start = pool.traces.len();
    pool.traces.extend(map_ordered(&traces, |trace| {
        // As an export would write it: lengths and checksums are those of the packets.
        let mut trace = trace.clone();
        trace.packets.iter_mut().for_each(|packet| {
            mend(packet);
        });
        encode_trace(&trace, &encoding)
    }));
    Ok(Some((start..pool.traces.len()).collect()))
}

/// Trains a cohort, from its checkpoint if it has one.
pub(crate) fn train(
    context: &Context<'_>,
    head: &JobHead,
    models: &[PlannedModel],
    encode: JobId,
    progress: &dyn Progress,
) -> Result<()> {
    let start = Start::now();
    let Some(first) = models.first() else { return Err(Error::internal("a cohort without models")) };
    let (name, family) = generator(context, first.generator)?;
    let (traces, trained_as) = context.plan.recipe(first.generator, first.regime);
    let plan = family.plan(traces, trained_as);
    let snapshot = context.store.snapshot()?;
    let mut pool = Pool::load(&snapshot, first.class_id, encode)?;
    // Models that learn from released traces need no mechanism of their own.
    let hosts = match (context.plan.spec.split.unit, first.ancestor) {
        (PrivacyUnit::Trace, _) | (_, Ancestor::Released(_)) => None,
        (PrivacyUnit::Host { .. }, _) => Some(pool.hosts(&snapshot, first.class_id)?),
    };
    let mut cohort = Vec::with_capacity(models.len());
    for model in models {
        let learnt = released(&snapshot, &mut pool, family, model)?;
        cohort.push(cohort_model(context, &pool, &snapshot, name, &plan, model, learnt)?);
    }
    let dp: Vec<Option<DpPlan>> = cohort.iter().map(|model| model.dp).collect();
    let base = first.base.map(|base| weights_of(&snapshot, base)).transpose()?;
    drop(snapshot);
    let resume = context.store.checkpoint(head.job_id)?;
    let mut sink = StoreSink { context, job_id: head.job_id, start, saved_at: 0.0 };
    let input =
        CohortInput { traces: &pool.traces, hosts: hosts.as_deref(), models: cohort, base: base.as_deref(), plan };
    progress.start(&head.label, plan.steps);
    let outcome = family.train_cohort(&input, resume.as_deref(), &mut sink, progress)?;
    progress.finish();
    if outcome.models.len() != models.len() {
        return Err(Error::internal(format!(
            "expected {} trained models, found {}",
            models.len(),
            outcome.models.len()
        )));
    }
    let snapshot = context.store.snapshot()?;
    let mut result = JobResult::new(head.record_on(start, family.device()));
    let seconds = start.seconds() / models.len() as f64;
    for ((model, mut trained), dp) in models.iter().zip(outcome.models).zip(dp) {
        let lineage = lineage(&snapshot, model, dp.is_some())?;
        if let Ancestor::Released(from) = model.ancestor {
            trained.events = load::privacy_events(&snapshot, from.model)?;
        }
        add_model(context, &mut result, &plan, model, trained, (dp, lineage), seconds)?;
    }
    result.job = JobRecord { finished_us: head.record_on(start, family.device()).finished_us, ..result.job };
    context.store.commit(result)?;
    Ok(())
}
