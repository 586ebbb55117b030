//! `models` and `lineage`.

use super::capture::hex;
use super::plans::Plans;
use super::record::{Fields, record_table};
use super::study::{Index, Study};
use crate::scan::relation::Relation;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use syntrace_base::base::JobId;
use syntrace_base::error::Result;
use syntrace_base::record::{
    IMPORTED, JobRecord, LineageEdge, ModelRecord, ModelStatus, PrivacyUnit, Role, WithoutZero,
};
use syntrace_measure::privacy::promise;

/// A model with the names of its class.
struct ModelRow {
    model: ModelRecord,
    dataset: String,
    class: String,
    plan: Option<String>,
    /// Traces (hosts, where they are the unit) that it was trained on; not known of a base.
    members: Option<u32>,
    /// What its epsilon is about; not known of a model made elsewhere whose makers claim nothing.
    unit: Option<String>,
    /// Is its loss absolute, not only defined up to a constant? Unknown for a model made elsewhere.
    loss_has_zero: Option<bool>,
}

impl ModelRow {
    fn new(model: ModelRecord, index: &Index, plans: &Plans) -> Self {
        let plan = plans.of(model.model_id.0).map(|plan| plan.name.to_string());
        // A base is of no class.
        let (dataset, class) = if model.role == Role::Base { ("", "") } else { index.class(model.class_id) };
        let (dataset, class) = (dataset.to_owned(), class.to_owned());
        let members = index.split(model.split_id).map(|split| split.members);
        Self { model, dataset, class, plan, members, unit: None, loss_has_zero: None }
    }

    /// `netssm os/windows eps4 shadow0`; `netssm base` where it has no class.
    fn name(&self) -> String {
        let role = match self.model.role {
            Role::Target => "target".to_owned(),
            Role::Shadow(index) => format!("shadow{index}"),
            Role::Base => "base".to_owned(),
        };
        if self.dataset.is_empty() {
            return format!("{} {role}", self.model.generator);
        }
        format!("{} {}/{} {} {role}", self.model.generator, self.dataset, self.class, self.model.regime.label())
    }

    /// A number of the training; NULL where the makers of an imported model do not say.
    fn told<T: Default + PartialEq>(&self, value: T) -> Option<T> {
        (self.model.preset != IMPORTED || value != T::default()).then_some(value)
    }

    fn guarantee(&self) -> String {
        promise(&self.model, self.members).0.to_owned()
    }
}

pub(super) fn models(study: &Arc<Study>) -> Arc<dyn Relation> {
    record_table(study, provenance(privacy(identity())), |study| {
        let (index, plans, snapshot) = (study.index()?, study.plans()?, study.snapshot()?);
        let mut told: HashMap<JobId, Told> = HashMap::new();
        let mut rows = Vec::new();
        for model in snapshot.models()? {
            let mut row = ModelRow::new(model, index, plans);
            if row.model.preset == IMPORTED {
                row.unit = claimed_unit(&row.model.config);
            } else {
                let told = match told.entry(row.model.train_job) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let job = snapshot.job(row.model.train_job)?;
                        new.insert(job.as_ref().map(Told::by).transpose()?.unwrap_or_default())
                    }
                };
                row.loss_has_zero = told.family.as_deref().map(WithoutZero::loss_has_zero);
                row.unit = (row.model.role != Role::Base)
                    .then(|| told.unit.clone().unwrap_or_else(|| PrivacyUnit::Trace.name().to_owned()));
            }
            rows.push(row);
        }
        Ok(rows)
    })
}

/// What a job says of the models that it trains.
#[derive(Default)]
struct Told {
    /// Family of their generator, whatever a spec calls it.
    family: Option<String>,
    /// Their unit of privacy; `None` = the trace.
    unit: Option<String>,
}

impl Told {
    fn by(job: &JobRecord) -> Result<Self> {
        let settings = job.settings()?;
        let text = |key: &str| settings.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        Ok(Self { family: text("family"), unit: text("unit") })
    }
}

/// The unit that the makers of a model claim their epsilon for.
fn claimed_unit(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    Some(config.get("claim")?.get("unit")?.as_str()?.to_owned())
}

fn identity() -> Fields<ModelRow> {
    Fields::new()
        .big("model_id", "id of the model", |row: &ModelRow| row.model.model_id.0)
        .text("name", "generator, class, regime and role in words", ModelRow::name)
        .text("generator", "generator family", |row| row.model.generator.clone())
        .text("preset", "preset of the generator; `imported` for a model made elsewhere", |row| {
            row.model.preset.clone()
        })
        .text("dataset", "dataset", |row| row.dataset.clone())
        .text("class", "class it was trained on", |row| row.class.clone())
        .text("role", "`target` or `shadow`", |row| row.model.role.name().to_owned())
        .int_or_null("shadow", "index of a shadow; NULL for a target", |row| {
            row.model.role.shadow().map(|index| index as i32)
        })
        .text("regime", "how it was trained: `no DP`, `anonymised` or `eps 4.0`", |row| row.model.regime.words())
}

fn privacy(fields: Fields<ModelRow>) -> Fields<ModelRow> {
    fields
        .real_or_null("epsilon", "target epsilon; NULL = no DP", |row| row.model.regime.epsilon())
        .real_or_null("delta", "delta of every epsilon here; NULL = no DP", |row| row.model.regime.delta())
        .big_or_null("members", "units (traces, or hosts) that it was trained on; NULL for a base", |row| row.members.map(i64::from))
        .real_or_null("noise_multiplier", "noise on the sum, in units of the clip norm; NULL = no DP", |row| {
            row.model.noise_multiplier
        })
        .real_or_null("sampling_rate", "probability of a unit to be in a step's batch; NULL = not told", |row| {
            row.told(row.model.sampling_rate)
        })
        .big_or_null("steps", "optimiser steps taken; NULL = not told", |row| row.told(row.model.steps as i64))
        .real_or_null("expected_batch", "expected units in a batch; NULL = not told", |row| {
            row.told(row.model.expected_batch)
        })
        .real_or_null("clip_norm", "L2 bound of one unit's gradient; NULL = no DP", |row| row.model.clip_norm)
        .real_or_null("epsilon_spent", "upper bound of the mechanism's epsilon at delta; NULL = no DP, or only claimed", |row| {
            row.model.epsilon_spent
        })
        .text_or_null("accountant", "what computed epsilon_spent", |row| row.model.accountant.clone())
        .text(
            "guarantee",
            "`end-to-end`, `conditional`, `none`, or `none: delta` where delta is 1/members or more, which promises nothing",
            ModelRow::guarantee,
        )
        .real_or_null(
            "epsilon_end_to_end",
            "epsilon over the whole lineage; infinite where private traces leaked past the mechanism or delta promises nothing; NULL = no DP, or only claimed",
            |row| promise(&row.model, row.members).1,
        )
        .text_or_null("noise", "`system` (seed not stored) or `reproducible` (follows from model_id, so no guarantee is end-to-end); NULL = no DP", |row| {
            row.model.noise.clone()
        })
}

fn provenance(fields: Fields<ModelRow>) -> Fields<ModelRow> {
    fields
        .big_or_null("parameters", "all parameters; NULL = not told", |row| row.told(row.model.parameters as i64))
        .big_or_null("parameters_private", "parameters trained on private traces; NULL = not told", |row| {
            row.told(row.model.parameters_private as i64)
        })
        .real_or_null("seconds", "wall time of training, divided evenly over its cohort; NULL = not told", |row| {
            row.told(row.model.seconds)
        })
        .text("status", "`trained`, or `diverged at step N`", |row| match row.model.status {
            ModelStatus::Trained => "trained".to_owned(),
            ModelStatus::Diverged { step } => format!("diverged at step {step}"),
        })
        .text_or_null("weights", "digest of the weights object, hexadecimal; NULL where they are not kept", |row| {
            row.model.weights.as_ref().map(hex)
        })
        .big("class_id", "class", |row| row.model.class_id.0)
        .big("split_id", "split it was trained on", |row| row.model.split_id.0)
        .big("job_id", "cohort job that trained it", |row| row.model.train_job.0)
        .text("config", "resolved configuration, JSON", |row| row.model.config.clone())
        .flag_or_null(
            "loss_has_zero",
            "does 0 mean something in its losses? Not in a critic's score; NULL = made elsewhere, or a base",
            |row| row.loss_has_zero,
        )
        .text_or_null("plan", "newest spec that it belongs to (see plans); NULL = none", |row| row.plan.clone())
        .text_or_null(
            "unit",
            "unit of privacy, what its split draws and its epsilon is about: `trace` or `host`; of a model made elsewhere as its makers claim; NULL = a base, or not told",
            |row| row.unit.clone(),
        )
}

/// One ancestor of one model.
struct LineageRow {
    row: Arc<ModelRow>,
    number: usize,
    edge: LineageEdge,
}

pub(super) fn lineage(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<LineageRow>::new()
        .big("model_id", "model", |row| row.row.model.model_id.0)
        .text("name", "the model in words", |row| row.row.name())
        .text("generator", "generator family", |row| row.row.model.generator.clone())
        .text("dataset", "dataset", |row| row.row.dataset.clone())
        .text("class", "class", |row| row.row.class.clone())
        .text("role", "`target` or `shadow`", |row| row.row.model.role.name().to_owned())
        .int_or_null("shadow", "index of a shadow; NULL for a target", |row| {
            row.row.model.role.shadow().map(|index| index as i32)
        })
        .real_or_null("epsilon", "target epsilon; NULL = no DP", |row| row.row.model.regime.epsilon())
        .int("number", "number of the ancestor, from 0", |row| row.number as i32)
        .text("kind", "what the weights descend from", |row| row.edge.kind.name().to_owned())
        .big_or_null("source_id", "id of the split or model; NULL where there is none", |row| {
            (row.edge.source_id != 0).then_some(row.edge.source_id)
        })
        .text("description", "in words", |row| row.edge.description.clone())
        .flag("through_mechanism", "only through a DP mechanism?", |row| row.edge.through_mechanism)
        .flag("saw_private", "did it see private traces?", |row| row.edge.saw_private)
        .text("guarantee", "guarantee of the model", |row| row.row.guarantee());
    record_table(study, fields, load_lineage)
}

fn load_lineage(study: &Study) -> Result<Vec<LineageRow>> {
    let (index, plans) = (study.index()?, study.plans()?);
    let mut rows = Vec::new();
    for model in study.snapshot()?.models()? {
        let edges = model.lineage.clone();
        let row = Arc::new(ModelRow::new(model, index, plans));
        for (number, edge) in edges.into_iter().enumerate() {
            rows.push(LineageRow { row: Arc::clone(&row), number, edge });
        }
    }
    Ok(rows)
}
