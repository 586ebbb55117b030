//! Attacks on an existing study: over stored attributes, without training, encoding or sampling anything.

use super::attack::{attack_head, attack_label};
use super::load;
use crate::plan::attack_table::{AttackChoice, Attacked};
use crate::plan::{AttackGroup, Plan, PlannedAttack, PlannedJob, PlannedModel, Work};
use crate::transfer::import::{empty_spec, kinds_without_zero, planned_model};
use std::collections::{BTreeMap, HashSet};
use syntrace_base::base::{JobId, ModelId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{JobRecord, ModelRecord, Role};
use syntrace_spec::StageSpec;
use syntrace_store::Snapshot;
use syntrace_store::schema::{ATTRIBUTES, WHOLE_ATTRIBUTES};

/// Placeholder for the number of packets of a generator that is only queried for its attribute kinds.
const ANY_PACKETS: u32 = 10;

/// One model of the study.
struct Member {
    record: ModelRecord,
    planned: PlannedModel,
    /// Family of its generator; the generator's name if unknown.
    family: String,
    /// Attribute kinds of an import whose values are defined only up to a per-model constant.
    without_zero: Vec<String>,
    seed: u64,
}

/// The attacks of a spec on every group of models (generator, class, regime) of a study, as a plan to be
/// [run](crate::run); what the study holds already is marked as done, and the plan's notes say what was
/// left out and why.
pub fn reattack(snapshot: &Snapshot, attacks: &[StageSpec]) -> Result<Plan> {
    let choices = attacks.iter().map(AttackChoice::parse).collect::<Result<Vec<_>>>()?;
    if choices.is_empty() {
        return Err(Error::user("expected at least one [attack.NAME], found none"));
    }
    let mut plan = Plan::bare(empty_spec());
    let groups = groups(snapshot)?;
    let mut seen = Vec::new();
    for group in &groups {
        let kinds = kinds(snapshot, group)?;
        seen.push((group.first().map(|member| member.record.generator.clone()).unwrap_or_default(), kinds));
    }
    let names: Vec<Vec<&str>> =
        seen.iter().map(|(_, kinds)| kinds.iter().map(|(kind, _)| kind.as_str()).collect()).collect();
    let all: Vec<Attacked<'_>> = seen
        .iter()
        .zip(&names)
        .map(|((name, _), kinds)| Attacked { name, family: name, kinds: kinds.clone(), overlap: false, told: &[] })
        .collect();
    choices.iter().try_for_each(|choice| choice.check(&all))?;
    for ((group, (name, kinds)), names) in groups.iter().zip(&seen).zip(&names) {
        let Some(first) = group.first() else { continue };
        let (overlap, told) = (overlaps(snapshot, group)?, &first.without_zero);
        let attacked = Attacked { name, family: &first.family, kinds: names.clone(), overlap, told };
        for choice in choices.iter().filter(|choice| choice.concerns(name)) {
            match choice.on(&attacked)? {
                Ok(attack) => add_attack(snapshot, &mut plan, group, name, kinds, attack)?,
                Err(note) => note_once(&mut plan, note),
            }
        }
    }
    Ok(plan)
}

fn note_once(plan: &mut Plan, note: String) {
    if !plan.notes.contains(&note) {
        plan.notes.push(note);
    }
}

/// Models that were trained alike on splits of one class, target first, then shadows by index.
fn groups(snapshot: &Snapshot) -> Result<Vec<Vec<Member>>> {
    let jobs: BTreeMap<JobId, JobRecord> = snapshot.jobs()?.into_iter().map(|job| (job.job_id, job)).collect();
    let mut groups: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for record in snapshot.models()?.into_iter().filter(|model| model.role != Role::Base) {
        let job = jobs.get(&record.train_job);
        let seed = job.map_or(0, |job| job.seed);
        let settings = job.map(|job| job.settings()).transpose()?.unwrap_or_default();
        let family = settings.get("family").and_then(|family| family.as_str());
        let family = family.map_or_else(|| record.generator.clone(), str::to_owned);
        // Splits of hosts and of traces have members of different kinds.
        let hosts = settings.get("host_traces").map(ToString::to_string).unwrap_or_default();
        let key = format!(
            "{} {} {} {:?} {} {} {} {hosts}",
            record.generator, record.config, record.class_id, record.regime, record.preset, record.sampling_rate, seed
        );
        let planned = planned_model(snapshot, &record, seed)?;
        let without_zero = job.map_or_else(|| Ok(Vec::new()), kinds_without_zero)?;
        groups.entry(key).or_default().push(Member { record, planned, family, without_zero, seed });
    }
    let mut groups: Vec<Vec<Member>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|member| (member.record.role, member.record.model_id));
    }
    Ok(groups)
}

/// Attribute kinds that the target has, its generator's default first, each with the job of every model.
fn kinds(snapshot: &Snapshot, group: &[Member]) -> Result<Vec<(String, BTreeMap<ModelId, JobId>)>> {
    let mut jobs: BTreeMap<String, BTreeMap<ModelId, JobId>> = BTreeMap::new();
    for member in group {
        for table in [&ATTRIBUTES, &WHOLE_ATTRIBUTES] {
            for (kind, job) in load::attribute_kinds(snapshot, table, member.record.model_id)? {
                jobs.entry(kind).or_default().insert(member.record.model_id, job);
            }
        }
    }
    let declared: Vec<String> = group
        .first()
        .and_then(|member| syntrace_model::model::generator(&member.family, &serde_json::Map::new(), ANY_PACKETS).ok())
        .map(|generator| generator.attribute_kinds().iter().map(|kind| (*kind).to_owned()).collect())
        .unwrap_or_default();
    let mut kinds: Vec<(String, BTreeMap<ModelId, JobId>)> = jobs.into_iter().collect();
    kinds.sort_by_key(|(kind, _)| declared.iter().position(|other| other == kind).unwrap_or(usize::MAX));
    Ok(kinds)
}

/// Was a shadow trained on a trace of the target's split?
fn overlaps(snapshot: &Snapshot, group: &[Member]) -> Result<bool> {
    let Some(target) = group.iter().find(|member| member.record.role == Role::Target) else { return Ok(false) };
    let (members, held_out) = load::split(snapshot, target.record.split_id)?;
    let own: HashSet<_> = members.into_iter().chain(held_out).collect();
    for shadow in group.iter().filter(|member| member.record.role != Role::Target) {
        let (members, _) = load::split(snapshot, shadow.record.split_id)?;
        if members.iter().any(|trace| own.contains(trace)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn add_attack(
    snapshot: &Snapshot,
    plan: &mut Plan,
    group: &[Member],
    generator: &str,
    kinds: &[(String, BTreeMap<ModelId, JobId>)],
    attack: PlannedAttack,
) -> Result<()> {
    let Some((_, jobs)) = kinds.iter().find(|(kind, _)| *kind == attack.attribute) else { return Ok(()) };
    let with_job = |member: &Member| Some((member.planned.clone(), *jobs.get(&member.record.model_id)?));
    let targets: Vec<&Member> = group.iter().filter(|member| member.record.role == Role::Target).collect();
    let shadows: Vec<_> =
        group.iter().filter(|member| member.record.role != Role::Target).filter_map(with_job).collect();
    for target in targets {
        let label = target.planned.label(generator);
        let Some(of_target) = with_job(target).filter(|_| !shadows.is_empty()) else {
            note_once(plan, format!("no attack `{}` on {label}: it has no shadows with attributes", attack.name));
            continue;
        };
        let mut read = AttackGroup { target: of_target, shadows: shadows.clone(), references: Vec::new() };
        if attack.attack.needs_references() {
            let Some(references) = load::reference_jobs(snapshot, &read.model_ids(), &attack.attribute)? else {
                note_once(
                    plan,
                    format!(
                        "no attack `{}` on targets of {generator} without stored attributes on traces outside each \
                         model's split (`syntrace run` with this attack in the spec records them, without training)",
                        attack.name
                    ),
                );
                continue;
            };
            read.references = references;
        }
        let head = attack_head(&attack, &read, attack_label(&attack, generator, &target.planned), target.seed);
        let done = snapshot.job(head.job_id)?.is_some();
        let work = Work::Attack { attack: attack.clone(), group: read };
        if !plan.jobs.iter().any(|job| job.head.job_id == head.job_id) {
            plan.jobs.push(PlannedJob { head, work, after: Vec::new(), done, elsewhere: false });
        }
    }
    Ok(())
}
