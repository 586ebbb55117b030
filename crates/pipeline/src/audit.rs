//! The job behind an audit's leakage; one-run audits train, and stand with the training jobs.

use super::job::{JobHead, Start};
use super::load;
use super::plan::PlannedModel;
use super::rows::batch;
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use std::collections::BTreeSet;
use std::sync::Arc;
use syntrace_base::base::{JobId, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::Trace;
use syntrace_measure::audit::{self, LeakRow};
use syntrace_store::schema::LEAKS;
use syntrace_store::{JobResult, NewSegment, StoreWriter};

/// Measures what a model's synthetic traces give away of its members, with its held-out traces as control, and of the class's other
/// real traces.
pub(super) fn leakage(
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
    // A trace without packets gives nothing away, and is no part of the shares.
    synthetic.retain(|trace| !trace.packets.is_empty());
    let rows = audit::leaks(&members, &held_out, &unlisted, &synthetic);
    let mut result = JobResult::new(head.record(start));
    result.segments.push(leaks_segment(model.model_id.0, &rows)?);
    store.commit(result)?;
    Ok(())
}

fn leaks_segment(model: i64, rows: &[LeakRow]) -> Result<NewSegment> {
    let ints = |value: fn(&LeakRow) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| value(row) as i64)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.measure))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.kind))),
        Arc::new(rows.iter().map(|row| row.value).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.control).collect::<Float64Array>()),
        ints(|row| row.hits),
        ints(|row| row.n),
        ints(|row| row.control_hits),
        ints(|row| row.control_n),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.p_value))),
    ];
    Ok(NewSegment { table: &LEAKS, partition: model, rows: batch(&LEAKS, columns)? })
}
