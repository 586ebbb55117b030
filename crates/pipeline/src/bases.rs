//! Available bases: shipped with the program or trained elsewhere, identified by the digest of their weights.

use crate::jobs::job::{JobHead, Start};
use crate::plan::PlannedBase;
use syntrace_base::base::{ClassId, Digest, Identity, ModelId, SplitId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Guarantee, JobKind, LineageEdge, LineageKind, ModelRecord, ModelStatus, Regime, Role};
use syntrace_model::model::shipped::{BaseManifest, shipped_bases};
use syntrace_store::{JobResult, NewObject, Snapshot, StoreWriter};

/// A base that a study holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredBase {
    /// Family whose models start from it.
    pub family: String,
    /// Digest of its weights, hexadecimal.
    pub blake3: String,
    /// Parameters.
    pub parameters: u64,
    /// Did private traces reach its weights?
    pub saw_private: bool,
    /// Its lineage, as text.
    pub traffic: String,
}

/// The bases of a study.
///
/// # Errors
/// Where the study cannot be read.
pub fn bases_of(snapshot: &Snapshot) -> Result<Vec<StoredBase>> {
    let of = |record: ModelRecord| {
        let traffic: Vec<&str> = record
            .lineage
            .iter()
            .filter(|edge| edge.kind != LineageKind::RandomInitialisation)
            .map(|edge| edge.description.as_str())
            .collect();
        Some(StoredBase {
            family: record.generator.clone(),
            blake3: Digest(record.weights?).hex(),
            parameters: record.parameters,
            saw_private: record.lineage.iter().any(|edge| edge.saw_private),
            traffic: traffic.join(", "),
        })
    };
    Ok(snapshot.models()?.into_iter().filter(|record| record.role == Role::Base).filter_map(of).collect())
}

/// The id of a base, derived from the digest of its weights: the same whichever study imports it.
pub(crate) fn base_id(family: &str, digest: &Digest) -> ModelId {
    ModelId::from(Identity::new("named-base").text(family).digest(digest).finish())
}

/// Adds a base that ships with the program to the study.
pub(crate) fn add_shipped(store: &StoreWriter, head: &JobHead, base: &PlannedBase) -> Result<()> {
    let start = Start::now();
    let digest = base.shipped.map(|digest| digest.hex()).unwrap_or_default();
    let found = shipped_bases()?.iter().find(|base| base.digest() == digest);
    let found = found.ok_or_else(|| Error::internal(format!("the program holds no base with digest `{digest}`")))?;
    add(store, head, start, &found.manifest, found.weights.to_vec())
}

/// Imports a base that was trained elsewhere into the study; false if the study holds it already.
///
/// # Errors
/// Where the manifest is of other weights, or the study cannot be written.
pub fn import_base(store: &StoreWriter, manifest: &BaseManifest, weights: Vec<u8>) -> Result<bool> {
    let start = Start::now();
    let digest = Digest::of(&weights);
    if store.snapshot()?.model(base_id(&manifest.family, &digest))?.is_some() {
        return Ok(false);
    }
    let spec = serde_json::json!({ "generator": manifest.family, "imported": digest.hex(), "saw_private": manifest.saw_private });
    let head = JobHead::new(JobKind::Base, format!("base of {} from a file", manifest.family), &spec, Vec::new(), 0);
    add(store, &head, start, manifest, weights)?;
    Ok(true)
}

fn add(store: &StoreWriter, head: &JobHead, start: Start, manifest: &BaseManifest, weights: Vec<u8>) -> Result<()> {
    let digest = Digest::of(&weights);
    let edge = |kind, description: &str, saw_private| LineageEdge {
        kind,
        source_id: 0,
        description: description.to_owned(),
        through_mechanism: false,
        saw_private,
    };
    let traffic = if manifest.saw_private { LineageKind::TrainingTraces } else { LineageKind::PublicTraces };
    let lineage = vec![
        edge(traffic, &manifest.traffic, manifest.saw_private),
        edge(LineageKind::RandomInitialisation, "initial weights drawn from the base's seed", false),
    ];
    let mut result = JobResult::new(head.record(start));
    result.models.push(ModelRecord {
        model_id: base_id(&manifest.family, &digest),
        generator: manifest.family.clone(),
        preset: "base".to_owned(),
        config: manifest.options.to_string(),
        class_id: ClassId(0),
        split_id: SplitId(0),
        role: Role::Base,
        regime: Regime::None,
        train_job: head.job_id,
        noise_multiplier: None,
        sampling_rate: 0.0,
        steps: 0,
        expected_batch: 0.0,
        clip_norm: None,
        epsilon_spent: None,
        accountant: None,
        guarantee: Guarantee::None,
        epsilon_end_to_end: None,
        noise: None,
        parameters: manifest.parameters,
        parameters_private: 0,
        seconds: start.seconds(),
        status: ModelStatus::Trained,
        weights: Some(digest.0),
        lineage,
    });
    result.objects.push(NewObject { kind: "weights", bytes: weights });
    store.commit(result)?;
    Ok(())
}
