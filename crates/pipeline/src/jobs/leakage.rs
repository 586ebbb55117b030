//! The job that measures leakage for an audit; one-run audits train and are with the training jobs.

use super::job::{JobHead, Start};
use super::load;
use crate::plan::PlannedModel;
use crate::rows;
use std::collections::BTreeSet;
use syntrace_base::base::{JobId, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::Trace;
use syntrace_measure::audit;
use syntrace_store::{JobResult, StoreWriter};

/// Measures how much a model's synthetic traces reveal of its members, with its held-out traces as control, and of the
/// class's other real traces.
pub(crate) fn leakage(
    store: &StoreWriter,
    head: &JobHead,
    model: &PlannedModel,
    sources: &[JobId],
    synthesize: JobId,
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let all = load::traces(&snapshot, model.class_id, sources)?;
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    let (members, held_out): (BTreeSet<TraceId>, BTreeSet<TraceId>) =
        (members.into_iter().collect(), held_out.into_iter().collect());
    let (members, others): (Vec<Trace>, Vec<Trace>) =
        all.into_iter().partition(|trace| members.contains(&trace.trace_id));
    let (held_out, unlisted): (Vec<Trace>, Vec<Trace>) =
        others.into_iter().partition(|trace| held_out.contains(&trace.trace_id));
    let mut synthetic = load::synthetic_traces(&snapshot, model.model_id, &[synthesize])?.traces;
    drop(snapshot);
    // A trace without packets reveals nothing, and does not count in the shares.
    synthetic.retain(|trace| !trace.packets.is_empty());
    let rows = audit::leaks(&members, &held_out, &unlisted, &synthetic);
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::leaks_segment(model.model_id.0, &rows)?);
    store.commit(result)?;
    Ok(())
}
