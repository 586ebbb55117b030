//! Splits, bases, cohorts, attributes and synthesis of a class.

use super::attacks::{Attributed, AttributedModels};
use super::utility::Target;
use super::{
    Ancestor, Builder, JobRef, PlannedBase, PlannedClass, PlannedModel, PlannedSplit, Released, Work, ids, noise_name,
    role_text,
};
use crate::bases;
use crate::jobs::job::{JobHead, code_version};
use crate::jobs::split::require_enough;
use syntrace_base::base::{ClassId, Digest, Identity, JobId, ModelId, SplitId};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{JobKind, PrivacyUnit, Regime, Role};
use syntrace_measure::audit::{OUTSIDE_KINDS, OUTSIDE_VERSION};
use syntrace_measure::privacy::Accountant;
use syntrace_model::model::Start;
use syntrace_model::model::shipped::shipped_bases;
use syntrace_spec::SplitSpec;
use syntrace_traffic::anonymise::ANONYMISATION_VERSION;

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

    /// Splits of a class: the target's, then each shadow's.
    fn splits(&mut self, class: &PlannedClass) -> Result<Vec<PlannedSplit>> {
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
            let index = self.add(head, work, class.source_indices.clone())?.index;
            splits.push(PlannedSplit { role, split_id, index });
        }
        Ok(splits)
    }

    /// The job that encodes a class, as it is or anonymised, in a generator's encoding.
    fn encode(&mut self, class: &PlannedClass, generator: usize, anonymised: bool) -> Result<JobRef> {
        let encoding = self.plan.generators[generator].family.encoding();
        let mut spec = serde_json::json!({ "class": class.class_id.0, "encoding": encoding.name(), "options": encoding.options_json() });
        let mut label = format!("encode {}/{} {}", class.dataset, class.class, encoding.name());
        if let Some(spec) = spec.as_object_mut().filter(|_| anonymised) {
            spec.insert("anonymised".to_owned(), ANONYMISATION_VERSION.into());
            label.push_str(" anonymised");
        }
        let head = JobHead::new(JobKind::Encode, label, &spec, ids(&class.sources), 0);
        let work = Work::Encode { class_id: class.class_id, sources: class.sources.clone(), encoding, anonymised };
        self.add(head, work, class.source_indices.clone())
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
            let encode = self.encode(class, generator, false)?;
            encodes.push((class.class_id, encode.id));
            after.push(encode.index);
        }
        let inputs: Vec<i64> = encodes.iter().map(|(_, job)| job.0).collect();
        let spec = serde_json::json!({ "generator": name, "config": base.config_json });
        let head = JobHead::new(JobKind::Base, format!("base of {name}"), &spec, inputs, self.plan.spec.seed);
        let model_id = ModelId::from(Identity::new("base-model").int(head.job_id.0).finish());
        let planned = PlannedBase { model_id, generator, encodes, shipped: None };
        let done = self.holds(model_id)?;
        let index = self.add(head, Work::Base { base: planned }, after)?.index;
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
        if self.holds(model_id)? {
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
        let index = self.add(head, Work::Base { base: planned }, Vec::new())?.index;
        self.plan.generators[generator].base = Some((model_id, Some(index)));
        Ok(())
    }

    /// Trains a generator's models on the splits of a class, and attacks and measures them.
    fn generator(&mut self, class: &PlannedClass, generator: usize, splits: &[PlannedSplit]) -> Result<()> {
        let anonymised = |regime: &Regime| *regime == Regime::Anonymised;
        let (anonymised, as_is): (Vec<Regime>, Vec<Regime>) = self.regimes(generator).into_iter().partition(anonymised);
        if !as_is.is_empty() || anonymised.is_empty() {
            self.trained(class, generator, splits, &as_is)?;
        }
        if !anonymised.is_empty() {
            self.trained(class, generator, splits, &anonymised)?;
        }
        Ok(())
    }

    /// The models of regimes that read the same encoding of the class.
    fn trained(
        &mut self,
        class: &PlannedClass,
        generator: usize,
        splits: &[PlannedSplit],
        regimes: &[Regime],
    ) -> Result<()> {
        let encode = self.encode(class, generator, regimes.contains(&Regime::Anonymised))?;
        let says = !self.plan.generators[generator].family.attribute_kinds().is_empty();
        let outside = self.plan.attacked_from_outside(generator);
        let teaches = self.plan.teaches(generator);
        // Shadows serve attacks, and there is none on a generator that says nothing of traces and is not attacked from outside.
        let serves = |role: Role| says || outside || teaches || role == Role::Target;
        let mut models = Vec::new();
        for &regime in regimes {
            for split in splits.iter().filter(|split| serves(split.role)) {
                models.push((self.model(class, generator, regime, *split)?, split.index));
            }
        }
        let trained = self.cohorts(generator, encode, &models)?;
        let mut attributed = AttributedModels::default();
        for ((model, split_index), train_index) in models.iter().zip(&trained) {
            let with = |attribute| Attributed {
                model: model.clone(),
                split_index: *split_index,
                train_index: *train_index,
                attribute,
            };
            if says && model.role == Role::Target {
                self.one_run(model, *split_index, encode)?;
            }
            if says {
                attributed.inside.push(with(self.attribute(generator, model, encode.id, *train_index)?));
            }
            if let Some(whole) = self.whole_attribute(generator, model, encode.id, *train_index)? {
                attributed.whole.push(with(whole));
            }
            let synthesized = match model.role {
                Role::Target => self.synthesis(class, generator, model, *train_index)?,
                _ if outside || teaches => self.synthesize(generator, model, *train_index)?,
                _ => None,
            };
            let Some(synthesize) = synthesized else { continue };
            if teaches && model.regime.is_private() {
                let released = Released { model: model.model_id, synthesize: synthesize.id };
                self.released.push((model.clone(), released, synthesize.index));
            }
            if outside {
                attributed.outside.push(with(self.outside_attribute(class, generator, model, synthesize, splits)?));
            }
        }
        self.attacks(generator, encode, &attributed)
    }

    /// The regimes of the spec in which a generator can be trained.
    fn regimes(&self, generator: usize) -> Vec<Regime> {
        let family = &self.plan.generators[generator].family;
        self.plan.spec.regimes.iter().copied().filter(|regime| family.supports(regime.of_training())).collect()
    }

    /// The model of a generator on a split of a class, in a regime.
    fn model(
        &self,
        class: &PlannedClass,
        generator: usize,
        regime: Regime,
        split: PlannedSplit,
    ) -> Result<PlannedModel> {
        let planned = &self.plan.generators[generator];
        let (_, trained_as) = planned.recipe(&self.plan.spec, regime);
        let base = planned.base.filter(|_| planned.family.shares_base(trained_as)).map(|(model_id, _)| model_id);
        let ancestor = self.ancestor(class, generator, regime, split)?;
        Ok(PlannedModel {
            model_id: self.model_id(generator, regime, split.split_id, base, ancestor),
            generator,
            dataset: class.dataset.clone(),
            class: class.class.clone(),
            class_id: class.class_id,
            role: split.role,
            regime,
            split_id: split.split_id,
            seed: self.plan.spec.seed,
            base,
            ancestor,
        })
    }

    /// What the training of a model starts from, or learns from instead of its members.
    fn ancestor(
        &self,
        class: &PlannedClass,
        generator: usize,
        regime: Regime,
        split: PlannedSplit,
    ) -> Result<Ancestor> {
        if let Some((released, _)) = self.released_to(generator, regime, split.split_id)? {
            return Ok(Ancestor::Released(released));
        }
        let planned = &self.plan.generators[generator];
        let (_, trained_as) = planned.recipe(&self.plan.spec, regime);
        match planned.family.start(trained_as) {
            Start::Fresh => Ok(Ancestor::None),
            Start::Base => Ok(Ancestor::Base),
            Start::NonPrivate if regime != Regime::None && self.plan.spec.regimes.contains(&Regime::None) => {
                let without = self.model(class, generator, Regime::None, split)?;
                Ok(Ancestor::NonPrivate(without.model_id))
            }
            Start::NonPrivate => Err(Error::user(format!(
                "[generator.{}] fine-tunes the models of regime `none`, and the spec trains none",
                planned.name
            ))
            .hint("set `regimes.none = true`, or another `start`")),
        }
    }

    /// The hash of all that a model's weights depend on.
    fn model_id(
        &self,
        generator: usize,
        regime: Regime,
        split_id: SplitId,
        base: Option<ModelId>,
        ancestor: Ancestor,
    ) -> ModelId {
        let planned = &self.plan.generators[generator];
        let spec = &self.plan.spec;
        let (traces, trained_as) = planned.recipe(spec, regime);
        let mut identity = Identity::new("model")
            .text(&planned.name)
            .text(planned.family.name())
            .text(&planned.family.config_json(trained_as))
            .text(&planned.family.plan(traces, trained_as).identity())
            .int(split_id.0)
            .text(&regime.identity())
            .text(if regime.is_private() { noise_name(spec.noise) } else { "none" })
            .int(i64::from(code_version(JobKind::Train)))
            .bytes(&spec.seed.to_le_bytes());
        if regime == Regime::Anonymised {
            identity = identity.int(i64::from(ANONYMISATION_VERSION));
        }
        if regime.is_private() {
            identity = identity.text("mechanism").int(MECHANISM_VERSION);
            if spec.accountant != Accountant::Pld {
                identity = identity.text("accountant").text(spec.accountant.name());
            }
        }
        if let PrivacyUnit::Host { traces_max } = spec.split.unit {
            identity = identity.text("host").int(i64::from(traces_max));
        }
        if let Some(base) = base {
            identity = identity.text("base").int(base.0);
        }
        let identity = match ancestor {
            Ancestor::None | Ancestor::Base => identity,
            Ancestor::NonPrivate(ancestor) => identity.text("from").int(ancestor.0),
            Ancestor::Released(released) => identity.text("released").int(released.model.0).int(released.synthesize.0),
        };
        ModelId::from(identity.finish())
    }

    /// The traces that a model learns from instead of its members, and the index of the job that draws them.
    fn released_to(&self, generator: usize, regime: Regime, split_id: SplitId) -> Result<Option<(Released, usize)>> {
        let Some(teacher) = self.plan.generators[generator].learns_from.filter(|_| regime.is_private()) else {
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
        encode: JobRef,
        models: &[(PlannedModel, usize)],
    ) -> Result<Vec<Option<usize>>> {
        let mut trained: Vec<Option<usize>> = Vec::with_capacity(models.len());
        for run in self.runs(generator, models) {
            let number = self.cohort_number(generator);
            self.plan.cohort_of.extend(run.iter().map(|(model, _)| (model.model_id, number)));
            let mut missing = Vec::new();
            let mut after = vec![encode.index];
            after.extend(self.plan.generators[generator].base.and_then(|(_, index)| index));
            for (model, split_index) in run {
                if self.holds(model.model_id)? {
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
                Some(self.train(generator, encode.id, after, &missing)?)
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
        let mut spec = serde_json::json!({
            "generator": planned.name,
            "family": planned.family.name(),
            "preset": planned.family.preset(),
            "models": models.iter().map(|model| model.model_id.0).collect::<Vec<_>>(),
        });
        self.plan.spec.split.unit.write_into(&mut spec);
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
        Ok(self.add(head, Work::Train { models: models.to_vec(), encode }, after)?.index)
    }

    fn attribute(
        &mut self,
        generator: usize,
        model: &PlannedModel,
        encode: JobId,
        train: Option<usize>,
    ) -> Result<JobRef> {
        let planned = &self.plan.generators[generator];
        let spec = serde_json::json!({ "model": model.model_id.0, "kinds": planned.family.attribute_kinds() });
        let label = format!("attributes {}", model.label(&planned.name));
        let head =
            JobHead::new(JobKind::Attribute, label, &spec, vec![model.model_id.0, model.split_id.0, encode.0], 0);
        self.add(head, Work::Attribute { model: model.clone(), encode }, train.into_iter().collect())
    }

    /// What a model says of every position, where the spec asks for it.
    fn whole_attribute(
        &mut self,
        generator: usize,
        model: &PlannedModel,
        encode: JobId,
        train: Option<usize>,
    ) -> Result<Option<JobRef>> {
        let Some(whole) = self.plan.whole(generator) else { return Ok(None) };
        let spec = serde_json::json!({ "model": model.model_id.0, "whole": whole.kind });
        let label = format!("whole attributes {}", model.label(&self.plan.generators[generator].name));
        let head =
            JobHead::new(JobKind::Attribute, label, &spec, vec![model.model_id.0, model.split_id.0, encode.0], 0);
        self.add(head, Work::Whole { model: model.clone(), encode }, train.into_iter().collect()).map(Some)
    }

    /// Attributes of the traces of all splits from synthetic traces.
    fn outside_attribute(
        &mut self,
        class: &PlannedClass,
        generator: usize,
        model: &PlannedModel,
        synthesize: JobRef,
        splits: &[PlannedSplit],
    ) -> Result<JobRef> {
        let ids_of: Vec<SplitId> = splits.iter().map(|split| split.split_id).collect();
        let name = model.label(&self.plan.generators[generator].name);
        let head = outside_head((model.model_id, &name), &class.sources, synthesize.id, &ids_of);
        let after = splits.iter().map(|split| split.index).chain([synthesize.index]).collect();
        let (model, sources) = (model.clone(), class.sources.clone());
        let work = Work::Outside { model, sources, synthesize: synthesize.id, splits: ids_of };
        self.add(head, work, after)
    }

    /// The job that draws a model's synthetic traces, where the spec asks for any.
    fn synthesize(&mut self, generator: usize, model: &PlannedModel, train: Option<usize>) -> Result<Option<JobRef>> {
        let count = self.plan.spec.synthetic_traces;
        if count == 0 {
            return Ok(None);
        }
        let spec = serde_json::json!({ "model": model.model_id.0, "traces": count });
        let label = format!("synthesize {}", model.label(&self.plan.generators[generator].name));
        let head = JobHead::new(JobKind::Synthesize, label, &spec, vec![model.model_id.0], self.plan.spec.seed);
        self.add(head, Work::Synthesize { model: model.clone(), count }, train.into_iter().collect()).map(Some)
    }

    /// A target's synthetic traces and what is measured of them.
    fn synthesis(
        &mut self,
        class: &PlannedClass,
        generator: usize,
        model: &PlannedModel,
        train: Option<usize>,
    ) -> Result<Option<JobRef>> {
        let Some(synthesize) = self.synthesize(generator, model, train)? else { return Ok(None) };
        let name = self.plan.generators[generator].name.clone();
        self.targets.push(Target { model: model.clone(), sources: class.sources.clone(), synthesize });

        let spec = serde_json::json!({ "model": model.model_id.0, "packets": self.plan.spec.traces.packets });
        let label = format!("fidelity {}", model.label(&name));
        let mut inputs = ids(&class.sources);
        inputs.extend([synthesize.id.0, model.split_id.0]);
        let head = JobHead::new(JobKind::Fidelity, label, &spec, inputs, 0);
        let work = Work::Fidelity { model: model.clone(), sources: class.sources.clone(), synthesize: synthesize.id };
        self.add(head, work, vec![synthesize.index])?;
        self.leakage(class, model, synthesize)?;
        Ok(Some(synthesize))
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
    sizes.unit.write_into(&mut spec);
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
