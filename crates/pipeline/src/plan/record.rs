//! The record of a plan in a study: a summary of the spec and the ids of everything that belongs to it, stored as a job
//! without work. A view joins two results in one row only if they belong to one plan.
//!
//! Its identity is what it requests, not what the study holds: models count individually, because the job that trains
//! one depends on which models of its cohort exist. So shards of one spec, and a run that was interrupted, record the
//! same plan; the seed, threads and the device enter it only through the ids.

use super::Plan;
use crate::jobs::job::JobHead;
use serde_json::{Value, json};
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, JobRecord, Regime};
use syntrace_spec::{DatasetSpec, SourceSpec, StageSpec, SyntheticShadows};

impl Plan {
    /// The job that records this plan; `None` for one that is made of what a study holds (an import, an attack
    /// on stored attributes) and that no spec stands behind.
    pub(crate) fn head(&self) -> Option<JobHead> {
        if self.generators.is_empty() {
            return None;
        }
        let spec = json!({ "spec": self.in_short(), "ids": self.ids() });
        Some(JobHead::new(JobKind::Plan, self.spec.name.clone(), &spec, Vec::new(), self.spec.seed))
    }

    /// Ids of all models, and of all jobs but those that train them; sorted.
    fn ids(&self) -> Vec<i64> {
        let trains = |kind| matches!(kind, JobKind::Train | JobKind::Base);
        let jobs = self.jobs.iter().filter(|job| !trains(job.head.kind)).map(|job| job.head.job_id.0);
        let bases = self.generators.iter().filter_map(|generator| generator.base).map(|(model, _)| model.0);
        let mut ids: Vec<i64> = jobs.chain(bases).chain(self.cohort_of.keys().map(|model| model.0)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// What the spec asks for, without names of files and folders.
    fn in_short(&self) -> serde_json::Value {
        let spec = &self.spec;
        let dataset = |dataset: &DatasetSpec| {
            let source = match &dataset.source {
                SourceSpec::Simulate { flows } => json!({ "simulate": flows }),
                SourceSpec::Folder(_) => json!("folder"),
                SourceSpec::Study => json!("study"),
            };
            json!({ "name": dataset.name, "classes": dataset.classes, "source": source, "public": dataset.public })
        };
        let stage = |stage: &StageSpec| json!({ "name": stage.name, "options": stage.options });
        let regime = |regime: &Regime| match regime {
            Regime::Anonymised => json!({ "anonymised": true }),
            Regime::None | Regime::Dp { .. } => json!({ "epsilon": regime.epsilon(), "delta": regime.delta() }),
        };
        let mut short = json!({
            "datasets": spec.datasets.iter().map(dataset).collect::<Vec<_>>(),
            "packets": spec.traces.packets,
            "min_packets": spec.traces.min_packets,
            "members": spec.split.members,
            "shadows": spec.split.shadows,
            "overlap": spec.split.overlap,
            "regimes": spec.regimes.iter().map(regime).collect::<Vec<_>>(),
            "noise": super::noise_name(spec.noise),
            "generators": spec.generators.iter().map(stage).collect::<Vec<_>>(),
            "attacks": spec.attacks.iter().map(stage).collect::<Vec<_>>(),
            "synthetic_traces": spec.synthetic_traces,
            "forecaster": spec.forecaster.name(),
        });
        // left out if unset, so that older specs keep the identity of their plan
        if !spec.augment.shares.is_empty() {
            short["augment"] = json!({ "shares": spec.augment.shares, "draws": spec.augment.draws });
        }
        spec.split.unit.write_into(&mut short);
        if spec.whole_attributes {
            short["attributes"] = json!("full");
        }
        match &spec.synthetic_shadows {
            SyntheticShadows::All => short["synthetic_shadows"] = json!(true),
            SyntheticShadows::Of(names) if !names.is_empty() => short["synthetic_shadows"] = json!(names),
            SyntheticShadows::Of(_) => {}
        }
        short
    }
}

/// Ids of all jobs and models that a stored plan names.
///
/// # Errors
/// `internal` where the record is damaged.
pub(super) fn ids_of(plan: &JobRecord) -> Result<Vec<i64>> {
    let settings = plan.settings()?;
    Ok(settings["ids"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect())
}

/// Names of classes with their datasets, and of datasets, that a study no longer has.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    pub classes: Vec<(String, String)>,
    pub datasets: Vec<String>,
}

/// The record of a plan without the names that are lost; `None` where nothing of the plan `stays`. What asks for less is
/// another plan, with an identity of its own.
///
/// # Errors
/// `internal` where the record is damaged.
pub(crate) fn without(plan: JobRecord, lost: &Lost, stays: impl Fn(i64) -> bool) -> Result<Option<JobRecord>> {
    let mut settings = plan.settings()?;
    if !ids_of(&plan)?.into_iter().any(stays) {
        return Ok(None);
    }
    let before = settings.clone();
    if let Some(datasets) = settings["spec"]["datasets"].as_array_mut() {
        datasets.retain(|dataset| !lost.datasets.iter().any(|name| dataset["name"] == name.as_str()));
        for dataset in datasets {
            let name = dataset["name"].clone();
            let is_lost = |class: &Value| {
                lost.classes.iter().any(|(dataset, lost)| name == dataset.as_str() && class == lost.as_str())
            };
            if let Some(classes) = dataset["classes"].as_array_mut() {
                classes.retain(|class| !is_lost(class));
            }
        }
    }
    if settings == before {
        return Ok(Some(plan));
    }
    let JobHead { job_id, spec, .. } =
        JobHead::new(plan.kind, plan.label.clone(), &settings, plan.inputs.clone(), plan.seed);
    Ok(Some(JobRecord { job_id, spec, ..plan }))
}
