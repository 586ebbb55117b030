//! The redacted copy of a study: results and provenance, so that others can run the views again; no captures,
//! traces, packets, encodings, member lists, attributes, scores, weights, seeds, and no digest of any of them.
//!
//! Everything is left out unless it is listed here (allowlist). Ids and digests are replaced, in records and in texts,
//! by keyed hashes under a secret of this one copy that is not stored: the original ids are hashes over the study's
//! seed (a short seed could be guessed and checked against them), splits and reproducible noise are drawn from ids,
//! trace ids follow from a capture's digest, and a digest confirms a guessed capture, weights or list of members. So do
//! exact sizes: those of captures keep one digit. Equal ids and digests stay equal within the copy. Class ids are
//! functions of public names and stay.
//!
//! What no key can hide: anyone who has the captures and guesses the seed can run the study again and compare results.
//! So the study's seed is left out, and the command says so.
//!
//! The unit of a generalization gap (`loss_scale`) comes from the losses of single traces: it is NULL in a copy.
//!
//! Losses by epoch (`epochs`) and measurements of a training (`monitors`) are shared: they are means over
//! a model's whole member set, like AUC or fidelity, and views cannot be run again without them
//! (`generalization`, `image_entropy`, `noise_error`, `why_dp_helped`, and figures 7 and 10). As all results here
//! they were measured on private traces outside of any mechanism: no epsilon covers a shared copy, which
//! is why it is made by hand and says what it holds.

use crate::jobs::load;
use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use std::collections::HashSet;
use std::sync::Arc;
use syntrace_base::base::{AttackId, CaptureId, ClassId, Digest, Identity, JobId, ModelId, Progress, Seed, SplitId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::*;
use syntrace_model::train::OVERFLOWS;
use syntrace_store::schema::{self, SegmentTable};
use syntrace_store::{JobResult, NewSegment, Snapshot, StoreWriter, arrow_schema};

/// Columnar tables whose rows are results about models and attacks as a whole, never about one trace.
pub const SHARED_TABLES: &[&SegmentTable] = &[
    &schema::EPOCHS,
    &schema::PRIVACY_LEDGER,
    &schema::ROC,
    &schema::FIDELITY,
    &schema::MONITORS,
    &schema::UTILITY,
    &schema::IMPORTANCES,
    &schema::LEAKS,
    &schema::ONE_RUN_AUDITS,
];

/// Columnar tables with rows about single traces: never shared.
pub const WITHHELD_TABLES: &[&SegmentTable] = &[
    &schema::TRACES,
    &schema::PACKETS,
    &schema::SYNTHETIC_PACKETS,
    &schema::ENCODINGS,
    &schema::SPLIT_TRACES,
    &schema::ATTRIBUTES,
    &schema::REFERENCE_ATTRIBUTES,
    &schema::WHOLE_ATTRIBUTES,
    &schema::ATTACK_SCORES,
    &schema::SYNTHETIC_TRACES,
    &schema::REPAIRS,
];

/// Numbers with this many digits or more in texts are ids.
const ID_DIGITS: usize = 12;

/// Hexadecimal texts of this many digits or more are digests or prefixes of digests.
const DIGEST_DIGITS: usize = 16;

/// What a shared copy holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShareReport {
    /// Jobs, as provenance.
    pub jobs: u64,
    /// Models without weights.
    pub models: u64,
    /// Attack results.
    pub attacks: u64,
    /// Rows of [`SHARED_TABLES`].
    pub rows: u64,
}

/// Writes the redacted copy of a study into an empty one.
pub fn share(source: &Snapshot, copy: &StoreWriter, progress: &dyn Progress) -> Result<ShareReport> {
    copy.mark_shared_copy()?;
    let jobs = source.jobs()?;
    let redaction = Redaction::new(source, Seed::from_system()?)?;
    let mut report = ShareReport::default();
    progress.start("share", jobs.len() as u64);
    for job in &jobs {
        if progress.stop_requested() {
            return Err(Error::interrupted("stopped: the copy is not complete").hint("remove it and start again"));
        }
        let result = redaction.job(source, job)?;
        report.jobs += 1;
        report.models += result.models.len() as u64;
        report.attacks += result.attacks.len() as u64;
        report.rows += result.segments.iter().map(|segment| segment.rows.num_rows() as u64).sum::<u64>();
        copy.commit(result)?;
        progress.advance(1, "");
    }
    progress.finish();
    Ok(report)
}

struct Redaction {
    secret: [u8; 32],
    classes: HashSet<i64>,
}

impl Redaction {
    fn new(source: &Snapshot, secret: Seed) -> Result<Self> {
        let classes = source.classes()?.into_iter().map(|class| class.class_id.0).collect();
        Ok(Self { secret: secret.to_bytes(), classes })
    }

    /// The new id for an old one; 0 means none and stays.
    fn id(&self, old: i64) -> i64 {
        if old == 0 || self.classes.contains(&old) {
            return old;
        }
        Identity::new("shared-id").bytes(&self.secret).int(old).finish().id63()
    }

    /// The new digest for an old one.
    fn digest(&self, old: &[u8]) -> [u8; 32] {
        Identity::new("shared-digest").bytes(&self.secret).bytes(old).finish().0
    }

    /// As many hexadecimal digits for others; all 64 of a digest give those of [`Redaction::digest`].
    fn hex(&self, old: &str) -> String {
        let lower = old.to_ascii_lowercase();
        let digest = match Digest::from_hex(&lower) {
            Some(digest) => self.digest(&digest.0),
            None => self.digest(lower.as_bytes()),
        };
        Digest(digest).hex().chars().cycle().take(old.len()).collect()
    }

    /// A text with new ids and digests.
    fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let is_part = |character: char| character.is_ascii_alphanumeric();
        while let Some(start) = rest.find(is_part) {
            let (before, word_on) = rest.split_at(start);
            let end = word_on.find(|character: char| !is_part(character)).unwrap_or(word_on.len());
            let (word, after) = word_on.split_at(end);
            out.push_str(before);
            // A fraction holds long runs of digits too.
            let fraction = before.ends_with('.') || after.starts_with('.');
            let all = |wanted: fn(&u8) -> bool| word.bytes().all(|byte| wanted(&byte));
            match word.parse::<i64>() {
                Ok(id) if word.len() >= ID_DIGITS && !fraction => out.push_str(&self.id(id).to_string()),
                Err(_) if word.len() >= DIGEST_DIGITS && all(u8::is_ascii_hexdigit) && !all(u8::is_ascii_digit) => {
                    out.push_str(&self.hex(word));
                }
                _ => out.push_str(word),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// A JSON text without seeds and with new ids.
    fn json(&self, text: &str) -> String {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(mut value) => {
                remove_seeds(&mut value);
                self.text(&value.to_string())
            }
            Err(_) => String::new(),
        }
    }

    fn job(&self, source: &Snapshot, job: &JobRecord) -> Result<JobResult> {
        let mut result = JobResult::new(self.job_record(job)?);
        for output in &job.outputs {
            let Ok(key) = output.key.parse::<i64>() else { continue };
            match output.table.as_str() {
                "classes" => result.classes.extend(source.class(ClassId(key))?),
                "captures" => {
                    result.captures.extend(source.capture(CaptureId(key))?.map(|capture| self.capture(capture)));
                }
                "splits" => result.splits.extend(source.split(SplitId(key))?.map(|split| self.split(split))),
                "models" => result.models.extend(source.model(ModelId(key))?.map(|model| self.model(model))),
                "attacks" => result.attacks.extend(source.attack(AttackId(key))?.map(|attack| self.attack(attack))),
                _ => {}
            }
        }
        let ingests = source.ingests()?.into_iter().filter(|ingest| ingest.job_id == job.job_id);
        result.ingests.extend(ingests.map(|ingest| self.ingest(ingest)));
        for table in SHARED_TABLES {
            self.segments(source, job, table, &mut result)?;
        }
        Ok(result)
    }

    fn job_record(&self, job: &JobRecord) -> Result<JobRecord> {
        let settings = job.settings()?;
        let label = match job.kind {
            // It ends in the capture's file name; which part of it that is, only the spec says.
            JobKind::Ingest => ingest_label(&settings),
            _ => self.text(&job.label),
        };
        let mut inputs: Vec<i64> = job.inputs.iter().map(|input| self.id(*input)).collect();
        inputs.sort_unstable();
        Ok(JobRecord {
            job_id: JobId(self.id(job.job_id.0)),
            label,
            spec: self.json(&job.spec),
            inputs,
            seed: 0,
            outputs: Vec::new(),
            ..job.clone()
        })
    }

    fn capture(&self, capture: CaptureRecord) -> CaptureRecord {
        let capture_id = CaptureId(self.id(capture.capture_id.0));
        CaptureRecord {
            capture_id,
            digest: self.digest(&capture.digest),
            name: "withheld".to_owned(),
            bytes: one_digit(capture.bytes),
            packets: one_digit(capture.packets),
            first_us: 0,
            last_us: 0,
            kept: false,
            damage: None,
            ..capture
        }
    }

    fn ingest(&self, ingest: IngestRecord) -> IngestRecord {
        let mut drops = ingest.drops.clone();
        for drop in &mut drops {
            drop.example = "withheld".to_owned();
            drop.first_packet = 0;
            drop.packets = one_digit(drop.packets);
        }
        IngestRecord {
            capture_id: CaptureId(self.id(ingest.capture_id.0)),
            job_id: JobId(self.id(ingest.job_id.0)),
            traces: one_digit(ingest.traces),
            packets: one_digit(ingest.packets),
            drops,
            ..ingest
        }
    }

    fn split(&self, split: SplitRecord) -> SplitRecord {
        let pool_digest = self.digest(&split.pool_digest);
        SplitRecord { split_id: SplitId(self.id(split.split_id.0)), pool_digest, ..split }
    }

    fn model(&self, model: ModelRecord) -> ModelRecord {
        let lineage = model.lineage.iter().map(|edge| LineageEdge {
            source_id: self.id(edge.source_id),
            description: self.text(&edge.description),
            ..edge.clone()
        });
        ModelRecord {
            model_id: ModelId(self.id(model.model_id.0)),
            split_id: SplitId(self.id(model.split_id.0)),
            train_job: JobId(self.id(model.train_job.0)),
            config: self.json(&model.config),
            weights: None,
            lineage: lineage.collect(),
            ..model
        }
    }

    fn attack(&self, attack: AttackRecord) -> AttackRecord {
        AttackRecord {
            attack_id: AttackId(self.id(attack.attack_id.0)),
            options: self.json(&attack.options),
            target_model: ModelId(self.id(attack.target_model.0)),
            shadow_models: attack.shadow_models.iter().map(|model| ModelId(self.id(model.0))).collect(),
            job_id: JobId(self.id(attack.job_id.0)),
            ..attack
        }
    }

    fn segments(
        &self,
        source: &Snapshot,
        job: &JobRecord,
        table: &'static SegmentTable,
        result: &mut JobResult,
    ) -> Result<()> {
        let prefix = format!("({}, ", table.code);
        for output in job.outputs.iter().filter(|output| output.table == "segments") {
            let Some(partition) = output.key.strip_prefix(&prefix).and_then(|rest| rest.split(',').next()) else {
                continue;
            };
            let partition: i64 = partition
                .trim()
                .parse()
                .map_err(|_| Error::internal(format!("output `{}` has no partition", output.key)))?;
            let segments = source.segments_of(table, partition)?;
            for segment in segments.iter().filter(|segment| {
                segment.job_id == job.job_id && output.key.ends_with(&format!(" {})", segment.segment_id))
            }) {
                let mut columns = source.read_columns(table, segment, &load::all_columns(table))?;
                if table.name == schema::ROC.name {
                    hide_thresholds(&mut columns);
                }
                let rows = RecordBatch::try_new(arrow_schema(table), columns)
                    .map_err(|error| Error::internal(format!("rows of table `{}`: {error}", table.name)))?;
                let rows = if table.name == schema::MONITORS.name { without_private_counts(&rows)? } else { rows };
                result.segments.push(NewSegment { table, partition: self.id(partition), rows });
            }
        }
        Ok(())
    }
}

/// A threshold of an attack's ROC curve is the score of one trace, for some attacks its very loss: the
/// curve keeps its corners and their order, numbered down to 0.
fn hide_thresholds(columns: &mut [ArrayRef]) {
    if let Some(threshold) = columns.first_mut() {
        let corners = threshold.len();
        *threshold = Arc::new(Float64Array::from_iter_values((0..corners).rev().map(|corner| corner as f64)));
    }
}

/// How many traces of a private model overflowed is a count of private traces, without noise.
fn without_private_counts(rows: &RecordBatch) -> Result<RecordBatch> {
    let monitor = schema::MONITORS.columns.iter().position(|column| column.name == "monitor");
    let names = monitor.and_then(|index| rows.columns().get(index)).and_then(|column| column.as_string_opt::<i32>());
    let names = names.ok_or_else(|| Error::internal("table `monitors` has no texts in its column `monitor`"))?;
    let kept: BooleanArray = names.iter().map(|name| Some(name != Some(OVERFLOWS))).collect();
    filter_record_batch(rows, &kept).map_err(|error| Error::internal(format!("rows of table `monitors`: {error}")))
}

/// A count to one significant digit: exact sizes of a capture, and of what was left out of it, are a fingerprint that
/// confirms a guess. Halves are rounded up.
fn one_digit(count: u64) -> u64 {
    let unit = 10u64.pow(count.checked_ilog10().unwrap_or(0));
    (count / unit + u64::from(count % unit >= unit.div_ceil(2) && unit > 1)) * unit
}

/// Dataset and class of an ingest, without the capture's name.
fn ingest_label(spec: &serde_json::Value) -> String {
    let text = |key: &str| spec.get(key).and_then(serde_json::Value::as_str);
    match (text("dataset"), text("class")) {
        (Some(dataset), Some(class)) => format!("ingest {dataset}/{class}"),
        _ => "ingest".to_owned(),
    }
}

fn remove_seeds(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(entries) => {
            entries.retain(|key, _| !key.to_ascii_lowercase().contains("seed"));
            entries.values_mut().for_each(remove_seeds);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(remove_seeds),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_texts_are_made_anew_and_nothing_else_is() {
        let redaction = Redaction { secret: [7; 32], classes: HashSet::from([4_611_686_018_427_387_904]) };
        let new = redaction.id(123_456_789_012_345);
        assert_ne!(new, 123_456_789_012_345);
        let text = "{\"model\":123456789012345,\"class\":4611686018427387904,\"rate\":0.123456789012345,\"n\":512,\"x\":\"xy123456789012345c\"}";
        let expected = text.replace(":123456789012345,", &format!(":{new},"));
        assert_eq!(redaction.text(text), expected);
        // Digests, whole and in part, in either case; the same one is the same as in a record.
        let digest = Digest::of(b"capture");
        let made = Digest(redaction.digest(&digest.0)).hex();
        assert_eq!(redaction.text(&format!("a {}, b", digest.hex())), format!("a {made}, b"));
        assert_eq!(redaction.text(&digest.hex().to_uppercase()), made);
        let part = redaction.text(&digest.hex()[..32]);
        assert!(part.len() == 32 && part != digest.hex()[..32] && part != made[..32]);
        assert_eq!(redaction.text("none or netdiffusion 0.25 12345678901"), "none or netdiffusion 0.25 12345678901");
        assert_eq!(redaction.json("{\"a\":{\"noise_seed\":5,\"b\":1},\"seed\":9}"), "{\"a\":{\"b\":1}}");
        assert_eq!(redaction.id(0), 0);
    }

    #[test]
    fn counts_keep_one_digit() {
        let rounded = [(0, 0), (7, 7), (14, 10), (15, 20), (96, 100), (2_690_308, 3_000_000)];
        for (count, expected) in rounded {
            assert_eq!(one_digit(count), expected, "{count}");
        }
        assert_eq!(one_digit(9_499_999_999_999_999_999), 9_000_000_000_000_000_000);
    }

    #[test]
    fn every_table_is_either_shared_or_withheld() {
        for table in schema::SEGMENT_TABLES {
            let named = |list: &[&SegmentTable]| list.iter().any(|one| one.code == table.code);
            assert!(named(SHARED_TABLES) != named(WITHHELD_TABLES), "decide on table `{}`", table.name);
        }
        // Rows of a shared table name no single trace.
        for column in SHARED_TABLES.iter().flat_map(|table| table.columns) {
            assert!(!column.name.ends_with("_id") && column.name != "member", "{}", column.name);
        }
    }
}
