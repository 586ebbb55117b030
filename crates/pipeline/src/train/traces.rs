//! Attributes of traces under trained models, and sampling of synthetic traces.

use super::inputs::{Pool, generator, weights};
use crate::jobs::context::Context;
use crate::jobs::job::{JobHead, Start};
use crate::jobs::load;
use crate::plan::PlannedModel;
use crate::rows;
use std::collections::BTreeSet;
use syntrace_base::base::{JobId, Progress, Seed, SplitId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;
use syntrace_model::model::{Generator, Weights};
use syntrace_model::train::EncodedTrace;
use syntrace_store::JobResult;
use syntrace_store::schema::SYNTHETIC_PACKETS;
use syntrace_traffic::encoding::{EncodingKind, Generated, tokens_to_packets};
use syntrace_traffic::synth::{
    DecodeMode, DecodeOptions, DecodedTrace, RepairProfile, decode_fields, decode_packets, decode_trace, mend, repair,
    trace_id,
};

/// Records a model's attributes of its members and its held-out traces, in evaluation mode.
pub(crate) fn attributes(context: &Context<'_>, head: &JobHead, model: &PlannedModel, encode: JobId) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let (_, family) = generator(context, model.generator)?;
    let pool = Pool::load(&snapshot, model.class_id, encode)?;
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    let (own, base) = weights(&snapshot, model)?;
    drop(snapshot);
    let weights = Weights { own: &own, base: base.as_deref() };
    let mut out = Vec::new();
    for (ids, member) in [(members, true), (held_out, false)] {
        let positions = load::positions(&ids, &pool.positions)?;
        let traces: Vec<EncodedTrace> = positions.iter().map(|position| pool.traces[*position].clone()).collect();
        let per_trace = family.attributes(weights, &traces)?;
        for (trace_id, kinds) in ids.into_iter().zip(per_trace) {
            out.extend(kinds.into_iter().map(|attribute| rows::AttributeRow::of(trace_id, member, attribute)));
        }
    }
    // Sorted by trace, so that the order of the rows does not reveal membership.
    out.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
    let mut result = JobResult::new(head.record_on(start, family.device()));
    result.segments.push(rows::attributes_segment(model.model_id.0, &out)?);
    context.store.commit(result)?;
    Ok(())
}

/// Traces whose whole attributes are computed, and stored, together.
const WHOLE_TRACES: usize = 64;

/// Records what a model says of every position of its members and its held-out traces, in evaluation mode.
pub(crate) fn whole_attributes(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    encode: JobId,
) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let (_, family) = generator(context, model.generator)?;
    let whole =
        family.whole_attribute().ok_or_else(|| Error::internal("a family without an attribute to keep whole"))?;
    let pool = Pool::load(&snapshot, model.class_id, encode)?;
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    let members: BTreeSet<TraceId> = members.into_iter().collect();
    // Sorted by trace, so that the order of the rows does not reveal membership.
    let mut ids: Vec<TraceId> = members.iter().copied().chain(held_out).collect();
    ids.sort_unstable();
    let (own, base) = weights(&snapshot, model)?;
    let mut result = JobResult::new(head.record_on(start, family.device()));
    for ids in ids.chunks(WHOLE_TRACES) {
        let positions = load::positions(ids, &pool.positions)?;
        let traces: Vec<EncodedTrace> = positions.iter().map(|position| pool.traces[*position].clone()).collect();
        let said = family.whole_attributes(Weights { own: &own, base: base.as_deref() }, &traces)?;
        let rows = ids.iter().zip(said).map(|(id, said)| (*id, members.contains(id), said));
        result.segments.push(rows::whole_segment(model.model_id.0, whole.kind, &rows.collect::<Vec<_>>())?);
    }
    result.job = head.record_on(start, family.device());
    context.store.commit(result)?;
    Ok(())
}

/// Records a model's attributes of the traces of some splits that are outside its own, in evaluation
/// mode: none of them is a member of it.
pub(crate) fn references(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    encode: JobId,
    splits: &[SplitId],
    kinds: &[String],
) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let (_, family) = generator(context, model.generator)?;
    let pool = Pool::load(&snapshot, model.class_id, encode)?;
    let mut outside = BTreeSet::new();
    for split in splits {
        let (members, held_out) = load::split(&snapshot, *split)?;
        outside.extend(members.into_iter().chain(held_out));
    }
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    for trace in members.iter().chain(&held_out) {
        outside.remove(trace);
    }
    let ids: Vec<TraceId> = outside.into_iter().collect();
    let positions = load::positions(&ids, &pool.positions)?;
    let traces: Vec<EncodedTrace> = positions.iter().map(|position| pool.traces[*position].clone()).collect();
    let (own, base) = weights(&snapshot, model)?;
    drop(snapshot);
    let per_trace = family.attributes(Weights { own: &own, base: base.as_deref() }, &traces)?;
    let mut out = Vec::new();
    for (trace_id, attributes) in ids.into_iter().zip(per_trace) {
        let wanted = attributes.into_iter().filter(|attribute| kinds.iter().any(|kind| kind == attribute.kind));
        out.extend(wanted.map(|attribute| rows::AttributeRow::of(trace_id, false, attribute)));
    }
    out.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
    let mut result = JobResult::new(head.record_on(start, family.device()));
    result.segments.push(rows::references_segment(model.model_id.0, &out)?);
    context.store.commit(result)?;
    Ok(())
}

/// Profile, rule and changed cells of one repair of a trace.
type Repair = (String, &'static str, u32);

/// Packets that a model generated. Stored as generated, so that fidelity measures the generator and
/// not the repair; exports repair them. Cells must be repaired before they can be decoded to packets: the
/// profile, and the number of cells that each rule changed, are returned with them.
pub(super) fn decode(family: &dyn Generator, content: &Generated, seed: Seed) -> Result<(DecodedTrace, Vec<Repair>)> {
    match (content, family.encoding()) {
        (Generated::Fields(rows), _) => Ok((decode_fields(rows), Vec::new())),
        (Generated::Packets(packets), _) => Ok((decode_packets(packets), Vec::new())),
        (Generated::Tokens(tokens), EncodingKind::Tokens(layout)) => {
            let options = DecodeOptions { mode: DecodeMode::Raw, ..DecodeOptions::default() };
            Ok((decode_trace(&tokens_to_packets(tokens, &layout), &options), Vec::new()))
        }
        (Generated::Nprint(image), _) => {
            let (profile, packets) = family.repair().ok_or_else(|| {
                Error::internal(format!("generator `{}` writes cells without a repair", family.name()))
            })?;
            let repaired = repair(image, RepairProfile::from_name(profile)?, packets as usize, seed);
            let repairs = repaired.repairs.iter().map(|(rule, cells)| (profile.to_owned(), *rule, *cells)).collect();
            let trace =
                DecodedTrace { packets: repaired.packets, rejections: repaired.rejections, ..DecodedTrace::default() };
            Ok((trace, repairs))
        }
        _ => Err(Error::internal(format!("generator `{}` writes tokens without a layout", family.name()))),
    }
}

/// Draws synthetic traces and decodes them to packets.
pub(crate) fn synthesize(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    count: u32,
    progress: &dyn Progress,
) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let (_, family) = generator(context, model.generator)?;
    progress.start(&head.label, u64::from(count));
    let (own, base) = weights(&snapshot, model)?;
    drop(snapshot);
    let weights = Weights { own: &own, base: base.as_deref() };
    let raw = family.sample(weights, count, head.derived_seed(), progress)?;
    progress.finish();
    let (mut traces, mut facts, mut repairs) = (Vec::new(), Vec::new(), Vec::new());
    for (number, raw) in raw.into_iter().enumerate() {
        let seed = head.derived_seed().named("repair").numbered(number as u64);
        let (decoded, mut repaired) = decode(family, &raw.content, seed)?;
        repaired.extend(raw.repairs.iter().map(|(rule, count)| ("packet".to_owned(), *rule, *count)));
        let mended = decoded.packets.iter().cloned().map(|mut packet| mend(&mut packet).total()).sum();
        let id = trace_id(model.model_id, number as u64);
        repairs.extend(repaired.into_iter().map(|(profile, rule, cells)| rows::RepairRow {
            trace_id: id,
            profile,
            rule,
            cells,
        }));
        facts.push(rows::SyntheticRow {
            trace_id: id,
            number: number as u64,
            packets: decoded.packets.len() as u32,
            rejected: decoded.rejected(),
            complete: raw.complete,
            mended,
            raw: raw.content.to_bytes(),
        });
        let flow_bytes = decoded.packets.iter().map(|packet| u64::from(packet.ip_length)).sum();
        traces.push(Trace {
            trace_id: id,
            first_packet: number as u64,
            link_type: 1,
            flow_packets: decoded.packets.len() as u64,
            flow_bytes,
            packets: decoded.packets,
        });
    }
    let mut result = JobResult::new(head.record_on(start, family.device()));
    result.segments.push(rows::synthetic_segment(model.model_id.0, &facts)?);
    if !repairs.is_empty() {
        result.segments.push(rows::repairs_segment(model.model_id.0, &repairs)?);
    }
    for run in rows::runs(&traces) {
        result.segments.push(rows::packet_segment(&SYNTHETIC_PACKETS, model.model_id.0, run)?);
    }
    context.store.commit(result)?;
    Ok(())
}
