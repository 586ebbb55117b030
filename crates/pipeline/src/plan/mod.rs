//! Spec and study to the list of jobs: deterministic, complete before anything runs.
//!
//! Every id is known beforehand, because ids are hashes of dependencies and never of results: a split names the ingest
//! jobs whose traces it draws from, a model its split, an attack its models. So a plan states exactly what a run would
//! do, an extended spec adds only new jobs, and shards agree without communication.

pub(crate) mod attack_table;
mod attacks;
mod audit;
mod cost;
mod data;
mod dealing;
mod difference;
mod job_cost;
pub(crate) mod models;
mod noise;
mod planned;
mod record;
mod shard;
mod total;
pub(crate) mod utility;

pub use cost::duration;
pub use difference::{AskedFor, differences};
pub(crate) use planned::{
    Ancestor, AttackGroup, PlannedAttack, PlannedBase, PlannedGenerator, PlannedModel, PlannedUtility, Released,
    UtilityClass,
};
pub(crate) use record::{Lost, without};
pub use total::{KNOWN_GPUS, PlanDevice, ShareTotal};

use crate::ingest::IngestOptions;
use crate::jobs::job::JobHead;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use syntrace_base::base::{ClassId, Device, JobId, ModelId, SplitId};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{JobKind, Regime, Role};
use syntrace_model::model::{AnyGenerator, BaseSpec, WholeKind};
use syntrace_spec::{Spec, StageSpec};
use syntrace_store::{ShardRecord, Snapshot};
use syntrace_traffic::encoding::EncodingKind;

/// What a job does.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    IngestFile {
        options: IngestOptions,
        path: PathBuf,
    },
    Simulate {
        options: IngestOptions,
        flows: u32,
    },
    Encode {
        class_id: ClassId,
        sources: Vec<JobId>,
        encoding: EncodingKind,
        /// Are the traces anonymised first?
        anonymised: bool,
    },
    Split {
        class_id: ClassId,
        sources: Vec<JobId>,
        split_id: SplitId,
        role: Role,
    },
    Base {
        base: PlannedBase,
    },
    Train {
        models: Vec<PlannedModel>,
        encode: JobId,
    },
    Attribute {
        model: PlannedModel,
        encode: JobId,
    },
    /// What a model says of every position of the traces of its split.
    Whole {
        model: PlannedModel,
        encode: JobId,
    },
    /// Attributes of a model on the traces of some splits that are outside its own.
    Reference {
        model: PlannedModel,
        encode: JobId,
        splits: Vec<SplitId>,
        kinds: Vec<String>,
    },
    /// Attributes of a model from its synthetic traces alone, on its split and on the traces of others.
    Outside {
        model: PlannedModel,
        sources: Vec<JobId>,
        synthesize: JobId,
        splits: Vec<SplitId>,
    },
    Attack {
        attack: PlannedAttack,
        group: AttackGroup,
    },
    Synthesize {
        model: PlannedModel,
        count: u32,
    },
    Fidelity {
        model: PlannedModel,
        sources: Vec<JobId>,
        synthesize: JobId,
    },
    Utility {
        utility: PlannedUtility,
    },
    Leakage {
        model: PlannedModel,
        sources: Vec<JobId>,
        synthesize: JobId,
    },
    OneRunAudit {
        model: PlannedModel,
        encode: JobId,
    },
}

impl Work {
    /// Is it done with libtorch? Attacks and downstream models count, whichever they are.
    pub(crate) fn needs_networks(&self) -> bool {
        match self {
            Self::IngestFile { .. }
            | Self::Simulate { .. }
            | Self::Encode { .. }
            | Self::Split { .. }
            | Self::Fidelity { .. }
            | Self::Leakage { .. }
            | Self::Outside { .. } => false,
            Self::Base { base } => base.shipped.is_none(),
            Self::Train { .. }
            | Self::Attribute { .. }
            | Self::Whole { .. }
            | Self::Reference { .. }
            | Self::Attack { .. }
            | Self::Synthesize { .. }
            | Self::Utility { .. }
            | Self::OneRunAudit { .. } => true,
        }
    }
}

impl Work {
    /// Does nothing else build on what it makes?
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Attack { .. } | Self::Fidelity { .. } | Self::Leakage { .. } | Self::Utility { .. })
    }
}

/// One job of a plan.
#[derive(Debug, Clone)]
pub(crate) struct PlannedJob {
    pub head: JobHead,
    pub work: Work,
    /// Indices of the jobs that must be finished before.
    pub after: Vec<usize>,
    /// Already in the study.
    pub done: bool,
    /// Assigned to another machine.
    pub elsewhere: bool,
}

/// All jobs of a spec, in an order in which they may run.
pub struct Plan {
    pub(crate) jobs: Vec<PlannedJob>,
    pub(crate) generators: Vec<PlannedGenerator>,
    pub(crate) spec: Spec,
    /// What was omitted, and why.
    pub(crate) notes: Vec<String>,
    /// Number of each model's cohort, in the order of the plan.
    pub(crate) cohort_of: HashMap<ModelId, u32>,
    /// Cohorts whose models the study holds already: they need no job.
    trained: usize,
    accounts: noise::Accounts,
}

/// A class of the spec with the jobs that make its traces.
struct PlannedClass {
    dataset: String,
    class: String,
    class_id: ClassId,
    sources: Vec<JobId>,
    /// Ids of the captures behind it.
    captures: Vec<i64>,
    source_indices: Vec<usize>,
    /// Traces that it can have at most, where that is known before they are cut.
    traces_max: Option<u64>,
}

/// A job that others build on: its id goes into theirs, its index in the plan into what they wait for.
#[derive(Debug, Clone, Copy)]
struct JobRef {
    id: JobId,
    index: usize,
}

/// A split of a class, and the index of the job that draws it.
#[derive(Debug, Clone, Copy)]
struct PlannedSplit {
    role: Role,
    split_id: SplitId,
    index: usize,
}

impl Plan {
    /// A plan without jobs and generators.
    pub(crate) fn bare(spec: Spec) -> Self {
        let (jobs, generators, notes) = (Vec::new(), Vec::new(), Vec::new());
        let accounts = noise::Accounts::default();
        Self { jobs, generators, spec, notes, cohort_of: HashMap::new(), trained: 0, accounts }
    }

    /// Makes the plan of a spec over what a study already holds. Captures are those of the spec's folders; of a study that
    /// is a share of this plan, or the union of such, those that its prologue took, wherever the folders are.
    pub fn new(spec: &Spec, snapshot: Option<&Snapshot>) -> Result<Self> {
        if let Some(snapshot) = snapshot
            && let Some(shard) = snapshot.shard()?
            && let Some(recorded) = recorded(snapshot, shard.plan)?
            && let Ok(plan) = Self::over(spec, Some(snapshot), Some(recorded))
            && plan.fingerprint() == Some(shard.plan)
        {
            return Ok(plan);
        }
        Self::over(spec, snapshot, None)
    }

    /// As [`Plan::new`] for a share: with the captures of its prologue alone.
    ///
    /// # Errors
    /// `user` where the study's shares are of another plan: what differs.
    pub fn of_shard(spec: &Spec, snapshot: &Snapshot) -> Result<Self> {
        let shard = snapshot.shard()?.ok_or_else(|| Error::user("the study is no share of a plan"))?;
        let plan = Self::over(spec, Some(snapshot), recorded(snapshot, shard.plan)?)?;
        plan.require_shard(snapshot, &shard)?;
        Ok(plan)
    }

    /// Refuses a plan that is not that of the shares in a study, by what differs.
    ///
    /// # Errors
    /// `user` where it is another plan.
    pub fn require_shard(&self, snapshot: &Snapshot, shard: &ShardRecord) -> Result<()> {
        if self.fingerprint() == Some(shard.plan) {
            return Ok(());
        }
        let (asked, stored) = (self.asked_for(snapshot)?, AskedFor::stored(snapshot, shard.plan)?);
        let differing = differences(("the spec", &asked), ("the shares", &stored));
        Err(Error::user(format!("the spec is not that of the shares: {}", differing.join("; ")))
            .hint("one plan has one spec: use that of the prologue, or make another prologue"))
    }

    /// The plan of a spec; captures of folders are those in `recorded` instead, where that is given.
    fn over(spec: &Spec, snapshot: Option<&Snapshot>, recorded: Option<HashSet<JobId>>) -> Result<Self> {
        let generators = spec
            .generators
            .iter()
            .map(|stage| planned_generator(stage, spec).context(|| format!("[generator.{}]", stage.name)))
            .collect::<Result<Vec<_>>>()?;
        let plan = Self { generators, ..Self::bare(spec.clone()) };
        let mut builder = Builder {
            plan,
            snapshot,
            recorded,
            targets: Vec::new(),
            cohorts_planned: 0,
            together: HashMap::new(),
            released: Vec::new(),
        };
        builder.choices()?;
        builder.note_empty_promises();
        let (public, private) = builder.datasets()?;
        for generator in 0..builder.plan.generators.len() {
            builder.base(generator, &public)?;
        }
        for class in &private {
            builder.class(class)?;
        }
        builder.utility()?;
        Ok(builder.plan)
    }

    /// Are other generators trained on the synthetic traces of this one?
    pub(crate) fn teaches(&self, generator: usize) -> bool {
        self.generators.iter().any(|other| other.learns_from == Some(generator))
    }

    /// The traces and the regime as which a model is trained.
    pub(crate) fn recipe(&self, generator: usize, regime: Regime) -> (u32, Regime) {
        self.generators
            .get(generator)
            .map_or((self.spec.split.members, regime.of_training()), |own| own.recipe(&self.spec, regime))
    }

    /// The attribute of a generator that the spec asks to keep whole.
    pub(crate) fn whole(&self, generator: usize) -> Option<WholeKind> {
        let family = self.generators.get(generator).map(|planned| &planned.family);
        family.filter(|_| self.spec.whole_attributes).and_then(|family| family.whole_attribute())
    }

    /// Is a generator attacked through its synthetic traces?
    pub(crate) fn attacked_from_outside(&self, generator: usize) -> bool {
        let named = self.generators.get(generator);
        let concerned = named.is_some_and(|planned| self.spec.synthetic_shadows.concerns(&planned.name));
        concerned && self.spec.synthetic_traces > 0
    }

    /// Puts the networks of all generators onto a device; the jobs stay the same.
    pub fn set_device(&mut self, device: Device) {
        for generator in &mut self.generators {
            generator.family.set_device(device);
        }
    }

    /// Jobs by kind: (kind, jobs, those already done), in the order of the flow.
    pub fn summary(&self) -> Vec<(JobKind, usize, usize)> {
        let mut counts: Vec<(JobKind, usize, usize)> = Vec::new();
        for job in &self.jobs {
            let at = counts.iter().position(|(kind, _, _)| *kind == job.head.kind).unwrap_or_else(|| {
                counts.push((job.head.kind, 0, 0));
                counts.len() - 1
            });
            counts[at].1 += 1;
            counts[at].2 += usize::from(job.done);
        }
        if self.trained > 0 {
            let at = counts.iter().position(|(kind, _, _)| *kind >= JobKind::Train).unwrap_or(counts.len());
            if counts.get(at).is_none_or(|(kind, _, _)| *kind != JobKind::Train) {
                counts.insert(at, (JobKind::Train, 0, 0));
            }
            counts[at].1 += self.trained;
            counts[at].2 += self.trained;
        }
        counts
    }

    /// Number of jobs that are already done.
    pub fn done(&self) -> usize {
        self.jobs.iter().filter(|job| job.done).count() + self.trained
    }

    /// What the spec asks for and no job will do, with the reason.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Number of jobs that a run would do.
    pub fn missing(&self) -> usize {
        self.jobs.iter().filter(|job| !job.done && !job.elsewhere).count()
    }

    /// Does a job that a run would do need libtorch?
    pub fn needs_networks(&self) -> bool {
        self.jobs.iter().any(|job| !job.done && !job.elsewhere && job.work.needs_networks())
    }

    /// Labels of the jobs that a run would do, in order.
    pub fn missing_labels(&self) -> Vec<String> {
        self.jobs.iter().filter(|job| !job.done && !job.elsewhere).map(|job| job.head.label.clone()).collect()
    }
}

/// A generator by its table: `family` names its family if the table has another name.
fn planned_generator(stage: &StageSpec, spec: &Spec) -> Result<PlannedGenerator> {
    let mut options = stage.options.clone();
    let family = match options.remove("family") {
        None => stage.name.clone(),
        Some(serde_json::Value::String(family)) => family,
        Some(other) => return Err(Error::user(format!("`family` must be a text, found {other}"))),
    };
    let learns_from = options.remove("learns_from").map(|named| teacher(stage, spec, &named)).transpose()?;
    let family = AnyGenerator::from_options(&family, &options, spec.traces.packets)?;
    let planned = PlannedGenerator { name: stage.name.clone(), family, base: None, learns_from };
    if learns_from.is_some() && !planned.family.supports(Regime::None) {
        return Err(Error::user(format!(
            "`{}` has no training without DP, so it learns from no released traces",
            planned.family.name()
        ))
        .hint("leave `learns_from` out"));
    }
    for &regime in spec.regimes.iter().filter(|regime| planned.family.supports(regime.of_training())) {
        let (members, regime) = planned.recipe(spec, regime);
        planned.family.check_in(members, regime)?;
    }
    Ok(planned)
}

/// The place of the generator that `learns_from` names.
fn teacher(stage: &StageSpec, spec: &Spec, named: &serde_json::Value) -> Result<usize> {
    let others: Vec<&str> = spec
        .generators
        .iter()
        .filter(|other| other.name != stage.name && !other.options.contains_key("learns_from"))
        .map(|other| other.name.as_str())
        .collect();
    let place = spec.generators.iter().position(|other| Some(other.name.as_str()) == named.as_str());
    let place = place.filter(|place| others.contains(&spec.generators[*place].name.as_str())).ok_or_else(|| {
        Error::user(format!(
            "`learns_from` must name a generator of the spec that learns from no other ({}), found {named}",
            others.join(", ")
        ))
    })?;
    if spec.synthetic_traces == 0 {
        return Err(Error::user("`learns_from` needs `synthesis.traces` above 0: they are what is learnt from"));
    }
    Ok(place)
}

struct Builder<'a> {
    plan: Plan,
    snapshot: Option<&'a Snapshot>,
    /// Jobs of the plan whose share the study is, by which its captures are known.
    recorded: Option<HashSet<JobId>>,
    /// Target models with synthetic traces, in the order of classes, generators and regimes.
    targets: Vec<utility::Target>,
    /// Cohorts so far, those that are done included.
    cohorts_planned: u32,
    /// Cohort number by teacher generator (one whose released traces others learn from), in the current class.
    together: HashMap<usize, u32>,
    /// Private models that others learn from, each with the index of the job that draws its traces.
    released: Vec<(PlannedModel, Released, usize)>,
}

impl Builder<'_> {
    /// Public and private classes. Where a generator needs a public base and the spec names no public
    /// dataset, a simulated one is added.
    fn datasets(&mut self) -> Result<(Vec<PlannedClass>, Vec<PlannedClass>)> {
        let mut datasets = self.plan.spec.datasets.clone();
        let trains = |base: BaseSpec| base.named.is_none();
        let needed = self.plan.generators.iter().any(|generator| generator.family.base().is_some_and(trains));
        if needed && !datasets.iter().any(|dataset| dataset.public) {
            datasets.push(data::public_dataset());
        }
        if let Some(unused) = datasets.iter().find(|dataset| dataset.public && !needed) {
            self.plan.notes.push(format!(
                "no generator reads the public dataset `{}`: bases ship with the program (`netdiffusion` trains one on it with `start = \"study\"`)",
                unused.name
            ));
        }
        let (mut public, mut private) = (Vec::new(), Vec::new());
        for dataset in datasets.iter().filter(|dataset| needed || !dataset.public) {
            let classes = self.dataset(dataset).context(|| format!("dataset `{}`", dataset.name))?;
            if dataset.public { public.extend(classes) } else { private.extend(classes) }
        }
        // A base that was trained on private captures is not public.
        for class in &public {
            if let Some(other) =
                private.iter().find(|other| other.captures.iter().any(|id| class.captures.contains(id)))
            {
                return Err(Error::user(format!(
                    "`{}/{}` is declared public and holds a capture that is in the private `{}/{}` as well",
                    class.dataset, class.class, other.dataset, other.class
                ))
                .hint("take the capture out of one of them"));
            }
        }
        Ok((public, private))
    }

    /// Adds a job that waits for those in `after`; one that the plan has already is added once.
    fn add(&mut self, head: JobHead, work: Work, after: Vec<usize>) -> Result<JobRef> {
        let id = head.job_id;
        if let Some(index) = self.plan.jobs.iter().position(|job| job.head.job_id == id) {
            return Ok(JobRef { id, index });
        }
        let done = match self.snapshot {
            Some(snapshot) => snapshot.job(id)?.is_some(),
            None => false,
        };
        self.plan.jobs.push(PlannedJob { head, work, after, done, elsewhere: false });
        Ok(JobRef { id, index: self.plan.jobs.len() - 1 })
    }

    /// Does the study hold a model already?
    fn holds(&self, model: ModelId) -> Result<bool> {
        match self.snapshot {
            Some(snapshot) => Ok(snapshot.model(model)?.is_some()),
            None => Ok(false),
        }
    }
}

/// The jobs of a stored plan; `None` where it is not stored (yet).
fn recorded(snapshot: &Snapshot, plan: JobId) -> Result<Option<HashSet<JobId>>> {
    let Some(job) = snapshot.job(plan)? else { return Ok(None) };
    Ok(Some(record::ids_of(&job)?.into_iter().map(JobId).collect()))
}

fn role_text(role: Role) -> String {
    match role {
        Role::Target => "target".to_owned(),
        Role::Shadow(index) => format!("shadow {index}"),
        Role::Base => "base".to_owned(),
    }
}

pub(crate) fn noise_name(noise: syntrace_spec::NoiseSource) -> &'static str {
    match noise {
        syntrace_spec::NoiseSource::System => "system",
        syntrace_spec::NoiseSource::Reproducible => syntrace_measure::privacy::REPRODUCIBLE_NOISE,
    }
}

fn ids(jobs: &[JobId]) -> Vec<i64> {
    jobs.iter().map(|job| job.0).collect()
}
