//! Verifies the whole content of a study: redb's page checksums, every record, every object against its
//! digest, every column against its digest and its declared type, every reference, every job's outputs.

use super::engine::{guarded, storage_error};
use super::reader::Snapshot;
use super::records::{ObjectRecord, SegmentRecord};
use super::residual_seeds;
use super::schema::SEGMENT_TABLES;
use super::tables;
use super::writer::{StoreWriter, TableSize};
use redb::{ReadableTable, ReadableTableMetadata};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use syntrace_base::base::{Digest, JobId, map_ordered};
use syntrace_base::error::Result;
use syntrace_base::record::*;

/// One defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Table and key.
    pub place: String,
    /// What was expected and what was found.
    pub problem: String,
}

/// Result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records read.
    pub records: u64,
    /// Objects whose bytes were hashed.
    pub objects: u64,
    /// Columns decoded.
    pub columns: u64,
    /// Jobs whose outputs were compared.
    pub jobs: u64,
    /// Defects, in the order of discovery.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    fn note<T>(&mut self, place: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.find(place, error.to_string());
                None
            }
        }
    }

    /// Searches the bytes of the file, free pages too, for noise seeds that earlier versions wrote.
    pub fn find_seeds(&mut self, path: &Path) {
        let Some(seeds @ 1..) = self.note("file", residual_seeds::noise_seeds(path)) else { return };
        self.find(
            "file",
            format!(
                "{seeds} seeds of privacy noise lie in its bytes, which an earlier version wrote into checkpoints: with \
                 one, all noise of a model can be made again. `syntrace compact STUDY` writes the study without them; \
                 copies that were handed out still hold them, so train those models anew before their promise is \
                 relied on"
            ),
        );
    }

    fn find(&mut self, place: &str, problem: impl Into<String>) {
        self.findings.push(Finding { place: place.to_owned(), problem: problem.into() });
    }
}

impl StoreWriter {
    /// Verifies the whole study, page checksums included.
    pub fn verify(&mut self) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let pages = self.check_pages();
        if let Some(false) = report.note("pages", pages) {
            report.find("pages", "a page has a wrong checksum or the free list was wrong");
        }
        // A damaged root page makes everything below it unreachable.
        let snapshot = guarded(|| self.snapshot()).and_then(|snapshot| snapshot);
        if let Some(snapshot) = report.note("snapshot", snapshot) {
            snapshot.verify_into(&mut report);
        }
        if let Some(path) = self.path() {
            report.find_seeds(path);
        }
        Ok(report)
    }
}

impl Snapshot {
    /// Verifies all content except redb's page checksums.
    pub fn verify(&self) -> VerifyReport {
        let mut report = VerifyReport::default();
        self.verify_into(&mut report);
        report
    }

    fn verify_into(&self, report: &mut VerifyReport) {
        let mut found = std::mem::take(report);
        let done = guarded(|| self.verify_all(&mut found));
        *report = found;
        report.note("content", done);
    }

    fn verify_all(&self, report: &mut VerifyReport) {
        let classes = report.note("classes", self.classes()).unwrap_or_default();
        let captures = report.note("captures", self.stored_captures()).unwrap_or_default();
        let ingests = report.note("ingests", self.ingests()).unwrap_or_default();
        let splits = report.note("splits", self.splits()).unwrap_or_default();
        report.note("capture_names", self.capture_names());
        let models = report.note("models", self.models()).unwrap_or_default();
        let attacks = report.note("attacks", self.attacks()).unwrap_or_default();
        let jobs = report.note("jobs", self.jobs()).unwrap_or_default();
        let objects = report.note("objects", self.objects()).unwrap_or_default();
        report.records += (classes.len() + captures.len() + ingests.len() + splits.len()) as u64;
        report.records += (models.len() + attacks.len() + jobs.len() + objects.len()) as u64;
        self.verify_objects(&objects, report);
        self.verify_segments(report);
        self.verify_heap(report);
        self.verify_references(report, &objects, &classes, &captures, &splits, &models);
        self.verify_weights(report, &objects, &jobs, &models);
        for ingest in &ingests {
            if !classes.iter().any(|class| class.class_id == ingest.class_id) {
                report.find(&format!("ingests, job {}", ingest.job_id), "its class is missing");
            }
        }
        for attack in &attacks {
            if !models.iter().any(|model| model.model_id == attack.target_model) {
                report.find(&format!("attacks, key {}", attack.attack_id), "its target model is missing");
            }
        }
        self.verify_jobs(&jobs, report);
    }

    fn verify_objects(&self, objects: &[ObjectRecord], report: &mut VerifyReport) {
        let results = map_ordered(objects, |object| self.object_to(&Digest(object.digest), &mut std::io::sink()));
        for (object, result) in objects.iter().zip(results) {
            report.note(&format!("objects, key {}", Digest(object.digest).hex()), result);
            report.objects += 1;
        }
    }

    fn verify_segments(&self, report: &mut VerifyReport) {
        for table in SEGMENT_TABLES {
            let segments = report.note("segments", self.segments(table)).unwrap_or_default();
            report.records += segments.len() as u64;
            let columns = segments.iter().flat_map(|segment| {
                let known = segment.columns.len().min(table.columns.len());
                (0..known).map(move |index| (segment, index))
            });
            let columns: Vec<(&SegmentRecord, usize)> = columns.collect();
            let results =
                map_ordered(&columns, |(segment, index)| self.read_columns_anew(table, segment, &[*index]).map(|_| ()));
            for ((segment, index), result) in columns.iter().zip(results) {
                let name = table.columns.get(*index).map_or("?", |column| column.name);
                let place = format!(
                    "table {}, partition {}, segment {}, column {name}",
                    table.name, segment.partition, segment.segment_id
                );
                report.note(&place, result);
                report.columns += 1;
            }
        }
    }

    /// Checks that the contents are contiguous and cover the whole heap.
    fn verify_heap(&self, report: &mut VerifyReport) {
        let Some((end, mut places)) = report.note("places", self.places()) else { return };
        places.sort_unstable();
        let mut covered = 0u64;
        for (start, length) in places {
            if start != covered {
                report.find("places", format!("a content begins at byte {start}, expected {covered}"));
            }
            covered = start.saturating_add(length);
        }
        if covered != end {
            report.find("chunks", format!("the heap has {end} bytes, contents cover {covered}"));
        }
    }

    fn verify_references(
        &self,
        report: &mut VerifyReport,
        objects: &[ObjectRecord],
        classes: &[ClassRecord],
        captures: &[CaptureRecord],
        splits: &[SplitRecord],
        models: &[ModelRecord],
    ) {
        let objects: HashSet<[u8; 32]> = objects.iter().map(|object| object.digest).collect();
        for capture in captures.iter().filter(|capture| capture.kept && !objects.contains(&capture.digest)) {
            report.find(&format!("captures, key {}", capture.capture_id), "its verbatim bytes are missing");
        }
        for split in splits.iter().filter(|split| !classes.iter().any(|class| class.class_id == split.class_id)) {
            report.find(&format!("splits, key {}", split.split_id), "its class is missing");
        }
        for model in models {
            let has_split = splits.iter().any(|split| split.split_id == model.split_id);
            if model.role != Role::Base && !has_split {
                report.find(&format!("models, key {}", model.model_id), "its split is missing");
            }
        }
    }

    /// A redacted copy keeps the digest of the weights and leaves them out; so does a merge without weights, in which the
    /// job that trained a model does not state them.
    fn verify_weights(
        &self,
        report: &mut VerifyReport,
        objects: &[ObjectRecord],
        jobs: &[JobRecord],
        models: &[ModelRecord],
    ) {
        if report.note("shared copy", self.is_shared_copy()).unwrap_or_default() {
            return;
        }
        let objects: HashSet<[u8; 32]> = objects.iter().map(|object| object.digest).collect();
        let jobs: HashMap<JobId, &JobRecord> = jobs.iter().map(|job| (job.job_id, job)).collect();
        for model in models {
            let Some(weights) = model.weights.filter(|weights| !objects.contains(weights)) else { continue };
            let key = Digest(weights).hex();
            let states = |job: &&JobRecord| job.outputs.iter().any(|output| output.key == key);
            if jobs.get(&model.train_job).is_none_or(states) {
                report.find(&format!("models, key {}", model.model_id), "its weights are missing");
            }
        }
    }

    fn verify_jobs(&self, jobs: &[JobRecord], report: &mut VerifyReport) {
        for job in jobs {
            report.note(&format!("job {}", job.job_id), job.settings());
            for output in &job.outputs {
                let place = format!("job {}, output {} {}", job.job_id, output.table, output.key);
                match report.note(&place, self.output_digest(output)) {
                    Some(Some(digest)) if digest == output.digest => {}
                    Some(Some(_)) => report.find(&place, "the record differs from what the job wrote"),
                    Some(None) => report.find(&place, "the record is missing"),
                    None => {}
                }
            }
            report.jobs += 1;
        }
    }

    /// Digest of the record bytes that an output names, `None` where it is missing.
    fn output_digest(&self, output: &JobOutput) -> Result<Option<[u8; 32]>> {
        let ints: Vec<i64> =
            output.key.trim_matches(['(', ')']).split(',').filter_map(|part| part.trim().parse().ok()).collect();
        macro_rules! digest {
            ($table:expr, $key:expr) => {
                match self.open($table)? {
                    Some(table) => table
                        .get($key)
                        .map_err(|error| storage_error("read", error.into()))?
                        .map(|guard| Digest::of(guard.value()).0),
                    None => None,
                }
            };
        }
        Ok(match (output.table.as_str(), ints.as_slice()) {
            ("classes", [id]) => digest!(tables::CLASSES, *id),
            ("captures", [id]) => digest!(tables::CAPTURES, *id),
            ("ingests", [class, capture, job]) => digest!(tables::INGESTS, (*class, *capture, *job)),
            ("splits", [id]) => digest!(tables::SPLITS, *id),
            ("models", [id]) => digest!(tables::MODELS, *id),
            ("attacks", [id]) => digest!(tables::ATTACKS, *id),
            ("segments", [code, partition, id]) => {
                digest!(tables::SEGMENTS, (u16::try_from(*code).unwrap_or(u16::MAX), *partition, *id))
            }
            ("objects", _) => match Digest::from_hex(&output.key) {
                Some(key) => digest!(tables::OBJECTS, &key.0),
                None => None,
            },
            _ => None,
        })
    }

    /// Sizes of all redb tables, by name: where the bytes of the file are.
    pub fn table_sizes(&self) -> Result<Vec<TableSize>> {
        let mut sizes = Vec::new();
        macro_rules! size {
            ($($table:expr),+) => {$(
                if let Some(table) = self.open($table)? {
                    let stats = table.stats().map_err(|error| storage_error("read", error.into()))?;
                    let entries = table.len().map_err(|error| storage_error("read", error.into()))?;
                    sizes.push(TableSize {
                        name: redb::TableHandle::name(&$table).trim_start_matches("syntrace.").to_owned(),
                        entries,
                        stored_bytes: stats.stored_bytes(),
                        metadata_bytes: stats.metadata_bytes(),
                        fragmented_bytes: stats.fragmented_bytes(),
                    });
                }
            )+};
        }
        size!(
            tables::CAPTURES,
            tables::CHECKPOINTS,
            tables::CHECKPOINT_PARTS,
            tables::CHUNKS,
            tables::CLASSES,
            tables::INGESTS,
            tables::JOBS,
            tables::META,
            tables::MODELS,
            tables::OBJECTS,
            tables::PLACES,
            tables::SEGMENTS,
            tables::SPLITS,
            tables::ATTACKS
        );
        Ok(sizes)
    }

    /// Bytes of compressed payload: every content of the heap once, and the records.
    pub fn payload_bytes(&self) -> Result<u64> {
        let mut total: u64 = self.places()?.1.iter().map(|(_, length)| length).sum();
        macro_rules! add {
            ($($table:expr),+) => {$(
                if let Some(table) = self.open($table)? {
                    for row in table.iter().map_err(|error| storage_error("read", error.into()))? {
                        total += row.map_err(|error| storage_error("read", error.into()))?.1.value().len() as u64;
                    }
                }
            )+};
        }
        add!(
            tables::CAPTURES,
            tables::CLASSES,
            tables::INGESTS,
            tables::JOBS,
            tables::MODELS,
            tables::OBJECTS,
            tables::SEGMENTS,
            tables::SPLITS,
            tables::ATTACKS,
            tables::CHECKPOINT_PARTS
        );
        Ok(total)
    }
}
