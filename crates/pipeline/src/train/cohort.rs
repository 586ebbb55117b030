//! Cohort training as a job.

use super::pool::{Pool, StoreSink, generator, weights_of};
use super::record::{add_model, lineage};
use crate::jobs::context::Context;
use crate::jobs::job::{JobHead, Start};
use crate::jobs::load;
use crate::plan::{Ancestor, PlannedModel};
use syntrace_base::base::{Identity, JobId, Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{JobRecord, Regime};
use syntrace_model::train::{CohortInput, CohortModel, DpPlan, TrainPlan};
use syntrace_spec::NoiseSource;
use syntrace_store::{JobResult, Snapshot};

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
) -> Result<CohortModel> {
    let (members, held_out) = load::split(snapshot, model.split_id)?;
    let seed = Seed::from_digest(Identity::new("model-seed").int(model.model_id.0).finish());
    let initial = match model.ancestor {
        Ancestor::NonPrivate(ancestor) => Some(weights_of(snapshot, ancestor)?),
        Ancestor::None | Ancestor::Base => None,
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
        held_out: load::positions(&held_out, &pool.positions)?,
        dp: dp_plan(context, plan, model.regime)?,
        initial,
    })
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
    let plan = family.plan(context.plan.spec.split.members, first.regime);
    let snapshot = context.store.snapshot()?;
    let pool = Pool::load(&snapshot, first.class_id, encode)?;
    let cohort = models
        .iter()
        .map(|model| cohort_model(context, &pool, &snapshot, name, &plan, model))
        .collect::<Result<Vec<_>>>()?;
    let dp: Vec<Option<DpPlan>> = cohort.iter().map(|model| model.dp).collect();
    let base = first.base.map(|base| weights_of(&snapshot, base)).transpose()?;
    let resume = context.store.checkpoint(head.job_id)?;
    let mut sink = StoreSink { context, job_id: head.job_id, start, saved_at: 0.0 };
    let input = CohortInput { traces: &pool.traces, models: cohort, base: base.as_deref(), plan };
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
    let mut result = JobResult::new(head.record_on(start, family.device()));
    let seconds = start.seconds() / models.len() as f64;
    for ((model, trained), dp) in models.iter().zip(outcome.models).zip(dp) {
        let lineage = lineage(&snapshot, model, dp.is_some())?;
        add_model(context, &mut result, &plan, model, trained, (dp, lineage), seconds)?;
    }
    result.job = JobRecord { finished_us: head.record_on(start, family.device()).finished_us, ..result.job };
    context.store.commit(result)?;
    Ok(())
}
