//! A one-run audit as a job.

use super::cohort::dp_plan;
use super::pool::{Pool, StoreSink, generator, weights_of};
use super::record::ledger;
use crate::audit::{Canary, OneRunAudit, coin_flips, one_run_audit};
use crate::base::{Delta, JobId, Progress};
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::pipeline::job::{JobHead, Start};
use crate::pipeline::load;
use crate::pipeline::plan::PlannedModel;
use crate::pipeline::rows::batch;
use crate::pipeline::stage::Context;
use crate::spec::NoiseSource;
use crate::store::schema::ONE_RUN_AUDITS;
use crate::store::{JobResult, NewSegment};
use crate::train::{CohortInput, CohortModel};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use std::sync::Arc;

/// Confidence of a one-run audit's bound.
const CONFIDENCE: f64 = 0.95;

/// Trains one more model with the mechanism of a target. Its canaries are the traces of the target's
/// split, each trained on or not by a coin of its own; the auditor guesses by their loss. Nothing of the
/// model is kept but the count of right guesses.
pub(in crate::pipeline) fn one_run(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    encode: JobId,
    progress: &dyn Progress,
) -> Result<()> {
    let start = Start::now();
    let (name, family) = generator(context, model.generator)?;
    let plan = family.plan(context.plan.spec.split.members, model.regime);
    let snapshot = context.store.snapshot()?;
    let pool = Pool::load(&snapshot, model.class_id, encode)?;
    let (mut traces, held_out) = load::split(&snapshot, model.split_id)?;
    traces.extend(held_out);
    traces.sort_unstable();
    let canaries = load::positions(&traces, &pool.positions)?;
    let seed = head.derived_seed();
    let coins = coin_flips(canaries.len(), seed);
    let side = |included: bool| {
        let both = canaries.iter().zip(&coins);
        both.filter(|(_, coin)| **coin == included).map(|(position, _)| *position).collect::<Vec<_>>()
    };
    let trained = CohortModel {
        label: format!("{} one-run audit", model.label(name)),
        seed,
        noise_seed: match context.plan.spec.noise {
            NoiseSource::System => None,
            NoiseSource::Reproducible => Some(seed.named("noise")),
        },
        members: side(true),
        held_out: side(false),
        dp: dp_plan(&plan, model.regime)?,
        initial: None,
    };
    let base = model.base.map(|base| weights_of(&snapshot, base)).transpose()?;
    let resume = context.store.checkpoint(head.job_id)?;
    let mut sink = StoreSink { context, job_id: head.job_id, start, saved_at: 0.0 };
    let input = CohortInput { traces: &pool.traces, models: vec![trained], base: base.as_deref(), plan };
    progress.start(&head.label, plan.steps);
    let outcome = family.train_cohort(&input, resume.as_deref(), &mut sink, progress)?;
    progress.finish();
    let trained = outcome.models.first().ok_or_else(|| Error::internal("a training gave no model"))?;
    let weights = Weights { own: &trained.weights, base: base.as_deref() };
    let encoded: Vec<_> = canaries.iter().filter_map(|position| pool.traces.get(*position).cloned()).collect();
    let said = family.attributes(weights, &encoded)?;
    // A model that diverged on a trace says nothing of it: the least suspicious score.
    let score = |loss: f32| if loss.is_nan() { f64::NEG_INFINITY } else { -f64::from(loss) };
    let scored: Vec<Canary> = said
        .iter()
        .zip(&coins)
        .filter_map(|(kinds, &included)| Some(Canary { score: score(kinds.first()?.loss), included }))
        .collect();
    let delta = Delta::new(model.regime.delta().unwrap_or(1e-5))?;
    let found = one_run_audit(&scored, delta.get(), CONFIDENCE)?;
    let included = coins.iter().filter(|coin| **coin).count() as i64;
    let mut result = JobResult::new(head.record_on(start, family.device()));
    // what the audited run's own ledger says
    let claimed = ledger(model, name, &trained.events, true)?.last().map(|(_, epsilon, _)| *epsilon);
    result.segments.push(segment(model.model_id.0, &found, included, delta.get(), claimed)?);
    context.store.commit(result)?;
    Ok(())
}

fn segment(model: i64, found: &OneRunAudit, included: i64, delta: f64, claimed: Option<f64>) -> Result<NewSegment> {
    let int = |value: u64| -> ArrayRef { Arc::new(Int64Array::from_iter_values([value as i64])) };
    let real = |value: f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values([value])) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(["loss"])),
        int(found.best.canaries),
        int(included as u64),
        int(found.best.guesses),
        int(found.best.correct),
        real(delta),
        real(CONFIDENCE),
        Arc::new([claimed].into_iter().collect::<Float64Array>()),
        real(found.epsilon_lower),
        real(found.epsilon_provable),
    ];
    Ok(NewSegment { table: &ONE_RUN_AUDITS, partition: model, rows: batch(&ONE_RUN_AUDITS, columns)? })
}
