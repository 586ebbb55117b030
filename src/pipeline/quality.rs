//! What the fidelity and utility jobs compare with what.

use crate::base::TraceId;
use crate::eval::{FidelityRow, Side, SideName, fidelity};
use crate::record::Trace;
use std::collections::HashSet;

/// The populations of one model: what it generated, its members, its held-out traces, and as many real
/// traces that are neither.
pub(super) struct Populations<'a> {
    pub synthetic: Vec<&'a Trace>,
    pub members: Vec<&'a Trace>,
    pub held_out: Vec<&'a Trace>,
    pub real: Vec<&'a Trace>,
}

/// Sorts a class's traces into the populations of a model. Fresh real traces are taken in the order of
/// their ids, which are hashes: a fixed draw.
pub(super) fn populations<'a>(
    all: &'a [Trace],
    synthetic: &'a [Trace],
    members: &[TraceId],
    held_out: &[TraceId],
) -> Populations<'a> {
    let member_ids: HashSet<TraceId> = members.iter().copied().collect();
    let held_out_ids: HashSet<TraceId> = held_out.iter().copied().collect();
    let of = |ids: &HashSet<TraceId>| all.iter().filter(|trace| ids.contains(&trace.trace_id)).collect::<Vec<_>>();
    let fresh = all.iter().filter(|trace| {
        let id = &trace.trace_id;
        !member_ids.contains(id) && !held_out_ids.contains(id)
    });
    Populations {
        synthetic: synthetic.iter().collect(),
        members: of(&member_ids),
        held_out: of(&held_out_ids),
        real: fresh.take(members.len()).collect(),
    }
}

/// All fidelity rows of a model: synthetic and held-out traces against the members, then synthetic,
/// member and held-out traces against fresh real ones, where the class has some.
pub(super) fn fidelity_rows(populations: &Populations<'_>) -> Vec<FidelityRow> {
    let synthetic = Side::new(SideName::Synthetic, &populations.synthetic);
    let members = Side::new(SideName::Members, &populations.members);
    let held_out = Side::new(SideName::HeldOut, &populations.held_out);
    let mut rows = fidelity(&members, &synthetic);
    rows.extend(fidelity(&members, &held_out));
    if !populations.real.is_empty() {
        let real = Side::new(SideName::Real, &populations.real);
        for compared in [&synthetic, &members, &held_out] {
            rows.extend(fidelity(&real, compared));
        }
    }
    rows
}
