//! Resolves trace names in external files to traces of the study.

use crate::rows;
use std::collections::HashMap;
use syntrace_base::base::{CaptureId, ClassId, JobId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ClassRecord, IngestRecord};
use syntrace_foreign::TraceName;
use syntrace_store::Snapshot;
use syntrace_store::schema::TRACES;

/// Columns of `traces`: trace_id, capture_id, first_packet.
const COLUMNS: [&str; 3] = ["trace_id", "capture_id", "first_packet"];

/// The class that a manifest names; the error lists what the study has.
pub(crate) fn class_of(snapshot: &Snapshot, dataset: &str, class: &str) -> Result<ClassRecord> {
    let classes = snapshot.classes()?;
    let wanted = ClassRecord::id_of(dataset, class);
    let known: Vec<String> = classes.iter().map(|known| format!("{}/{}", known.dataset, known.class)).collect();
    classes.into_iter().find(|known| known.class_id == wanted).ok_or_else(|| {
        let name = format!("{dataset}/{class}");
        let error = Error::user(format!("the study has no class `{name}`"));
        let otherwise = match known.is_empty() {
            true => {
                "the study holds no real traffic: `syntrace ingest STUDY --dataset NAME --class NAME FILES...` first"
                    .to_owned()
            }
            false => format!("it has {}; ingest the class's captures first", known.join(", ")),
        };
        error.hint_near(&name, &known, otherwise)
    })
}

/// All real traces of one class, by every name that a file may use.
pub(super) struct TraceIndex {
    class: String,
    jobs: HashMap<TraceId, JobId>,
    by_capture: HashMap<String, Vec<(u64, TraceId)>>,
    ingests: Vec<IngestRecord>,
}

impl TraceIndex {
    pub fn load(snapshot: &Snapshot, class: &ClassRecord) -> Result<Self> {
        let captures = snapshot.capture_names()?;
        let mut ingests = snapshot.ingests()?;
        ingests.retain(|ingest| ingest.class_id == class.class_id);
        let mut index = Self {
            class: format!("{}/{}", class.dataset, class.class),
            jobs: HashMap::new(),
            by_capture: HashMap::new(),
            ingests,
        };
        for segment in snapshot.segments_of(&TRACES, class.class_id.0)? {
            let columns = rows::Columns::read(snapshot, &TRACES, &segment, &COLUMNS)?;
            for (trace, capture, first_packet) in rows::trace_places(&columns)? {
                index.jobs.insert(trace, segment.job_id);
                for name in captures.get(&CaptureId(capture)).into_iter().flatten() {
                    index.by_capture.entry(name.clone()).or_default().push((first_packet, trace));
                }
            }
        }
        Ok(index)
    }

    /// The trace of a name.
    pub fn resolve(&self, name: &TraceName) -> Result<TraceId> {
        match name {
            TraceName::Id(id) if self.jobs.contains_key(id) => Ok(*id),
            TraceName::Id(id) => Err(Error::user(format!("the study has no trace `{id}` in class `{}`", self.class))
                .hint("`SELECT trace_id FROM traces WHERE dataset = ... AND class = ...` lists the class's traces; traces cut with other options have other ids")),
            TraceName::Capture { name: capture, first_packet } => self.of_capture(name, capture, *first_packet),
        }
    }

    fn of_capture(&self, name: &TraceName, capture: &str, first_packet: Option<u64>) -> Result<TraceId> {
        let Some(traces) = self.by_capture.get(capture) else {
            return Err(Error::user(format!("the study has no capture `{capture}` in class `{}`", self.class))
                .hint("a capture is named by its file name without a folder; ingest it first"));
        };
        let mut matching = traces.iter().filter(|(packet, _)| first_packet.is_none_or(|wanted| wanted == *packet));
        match (matching.next(), matching.next()) {
            (Some((_, trace)), None) => Ok(*trace),
            (None, _) => Err(Error::user(format!(
                "capture `{capture}` has no trace that begins at its packet {}",
                first_packet.unwrap_or(0)
            ))
            .hint("column `first_packet` of the table `traces` says where traces begin")),
            (Some(_), Some(_)) => Err(Error::user(format!(
                "capture `{name}` has {} traces, so its name does not identify one",
                traces.len()
            ))
            .hint("name a trace `CAPTURE#FIRST_PACKET`, or by its trace_id (table `traces`)")),
        }
    }

    /// Jobs that cut these traces, sorted.
    pub fn sources<'a>(&self, traces: impl Iterator<Item = &'a TraceId>) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = traces.filter_map(|trace| self.jobs.get(trace).copied()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }

    /// All traces of the class, sorted, where all are cut alike.
    pub fn all(&self) -> Result<Vec<TraceId>> {
        let mut cuts: Vec<(&str, u32)> =
            self.ingests.iter().map(|ingest| (ingest.unit.as_str(), ingest.trace_packets)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        if cuts.len() > 1 {
            return Err(Error::user(format!(
                "`members = \"all\"`: the class's traces were cut in {} ways",
                cuts.len()
            ))
            .hint("list the members in a CSV instead"));
        }
        let mut all: Vec<TraceId> = self.jobs.keys().copied().collect();
        all.sort_unstable();
        if all.is_empty() {
            return Err(Error::user(format!("the study has no traces of class `{}`", self.class)));
        }
        Ok(all)
    }

    /// How the class was cut: unit and packets, where all its captures were cut alike.
    pub fn cut(&self) -> Option<(&str, u32)> {
        let first = self.ingests.first()?;
        let cut = (first.unit.as_str(), first.trace_packets);
        self.ingests.iter().all(|ingest| (ingest.unit.as_str(), ingest.trace_packets) == cut).then_some(cut)
    }
}

/// Generator names that imports may not take.
pub(super) fn check_generator(snapshot: &Snapshot, generator: &str) -> Result<()> {
    let ours = syntrace_model::model::generator_names().contains(&generator)
        || snapshot
            .models()?
            .iter()
            .any(|model| model.generator == generator && model.preset != syntrace_base::record::IMPORTED);
    if ours {
        return Err(Error::user(format!("`{generator}` is a generator of this program"))
            .hint(format!("give the imported generator another name, for instance `{generator}-published`")));
    }
    Ok(())
}

/// Kept for labels: dataset and class of an id.
pub(super) fn class_name(snapshot: &Snapshot, class_id: ClassId) -> Result<(String, String)> {
    let class = snapshot.class(class_id)?;
    class
        .map(|class| (class.dataset, class.class))
        .ok_or_else(|| Error::internal(format!("class {class_id} of a model is not in the study")))
}
