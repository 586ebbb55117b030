//! The estimated cost of each job of a plan, for the remaining time of a run.

use super::{Plan, PlannedJob, PlannedModel, Work};
use crate::estimate::{Estimate, JobCost};
use syntrace_base::error::Result;
use syntrace_store::Snapshot;

/// Approximate operations per second of a core in training: used only if no similar job was measured. With
/// [`STEP_SECONDS`] the small networks of `studies/` took 0.3 to 1.2 times as long.
pub(super) const GUESS_FLOPS: f64 = 1.5e10;
/// Fixed overhead of a training step per model: small networks are bound by the library's calls.
const STEP_SECONDS: f64 = 0.015;
/// Cost of sampling a trace, as a share of a training step with it: 0.05 to 0.9 in the demo.
const SAMPLING_SHARE: f64 = 0.5;
/// The same for evaluating a trace: no gradient, and no evaluation of epochs; 0.1 to 0.2 in the demo.
const ASKING_SHARE: f64 = 0.2;
/// Seconds to sample a trace from a model of marginals.
const MARGINALS_SECONDS: f64 = 3e-4;
/// Seconds of an attack per model.
const ATTACK_SECONDS: f64 = 0.05;
/// Seconds to compare a real and a synthetic trace.
const OUTSIDE_SECONDS: f64 = 3e-6;

impl Plan {
    /// The remaining time of a run of this plan with `threads` concurrent jobs. Jobs that the study holds already
    /// determine the pace of similar ones.
    ///
    /// # Errors
    /// Where the study cannot be read.
    pub fn estimate(&self, snapshot: &Snapshot, threads: usize) -> Result<Estimate> {
        let mut costs = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let mut cost = self.cost(job);
            if job.done {
                let record = snapshot.job(job.head.job_id)?;
                cost.took_seconds = record.map(|record| (record.finished_us - record.started_us).max(0) as f64 / 1e6);
            }
            costs.push(cost);
        }
        Ok(Estimate::new(costs, threads))
    }

    /// A job's group, units and seconds a unit on a machine of 2026.
    pub(crate) fn cost(&self, job: &PlannedJob) -> JobCost {
        let members = self.spec.split.traces_max() as f64;
        let kind = job.head.kind.name();
        let of = |model: &PlannedModel| format!("{kind} {}", self.name(model.generator));
        let (group, units, seconds_a_unit) = match &job.work {
            Work::IngestFile { path, .. } => {
                let bytes = std::fs::metadata(path).map_or(1.0, |file| file.len() as f64);
                (kind.to_owned(), bytes, 2e-8)
            }
            Work::Simulate { flows, .. } => (kind.to_owned(), f64::from(*flows), 2e-3),
            Work::Encode { encoding, .. } => (format!("{kind} {}", encoding.name()), 1.0, 1.0),
            Work::Split { .. } => (kind.to_owned(), 1.0, 0.05),
            Work::Base { base } if base.shipped.is_some() => (kind.to_owned(), 1.0, 0.05),
            Work::Base { base } => (format!("{kind} {}", self.name(base.generator)), 1.0, 100.0),
            Work::Train { models, .. } => {
                let seconds = models.iter().map(|model| self.training_seconds(model)).sum();
                (models.first().map_or_else(|| kind.to_owned(), of), seconds, 1.0)
            }
            Work::OneRunAudit { model, .. } => (of(model), self.training_seconds(model), 1.0),
            Work::Attribute { model, .. } | Work::Whole { model, .. } => {
                (of(model), 2.0 * members, ASKING_SHARE * self.trace_seconds(model))
            }
            Work::Reference { model, splits, .. } => {
                (of(model), 2.0 * members * splits.len() as f64, ASKING_SHARE * self.trace_seconds(model))
            }
            Work::Outside { model, splits, .. } => {
                let compared = 2.0 * members * splits.len() as f64 * f64::from(self.spec.synthetic_traces);
                (format!("outside {}", self.name(model.generator)), compared, OUTSIDE_SECONDS)
            }
            Work::Attack { attack, group } => {
                (format!("{kind} {}", attack.name), 1.0 + group.shadows.len() as f64, ATTACK_SECONDS)
            }
            Work::Synthesize { model, count } => {
                (of(model), f64::from(*count), SAMPLING_SHARE * self.trace_seconds(model))
            }
            Work::Fidelity { .. } | Work::Leakage { .. } => (kind.to_owned(), 1.0, 1.0),
            Work::Utility { utility } => (kind.to_owned(), utility.classes.len() as f64, 2.0),
        };
        let units = if units > 0.0 { units } else { 1.0 };
        let missing = !job.done && !job.elsewhere;
        let (after, guess_seconds) = (job.after.clone(), units * seconds_a_unit);
        JobCost { group, units, guess_seconds, after, missing, took_seconds: None }
    }

    /// The generator (its place in the plan) that a job is about, if it is about one.
    pub(crate) fn generator_of(&self, job: &PlannedJob) -> Option<usize> {
        match &job.work {
            Work::IngestFile { .. } | Work::Simulate { .. } | Work::Encode { .. } | Work::Split { .. } => None,
            Work::Base { base } => Some(base.generator),
            Work::Train { models, .. } => models.first().map(|model| model.generator),
            Work::Attack { group, .. } => Some(group.target.0.generator),
            Work::Utility { utility } => {
                let (name, _) = utility.generator.as_ref()?;
                self.generators.iter().position(|generator| generator.name == *name)
            }
            Work::OneRunAudit { model, .. }
            | Work::Attribute { model, .. }
            | Work::Whole { model, .. }
            | Work::Reference { model, .. }
            | Work::Synthesize { model, .. }
            | Work::Fidelity { model, .. }
            | Work::Leakage { model, .. }
            | Work::Outside { model, .. } => Some(model.generator),
        }
    }

    fn name(&self, generator: usize) -> &str {
        self.generators.get(generator).map_or("", |generator| generator.name.as_str())
    }

    /// Seconds that a core takes for one trace in one step of a training, about.
    fn trace_seconds(&self, model: &PlannedModel) -> f64 {
        let Some(generator) = self.generators.get(model.generator) else { return 0.0 };
        let (traces, trained_as) = generator.recipe(&self.spec, model.regime);
        let plan = generator.family.plan(traces, trained_as);
        let traces = plan.steps as f64 * plan.expected_batch * f64::from(self.spec.split.unit.traces_max());
        if plan.steps <= 1 {
            return MARGINALS_SECONDS / SAMPLING_SHARE;
        }
        if traces > 0.0 { self.training_seconds(model) / traces } else { 0.0 }
    }

    /// Operations of a job that trains; `None` of others.
    pub(super) fn operations(&self, work: &Work) -> Option<f64> {
        let flops = |model: &PlannedModel| {
            self.generators.get(model.generator).map_or(0.0, |own| own.training_flops(&self.spec, model.regime))
        };
        match work {
            Work::Train { models, .. } => Some(models.iter().map(flops).sum()),
            Work::OneRunAudit { model, .. } => Some(flops(model)),
            _ => None,
        }
    }

    /// Seconds that a core takes to train a model, about.
    fn training_seconds(&self, model: &PlannedModel) -> f64 {
        let (traces, trained_as) = self.recipe(model.generator, model.regime);
        self.generators.get(model.generator).map_or(1.0, |generator| {
            let steps = generator.family.plan(traces, trained_as).steps as f64;
            generator.training_flops(&self.spec, model.regime) / GUESS_FLOPS + steps * STEP_SECONDS
        })
    }
}
