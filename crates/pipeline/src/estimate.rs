//! Estimates the remaining time of a run from the cost of each job of the plan, the measured times of similar jobs, and
//! the progress of running jobs. Pure: the caller passes the current time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// What is known about a job of a plan before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobCost {
    /// Jobs of one group take time in proportion to their units: `train netssm`, `attack mlp`.
    pub group: String,
    /// Work in the group's unit (operations, traces, bytes), above 0.
    pub units: f64,
    /// Seconds that it takes if no job of its group was measured: a guess from another machine, scaled by the error of
    /// such guesses for the groups that were measured.
    pub guess_seconds: f64,
    /// Places of the jobs that must be finished before.
    pub after: Vec<usize>,
    /// Will this run do it?
    pub missing: bool,
    /// Seconds that it took, where the study holds it already.
    pub took_seconds: Option<f64>,
}

/// Progress of a running job.
#[derive(Debug, Clone, Copy)]
struct Running {
    started: f64,
    /// Time and value of its first progress report: a training that resumes from a checkpoint starts above 0.
    first: Option<(f64, f64)>,
    fraction: f64,
}

/// Work of a group, or of all, that was measured.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    seconds: f64,
    units: f64,
    guess_seconds: f64,
}

impl Measured {
    fn add(&mut self, seconds: f64, share: f64, cost: &JobCost) {
        self.seconds += seconds;
        self.units += share * cost.units;
        self.guess_seconds += share * cost.guess_seconds;
    }
}

/// Share of a job after which only its own pace counts, no longer that of its group.
const OWN_PACE_SHARE: f64 = 0.1;
/// A job that takes longer than its group did is estimated to need at least this share of its elapsed time again.
const OVERSTAY_SHARE: f64 = 0.25;
/// Time unit of the simulated schedule.
const MILLIS: f64 = 1e3;

/// Estimates the time left of a run. All times are seconds of any one clock.
#[derive(Debug, Clone)]
pub struct Estimate {
    costs: Vec<JobCost>,
    /// Places of the jobs that wait for each job.
    dependents: Vec<Vec<usize>>,
    finished: Vec<bool>,
    failed: Vec<bool>,
    running: BTreeMap<usize, Running>,
    measured: HashMap<String, Measured>,
    threads: usize,
}

impl Estimate {
    /// The jobs of a plan in their order, `threads` of them concurrently.
    pub fn new(costs: Vec<JobCost>, threads: usize) -> Self {
        let mut dependents = vec![Vec::new(); costs.len()];
        let mut measured: HashMap<String, Measured> = HashMap::new();
        for (job, cost) in costs.iter().enumerate() {
            for &before in &cost.after {
                if let Some(list) = dependents.get_mut(before) {
                    list.push(job);
                }
            }
            if let Some(seconds) = cost.took_seconds {
                measured.entry(cost.group.clone()).or_default().add(seconds, 1.0, cost);
            }
        }
        let finished = costs.iter().map(|cost| !cost.missing).collect();
        let failed = vec![false; costs.len()];
        Self { costs, dependents, finished, failed, running: BTreeMap::new(), measured, threads: threads.max(1) }
    }

    /// Number of jobs that the run does.
    pub fn missing(&self) -> usize {
        self.costs.iter().filter(|cost| cost.missing).count()
    }

    /// A job starts.
    pub fn started(&mut self, job: usize, now: f64) {
        self.running.insert(job, Running { started: now, first: None, fraction: 0.0 });
    }

    /// Progress of a running job, from 0 to 1.
    pub fn reached(&mut self, job: usize, fraction: f64, now: f64) {
        let Some(running) = self.running.get_mut(&job) else { return };
        running.fraction = fraction.clamp(0.0, 1.0);
        running.first.get_or_insert((now, running.fraction));
    }

    /// A job is finished: its time updates the estimate of its group.
    pub fn finished(&mut self, job: usize, now: f64) {
        let (Some(running), Some(cost)) = (self.running.remove(&job), self.costs.get(job)) else { return };
        // Work from before the checkpoint does not count.
        let share = 1.0 - running.first.map_or(0.0, |(_, fraction)| fraction);
        if share > 0.0 {
            self.measured.entry(cost.group.clone()).or_default().add(now - running.started, share, cost);
        }
        self.finished[job] = true;
    }

    /// A job failed: those that need it will not run.
    pub fn failed(&mut self, job: usize) {
        self.running.remove(&job);
        if let Some(failed) = self.failed.get_mut(job) {
            *failed = true;
        }
    }

    /// Remaining seconds of the running jobs and those that can follow them.
    pub fn left(&self, now: f64) -> f64 {
        let (groups, all) = self.rates(now);
        let expected = |job: usize| {
            let cost = &self.costs[job];
            match groups.get(cost.group.as_str()) {
                Some(found) if found.units > 0.0 => found.seconds / found.units * cost.units,
                _ if all.guess_seconds > 0.0 => all.seconds / all.guess_seconds * cost.guess_seconds,
                _ => cost.guess_seconds,
            }
        };
        let millis = |seconds: f64| (seconds * MILLIS) as u64;
        let mut waits: Vec<usize> = self.costs.iter().map(|cost| self.open(&cost.after)).collect();
        let mut under_way: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        for (&job, running) in &self.running {
            under_way.push(Reverse((millis(left_of(running, expected(job), now)), job)));
        }
        let is_over = |job: usize| self.finished[job] || self.failed[job];
        let is_ready = |job: &usize| waits[*job] == 0 && !is_over(*job) && !self.running.contains_key(job);
        let mut ready: BinaryHeap<Reverse<usize>> = (0..self.costs.len()).filter(is_ready).map(Reverse).collect();
        let mut time = 0;
        loop {
            while under_way.len() < self.threads
                && let Some(Reverse(job)) = ready.pop()
            {
                under_way.push(Reverse((time + millis(expected(job)), job)));
            }
            let Some(Reverse((end, job))) = under_way.pop() else { return time as f64 / MILLIS };
            time = end;
            for &next in &self.dependents[job] {
                waits[next] = waits[next].saturating_sub(1);
                if waits[next] == 0 && !is_over(next) {
                    ready.push(Reverse(next));
                }
            }
        }
    }

    fn open(&self, jobs: &[usize]) -> usize {
        jobs.iter().filter(|before| !self.finished.get(**before).copied().unwrap_or(true)).count()
    }

    /// Measured pace of each group, and of all together; a running job counts with what it did so far.
    fn rates(&self, now: f64) -> (HashMap<&str, Measured>, Measured) {
        let mut groups: HashMap<&str, Measured> =
            self.measured.iter().map(|(group, measured)| (group.as_str(), *measured)).collect();
        for (&job, running) in &self.running {
            let Some((at, from)) = running.first else { continue };
            let share = running.fraction - from;
            if share > 0.0 && now > at {
                groups.entry(self.costs[job].group.as_str()).or_default().add(now - at, share, &self.costs[job]);
            }
        }
        let mut all = Measured::default();
        for measured in groups.values() {
            all.seconds += measured.seconds;
            all.guess_seconds += measured.guess_seconds;
        }
        (groups, all)
    }
}

/// Remaining seconds of a running job, given its expected total.
fn left_of(running: &Running, expected: f64, now: f64) -> f64 {
    let elapsed = (now - running.started).max(0.0);
    let Some((at, from)) = running.first else {
        return (expected - elapsed).max(OVERSTAY_SHARE * elapsed);
    };
    let (rest, share) = (1.0 - running.fraction, running.fraction - from);
    if share <= 0.0 {
        return (expected * rest).max(OVERSTAY_SHARE * (now - at).max(0.0));
    }
    // Time since the last word counts: a job that says no more gets no nearer to its end.
    let own = (now - at).max(0.0) / share * rest;
    let weight = (share / OWN_PACE_SHARE).min(1.0);
    weight * own + (1.0 - weight) * expected * rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(group: &str, units: f64, after: &[usize]) -> JobCost {
        let group = group.to_owned();
        JobCost { group, units, guess_seconds: units, after: after.to_vec(), missing: true, took_seconds: None }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 0.02 * expected, "expected about {expected} s, found {found} s");
    }

    #[test]
    fn many_short_jobs_do_not_hide_a_long_training() {
        let mut costs: Vec<JobCost> = (0..100).map(|_| cost("encode", 1.0, &[])).collect();
        costs.push(cost("train", 1e9, &[]));
        costs[100].guess_seconds = 5.0;
        let mut estimate = Estimate::new(costs, 1);
        for job in 0..100 {
            estimate.started(job, job as f64 * 0.1);
            estimate.finished(job, job as f64 * 0.1 + 0.1);
        }
        // A bar that counts jobs says 0.1 s here, and stays there for 90 s.
        estimate.started(100, 10.0);
        estimate.reached(100, 0.0, 10.0);
        for step in 1..=9 {
            let (fraction, now) = (f64::from(step) / 10.0, 10.0 + 10.0 * f64::from(step));
            estimate.reached(100, fraction, now);
            near(estimate.left(now), 100.0 - 10.0 * f64::from(step));
        }
    }

    #[test]
    fn a_job_that_says_no_more_does_not_come_nearer_to_its_end() {
        let mut estimate = Estimate::new(vec![cost("train", 100.0, &[])], 1);
        estimate.started(0, 0.0);
        estimate.reached(0, 0.0, 0.0);
        estimate.reached(0, 0.5, 50.0);
        near(estimate.left(50.0), 50.0);
        assert!(estimate.left(80.0) > estimate.left(50.0));
        // One that never says anything, past what it should have taken.
        let mut silent = Estimate::new(vec![cost("fidelity", 10.0, &[])], 1);
        silent.started(0, 0.0);
        near(silent.left(4.0), 6.0);
        assert!(silent.left(40.0) >= 10.0);
    }

    #[test]
    fn what_a_checkpoint_held_is_no_pace() {
        let mut estimate = Estimate::new(vec![cost("train", 1000.0, &[]), cost("train", 1000.0, &[])], 1);
        estimate.started(0, 0.0);
        estimate.reached(0, 0.9, 1.0);
        estimate.reached(0, 0.95, 51.0);
        // 5 hundredths in 50 s: 50 s for the rest, 1000 s for the next; not 3 s as 95 % in 51 s would say.
        assert!(estimate.left(51.0) > 900.0, "found {}", estimate.left(51.0));
    }

    #[test]
    fn jobs_that_wait_for_each_other_take_their_times_one_after_the_other() {
        let chain = vec![cost("a", 10.0, &[]), cost("b", 20.0, &[0]), cost("c", 30.0, &[1])];
        near(Estimate::new(chain, 8).left(0.0), 60.0);
        let beside: Vec<JobCost> = (0..8).map(|_| cost("a", 10.0, &[])).collect();
        near(Estimate::new(beside.clone(), 4).left(0.0), 20.0);
        near(Estimate::new(beside, 1).left(0.0), 80.0);
    }

    #[test]
    fn what_a_failed_job_was_needed_for_is_not_waited_for() {
        let mut estimate = Estimate::new(vec![cost("a", 10.0, &[]), cost("b", 20.0, &[0])], 2);
        estimate.started(0, 0.0);
        estimate.failed(0);
        // The failed job itself is not tried again in this run.
        assert_eq!(estimate.left(1.0), 0.0);
    }

    #[test]
    fn jobs_that_the_study_holds_say_how_fast_this_machine_is() {
        let mut held = cost("train", 100.0, &[]);
        (held.missing, held.took_seconds) = (false, Some(300.0));
        let estimate = Estimate::new(vec![held, cost("train", 200.0, &[]), cost("attack", 10.0, &[])], 1);
        assert_eq!(estimate.missing(), 2);
        // 3 s a unit of training; the guess of the attack was as wrong as that of the training.
        near(estimate.left(0.0), 600.0 + 30.0);
    }
}
