//! Joint privacy cost of the models of a release, composed from their stored ledgers.

use crate::jobs::load;
use std::collections::HashMap;
use syntrace_base::base::{ClassId, Delta, ModelId, SplitId};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{Mechanism, ModelRecord, PrivacyEvent, PrivacyUnit, Role};
use syntrace_measure::privacy::{Joint, Ledger, Released, joint, promise};
use syntrace_store::Snapshot;

/// Models that may share a member trace, and their joint privacy loss.
#[derive(Debug)]
pub struct ReleaseGroup {
    /// `os/mac`; several where classes share captures.
    pub classes: Vec<String>,
    /// Their splits: the same split, the same members.
    pub splits: Vec<SplitId>,
    /// What the joint epsilon is about.
    pub unit: PrivacyUnit,
    pub models: Vec<ReleasedModel>,
    /// Together.
    pub joint: Joint,
}

/// A model of a release.
#[derive(Debug)]
pub struct ReleasedModel {
    pub model_id: ModelId,
    /// `netssm os/mac eps4 target`
    pub name: String,
    /// The name of its guarantee.
    pub guarantee: &'static str,
    /// Its spent epsilon, if accounted.
    pub epsilon_spent: Option<f64>,
}

/// Composes the named models (by id, by name, or a part of a target's name), in groups of models that may share a
/// member: those of one class, and of classes that share a capture. Without names, all targets of each split. The
/// delta is the given one, or the smallest of the models'.
///
/// # Errors
/// `user` for a name that no model has, where nothing is promised, and where private models of a group have different units of
/// privacy; where no accountant has an answer.
pub fn release(snapshot: &Snapshot, names: &[String], delta: Option<Delta>) -> Result<Vec<ReleaseGroup>> {
    let models = Candidate::all(snapshot)?;
    let chosen: Vec<&Candidate> = match names {
        [] => models.iter().filter(|model| model.record.role == Role::Target).collect(),
        names => chosen(&models, names)?,
    };
    if chosen.is_empty() {
        return Err(Error::user("the study has no target models").hint("`syntrace run STUDY SPEC` trains them"));
    }
    let classes = class_groups(snapshot)?;
    let group_of = |model: &Candidate| match names {
        [] => model.record.split_id.0,
        _ => classes.get(&model.record.class_id).copied().unwrap_or(model.record.class_id.0),
    };
    // One delta for all groups of a named release, so that they can be compared.
    let smallest = chosen.iter().filter_map(|model| model.record.regime.delta()).min_by(f64::total_cmp);
    let delta = match (delta, names) {
        (None, [_, ..]) => smallest.map(Delta::new).transpose()?,
        (delta, _) => delta,
    };
    let mut groups: Vec<(i64, Vec<&Candidate>)> = Vec::new();
    for model in chosen {
        let key = group_of(model);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(model),
            None => groups.push((key, vec![model])),
        }
    }
    groups.into_iter().map(|(_, models)| group(snapshot, &models, delta)).collect()
}

/// A model that may be released.
struct Candidate {
    record: ModelRecord,
    class: String,
    name: String,
    hosts: bool,
}

impl Candidate {
    /// All models except bases, which were trained on no private traces, sorted by name.
    fn all(snapshot: &Snapshot) -> Result<Vec<Self>> {
        let classes: HashMap<ClassId, String> = snapshot
            .classes()?
            .into_iter()
            .map(|class| (class.class_id, format!("{}/{}", class.dataset, class.class)))
            .collect();
        let records = snapshot.models()?.into_iter().filter(|record| record.role != Role::Base);
        let mut models: Vec<Self> = records
            .map(|record| {
                let class = classes.get(&record.class_id).cloned().unwrap_or_else(|| "?".to_owned());
                let (generator, regime, role) = (&record.generator, record.regime.label(), record.role.label());
                let hosts = load::is_drawn_by_host(snapshot, &record)?;
                Ok(Self { name: format!("{generator} {class} {regime} {role}"), class, record, hosts })
            })
            .collect::<Result<_>>()?;
        models.sort_by(|a, b| (&a.class, &a.name, a.record.model_id).cmp(&(&b.class, &b.name, b.record.model_id)));
        Ok(models)
    }

    fn released(&self, snapshot: &Snapshot) -> Result<(Released, Option<f64>)> {
        let members = snapshot.split(self.record.split_id)?.map(|split| split.members);
        let (guarantee, _) = promise(&self.record, members);
        let ledger = match self.record.epsilon_spent {
            Some(_) => Some(ledger(snapshot, self.record.model_id).context(|| self.name.clone())?),
            None => None,
        };
        let delta = self.record.regime.delta();
        Ok((Released { guarantee, delta, members: members.map(u64::from), ledger }, self.record.epsilon_spent))
    }
}

/// Resolves names to models: any model by id or full name, else the targets whose name contains it.
fn chosen<'a>(models: &'a [Candidate], names: &[String]) -> Result<Vec<&'a Candidate>> {
    let mut taken = vec![false; models.len()];
    for name in names {
        let exact = |model: &Candidate| model.name == *name || model.record.model_id.0.to_string() == *name;
        let part = |model: &Candidate| model.record.role == Role::Target && model.name.contains(name.as_str());
        let by = |test: &dyn Fn(&Candidate) -> bool| -> Vec<bool> { models.iter().map(test).collect() };
        let found = Some(by(&exact)).filter(|found| found.contains(&true)).unwrap_or_else(|| by(&part));
        if !found.contains(&true) {
            let known: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
            let error = Error::user(format!("the study has no model `{name}`"));
            return Err(error.hint_near(name, &known, format!("it has: {}", known.join(", "))));
        }
        taken.iter_mut().zip(found).for_each(|(taken, found)| *taken |= found);
    }
    Ok(models.iter().zip(taken).filter(|(_, taken)| *taken).map(|(model, _)| model).collect())
}

/// Group number of each class; classes that share a capture have the same one, since their traces may be the same.
fn class_groups(snapshot: &Snapshot) -> Result<HashMap<ClassId, i64>> {
    let mut groups: HashMap<ClassId, i64> =
        snapshot.classes()?.into_iter().map(|class| (class.class_id, class.class_id.0)).collect();
    let mut first_of = HashMap::new();
    for ingest in snapshot.ingests()? {
        let first = *first_of.entry(ingest.capture_id).or_insert(ingest.class_id);
        let (Some(&to), Some(&from)) = (groups.get(&first), groups.get(&ingest.class_id)) else { continue };
        groups.values_mut().filter(|group| **group == from).for_each(|group| *group = to);
    }
    Ok(groups)
}

/// The unit of privacy of the private models of a group.
fn unit(models: &[&Candidate]) -> Result<PrivacyUnit> {
    let private = || models.iter().filter(|model| model.record.epsilon_spent.is_some());
    let of_hosts = private().find(|model| model.hosts);
    match (of_hosts, private().find(|model| !model.hosts)) {
        (None, _) => Ok(PrivacyUnit::Trace),
        (Some(_), None) => Ok(PrivacyUnit::Host { traces_max: 0 }),
        (Some(host), Some(trace)) => Err(Error::user(format!(
            "epsilons of different units do not add up: that of `{}` is about a host, that of `{}` about a trace",
            host.name, trace.name
        ))
        .hint("name models of one unit: `SELECT name, unit FROM models`")),
    }
}

fn group(snapshot: &Snapshot, models: &[&Candidate], delta: Option<Delta>) -> Result<ReleaseGroup> {
    let (mut classes, mut splits, mut parts, mut named) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for model in models {
        let (part, spent) = model.released(snapshot)?;
        named.push(ReleasedModel {
            model_id: model.record.model_id,
            name: model.name.clone(),
            guarantee: part.guarantee,
            epsilon_spent: spent,
        });
        classes.push(model.class.clone());
        splits.push(model.record.split_id);
        parts.push(part);
    }
    classes.dedup();
    splits.sort_unstable();
    splits.dedup();
    Ok(ReleaseGroup { classes, splits, unit: unit(models)?, models: named, joint: joint(&parts, delta)? })
}

/// The stored events of a model, in their order. Whatever they released, those with equal noise are one.
fn ledger(snapshot: &Snapshot, model: ModelId) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    for event in load::privacy_events(snapshot, model)? {
        ledger.record(PrivacyEvent { phase: String::new(), mechanism: Mechanism::Gaussian, ..event });
    }
    if ledger.steps() == 0 {
        return Err(Error::damaged("a model that has spent an epsilon has no event in `privacy_ledger`"));
    }
    Ok(ledger)
}
