//! What each kind of job does: load, call the stage, commit.

use super::attack::run_attack;
use super::context::Context;
use super::job::{JobHead, Start};
use super::split::split;
use super::{leakage, load, outside, quality};
use crate::plan::{PlannedJob, Work};
use crate::rows::{self, EncodingRow};
use crate::{bases, ingest, train};
use syntrace_base::base::{ClassId, JobId, Progress, map_ordered};
use syntrace_base::error::{Error, Result};
use syntrace_store::{JobResult, StoreWriter};
use syntrace_traffic::encoding::EncodingKind;

/// Runs one job and commits its result. A binary that references this function links libtorch.
pub(crate) fn run_job(context: &Context<'_>, job: &PlannedJob, progress: &dyn Progress) -> Result<()> {
    let (store, head) = (context.store, &job.head);
    match &job.work {
        Work::Base { base } if base.shipped.is_none() => train::base(context, head, base, progress),
        Work::Train { models, encode } => train::train(context, head, models, *encode, progress),
        Work::Attribute { model, encode } => train::attributes(context, head, model, *encode),
        Work::Whole { model, encode } => train::whole_attributes(context, head, model, *encode),
        Work::Reference { model, encode, splits, kinds } => {
            train::references(context, head, model, *encode, splits, kinds)
        }
        Work::Attack { attack, group } => run_attack(store, head, attack, group),
        Work::Synthesize { model, count } => train::synthesize(context, head, model, *count, progress),
        Work::Utility { utility } => quality::utility(context, head, utility),
        Work::OneRunAudit { model, encode } => train::one_run(context, head, model, *encode, progress),
        _ => run_job_without_networks(context, job, progress),
    }
}

/// As [`run_job`] for the jobs that need no libtorch, see [`Work::needs_networks`].
pub(crate) fn run_job_without_networks(context: &Context<'_>, job: &PlannedJob, progress: &dyn Progress) -> Result<()> {
    let (store, head) = (context.store, &job.head);
    match &job.work {
        Work::IngestFile { options, path } => {
            progress.start_bytes(&head.label, std::fs::metadata(path).map_or(0, |file| file.len()));
            ingest::ingest_file(store, options, path, progress)
        }
        Work::Base { base } if base.shipped.is_some() => bases::add_shipped(store, head, base),
        Work::Simulate { options, flows } => ingest::simulate_class(store, options, head, *flows),
        Work::Encode { class_id, sources, encoding, anonymised } => {
            encode(store, head, (*class_id, sources), encoding, *anonymised)
        }
        Work::Split { class_id, sources, split_id, role } => {
            split(store, head, *class_id, sources, (*split_id, *role), context.plan.spec.split)
        }
        Work::Fidelity { model, sources, synthesize } => quality::fidelity(context, head, model, sources, *synthesize),
        Work::Leakage { model, sources, synthesize } => leakage::leakage(store, head, model, sources, *synthesize),
        Work::Outside { model, sources, synthesize, splits } => {
            outside::outside(store, head, model, sources, *synthesize, splits)
        }
        _ => Err(Error::internal("this job trains a network, and this program is not linked to libtorch")),
    }
}

fn encode(
    store: &StoreWriter,
    head: &JobHead,
    (class_id, sources): (ClassId, &[JobId]),
    encoding: &EncodingKind,
    anonymised: bool,
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let load = if anonymised { load::anonymised } else { load::traces };
    let traces = load(&snapshot, class_id, sources)?;
    let name = format!("{}{}", encoding.name(), if anonymised { " anonymised" } else { "" });
    let mut result = JobResult::new(head.record(start));
    for run in rows::runs(&traces) {
        let encoded: Vec<EncodingRow> = map_ordered(run, |trace| {
            let encoded = encoding.encode(trace);
            EncodingRow { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
        });
        result.segments.push(rows::encodings_segment(class_id.0, &name, &encoded)?);
    }
    result.job = head.record(start);
    store.commit(result)?;
    Ok(())
}
