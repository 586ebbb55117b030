//! What each kind of job does: load, call the stage, commit.

use super::attack::run_attack;
use super::context::Context;
use super::job::{JobHead, Start};
use super::{leakage, load, outside, quality};
use crate::plan::{PlannedJob, Work};
use crate::rows::{self, EncodingRow};
use crate::{bases, ingest, train};
use rand::seq::SliceRandom;
use syntrace_base::base::{ClassId, Identity, JobId, Progress, SplitId, TraceId, map_ordered};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Part, Role, SplitRecord};
use syntrace_spec::SplitSpec;
use syntrace_store::{JobResult, StoreWriter};
use syntrace_traffic::encoding::EncodingKind;

/// Runs one job and commits its result. A binary that references this function links libtorch.
pub(crate) fn run_job(context: &Context<'_>, job: &PlannedJob, progress: &dyn Progress) -> Result<()> {
    let (store, head) = (context.store, &job.head);
    match &job.work {
        Work::Base { base } if base.shipped.is_none() => train::base(context, head, base, progress),
        Work::Train { models, encode } => train::train(context, head, models, *encode, progress),
        Work::Attribute { model, encode } => train::attributes(context, head, model, *encode),
        Work::Whole { model, encode } => train::whole_attributes(context, head, model, *encode),
        Work::Reference { model, encode, splits, kinds } => {
            train::references(context, head, model, *encode, splits, kinds)
        }
        Work::Attack { attack, group } => run_attack(store, head, attack, group),
        Work::Synthesize { model, count } => train::synthesize(context, head, model, *count, progress),
        Work::Utility { utility } => quality::utility(context, head, utility),
        Work::OneRunAudit { model, encode } => train::one_run(context, head, model, *encode, progress),
        _ => run_job_without_networks(context, job, progress),
    }
}

/// As [`run_job`] for the jobs that need no libtorch, see [`Work::needs_networks`].
pub(crate) fn run_job_without_networks(context: &Context<'_>, job: &PlannedJob, progress: &dyn Progress) -> Result<()> {
    let (store, head) = (context.store, &job.head);
    match &job.work {
        Work::IngestFile { options, path } => {
            progress.start_bytes(&head.label, std::fs::metadata(path).map_or(0, |file| file.len()));
            ingest::ingest_file(store, options, path, progress)
        }
        Work::Base { base } if base.shipped.is_some() => bases::add_shipped(store, head, base),
        Work::Simulate { options, flows } => ingest::simulate_class(store, options, head, *flows),
        Work::Encode { class_id, sources, encoding, anonymised } => {
            encode(store, head, (*class_id, sources), encoding, *anonymised)
        }
        Work::Split { class_id, sources, split_id, role } => {
            split(store, head, *class_id, sources, (*split_id, *role), context.plan.spec.split)
        }
        Work::Fidelity { model, sources, synthesize } => quality::fidelity(context, head, model, sources, *synthesize),
        Work::Leakage { model, sources, synthesize } => leakage::leakage(store, head, model, sources, *synthesize),
        Work::Outside { model, sources, synthesize, splits } => {
            outside::outside(store, head, model, sources, *synthesize, splits)
        }
        _ => Err(Error::internal("this job trains a network, and this program is not linked to libtorch")),
    }
}

fn encode(
    store: &StoreWriter,
    head: &JobHead,
    (class_id, sources): (ClassId, &[JobId]),
    encoding: &EncodingKind,
    anonymised: bool,
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let load = if anonymised { load::anonymised } else { load::traces };
    let traces = load(&snapshot, class_id, sources)?;
    let name = format!("{}{}", encoding.name(), if anonymised { " anonymised" } else { "" });
    let mut result = JobResult::new(head.record(start));
    for run in rows::runs(&traces) {
        let encoded: Vec<EncodingRow> = map_ordered(run, |trace| {
            let encoded = encoding.encode(trace);
            EncodingRow { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
        });
        result.segments.push(rows::encodings_segment(class_id.0, &name, &encoded)?);
    }
    result.job = head.record(start);
    store.commit(result)?;
    Ok(())
}

/// The paper's protocol (section 3.3.3): the class is halved once; the target's members and held-out
/// traces come from the first half, each shadow's are drawn from the second, without overlap between
/// members and held-out traces, with overlap between shadows.
pub(crate) fn draw_split(
    pool: &[TraceId],
    role: Role,
    members: usize,
    half_seed: syntrace_base::base::Seed,
    draw_seed: syntrace_base::base::Seed,
) -> Result<Vec<(TraceId, Part)>> {
    let mut shuffled = pool.to_vec();
    shuffled.shuffle(&mut half_seed.rng());
    let (first, second) = shuffled.split_at(shuffled.len() / 2);
    let half = if role == Role::Target { first } else { second };
    if half.len() < 2 * members {
        return Err(too_few(pool.len(), members, 4));
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

/// The split of a shadow where shadows are drawn from the whole class, the target's traces included
/// (Carlini et al. 2022): shadows come in pairs that hold out each other's members, and successive pairs
/// take successive parts of a shuffled class, so that every trace is a member for nearly the same number
/// of shadows.
pub(crate) fn draw_overlapping(
    pool: &[TraceId],
    shadow: u32,
    members: usize,
    seed: syntrace_base::base::Seed,
) -> Result<Vec<(TraceId, Part)>> {
    let parts = pool.len() / (2 * members).max(1);
    if parts == 0 {
        return Err(too_few(pool.len(), members, 2));
    }
    let pair = shadow as usize / 2;
    let mut shuffled = pool.to_vec();
    shuffled.shuffle(&mut seed.numbered((pair / parts) as u64).rng());
    let window = shuffled.into_iter().skip(pair % parts * 2 * members).take(2 * members);
    let first_half_trains = shadow.is_multiple_of(2);
    let part = |index: usize| if (index < members) == first_half_trains { Part::Member } else { Part::HeldOut };
    Ok(window.enumerate().map(|(index, trace)| (trace, part(index))).collect())
}

/// Rejects a class with too few traces for its splits before they are drawn.
pub(crate) fn require_enough(traces: usize, sizes: SplitSpec) -> Result<()> {
    let members = sizes.members as usize;
    // The target's members and held-out traces come from one half of the class, whatever the shadows do.
    if traces / 2 < 2 * members { Err(too_few(traces, members, 4)) } else { Ok(()) }
}

fn too_few(found: usize, members: usize, times: usize) -> Error {
    Error::user(format!(
        "a split of {members} members and {members} held-out traces needs {} traces in the class, found {found}",
        times * members,
    ))
    .hint(match found / times {
        0 | 1 => "give the class more traces".to_owned(),
        most => format!("set `split.members` to at most {most}, or give the class more traces"),
    })
}

fn pool_digest(pool: &[TraceId]) -> syntrace_base::base::Digest {
    pool.iter().fold(Identity::new("pool"), |identity, trace| identity.int(trace.0)).finish()
}

/// The split that a job draws from the traces of its sources.
pub(crate) fn drawn_split(
    head: &JobHead,
    pool: &[TraceId],
    role: Role,
    sizes: SplitSpec,
) -> Result<Vec<(TraceId, Part)>> {
    // All roles of a class must agree on the halves, so their seed names the pool and not the job.
    let number = pool_digest(pool).id63() as u64;
    let (root, members) = (syntrace_base::base::Seed::root(head.seed), sizes.members as usize);
    match role.shadow() {
        Some(shadow) if sizes.overlap => {
            draw_overlapping(pool, shadow, members, root.named("overlap").numbered(number))
        }
        _ => draw_split(pool, role, members, root.named("halves").numbered(number), head.derived_seed()),
    }
}

fn split(
    store: &StoreWriter,
    head: &JobHead,
    class_id: ClassId,
    sources: &[JobId],
    (split_id, role): (SplitId, Role),
    sizes: SplitSpec,
) -> Result<()> {
    let start = Start::now();
    let pool = load::trace_ids(&store.snapshot()?, class_id, sources)?;
    let drawn = drawn_split(head, &pool, role, sizes)?;
    let (members, digest) = (sizes.members, pool_digest(&pool));
    let mut result = JobResult::new(head.record(start));
    result.splits.push(SplitRecord { split_id, class_id, role, members, held_out: members, pool_digest: digest.0 });
    result.segments.push(rows::split_segment(split_id.0, &drawn)?);
    store.commit(result)?;
    Ok(())
}
