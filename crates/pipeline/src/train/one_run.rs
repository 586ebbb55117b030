//! A one-run audit: the experiment, and the job that runs it on a study's target.

use super::cohort::dp_plan;
use super::inputs::{Pool, StoreSink, generator, weights_of};
use super::record::ledger;
use crate::jobs::context::Context;
use crate::jobs::job::{JobHead, Start};
use crate::jobs::load;
use crate::plan::PlannedModel;
use crate::rows;
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use std::sync::Arc;
use syntrace_base::base::{Delta, JobId, Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{PrivacyEvent, PrivacyUnit, TraceAttribute};
use syntrace_measure::audit::{Canary, ONE_RUN_CONFIDENCE, OneRunAudit, coin_flips, one_run_audit};
use syntrace_model::model::{Generator, Weights};
use syntrace_model::train::{CheckpointSink, CohortInput, CohortModel, DpPlan, EncodedTrace, TrainPlan};
use syntrace_spec::NoiseSource;
use syntrace_store::schema::ONE_RUN_AUDITS;
use syntrace_store::{JobResult, NewSegment};

/// The score that the guesses are based on.
const SCORE: &str = "relative_loss";

/// Reference models that the auditor trains beside the audited one, in two complementary halves: each trace is in the
/// training set of one half only. Their mean loss estimates how hard a trace is.
const REFERENCES: usize = 2;

/// What a one-run audit trains on and how.
pub struct Experiment<'a> {
    /// For progress and errors.
    pub label: String,
    /// What is audited.
    pub family: &'a dyn Generator,
    /// Its training traces. Each is a canary, included by an independent coin; with `hosts` each host with all its traces.
    pub traces: &'a [EncodedTrace],
    /// Number of each trace's host, where hosts are the unit of privacy.
    pub hosts: Option<&'a [u64]>,
    /// Steps and batches.
    pub plan: TrainPlan,
    /// Noise that is added, whatever is claimed; `None` = no DP.
    pub dp: Option<DpPlan>,
    /// Weights of the public base.
    pub base: Option<&'a [u8]>,
    /// Coins, initial weights, batches.
    pub seed: Seed,
    /// Is the privacy noise drawn from `seed` too, rather than from the operating system?
    pub reproducible: bool,
}

/// Result of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Audited {
    /// Canaries with their coins and scores.
    pub canaries: Vec<Canary>,
    /// What the audited training spent.
    pub events: Vec<PrivacyEvent>,
}

impl Experiment<'_> {
    /// Trains the audited model and, beside it in one cohort, the auditor's references, which know nothing of the
    /// audited model's coins: any score made of both is a guess after the fact. A canary's score is how much less
    /// the audited model loses on it than the references do.
    ///
    /// # Errors
    /// Where the training fails.
    pub fn run(
        &self,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<Audited> {
        let all: Vec<usize> = (0..self.traces.len()).collect();
        let mut input = CohortInput {
            traces: self.traces,
            hosts: self.hosts,
            models: Vec::new(),
            base: self.base,
            plan: self.plan,
        };
        let units = input.units(&all);
        let coins = coin_flips(units.len(), self.seed);
        let halves = coin_flips(units.len(), self.seed.named("references"));
        let mut models = vec![self.model(&units, &coins, self.seed)];
        for number in 0..REFERENCES {
            let half: Vec<bool> = halves.iter().map(|coin| *coin == (number % 2 == 0)).collect();
            models.push(self.model(&units, &half, self.seed.named("reference").numbered(number as u64)));
        }
        input.models = models;
        let outcome = self.family.train_cohort(&input, resume, sink, progress)?;
        let losses = outcome.models.iter().map(|model| self.losses(&model.weights)).collect::<Result<Vec<_>>>()?;
        let Some((audited, references)) = losses.split_first() else {
            return Err(Error::internal("a training gave no model"));
        };
        let less = |index: &usize| {
            let expected = references.iter().filter_map(|losses| losses.get(*index)).sum::<f64>() / REFERENCES as f64;
            expected - audited.get(*index).copied().unwrap_or(f64::NAN)
        };
        let canaries = coins.iter().zip(&units).map(|(&included, unit)| {
            let score = unit.iter().map(less).sum::<f64>() / unit.len().max(1) as f64;
            // A loss that is not finite gives no evidence: the least suspicious score.
            Canary { score: if score.is_nan() { f64::NEG_INFINITY } else { score }, included }
        });
        let events = outcome.models.first().map(|model| model.events.clone()).unwrap_or_default();
        Ok(Audited { canaries: canaries.collect(), events })
    }

    fn model(&self, units: &[Vec<usize>], coins: &[bool], seed: Seed) -> CohortModel {
        let side = |included: bool| -> Vec<usize> {
            units.iter().zip(coins).filter(|(_, coin)| **coin == included).flat_map(|(unit, _)| unit).copied().collect()
        };
        CohortModel {
            label: self.label.clone(),
            seed,
            noise_seed: self.reproducible.then(|| seed.named("noise")),
            members: side(true),
            learnt: None,
            held_out: side(false),
            dp: self.dp,
            initial: None,
        }
    }

    fn losses(&self, weights: &[u8]) -> Result<Vec<f64>> {
        let said = self.family.attributes(Weights { own: weights, base: self.base }, self.traces)?;
        let loss = |kinds: &Vec<TraceAttribute>| kinds.first().map_or(f64::NAN, |row| f64::from(row.loss));
        Ok(said.iter().map(loss).collect())
    }
}

/// Trains one more model with the mechanism of a target, and its references. The canaries are the traces (or
/// hosts) of the target's split. Nothing of the models is kept but the count of right guesses.
pub(crate) fn one_run(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    encode: JobId,
    progress: &dyn Progress,
) -> Result<()> {
    let start = Start::now();
    let (name, family) = generator(context, model.generator)?;
    let (members, trained_as) = context.plan.recipe(model.generator, model.regime);
    let plan = family.plan(members, trained_as);
    let snapshot = context.store.snapshot()?;
    let pool = Pool::load(&snapshot, model.class_id, encode)?;
    let (mut traces, held_out) = load::split(&snapshot, model.split_id)?;
    traces.extend(held_out);
    traces.sort_unstable();
    let positions = load::positions(&traces, &pool.positions)?;
    let canaries: Vec<_> = positions.iter().filter_map(|position| pool.traces.get(*position).cloned()).collect();
    let hosts = match context.plan.spec.split.unit {
        PrivacyUnit::Trace => None,
        PrivacyUnit::Host { .. } => {
            let all = pool.hosts(&snapshot, model.class_id)?;
            Some(positions.iter().filter_map(|position| all.get(*position).copied()).collect::<Vec<u64>>())
        }
    };
    let base = model.base.map(|base| weights_of(&snapshot, base)).transpose()?;
    drop(snapshot);
    let experiment = Experiment {
        label: format!("{} one-run audit", model.label(name)),
        family,
        traces: &canaries,
        hosts: hosts.as_deref(),
        plan,
        dp: dp_plan(context, &plan, model.regime)?,
        base: base.as_deref(),
        seed: head.derived_seed(),
        reproducible: context.plan.spec.noise == NoiseSource::Reproducible,
    };
    let resume = context.store.checkpoint(head.job_id)?;
    let mut sink = StoreSink { context, job_id: head.job_id, start, saved_at: 0.0 };
    progress.start(&head.label, plan.steps);
    let audited = experiment.run(resume.as_deref(), &mut sink, progress)?;
    progress.finish();
    let delta =
        model.regime.delta().ok_or_else(|| Error::internal("a one-run audit of a model that claims nothing"))?;
    let delta = Delta::new(delta)?;
    let found = one_run_audit(&audited.canaries, delta.get(), ONE_RUN_CONFIDENCE)?;
    let included = audited.canaries.iter().filter(|canary| canary.included).count() as i64;
    let mut result = JobResult::new(head.record_on(start, family.device()));
    // what the audited run's own ledger says
    let claimed = ledger(context, model, name, &audited.events, None)?.last().map(|row| row.epsilon_after);
    result.segments.push(segment(model.model_id.0, &found, included, delta.get(), claimed)?);
    context.store.commit(result)?;
    Ok(())
}

fn segment(model: i64, found: &OneRunAudit, included: i64, delta: f64, claimed: Option<f64>) -> Result<NewSegment> {
    let int = |value: u64| -> ArrayRef { Arc::new(Int64Array::from_iter_values([value as i64])) };
    let real = |value: f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values([value])) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("score", Arc::new(StringArray::from_iter_values([SCORE]))),
        ("canaries", int(found.best.canaries)),
        ("included", int(included as u64)),
        ("guesses", int(found.best.guesses)),
        ("correct", int(found.best.correct)),
        ("delta", real(delta)),
        ("confidence", real(ONE_RUN_CONFIDENCE)),
        ("epsilon_claimed", Arc::new([claimed].into_iter().collect::<Float64Array>())),
        ("epsilon_lower", real(found.epsilon_lower)),
        ("epsilon_provable", real(found.epsilon_provable)),
    ];
    rows::segment(&ONE_RUN_AUDITS, model, columns)
}
