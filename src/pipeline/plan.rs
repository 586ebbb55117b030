//! Spec and study to the list of jobs: deterministic, complete before anything runs.
//!
//! Every id is known beforehand, because ids are hashes of what a thing depends on and never of what
//! it turns out to be: a split names the ingest jobs whose traces it draws from, a model its split, an
//! attack its models. So a plan says exactly what a run would do, a grown spec adds only what is new,
//! and shards agree without talking.

use super::ingest::{self, IngestOptions};
use super::job::JobHead;
use crate::attack::AttackKind;
use crate::base::{ClassId, Identity, JobId, ModelId, SplitId};
use crate::encoding::EncodingKind;
use crate::error::{Error, Result, ResultExt};
use crate::model::Generator;
use crate::record::{ClassRecord, JobKind, Origin, Regime, Role};
use crate::simulate::CLASSES;
use crate::spec::{DatasetSpec, SourceSpec, Spec, closest};
use crate::store::Snapshot;
use std::path::PathBuf;

/// One model to be trained.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlannedModel {
    pub model_id: ModelId,
    /// Index into the plan's generators.
    pub generator: usize,
    pub dataset: String,
    pub class: String,
    pub class_id: ClassId,
    pub role: Role,
    pub regime: Regime,
    pub split_id: SplitId,
    /// Study seed, from which its initial weights and batches come.
    pub seed: u64,
}

impl PlannedModel {
    pub fn label(&self, generator: &str) -> String {
        let role = match self.role {
            Role::Target => "target".to_owned(),
            Role::Shadow(index) => format!("shadow{index}"),
        };
        format!("{generator} {}/{} {} {role}", self.dataset, self.class, self.regime.label())
    }
}

/// What a job does.
#[derive(Debug, Clone)]
pub(super) enum Work {
    IngestFile { options: IngestOptions, path: PathBuf },
    Simulate { options: IngestOptions, flows: u32 },
    Encode { class_id: ClassId, sources: Vec<JobId>, encoding: EncodingKind },
    Split { class_id: ClassId, sources: Vec<JobId>, split_id: SplitId, role: Role },
    Train { models: Vec<PlannedModel>, encode: JobId },
    Attribute { model: PlannedModel, encode: JobId },
    Attack { attack: AttackKind, target: (PlannedModel, JobId), shadows: Vec<(PlannedModel, JobId)>, attribute: String },
    Synthesize { model: PlannedModel, count: u32 },
    Fidelity { model: PlannedModel, sources: Vec<JobId>, synthesize: JobId },
}

/// One job of a plan.
#[derive(Debug, Clone)]
pub(super) struct PlannedJob {
    pub head: JobHead,
    pub work: Work,
    /// Indices of the jobs that must be finished before.
    pub after: Vec<usize>,
    /// Already in the study.
    pub done: bool,
}

/// All jobs of a spec, in an order in which they may run.
pub struct Plan {
    pub(super) jobs: Vec<PlannedJob>,
    pub(super) generators: Vec<Box<dyn Generator>>,
    pub(super) spec: Spec,
}

/// A class of the spec with the jobs that make its traces.
struct PlannedClass {
    dataset: String,
    class: String,
    class_id: ClassId,
    sources: Vec<JobId>,
    source_indices: Vec<usize>,
}

impl Plan {
    /// Makes the plan of a spec over what a study already holds.
    pub fn new(spec: &Spec, snapshot: Option<&Snapshot>) -> Result<Self> {
        let generators = spec
            .generators
            .iter()
            .map(|stage| {
                let generator = crate::model::generator(&stage.name, &stage.options, spec.traces.packets);
                generator
                    .and_then(|generator| generator.check(spec.split.members).map(|()| generator))
                    .context(|| format!("[generator.{}]", stage.name))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut builder = Builder { plan: Self { jobs: Vec::new(), generators, spec: spec.clone() }, snapshot };
        let mut classes = Vec::new();
        for dataset in &spec.datasets {
            classes.extend(builder.dataset(dataset).context(|| format!("dataset `{}`", dataset.name))?);
        }
        for class in &classes {
            builder.class(class)?;
        }
        Ok(builder.plan)
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
        counts
    }

    /// One line per generator and regime: models, steps, batches, noise.
    pub fn training_lines(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for generator in &self.generators {
            for &regime in &self.spec.regimes {
                let plan = generator.plan(self.spec.split.members, regime);
                let noise = match super::train::noise_multiplier(&plan, regime)? {
                    Some(noise) => format!(", noise multiplier {noise:.4}"),
                    None => String::new(),
                };
                lines.push(format!(
                    "{} {} ({} parameters): {} models a class, {} steps, sampling rate {:.4}{noise}",
                    generator.name(),
                    regime.label(),
                    generator.parameters(),
                    self.spec.split.shadows + 1,
                    plan.steps,
                    plan.sampling_rate,
                ));
            }
        }
        Ok(lines)
    }

    /// Number of jobs that a run would do.
    pub fn missing(&self) -> usize {
        self.jobs.iter().filter(|job| !job.done).count()
    }

    /// Labels of the jobs that a run would do, in order.
    pub fn missing_labels(&self) -> Vec<String> {
        self.jobs.iter().filter(|job| !job.done).map(|job| job.head.label.clone()).collect()
    }
}

struct Builder<'a> {
    plan: Plan,
    snapshot: Option<&'a Snapshot>,
}

impl Builder<'_> {
    fn add(&mut self, head: JobHead, work: Work, after: Vec<usize>) -> Result<usize> {
        if let Some(index) = self.plan.jobs.iter().position(|job| job.head.job_id == head.job_id) {
            return Ok(index);
        }
        let done = match self.snapshot {
            Some(snapshot) => snapshot.job(head.job_id)?.is_some(),
            None => false,
        };
        self.plan.jobs.push(PlannedJob { head, work, after, done });
        Ok(self.plan.jobs.len() - 1)
    }

    fn dataset(&mut self, dataset: &DatasetSpec) -> Result<Vec<PlannedClass>> {
        match &dataset.source {
            SourceSpec::Simulate { flows } => self.simulated(dataset, *flows),
            SourceSpec::Folder(folder) => self.folder(dataset, folder),
            SourceSpec::Study => self.stored(dataset),
        }
    }

    fn options(&self, dataset: &DatasetSpec, class: &str, origin: Origin) -> IngestOptions {
        let origin = if dataset.public { Origin::Public } else { origin };
        IngestOptions { dataset: dataset.name.clone(), class: class.to_owned(), origin, traces: self.plan.spec.traces }
    }

    fn simulated(&mut self, dataset: &DatasetSpec, flows: u32) -> Result<Vec<PlannedClass>> {
        let known = CLASSES.iter().find(|(name, _)| *name == dataset.name).ok_or_else(|| {
            let names: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
            Error::user(format!("expected a simulated dataset, found `{}`", dataset.name))
                .hint(format!("the simulator knows {}", names.join(", ")))
        })?;
        let all: Vec<String> = known.1.iter().map(|class| (*class).to_owned()).collect();
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let options = self.options(dataset, &class, Origin::Simulated);
            let head = ingest::simulate_head(&options, flows, self.plan.spec.seed);
            let class_id = ingest::class_id(&options);
            let sources = vec![head.job_id];
            let index = self.add(head, Work::Simulate { options, flows }, vec![])?;
            classes.push(PlannedClass {
                dataset: dataset.name.clone(),
                class,
                class_id,
                sources,
                source_indices: vec![index],
            });
        }
        Ok(classes)
    }

    fn folder(&mut self, dataset: &DatasetSpec, folder: &std::path::Path) -> Result<Vec<PlannedClass>> {
        let (by_class, _) = ingest::captures_by_folder(folder)?;
        let all: Vec<String> = by_class.iter().map(|(class, _)| class.clone()).collect();
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let options = self.options(dataset, &class, Origin::Captured);
            let class_id = ingest::class_id(&options);
            let (mut sources, mut source_indices) = (Vec::new(), Vec::new());
            let files = by_class.iter().filter(|(name, _)| *name == class).flat_map(|(_, files)| files);
            for path in files {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let head = ingest::ingest_head(&options, &name, &ingest::file_digest(path)?);
                if sources.contains(&head.job_id) {
                    continue;
                }
                sources.push(head.job_id);
                let work = Work::IngestFile { options: options.clone(), path: path.clone() };
                source_indices.push(self.add(head, work, vec![])?);
            }
            classes.push(PlannedClass { dataset: dataset.name.clone(), class, class_id, sources, source_indices });
        }
        Ok(classes)
    }

    fn stored(&mut self, dataset: &DatasetSpec) -> Result<Vec<PlannedClass>> {
        let nothing = || {
            Error::user("it has neither `simulate` nor `folder`, and the study holds no traces of it")
                .hint("ingest captures first (`syntrace ingest STUDY --dataset NAME --class NAME FILES...`)")
        };
        let snapshot = self.snapshot.ok_or_else(nothing)?;
        let stored: Vec<ClassRecord> =
            snapshot.classes()?.into_iter().filter(|class| class.dataset == dataset.name).collect();
        if stored.is_empty() {
            return Err(nothing());
        }
        let mut all: Vec<String> = stored.iter().map(|class| class.class.clone()).collect();
        all.sort();
        let ingests = snapshot.ingests()?;
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let class_id = ClassRecord::id_of(&dataset.name, &class);
            let sources = ingests.iter().filter(|ingest| ingest.class_id == class_id).map(|ingest| ingest.job_id);
            let sources: Vec<JobId> = sources.collect();
            classes.push(PlannedClass {
                dataset: dataset.name.clone(),
                class,
                class_id,
                sources,
                source_indices: vec![],
            });
        }
        Ok(classes)
    }

    fn class(&mut self, class: &PlannedClass) -> Result<()> {
        let splits = self.splits(class)?;
        for generator in 0..self.plan.generators.len() {
            self.generator(class, generator, &splits)?;
        }
        Ok(())
    }

    /// Splits of a class: the target's, then each shadow's, as (role, split id, job index).
    fn splits(&mut self, class: &PlannedClass) -> Result<Vec<(Role, SplitId, usize)>> {
        let sizes = self.plan.spec.split;
        let roles = std::iter::once(Role::Target).chain((0..sizes.shadows).map(Role::Shadow));
        let mut splits = Vec::new();
        for role in roles {
            let spec = serde_json::json!({
                "class": class.class_id.0,
                "role": role.name(),
                "shadow": role.shadow(),
                "members": sizes.members,
            });
            let label = format!("split {}/{} {}", class.dataset, class.class, role_text(role));
            let head = JobHead::new(JobKind::Split, label, &spec, ids(&class.sources), self.plan.spec.seed);
            let split_id = SplitId::from(Identity::new("split").int(head.job_id.0).finish());
            let work = Work::Split { class_id: class.class_id, sources: class.sources.clone(), split_id, role };
            let index = self.add(head, work, class.source_indices.clone())?;
            splits.push((role, split_id, index));
        }
        Ok(splits)
    }

    fn generator(&mut self, class: &PlannedClass, generator: usize, splits: &[(Role, SplitId, usize)]) -> Result<()> {
        let encoding = self.plan.generators[generator].encoding();
        let spec = serde_json::json!({ "class": class.class_id.0, "encoding": encoding.name(), "options": encoding.options_json() });
        let label = format!("encode {}/{} {}", class.dataset, class.class, encoding.name());
        let head = JobHead::new(JobKind::Encode, label, &spec, ids(&class.sources), 0);
        let encode = head.job_id;
        let work = Work::Encode { class_id: class.class_id, sources: class.sources.clone(), encoding };
        let encode_index = self.add(head, work, class.source_indices.clone())?;

        let mut models = Vec::new();
        for &regime in &self.plan.spec.regimes.clone() {
            for &(role, split_id, split_index) in splits {
                models.push((self.model(class, generator, regime, role, split_id), split_index));
            }
        }
        let trained = self.cohorts(generator, encode, encode_index, &models)?;
        let mut attributed = Vec::new();
        for ((model, _), train_index) in models.iter().zip(&trained) {
            let job = self.attribute(generator, model, encode, *train_index)?;
            attributed.push((model.clone(), job));
            if model.role == Role::Target {
                self.synthesis(class, generator, model, *train_index)?;
            }
        }
        self.attacks(generator, &attributed)
    }

    fn model(
        &self,
        class: &PlannedClass,
        generator: usize,
        regime: Regime,
        role: Role,
        split_id: SplitId,
    ) -> PlannedModel {
        let family = &self.plan.generators[generator];
        let plan = family.plan(self.plan.spec.split.members, regime);
        let noise = if regime == Regime::None { "none" } else { noise_name(self.plan.spec.noise) };
        let identity = Identity::new("model")
            .text(family.name())
            .text(&family.config_json())
            .text(&format!("{plan:?}"))
            .int(split_id.0)
            .text(&format!("{regime:?}"))
            .text(noise)
            .int(i64::from(super::job::code_version(JobKind::Train)))
            .bytes(&self.plan.spec.seed.to_le_bytes())
            .finish();
        PlannedModel {
            model_id: ModelId::from(identity),
            generator,
            dataset: class.dataset.clone(),
            class: class.class.clone(),
            class_id: class.class_id,
            role,
            regime,
            split_id,
            seed: self.plan.spec.seed,
        }
    }

    /// Train jobs: models in fixed runs of the generator's cohort size, less those that are done.
    /// Gives the index of each model's job; `None` where the model is already in the study.
    fn cohorts(
        &mut self,
        generator: usize,
        encode: JobId,
        encode_index: usize,
        models: &[(PlannedModel, usize)],
    ) -> Result<Vec<Option<usize>>> {
        let size = self.plan.generators[generator].cohort_size().max(1);
        let mut trained = Vec::with_capacity(models.len());
        for run in models.chunks(size) {
            let mut missing = Vec::new();
            for (model, split_index) in run {
                let stored = match self.snapshot {
                    Some(snapshot) => snapshot.model(model.model_id)?.is_some(),
                    None => false,
                };
                if !stored {
                    missing.push((model.clone(), *split_index));
                }
            }
            let index =
                if missing.is_empty() { None } else { Some(self.train(generator, encode, encode_index, &missing)?) };
            for (model, _) in run {
                trained.push(index.filter(|_| missing.iter().any(|(other, _)| other.model_id == model.model_id)));
            }
        }
        Ok(trained)
    }

    fn train(
        &mut self,
        generator: usize,
        encode: JobId,
        encode_index: usize,
        models: &[(PlannedModel, usize)],
    ) -> Result<usize> {
        let family = &self.plan.generators[generator];
        let spec = serde_json::json!({
            "generator": family.name(),
            "preset": family.preset(),
            "models": models.iter().map(|(model, _)| model.model_id.0).collect::<Vec<_>>(),
        });
        let mut inputs: Vec<i64> = models.iter().map(|(model, _)| model.split_id.0).collect();
        inputs.push(encode.0);
        let (first, _) = &models[0];
        let label = match models {
            [(model, _)] => format!("train {}", model.label(family.name())),
            _ => format!("train {} {}/{} cohort of {}", family.name(), first.dataset, first.class, models.len()),
        };
        let mut after: Vec<usize> = models.iter().map(|(_, split_index)| *split_index).collect();
        after.push(encode_index);
        let head = JobHead::new(JobKind::Train, label, &spec, inputs, self.plan.spec.seed);
        self.add(head, Work::Train { models: models.iter().map(|(model, _)| model.clone()).collect(), encode }, after)
    }

    fn attribute(
        &mut self,
        generator: usize,
        model: &PlannedModel,
        encode: JobId,
        train: Option<usize>,
    ) -> Result<(JobId, usize)> {
        let family = &self.plan.generators[generator];
        let spec = serde_json::json!({ "model": model.model_id.0, "kinds": family.attribute_kinds() });
        let label = format!("attributes {}", model.label(family.name()));
        let head =
            JobHead::new(JobKind::Attribute, label, &spec, vec![model.model_id.0, model.split_id.0, encode.0], 0);
        let job = head.job_id;
        let index = self.add(head, Work::Attribute { model: model.clone(), encode }, train.into_iter().collect())?;
        Ok((job, index))
    }

    fn synthesis(
        &mut self,
        class: &PlannedClass,
        generator: usize,
        model: &PlannedModel,
        train: Option<usize>,
    ) -> Result<()> {
        let count = self.plan.spec.synthetic_traces;
        if count == 0 {
            return Ok(());
        }
        let name = self.plan.generators[generator].name();
        let spec = serde_json::json!({ "model": model.model_id.0, "traces": count });
        let label = format!("synthesize {}", model.label(name));
        let head = JobHead::new(JobKind::Synthesize, label, &spec, vec![model.model_id.0], self.plan.spec.seed);
        let synthesize = head.job_id;
        let index = self.add(head, Work::Synthesize { model: model.clone(), count }, train.into_iter().collect())?;

        let spec = serde_json::json!({ "model": model.model_id.0 });
        let label = format!("fidelity {}", model.label(name));
        let mut inputs = ids(&class.sources);
        inputs.extend([synthesize.0, model.split_id.0]);
        let head = JobHead::new(JobKind::Fidelity, label, &spec, inputs, 0);
        let work = Work::Fidelity { model: model.clone(), sources: class.sources.clone(), synthesize };
        self.add(head, work, vec![index])?;
        Ok(())
    }

    fn attacks(&mut self, generator: usize, models: &[(PlannedModel, (JobId, usize))]) -> Result<()> {
        let kinds = self.plan.generators[generator].attribute_kinds();
        for stage in self.plan.spec.attacks.clone() {
            let attack = AttackKind::from_name(&stage.name)?;
            let attribute = attack_attribute(&stage, kinds).context(|| format!("[attack.{}]", stage.name))?;
            for &regime in &self.plan.spec.regimes.clone() {
                let group: Vec<_> = models.iter().filter(|(model, _)| model.regime == regime).collect();
                let Some((target, (target_job, target_index))) =
                    group.iter().find(|(model, _)| model.role == Role::Target)
                else {
                    continue;
                };
                let shadows: Vec<_> = group.iter().filter(|(model, _)| model.role != Role::Target).collect();
                let inputs = group.iter().flat_map(|(model, (job, _))| [model.model_id.0, job.0]).collect();
                let spec = serde_json::json!({
                    "attack": attack.name(),
                    "options": attack.attack().options(),
                    "attribute": attribute,
                    "target": target.model_id.0,
                    "shadows": shadows.iter().map(|(model, _)| model.model_id.0).collect::<Vec<_>>(),
                });
                let label = format!(
                    "attack {} {} {}/{} {}",
                    attack.name(),
                    self.plan.generators[generator].name(),
                    target.dataset,
                    target.class,
                    regime.label()
                );
                let head = JobHead::new(JobKind::Attack, label, &spec, inputs, self.plan.spec.seed);
                let after = shadows.iter().map(|(_, (_, index))| *index).chain([*target_index]).collect();
                let work = Work::Attack {
                    attack,
                    target: (target.clone(), *target_job),
                    shadows: shadows.iter().map(|(model, (job, _))| (model.clone(), *job)).collect(),
                    attribute: attribute.clone(),
                };
                self.add(head, work, after)?;
            }
        }
        Ok(())
    }
}

/// The attribute that an attack reads: as its table says, or the generator's default.
fn attack_attribute(stage: &crate::spec::StageSpec, kinds: &[&str]) -> Result<String> {
    for key in stage.options.keys() {
        if key != "attribute" {
            return Err(Error::user(format!("unknown key `{key}`")).hint("known keys: attribute"));
        }
    }
    let Some(value) = stage.options.get("attribute") else {
        return kinds
            .first()
            .map(|kind| (*kind).to_owned())
            .ok_or_else(|| Error::user("this generator has no attributes, so no attack is possible"));
    };
    let wanted = value.as_str().unwrap_or_default();
    if kinds.contains(&wanted) {
        return Ok(wanted.to_owned());
    }
    let error = Error::user(format!("expected one of the attribute kinds {}, found {value}", kinds.join(", ")));
    Err(match closest(wanted, kinds) {
        Some(kind) => error.hint(format!("did you mean `{kind}`?")),
        None => error,
    })
}

fn chosen(dataset: &DatasetSpec, all: &[String]) -> Result<Vec<String>> {
    let Some(wanted) = &dataset.classes else { return Ok(all.to_vec()) };
    for class in wanted {
        if !all.contains(class) {
            let error = Error::user(format!("expected one of the classes {}, found `{class}`", all.join(", ")));
            let known: Vec<&str> = all.iter().map(String::as_str).collect();
            return Err(match closest(class, &known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            });
        }
    }
    Ok(wanted.clone())
}

fn role_text(role: Role) -> String {
    match role {
        Role::Target => "target".to_owned(),
        Role::Shadow(index) => format!("shadow {index}"),
    }
}

pub(super) fn noise_name(noise: crate::spec::NoiseSource) -> &'static str {
    match noise {
        crate::spec::NoiseSource::System => "system",
        crate::spec::NoiseSource::Reproducible => "reproducible",
    }
}

fn ids(jobs: &[JobId]) -> Vec<i64> {
    jobs.iter().map(|job| job.0).collect()
}
