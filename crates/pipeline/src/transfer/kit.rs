//! A kit for external model authors, so that their models can be attacked like the study's own: the class's traces, the
//! training set of each model, and the further traces on which each model must be evaluated.

use crate::jobs::load;
use crate::jobs::split::{drawn_alone, drawn_split, require_enough};
use crate::plan::models::split_head;
use std::collections::BTreeSet;
use std::fmt::Write;
use syntrace_base::base::{JobId, Seed, TraceId};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{ClassRecord, Part, Role, Trace};
use syntrace_spec::SplitSpec;
use syntrace_store::Snapshot;

/// What a kit is drawn by: as `[split]` and `seed` of a spec.
#[derive(Debug, Clone)]
pub struct KitOptions {
    /// Dataset of the study.
    pub dataset: String,
    /// Class of the study.
    pub class: String,
    /// Members, held-out traces and shadows.
    pub split: SplitSpec,
    /// Source of the draws.
    pub seed: u64,
}

/// One model to train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitModel {
    /// Target, or which shadow.
    pub role: Role,
    /// Its traces, sorted; true for those that it is trained on.
    pub members: Vec<(TraceId, bool)>,
    /// Traces of the other models outside its own split, sorted: LiRA and RMIA need its attributes of them.
    pub references: Vec<TraceId>,
}

/// A kit; see [`kit`].
#[derive(Debug, Clone)]
pub struct Kit {
    /// The class.
    pub class: ClassRecord,
    /// All traces of the class.
    pub traces: Vec<Trace>,
    /// The target, then each shadow.
    pub models: Vec<KitModel>,
}

/// Draws a kit; a spec with the same seed and sizes over the same captures draws the same splits.
///
/// # Errors
/// `user` where there is no such class, or it has too few traces.
pub fn kit(snapshot: &Snapshot, options: &KitOptions) -> Result<Kit> {
    let class = super::import::class_of(snapshot, &options.dataset, &options.class)?;
    let ingests = snapshot.ingests()?.into_iter().filter(|ingest| ingest.class_id == class.class_id);
    let sources: Vec<JobId> = ingests.map(|ingest| ingest.job_id).collect();
    let traces = load::traces(snapshot, class.class_id, &sources)?;
    let place = || format!("class `{}/{}`", options.dataset, options.class);
    let alone = options.split.shadows == 0;
    if !alone {
        require_enough(traces.len(), options.split).context(place)?;
    }
    if options.split.members == 0 {
        return Err(Error::user("expected one member or more, found `0`").context(place()));
    }
    let pool = load::pool(snapshot, class.class_id, &sources)?;
    let roles = std::iter::once(Role::Target).chain((0..options.split.shadows).map(Role::Shadow));
    let split = |role| -> Result<(Role, Vec<(TraceId, bool)>)> {
        let name = format!("{}/{}", options.dataset, options.class);
        let head = split_head((class.class_id, &name), &sources, role, options.split, options.seed);
        let drawn = if alone {
            drawn_alone(&pool, options.split, Seed::root(options.seed)).context(place)?
        } else {
            drawn_split(&head, &pool, role, options.split)?
        };
        let mut members: Vec<(TraceId, bool)> =
            drawn.into_iter().map(|(trace, part)| (trace, part == Part::Member)).collect();
        // In an order that does not reveal membership.
        members.sort_unstable();
        Ok((role, members))
    };
    let splits = roles.map(split).collect::<Result<Vec<_>>>()?;
    let all: BTreeSet<TraceId> = splits.iter().flat_map(|(_, members)| members).map(|(trace, _)| *trace).collect();
    let models = splits.into_iter().map(|(role, members)| {
        let own: BTreeSet<TraceId> = members.iter().map(|(trace, _)| *trace).collect();
        KitModel { role, members, references: all.difference(&own).copied().collect() }
    });
    Ok(Kit { class, models: models.collect(), traces })
}

impl KitModel {
    /// Folder of its files: `target`, `shadow0`.
    pub fn folder(&self) -> String {
        self.role.label()
    }

    /// `trace,member`.
    pub fn members_csv(&self) -> String {
        self.members.iter().fold("trace,member\n".to_owned(), |mut text, (trace, member)| {
            let _ = writeln!(text, "{trace},{}", u8::from(*member));
            text
        })
    }

    /// `trace`.
    pub fn references_csv(&self) -> String {
        self.references.iter().fold("trace\n".to_owned(), |mut text, trace| {
            let _ = writeln!(text, "{trace}");
            text
        })
    }
}

impl Kit {
    /// The traces that a model is trained on.
    pub fn training_traces<'a>(&'a self, model: &'a KitModel) -> impl Iterator<Item = &'a Trace> {
        let is_member = |trace: &&Trace| {
            model.members.binary_search_by_key(&trace.trace_id, |(id, _)| *id).is_ok_and(|at| model.members[at].1)
        };
        self.traces.iter().filter(is_member)
    }

    /// A manifest to be filled in.
    pub fn manifest(&self) -> String {
        let mut text = format!(
            "# Put here what each model wrote and said, then `syntrace import STUDY .`. A score file (.npy, .parquet, .safetensors) has\n\
             # one row for each line of the CSV, in its order; take out what there is none of.\n\
             generator = \"mygan\"\ndataset = {:?}\nclass = {:?}\n",
            self.class.dataset, self.class.class
        );
        for model in &self.models {
            let folder = model.folder();
            let shadow = model.role.shadow().map_or(String::new(), |index| format!("shadow = {index}\n"));
            let _ = write!(
                text,
                "\n[[model]]\n{shadow}members = \"{folder}/members.csv\"\nsynthetic = [\"{folder}/synthetic.pcap\"]\n\
                 attributes = [{{ file = \"{folder}/score.npy\", loss = \"{folder}/loss.npy\" }}]\n"
            );
            if !model.references.is_empty() {
                let _ = write!(
                    text,
                    "references = \"{folder}/references.csv\"\n\
                     reference_attributes = [{{ file = \"{folder}/reference_score.npy\", kind = \"score\", loss = \"{folder}/reference_loss.npy\" }}]\n"
                );
            }
        }
        text
    }
}
