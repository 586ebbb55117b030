//! Shards: several machines work on one spec, each with a separate study file.
//!
//! Cohorts are assigned round-robin, by their index in the whole plan, whether they are done already or not: so all
//! machines agree without communication, and a shard can be resumed. A job that needs only models of one shard belongs
//! to it; jobs that span shards (an attack on a target in one with shadows in another) belong to none and are done by a
//! plain `run` after the merge. Dependencies of a shard's jobs (captures, splits, a public base, an ancestor) are
//! computed on each machine that needs them, with the same result.

use super::{Plan, Work};
use syntrace_base::base::ModelId;

impl Plan {
    /// Marks jobs outside shard `index` (from 1) of `count` as assigned to other machines.
    pub fn keep_share(&mut self, index: u32, count: u32) {
        let own = |model: &ModelId| self.cohort_of.get(model).is_some_and(|cohort| cohort % count + 1 == index);
        let mut kept = vec![false; self.jobs.len()];
        for (at, job) in self.jobs.iter().enumerate() {
            let models = models_of(&job.work);
            if !models.is_empty() && models.iter().all(own) {
                keep_with_needs(self, at, &mut kept);
            }
        }
        for (job, kept) in self.jobs.iter_mut().zip(kept) {
            job.elsewhere = !kept;
        }
    }
}

fn keep_with_needs(plan: &Plan, at: usize, kept: &mut [bool]) {
    let mut open = vec![at];
    while let Some(at) = open.pop() {
        if let (Some(slot), Some(job)) = (kept.get_mut(at), plan.jobs.get(at))
            && !std::mem::replace(slot, true)
        {
            open.extend(&job.after);
        }
    }
}

/// Models that a job makes or is about.
fn models_of(work: &Work) -> Vec<ModelId> {
    match work {
        Work::Train { models, .. } => models.iter().map(|model| model.model_id).collect(),
        Work::Attribute { model, .. }
        | Work::Whole { model, .. }
        | Work::Reference { model, .. }
        | Work::Synthesize { model, .. }
        | Work::Fidelity { model, .. }
        | Work::Leakage { model, .. }
        | Work::Outside { model, .. }
        | Work::OneRunAudit { model, .. } => vec![model.model_id],
        Work::Attack { group, .. } => {
            group.shadows.iter().chain([&group.target]).map(|(model, _)| model.model_id).collect()
        }
        Work::Utility { utility } => {
            utility.classes.iter().filter_map(|class| class.synthetic).map(|(model, _)| model).collect()
        }
        Work::IngestFile { .. }
        | Work::Simulate { .. }
        | Work::Encode { .. }
        | Work::Split { .. }
        | Work::Base { .. } => Vec::new(),
    }
}
