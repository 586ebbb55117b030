//! What each kind of job does: load, call the stage, commit.

use super::job::{JobHead, Start};
use super::plan::{Plan, PlannedJob, PlannedModel, Work};
use super::rows::{self, EncodingRow};
use super::{ingest, load, quality, train};
use crate::attack::{self, AttackKind, AttributeTable};
use crate::base::{AttackId, ClassId, Identity, JobId, Progress, SplitId, TraceId, map_ordered};
use crate::encoding::EncodingKind;
use crate::error::{Error, Result};
use crate::eval;
use crate::record::{AttackRecord, EvaluatedOn, Part, Role, SplitRecord};
use crate::store::{JobResult, StoreWriter};
use rand::seq::SliceRandom;

/// What a job runs with.
pub(super) struct Context<'a> {
    pub store: &'a StoreWriter,
    pub plan: &'a Plan,
    /// Seconds between checkpoints of a training.
    pub checkpoint_seconds: f64,
}

/// Runs one job and commits its result.
pub(super) fn run_job(context: &Context<'_>, job: &PlannedJob, progress: &dyn Progress) -> Result<()> {
    let (store, head) = (context.store, &job.head);
    match &job.work {
        Work::IngestFile { options, path } => ingest::ingest_file(store, options, path).map(|_| ()),
        Work::Simulate { options, flows } => ingest::simulate_class(store, options, head, *flows),
        Work::Encode { class_id, sources, encoding } => encode(store, head, *class_id, sources, encoding),
        Work::Split { class_id, sources, split_id, role } => {
            split(store, head, *class_id, sources, (*split_id, *role), context.plan.spec.split.members)
        }
        Work::Base { base } => train::base(context, head, base, progress),
        Work::Train { models, encode } => train::train(context, head, models, *encode, progress),
        Work::Attribute { model, encode } => train::attributes(context, head, model, *encode),
        Work::Attack { attack, target, shadows, attribute } => {
            run_attack(store, head, *attack, target, shadows, attribute)
        }
        Work::Synthesize { model, count } => train::synthesize(context, head, model, *count, progress),
        Work::Fidelity { model, sources, synthesize } => quality::fidelity(context, head, model, sources, *synthesize),
        Work::Utility { utility } => quality::utility(context, head, utility),
    }
}

fn encode(
    store: &StoreWriter,
    head: &JobHead,
    class_id: ClassId,
    sources: &[JobId],
    encoding: &EncodingKind,
) -> Result<()> {
    let start = Start::now();
    let traces = load::traces(&store.snapshot()?, class_id, sources)?;
    let mut result = JobResult::new(head.record(start));
    for run in rows::runs(&traces) {
        let encoded: Vec<EncodingRow> = map_ordered(run, |trace| {
            let encoded = encoding.encode(trace);
            EncodingRow { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
        });
        result.segments.push(rows::encodings_segment(class_id.0, encoding.name(), &encoded)?);
    }
    result.job = head.record(start);
    store.commit(result)?;
    Ok(())
}

/// The paper's protocol (section 3.3.3): the class is halved once; the target's members and held-out
/// traces come from the first half, each shadow's are drawn from the second, without overlap between
/// members and held-out traces, with overlap between shadows.
pub(super) fn draw_split(
    pool: &[TraceId],
    role: Role,
    members: usize,
    half_seed: crate::base::Seed,
    draw_seed: crate::base::Seed,
) -> Result<Vec<(TraceId, Part)>> {
    let mut shuffled = pool.to_vec();
    shuffled.shuffle(&mut half_seed.rng());
    let (first, second) = shuffled.split_at(shuffled.len() / 2);
    let half = if role == Role::Target { first } else { second };
    if half.len() < 2 * members {
        return Err(Error::user(format!(
            "a split of {members} members and {members} held-out traces needs {} traces in the class, found {}",
            4 * members,
            pool.len()
        ))
        .hint(match pool.len() / 4 {
            0 | 1 => "give the class more traces".to_owned(),
            most => format!("set `split.members` to at most {most}, or give the class more traces"),
        }));
    }
    let mut drawn = half.to_vec();
    drawn.shuffle(&mut draw_seed.rng());
    drawn.truncate(2 * members);
    Ok(drawn
        .into_iter()
        .enumerate()
        .map(|(index, trace)| (trace, if index < members { Part::Member } else { Part::HeldOut }))
        .collect())
}

fn split(
    store: &StoreWriter,
    head: &JobHead,
    class_id: ClassId,
    sources: &[JobId],
    (split_id, role): (SplitId, Role),
    members: u32,
) -> Result<()> {
    let start = Start::now();
    let pool = load::trace_ids(&store.snapshot()?, class_id, sources)?;
    let digest = pool.iter().fold(Identity::new("pool"), |identity, trace| identity.int(trace.0)).finish();
    // All roles of a class must agree on the halves, so their seed names the pool and not the job.
    let half_seed = crate::base::Seed::root(head.seed).named("halves").numbered(digest.id63() as u64);
    let drawn = draw_split(&pool, role, members as usize, half_seed, head.derived_seed())?;
    let mut result = JobResult::new(head.record(start));
    result.splits.push(SplitRecord { split_id, class_id, role, members, held_out: members, pool_digest: digest.0 });
    result.segments.push(rows::split_segment(split_id.0, &drawn)?);
    store.commit(result)?;
    Ok(())
}

fn attribute_table(
    snapshot: &crate::store::Snapshot,
    models: &[(PlannedModel, JobId)],
    attribute: &str,
    kind: AttackKind,
) -> Result<AttributeTable> {
    let mut table = AttributeTable::default();
    for (model, job) in models {
        let rows = load::attributes(snapshot, model.model_id, *job, attribute)?;
        for row in rows {
            table.width = row.values.len();
            table.traces.push(row.trace_id);
            table.models.push(model.model_id);
            table.member.push(row.member);
            // Of imported attributes the loss may be unknown: only an attack that reads it needs it.
            table.loss.push(match row.loss {
                None if kind == AttackKind::Threshold => return Err(without_loss(model, attribute)),
                loss => loss.unwrap_or(0.0),
            });
            table.values.extend_from_slice(&row.values);
        }
    }
    Ok(table)
}

fn without_loss(model: &PlannedModel, attribute: &str) -> Error {
    Error::user(format!("model {} has no losses beside its attribute `{attribute}`", model.model_id))
        .hint("import losses with the attributes, or choose an attack that reads the attribute")
}

fn run_attack(
    store: &StoreWriter,
    head: &JobHead,
    kind: AttackKind,
    target: &(PlannedModel, JobId),
    shadows: &[(PlannedModel, JobId)],
    attribute: &str,
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let shadow_table = attribute_table(&snapshot, shadows, attribute, kind)?;
    let target_table = attribute_table(&snapshot, std::slice::from_ref(target), attribute, kind)?;
    let attack = kind.attack();
    let references = AttributeTable::default();
    let evidence = attack::Evidence { shadows: &shadow_table, target: &target_table, references: &references };
    let outcome = attack::run_attack(attack.as_ref(), &evidence, head.derived_seed())?;
    let mut result = JobResult::new(head.record(start));
    for (evaluated_on, side) in
        [(EvaluatedOn::ShadowTest, &outcome.shadow_test), (EvaluatedOn::Target, &outcome.target)]
    {
        let attack_id = AttackId::from(Identity::new("attack").int(head.job_id.0).text(evaluated_on.name()).finish());
        let scored: Vec<eval::Scored> = side
            .score
            .iter()
            .zip(&side.member)
            .map(|(score, member)| eval::Scored { score: f64::from(*score), member: *member })
            .collect();
        let seed = head.derived_seed().named("intervals").named(evaluated_on.name());
        let leakage = eval::leakage(&scored, f64::from(outcome.threshold), seed)?;
        let scores: Vec<(TraceId, i64, bool, f32)> = (0..side.score.len())
            .map(|row| (side.trace[row], side.model[row].0, side.member[row], side.score[row]))
            .collect();
        let corners: Vec<(f64, f64, f64)> =
            leakage.roc.corners().iter().map(|corner| (corner.threshold, corner.fpr, corner.tpr)).collect();
        result.segments.push(rows::scores_segment(attack_id, &scores)?);
        result.segments.push(rows::roc_segment(attack_id, &corners)?);
        result.attacks.push(AttackRecord {
            attack_id,
            attack: kind.name().to_owned(),
            options: attack.options(),
            attribute: attribute.to_owned(),
            evaluated_on,
            target_model: target.0.model_id,
            shadow_models: shadows.iter().map(|(model, _)| model.model_id).collect(),
            class_id: target.0.class_id,
            regime: target.0.regime,
            job_id: head.job_id,
            n: leakage.n,
            n_members: leakage.n_members,
            precision: leakage.precision,
            recall: leakage.recall,
            fpr: leakage.fpr,
            auc: leakage.auc,
            balanced_accuracy: leakage.balanced_accuracy,
            tpr_at_1pct_fpr: leakage.tpr_at_1pct_fpr,
            tpr_at_0_1pct_fpr: leakage.tpr_at_0_1pct_fpr,
            confidence: eval::CONFIDENCE,
            interval_method: eval::INTERVAL_METHOD.to_owned(),
        });
    }
    result.job = head.record(start);
    store.commit(result)?;
    Ok(())
}
