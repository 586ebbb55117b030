//! Attributes of real traces from a model's synthetic traces alone.

use super::job::{JobHead, Start};
use super::load;
use crate::plan::PlannedModel;
use crate::rows::{self, AttributeRow};
use std::collections::BTreeSet;
use syntrace_base::base::{JobId, SplitId, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::{Regime, Trace};
use syntrace_measure::audit::outside_attributes;
use syntrace_store::{JobResult, StoreWriter};

/// Records attributes, from a model's synthetic traces, of its members and held-out traces, and of the other traces of
/// some splits, none of which is a member of it.
pub(crate) fn outside(
    store: &StoreWriter,
    head: &JobHead,
    model: &PlannedModel,
    sources: &[JobId],
    synthesize: JobId,
    splits: &[SplitId],
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    let members: BTreeSet<TraceId> = members.into_iter().collect();
    let own_ids: BTreeSet<TraceId> = held_out.into_iter().chain(members.iter().copied()).collect();
    let mut wanted = BTreeSet::new();
    for split in splits {
        let (members, held_out) = load::split(&snapshot, *split)?;
        wanted.extend(members.into_iter().chain(held_out));
    }
    // Who asks about a trace asks with what is public about its anonymisation, and is given its addresses under the map.
    let load = if model.regime == Regime::Anonymised { load::anonymised } else { load::traces };
    let all = load(&snapshot, model.class_id, sources)?;
    let (own, reference): (Vec<Trace>, Vec<Trace>) =
        all.into_iter().partition(|trace| own_ids.contains(&trace.trace_id));
    let mut synthetic = load::synthetic_traces(&snapshot, model.model_id, &[synthesize])?.traces;
    drop(snapshot);
    synthetic.retain(|trace| !trace.packets.is_empty());
    let said = |traces: &[Trace]| -> Vec<AttributeRow> {
        let found = outside_attributes(traces, &synthetic, &reference);
        let rows = traces.iter().zip(found).flat_map(|(trace, attributes)| {
            let member = members.contains(&trace.trace_id);
            attributes.map(|attribute| AttributeRow::of(trace.trace_id, member, attribute))
        });
        // Sorted by trace, so that the order of the rows does not reveal membership.
        let mut rows: Vec<AttributeRow> = rows.collect();
        rows.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
        rows
    };
    let others: Vec<Trace> = reference.iter().filter(|trace| wanted.contains(&trace.trace_id)).cloned().collect();
    let (own, others) = (said(&own), said(&others));
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::attributes_segment(model.model_id.0, &own)?);
    if !others.is_empty() {
        result.segments.push(rows::references_segment(model.model_id.0, &others)?);
    }
    store.commit(result)?;
    Ok(())
}
