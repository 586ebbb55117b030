//! Imports one external model as one job of the study.

use super::content::{self, Content, NamedFile};
use super::names::{self, TraceIndex};
use crate::ingest::folder::PassedOver;
use crate::jobs::job::{JobHead, Start};
use crate::rows::{self, AttributeRow, SyntheticRow};
use std::io::BufReader;
use syntrace_base::base::{Digest, Identity, ModelId, Progress, SplitId};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::*;
use syntrace_measure::privacy;
use syntrace_spec::{ImportManifest, ImportModel};
use syntrace_store::schema::SYNTHETIC_PACKETS;
use syntrace_store::{JobResult, NewFile, Snapshot, StoreWriter};
use syntrace_traffic::capture::{self, CutOptions};
use syntrace_traffic::synth::{mend, trace_id};

/// Default packets of a trace, if neither the manifest nor the class defines them.
const TRACE_PACKETS: u32 = 10;
/// Values of one segment of attributes.
const SEGMENT_VALUES: usize = 8 << 20;

/// Result of importing one model of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedModel {
    /// The model.
    pub model_id: ModelId,
    /// Generator, class, regime and role as text.
    pub label: String,
    /// False where the study already held it.
    pub added: bool,
    /// Traces that it was trained on.
    pub members: usize,
    /// Delta of the epsilon that its makers claim.
    pub delta: Option<f64>,
    /// Traces that were held out.
    pub held_out: usize,
    /// Rows of each attribute kind.
    pub attributes: Vec<(String, usize)>,
    /// Synthetic traces.
    pub synthetic: usize,
    /// Packets in synthetic captures that are in no trace because they do not parse.
    pub rejected: u64,
    /// Files in folders of synthetic captures that were skipped.
    pub passed_over: Vec<PassedOver>,
    /// What was read from each attribute file, for display.
    pub taken: Vec<String>,
}

/// Imports all models of a manifest. Everything is read and checked before anything is written.
///
/// # Errors
/// `user` for files that are missing, damaged or contradict each other or the study.
pub fn import_models(
    store: &StoreWriter,
    manifest: &ImportManifest,
    progress: &dyn Progress,
) -> Result<Vec<ImportedModel>> {
    let snapshot = store.snapshot()?;
    progress.start("check", manifest.models.len() as u64);
    let mut ready = Vec::new();
    for model in &manifest.models {
        if progress.stop_requested() {
            return Err(Error::interrupted("stopped; nothing was written"));
        }
        let prepared = prepare(&snapshot, model).context(|| model.label())?;
        // Several large models are read twice rather than held in memory together.
        ready.push(if manifest.models.len() == 1 { Some(prepared) } else { None });
        progress.advance(1, &model.label());
    }
    drop(snapshot);
    progress.start("import", manifest.models.len() as u64);
    let mut imported = Vec::new();
    for (model, ready) in manifest.models.iter().zip(ready) {
        if progress.stop_requested() {
            return Err(Error::interrupted("stopped; every finished model is in the study"));
        }
        let prepared = match ready {
            Some(prepared) => prepared,
            None => prepare(&store.snapshot()?, model).context(|| model.label())?,
        };
        if let Some(result) = prepared.result {
            store.commit(result)?;
        }
        imported.push(prepared.summary);
        progress.advance(1, &model.label());
    }
    progress.finish();
    Ok(imported)
}

struct Prepared {
    summary: ImportedModel,
    /// `None` where the study already holds it.
    result: Option<JobResult>,
}

fn prepare(snapshot: &Snapshot, model: &ImportModel) -> Result<Prepared> {
    let start = Start::now();
    names::check_generator(snapshot, &model.generator)?;
    let class = names::class_of(snapshot, &model.dataset, &model.class)?;
    let index = TraceIndex::load(snapshot, &class)?;
    let content = content::read(model, &index)?;
    let cut = cut_options(model, &index)?;
    let head = head(model, &class, &index, &content, &cut);
    let model_id = ModelId::from(Identity::new("imported-model").int(head.job_id.0).finish());
    let synthetic = synthetic(model_id, &content.synthetic, &cut)?;
    let mut attributes: Vec<(String, usize)> = Vec::new();
    for row in &content.attributes {
        match attributes.last_mut() {
            Some((kind, rows)) if *kind == row.kind => *rows += 1,
            _ => attributes.push((row.kind.clone(), 1)),
        }
    }
    let members = content.members.iter().filter(|(_, member)| *member).count();
    let summary = ImportedModel {
        model_id,
        label: model.label(),
        added: snapshot.job(head.job_id)?.is_none(),
        members,
        delta: model.regime.delta(),
        held_out: content.members.len() - members,
        attributes,
        synthetic: synthetic.traces.len(),
        rejected: synthetic.facts.iter().map(|row| u64::from(row.rejected)).sum(),
        passed_over: content.passed_over.clone(),
        taken: content.taken.clone(),
    };
    if !summary.added {
        return Ok(Prepared { summary, result: None });
    }
    check_unique(snapshot, model, &class)?;
    let result = job_result(&head, start, model, &class, model_id, content, &synthetic)?;
    Ok(Prepared { summary, result: Some(result) })
}

/// One name, class, regime and role stand for one model, or the views could not tell them apart.
fn check_unique(snapshot: &Snapshot, model: &ImportModel, class: &ClassRecord) -> Result<()> {
    let same = |stored: &ModelRecord| {
        stored.generator == model.generator
            && stored.class_id == class.class_id
            && stored.regime == model.regime
            && stored.role == model.role
    };
    match snapshot.models()?.into_iter().find(same) {
        None => Ok(()),
        Some(stored) => Err(Error::user(format!(
            "the study holds `{}` already, with other content (model {})",
            model.label(),
            stored.model_id
        ))
        .hint("nothing stored is overwritten: give the new one another name (`--generator NAME-v2`)")),
    }
}

fn cut_options(model: &ImportModel, index: &TraceIndex) -> Result<CutOptions> {
    let class = index.cut();
    let default_unit = match class {
        Some(("capture", _)) => TraceUnit::Capture,
        _ => TraceUnit::Flow,
    };
    if class.is_none() && model.cut.packets.is_none() && !model.synthetic.is_empty() {
        return Err(Error::user(
            "the class's captures were cut in several ways, so how synthetic ones are cut is open",
        )
        .hint("say so: `traces = { unit = \"flow\", packets = 10 }`"));
    }
    Ok(CutOptions {
        dataset: model.dataset.clone(),
        class: model.class.clone(),
        unit: model.cut.unit.unwrap_or(default_unit),
        trace_packets: model.cut.packets.or(class.map(|(_, packets)| packets)).unwrap_or(TRACE_PACKETS),
        min_packets: model.cut.min_packets.unwrap_or(1),
    })
}

fn head(model: &ImportModel, class: &ClassRecord, index: &TraceIndex, content: &Content, cut: &CutOptions) -> JobHead {
    let spec = serde_json::json!({
        "generator": model.generator,
        "class": class.class_id.0,
        "role": model.role.name(),
        "shadow": model.role.shadow(),
        "epsilon": model.regime.epsilon(),
        "delta": model.regime.delta(),
        "claim": model.claim,
        "cut": { "unit": cut.unit.name(), "packets": cut.trace_packets, "min_packets": cut.min_packets },
        "files": content.identity,
        "training": model.reported,
        "note": model.note,
    });
    let sources = index.sources(content.members.iter().map(|(trace, _)| trace));
    let inputs = sources.iter().map(|job| job.0).chain([class.class_id.0]).collect();
    JobHead::new(JobKind::Import, format!("import {}", model.label()), &spec, inputs, 0)
}

#[derive(Default)]
struct Synthetic {
    traces: Vec<Trace>,
    facts: Vec<SyntheticRow>,
}

/// Cuts synthetic captures into traces, numbered over all files in their order.
fn synthetic(model_id: ModelId, files: &[NamedFile], cut: &CutOptions) -> Result<Synthetic> {
    let mut out = Synthetic::default();
    for file in files {
        let place = || format!("`{}`", file.path.display());
        let cut = capture::cut(BufReader::new(file.open()?), cut).context(place)?;
        if let Some(damage) = &cut.summary.damage {
            return Err(Error::user(format!("damaged at offset {}: {}", damage.offset, damage.reason))
                .context(place())
                .hint("write the synthetic capture again: a partial one would count as complete"));
        }
        if cut.traces.is_empty() {
            return Err(Error::user(format!(
                "expected TCP or UDP packets, found none in {} packets",
                cut.summary.packets
            ))
            .context(place()));
        }
        let skipped = [DropReason::BeyondTraceLength, DropReason::TraceTooShort];
        let dropped = cut.drops.iter().filter(|drop| !skipped.contains(&drop.reason));
        // What is in no trace is counted at the first trace of its file.
        let mut rejected = dropped.map(|drop| drop.packets).sum::<u64>();
        for trace in cut.traces {
            let number = out.traces.len() as u64;
            let id = trace_id(model_id, number);
            let mended = trace.packets.iter().cloned().map(|mut packet| mend(&mut packet).total()).sum();
            out.facts.push(SyntheticRow {
                trace_id: id,
                number,
                packets: trace.packets.len() as u32,
                rejected: u32::try_from(std::mem::take(&mut rejected)).unwrap_or(u32::MAX),
                complete: true,
                mended,
                raw: Vec::new(),
            });
            out.traces.push(Trace { trace_id: id, first_packet: number, ..trace });
        }
    }
    Ok(out)
}

fn job_result(
    head: &JobHead,
    start: Start,
    model: &ImportModel,
    class: &ClassRecord,
    model_id: ModelId,
    content: Content,
    synthetic: &Synthetic,
) -> Result<JobResult> {
    let mut result = JobResult::new(head.record(start));
    let split_id = SplitId::from(Identity::new("split").int(head.job_id.0).finish());
    let parts: Vec<_> = content
        .members
        .iter()
        .map(|(trace, member)| (*trace, if *member { Part::Member } else { Part::HeldOut }))
        .collect();
    let members = content.members.iter().filter(|(_, member)| *member).count() as u32;
    let digest = content.members.iter().fold(Identity::new("pool"), |identity, (trace, _)| identity.int(trace.0));
    result.splits.push(SplitRecord {
        split_id,
        class_id: class.class_id,
        role: model.role,
        members,
        held_out: parts.len() as u32 - members,
        pool_digest: digest.finish().0,
    });
    result.segments.push(rows::split_segment(split_id.0, &parts)?);
    let weights = content.weights.as_ref().map(|file| file.digest);
    result.models.push(model_record(head, model, class, model_id, split_id, weights));
    for run in attribute_runs(&content.attributes) {
        result.segments.push(rows::attributes_segment(model_id.0, run)?);
    }
    for run in attribute_runs(&content.references) {
        result.segments.push(rows::references_segment(model_id.0, run)?);
    }
    if !content.epochs.is_empty() {
        result.segments.push(rows::logged_epochs_segment(model_id.0, &content.epochs)?);
    }
    if !synthetic.traces.is_empty() {
        result.segments.push(rows::synthetic_segment(model_id.0, &synthetic.facts)?);
    }
    for run in rows::runs(&synthetic.traces) {
        result.segments.push(rows::packet_segment(&SYNTHETIC_PACKETS, model_id.0, run)?);
    }
    if let Some(file) = content.weights {
        result.files.push(NewFile {
            kind: "weights",
            reader: Box::new(file.open()?),
            path: file.path,
            digest: file.digest,
        });
    }
    result.job = head.record(start);
    Ok(result)
}

/// Runs of one kind and bounded size: a question about one kind reads its segments only.
fn attribute_runs(rows: &[AttributeRow]) -> impl Iterator<Item = &[AttributeRow]> {
    rows.chunk_by(|a, b| a.kind == b.kind).flat_map(|kind| {
        let width = kind.first().map_or(1, |row| row.values.len()).max(1);
        kind.chunks((SEGMENT_VALUES / width).max(1))
    })
}

fn model_record(
    head: &JobHead,
    model: &ImportModel,
    class: &ClassRecord,
    model_id: ModelId,
    split_id: SplitId,
    weights: Option<Digest>,
) -> ModelRecord {
    let lineage = lineage(model, split_id);
    // The mechanism was not observed, so no privacy event is recorded, whatever is claimed.
    let (guarantee, epsilon_end_to_end) = privacy::guarantee(None, &lineage);
    let reported = &model.reported;
    let private = matches!(model.regime, Regime::Dp { .. });
    let config = serde_json::json!({ "claim": model.claim, "training": reported, "note": model.note });
    ModelRecord {
        model_id,
        generator: model.generator.clone(),
        preset: IMPORTED.to_owned(),
        config: config.to_string(),
        class_id: class.class_id,
        split_id,
        role: model.role,
        regime: model.regime,
        train_job: head.job_id,
        noise_multiplier: reported.noise_multiplier.filter(|_| private),
        sampling_rate: reported.sampling_rate.unwrap_or(0.0),
        steps: reported.steps.unwrap_or(0),
        expected_batch: 0.0,
        clip_norm: reported.clip_norm.filter(|_| private),
        epsilon_spent: None,
        accountant: None,
        guarantee,
        epsilon_end_to_end,
        noise: None,
        parameters: reported.parameters.unwrap_or(0),
        parameters_private: 0,
        seconds: reported.seconds.unwrap_or(0.0),
        status: ModelStatus::Trained,
        weights: weights.map(|digest| digest.0),
        lineage,
    }
}

/// Lineage: trained on its members; the mechanism is recorded as a claim.
fn lineage(model: &ImportModel, split_id: SplitId) -> Vec<LineageEdge> {
    let description = match (&model.claim, model.regime) {
        (Some(claim), Regime::Dp { epsilon, delta }) => format!(
            "member traces, made elsewhere; claimed by {}: epsilon {epsilon}, delta {delta:e}, unit {}, neighbours {}, {}{}{}",
            claim.by,
            claim.unit,
            claim.neighbours,
            claim.guarantee,
            claim.accountant.as_ref().map(|accountant| format!(", by {accountant}")).unwrap_or_default(),
            claim.mechanism.as_ref().map(|mechanism| format!(", mechanism {mechanism}")).unwrap_or_default()
        ),
        _ => "member traces, made elsewhere; no differential privacy is claimed".to_owned(),
    };
    vec![LineageEdge {
        kind: LineageKind::TrainingTraces,
        source_id: split_id.0,
        description,
        through_mechanism: false,
        saw_private: true,
    }]
}
