//! Jobs: units of work with an identity.

use crate::clock;
use std::time::Instant;
use syntrace_base::base::{Device, Identity, JobId, thread_count};
use syntrace_base::record::{JobKind, JobRecord};

/// Version of the code of each kind of job: raised when the same inputs give other results, so that
/// nothing stale is reused.
pub(crate) fn code_version(kind: JobKind) -> u32 {
    match kind {
        JobKind::Ingest
        | JobKind::Simulate
        | JobKind::Encode
        | JobKind::Split
        | JobKind::Base
        | JobKind::Train
        | JobKind::Attribute
        | JobKind::Synthesize
        | JobKind::Import
        | JobKind::OneRunAudit
        | JobKind::Plan => 1,
        JobKind::Attack => 3,
        JobKind::Utility => 4,
        JobKind::Leakage => 5,
        JobKind::Fidelity => 7,
    }
}

/// What a job is, before it runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobHead {
    pub job_id: JobId,
    pub kind: JobKind,
    /// For people; no part of the identity.
    pub label: String,
    /// Canonical JSON of everything in the spec that the result depends on.
    pub spec: String,
    /// Ids of what it reads, sorted.
    pub inputs: Vec<i64>,
    pub seed: u64,
}

impl JobHead {
    /// Identity: hash of kind, code version, canonical spec, inputs and seed.
    pub fn new(kind: JobKind, label: String, spec: &serde_json::Value, mut inputs: Vec<i64>, seed: u64) -> Self {
        inputs.sort_unstable();
        inputs.dedup();
        let spec = spec.to_string();
        let identity = Identity::new("job").text(kind.name()).int(i64::from(code_version(kind))).text(&spec);
        let identity = inputs.iter().fold(identity, |identity, input| identity.int(*input));
        let job_id = JobId::from(identity.bytes(&seed.to_le_bytes()).finish());
        Self { job_id, kind, label, spec, inputs, seed }
    }

    /// That of a job that was done.
    pub fn of(record: JobRecord) -> Self {
        let JobRecord { job_id, kind, label, spec, inputs, seed, .. } = record;
        Self { job_id, kind, label, spec, inputs, seed }
    }

    /// The seed of everything random in this job: from its identity, so that results do not depend on
    /// order, shards or other jobs.
    pub fn derived_seed(&self) -> syntrace_base::base::Seed {
        syntrace_base::base::Seed::from_digest(Identity::new("job-seed").int(self.job_id.0).finish())
    }

    /// The provenance record of a run of this job that began at `start`, on the CPU.
    pub fn record(&self, start: Start) -> JobRecord {
        self.record_on(start, Device::Cpu)
    }

    /// As [`JobHead::record`] for a job whose networks ran on a device; another one than the CPU is named
    /// behind the program's version.
    pub fn record_on(&self, start: Start, device: Device) -> JobRecord {
        JobRecord {
            job_id: self.job_id,
            kind: self.kind,
            label: self.label.clone(),
            spec: self.spec.clone(),
            inputs: self.inputs.clone(),
            seed: self.seed,
            code_version: code_version(self.kind),
            program: format!("syntrace {}{}", env!("CARGO_PKG_VERSION"), device.suffix()),
            started_us: start.wall_us,
            finished_us: start.wall_us + start.instant.elapsed().as_micros() as i64,
            threads: thread_count() as u32,
            outputs: Vec::new(),
        }
    }
}

/// When a job began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub wall_us: i64,
    pub instant: Instant,
}

impl Start {
    pub fn now() -> Self {
        Self { wall_us: clock::now_us(), instant: Instant::now() }
    }

    pub fn seconds(&self) -> f64 {
        self.instant.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of a CPU run have the same bytes as before devices were supported.
    #[test]
    fn records_name_a_device_only_where_it_is_not_the_cpu() {
        let head = JobHead::new(JobKind::Train, "label".to_owned(), &serde_json::json!({}), vec![1], 7);
        let version = concat!("syntrace ", env!("CARGO_PKG_VERSION"));
        assert_eq!(head.record(Start::now()).program, version);
        assert_eq!(head.record_on(Start::now(), Device::Cpu).program, version);
        assert_eq!(head.record_on(Start::now(), Device::Cuda(0)).program, format!("{version} cuda:0"));
    }
}
