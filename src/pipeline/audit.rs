//! The jobs behind an audit: leakage into synthetic traces, and one-run audits of mechanisms.

use super::job::{JobHead, Start};
use super::load;
use super::plan::PlannedModel;
use super::rows::batch;
use super::stage::Context;
use crate::audit::{self, LeakRow};
use crate::base::{JobId, Progress, TraceId};
use crate::error::Result;
use crate::record::Trace;
use crate::store::schema::LEAKS;
use crate::store::{JobResult, NewSegment, StoreWriter};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Measures what a model's synthetic traces give away of its members, with its held-out traces as control.
pub(super) fn leakage(
    store: &StoreWriter,
    head: &JobHead,
    model: &PlannedModel,
    sources: &[JobId],
    synthesize: JobId,
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let all = load::traces(&snapshot, model.class_id, sources)?;
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    let side = |ids: Vec<TraceId>| -> Vec<Trace> {
        let ids: BTreeSet<TraceId> = ids.into_iter().collect();
        all.iter().filter(|trace| ids.contains(&trace.trace_id)).cloned().collect()
    };
    let synthetic = load::synthetic_traces(&snapshot, model.model_id, &[synthesize])?;
    let rows = audit::leaks(&side(members), &side(held_out), &synthetic);
    let mut result = JobResult::new(head.record(start));
    result.segments.push(leaks_segment(model.model_id.0, &rows)?);
    store.commit(result)?;
    Ok(())
}

fn leaks_segment(model: i64, rows: &[LeakRow]) -> Result<NewSegment> {
    let ints = |value: fn(&LeakRow) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| value(row) as i64)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.measure))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.kind))),
        Arc::new(rows.iter().map(|row| row.value).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.control).collect::<Float64Array>()),
        ints(|row| row.hits),
        ints(|row| row.n),
        ints(|row| row.control_hits),
        ints(|row| row.control_n),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.p_value))),
    ];
    Ok(NewSegment { table: &LEAKS, partition: model, rows: batch(&LEAKS, columns)? })
}

#[cfg(not(feature = "torch"))]
pub(super) fn one_run(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: JobId, _: &dyn Progress) -> Result<()> {
    Err(super::train::missing())
}

#[cfg(feature = "torch")]
pub(super) use with_torch::one_run;

#[cfg(feature = "torch")]
mod with_torch {
    use super::*;
    use crate::audit::{Canary, OneRunAudit, coin_flips, one_run_audit};
    use crate::base::{ClipNorm, Delta, NoiseMultiplier, SamplingRate};
    use crate::error::Error;
    use crate::model::Weights;
    use crate::pipeline::train::{Pool, StoreSink, dp_plan, generator, weights_of};
    use crate::privacy::{Ledger, PrivacyEvent};
    use crate::spec::NoiseSource;
    use crate::store::schema::ONE_RUN_AUDITS;
    use crate::train::{CohortInput, CohortModel, ModelOutcome};

    /// Confidence of a one-run audit's bound.
    const CONFIDENCE: f64 = 0.95;

    /// Trains one more model with the mechanism of a target. Its canaries are the traces of the target's
    /// split, each trained on or not by a coin of its own; the auditor guesses by their loss. Nothing of the
    /// model is kept but the count of right guesses.
    pub fn one_run(
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
        let mut result = JobResult::new(head.record(start));
        let claimed = claimed(trained, delta)?;
        result.segments.push(segment(model.model_id.0, &found, included, delta.get(), claimed)?);
        context.store.commit(result)?;
        Ok(())
    }

    /// What the audited run's own ledger says; `None` without DP.
    fn claimed(trained: &ModelOutcome, delta: Delta) -> Result<Option<f64>> {
        let mut ledger = Ledger::default();
        for event in &trained.events {
            ledger.record(PrivacyEvent {
                phase: event.phase.clone(),
                sampling_rate: SamplingRate::new(event.sampling_rate)?,
                noise_multiplier: NoiseMultiplier::new(event.noise_multiplier)?,
                clip_norm: ClipNorm::new(event.clip_norm)?,
                steps: event.steps,
            });
        }
        if ledger.events.is_empty() {
            return Ok(None);
        }
        crate::privacy::epsilon(&ledger, delta).map(|spent| Some(spent.epsilon))
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
}
