//! Scheduling priority of jobs that are ready.

use crate::plan::Plan;
use std::cmp::Reverse;

/// A generator whose jobs together cost at most this share of a run comes before all others.
const CHEAP_SHARE: f64 = 0.05;

/// The rank of each job of a plan, lowest first. Jobs for the results of cheap generators come first, so that a run
/// shows results early; then those with the most dependent work (list scheduling by the longest path to the end, Graham
/// 1969), so that the threads end together.
pub(crate) fn ranks(plan: &Plan) -> Vec<usize> {
    let costs: Vec<f64> =
        plan.jobs.iter().map(|job| if job.done { 0.0 } else { plan.cost(job).guess_seconds }).collect();
    let mut of_generator = vec![0.0; plan.generators.len()];
    for (job, cost) in plan.jobs.iter().zip(&costs) {
        if let Some(sum) = plan.generator_of(job).and_then(|generator| of_generator.get_mut(generator)) {
            *sum += cost;
        }
    }
    let cheap = CHEAP_SHARE * costs.iter().sum::<f64>();
    let is_cheap: Vec<bool> = of_generator.iter().map(|cost| *cost <= cheap).collect();
    // Jobs come after those that they depend on (topological order), so one pass from the end is enough.
    let mut path = costs;
    let mut early: Vec<bool> = plan
        .jobs
        .iter()
        .map(|job| plan.generator_of(job).is_some_and(|generator| is_cheap.get(generator) == Some(&true)))
        .collect();
    for index in (0..plan.jobs.len()).rev() {
        for &before in &plan.jobs[index].after {
            early[before] |= early[index];
        }
    }
    let mut behind = vec![0.0_f64; path.len()];
    for index in (0..plan.jobs.len()).rev() {
        path[index] += behind[index];
        for &before in &plan.jobs[index].after {
            behind[before] = behind[before].max(path[index]);
        }
    }
    let mut order: Vec<usize> = (0..plan.jobs.len()).collect();
    order.sort_by_key(|&index| (Reverse(early[index]), Reverse((path[index] * 1e3) as u64), index));
    let mut ranks = vec![0; order.len()];
    for (rank, index) in order.into_iter().enumerate() {
        ranks[index] = rank;
    }
    ranks
}
