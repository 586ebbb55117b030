//! Finds what to delete when a model, a capture or a dataset is forgotten: it, everything derived from it, and nothing
//! else.

use crate::plan::{Lost, without};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use syntrace_base::base::{CaptureId, Digest};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ClassRecord, JobKind, JobRecord, ModelRecord, Role};
use syntrace_store::{Retained, Snapshot};

/// What to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgotten {
    /// A model, by id or name (`SELECT model_id, name FROM models`).
    Model(String),
    /// A capture, by id, digest or one of its names.
    Capture(String),
    /// A dataset, or with its class one class of it.
    Dataset(String, Option<String>),
}

/// What would be deleted and what would be kept.
#[derive(Debug, Clone, Default)]
pub struct Forgetting {
    /// The request, as text.
    pub asked: Vec<String>,
    /// Deleted jobs, by kind.
    pub jobs: BTreeMap<JobKind, usize>,
    /// Deleted models, as text.
    pub models: Vec<String>,
    /// Deleted captures, by their displayed names.
    pub captures: Vec<String>,
    /// What is kept.
    pub retained: Retained,
}

impl Forgetting {
    /// Finds what to delete.
    ///
    /// # Errors
    /// `user` for a name that the study does not have, or that several have.
    pub fn new(snapshot: &Snapshot, asked: &[Forgotten]) -> Result<Self> {
        let mut graph = Graph::new(snapshot)?;
        let mut words = Vec::new();
        for one in asked {
            words.push(graph.ask(snapshot, one)?);
        }
        graph.follow();
        let mut forgetting = Self { asked: words, retained: graph.retained()?, ..Self::default() };
        for job in graph.jobs.iter().filter(|job| graph.gone.contains(&job.job_id.0)) {
            *forgetting.jobs.entry(job.kind).or_default() += 1;
        }
        let gone = |id: i64| graph.gone.contains(&id);
        let names = model_names(snapshot)?;
        forgetting.models = names.into_iter().filter(|(id, _)| gone(*id)).map(|(_, name)| name).collect();
        let captures = snapshot.captures()?.into_iter().filter(|capture| gone(capture.capture_id.0));
        forgetting.captures = captures.map(|capture| capture.name).collect();
        Ok(forgetting)
    }
}

/// `netssm os/mac eps4 target` of each model.
fn model_names(snapshot: &Snapshot) -> Result<Vec<(i64, String)>> {
    let classes = snapshot.classes()?;
    let name = |model: &ModelRecord| {
        let class = classes.iter().find(|class| class.class_id == model.class_id);
        let class = class.map_or_else(String::new, |class| format!(" {}/{}", class.dataset, class.class));
        match model.role {
            Role::Base => format!("{} base", model.generator),
            role => format!("{}{class} {} {}", model.generator, model.regime.label(), role.label()),
        }
    };
    Ok(snapshot.models()?.iter().map(|model| (model.model_id.0, name(model))).collect())
}

/// Jobs, what they made, and what is gone so far.
struct Graph {
    jobs: Vec<JobRecord>,
    models: HashMap<i64, ModelRecord>,
    /// (class, capture, job) of each ingest.
    ingests: Vec<(i64, i64, i64)>,
    classes: Vec<ClassRecord>,
    /// Ids of jobs and of what they made.
    gone: HashSet<i64>,
}

/// The id that a job's output is known by, where it has one.
fn made(job: &JobRecord) -> impl Iterator<Item = i64> + '_ {
    let with_ids = job.outputs.iter().filter(|output| matches!(output.table.as_str(), "splits" | "models" | "attacks"));
    with_ids.filter_map(|output| output.key.parse().ok())
}

impl Graph {
    fn new(snapshot: &Snapshot) -> Result<Self> {
        let ingests = snapshot.ingests()?;
        Ok(Self {
            jobs: snapshot.jobs()?,
            models: snapshot.models()?.into_iter().map(|model| (model.model_id.0, model)).collect(),
            ingests: ingests.iter().map(|one| (one.class_id.0, one.capture_id.0, one.job_id.0)).collect(),
            classes: snapshot.classes()?,
            gone: HashSet::new(),
        })
    }

    fn ask(&mut self, snapshot: &Snapshot, asked: &Forgotten) -> Result<String> {
        match asked {
            Forgotten::Model(name) => {
                let names = model_names(snapshot)?;
                let is = |(id, known): &&(i64, String)| known == name || id.to_string() == *name;
                let (id, name) = one_of("model", name, names.iter().filter(is), || {
                    names.iter().map(|(_, name)| name.clone()).collect()
                })?;
                self.gone.insert(*id);
                Ok(format!("model `{name}`"))
            }
            Forgotten::Capture(name) => {
                let names = snapshot.capture_names()?;
                let captures = snapshot.captures()?;
                let is = |id: CaptureId, digest: [u8; 32]| {
                    id.to_string() == *name
                        || Digest(digest).hex() == *name
                        || names.get(&id).is_some_and(|names| names.contains(name))
                };
                let found = captures.iter().filter(|capture| is(capture.capture_id, capture.digest));
                let capture = one_of("capture", name, found, || names.values().flatten().cloned().collect())?;
                self.gone.insert(capture.capture_id.0);
                Ok(format!("capture `{}`", capture.name))
            }
            Forgotten::Dataset(dataset, class) => {
                let classes = snapshot.classes()?;
                let wanted = classes
                    .iter()
                    .filter(|one| one.dataset == *dataset && class.as_ref().is_none_or(|class| one.class == *class));
                let found: Vec<i64> = wanted.map(|class| class.class_id.0).collect();
                let text = class.as_ref().map_or_else(|| dataset.clone(), |class| format!("{dataset}/{class}"));
                if found.is_empty() {
                    let known = |one: &syntrace_base::record::ClassRecord| match class {
                        Some(_) => format!("{}/{}", one.dataset, one.class),
                        None => one.dataset.clone(),
                    };
                    return Err(unknown("dataset", &text, classes.iter().map(known).collect()));
                }
                let ingests = self.ingests.iter().filter(|(class, _, _)| found.contains(class));
                self.gone.extend(ingests.map(|(_, _, job)| *job));
                self.gone.extend(&found);
                Ok(format!("dataset `{text}`"))
            }
        }
    }

    /// Deletes everything that was derived from deleted items (transitive closure).
    fn follow(&mut self) {
        loop {
            let before = self.gone.len();
            self.ingested();
            for number in 0..self.jobs.len() {
                self.job(number);
            }
            if self.gone.len() == before {
                return;
            }
        }
    }

    /// A capture is deleted with the last of its ingests, and all its ingests with it.
    fn ingested(&mut self) {
        let of_gone: Vec<i64> = self.ingests.iter().filter(|one| self.gone.contains(&one.1)).map(|one| one.2).collect();
        self.gone.extend(of_gone);
        let kept: HashSet<i64> =
            self.ingests.iter().filter(|one| !self.gone.contains(&one.2)).map(|one| one.1).collect();
        self.gone.extend(self.ingests.iter().map(|one| one.1).filter(|capture| !kept.contains(capture)));
    }

    fn job(&mut self, number: usize) {
        let Some(job) = self.jobs.get(number) else { return };
        let models: Vec<i64> = made(job).filter(|id| self.models.contains_key(id)).collect();
        let is_gone = |id: &i64| self.gone.contains(id);
        // Models that were trained together read several others: which of them reads which, their lineage says.
        let together = job.kind == JobKind::Train;
        let reads = job.inputs.iter().any(|id| is_gone(id) && !(together && self.models.contains_key(id)));
        let all = !models.is_empty() && models.iter().all(is_gone);
        if is_gone(&job.job_id.0) || reads || all {
            let ids: Vec<i64> = made(job).chain([job.job_id.0]).collect();
            self.gone.extend(ids);
            return;
        }
        let of_gone = |id: &i64| {
            self.models.get(id).is_some_and(|model| model.lineage.iter().any(|edge| is_gone(&edge.source_id)))
        };
        let models: Vec<i64> = models.into_iter().filter(of_gone).collect();
        self.gone.extend(models);
    }

    /// Names that are deleted with the last ingest of their class.
    fn lost(&self) -> Lost {
        let is_left = |class: &ClassRecord| {
            self.ingests.iter().any(|(of, _, job)| *of == class.class_id.0 && !self.gone.contains(job))
        };
        let (left, lost): (Vec<&ClassRecord>, Vec<&ClassRecord>) = self.classes.iter().partition(|one| is_left(one));
        let is_lost = |name: &&str| left.iter().all(|class| class.dataset != **name);
        let datasets = lost.iter().map(|class| class.dataset.as_str()).filter(is_lost).map(str::to_owned).collect();
        Lost { classes: lost.iter().map(|class| (class.dataset.clone(), class.class.clone())).collect(), datasets }
    }

    /// What stays: of models that were trained together, those that are not gone; of plans, what they ask for that is
    /// left.
    fn retained(&self) -> Result<Retained> {
        let stays = |id: &i64| !self.gone.contains(id);
        let there: HashSet<i64> = self
            .jobs
            .iter()
            .map(|job| job.job_id.0)
            .chain(self.models.keys().copied())
            .filter(|id| stays(id))
            .collect();
        let lost = self.lost();
        let mut jobs: Vec<JobRecord> = Vec::new();
        for job in self.jobs.iter().filter(|job| stays(&job.job_id.0)).cloned() {
            jobs.extend(match job.kind {
                JobKind::Plan => without(job, &lost, |id| there.contains(&id))?,
                _ => Some(job),
            });
        }
        let weights = |models: &mut dyn Iterator<Item = &ModelRecord>| -> BTreeSet<String> {
            models.filter_map(|model| model.weights).map(|digest| Digest(digest).hex()).collect()
        };
        let kept = weights(&mut self.models.values().filter(|model| stays(&model.model_id.0)));
        let lost = weights(&mut self.models.values().filter(|model| !stays(&model.model_id.0)));
        for job in &mut jobs {
            job.outputs.retain(|output| match output.table.as_str() {
                "models" => output.key.parse().is_ok_and(|id| stays(&id)),
                // (table, partition, segment): of tables by model, the partition is the model.
                "segments" => {
                    output.key.split(',').nth(1).and_then(|id| id.trim().parse().ok()).is_none_or(|id| stays(&id))
                }
                "objects" => kept.contains(&output.key) || !lost.contains(&output.key),
                _ => true,
            });
        }
        Ok(Retained { jobs, names: HashMap::new() })
    }
}

/// The one thing of a name.
fn one_of<'a, T>(
    noun: &str,
    name: &str,
    mut found: impl Iterator<Item = &'a T>,
    known: impl FnOnce() -> Vec<String>,
) -> Result<&'a T> {
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Error::user(format!("several {noun}s are named `{name}`")).hint("name it by its id")),
        (None, _) => Err(unknown(noun, name, known())),
    }
}

fn unknown(noun: &str, name: &str, mut known: Vec<String>) -> Error {
    known.sort();
    known.dedup();
    let error = Error::user(format!("the study has no {noun} `{name}`"));
    error.hint_near(name, &known, format!("`SELECT * FROM {noun}s` lists what it has").replace("datasets", "classes"))
}

/// Renames a capture: everything is kept, with the name replaced wherever it occurs.
///
/// # Errors
/// `user` for a name that the study does not have, or has of another capture.
pub fn renamed(snapshot: &Snapshot, from: &str, to: &str) -> Result<Retained> {
    let names = snapshot.capture_names()?;
    if to.is_empty() || to.contains(['/', '\0']) {
        return Err(Error::user(format!("expected a file's name without its folder, found `{to}`")));
    }
    if names.values().any(|names| names.iter().any(|name| name == to)) {
        return Err(Error::user(format!("the study has a capture `{to}` already")));
    }
    let mut found = names.iter().filter(|(_, names)| names.iter().any(|name| name == from));
    let (capture, known) = match (found.next(), found.next()) {
        (Some(one), None) => one,
        (Some(_), Some(_)) => return Err(Error::user(format!("several captures are named `{from}`"))),
        (None, _) => return Err(unknown("capture", from, names.values().flatten().cloned().collect())),
    };
    let mended = known.iter().map(|name| if name == from { to.to_owned() } else { name.clone() }).collect();
    let mut jobs = snapshot.jobs()?;
    let of_capture = |job: &&mut JobRecord| job.kind == JobKind::Ingest && job.inputs.contains(&capture.0);
    for job in jobs.iter_mut().filter(of_capture) {
        if let Some(before) = job.label.strip_suffix(from).filter(|before| before.ends_with(' ')) {
            job.label = format!("{before}{to}");
        }
    }
    Ok(Retained { jobs, names: HashMap::from([(*capture, mended)]) })
}
