//! Datasets of a spec to ingest jobs.

use super::{Builder, PlannedClass, Work};
use crate::ingest::folder::captures_by_folder;
use crate::ingest::input::capture_digest;
use crate::ingest::{self, IngestOptions};
use crate::jobs::job::JobHead;
use syntrace_base::base::JobId;
use syntrace_base::error::{Error, Result, nearest};
use syntrace_base::record::{ClassRecord, Origin, TraceUnit};
use syntrace_spec::{DatasetSpec, SourceSpec};
use syntrace_traffic::simulate::CLASSES;

/// The default public dataset: simulated, used if a generator needs public traffic and the spec names none.
const PUBLIC: &str = "public";
/// Its flows a class.
const PUBLIC_FLOWS: u32 = 200;

/// The public dataset of specs that name none.
pub(super) fn public_dataset() -> DatasetSpec {
    DatasetSpec {
        name: PUBLIC.to_owned(),
        classes: None,
        source: SourceSpec::Simulate { flows: PUBLIC_FLOWS },
        public: true,
    }
}

impl Builder<'_> {
    pub(super) fn dataset(&mut self, dataset: &DatasetSpec) -> Result<Vec<PlannedClass>> {
        let classes = match &dataset.source {
            SourceSpec::Simulate { flows } => self.simulated(dataset, *flows),
            SourceSpec::Folder(_) if self.recorded.is_some() => self.recorded(dataset),
            SourceSpec::Folder(folder) => self.folder(dataset, folder),
            SourceSpec::Study => self.stored(dataset),
        }?;
        if dataset.public {
            self.require_public(&classes)?;
        }
        Ok(classes)
    }

    /// Rejects a spec that declares private traffic of the study as public.
    fn require_public(&self, classes: &[PlannedClass]) -> Result<()> {
        let Some(snapshot) = self.snapshot else { return Ok(()) };
        for class in classes {
            let stored = snapshot.class(class.class_id)?.filter(|stored| stored.origin != Origin::Public);
            if let Some(stored) = stored {
                let origin = stored.origin.name();
                return Err(Error::user(format!(
                    "the spec calls it public, and the study holds its class `{}` as {origin} traffic",
                    class.class
                ))
                .hint("bring public traffic in with `syntrace ingest --public`, under a separate dataset"));
            }
        }
        Ok(())
    }

    fn options(&self, dataset: &DatasetSpec, class: &str, origin: Origin) -> IngestOptions {
        let origin = if dataset.public { Origin::Public } else { origin };
        IngestOptions { dataset: dataset.name.clone(), class: class.to_owned(), origin, traces: self.plan.spec.traces }
    }

    fn simulated(&mut self, dataset: &DatasetSpec, flows: u32) -> Result<Vec<PlannedClass>> {
        let known = CLASSES.iter().find(|(name, _)| *name == dataset.name).ok_or_else(|| {
            let names: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
            Error::user(format!("expected a simulated dataset, found `{}`", dataset.name))
                .hint(format!("the simulator knows {}", names.join(", ")))
        })?;
        let all: Vec<String> = known.1.iter().map(|class| (*class).to_owned()).collect();
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let options = self.options(dataset, &class, Origin::Simulated);
            let head = ingest::simulate_head(&options, flows, self.plan.spec.seed);
            let class_id = ingest::class_id(&options);
            let sources = vec![head.job_id];
            let captures = vec![head.job_id.0];
            let index = self.add(head, Work::Simulate { options, flows }, vec![])?.index;
            classes.push(PlannedClass {
                dataset: dataset.name.clone(),
                class,
                class_id,
                sources,
                captures,
                source_indices: vec![index],
                traces_max: Some(match self.plan.spec.traces.unit {
                    TraceUnit::Flow => u64::from(flows),
                    TraceUnit::Capture => 1,
                }),
            });
        }
        Ok(classes)
    }

    fn folder(&mut self, dataset: &DatasetSpec, folder: &std::path::Path) -> Result<Vec<PlannedClass>> {
        let (by_class, passed_over) = captures_by_folder(folder)?;
        self.plan.notes.extend(passed_over.iter().map(ToString::to_string));
        let all: Vec<String> = by_class.iter().map(|(class, _)| class.clone()).collect();
        let cut = match self.snapshot {
            Some(snapshot) => snapshot.ingests()?,
            None => Vec::new(),
        };
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let options = self.options(dataset, &class, Origin::Captured);
            let class_id = ingest::class_id(&options);
            let (mut sources, mut captures, mut source_indices) = (Vec::new(), Vec::new(), Vec::new());
            let mut traces = Some(0);
            let files = by_class.iter().filter(|(name, _)| *name == class).flat_map(|(_, files)| files);
            for path in files {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let head = ingest::ingest_head(&options, &name, &capture_digest(path)?);
                if sources.contains(&head.job_id) {
                    continue;
                }
                sources.push(head.job_id);
                captures.extend(&head.inputs);
                let cut = cut.iter().find(|ingest| ingest.job_id == head.job_id).map(|ingest| ingest.traces);
                traces = traces.zip(cut).map(|(sum, more)| sum + more);
                let work = Work::IngestFile { options: options.clone(), path: path.clone() };
                source_indices.push(self.add(head, work, vec![])?.index);
            }
            classes.push(PlannedClass {
                dataset: dataset.name.clone(),
                class,
                class_id,
                sources,
                captures,
                source_indices,
                traces_max: traces,
            });
        }
        Ok(classes)
    }

    /// The captures of a folder that the prologue of this study took: the same jobs, wherever the folder is.
    fn recorded(&mut self, dataset: &DatasetSpec) -> Result<Vec<PlannedClass>> {
        let (Some(snapshot), Some(recorded)) = (self.snapshot, self.recorded.clone()) else { return Ok(Vec::new()) };
        let mut ingests = snapshot.ingests()?;
        ingests.retain(|ingest| recorded.contains(&ingest.job_id));
        let mut of_dataset = snapshot.classes()?;
        of_dataset.retain(|class| {
            class.dataset == dataset.name && ingests.iter().any(|ingest| ingest.class_id == class.class_id)
        });
        let mut all: Vec<String> = of_dataset.iter().map(|class| class.class.clone()).collect();
        all.sort();
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let options = self.options(dataset, &class, Origin::Captured);
            let class_id = ingest::class_id(&options);
            let (mut sources, mut captures, mut source_indices, mut traces) = (Vec::new(), Vec::new(), Vec::new(), 0);
            for ingest in ingests.iter().filter(|ingest| ingest.class_id == class_id) {
                let Some(job) = snapshot.job(ingest.job_id)? else { continue };
                let path = snapshot.capture(ingest.capture_id)?.map(|capture| capture.name).unwrap_or_default().into();
                sources.push(job.job_id);
                captures.push(ingest.capture_id.0);
                traces += ingest.traces;
                let work = Work::IngestFile { options: options.clone(), path };
                source_indices.push(self.add(JobHead::of(job), work, vec![])?.index);
            }
            let dataset = dataset.name.clone();
            let traces_max = Some(traces);
            classes.push(PlannedClass { dataset, class, class_id, sources, captures, source_indices, traces_max });
        }
        Ok(classes)
    }

    fn stored(&mut self, dataset: &DatasetSpec) -> Result<Vec<PlannedClass>> {
        let nothing = || {
            Error::user("it has neither `simulate` nor `folder`, and the study holds no traces of it")
                .hint("ingest captures first (`syntrace ingest STUDY --dataset NAME --class NAME FILES...`)")
        };
        let snapshot = self.snapshot.ok_or_else(nothing)?;
        let stored: Vec<ClassRecord> =
            snapshot.classes()?.into_iter().filter(|class| class.dataset == dataset.name).collect();
        if stored.is_empty() {
            return Err(nothing());
        }
        let mut all: Vec<String> = stored.iter().map(|class| class.class.clone()).collect();
        all.sort();
        let ingests = snapshot.ingests()?;
        let mut classes = Vec::new();
        for class in chosen(dataset, &all)? {
            let class_id = ClassRecord::id_of(&dataset.name, &class);
            let of_class: Vec<_> = ingests.iter().filter(|ingest| ingest.class_id == class_id).collect();
            let sources: Vec<JobId> = of_class.iter().map(|ingest| ingest.job_id).collect();
            let captures = of_class.iter().map(|ingest| ingest.capture_id.0).collect();
            classes.push(PlannedClass {
                dataset: dataset.name.clone(),
                class,
                class_id,
                sources,
                captures,
                source_indices: vec![],
                traces_max: Some(of_class.iter().map(|ingest| ingest.traces).sum()),
            });
        }
        Ok(classes)
    }
}

fn chosen(dataset: &DatasetSpec, all: &[String]) -> Result<Vec<String>> {
    let Some(wanted) = &dataset.classes else { return Ok(all.to_vec()) };
    for class in wanted {
        if !all.contains(class) {
            let error = Error::user(format!("expected one of the classes {}, found `{class}`", all.join(", ")));
            return Err(match nearest(class, all) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            });
        }
    }
    Ok(wanted.clone())
}
