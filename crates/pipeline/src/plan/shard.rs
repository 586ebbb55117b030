//! Shares: several machines work on one plan, each into a study file of its own.
//!
//! What all need (captures, encodings, splits, bases) is done once, by share 0, the prologue; the others start from its
//! file. Share 0 also deals the models, longest first, and stores who has which: no model is ever trained in two shares,
//! whatever the versions of the program that go on with them. Which share does a job changes nothing of its identity.
//!
//! A cohort is never cut, nor parted from what its models start or learn from. The models that an attack compares stay
//! together unless a share would be too large for that, and so do, after them, the classes of a downstream task. What spans
//! shares all the same is done by a plain `run` after the merge.

use super::dealing::{self, Bond, Unit};
use super::{Ancestor, Plan, PlannedModel, Work};
use std::collections::{BTreeMap, HashMap, HashSet};
use syntrace_base::base::{JobId, ModelId};
use syntrace_base::error::{Error, Result};
use syntrace_store::ShardRecord;

/// Who does a job of a plan that is dealt into shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doer {
    /// Share 0: all others need it.
    Prologue,
    /// One share, from 1.
    Share(u32),
    /// The run after the merge.
    Finish,
}

impl Plan {
    /// Deals the models of this plan into `count` shares.
    ///
    /// # Errors
    /// `user` for a plan that trains no model: there is nothing to deal.
    pub fn deal(&self, count: u32) -> Result<ShardRecord> {
        let plan = self.head().map(|head| head.job_id);
        let plan = plan.filter(|_| !self.cohort_of.is_empty()).ok_or_else(|| {
            Error::user("the spec has no model to train, so nothing to deal into shares")
                .hint("run it as a whole, without `--shard`")
        })?;
        let places = self.places();
        let units = self.units(&places);
        let share_of_place = dealing::deal(&units, count);
        let dealt = places.into_iter().filter_map(|(model, place)| Some((model, *share_of_place.get(place)?)));
        Ok(ShardRecord { plan, count, numbers: vec![0], dealt: dealt.collect() })
    }

    /// Marks the jobs of all shares but one as assigned to other machines; share 0 is the prologue.
    pub fn keep_share(&mut self, record: &ShardRecord, number: u32) {
        let own = if number == 0 { Doer::Prologue } else { Doer::Share(number) };
        let doers = self.doers(record);
        for (job, doer) in self.jobs.iter_mut().zip(doers) {
            job.elsewhere = doer != own;
        }
    }

    /// Number of jobs that share 0 has still to do.
    pub fn missing_in_prologue(&self) -> usize {
        self.jobs.iter().filter(|job| !job.done && is_for_all(&job.work)).count()
    }

    /// Who does each job.
    pub(crate) fn doers(&self, record: &ShardRecord) -> Vec<Doer> {
        let share_of: HashMap<ModelId, u32> = record.dealt.iter().copied().collect();
        let mut doers: Vec<Doer> = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let models = models_of(&job.work);
            let share = models.first().and_then(|model| share_of.get(model).copied());
            let doer = match share {
                _ if is_for_all(&job.work) => Doer::Prologue,
                Some(share) if models.iter().all(|model| share_of.get(model) == Some(&share)) => Doer::Share(share),
                _ => Doer::Finish,
            };
            let ready = |before: &usize| {
                let (before, by) = (self.jobs.get(*before), doers.get(*before));
                before.is_some_and(|before| before.done) || by.is_some_and(|by| *by == Doer::Prologue || *by == doer)
            };
            doers.push(if job.after.iter().all(ready) { doer } else { Doer::Finish });
        }
        doers
    }

    /// The number of each model's cohort among the cohorts of the plan, from 0 without gaps.
    fn places(&self) -> BTreeMap<ModelId, usize> {
        let mut numbers: Vec<u32> = self.cohort_of.values().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let place = |number: &u32| numbers.binary_search(number).unwrap_or_default();
        self.cohort_of.iter().map(|(model, number)| (*model, place(number))).collect()
    }

    /// What is dealt: cohorts in the order of the plan, with what ties them together.
    fn units(&self, places: &BTreeMap<ModelId, usize>) -> Vec<Unit> {
        let count = places.values().max().map_or(0, |last| last + 1);
        let mut units: Vec<Unit> = (0..count).map(Unit::new).collect();
        let trained: HashSet<ModelId> = self.trained_models().map(|model| model.model_id).collect();
        for job in self.jobs.iter().filter(|job| !job.done && !is_for_all(&job.work)) {
            let own: Vec<usize> = models_of(&job.work).iter().filter_map(|model| places.get(model).copied()).collect();
            let Some(&first) = own.first() else { continue };
            let bond = if matches!(job.work, Work::Utility { .. }) { Bond::Near } else { Bond::Loose };
            own.iter().for_each(|place| dealing::tie(&mut units, first, *place, bond));
            if let Some(unit) = units.get_mut(first) {
                unit.cost_ms += (self.cost(job).guess_seconds * 1e3).max(1.0) as u64;
            }
        }
        for model in self.trained_models() {
            // One that is stored already is in every share.
            let Ancestor::NonPrivate(ancestor) = model.ancestor else { continue };
            if let (true, Some(own), Some(other)) =
                (trained.contains(&ancestor), places.get(&model.model_id), places.get(&ancestor))
            {
                dealing::tie(&mut units, *own, *other, Bond::Firm);
            }
        }
        units
    }

    fn trained_models(&self) -> impl Iterator<Item = &PlannedModel> {
        self.jobs.iter().flat_map(|job| match &job.work {
            Work::Train { models, .. } if !job.done => models.as_slice(),
            _ => &[],
        })
    }

    /// The plan's fingerprint: its job, if it has one.
    pub fn fingerprint(&self) -> Option<JobId> {
        self.head().map(|head| head.job_id)
    }
}

/// Do the jobs of all shares build on it?
fn is_for_all(work: &Work) -> bool {
    matches!(
        work,
        Work::IngestFile { .. } | Work::Simulate { .. } | Work::Encode { .. } | Work::Split { .. } | Work::Base { .. }
    )
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
        Work::Attack { group, .. } => group.model_ids(),
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
