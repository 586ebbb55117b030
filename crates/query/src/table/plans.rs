//! Which plan each job and model belongs to.

use std::collections::HashMap;
use std::sync::Arc;
use syntrace_base::base::JobId;
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, JobRecord};
use syntrace_store::Snapshot;

/// One spec that was run.
#[derive(Debug, Clone)]
pub(crate) struct PlanRow {
    pub plan_id: JobId,
    /// Name of the spec and eight digits of the id: what the column `plan` says.
    pub name: Arc<str>,
    /// What it asks for, JSON.
    pub spec: String,
    /// Jobs and models that belong to it.
    pub ids: Vec<i64>,
    pub started_us: i64,
}

/// The plans of a study, and what belongs to which.
#[derive(Default)]
pub(crate) struct Plans {
    /// By the time of their first run.
    pub rows: Vec<PlanRow>,
    /// Place of the last plan that names the job or model.
    newest: HashMap<i64, usize>,
    /// Kind and start of each job that is in no plan.
    others: HashMap<i64, (JobKind, i64)>,
}

impl Plans {
    pub fn load(snapshot: &Snapshot) -> Result<Self> {
        let (plans, others): (Vec<JobRecord>, Vec<JobRecord>) =
            snapshot.jobs()?.into_iter().partition(|job| job.kind == JobKind::Plan);
        let mut rows = plans.into_iter().map(row).collect::<Result<Vec<PlanRow>>>()?;
        rows.sort_by_key(|row| (row.started_us, row.plan_id));
        let named = rows.iter().enumerate().flat_map(|(place, row)| row.ids.iter().map(move |id| (*id, place)));
        let newest: HashMap<i64, usize> = named.collect();
        let others = others.into_iter().filter(|job| !newest.contains_key(&job.job_id.0));
        let others = others.map(|job| (job.job_id.0, (job.kind, job.started_us))).collect();
        Ok(Self { rows, newest, others })
    }

    /// The newest plan that a model or a job belongs to.
    pub fn of(&self, id: i64) -> Option<&PlanRow> {
        self.rows.get(*self.newest.get(&id)?)
    }

    /// The column `plan` of what a job wrote about a model. A job that no plan names worked on a model of a plan: it
    /// trained the model (which job does so depends on what the study held), or evaluated it later (an attack on stored
    /// attributes). Results from before the plan was recorded are those of an earlier version of the program.
    pub fn of_result(&self, job: JobId, model: Option<i64>) -> Option<String> {
        if let Some(plan) = self.of(job.0) {
            return Some(plan.name.to_string());
        }
        let plan = self.of(model?)?;
        match self.others.get(&job.0) {
            Some((JobKind::Train | JobKind::Base, _)) => Some(plan.name.to_string()),
            Some((_, started_us)) if *started_us >= plan.started_us => Some(plan.name.to_string()),
            _ => Some(format!("before {}", plan.name)),
        }
    }
}

/// A job of kind `plan`.
fn row(job: JobRecord) -> Result<PlanRow> {
    let text = job.settings()?;
    let ids = text.get("ids").and_then(serde_json::Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(serde_json::Value::as_i64).collect();
    let spec = text.get("spec").map(serde_json::Value::to_string).unwrap_or_default();
    Ok(PlanRow { plan_id: job.job_id, name: job.plan_name().into(), spec, ids, started_us: job.started_us })
}
