//! Inputs of a model's jobs: encoded traces, generators, weights, checkpoints.

use crate::jobs::context::Context;
use crate::jobs::job::Start;
use crate::jobs::load;
use crate::plan::PlannedModel;
use std::collections::{BTreeMap, HashMap};
use syntrace_base::base::{ClassId, Digest, JobId, ModelId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;
use syntrace_model::model::Generator;
use syntrace_model::train::{CheckpointSink, EncodedTrace};
use syntrace_store::Snapshot;
use syntrace_traffic::encoding::EncodingKind;

/// All encoded traces of a class and where each is.
pub(crate) struct Pool {
    pub traces: Vec<EncodedTrace>,
    pub positions: HashMap<TraceId, usize>,
}

impl Pool {
    pub fn load(snapshot: &Snapshot, class: ClassId, encode: JobId) -> Result<Self> {
        let rows = load::encodings(snapshot, class, encode)?;
        let positions = rows.iter().enumerate().map(|(index, row)| (row.trace_id, index)).collect();
        let traces = rows
            .into_iter()
            .map(|row| EncodedTrace { trace_id: row.trace_id, rows: row.rows, width: row.width, data: row.data })
            .collect();
        Ok(Self { traces, positions })
    }
}

impl Pool {
    /// A number for the host of each trace, by position.
    pub fn hosts(&self, snapshot: &Snapshot, class: ClassId) -> Result<Vec<u64>> {
        let hosts = load::hosts(snapshot, class)?;
        let mut numbers: BTreeMap<&[u8], u64> = hosts.values().map(|host| (host.as_slice(), 0)).collect();
        numbers.values_mut().zip(0..).for_each(|(number, next)| *number = next);
        let number = |trace: &EncodedTrace| {
            let host = hosts.get(&trace.trace_id).and_then(|host| numbers.get(host.as_slice()));
            host.copied().ok_or_else(|| Error::internal(format!("trace {} is not in `traces`", trace.trace_id)))
        };
        self.traces.iter().map(number).collect()
    }
}

/// A trace in an encoding.
pub(super) fn encode_trace(trace: &Trace, encoding: &EncodingKind) -> EncodedTrace {
    let encoded = encoding.encode(trace);
    EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
}

/// Checkpoints into the study, at most once per interval in seconds.
pub(crate) struct StoreSink<'a> {
    pub context: &'a Context<'a>,
    pub job_id: JobId,
    pub start: Start,
    pub saved_at: f64,
}

impl CheckpointSink for StoreSink<'_> {
    fn due(&mut self, _steps: u64) -> bool {
        self.start.seconds() - self.saved_at >= self.context.checkpoint_seconds
    }

    fn save(&mut self, bytes: &[u8]) -> Result<()> {
        self.context.store.save_checkpoint(self.job_id, bytes)?;
        self.saved_at = self.start.seconds();
        Ok(())
    }

    fn seconds(&mut self) -> f64 {
        self.start.seconds()
    }
}

/// The generator of a planned model or base: its name in the study, and what it does.
pub(crate) fn generator<'a>(context: &'a Context<'_>, index: usize) -> Result<(&'a str, &'a dyn Generator)> {
    let generator = context.plan.generators.get(index);
    generator
        .map(|generator| (generator.name.as_str(), generator.family.generator()))
        .ok_or_else(|| Error::internal("a planned model names an unknown generator"))
}

pub(crate) fn weights_of(snapshot: &Snapshot, model: ModelId) -> Result<Vec<u8>> {
    let record = snapshot.model(model)?.ok_or_else(|| Error::internal(format!("model {model} is not in the study")))?;
    let digest = Digest(record.weights.ok_or_else(|| Error::internal(format!("model {model} has no weights")))?);
    if snapshot.object_record(&digest)?.is_none() {
        return Err(Error::user(format!("the study holds model {model} without its weights"))
            .hint("they stayed behind (`merge --without weights`): merge the study that has them"));
    }
    snapshot.object(&digest)
}

/// A model's own weights and those of its base.
pub(crate) fn weights(snapshot: &Snapshot, model: &PlannedModel) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let base = model.base.map(|base| weights_of(snapshot, base)).transpose()?;
    Ok((weights_of(snapshot, model.model_id)?, base))
}
