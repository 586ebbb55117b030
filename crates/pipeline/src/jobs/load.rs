//! Loads records of the study as inputs of a job's stages.

use crate::rows::{self, AttributeRow, Columns, EncodingRow, TraceFacts};
use std::collections::HashMap;
use syntrace_base::base::{ClassId, JobId, ModelId, SplitId, TraceId, map_ordered};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ModelRecord, Packet, PrivacyEvent, PrivacyUnit, Trace};
use syntrace_store::schema::{self, SegmentTable};
use syntrace_store::{SegmentRecord, Snapshot};
use syntrace_traffic::anonymise::Anonymiser;

/// Segments of a partition that one of `jobs` wrote, in the order of their ids.
fn segments(snapshot: &Snapshot, table: &SegmentTable, partition: i64, jobs: &[JobId]) -> Result<Vec<SegmentRecord>> {
    let mut segments = snapshot.segments_of(table, partition)?;
    segments.retain(|segment| jobs.contains(&segment.job_id));
    Ok(segments)
}

pub(crate) fn all_columns(table: &SegmentTable) -> Vec<usize> {
    (0..table.columns.len()).collect()
}

/// All traces of a class that the given jobs cut, each with its host, sorted by id: the pool that splits draw from.
pub(crate) fn pool(snapshot: &Snapshot, class: ClassId, jobs: &[JobId]) -> Result<Vec<(TraceId, Vec<u8>)>> {
    read_hosts(snapshot, segments(snapshot, &schema::TRACES, class.0, jobs)?)
}

/// The host of each trace of a class.
pub(crate) fn hosts(snapshot: &Snapshot, class: ClassId) -> Result<HashMap<TraceId, Vec<u8>>> {
    Ok(read_hosts(snapshot, snapshot.segments_of(&schema::TRACES, class.0)?)?.into_iter().collect())
}

fn read_hosts(snapshot: &Snapshot, segments: Vec<SegmentRecord>) -> Result<Vec<(TraceId, Vec<u8>)>> {
    let mut found = Vec::new();
    for segment in segments {
        let columns = Columns::read(snapshot, &schema::TRACES, &segment, &["trace_id", "src_ip"])?;
        found.extend(rows::trace_hosts(&columns)?);
    }
    found.sort_unstable();
    found.dedup_by_key(|(trace, _)| *trace);
    Ok(found)
}

/// All traces of a class that the given jobs cut, with their packets, sorted by id.
pub(crate) fn traces(snapshot: &Snapshot, class: ClassId, jobs: &[JobId]) -> Result<Vec<Trace>> {
    let mut facts = TraceFacts::new();
    for segment in segments(snapshot, &schema::TRACES, class.0, jobs)? {
        let columns = Columns::read(snapshot, &schema::TRACES, &segment, &[])?;
        rows::trace_facts(&columns, &mut facts)?;
    }
    let mut traces = Vec::new();
    for segment in segments(snapshot, &schema::PACKETS, class.0, jobs)? {
        let columns = Columns::read(snapshot, &schema::PACKETS, &segment, &[])?;
        for (trace_id, packets) in rows::packets_by_trace(&columns)? {
            let (first_packet, link_type, flow_packets, flow_bytes) = facts
                .get(&trace_id)
                .copied()
                .ok_or_else(|| Error::internal(format!("packets of trace {trace_id}, which is not in `traces`")))?;
            traces.push(Trace { trace_id, first_packet, link_type, flow_packets, flow_bytes, packets });
        }
    }
    traces.sort_unstable_by_key(|trace: &Trace| trace.trace_id);
    Ok(traces)
}

/// The same traces anonymised, with the key of the whole.
pub(crate) fn anonymised(snapshot: &Snapshot, class: ClassId, jobs: &[JobId]) -> Result<Vec<Trace>> {
    let traces = traces(snapshot, class, jobs)?;
    let anonymiser = Anonymiser::of(&traces);
    Ok(map_ordered(&traces, |trace| anonymiser.trace(trace)))
}

/// What a model generated.
#[derive(Debug, Default)]
pub(crate) struct Synthetic {
    /// Its traces in the order of their numbers; a trace without any valid packet is empty.
    pub traces: Vec<Trace>,
    /// Generated packets of each trace that do not parse and were dropped.
    pub unreadable: Vec<u64>,
}

/// Synthetic traces of a model.
pub(crate) fn synthetic_traces(snapshot: &Snapshot, model: ModelId, jobs: &[JobId]) -> Result<Synthetic> {
    let mut packets: HashMap<TraceId, Vec<Packet>> = HashMap::new();
    for segment in segments(snapshot, &schema::SYNTHETIC_PACKETS, model.0, jobs)? {
        let columns = Columns::read(snapshot, &schema::SYNTHETIC_PACKETS, &segment, &[])?;
        packets.extend(rows::packets_by_trace(&columns)?);
    }
    let mut facts = Vec::new();
    for segment in segments(snapshot, &schema::SYNTHETIC_TRACES, model.0, jobs)? {
        let names = ["trace_id", "number", "rejected_packets"];
        facts.extend(rows::synthetic_facts(&Columns::read(snapshot, &schema::SYNTHETIC_TRACES, &segment, &names)?)?);
    }
    facts.sort_by_key(|(_, number, _)| *number);
    let mut out = Synthetic::default();
    for (trace_id, number, rejected) in facts {
        let packets = packets.remove(&trace_id).unwrap_or_default();
        let flow_bytes = packets.iter().map(|packet| u64::from(packet.ip_length)).sum();
        let flow_packets = packets.len() as u64;
        out.traces.push(Trace { trace_id, first_packet: number, link_type: 1, flow_packets, flow_bytes, packets });
        out.unreadable.push(rejected);
    }
    match packets.into_keys().next() {
        None => Ok(out),
        Some(stray) => Err(Error::internal(format!("packets of trace {stray}, which is not in `synthetic_traces`"))
            .hint("run `syntrace verify STUDY`")),
    }
}

/// Rows of one encode job, sorted by trace id.
pub(crate) fn encodings(snapshot: &Snapshot, class: ClassId, job: JobId) -> Result<Vec<EncodingRow>> {
    let mut out = Vec::new();
    for segment in segments(snapshot, &schema::ENCODINGS, class.0, &[job])? {
        let columns = Columns::read(snapshot, &schema::ENCODINGS, &segment, &[])?;
        rows::encoding_rows(&columns, &mut out)?;
    }
    out.sort_unstable_by_key(|row| row.trace_id);
    Ok(out)
}

/// Members and held-out traces of a split.
pub(crate) fn split(snapshot: &Snapshot, split: SplitId) -> Result<(Vec<TraceId>, Vec<TraceId>)> {
    let segments = snapshot.segments_of(&schema::SPLIT_TRACES, split.0)?;
    let [segment] = segments.as_slice() else {
        return Err(Error::internal(format!("split {split}: expected one segment, found {}", segments.len())));
    };
    rows::split_rows(&Columns::read(snapshot, &schema::SPLIT_TRACES, segment, &[])?)
}

/// Does the split of a model draw hosts, each with its traces, so that they are the unit of its privacy?
pub(crate) fn is_drawn_by_host(snapshot: &Snapshot, model: &ModelRecord) -> Result<bool> {
    let Some(job) = snapshot.job(model.train_job)? else { return Ok(false) };
    let host = PrivacyUnit::Host { traces_max: 1 }.name();
    Ok(job.settings()?.get("unit").and_then(serde_json::Value::as_str) == Some(host))
}

/// The events of a model's privacy ledger, in their order.
pub(crate) fn privacy_events(snapshot: &Snapshot, model: ModelId) -> Result<Vec<PrivacyEvent>> {
    let mut events = Vec::new();
    for segment in snapshot.segments_of(&schema::PRIVACY_LEDGER, model.0)? {
        let columns = Columns::read(snapshot, &schema::PRIVACY_LEDGER, &segment, &[])?;
        events.extend(rows::ledger_events(&columns)?);
    }
    events.sort_by_key(|(number, _)| *number);
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

/// Positions of traces in rows sorted by id.
pub(crate) fn positions(ids: &[TraceId], pool: &HashMap<TraceId, usize>) -> Result<Vec<usize>> {
    ids.iter()
        .map(|id| {
            pool.get(id).copied().ok_or_else(|| Error::internal(format!("trace {id} of a split has no encoding")))
        })
        .collect()
}

/// Attributes of one kind that one job recorded for a model on its own split.
pub(crate) fn attributes(snapshot: &Snapshot, model: ModelId, job: JobId, kind: &str) -> Result<Vec<AttributeRow>> {
    let mut whole = Vec::new();
    for segment in segments(snapshot, &schema::WHOLE_ATTRIBUTES, model.0, &[job])? {
        let columns = Columns::read(snapshot, &schema::WHOLE_ATTRIBUTES, &segment, &[])?;
        rows::whole_rows(&columns, kind, &mut whole)?;
    }
    if !whole.is_empty() {
        return Ok(whole);
    }
    attribute_rows(snapshot, &schema::ATTRIBUTES, model, job, kind)
}

/// Attributes of one kind that one job recorded for a model on traces outside its split.
pub(crate) fn references(snapshot: &Snapshot, model: ModelId, job: JobId, kind: &str) -> Result<Vec<AttributeRow>> {
    attribute_rows(snapshot, &schema::REFERENCE_ATTRIBUTES, model, job, kind)
}

fn attribute_rows(
    snapshot: &Snapshot,
    table: &'static SegmentTable,
    model: ModelId,
    job: JobId,
    kind: &str,
) -> Result<Vec<AttributeRow>> {
    let mut out = Vec::new();
    for segment in segments(snapshot, table, model.0, &[job])? {
        let columns = Columns::read(snapshot, table, &segment, &[])?;
        rows::attribute_rows(&columns, kind, &mut out)?;
    }
    Ok(out)
}

/// Kinds of attributes that a model has in a table, each with the job that recorded it, by job id.
pub(crate) fn attribute_kinds(
    snapshot: &Snapshot,
    table: &'static SegmentTable,
    model: ModelId,
) -> Result<Vec<(String, JobId)>> {
    let mut found = std::collections::BTreeSet::new();
    for segment in snapshot.segments_of(table, model.0)? {
        let columns = Columns::read(snapshot, table, &segment, &["kind"])?;
        found.extend(columns.texts("kind")?.into_iter().map(|kind| (segment.job_id, kind)));
    }
    Ok(found.into_iter().map(|(job, kind)| (kind, job)).collect())
}

/// The job that recorded reference attributes of each model; `None` where one is missing.
pub(crate) fn reference_jobs(
    snapshot: &Snapshot,
    models: &[ModelId],
    kind: &str,
) -> Result<Option<Vec<(ModelId, JobId)>>> {
    let mut found = Vec::new();
    for model in models {
        let kinds = attribute_kinds(snapshot, &schema::REFERENCE_ATTRIBUTES, *model)?;
        let Some((_, job)) = kinds.into_iter().rev().find(|(known, _)| known == kind) else { return Ok(None) };
        found.push((*model, job));
    }
    Ok(Some(found))
}
