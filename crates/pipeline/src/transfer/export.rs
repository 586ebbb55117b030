//! Exports the content of a study to files of other tools.

use crate::jobs::load;
use std::io::Write;
use syntrace_base::base::wire::LINK_ETHERNET;
use syntrace_base::base::{Digest, ModelId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{CaptureRecord, ClassRecord, LineageKind, Packet, Trace};
use syntrace_measure::privacy::promise;
use syntrace_store::Snapshot;
use syntrace_traffic::capture::{write_pcap, write_pcapng};
use syntrace_traffic::encoding::nprint_csv::{self, NprintOptions};
use syntrace_traffic::encoding::{COLORS, EncodingKind, NprintImage, NprintLayout};
use syntrace_traffic::synth::mend;

/// Which traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceSelection {
    /// Real traces of a class.
    Class {
        /// Dataset.
        dataset: String,
        /// Class.
        class: String,
    },
    /// Synthetic traces of a model.
    Model {
        /// The model.
        model_id: ModelId,
        /// As generated; otherwise lengths and checksums that contradict the packet are set.
        raw: bool,
    },
}

/// The traces with their packets, in the order of their ids (synthetic ones: of their numbers).
///
/// # Errors
/// No such class or model.
pub fn selected_traces(snapshot: &Snapshot, selection: &TraceSelection) -> Result<Vec<Trace>> {
    let jobs: Vec<_> = snapshot.jobs()?.into_iter().map(|job| job.job_id).collect();
    match selection {
        TraceSelection::Class { dataset, class } => {
            let classes = snapshot.classes()?;
            let known: Vec<String> = classes.iter().map(|known| format!("{}/{}", known.dataset, known.class)).collect();
            let wanted = format!("{dataset}/{class}");
            if !known.contains(&wanted) {
                let error = Error::user(format!("the study has no class `{wanted}`"));
                return Err(error.hint_near(&wanted, &known, format!("it has: {}", known.join(", "))));
            }
            load::traces(snapshot, ClassRecord::id_of(dataset, class), &jobs)
        }
        TraceSelection::Model { model_id, raw } => {
            if snapshot.model(*model_id)?.is_none() {
                return Err(no_model(*model_id));
            }
            let mut traces = load::synthetic_traces(snapshot, *model_id, &jobs)?.traces;
            traces.retain(|trace| !trace.packets.is_empty());
            if !raw {
                for packet in traces.iter_mut().flat_map(|trace| &mut trace.packets) {
                    mend(packet);
                }
            }
            Ok(traces)
        }
    }
}

/// All packets with the number of their trace, in order of time; those of one trace stay in their order, also where time
/// runs backwards in it.
fn in_order<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Vec<(usize, &'a Packet)> {
    let mut packets = Vec::new();
    for (number, trace) in traces.into_iter().enumerate() {
        let mut latest = i64::MIN;
        for packet in &trace.packets {
            latest = latest.max(packet.time_us);
            packets.push((latest, number, packet));
        }
    }
    packets.sort_by_key(|(latest, _, _)| *latest);
    packets.into_iter().map(|(_, number, packet)| (number, packet)).collect()
}

/// Writes traces as one PCAP in order of time; gives traces and packets written.
pub fn export_traces(snapshot: &Snapshot, selection: &TraceSelection, out: &mut dyn Write) -> Result<(u64, u64)> {
    let traces = selected_traces(snapshot, selection)?;
    Ok((traces.len() as u64, write_traces(traces.iter(), out)?))
}

/// Writes traces as one PCAP in order of time; gives the packets written.
pub fn write_traces<'a>(traces: impl IntoIterator<Item = &'a Trace>, out: &mut dyn Write) -> Result<u64> {
    write_pcap(out, LINK_ETHERNET, in_order(traces).into_iter().map(|(_, packet)| packet))
}

/// Writes traces as one PCAPNG in order of time, each packet with a comment: class or model, and trace.
/// Gives traces and packets written.
pub fn export_pcapng(snapshot: &Snapshot, selection: &TraceSelection, out: &mut dyn Write) -> Result<(u64, u64)> {
    let traces = selected_traces(snapshot, selection)?;
    let origin = match selection {
        TraceSelection::Class { dataset, class } => format!("{dataset}/{class}"),
        TraceSelection::Model { model_id, .. } => model_words(snapshot, *model_id)?,
    };
    let comments: Vec<String> = traces.iter().map(|trace| format!("{origin} trace_id={}", trace.trace_id)).collect();
    let packets = in_order(&traces).into_iter();
    let commented = packets.filter_map(|(number, packet)| Some((packet, comments.get(number)?.as_str())));
    let written = write_pcapng(out, commented)?;
    Ok((traces.len() as u64, written))
}

/// `netssm os/mac none target model_id=7`.
fn model_words(snapshot: &Snapshot, model_id: ModelId) -> Result<String> {
    let Some(model) = snapshot.model(model_id)? else { return Err(no_model(model_id)) };
    let class = snapshot.class(model.class_id)?;
    let class = class.map_or("?".to_owned(), |class| format!("{}/{}", class.dataset, class.class));
    let (generator, regime, role) = (&model.generator, model.regime.label(), model.role.name());
    Ok(format!("{generator} {class} {regime} {role} model_id={model_id}"))
}

fn no_model(model_id: ModelId) -> Error {
    Error::user(format!("the study has no model `{model_id}`"))
        .hint("`syntrace sql STUDY -c 'SELECT model_id, name FROM models'` lists them")
}

/// Writes the weights of a model as they are stored (safetensors for ours, any format for imported ones)
/// and returns what is needed to build the network: generator, preset, configuration, and the digest of the
/// public base that adapters belong to.
pub fn export_weights(snapshot: &Snapshot, model_id: ModelId, out: &mut dyn Write) -> Result<serde_json::Value> {
    let Some(model) = snapshot.model(model_id)? else { return Err(no_model(model_id)) };
    let digest = model.weights.ok_or_else(|| {
        Error::user(format!("model `{model_id}` has no weights in the study"))
            .hint("imported models have them only where they were given, redacted copies never")
    })?;
    snapshot.object_to(&Digest(digest), out)?;
    let config: serde_json::Value = serde_json::from_str(&model.config)
        .map_err(|error| Error::internal(format!("the configuration of model {model_id}: {error}")))?;
    let members = snapshot.split(model.split_id)?.map(|split| split.members);
    let ancestors = model.lineage.iter().filter(|edge| edge.kind == LineageKind::Weights).map(|edge| edge.source_id);
    Ok(serde_json::json!({
        "model_id": model_id.0,
        "name": model_words(snapshot, model_id)?,
        "generator": model.generator,
        "preset": model.preset,
        "config": config,
        "epsilon": model.regime.epsilon(),
        "delta": model.regime.delta(),
        "guarantee": promise(&model, members).0,
        "digest": Digest(digest).hex(),
        "ancestors": ancestors.collect::<Vec<_>>(),
    }))
}

/// Writes traces as nPrint's CSV; gives the rows written.
pub fn export_nprint(
    snapshot: &Snapshot,
    selection: &TraceSelection,
    options: &NprintOptions,
    out: &mut dyn Write,
) -> Result<u64> {
    nprint_csv::write_traces(&selected_traces(snapshot, selection)?, out, options)
}

/// Which images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSelection {
    /// Of which class or model.
    pub traces: TraceSelection,
    /// Only these; all where empty.
    pub only: Vec<TraceId>,
    /// At most this many, in order of trace id.
    pub limit: usize,
    /// What the 1,088 columns are.
    pub layout: NprintLayout,
    /// Rows: one a packet, the rest blank.
    pub height: usize,
}

/// PNG files of nPrint images, with the trace of each.
///
/// # Errors
/// A trace that is not there; none at all.
pub fn export_images(snapshot: &Snapshot, selection: &ImageSelection) -> Result<Vec<(TraceId, Vec<u8>)>> {
    let mut traces = selected_traces(snapshot, &selection.traces)?;
    let missing = |id: &&TraceId| !traces.iter().any(|trace| trace.trace_id == **id);
    if let Some(id) = selection.only.iter().find(missing) {
        return Err(Error::user(format!("trace `{id}` is not in the class or model")).hint(
            "`syntrace sql STUDY -c 'SELECT trace_id FROM traces'` lists real ones, `synthetic_traces` the others",
        ));
    }
    if !selection.only.is_empty() {
        traces.retain(|trace| selection.only.contains(&trace.trace_id));
    }
    if traces.is_empty() {
        return Err(Error::user(
            "expected one or more traces, found none: the model has generated nothing that parses",
        ));
    }
    traces.sort_unstable_by_key(|trace| trace.trace_id);
    let image = |trace: &Trace| {
        let image = NprintImage::from_encoded(&EncodingKind::Nprint.encode(trace))?.with_layout(selection.layout);
        Ok((trace.trace_id, image.to_png(selection.height, &COLORS)))
    };
    traces.iter().take(selection.limit).map(image).collect()
}

/// Writes the verbatim bytes of a capture, named by id, digest or file name.
pub fn export_capture(snapshot: &Snapshot, name: &str, out: &mut dyn Write) -> Result<u64> {
    let captures = snapshot.captures()?;
    let names = snapshot.capture_names()?;
    let is_named = |capture: &CaptureRecord| {
        names.get(&capture.capture_id).is_some_and(|names| names.iter().any(|known| known == name))
    };
    let matching: Vec<_> = captures
        .iter()
        .filter(|capture| {
            is_named(capture) || capture.capture_id.to_string() == name || Digest(capture.digest).hex() == name
        })
        .collect();
    match matching.as_slice() {
        [] => Err(Error::user(format!("the study has no capture `{name}`"))
            .hint("`syntrace sql STUDY -c 'SELECT capture_id, name FROM captures'` lists them")),
        [capture] if !capture.kept => {
            Err(Error::user(format!("the bytes of capture `{name}` were not kept (`--no-keep-captures`)")))
        }
        [capture] => {
            snapshot.object_to(&Digest(capture.digest), out)?;
            Ok(capture.bytes)
        }
        more => {
            Err(Error::user(format!("{} captures are named `{name}`", more.len())).hint("name it by its capture_id"))
        }
    }
}
