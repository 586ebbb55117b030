//! Drawing members and held-out units: traces, or hosts with their traces.

use super::job::{JobHead, Start};
use super::load;
use crate::rows;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use syntrace_base::base::{ClassId, Digest, Identity, JobId, Seed, SplitId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Part, PrivacyUnit, Role, SplitRecord};
use syntrace_spec::SplitSpec;
use syntrace_store::{JobResult, StoreWriter};

/// The paper's protocol (section 3.3.3): the class is halved once; the target's members and held-out
/// units come from the first half, each shadow's are drawn from the second, without overlap between
/// members and held-out units, with overlap between shadows.
fn draw_split<T: Copy>(
    pool: &[T],
    role: Role,
    sizes: SplitSpec,
    half_seed: Seed,
    draw_seed: Seed,
) -> Result<Vec<(T, Part)>> {
    let members = sizes.members as usize;
    let mut shuffled = pool.to_vec();
    shuffled.shuffle(&mut half_seed.rng());
    let (first, second) = shuffled.split_at(shuffled.len() / 2);
    let half = if role == Role::Target { first } else { second };
    if half.len() < 2 * members {
        return Err(too_few(pool.len(), sizes, 4));
    }
    let mut drawn = half.to_vec();
    drawn.shuffle(&mut draw_seed.rng());
    drawn.truncate(2 * members);
    Ok(drawn
        .into_iter()
        .enumerate()
        .map(|(index, unit)| (unit, if index < members { Part::Member } else { Part::HeldOut }))
        .collect())
}

/// The split of a shadow where shadows are drawn from the whole class, the target's traces included
/// (Carlini et al. 2022): shadows come in pairs that hold out each other's members, and successive pairs
/// take successive parts of a shuffled class, so that every unit is a member for nearly the same number
/// of shadows.
fn draw_overlapping<T: Copy>(pool: &[T], shadow: u32, sizes: SplitSpec, seed: Seed) -> Result<Vec<(T, Part)>> {
    let members = sizes.members as usize;
    let parts = pool.len() / (2 * members).max(1);
    if parts == 0 {
        return Err(too_few(pool.len(), sizes, 2));
    }
    let pair = shadow as usize / 2;
    let mut shuffled = pool.to_vec();
    shuffled.shuffle(&mut seed.numbered((pair / parts) as u64).rng());
    let window = shuffled.into_iter().skip(pair % parts * 2 * members).take(2 * members);
    let first_half_trains = shadow.is_multiple_of(2);
    let part = |index: usize| if (index < members) == first_half_trains { Part::Member } else { Part::HeldOut };
    Ok(window.enumerate().map(|(index, unit)| (unit, part(index))).collect())
}

/// Rejects a class with too few traces for its splits before they are drawn; a class has at most as many hosts as traces.
pub(crate) fn require_enough(traces: usize, sizes: SplitSpec) -> Result<()> {
    let members = sizes.members as usize;
    // The target's members and held-out traces come from one half of the class, whatever the shadows do.
    if traces / 2 < 2 * members { Err(too_few(traces, sizes, 4)) } else { Ok(()) }
}

fn too_few(found: usize, sizes: SplitSpec, times: usize) -> Error {
    let (members, units) = (sizes.members as usize, format!("{}s", sizes.unit.name()));
    Error::user(format!(
        "a split of {members} members and {members} held-out {units} needs {} {units} in the class, found {found}",
        times * members,
    ))
    .hint(match found / times {
        0 | 1 => format!("give the class more {units}"),
        most => format!("set `split.members` to at most {most}, or give the class more {units}"),
    })
}

fn pool_digest(pool: &[(TraceId, Vec<u8>)]) -> Digest {
    pool.iter().fold(Identity::new("pool"), |identity, (trace, _)| identity.int(trace.0)).finish()
}

/// At most so many traces of each host, chosen by a seed that depends on the host and the study's seed alone: other hosts, and
/// the role, change nothing.
fn bounded(pool: &[(TraceId, Vec<u8>)], traces_max: u32, root: Seed) -> Vec<Vec<TraceId>> {
    let mut hosts: BTreeMap<&[u8], Vec<TraceId>> = BTreeMap::new();
    for (trace, host) in pool {
        hosts.entry(host).or_default().push(*trace);
    }
    let chosen = |(host, mut traces): (&[u8], Vec<TraceId>)| {
        let seed = Identity::new("host-traces").bytes(&root.to_bytes()).bytes(host).finish();
        traces.shuffle(&mut Seed::from_digest(seed).rng());
        traces.truncate(traces_max as usize);
        traces.sort_unstable();
        traces
    };
    hosts.into_iter().map(chosen).collect()
}

/// The split that a job draws from the traces of its sources, sorted by id and each with its host.
pub(crate) fn drawn_split(
    head: &JobHead,
    pool: &[(TraceId, Vec<u8>)],
    role: Role,
    sizes: SplitSpec,
) -> Result<Vec<(TraceId, Part)>> {
    // All roles of a class must agree on the halves, so their seed names the pool and not the job.
    let (root, number) = (Seed::root(head.seed), pool_digest(pool).id63() as u64);
    match sizes.unit {
        PrivacyUnit::Trace => {
            let traces: Vec<TraceId> = pool.iter().map(|(trace, _)| *trace).collect();
            drawn_units(head, &traces, role, sizes, number)
        }
        PrivacyUnit::Host { traces_max } => {
            let hosts = bounded(pool, traces_max, root);
            let hosts: Vec<&[TraceId]> = hosts.iter().map(Vec::as_slice).collect();
            let drawn = drawn_units(head, &hosts, role, sizes, number)?;
            Ok(drawn.into_iter().flat_map(|(host, part)| host.iter().map(move |trace| (*trace, part))).collect())
        }
    }
}

/// The split of a model without shadows, of single traces: nobody needs the other half of the class, so it may take all.
pub(crate) fn drawn_alone(pool: &[(TraceId, Vec<u8>)], sizes: SplitSpec, root: Seed) -> Result<Vec<(TraceId, Part)>> {
    let traces: Vec<TraceId> = pool.iter().map(|(trace, _)| *trace).collect();
    draw_overlapping(&traces, 0, sizes, root.named("kit without shadows"))
}

fn drawn_units<T: Copy>(
    head: &JobHead,
    units: &[T],
    role: Role,
    sizes: SplitSpec,
    number: u64,
) -> Result<Vec<(T, Part)>> {
    let root = Seed::root(head.seed);
    match role.shadow() {
        Some(shadow) if sizes.overlap => draw_overlapping(units, shadow, sizes, root.named("overlap").numbered(number)),
        _ => draw_split(units, role, sizes, root.named("halves").numbered(number), head.derived_seed()),
    }
}

/// Draws a split and commits it.
pub(crate) fn split(
    store: &StoreWriter,
    head: &JobHead,
    class_id: ClassId,
    sources: &[JobId],
    (split_id, role): (SplitId, Role),
    sizes: SplitSpec,
) -> Result<()> {
    let start = Start::now();
    let pool = load::pool(&store.snapshot()?, class_id, sources)?;
    let drawn = drawn_split(head, &pool, role, sizes)?;
    let (members, digest) = (sizes.members, pool_digest(&pool));
    let mut result = JobResult::new(head.record(start));
    result.splits.push(SplitRecord { split_id, class_id, role, members, held_out: members, pool_digest: digest.0 });
    result.segments.push(rows::split_segment(split_id.0, &drawn)?);
    store.commit(result)?;
    Ok(())
}
