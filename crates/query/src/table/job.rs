//! `plans`, `plan_members`, `jobs`, `objects`, `segments`.

use super::capture::hex;
use super::plans::PlanRow;
use super::record::{Fields, record_table};
use super::study::Study;
use crate::scan::relation::Relation;
use std::collections::HashSet;
use std::sync::Arc;
use syntrace_base::base::{JobId, ModelId};
use syntrace_base::error::Result;
use syntrace_base::record::JobRecord;
use syntrace_store::schema::SEGMENT_TABLES;
use syntrace_store::{ColumnRecord, ObjectRecord, Scalar, SegmentRecord};

/// Microseconds of a second.
const US_PER_SECOND: f64 = 1e6;

pub(super) fn jobs(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<JobRecord>::new()
        .big("job_id", "id of the job: a hash of what it depends on", |job| job.job_id.0)
        .text("kind", "kind of work", |job| job.kind.name().to_owned())
        .text("label", "what it was about, for people", |job| job.label.clone())
        .text("spec", "the part of the spec that it depends on, JSON", |job| job.spec.clone())
        .text("inputs", "ids of what it read, JSON", |job| format!("{:?}", job.inputs))
        .big("seed", "study seed", |job| job.seed as i64)
        .int("code_version", "version of the code of this kind of job", |job| job.code_version as i32)
        .text(
            "program",
            "version of the program that ran it; then the device, where networks ran on another than the CPU",
            |job| job.program.clone(),
        )
        .big("started_us", "wall clock at the start, microseconds since 1970", |job| job.started_us)
        .big("finished_us", "wall clock at the end, microseconds since 1970", |job| job.finished_us)
        .real("seconds", "wall time", |job| (job.finished_us - job.started_us) as f64 / US_PER_SECOND)
        .int("threads", "threads it ran with", |job| job.threads as i32)
        .int("outputs", "number of things that it wrote", |job| job.outputs.len() as i32);
    record_table(study, fields, |study| study.snapshot()?.jobs())
}

pub(super) fn plans(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<(PlanRow, i64)>::new()
        .big("plan_id", "id of the plan: a hash of what the spec asks for", |(plan, _)| plan.plan_id.0)
        .text("plan", "name of the spec and the id's first digits", |(plan, _)| plan.name.to_string())
        .big("members", "jobs and models that belong to it, done or not", |(plan, _)| plan.ids.len() as i64)
        .big("done", "of them, those that are here; fewer than members = its run has not ended", |(_, done)| *done)
        .text("spec", "what the spec asks for, JSON; no files, seed, threads or device", |(plan, _)| plan.spec.clone())
        .big("started_us", "first run, microseconds since 1970", |(plan, _)| plan.started_us);
    record_table(study, fields, |study| {
        let jobs: HashSet<i64> = study.snapshot()?.jobs()?.iter().map(|job| job.job_id.0).collect();
        let index = study.index()?;
        let is_here = |id: &&i64| jobs.contains(*id) || index.model(ModelId(**id)).is_some();
        let with_done = |plan: &PlanRow| (plan.clone(), plan.ids.iter().filter(is_here).count() as i64);
        Ok(study.plans()?.rows.iter().map(with_done).collect())
    })
}

pub(super) fn plan_members(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<(Arc<str>, JobId, i64)>::new()
        .big("plan_id", "plan", |row| row.1.0)
        .text("plan", "name of the spec and the id's first digits", |row| row.0.to_string())
        .big("id", "id of a job, or of a model", |row| row.2);
    record_table(study, fields, |study| {
        let of = |plan: &PlanRow| {
            let (name, id) = (Arc::clone(&plan.name), plan.plan_id);
            plan.ids.iter().map(move |member| (Arc::clone(&name), id, *member)).collect::<Vec<_>>()
        };
        Ok(study.plans()?.rows.iter().flat_map(of).collect())
    })
}

pub(super) fn objects(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<ObjectRecord>::new()
        .text("digest", "BLAKE3 of the raw bytes, hexadecimal", |object| hex(&object.digest))
        .text("kind", "what it is", |object| object.kind.clone())
        .big("raw_bytes", "length before compression, bytes", |object| object.raw_bytes as i64)
        .big("stored_bytes", "length as stored, bytes", |object| object.stored_bytes as i64);
    record_table(study, fields, |study| study.snapshot()?.objects())
}

/// One column of one segment.
struct SegmentRow {
    table: &'static str,
    column: &'static str,
    segment: Arc<SegmentRecord>,
    stored: ColumnRecord,
}

pub(super) fn segments(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<SegmentRow>::new()
        .text("table_name", "columnar table", |row| row.table.to_owned())
        .big("partition_id", "class, split, model or attack id", |row| row.segment.partition)
        .big("segment_id", "id of the segment", |row| row.segment.segment_id)
        .text("column_name", "column", |row| row.column.to_owned())
        .big("rows", "rows of the segment", |row| i64::from(row.segment.rows))
        .big("raw_bytes", "bytes of the column before compression", |row| i64::from(row.stored.raw_bytes))
        .big("stored_bytes", "bytes of the column as stored", |row| i64::from(row.stored.stored_bytes))
        .big("null_count", "NULLs in the column", |row| i64::from(row.stored.null_count))
        .text_or_null("min_value", "smallest value as text, where known", |row| row.stored.min.as_ref().map(text))
        .text_or_null("max_value", "largest value as text, where known", |row| row.stored.max.as_ref().map(text))
        .big("job_id", "job that wrote it", |row| row.segment.job_id.0);
    record_table(study, fields, load_segments)
}

fn text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::Text(value) => value.clone(),
    }
}

fn load_segments(study: &Study) -> Result<Vec<SegmentRow>> {
    let mut rows = Vec::new();
    for table in SEGMENT_TABLES {
        for segment in study.snapshot()?.segments(table)? {
            let segment = Arc::new(segment);
            for (column, stored) in table.columns.iter().zip(&segment.columns) {
                let (segment, stored) = (Arc::clone(&segment), stored.clone());
                rows.push(SegmentRow { table: table.name, column: column.name, segment, stored });
            }
        }
    }
    Ok(rows)
}
