//! Attack jobs of a generator's models.

use super::{Builder, PlannedModel, Work};
use crate::attack::AttackKind;
use crate::base::JobId;
use crate::error::{Error, Result, ResultExt};
use crate::pipeline::job::JobHead;
use crate::record::{JobKind, Role};
use crate::spec::closest;

impl Builder<'_> {
    pub(super) fn attacks(&mut self, generator: usize, models: &[(PlannedModel, (JobId, usize))]) -> Result<()> {
        if models.is_empty() {
            return Ok(());
        }
        let kinds = self.plan.generators[generator].family.attribute_kinds();
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
                    self.plan.generators[generator].name,
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
            .ok_or_else(|| Error::internal("an attack on a generator without attributes"));
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
