//! Downstream models: one job for each dataset's real traces, one for each generator and regime.

use super::{Builder, PlannedModel, PlannedUtility, UtilityClass, Work};
use crate::job::JobHead;
use syntrace_base::base::JobId;
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, Regime};

/// A target model with synthetic traces.
pub(super) struct Target {
    pub model: PlannedModel,
    pub sources: Vec<JobId>,
    /// The job that samples it and its index.
    pub synthesize: (JobId, usize),
}

impl Target {
    /// The class as a downstream task sees it.
    fn class(&self, synthetic: bool) -> UtilityClass {
        UtilityClass {
            class: self.model.class.clone(),
            class_id: self.model.class_id,
            sources: self.sources.clone(),
            split_id: self.model.split_id,
            synthetic: synthetic.then_some((self.model.model_id, self.synthesize.0)),
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
                    group.after.push(target.synthesize.1);
                }
            }
        }
        for group in groups {
            self.utility_job(group)?;
        }
        Ok(())
    }

    fn utility_job(&mut self, Group { utility, after }: Group) -> Result<()> {
        let (name, regime) = match &utility.generator {
            Some((name, regime)) => (name.as_str(), regime.label()),
            None => ("real traces", Regime::None.label()),
        };
        let spec = serde_json::json!({
            "dataset": utility.dataset,
            "generator": utility.generator.as_ref().map(|(name, _)| name),
            "regime": regime,
            "classes": utility.classes.iter().map(|class| class.class.as_str()).collect::<Vec<_>>(),
            "packets": self.plan.spec.traces.packets,
            "forecaster": self.plan.spec.forecaster.name(),
        });
        let label = match &utility.generator {
            Some(_) => format!("utility {name} {} {regime}", utility.dataset),
            None => format!("utility {name} {}", utility.dataset),
        };
        let mut inputs = Vec::new();
        for class in &utility.classes {
            inputs.extend(class.sources.iter().map(|job| job.0));
            inputs.push(class.split_id.0);
            inputs.extend(class.synthetic.iter().flat_map(|(model, job)| [model.0, job.0]));
        }
        let head = JobHead::new(JobKind::Utility, label, &spec, inputs, self.plan.spec.seed);
        self.add(head, Work::Utility { utility }, after)?;
        Ok(())
    }
}

/// The group of a dataset and generator; a new one where there is none yet.
fn group<'g>(groups: &'g mut Vec<Group>, dataset: &str, generator: Option<(String, Regime)>) -> &'g mut Group {
    let known = |group: &Group| group.utility.dataset == dataset && group.utility.generator == generator;
    let at = groups.iter().position(known).unwrap_or(groups.len());
    if at == groups.len() {
        let utility = PlannedUtility { dataset: dataset.to_owned(), generator, classes: Vec::new() };
        groups.push(Group { utility, after: Vec::new() });
    }
    &mut groups[at]
}
