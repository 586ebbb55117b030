//! Splits, bases, cohorts, attributes and synthesis of a class.

use super::attacks::{Attributed, AttributedModels};
use super::utility::Target;
use super::{Ancestor, Builder, PlannedBase, PlannedClass, PlannedModel, Released, Work, ids, noise_name, role_text};
use crate::bases;
use crate::jobs::dispatch::require_enough;
use crate::jobs::job::{JobHead, code_version};
use syntrace_base::base::{ClassId, Digest, Identity, JobId, ModelId, SplitId};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{JobKind, Regime, Role};
use syntrace_measure::audit::{OUTSIDE_KINDS, OUTSIDE_VERSION};
use syntrace_measure::privacy::Accountant;
use syntrace_model::model::Start;
use syntrace_model::model::shipped::shipped_bases;
use syntrace_spec::SplitSpec;

/// Version of the DP mechanism and its accounting: raised when the same seeds give other noise or another ledger.
/// 2: noise of 53 bits, gradients that are not finite count as zero. 3: ledgers name their mechanism,
/// noise is calibrated by the spec's accountant.
const MECHANISM_VERSION: i64 = 3;

impl Builder<'_> {
    pub(super) fn class(&mut self, class: &PlannedClass) -> Result<()> {
        let splits = self.splits(class)?;
        self.together.clear();
        // Generators that learn from others come after them.
        let mut order: Vec<usize> = (0..self.plan.generators.len()).collect();
        order.sort_by_key(|generator| self.plan.generators[*generator].learns_from.is_some());
        for generator in order {
            self.generator(class, generator, &splits)?;
        }
        Ok(())
    }

    /// Splits of a class: the target's, then each shadow's, as (role, split id, job index).
    fn splits(&mut self, class: &PlannedClass) -> Result<Vec<(Role, SplitId, usize)>> {
        let sizes = self.plan.spec.split;
        if let Some(traces) = class.traces_max {
            require_enough(usize::try_from(traces).unwrap_or(usize::MAX), sizes)
                .context(|| format!("class `{}/{}`", class.dataset, class.class))?;
        }
        let roles = std::iter::once(Role::Target).chain((0..sizes.shadows).map(Role::Shadow));
        let mut splits = Vec::new();
        for role in roles {
            let name = format!("{}/{}", class.dataset, class.class);
            let head = split_head((class.class_id, &name), &class.sources, role, sizes, self.plan.spec.seed);
            let split_id = SplitId::from(Identity::new("split").int(head.job_id.0).finish());
            let work = Work::Split { class_id: class.class_id, sources: class.sources.clone(), split_id, role };
            let index = self.add(head, work, class.source_indices.clone())?;
            splits.push((role, split_id, index));
        }
        Ok(splits)
    }

    /// The encode job of a class in a generator's encoding: (job, its index).
    fn encode(&mut self, class: &PlannedClass, generator: usize) -> Result<(JobId, usize)> {
        let encoding = self.plan.generators[generator].family.encoding();
        let spec = serde_json::json!({ "class": class.class_id.0, "encoding": encoding.name(), "options": encoding.options_json() });
        let label = format!("encode {}/{} {}", class.dataset, class.class, encoding.name());
        let head = JobHead::new(JobKind::Encode, label, &spec, ids(&class.sources), 0);
        let job = head.job_id;
        let work = Work::Encode { class_id: class.class_id, sources: class.sources.clone(), encoding };
        Ok((job, self.add(head, work, class.source_indices.clone())?))
    }

    /// The base of a generator on all public classes, where it needs one.
    pub(super) fn base(&mut self, generator: usize, public: &[PlannedClass]) -> Result<()> {
        let Some(base) = self.plan.generators[generator].family.base() else { return Ok(()) };
        if let Some(digest) = base.named {
            let table = self.plan.generators[generator].name.clone();
            return self.named_base(generator, digest).context(|| format!("[generator.{table}]"));
        }
        let name = self.plan.generators[generator].family.name();
        let (mut encodes, mut after) = (Vec::new(), Vec::new());
        for class in public {
            let (job, index) = self.encode(class, generator)?;
            encodes.push((class.class_id, job));
            after.push(index);
        }
        let inputs: Vec<i64> = encodes.iter().map(|(_, job)| job.0).collect();
        let spec = serde_json::json!({ "generator": name, "config": base.config_json });
        let head = JobHead::new(JobKind::Base, format!("base of {name}"), &spec, inputs, self.plan.spec.seed);
        let model_id = ModelId::from(Identity::new("base-model").int(head.job_id.0).finish());
        let planned = PlannedBase { model_id, generator, encodes, shipped: None };
        let done = match self.snapshot {
            Some(snapshot) => snapshot.model(model_id)?.is_some(),
            None => false,
        };
        let index = self.add(head, Work::Base { base: planned }, after)?;
        self.plan.generators[generator].base = Some((model_id, (!done).then_some(index)));
        Ok(())
    }

    /// The base with a digest, if a regime of the spec starts from it: from the study, or shipped with the program.
    fn named_base(&mut self, generator: usize, digest: Digest) -> Result<()> {
        let planned = &self.plan.generators[generator];
        let trained_as = |regime| planned.recipe(&self.plan.spec, regime).1;
        if !self.plan.spec.regimes.iter().any(|regime| planned.family.shares_base(trained_as(*regime))) {
            return Ok(());
        }
        let family = planned.family.name();
        let model_id = bases::base_id(family, &digest);
        let held = match self.snapshot {
            Some(snapshot) => snapshot.model(model_id)?.is_some(),
            None => false,
        };
        if held {
            self.plan.generators[generator].base = Some((model_id, None));
            return Ok(());
        }
        if !shipped_bases()?.iter().any(|base| base.manifest.family == family && base.digest() == digest.hex()) {
            return Err(Error::user(format!(
                "neither the study nor the program holds a base of `{family}` with digest `{}`",
                digest.hex()
            ))
            .hint(
                "`syntrace base list STUDY` lists the available ones, `syntrace base import STUDY FILE` imports one",
            ));
        }
        let spec = serde_json::json!({ "generator": family, "shipped": digest.hex() });
        let head = JobHead::new(JobKind::Base, format!("base of {family}"), &spec, Vec::new(), 0);
        let planned = PlannedBase { model_id, generator, encodes: Vec::new(), shipped: Some(digest) };
        let index = self.add(head, Work::Base { base: planned }, Vec::new())?;
        self.plan.generators[generator].base = Some((model_id, Some(index)));
        Ok(())
    }

    fn generator(&mut self, class: &PlannedClass, generator: usize, splits: &[(Role, SplitId, usize)]) -> Result<()> {
        let (encode, encode_index) = self.encode(class, generator)?;
        let regimes = self.regimes(generator);
        let says = !self.plan.generators[generator].family.attribute_kinds().is_empty();
        let outside = self.plan.attacked_from_outside(generator);
        let teaches = self.plan.teaches(generator);
        // Shadows serve attacks, and there is none on a generator that says nothing of traces and is not attacked from outside.
        let mut models = Vec::new();
        for regime in regimes {
            let serves = |role: Role| says || outside || teaches || role == Role::Target;
            for &(role, split_id, split_index) in splits.iter().filter(|(role, ..)| serves(*role)) {
                models.push((self.model(class, generator, regime, role, split_id)?, split_index));
            }
        }
        let trained = self.cohorts(generator, encode, encode_index, &models)?;
        let mut attributed = AttributedModels::default();
        for ((model, split_index), train_index) in models.iter().zip(&trained) {
            let with = |attribute| Attributed {
                model: model.clone(),
                split_index: *split_index,
                train_index: *train_index,
                attribute,
            };
            if says && model.role == Role::Target {
                self.one_run(model, *split_index, (encode, encode_index))?;
            }
            if says {
                attributed.inside.push(with(self.attribute(generator, model, encode, *train_index)?));
            }
            let synthesized = match model.role {
                Role::Target => self.synthesis(class, generator, model, *train_index)?,
                _ if outside || teaches => self.synthesize(generator, model, *train_index)?,
                _ => None,
            };
            if let Some((synthesize, index)) = synthesized.filter(|_| teaches && model.regime != Regime::None) {
                let released = Released { model: model.model_id, synthesize };
                self.released.push((model.clone(), released, index));
            }
            if let Some(synthesized) = synthesized.filter(|_| outside) {
                let attribute = self.outside_attribute(class, generator, model, synthesized, splits)?;
                attributed.outside.push(with(attribute));
            }
        }
        self.attacks(generator, (encode, encode_index), &attributed)
    }

    /// The regimes of the spec in which a generator can be trained.
    fn regimes(&self, generator: usize) -> Vec<Regime> {
        let family = &self.plan.generators[generator].family;
        self.plan.spec.regimes.iter().copied().filter(|regime| family.supports(*regime)).collect()
    }

    fn model(
        &self,
        class: &PlannedClass,
        generator: usize,
        regime: Regime,
        role: Role,
        split_id: SplitId,
    ) -> Result<PlannedModel> {
        let planned = &self.plan.generators[generator];
        let (traces, trained_as) = planned.recipe(&self.plan.spec, regime);
        let released = self.released_to(generator, regime, split_id)?;
        let ancestor = match planned.family.start(trained_as) {
            _ if released.is_some() => released.map_or(Ancestor::None, |(released, _)| Ancestor::Released(released)),
            Start::Fresh => Ancestor::None,
            Start::Base => Ancestor::Base,
            Start::NonPrivate if self.plan.spec.regimes.contains(&Regime::None) && regime != Regime::None => {
                let without = self.model(class, generator, Regime::None, role, split_id)?;
                Ancestor::NonPrivate(without.model_id)
            }
            Start::NonPrivate => {
                return Err(Error::user(format!(
                    "[generator.{}] fine-tunes the models of regime `none`, and the spec trains none",
                    planned.name
                ))
                .hint("set `regimes.none = true`, or another `start`"));
            }
        };
        let base = planned.base.filter(|_| planned.family.shares_base(trained_as)).map(|(model_id, _)| model_id);
        let mut identity = Identity::new("model")
            .text(&planned.name)
            .text(planned.family.name())
            .text(&planned.family.config_json(trained_as))
            .text(&planned.family.plan(traces, trained_as).identity())
            .int(split_id.0)
            .text(&regime.identity())
            .text(if regime == Regime::None { "none" } else { noise_name(self.plan.spec.noise) })
            .int(i64::from(code_version(JobKind::Train)))
            .bytes(&self.plan.spec.seed.to_le_bytes());
        if regime != Regime::None {
            identity = identity.text("mechanism").int(MECHANISM_VERSION);
            if self.plan.spec.accountant != Accountant::Pld {
                identity = identity.text("accountant").text(self.plan.spec.accountant.name());
            }
        }
        if let Some(base) = base {
            identity = identity.text("base").int(base.0);
        }
        if let Ancestor::NonPrivate(ancestor) = ancestor {
            identity = identity.text("from").int(ancestor.0);
        }
        if let Ancestor::Released(released) = ancestor {
            identity = identity.text("released").int(released.model.0).int(released.synthesize.0);
        }
        Ok(PlannedModel {
            model_id: ModelId::from(identity.finish()),
            generator,
            dataset: class.dataset.clone(),
            class: class.class.clone(),
            class_id: class.class_id,
            role,
            regime,
            split_id,
            seed: self.plan.spec.seed,
            base,
            ancestor,
        })
    }

    /// The traces that a model learns from instead of its members, and the index of the job that draws them.
    fn released_to(&self, generator: usize, regime: Regime, split_id: SplitId) -> Result<Option<(Released, usize)>> {
        let Some(teacher) = self.plan.generators[generator].learns_from.filter(|_| regime != Regime::None) else {
            return Ok(None);
        };
        let of_split =
            |model: &PlannedModel| model.generator == teacher && model.regime == regime && model.split_id == split_id;
        let found = self.released.iter().find(|(model, ..)| of_split(model));
        found.map(|(_, released, index)| Some((*released, *index))).ok_or_else(|| {
            let (own, teacher) = (&self.plan.generators[generator].name, &self.plan.generators[teacher].name);
            Error::user(format!(
                "[generator.{own}] learns from `{teacher}`, which is not trained in regime `{}`",
                regime.label()
            ))
        })
    }

    /// Train jobs: models of the same plan and start in fixed runs of the generator's cohort size, less
    /// those that are done. Gives the index of each model's job; `None` where the model is already in
    /// the study.
    fn cohorts(
        &mut self,
        generator: usize,
        encode: JobId,
        encode_index: usize,
        models: &[(PlannedModel, usize)],
    ) -> Result<Vec<Option<usize>>> {
        let mut trained: Vec<Option<usize>> = Vec::with_capacity(models.len());
        for run in self.runs(generator, models) {
            let number = self.cohort_number(generator);
            self.plan.cohort_of.extend(run.iter().map(|(model, _)| (model.model_id, number)));
            let mut missing = Vec::new();
            let mut after = vec![encode_index];
            after.extend(self.plan.generators[generator].base.and_then(|(_, index)| index));
            for (model, split_index) in run {
                let stored = match self.snapshot {
                    Some(snapshot) => snapshot.model(model.model_id)?.is_some(),
                    None => false,
                };
                if stored {
                    continue;
                }
                after.push(*split_index);
                if let Ancestor::NonPrivate(ancestor) = model.ancestor {
                    let earlier = models.iter().position(|(other, _)| other.model_id == ancestor);
                    after.extend(earlier.and_then(|at| trained.get(at).copied().flatten()));
                }
                after.extend(self.released_to(generator, model.regime, model.split_id)?.map(|(_, index)| index));
                missing.push(model.clone());
            }
            let index = if missing.is_empty() {
                self.plan.trained += 1;
                None
            } else {
                Some(self.train(generator, encode, after, &missing)?)
            };
            for (model, _) in run {
                trained.push(index.filter(|_| missing.iter().any(|other| other.model_id == model.model_id)));
            }
        }
        Ok(trained)
    }

    /// The number of the next cohort of a generator. A generator and those that learn from its traces share one cohort
    /// in each class, so that no second machine trains the teacher again with other noise.
    fn cohort_number(&mut self, generator: usize) -> u32 {
        let teaches = self.plan.teaches(generator).then_some(generator);
        let teacher = self.plan.generators[generator].learns_from.or(teaches);
        if let Some(number) = teacher.and_then(|teacher| self.together.get(&teacher)) {
            return *number;
        }
        let number = self.cohorts_planned;
        self.cohorts_planned += 1;
        self.together.extend(teacher.map(|teacher| (teacher, number)));
        number
    }

    /// Cuts models into cohorts: fixed whatever is already there, so that no result depends on it.
    fn runs<'m>(&self, generator: usize, models: &'m [(PlannedModel, usize)]) -> Vec<&'m [(PlannedModel, usize)]> {
        let family = &self.plan.generators[generator].family;
        let shape = |model: &PlannedModel| {
            let (traces, trained_as) = self.plan.recipe(generator, model.regime);
            (family.plan(traces, trained_as), std::mem::discriminant(&model.ancestor))
        };
        let alike = models.chunk_by(|(a, _), (b, _)| shape(a) == shape(b));
        alike.flat_map(|run| run.chunks(family.cohort_size().max(1))).collect()
    }

    fn train(&mut self, generator: usize, encode: JobId, after: Vec<usize>, models: &[PlannedModel]) -> Result<usize> {
        let planned = &self.plan.generators[generator];
        for model in models {
            // Accountant errors are reported before anything runs.
            let (traces, trained_as) = self.plan.recipe(generator, model.regime);
            self.plan.noise_multiplier(&planned.family.plan(traces, trained_as), trained_as)?;
        }
        let spec = serde_json::json!({
            "generator": planned.name,
            "family": planned.family.name(),
            "preset": planned.family.preset(),
            "models": models.iter().map(|model| model.model_id.0).collect::<Vec<_>>(),
        });
        let mut inputs: Vec<i64> = models.iter().map(|model| model.split_id.0).collect();
        inputs.push(encode.0);
        inputs.extend(models.iter().filter_map(|model| model.base).map(|base| base.0));
        for model in models {
            if let Ancestor::NonPrivate(ancestor) = model.ancestor {
                inputs.push(ancestor.0);
            }
            if let Ancestor::Released(released) = model.ancestor {
                inputs.extend([released.model.0, released.synthesize.0]);
            }
        }
        let label = match models {
            [model] => format!("train {}", model.label(&planned.name)),
            [first, ..] => {
                format!("train {} {}/{} cohort of {}", planned.name, first.dataset, first.class, models.len())
            }
            [] => return Err(Error::internal("a cohort without models")),
        };
        let head = JobHead::new(JobKind::Train, label, &spec, inputs, self.plan.spec.seed);
        self.add(head, Work::Train { models: models.to_vec(), encode }, after)
    }

    fn attribute(
        &mut self,
        generator: usize,
        model: &PlannedModel,
        encode: JobId,
        train: Option<usize>,
    ) -> Result<(JobId, usize)> {
        let planned = &self.plan.generators[generator];
        let spec = serde_json::json!({ "model": model.model_id.0, "kinds": planned.family.attribute_kinds() });
        let label = format!("attributes {}", model.label(&planned.name));
        let head =
            JobHead::new(JobKind::Attribute, label, &spec, vec![model.model_id.0, model.split_id.0, encode.0], 0);
        let job = head.job_id;
        let index = self.add(head, Work::Attribute { model: model.clone(), encode }, train.into_iter().collect())?;
        Ok((job, index))
    }

    /// Attributes of the traces of all splits from synthetic traces: (job, index).
    fn outside_attribute(
        &mut self,
        class: &PlannedClass,
        generator: usize,
        model: &PlannedModel,
        (synthesize, index): (JobId, usize),
        splits: &[(Role, SplitId, usize)],
    ) -> Result<(JobId, usize)> {
        let ids_of: Vec<SplitId> = splits.iter().map(|(_, split_id, _)| *split_id).collect();
        let name = model.label(&self.plan.generators[generator].name);
        let head = outside_head((model.model_id, &name), &class.sources, synthesize, &ids_of);
        let job = head.job_id;
        let after = splits.iter().map(|(.., split_index)| *split_index).chain([index]).collect();
        let (model, sources) = (model.clone(), class.sources.clone());
        let work = Work::Outside { model, sources, synthesize, splits: ids_of };
        Ok((job, self.add(head, work, after)?))
    }

    /// A model's synthetic traces, where the spec asks for any: (job, index).
    fn synthesize(
        &mut self,
        generator: usize,
        model: &PlannedModel,
        train: Option<usize>,
    ) -> Result<Option<(JobId, usize)>> {
        let count = self.plan.spec.synthetic_traces;
        if count == 0 {
            return Ok(None);
        }
        let spec = serde_json::json!({ "model": model.model_id.0, "traces": count });
        let label = format!("synthesize {}", model.label(&self.plan.generators[generator].name));
        let head = JobHead::new(JobKind::Synthesize, label, &spec, vec![model.model_id.0], self.plan.spec.seed);
        let job = head.job_id;
        let index = self.add(head, Work::Synthesize { model: model.clone(), count }, train.into_iter().collect())?;
        Ok(Some((job, index)))
    }

    /// A target's synthetic traces and what is measured of them.
    fn synthesis(
        &mut self,
        class: &PlannedClass,
        generator: usize,
        model: &PlannedModel,
        train: Option<usize>,
    ) -> Result<Option<(JobId, usize)>> {
        let Some((synthesize, index)) = self.synthesize(generator, model, train)? else { return Ok(None) };
        let name = self.plan.generators[generator].name.clone();
        self.targets.push(Target {
            model: model.clone(),
            sources: class.sources.clone(),
            synthesize: (synthesize, index),
        });

        let spec = serde_json::json!({ "model": model.model_id.0, "packets": self.plan.spec.traces.packets });
        let label = format!("fidelity {}", model.label(&name));
        let mut inputs = ids(&class.sources);
        inputs.extend([synthesize.0, model.split_id.0]);
        let head = JobHead::new(JobKind::Fidelity, label, &spec, inputs, 0);
        let work = Work::Fidelity { model: model.clone(), sources: class.sources.clone(), synthesize };
        self.add(head, work, vec![index])?;
        self.leakage(class, model, (synthesize, index))?;
        Ok(Some((synthesize, index)))
    }
}

/// The job that draws a split of a class (id, `dataset/class`) from the traces of some jobs.
pub(crate) fn split_head(
    (class_id, class): (ClassId, &str),
    sources: &[JobId],
    role: Role,
    sizes: SplitSpec,
    seed: u64,
) -> JobHead {
    let mut spec = serde_json::json!({
        "class": class_id.0,
        "role": role.name(),
        "shadow": role.shadow(),
        "members": sizes.members,
    });
    // The target's split is the same either way.
    if sizes.overlap
        && role != Role::Target
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("overlap".to_owned(), true.into());
    }
    JobHead::new(JobKind::Split, format!("split {class} {}", role_text(role)), &spec, ids(sources), seed)
}

/// The job that records what a model's synthetic traces say of the traces of some splits.
pub(crate) fn outside_head(
    (model, name): (ModelId, &str),
    sources: &[JobId],
    synthesize: JobId,
    splits: &[SplitId],
) -> JobHead {
    let spec = serde_json::json!({
        "version": OUTSIDE_VERSION,
        "model": model.0,
        "kinds": OUTSIDE_KINDS,
        "synthetic": synthesize.0,
        "splits": splits.iter().map(|split| split.0).collect::<Vec<_>>(),
    });
    let mut inputs = ids(sources);
    inputs.extend(splits.iter().map(|split| split.0).chain([model.0, synthesize.0]));
    JobHead::new(JobKind::Attribute, format!("attributes from synthetic traces {name}"), &spec, inputs, 0)
}
