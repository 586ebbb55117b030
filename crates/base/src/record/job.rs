//! One unit of work and its results.

use crate::base::JobId;
use crate::error::{Error, Result};

/// Kind of work; with the canonical spec and the inputs it makes a job's identity.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub enum JobKind {
    /// A capture cut into traces.
    Ingest,
    /// Simulated captures of a class, cut into traces.
    Simulate,
    /// Traces of a class in one encoding.
    Encode,
    /// Members and held-out traces of a role.
    Split,
    /// A base on public traffic.
    Base,
    /// A cohort of models.
    Train,
    /// Attributes of a model's traces.
    Attribute,
    /// An attack on a group of models.
    Attack,
    /// Synthetic traces of a model.
    Synthesize,
    /// Fidelity of a model's synthetic traces.
    Fidelity,
    /// A model made elsewhere: its attributes, synthetic traces, membership, weights and log.
    Import,
    /// Downstream models on a dataset's synthetic or real traces.
    Utility,
    /// Leakage of training traces into a model's synthetic ones.
    Leakage,
    /// A one-run audit of the mechanism that trained a model.
    OneRunAudit,
    /// A spec that was run, and which jobs and models belong to it. It does nothing and reads nothing.
    Plan,
}

impl JobKind {
    /// Name in SQL and in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Simulate => "simulate",
            Self::Encode => "encode",
            Self::Split => "split",
            Self::Base => "base",
            Self::Train => "train",
            Self::Attribute => "attribute",
            Self::Attack => "attack",
            Self::Synthesize => "synthesize",
            Self::Fidelity => "fidelity",
            Self::Import => "import",
            Self::Utility => "utility",
            Self::Leakage => "leakage",
            Self::OneRunAudit => "one_run_audit",
            Self::Plan => "plan",
        }
    }
}

/// One thing that a job wrote.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct JobOutput {
    /// Redb table (`models`, `segments`, `objects`, ...).
    pub table: String,
    /// Key as text.
    pub key: String,
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
}

/// A finished job. Key: [`JobId`].
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct JobRecord {
    /// Hash of kind, spec, inputs, seed and code version.
    pub job_id: JobId,
    /// Kind of work.
    pub kind: JobKind,
    /// What it was about, for people (`netssm os/windows eps4 target`).
    pub label: String,
    /// Canonical JSON of the part of the spec that it depends on.
    pub spec: String,
    /// Ids of what it read, sorted.
    pub inputs: Vec<i64>,
    /// Study seed; results that do not use it say so by their spec.
    pub seed: u64,
    /// Version of the code of this kind of job.
    pub code_version: u32,
    /// Version of the program that ran it; then the device, where networks ran on another than the CPU.
    pub program: String,
    /// Wall clock at the start, microseconds since 1970. Not part of the identity.
    pub started_us: i64,
    /// Wall clock at the end, microseconds since 1970. Not part of the identity.
    pub finished_us: i64,
    /// Threads it ran with.
    pub threads: u32,
    /// What it wrote.
    pub outputs: Vec<JobOutput>,
}

impl JobRecord {
    /// Its spec, read.
    ///
    /// # Errors
    /// `internal` where the text is no JSON object: the record is damaged.
    pub fn settings(&self) -> Result<serde_json::Value> {
        let damaged =
            |found: String| Error::damaged(format!("jobs, key {}: its spec is damaged: {found}", self.job_id));
        match serde_json::from_str(&self.spec) {
            Ok(settings @ serde_json::Value::Object(_)) => Ok(settings),
            Ok(_) => Err(damaged("expected a JSON object".to_owned())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// What the column `plan` says of a job of kind [`JobKind::Plan`]: the spec's name and the id's first digits.
    pub fn plan_name(&self) -> String {
        format!("{} {:08x}", self.label, self.job_id.0 as u64 >> 32)
    }
}
