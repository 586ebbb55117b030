//! What trained models say about traces, and the traces they draw.

use super::pool::{Pool, generator, weights};
use crate::base::{JobId, Progress, Seed, SplitId, TraceId};
use crate::encoding::{EncodingKind, Generated, tokens_to_packets};
use crate::error::{Error, Result};
use crate::model::{Generator, Weights};
use crate::pipeline::job::{JobHead, Start};
use crate::pipeline::plan::PlannedModel;
use crate::pipeline::stage::Context;
use crate::pipeline::{load, rows};
use crate::record::Trace;
use crate::store::JobResult;
use crate::store::schema::SYNTHETIC_PACKETS;
use crate::synth::{
    DecodeMode, DecodeOptions, DecodedTrace, RepairProfile, RepairedTrace, decode_fields, decode_trace, mend, repair,
    trace_id,
};
use crate::train::EncodedTrace;
use std::collections::BTreeSet;

/// Records what a model says about its members and its held-out traces, in evaluation mode.
pub(in crate::pipeline) fn attributes(
    context: &Context<'_>,
    head: &JobHead,
    model: &PlannedModel,
    encode: JobId,
) -> Result<()> {
    let start = Start::now();
    let snapshot = context.store.snapshot()?;
    let (_, family) = generator(context, model.generator)?;
    let pool = Pool::load(&snapshot, model.class_id, encode)?;
    let (members, held_out) = load::split(&snapshot, model.split_id)?;
    let (own, base) = weights(&snapshot, model)?;
    let weights = Weights { own: &own, base: base.as_deref() };
    let mut out = Vec::new();
    for (ids, member) in [(members, true), (held_out, false)] {
        let positions = load::positions(&ids, &pool.positions)?;
        let traces: Vec<EncodedTrace> = positions.iter().map(|position| pool.traces[*position].clone()).collect();
        let per_trace = family.attributes(weights, &traces)?;
        for (trace_id, kinds) in ids.into_iter().zip(per_trace) {
            out.extend(kinds.into_iter().map(|row| rows::AttributeRow {
                trace_id,
                member,
                kind: row.kind.to_owned(),
                loss: Some(row.loss),
                values: row.values,
            }));
        }
    }
    // Stored by trace, so that the order of the rows does not give membership away.
    out.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::attributes_segment(model.model_id.0, &out)?);
    context.store.commit(result)?;
    Ok(())
}

/// Records what a model says about the traces of some splits that are outside its own, in evaluation
/// mode: none of them is a member of it.
pub(in crate::pipeline) fn references(
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
    let per_trace = family.attributes(Weights { own: &own, base: base.as_deref() }, &traces)?;
    let mut out = Vec::new();
    for (trace_id, rows) in ids.into_iter().zip(per_trace) {
        let wanted = rows.into_iter().filter(|row| kinds.iter().any(|kind| kind == row.kind));
        out.extend(wanted.map(|row| rows::AttributeRow {
            trace_id,
            member: false,
            kind: row.kind.to_owned(),
            loss: Some(row.loss),
            values: row.values,
        }));
    }
    out.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::references_segment(model.model_id.0, &out)?);
    context.store.commit(result)?;
    Ok(())
}

/// Packets of what a model wrote. Stored as generated, so that fidelity measures the generator and
/// not the mending; exports mend. Cells of an image are no packets before they are repaired: what each
/// rule changed is stored beside them.
fn decode(family: &dyn Generator, content: &Generated, seed: Seed) -> Result<(DecodedTrace, Repairs)> {
    let decoded = match (content, family.encoding()) {
        (Generated::Nprint(image), _) => {
            let wrong =
                || Error::internal(format!("generator `{}` writes cells without a repair profile", family.name()));
            let (profile, packets) = family.repair().ok_or_else(wrong)?;
            let profile = RepairProfile::from_name(profile)?;
            let RepairedTrace { packets, repairs, rejections } = repair(image, profile, packets as usize, seed);
            let repairs = repairs.into_iter().map(|(rule, cells)| (profile.name(), rule, cells)).collect();
            return Ok((DecodedTrace { packets, rejections, ..DecodedTrace::default() }, repairs));
        }
        (Generated::Fields(rows), _) => decode_fields(rows),
        (Generated::Tokens(tokens), EncodingKind::Tokens(layout)) => {
            let options = DecodeOptions { mode: DecodeMode::Raw, ..DecodeOptions::default() };
            decode_trace(&tokens_to_packets(tokens, &layout), &options)
        }
        _ => {
            return Err(Error::internal(format!("generator `{}` writes tokens without a layout", family.name())));
        }
    };
    Ok((decoded, Vec::new()))
}

/// Profile, rule and number of cells that it changed in a trace.
type Repairs = Vec<(&'static str, &'static str, u32)>;

/// Draws synthetic traces and decodes them to packets.
pub(in crate::pipeline) fn synthesize(
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
    let weights = Weights { own: &own, base: base.as_deref() };
    let raw = family.sample(weights, count, head.derived_seed(), progress)?;
    progress.finish();
    let (mut traces, mut facts, mut repaired) = (Vec::new(), Vec::new(), Vec::new());
    let repair_seed = head.derived_seed().named("repair");
    for (number, raw) in raw.into_iter().enumerate() {
        let (decoded, repairs) = decode(family, &raw.content, repair_seed.numbered(number as u64))?;
        let mended = decoded.packets.iter().cloned().map(|mut packet| mend(&mut packet).total()).sum();
        let id = trace_id(model.model_id, number as u64);
        repaired.extend(repairs.into_iter().map(|(profile, rule, cells)| (id, profile, rule, cells)));
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
    let mut result = JobResult::new(head.record(start));
    result.segments.push(rows::synthetic_segment(model.model_id.0, &facts)?);
    if !repaired.is_empty() {
        result.segments.push(rows::repairs_segment(model.model_id.0, &repaired)?);
    }
    for run in rows::runs(&traces) {
        result.segments.push(rows::packet_segment(&SYNTHETIC_PACKETS, model.model_id.0, run)?);
    }
    context.store.commit(result)?;
    Ok(())
}
