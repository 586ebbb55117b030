//! Downstream models: one job for each dataset's real traces, one for each generator and regime; the same again where
//! synthetic traces are added to a share of the real ones.

use super::{Builder, JobRef, PlannedModel, PlannedUtility, UtilityClass, Work};
use crate::jobs::job::JobHead;
use syntrace_base::base::JobId;
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, Regime};
use syntrace_spec::{Augment, Spec};

/// A target model with synthetic traces.
pub(super) struct Target {
    pub model: PlannedModel,
    pub sources: Vec<JobId>,
    /// The job that samples it.
    pub synthesize: JobRef,
}

impl Target {
    /// The class as a downstream task sees it.
    fn class(&self, synthetic: bool) -> UtilityClass {
        UtilityClass {
            class: self.model.class.clone(),
            class_id: self.model.class_id,
            sources: self.sources.clone(),
            split_id: self.model.split_id,
            synthetic: synthetic.then_some((self.model.model_id, self.synthesize.id)),
        }
    }
}

/// Classes of one job, with the indices of the jobs that must be finished before.
struct Group {
    utility: PlannedUtility,
    after: Vec<usize>,
}

impl Builder<'_> {
    /// Adds the jobs of all targets that are sampled. Baselines need the splits alone, which are done
    /// when a target is sampled.
    pub(super) fn utility(&mut self) -> Result<()> {
        let mut groups: Vec<Group> = Vec::new();
        for target in std::mem::take(&mut self.targets) {
            let name = self.plan.generators[target.model.generator].name.clone();
            for generator in [None, Some((name, target.model.regime))] {
                let class = target.class(generator.is_some());
                let group = group(&mut groups, &target.model.dataset, generator);
                if !group.utility.classes.contains(&class) {
                    group.utility.classes.push(class);
                    group.after.push(target.synthesize.index);
                }
            }
        }
        let asked = !self.plan.spec.augment.shares.is_empty();
        for Group { utility, after } in groups {
            // classification needs at least two classes
            let augmentation = PlannedUtility { augmentation: true, ..utility.clone() };
            if asked && utility.classes.len() > 1 {
                self.utility_job(Group { utility: augmentation, after: after.clone() })?;
            }
            self.utility_job(Group { utility, after })?;
        }
        Ok(())
    }

    fn utility_job(&mut self, Group { utility, after }: Group) -> Result<()> {
        let head = utility_head(&self.plan.spec, &utility, self.plan.spec.seed);
        self.add(head, Work::Utility { utility }, after)?;
        Ok(())
    }
}

/// Name of a job of downstream models, for people.
pub(crate) fn utility_label(utility: &PlannedUtility) -> String {
    let what = if utility.augmentation { "augmentation" } else { "utility" };
    match &utility.generator {
        Some((name, regime)) => format!("{what} {name} {} {}", utility.dataset, regime.label()),
        None => format!("{what} real traces {}", utility.dataset),
    }
}

/// The job of some downstream models: the same however it was planned.
pub(crate) fn utility_head(asked: &Spec, utility: &PlannedUtility, seed: u64) -> JobHead {
    let mut spec = serde_json::json!({
        "dataset": utility.dataset,
        "generator": utility.generator.as_ref().map(|(name, _)| name),
        "regime": utility.generator.as_ref().map_or(Regime::None, |(_, regime)| *regime).label(),
        "classes": utility.classes.iter().map(|class| class.class.as_str()).collect::<Vec<_>>(),
        "packets": asked.traces.packets,
    });
    let (key, value) = asks(asked, utility.augmentation);
    if let Some(keys) = spec.as_object_mut() {
        keys.insert(key.to_owned(), value);
    }
    let mut inputs = Vec::new();
    for class in &utility.classes {
        inputs.extend(class.sources.iter().map(|job| job.0));
        inputs.push(class.split_id.0);
        inputs.extend(class.synthetic.iter().flat_map(|(model, job)| [model.0, job.0]));
    }
    JobHead::new(JobKind::Utility, utility_label(utility), &spec, inputs, seed)
}

/// The key of a job's spec that says how downstream models are trained, and its value.
pub(crate) fn asks(asked: &Spec, augmentation: bool) -> (&'static str, serde_json::Value) {
    if augmentation {
        let Augment { shares, draws } = &asked.augment;
        return ("augment", serde_json::json!({ "shares": shares, "draws": draws }));
    }
    ("forecaster", asked.forecaster.identity().into())
}

/// The group of a dataset and generator; a new one where there is none yet.
fn group<'g>(groups: &'g mut Vec<Group>, dataset: &str, generator: Option<(String, Regime)>) -> &'g mut Group {
    let known = |group: &Group| group.utility.dataset == dataset && group.utility.generator == generator;
    let at = groups.iter().position(known).unwrap_or(groups.len());
    if at == groups.len() {
        let dataset = dataset.to_owned();
        let utility = PlannedUtility { dataset, generator, classes: Vec::new(), augmentation: false };
        groups.push(Group { utility, after: Vec::new() });
    }
    &mut groups[at]
}
