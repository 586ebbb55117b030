//! `captures`, `capture_drops`, `classes`.

use super::record::{Fields, record_table};
use super::study::{MISSING, Study};
use crate::scan::relation::Relation;
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_base::base::CaptureId;
use syntrace_base::error::Result;
use syntrace_base::record::{CaptureRecord, ClassRecord, DropCount, IngestRecord};

pub(super) fn captures(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<CaptureRecord>::new()
        .big("capture_id", "id of the capture", |capture| capture.capture_id.0)
        .text("name", "file name without its folder; all of them are in `capture_names`", |capture| {
            capture.name.clone()
        })
        .text("digest", "BLAKE3 of the file, unpacked, hexadecimal", |capture| hex(&capture.digest))
        .big("bytes", "file size, unpacked, bytes", |capture| capture.bytes as i64)
        .text("format", "`pcap`, `pcap-ns` or `pcapng`; `-be` for a big-endian file", |capture| capture.format.clone())
        .text("link_types", "LINKTYPE values in order of appearance, separated by commas", |capture| {
            capture.link_types.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
        })
        .big("packets", "packet records read", |capture| capture.packets as i64)
        .big("first_us", "time of the earliest packet, microseconds since 1970", |capture| capture.first_us)
        .big("last_us", "time of the latest packet, microseconds since 1970", |capture| capture.last_us)
        .flag("kept", "are the verbatim bytes in the study?", |capture| capture.kept)
        .big_or_null("damage_offset", "byte offset where reading stopped early; NULL where it did not", |capture| {
            capture.damage.as_ref().map(|damage| damage.offset as i64)
        })
        .text_or_null("damage", "why reading stopped early", |capture| {
            capture.damage.as_ref().map(|damage| damage.reason.clone())
        });
    record_table(study, fields, |study| study.snapshot()?.captures())
}

/// One name of one capture.
struct NameRow {
    capture: CaptureId,
    name: String,
    shown: bool,
}

pub(super) fn capture_names(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<NameRow>::new()
        .big("capture_id", "capture", |row| row.capture.0)
        .text("name", "a file name that it came with", |row| row.name.clone())
        .flag("shown", "is it the name in `captures`?", |row| row.shown);
    record_table(study, fields, |study| {
        let mut names: Vec<_> = study.snapshot()?.capture_names()?.into_iter().collect();
        names.sort_unstable();
        let rows = names.into_iter().flat_map(|(capture, names)| {
            names.into_iter().enumerate().map(move |(at, name)| NameRow { capture, name, shown: at == 0 })
        });
        Ok(rows.collect())
    })
}

/// One drop reason of one ingested capture.
struct DropRow {
    ingest: Arc<IngestRecord>,
    drop: DropCount,
    capture: String,
    dataset: String,
    class: String,
}

pub(super) fn capture_drops(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<DropRow>::new()
        .big("capture_id", "capture", |row| row.ingest.capture_id.0)
        .text("capture", "its file name", |row| row.capture.clone())
        .text("dataset", "dataset it was ingested into", |row| row.dataset.clone())
        .text("class", "class it was ingested into", |row| row.class.clone())
        .text("unit", "what a trace is cut from: `flow` or `capture`", |row| row.ingest.unit.clone())
        .int("trace_packets", "largest number of packets of a trace", |row| row.ingest.trace_packets as i32)
        .text("reason", "why the packets are in no trace", |row| row.drop.reason.name().to_owned())
        .big("packets", "packets left out for this reason", |row| row.drop.packets as i64)
        .big("first_packet", "index in the capture of the first of them, from 0", |row| row.drop.first_packet as i64)
        .text("example", "one example in words", |row| row.drop.example.clone())
        .big("job_id", "job that cut the capture", |row| row.ingest.job_id.0);
    record_table(study, fields, load_drops)
}

fn load_drops(study: &Study) -> Result<Vec<DropRow>> {
    let index = study.index()?;
    let names: HashMap<_, _> =
        study.snapshot()?.captures()?.into_iter().map(|one| (one.capture_id, one.name)).collect();
    let mut rows = Vec::new();
    for ingest in study.snapshot()?.ingests()? {
        let ingest = Arc::new(ingest);
        let (dataset, class) = index.class(ingest.class_id);
        for drop in &ingest.drops {
            rows.push(DropRow {
                drop: drop.clone(),
                capture: names.get(&ingest.capture_id).cloned().unwrap_or_else(|| MISSING.to_owned()),
                dataset: dataset.to_owned(),
                class: class.to_owned(),
                ingest: Arc::clone(&ingest),
            });
        }
    }
    Ok(rows)
}

pub(super) fn classes(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<ClassRecord>::new()
        .big("class_id", "id of the class", |class| class.class_id.0)
        .text("dataset", "dataset", |class| class.dataset.clone())
        .text("class", "class within the dataset", |class| class.class.clone())
        .text("origin", "`captured`, `simulated` or `public`", |class| class.origin.name().to_owned());
    record_table(study, fields, |study| study.snapshot()?.classes())
}

/// Lower-case hexadecimal text of a digest.
pub(super) fn hex(digest: &[u8; 32]) -> String {
    syntrace_base::base::Digest(*digest).hex()
}
