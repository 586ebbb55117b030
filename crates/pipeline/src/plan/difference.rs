//! What two plans differ in, by name: for those who would unite shares of them.

use super::{Plan, record};
use crate::jobs::job::Start;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use syntrace_base::base::JobId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{JobKind, JobRecord};
use syntrace_store::Snapshot;

/// Differences that are named; the others are counted.
const NAMED_MAX: usize = 6;

/// What a plan asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedFor {
    /// The spec in short.
    spec: Value,
    seed: u64,
    /// All jobs and models.
    ids: BTreeSet<i64>,
    /// Captures by the job that cuts each.
    captures: BTreeMap<i64, String>,
    /// Version of the program that wrote it.
    program: String,
}

impl AskedFor {
    /// The plan that is stored under an id.
    ///
    /// # Errors
    /// `internal` where it is missing or damaged.
    pub fn stored(snapshot: &Snapshot, plan: JobId) -> Result<Self> {
        let missing = || Error::damaged(format!("the study is a share of plan {plan}, which it does not hold"));
        Self::of(snapshot.job(plan)?.ok_or_else(missing)?, snapshot.jobs()?.iter())
    }

    fn of<'j>(plan: JobRecord, jobs: impl Iterator<Item = &'j JobRecord> + Clone) -> Result<Self> {
        let mut spec = plan.settings()?;
        let ids: BTreeSet<i64> = record::ids_of(&plan)?.into_iter().collect();
        // Captures that a study held before are no jobs of the plan: its splits and encodings name them.
        let of_plan = jobs.clone().filter(|job| ids.contains(&job.job_id.0));
        let named: HashSet<i64> = of_plan.flat_map(|job| &job.inputs).chain(&ids).copied().collect();
        let cuts = jobs.filter(|job| job.kind == JobKind::Ingest && named.contains(&job.job_id.0));
        let captures = cuts.map(|job| (job.job_id.0, job.label.clone())).collect();
        let JobRecord { seed, program, .. } = plan;
        Ok(Self { spec: spec["spec"].take(), seed, ids, captures, program })
    }

    /// The jobs and models of the plan that a study does not hold.
    ///
    /// # Errors
    /// Where the study cannot be read.
    pub fn missing_in(&self, snapshot: &Snapshot) -> Result<usize> {
        let mut held: HashSet<i64> = snapshot.jobs()?.iter().map(|job| job.job_id.0).collect();
        held.extend(snapshot.models()?.iter().map(|model| model.model_id.0));
        Ok(self.ids.iter().filter(|id| !held.contains(id)).count())
    }
}

impl Plan {
    /// What this plan asks for; a study names the captures that are no jobs of the plan.
    pub(super) fn asked_for(&self, snapshot: &Snapshot) -> Result<AskedFor> {
        let head = self.head().ok_or_else(|| Error::internal("this plan has no spec"))?;
        let now = Start::now();
        let mut jobs: Vec<JobRecord> = self.jobs.iter().map(|job| job.head.record(now)).collect();
        jobs.extend(snapshot.jobs()?);
        AskedFor::of(head.record(now), jobs.iter())
    }
}

/// Two plans with the names of those who have them: what one asks for and the other does not, a line each.
pub fn differences((here, a): (&str, &AskedFor), (there, b): (&str, &AskedFor)) -> Vec<String> {
    let mut found = Vec::new();
    if a.seed != b.seed {
        found.push(format!("`seed` is {} in {here} and {} in {there}", a.seed, b.seed));
    }
    compare("", &a.spec, &b.spec, &mut |key, one, other| {
        found.push(format!("`{key}` is {one} in {here} and {other} in {there}"));
    });
    for (own, other, name) in [(a, b, here), (b, a, there)] {
        let alone = own.captures.iter().filter(|(job, _)| !other.captures.contains_key(job));
        found.extend(alone.map(|(_, label)| format!("`{label}` is in {name} alone")));
    }
    if found.is_empty() && a.program != b.program {
        found.push(format!("{here} is of {} and {there} of {}", a.program, b.program));
    }
    if found.is_empty() {
        let (one, other) = (a.ids.difference(&b.ids).count(), b.ids.difference(&a.ids).count());
        found.push(format!(
            "settings that a plan does not state (a generator's defaults, the accountant, the noise): {one} jobs and models \
             are in {here} alone, {other} in {there}"
        ));
    }
    if found.len() > NAMED_MAX {
        let more = found.len() - NAMED_MAX;
        found.truncate(NAMED_MAX);
        found.push(format!("{more} more"));
    }
    found
}

/// Tells of every key that differs: its path, and both values as JSON.
fn compare(path: &str, a: &Value, b: &Value, tell: &mut dyn FnMut(&str, String, String)) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (a, b) {
        _ if a == b => {}
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let value = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
                compare(&below(key), &value(one), &value(other), tell);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.iter().chain(other).all(|item| item["name"].is_string()) => {
            let named = |items: &[Value]| -> BTreeMap<String, Value> {
                items.iter().map(|item| (item["name"].as_str().unwrap_or_default().to_owned(), item.clone())).collect()
            };
            let (one, other) = (named(one), named(other));
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                match (one.get(name), other.get(name)) {
                    (Some(a), Some(b)) => compare(&below(name), a, b, tell),
                    (a, b) => {
                        let word = |side: Option<&Value>| if side.is_some() { "there" } else { "missing" }.to_owned();
                        tell(&below(name), word(a), word(b));
                    }
                }
            }
        }
        _ => {
            let shown = |value: &Value| if value.is_null() { "not set".to_owned() } else { value.to_string() };
            tell(path, shown(a), shown(b));
        }
    }
}
