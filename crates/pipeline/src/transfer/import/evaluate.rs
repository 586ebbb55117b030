//! Plans the evaluation of imported models: attacks where a target and shadows have an attribute kind in common,
//! fidelity and utility where a target has synthetic traces.

use super::names;
use crate::ingest::default_cut;
use crate::jobs::attack::{attack_head, attack_label};
use crate::jobs::job::JobHead;
use crate::jobs::load;
use crate::plan::models::outside_head;
use crate::plan::utility::{asks, utility_head, utility_label};
use crate::plan::{
    Ancestor, AttackGroup, Plan, PlannedAttack, PlannedJob, PlannedModel, PlannedUtility, UtilityClass, Work,
};
use crate::rows;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use syntrace_attack::attack::AttackKind;
use syntrace_base::base::{JobId, ModelId, SplitId, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::{IMPORTED, IngestRecord, JobKind, JobRecord, ModelRecord, PrivacyUnit, Role, WithoutZero};
use syntrace_measure::audit::{OUTSIDE_KINDS, outside_scalars};
use syntrace_measure::privacy::Accountant;
use syntrace_spec::{AuditSpec, Augment, Forecaster, NoiseSource, Spec, SplitSpec};
use syntrace_store::Snapshot;
use syntrace_store::schema::{ATTRIBUTES, SYNTHETIC_PACKETS, TRACES};

/// What was omitted and why, as text.
pub type EvaluationNotes = Vec<String>;

/// The attacks and measurements of the groups (generator, class, regime) that some imported models belong
/// to, as a plan to be [run](crate::run); what the study holds already is marked as done.
pub fn evaluation(
    snapshot: &Snapshot,
    imported: &[ModelId],
    attacks: &[AttackKind],
) -> Result<(Plan, EvaluationNotes)> {
    let all: Vec<ModelRecord> = snapshot.models()?.into_iter().filter(|model| model.preset == IMPORTED).collect();
    let mut plan = Plan::bare(empty_spec());
    plan.spec.traces.packets = trace_packets(snapshot, &all)?;
    let mut notes = Vec::new();
    let mut seen: Vec<ModelId> = Vec::new();
    for model in all.iter().filter(|model| imported.contains(&model.model_id)) {
        if seen.contains(&model.model_id) {
            continue;
        }
        let group = all.iter().filter(|other| {
            other.generator == model.generator && other.class_id == model.class_id && other.regime == model.regime
        });
        let mut group: Vec<Member> = group.map(|model| Member::load(snapshot, model)).collect::<Result<_>>()?;
        seen.extend(group.iter().map(|member| member.planned.model_id));
        outside_jobs(snapshot, &mut group, &mut plan)?;
        attack_jobs(snapshot, &group, attacks, &mut plan, &mut notes)?;
        for target in group.iter().filter(|member| member.planned.role == Role::Target) {
            fidelity_job(snapshot, target, &mut plan, &mut notes)?;
        }
    }
    utility_jobs(snapshot, &all, imported, &mut plan)?;
    Ok((plan, notes))
}

/// Packets that the real traces of the models' classes have at most.
fn trace_packets(snapshot: &Snapshot, models: &[ModelRecord]) -> Result<u32> {
    let ingests = snapshot.ingests()?;
    let of_models = ingests.iter().filter(|ingest| models.iter().any(|model| model.class_id == ingest.class_id));
    Ok(of_models.map(|ingest| ingest.trace_packets).max().unwrap_or(default_cut().packets))
}

/// Downstream models, for each dataset, generator and regime over all classes of which there is a target
/// with synthetic traces, and the baselines on their real traces.
fn utility_jobs(snapshot: &Snapshot, all: &[ModelRecord], imported: &[ModelId], plan: &mut Plan) -> Result<()> {
    let mut groups: Vec<PlannedUtility> = Vec::new();
    let targets = all.iter().filter(|model| model.role == Role::Target);
    for model in targets {
        if snapshot.segments_of(&SYNTHETIC_PACKETS, model.model_id.0)?.is_empty() {
            continue;
        }
        let member = Member::load(snapshot, model)?;
        let alike = |other: &&ModelRecord| {
            other.generator == model.generator && other.regime == model.regime && imported.contains(&other.model_id)
        };
        let new = all.iter().filter(alike).map(|other| names::class_name(snapshot, other.class_id));
        let datasets: Vec<String> = new.map(|name| name.map(|name| name.0)).collect::<Result<_>>()?;
        if !datasets.contains(&member.planned.dataset) {
            continue;
        }
        for generator in [None, Some((model.generator.clone(), model.regime))] {
            let class = UtilityClass {
                class: member.planned.class.clone(),
                class_id: model.class_id,
                sources: split_sources(snapshot, &member.planned)?,
                split_id: model.split_id,
                synthetic: generator.is_some().then_some((model.model_id, model.train_job)),
            };
            let dataset = member.planned.dataset.clone();
            let known = |group: &&mut PlannedUtility| group.dataset == dataset && group.generator == generator;
            match groups.iter_mut().find(known) {
                Some(group) if group.classes.iter().any(|one| one.class_id == class.class_id) => {}
                Some(group) => group.classes.push(class),
                None => groups.push(PlannedUtility { dataset, generator, classes: vec![class], augmentation: false }),
            }
        }
    }
    // Baselines tell of a dataset, not of a generator: one set of them is enough.
    let jobs = snapshot.jobs()?;
    if let Some(augment) = augment_asked(&jobs)? {
        plan.spec.augment = augment;
        // classification needs at least two classes
        let more = groups.iter().filter(|group| group.classes.len() > 1).cloned();
        let more: Vec<PlannedUtility> = more.map(|group| PlannedUtility { augmentation: true, ..group }).collect();
        groups.extend(more);
    }
    for utility in groups {
        let mut there = false;
        for job in jobs.iter().filter(|job| utility.generator.is_none() && job.kind == JobKind::Utility) {
            there |= is_baseline(job, &plan.spec, &utility)?;
        }
        if there {
            continue;
        }
        let head = utility_head(&plan.spec, &utility, 0);
        add(snapshot, plan, head, Work::Utility { utility })?;
    }
    Ok(())
}

/// What synthetic traces of the study were last added to: an imported model stands beside them.
fn augment_asked(jobs: &[JobRecord]) -> Result<Option<Augment>> {
    let asked = |settings: &serde_json::Value| {
        let augment = settings.get("augment")?;
        let shares = augment["shares"].as_array()?.iter().filter_map(serde_json::Value::as_f64).collect();
        let draws = u32::try_from(augment["draws"].as_u64()?).ok()?;
        Some(Augment { shares, draws })
    };
    let mut last = None;
    for job in jobs.iter().filter(|job| job.kind == JobKind::Utility) {
        if let Some(augment) = asked(&job.settings()?)
            && last.as_ref().is_none_or(|(started_us, _)| *started_us <= job.started_us)
        {
            last = Some((job.started_us, augment));
        }
    }
    Ok(last.map(|(_, augment)| augment))
}

/// Does a job evaluate real traces with the requested options?
fn is_baseline(job: &JobRecord, asked: &Spec, baseline: &PlannedUtility) -> Result<bool> {
    let (key, value) = asks(asked, baseline.augmentation);
    Ok(job.label == utility_label(baseline) && job.settings()?.get(key) == Some(&value))
}

/// A spec that asks for nothing, for plans that are made of what a study holds.
pub(crate) fn empty_spec() -> Spec {
    Spec {
        name: "import".to_owned(),
        seed: 0,
        threads: None,
        device: None,
        whole_attributes: false,
        datasets: Vec::new(),
        traces: default_cut(),
        split: SplitSpec { members: 0, shadows: 0, overlap: false, unit: PrivacyUnit::Trace },
        regimes: Vec::new(),
        noise: NoiseSource::System,
        accountant: Accountant::Pld,
        generators: Vec::new(),
        attacks: Vec::new(),
        synthetic_traces: 0,
        synthetic_shadows: syntrace_spec::SyntheticShadows::Of(Vec::new()),
        // The defaults of a spec, so that imported models are measured like the study's own.
        forecaster: Forecaster::Small,
        augment: Augment::none(),
        audit: AuditSpec { one_run: false },
    }
}

/// The attribute kinds that an import declares as defined only up to a per-model constant.
pub(crate) fn kinds_without_zero(import: &JobRecord) -> Result<Vec<String>> {
    let spec = import.settings()?;
    let files = spec["files"]["attributes"].as_array().cloned().unwrap_or_default();
    let told = files.iter().filter(|file| file["zero"] == false);
    Ok(told.filter_map(|file| file["kind"].as_str().map(str::to_owned)).collect())
}

/// A stored model as attacks and measurements see it: nothing here trains or samples.
pub(crate) fn planned_model(snapshot: &Snapshot, model: &ModelRecord, seed: u64) -> Result<PlannedModel> {
    let (dataset, class) = names::class_name(snapshot, model.class_id)?;
    Ok(PlannedModel {
        model_id: model.model_id,
        // No generator of a plan.
        generator: usize::MAX,
        dataset,
        class,
        class_id: model.class_id,
        role: model.role,
        regime: model.regime,
        split_id: model.split_id,
        seed,
        base: None,
        ancestor: Ancestor::None,
    })
}

/// One model of a group with what it can be attacked by.
struct Member {
    planned: PlannedModel,
    generator: String,
    job: JobId,
    kinds: BTreeMap<String, KindFacts>,
    /// The job that records what its synthetic traces say of real ones, and its place in the plan; `None` where nothing is
    /// held out, or there are none.
    outside: Option<(JobId, usize)>,
}

/// What is known of one attribute kind of one model.
#[derive(Debug, Clone, Copy)]
struct KindFacts {
    width: usize,
    all_losses: bool,
    both_sides: bool,
    without_zero: bool,
}

impl Member {
    fn load(snapshot: &Snapshot, model: &ModelRecord) -> Result<Self> {
        let planned = planned_model(snapshot, model, 0)?;
        let mut kinds = BTreeMap::new();
        for segment in snapshot.segments_of(&ATTRIBUTES, model.model_id.0)? {
            if segment.job_id == model.train_job {
                let columns = rows::Columns::read(snapshot, &ATTRIBUTES, &segment, &[])?;
                for fact in rows::attribute_facts(&columns)? {
                    let (width, loss, member) = (fact.width, fact.has_loss, fact.member);
                    let entry = kinds.entry(fact.kind).or_insert((width, true, false, false));
                    *entry = (width, entry.1 && loss, entry.2 || member, entry.3 || !member);
                }
            }
        }
        let told = snapshot.job(model.train_job)?.as_ref().map_or_else(|| Ok(Vec::new()), kinds_without_zero)?;
        let facts = |(kind, (width, all_losses, members, held_out)): (String, _)| {
            let without_zero = told.contains(&kind);
            (kind, KindFacts { width, all_losses, both_sides: members && held_out, without_zero })
        };
        let kinds = kinds.into_iter().map(facts).collect();
        Ok(Self { planned, generator: model.generator.clone(), job: model.train_job, kinds, outside: None })
    }

    fn label(&self) -> String {
        self.planned.label(&self.generator)
    }
}

fn add(snapshot: &Snapshot, plan: &mut Plan, head: JobHead, work: Work) -> Result<()> {
    let done = snapshot.job(head.job_id)?.is_some();
    plan.jobs.push(PlannedJob { head, work, after: Vec::new(), done, elsewhere: false });
    Ok(())
}

fn attack_jobs(
    snapshot: &Snapshot,
    group: &[Member],
    attacks: &[AttackKind],
    plan: &mut Plan,
    notes: &mut EvaluationNotes,
) -> Result<()> {
    for target in group.iter().filter(|member| member.planned.role == Role::Target) {
        if target.kinds.is_empty() && target.outside.is_none() {
            let (_, held_out) = load::split(snapshot, target.planned.split_id)?;
            let why = match held_out.is_empty() {
                true => "no trace is held out",
                false => "it has neither attributes nor synthetic traces",
            };
            notes.push(format!("no attack on {}: {why}", target.label()));
        }
        // An attack on the losses alone does not depend on the attribute kind that they are stored with.
        let mut by_loss = HashSet::new();
        for (kind, facts) in &target.kinds {
            let mut shadows: Vec<&Member> = group
                .iter()
                .filter(|member| member.planned.role != Role::Target && member.kinds.contains_key(kind))
                .collect();
            shadows.sort_by_key(|member| member.planned.role);
            if let Some(note) = cannot_attack(target, kind, *facts, &shadows) {
                notes.push(note);
                continue;
            }
            let losses = facts.all_losses && shadows.iter().all(|shadow| shadow.kinds[kind].all_losses);
            let compared = load::reference_jobs(snapshot, &group_of(target, &shadows).model_ids(), kind)?;
            if compared.is_none() && attacks.iter().any(|attack| attack.needs_references()) {
                notes.push(format!(
                    "no attacks `lira` and `rmia` on {} by `{kind}`: they need `reference_attributes` of it and of all its shadows",
                    target.label()
                ));
            }
            let overlaps = overlap(snapshot, target, &shadows)?;
            let possible = |attack: &&AttackKind| {
                (compared.is_some() || !attack.needs_references()) && (overlaps || !attack.attack().needs_overlap())
            };
            for attack in attacks.iter().filter(possible) {
                if attack.attack().reads_loss() && (!losses || !by_loss.insert(*attack)) {
                    if !losses {
                        notes.push(format!(
                            "no attack `{}` on {}: `{kind}` has no losses",
                            attack.name(),
                            target.label()
                        ));
                    }
                    continue;
                }
                let without_zero = WithoutZero { loss: facts.without_zero, values: facts.without_zero };
                let mut group = group_of(target, &shadows);
                if attack.needs_references() {
                    group.references = compared.clone().unwrap_or_default();
                }
                let planned = PlannedAttack::preset(*attack, kind, without_zero);
                attack_job(snapshot, target, group, planned, Vec::new(), plan)?;
            }
        }
        outside_attacks(snapshot, target, group, attacks, plan)?;
    }
    Ok(())
}

/// Plans, for each model with synthetic traces and held-out ones, what the former say of all listed traces of its group.
fn outside_jobs(snapshot: &Snapshot, group: &mut [Member], plan: &mut Plan) -> Result<()> {
    let mut splits: Vec<SplitId> = group.iter().map(|member| member.planned.split_id).collect();
    splits.sort_unstable();
    splits.dedup();
    for member in group {
        let model = &member.planned;
        let (members, held_out) = load::split(snapshot, model.split_id)?;
        let is_empty = snapshot.segments_of(&SYNTHETIC_PACKETS, model.model_id.0)?.is_empty();
        if is_empty || members.is_empty() || held_out.is_empty() {
            continue;
        }
        let sources = class_sources(snapshot, model, &split_sources(snapshot, model)?)?;
        let head = outside_head((model.model_id, &member.label()), &sources, member.job, &splits);
        member.outside = Some((head.job_id, plan.jobs.len()));
        let (model, synthesize) = (member.planned.clone(), member.job);
        add(snapshot, plan, head, Work::Outside { model, sources, synthesize, splits: splits.clone() })?;
    }
    Ok(())
}

/// Attacks by what synthetic traces say. Without shadows there is only a threshold on numbers whose direction is known.
fn outside_attacks(
    snapshot: &Snapshot,
    target: &Member,
    group: &[Member],
    attacks: &[AttackKind],
    plan: &mut Plan,
) -> Result<()> {
    let Some((target_job, target_index)) = target.outside else { return Ok(()) };
    let mut shadows: Vec<&Member> =
        group.iter().filter(|member| member.planned.role != Role::Target && member.outside.is_some()).collect();
    shadows.sort_by_key(|member| member.planned.role);
    let of_shadows: Vec<(JobId, usize)> = shadows.iter().filter_map(|shadow| shadow.outside).collect();
    let after: Vec<usize> = of_shadows.iter().map(|(_, index)| *index).chain([target_index]).collect();
    let with_job = |(member, job): (&&Member, JobId)| (member.planned.clone(), job);
    let read = AttackGroup {
        target: (target.planned.clone(), target_job),
        shadows: shadows.iter().zip(of_shadows.iter().map(|(job, _)| *job)).map(with_job).collect(),
        references: Vec::new(),
    };
    let overlaps = overlap(snapshot, target, &shadows)?;
    let compared = other_traces(snapshot, target, &shadows)?;
    for (kind, attack) in OUTSIDE_KINDS.iter().flat_map(|kind| attacks.iter().map(move |attack| (*kind, *attack))) {
        let terms = attack.attack();
        let possible = match shadows.is_empty() {
            // The first by name is the one that counts (`attack_strength`): chosen beforehand, not by its result.
            true => attack == AttackKind::Threshold && kind != "synthetic_marginals",
            false => (compared || !attack.needs_references()) && (overlaps || !terms.needs_overlap()),
        };
        if possible {
            let mut group = read.clone();
            if attack.needs_references() {
                let all = std::iter::once(&group.target).chain(&group.shadows);
                group.references = all.map(|(model, job)| (model.model_id, *job)).collect();
            }
            let mut planned = PlannedAttack::preset(attack, kind, WithoutZero::default());
            // Nothing is learnt from shadows then: what has one is held against reference traces.
            let scalars = outside_scalars(kind);
            if shadows.is_empty() && scalars.iter().any(|scalar| scalar.name == "ratio") {
                let ratio = [("statistic".to_owned(), "ratio".into())].into_iter().collect();
                planned.attack = attack.with(&ratio, &scalars)?.map_or(planned.attack, Arc::new);
            }
            attack_job(snapshot, target, group, planned, after.clone(), plan)?;
        }
    }
    Ok(())
}

/// Was a shadow trained on a listed trace of the target?
fn overlap(snapshot: &Snapshot, target: &Member, shadows: &[&Member]) -> Result<bool> {
    let own = listed(snapshot, target)?;
    for shadow in shadows {
        let (members, _) = load::split(snapshot, shadow.planned.split_id)?;
        if members.iter().any(|trace| own.contains(trace)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Does every model of a group list a trace that another one does not?
fn other_traces(snapshot: &Snapshot, target: &Member, shadows: &[&Member]) -> Result<bool> {
    let lists = std::iter::once(target).chain(shadows.iter().copied()).map(|member| listed(snapshot, member));
    let lists = lists.collect::<Result<Vec<_>>>()?;
    let all: HashSet<TraceId> = lists.iter().flatten().copied().collect();
    Ok(lists.iter().all(|list| list.len() < all.len()))
}

fn listed(snapshot: &Snapshot, member: &Member) -> Result<HashSet<TraceId>> {
    let (members, held_out) = load::split(snapshot, member.planned.split_id)?;
    Ok(members.into_iter().chain(held_out).collect())
}

fn cannot_attack(target: &Member, kind: &str, facts: KindFacts, shadows: &[&Member]) -> Option<String> {
    let label = target.label();
    if shadows.is_empty() {
        return Some(format!("no attack on {label} by `{kind}`: no shadow of it has this attribute kind"));
    }
    if !facts.both_sides {
        return Some(format!("no attack on {label} by `{kind}`: it is known of members or of held-out traces only"));
    }
    let other = shadows.iter().find(|shadow| shadow.kinds[kind].width != facts.width)?;
    let width = other.kinds[kind].width;
    Some(format!("no attack on {label} by `{kind}`: it has {} values, that of {} {width}", facts.width, other.label()))
}

fn group_of(target: &Member, shadows: &[&Member]) -> AttackGroup {
    AttackGroup {
        target: (target.planned.clone(), target.job),
        shadows: shadows.iter().map(|shadow| (shadow.planned.clone(), shadow.job)).collect(),
        references: Vec::new(),
    }
}

fn attack_job(
    snapshot: &Snapshot,
    target: &Member,
    group: AttackGroup,
    planned: PlannedAttack,
    after: Vec<usize>,
    plan: &mut Plan,
) -> Result<()> {
    let label = attack_label(&planned, &target.generator, &target.planned);
    let head = attack_head(&planned, &group, label, 0);
    let done = snapshot.job(head.job_id)?.is_some();
    let work = Work::Attack { attack: planned, group };
    plan.jobs.push(PlannedJob { head, work, after, done, elsewhere: false });
    Ok(())
}

fn fidelity_job(snapshot: &Snapshot, target: &Member, plan: &mut Plan, notes: &mut EvaluationNotes) -> Result<()> {
    let model = &target.planned;
    if snapshot.segments_of(&SYNTHETIC_PACKETS, model.model_id.0)?.is_empty() {
        notes.push(format!("no fidelity of {}: it has no synthetic traces", target.label()));
        return Ok(());
    }
    let sources = split_sources(snapshot, model)?;
    let spec = serde_json::json!({ "model": model.model_id.0 });
    let mut inputs: Vec<i64> = sources.iter().map(|job| job.0).collect();
    inputs.extend([target.job.0, model.split_id.0]);
    let head = JobHead::new(JobKind::Fidelity, format!("fidelity {}", target.label()), &spec, inputs, 0);
    let work = Work::Fidelity { model: model.clone(), sources: sources.clone(), synthesize: target.job };
    add(snapshot, plan, head, work)?;
    // A claimed synthetic trace may be a copy of any real trace of the class, also from captures without listed traces.
    let sources = class_sources(snapshot, model, &sources)?;
    let mut inputs: Vec<i64> = sources.iter().map(|job| job.0).collect();
    inputs.extend([target.job.0, model.split_id.0]);
    let head = JobHead::new(JobKind::Leakage, format!("leakage {}", target.label()), &spec, inputs, 0);
    add(snapshot, plan, head, Work::Leakage { model: model.clone(), sources, synthesize: target.job })
}

/// The jobs that cut the traces of a model's class: those of its split, and of every other capture one.
fn class_sources(snapshot: &Snapshot, model: &PlannedModel, of_split: &[JobId]) -> Result<Vec<JobId>> {
    let own: Vec<_> = snapshot.ingests()?.into_iter().filter(|ingest| ingest.class_id == model.class_id).collect();
    let known = |ingest: &&IngestRecord| of_split.contains(&ingest.job_id);
    let mut captures: HashSet<_> = own.iter().filter(known).map(|ingest| ingest.capture_id).collect();
    let cut: HashSet<_> = own.iter().filter(known).map(|ingest| ingest.trace_packets).collect();
    let mut sources = of_split.to_vec();
    // Of captures that were cut several times the traces that are as long.
    let (alike, others): (Vec<_>, Vec<_>) = own.iter().partition(|ingest| cut.contains(&ingest.trace_packets));
    for ingest in alike.into_iter().chain(others) {
        if captures.insert(ingest.capture_id) {
            sources.push(ingest.job_id);
        }
    }
    sources.sort_unstable();
    Ok(sources)
}

/// The jobs that cut the traces of a split.
fn split_sources(snapshot: &Snapshot, model: &PlannedModel) -> Result<Vec<JobId>> {
    let (members, held_out) = load::split(snapshot, model.split_id)?;
    let wanted: HashSet<_> = members.into_iter().chain(held_out).collect();
    let mut sources = Vec::new();
    for segment in snapshot.segments_of(&TRACES, model.class_id.0)? {
        let ids = rows::trace_ids(&rows::Columns::read(snapshot, &TRACES, &segment, &["trace_id"])?)?;
        if ids.iter().any(|id| wanted.contains(id)) {
            sources.push(segment.job_id);
        }
    }
    sources.sort_unstable();
    sources.dedup();
    Ok(sources)
}
