//! Compares two studies, down to rows.
//!
//! Ids are hashes of what a thing depends on: an id in both studies is the same work on the same inputs,
//! so whatever differs under it is a difference of results (another machine, build or thread count, noise
//! from the operating system). Wall clocks are not compared.

use crate::jobs::load;
use arrow::array::ArrayRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::collections::BTreeMap;
use syntrace_base::base::JobId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{JobKind, JobRecord, ModelRecord};
use syntrace_store::schema::{EPOCHS, SEGMENT_TABLES, SegmentTable};
use syntrace_store::{SegmentRecord, Snapshot};

/// Result of comparing two studies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Jobs by kind: in both, only in the first, only in the second.
    pub jobs: BTreeMap<JobKind, [u64; 3]>,
    /// Labels of jobs only in the first.
    pub only_first: Vec<String>,
    /// Labels of jobs only in the second.
    pub only_second: Vec<String>,
    /// What differs under one id, in the order of the flow.
    pub differences: Vec<Difference>,
    /// Rows compared one by one because their columns' digests differ.
    pub rows_compared: u64,
}

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Label of the job that wrote both.
    pub job: String,
    /// Table, row and column.
    pub place: String,
    /// Value in the first study.
    pub first: String,
    /// Value in the second.
    pub second: String,
}

impl Comparison {
    /// True if both hold the same but for clocks.
    pub fn same(&self) -> bool {
        self.only_first.is_empty() && self.only_second.is_empty() && self.differences.is_empty()
    }
}

/// Compares two studies; at most `rows_max` differing rows are listed of one table of one job.
pub fn compare(first: &Snapshot, second: &Snapshot, rows_max: usize) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let jobs = |snapshot: &Snapshot| -> Result<BTreeMap<JobId, JobRecord>> {
        Ok(snapshot.jobs()?.into_iter().map(|job| (job.job_id, job)).collect())
    };
    let (ours, theirs) = (jobs(first)?, jobs(second)?);
    let mut common = Vec::new();
    for (id, job) in &ours {
        let counts = comparison.jobs.entry(job.kind).or_default();
        if theirs.contains_key(id) {
            counts[0] += 1;
            common.push(job);
        } else {
            counts[1] += 1;
            comparison.only_first.push(job.label.clone());
        }
    }
    for (_, job) in theirs.iter().filter(|(id, _)| !ours.contains_key(id)) {
        comparison.jobs.entry(job.kind).or_default()[2] += 1;
        comparison.only_second.push(job.label.clone());
    }
    comparison.only_first.sort();
    comparison.only_second.sort();
    common.sort_by(|a, b| (a.kind, &a.label, a.job_id).cmp(&(b.kind, &b.label, b.job_id)));
    let mut pair = Pair { first, second, rows_max, out: comparison };
    let (segments, others) = (Segments::load(first)?, Segments::load(second)?);
    for job in common {
        pair.models(job)?;
        pair.attacks(job)?;
        pair.segments(job, &segments, &others)?;
    }
    Ok(pair.out)
}

struct Pair<'a> {
    first: &'a Snapshot,
    second: &'a Snapshot,
    rows_max: usize,
    out: Comparison,
}

/// Segments of a study by the job that wrote them.
struct Segments(BTreeMap<JobId, Vec<(&'static SegmentTable, SegmentRecord)>>);

impl Segments {
    fn load(snapshot: &Snapshot) -> Result<Self> {
        let mut by_job: BTreeMap<JobId, Vec<(&'static SegmentTable, SegmentRecord)>> = BTreeMap::new();
        for &table in SEGMENT_TABLES {
            for segment in snapshot.segments(table)? {
                by_job.entry(segment.job_id).or_default().push((table, segment));
            }
        }
        Ok(Self(by_job))
    }

    fn of(&self, job: JobId) -> &[(&'static SegmentTable, SegmentRecord)] {
        self.0.get(&job).map_or(&[], Vec::as_slice)
    }
}

impl Pair<'_> {
    fn note(&mut self, job: &JobRecord, place: String, first: impl Into<String>, second: impl Into<String>) {
        self.out.differences.push(Difference {
            job: job.label.clone(),
            place,
            first: first.into(),
            second: second.into(),
        });
    }

    fn models(&mut self, job: &JobRecord) -> Result<()> {
        for id in keys(job, "models") {
            let id = syntrace_base::base::ModelId(id);
            match (self.first.model(id)?, self.second.model(id)?) {
                (Some(a), Some(b)) => {
                    let (a, b) = (ModelRecord { seconds: 0.0, ..a }, ModelRecord { seconds: 0.0, ..b });
                    self.fields(job, &format!("models {id}"), &format!("{a:#?}"), &format!("{b:#?}"));
                }
                (a, b) => self.missing(job, format!("models {id}"), a.is_some(), b.is_some()),
            }
        }
        Ok(())
    }

    fn attacks(&mut self, job: &JobRecord) -> Result<()> {
        for id in keys(job, "attacks") {
            let id = syntrace_base::base::AttackId(id);
            match (self.first.attack(id)?, self.second.attack(id)?) {
                (Some(a), Some(b)) => {
                    let place = format!("attacks {id} ({})", a.evaluated_on.name());
                    self.fields(job, &place, &format!("{a:#?}"), &format!("{b:#?}"));
                }
                (a, b) => self.missing(job, format!("attacks {id}"), a.is_some(), b.is_some()),
            }
        }
        Ok(())
    }

    fn missing(&mut self, job: &JobRecord, place: String, first: bool, second: bool) {
        if first != second {
            let word = |there: bool| if there { "there" } else { "missing" };
            self.note(job, place, word(first), word(second));
        }
    }

    /// Lines of two pretty-printed records that differ.
    fn fields(&mut self, job: &JobRecord, place: &str, a: &str, b: &str) {
        if a == b {
            return;
        }
        let line = |text: &str| text.trim().trim_end_matches(',').to_owned();
        let (a, b) = (folded(a), folded(b));
        if a.len() != b.len() {
            return self.note(job, place.to_owned(), format!("{} lines", a.len()), format!("{} lines", b.len()));
        }
        let mut section = String::new();
        for (a, b) in a.iter().zip(&b) {
            if a.ends_with(['{', '(', '['])
                && let Some((name, _)) = a.trim().split_once(':')
            {
                section = name.to_owned();
            }
            if a != b {
                self.note(job, format!("{place}, {section}"), line(a), line(b));
            }
        }
    }

    fn segments(&mut self, job: &JobRecord, ours: &Segments, theirs: &Segments) -> Result<()> {
        for (table, segment) in ours.of(job.job_id) {
            let same = |other: &&(&SegmentTable, SegmentRecord)| {
                (other.1.table, other.1.partition, other.1.segment_id)
                    == (segment.table, segment.partition, segment.segment_id)
            };
            match theirs.of(job.job_id).iter().find(same) {
                Some((_, other)) => self.segment(job, table, segment, other)?,
                None => self.missing(job, format!("{} segment {}", table.name, segment.segment_id), true, false),
            }
        }
        for (table, segment) in theirs.of(job.job_id) {
            if !ours.of(job.job_id).iter().any(|(_, other)| other.segment_id == segment.segment_id) {
                self.missing(job, format!("{} segment {}", table.name, segment.segment_id), false, true);
            }
        }
        Ok(())
    }

    fn segment(&mut self, job: &JobRecord, table: &SegmentTable, a: &SegmentRecord, b: &SegmentRecord) -> Result<()> {
        if a.rows != b.rows {
            self.note(job, format!("{}, rows", table.name), a.rows.to_string(), b.rows.to_string());
            return Ok(());
        }
        let clock = |index: usize| {
            table.code == EPOCHS.code && table.columns.get(index).is_some_and(|column| column.name == "seconds")
        };
        let differing: Vec<usize> = load::all_columns(table)
            .into_iter()
            .filter(|&index| !clock(index))
            .filter(|&index| {
                a.columns.get(index).map(|column| column.digest) != b.columns.get(index).map(|column| column.digest)
            })
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        let (ours, theirs) =
            (self.first.read_columns(table, a, &differing)?, self.second.read_columns(table, b, &differing)?);
        self.out.rows_compared += u64::from(a.rows);
        let mut listed = 0;
        for row in 0..a.rows as usize {
            for ((index, ours), theirs) in differing.iter().zip(&ours).zip(&theirs) {
                let (ours, theirs) = (cell(ours, row)?, cell(theirs, row)?);
                if ours != theirs {
                    if listed == self.rows_max {
                        self.note(job, format!("{}, further rows", table.name), "not listed", "not listed");
                        return Ok(());
                    }
                    listed += 1;
                    let name = table.columns.get(*index).map_or("?", |column| column.name);
                    self.note(job, format!("{}, row {row}, {name}", table.name), ours, theirs);
                }
            }
        }
        Ok(())
    }
}

/// The lines of a pretty-printed record, with each digest on one line, in hexadecimal.
fn folded(text: &str) -> Vec<String> {
    /// Fewer numbers in brackets are a list of their own.
    const DIGEST_BYTES_MIN: usize = 16;
    let lines: Vec<&str> = text.lines().collect();
    let (mut folded, mut rest) = (Vec::new(), lines.as_slice());
    while let Some((line, after)) = rest.split_first() {
        let bytes: Vec<u8> = after.iter().map_while(|line| line.trim().trim_end_matches(',').parse().ok()).collect();
        rest = after;
        if line.ends_with('[') && bytes.len() >= DIGEST_BYTES_MIN {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            folded.push(format!("{}{hex}", line.trim_end_matches('[')));
            rest = after.get(bytes.len() + 1..).unwrap_or_default();
        } else {
            folded.push((*line).to_owned());
        }
    }
    folded
}

fn keys(job: &JobRecord, table: &str) -> Vec<i64> {
    job.outputs.iter().filter(|output| output.table == table).filter_map(|output| output.key.parse().ok()).collect()
}

fn cell(column: &ArrayRef, row: usize) -> Result<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(column, &options)
        .map_err(|error| Error::internal(format!("cannot show a column: {error}")))?;
    let text = formatter.value(row).to_string();
    let cut: String = text.chars().take(80).collect();
    // Long values are shown with a digest, since they may differ after the part that is shown.
    Ok(if cut.len() == text.len() {
        text
    } else {
        format!("{cut}... ({})", &syntrace_base::base::Digest::of(text.as_bytes()).hex()[..8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_a_record_is_one_line() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "only printed")]
        struct Made {
            weights: Option<[u8; 16]>,
            sizes: [u8; 2],
        }
        let made = Made { weights: Some([171; 16]), sizes: [1, 2] };
        let found = folded(&format!("{made:#?}"));
        assert_eq!(found[1..4], ["    weights: Some(", &format!("        {}", "ab".repeat(16)), "    ),"]);
        assert_eq!(found[4..7], ["    sizes: [", "        1,", "        2,"]);
    }
}
