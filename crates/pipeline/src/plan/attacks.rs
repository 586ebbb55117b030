//! Attack jobs of a generator's models, and the reference attributes that joint attacks read.

use super::attack_table::{AttackChoice, Attacked};
use super::planned::{AttackGroup, PlannedAttack, PlannedModel};
use super::{Builder, JobRef, Work};
use crate::jobs::attack::{attack_head, attack_label};
use crate::jobs::job::JobHead;
use syntrace_base::base::{ModelId, SplitId};
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, Role, WHOLE};
use syntrace_measure::audit::OUTSIDE_KINDS;

/// A model with its attributes.
#[derive(Debug, Clone)]
pub(super) struct Attributed {
    pub model: PlannedModel,
    /// Index of the job that draws its split.
    pub split_index: usize,
    /// Index of the job that trains it, where that is missing.
    pub train_index: Option<usize>,
    /// The job that records its attributes.
    pub attribute: JobRef,
}

/// The models of a generator and a class, by the source of the attributes that attacks read.
#[derive(Debug, Default)]
pub(super) struct AttributedModels {
    /// Attributes from the models themselves.
    pub inside: Vec<Attributed>,
    /// Attributes from their synthetic traces.
    pub outside: Vec<Attributed>,
    /// What the models say of every position.
    pub whole: Vec<Attributed>,
}

impl Builder<'_> {
    /// Reads the attacks of the spec.
    pub(super) fn choices(&self) -> Result<Vec<AttackChoice>> {
        let choices = self.plan.spec.attacks.iter().map(AttackChoice::parse).collect::<Result<Vec<_>>>()?;
        let generators: Vec<Attacked<'_>> = (0..self.plan.generators.len()).map(|at| self.attacked(at)).collect();
        choices.iter().try_for_each(|choice| choice.check(&generators))?;
        Ok(choices)
    }

    fn attacked(&self, generator: usize) -> Attacked<'_> {
        let planned = &self.plan.generators[generator];
        let outside = self.plan.attacked_from_outside(generator).then_some(OUTSIDE_KINDS);
        let own = planned.family.attribute_kinds().iter().copied();
        let whole = self.plan.whole(generator).map(|whole| whole.kind);
        Attacked {
            name: &planned.name,
            family: planned.family.name(),
            kinds: own.chain(whole).chain(outside.into_iter().flatten()).collect(),
            overlap: self.plan.spec.split.overlap,
            told: &[],
        }
    }

    /// The attacks of the spec on a generator; omitted attacks are noted once with the reason.
    fn on_generator(&mut self, generator: usize) -> Result<Vec<PlannedAttack>> {
        let (mut attacks, mut notes) = (Vec::new(), Vec::new());
        for choice in self.choices()?.iter().filter(|choice| choice.concerns(&self.plan.generators[generator].name)) {
            match choice.on(&self.attacked(generator))? {
                Ok(attack) => attacks.push(attack),
                Err(note) => notes.push(note),
            }
        }
        for note in notes {
            if !self.plan.notes.contains(&note) {
                self.plan.notes.push(note);
            }
        }
        Ok(attacks)
    }

    pub(super) fn attacks(&mut self, generator: usize, encode: JobRef, models: &AttributedModels) -> Result<()> {
        let is_outside = |attack: &PlannedAttack| OUTSIDE_KINDS.contains(&attack.attribute.as_str());
        let (outside, inside): (Vec<_>, Vec<_>) = self.on_generator(generator)?.into_iter().partition(is_outside);
        let (whole, inside) = inside.into_iter().partition(|attack| attack.attribute.starts_with(WHOLE));
        self.inside_attacks(generator, encode, &models.inside, inside)?;
        self.outside_attacks(generator, &models.outside, outside)?;
        self.own_attacks(generator, &models.whole, &whole)
    }

    /// Attacks on attributes from synthetic traces: the jobs that record these cover traces of the other splits too.
    fn outside_attacks(&mut self, generator: usize, models: &[Attributed], attacks: Vec<PlannedAttack>) -> Result<()> {
        for group in models.chunk_by(|a, b| a.model.regime == b.model.regime) {
            let recorded = group.iter().map(|member| (member.model.model_id, member.attribute));
            let recorded: Vec<(ModelId, JobRef)> = recorded.collect();
            for attack in &attacks {
                self.group_attack(generator, attack, group, &recorded)?;
            }
        }
        Ok(())
    }

    /// Attacks on what models say of every position, each on its own split alone.
    fn own_attacks(&mut self, generator: usize, models: &[Attributed], attacks: &[PlannedAttack]) -> Result<()> {
        for group in models.chunk_by(|a, b| a.model.regime == b.model.regime) {
            attacks.iter().try_for_each(|attack| self.group_attack(generator, attack, group, &[]))?;
        }
        Ok(())
    }

    fn inside_attacks(
        &mut self,
        generator: usize,
        encode: JobRef,
        models: &[Attributed],
        attacks: Vec<PlannedAttack>,
    ) -> Result<()> {
        let mut joint: Vec<String> = attacks
            .iter()
            .filter(|attack| attack.attack.needs_references())
            .map(|attack| attack.attribute.clone())
            .collect();
        joint.sort();
        joint.dedup();
        for group in models.chunk_by(|a, b| a.model.regime == b.model.regime) {
            let references = self.references(generator, encode, group, &joint)?;
            for attack in &attacks {
                self.group_attack(generator, attack, group, &references)?;
            }
        }
        Ok(())
    }

    /// An attack on the target of a group of models of one regime.
    fn group_attack(
        &mut self,
        generator: usize,
        attack: &PlannedAttack,
        group: &[Attributed],
        references: &[(ModelId, JobRef)],
    ) -> Result<()> {
        let Some(target) = group.iter().find(|member| member.model.role == Role::Target) else { return Ok(()) };
        let joins = attack.attack.needs_references();
        let shadows = group.iter().filter(|member| member.model.role != Role::Target);
        let read = AttackGroup {
            target: (target.model.clone(), target.attribute.id),
            shadows: shadows.map(|shadow| (shadow.model.clone(), shadow.attribute.id)).collect(),
            references: references.iter().filter(|_| joins).map(|(model, job)| (*model, job.id)).collect(),
        };
        let mut after: Vec<usize> = group.iter().map(|member| member.attribute.index).collect();
        after.extend(references.iter().filter(|_| joins).map(|(_, job)| job.index));
        let label = attack_label(attack, &self.plan.generators[generator].name, &target.model);
        let head = attack_head(attack, &read, label, self.plan.spec.seed);
        self.add(head, Work::Attack { attack: attack.clone(), group: read }, after)?;
        Ok(())
    }

    /// Jobs that record what each model of a group says about the traces of the other models' splits,
    /// where an attack compares models.
    fn references(
        &mut self,
        generator: usize,
        encode: JobRef,
        group: &[Attributed],
        kinds: &[String],
    ) -> Result<Vec<(ModelId, JobRef)>> {
        let mut jobs = Vec::new();
        if kinds.is_empty() {
            return Ok(jobs);
        }
        let splits: Vec<SplitId> = group.iter().map(|member| member.model.split_id).collect();
        for member in group {
            let model = &member.model;
            let spec = serde_json::json!({
                "model": model.model_id.0,
                "kinds": kinds,
                "outside": model.split_id.0,
                "splits": splits.iter().map(|split| split.0).collect::<Vec<_>>(),
            });
            let mut inputs: Vec<i64> = splits.iter().map(|split| split.0).collect();
            inputs.extend([model.model_id.0, encode.id.0]);
            let label = format!("reference attributes {}", model.label(&self.plan.generators[generator].name));
            let head = JobHead::new(JobKind::Attribute, label, &spec, inputs, 0);
            let mut after: Vec<usize> = group.iter().map(|other| other.split_index).collect();
            after.push(encode.index);
            after.extend(member.train_index);
            let (splits, kinds) = (splits.clone(), kinds.to_vec());
            let work = Work::Reference { model: model.clone(), encode: encode.id, splits, kinds };
            jobs.push((model.model_id, self.add(head, work, after)?));
        }
        Ok(jobs)
    }
}
