//! A snapshot with lookup tables from ids to names, loaded lazily and once; the next statement's snapshot reuses them
//! if no job has been added.

use super::plans::Plans;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use syntrace_base::base::{AttackId, ClassId, ModelId, SplitId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{AttackRecord, ClassRecord, ModelRecord, SplitRecord};
use syntrace_store::schema::SegmentTable;
use syntrace_store::{Generation, SegmentRecord, Snapshot};

/// A consistent view of a study, and its records by id.
pub(crate) struct Study {
    /// What it is called among several; empty where there is one.
    name: String,
    snapshot: Option<Arc<Snapshot>>,
    known: Arc<Known>,
}

/// Cached records of a study. It pins no snapshot.
#[derive(Default)]
struct Known {
    /// The state of the study from which the records are; `None` without a study.
    generation: Option<Generation>,
    index: OnceLock<Index>,
    plans: OnceLock<Plans>,
    /// Segment records by table code: what a scan is planned from.
    segments: Mutex<HashMap<u16, SegmentRecords>>,
}

/// The segments of a table.
pub(crate) type SegmentRecords = Arc<Vec<Arc<SegmentRecord>>>;

/// Placeholder name for a missing record: damage, which `verify` reports; its rows stay visible.
pub(crate) const MISSING: &str = "?";

/// Records by id.
#[derive(Default)]
pub(crate) struct Index {
    classes: HashMap<ClassId, ClassRecord>,
    splits: HashMap<SplitId, SplitRecord>,
    models: HashMap<ModelId, ModelRecord>,
    attacks: HashMap<AttackId, AttackRecord>,
}

/// Creates the views of each statement in a session.
#[derive(Default)]
pub(crate) struct Studies {
    /// What several studies are called, in their order; empty where there is one.
    names: Vec<String>,
    /// What is known of each, by its place.
    last: Mutex<HashMap<usize, Arc<Known>>>,
}

impl Studies {
    /// Several studies by their names, or one without a name.
    pub fn of(names: Vec<String>) -> Self {
        Self { names, last: Mutex::default() }
    }

    /// Wraps the snapshot of the first study. Records that an earlier view of the same jobs has read are reused.
    pub fn study(&self, snapshot: Arc<Snapshot>) -> Result<Study> {
        self.at(0, snapshot)
    }

    /// As [`Studies::study`], of all studies in their order.
    pub fn all(&self, snapshots: &[Arc<Snapshot>]) -> Result<Vec<Arc<Study>>> {
        let studies = snapshots.iter().enumerate();
        studies.map(|(place, snapshot)| Ok(Arc::new(self.at(place, Arc::clone(snapshot))?))).collect()
    }

    fn at(&self, place: usize, snapshot: Arc<Snapshot>) -> Result<Study> {
        let generation = Some(snapshot.generation()?);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.entry(place).or_default();
        if known.generation != generation {
            *known = Arc::new(Known { generation, ..Known::default() });
        }
        let name = self.names.get(place).cloned().unwrap_or_default();
        Ok(Study { name, snapshot: Some(snapshot), known: Arc::clone(known) })
    }
}

impl Study {
    /// A study without content, for names and columns alone.
    pub fn detached() -> Self {
        Self { name: String::new(), snapshot: None, known: Arc::default() }
    }

    /// What it is called among several.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has it a snapshot?
    pub fn has_content(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The view that all tables read from.
    pub fn snapshot(&self) -> Result<&Snapshot> {
        self.snapshot.as_deref().ok_or_else(|| Error::internal("a query before the session was given a snapshot"))
    }

    /// The segments of a table; read at the first call.
    pub fn segments(&self, table: &SegmentTable) -> Result<SegmentRecords> {
        let mut known = self.known.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(records) = known.get(&table.code) {
            return Ok(Arc::clone(records));
        }
        let records = self.snapshot()?.segments(table)?.into_iter().map(Arc::new).collect();
        let records: SegmentRecords = Arc::new(records);
        known.insert(table.code, Arc::clone(&records));
        Ok(records)
    }

    /// What belongs to which plan; read at the first call.
    pub fn plans(&self) -> Result<&Plans> {
        if let Some(plans) = self.known.plans.get() {
            return Ok(plans);
        }
        let plans = Plans::load(self.snapshot()?)?;
        Ok(self.known.plans.get_or_init(|| plans))
    }

    /// The records by id; read at the first call.
    pub fn index(&self) -> Result<&Index> {
        if let Some(index) = self.known.index.get() {
            return Ok(index);
        }
        let snapshot = self.snapshot()?;
        let index = Index {
            classes: snapshot.classes()?.into_iter().map(|record| (record.class_id, record)).collect(),
            splits: snapshot.splits()?.into_iter().map(|record| (record.split_id, record)).collect(),
            models: snapshot.models()?.into_iter().map(|record| (record.model_id, record)).collect(),
            attacks: snapshot.attacks()?.into_iter().map(|record| (record.attack_id, record)).collect(),
        };
        Ok(self.known.index.get_or_init(|| index))
    }
}

impl Index {
    /// Dataset and class name of a class id.
    pub fn class(&self, class_id: ClassId) -> (&str, &str) {
        let names = self.classes.get(&class_id).map(|record| (record.dataset.as_str(), record.class.as_str()));
        names.unwrap_or((MISSING, MISSING))
    }

    /// The split of an id.
    pub fn split(&self, split_id: SplitId) -> Option<&SplitRecord> {
        self.splits.get(&split_id)
    }

    /// The model of an id.
    pub fn model(&self, model_id: ModelId) -> Option<&ModelRecord> {
        self.models.get(&model_id)
    }

    /// The attack of an id.
    pub fn attack(&self, attack_id: AttackId) -> Option<&AttackRecord> {
        self.attacks.get(&attack_id)
    }
}
