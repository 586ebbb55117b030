//! Estimated time and bytes of the missing jobs of a plan, by step and in total.
//!
//! Both are rough estimates: the time of a job is not known before a similar one has run (a run measures its jobs and
//! reports the time left). The last line is the sum of the steps, and training is the sum of the generators below it.

use super::cost::{bytes, duration};
use super::job_cost::GUESS_FLOPS;
use super::shard::Doer;
use super::{Plan, PlannedJob, PlannedModel, Work};
use syntrace_store::ShardRecord;

/// What networks run on.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanDevice {
    /// Its name.
    pub name: String,
    /// Operations that it does a second at most in single precision, where it is a graphics processor.
    pub gpu_flops: Option<f64>,
    /// Concurrent jobs on the processor.
    pub threads: usize,
}

/// Graphics processors that a plan can be made for wherever it is made: operations a second in single precision, as their
/// makers state them.
pub const KNOWN_GPUS: &[(&str, f64)] = &[
    ("a10", 31.2e12),
    ("a100", 19.5e12),
    ("b200", 75e12),
    ("h100", 66.9e12),
    ("h200", 66.9e12),
    ("l4", 30.3e12),
    ("l40s", 91.6e12),
    ("rtx3090", 35.6e12),
    ("rtx4090", 82.6e12),
    ("rtx5090", 104.8e12),
    ("t4", 8.1e12),
    ("v100", 15.7e12),
];

/// Share of its peak performance that a processor reaches with a network of many parameters.
const GPU_SHARE_MAX: f64 = 0.35;
/// Parameters, of all models of a cohort together, at which half of that is reached: smaller ones wait for launches.
/// (One `netssm` of 60,000 parameters does 2.1 million tokens a second on an H100, 33 of them 7.0: 0.2 and 0.8 %.)
const GPU_HALF_PARAMETERS: f64 = 5e6;

/// Bytes that are stored of a packet of a trace, with its encodings.
const PACKET_BYTES: f64 = 160.0;
/// Bytes of a packet of a verbatim capture of simulated traffic.
const CAPTURE_PACKET_BYTES: f64 = 250.0;
/// Packets of a simulated flow.
const FLOW_PACKETS: f64 = 25.0;
/// Bytes of a stored score or membership.
const ROW_BYTES: f64 = 12.0;
/// Bytes of the results of a job that stores none of the above.
const RESULT_BYTES: f64 = 20e3;
/// Bytes of a stored number: weights and attributes are f32.
const NUMBER_BYTES: f64 = 4.0;
/// Numbers of the attributes that synthetic traces give a trace.
const OUTSIDE_VALUES: f64 = 22.0;

/// Jobs, seconds and bytes of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Total {
    jobs: usize,
    seconds: f64,
    bytes: f64,
}

impl Total {
    fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.seconds += other.seconds;
        self.bytes += other.bytes;
    }
}

/// What one share of a plan has still to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareTotal {
    /// 0 for the prologue; `None` for what is done after the merge.
    pub number: Option<u32>,
    /// Jobs that are not done.
    pub jobs: usize,
    /// About how long they take.
    pub seconds: f64,
    /// Bytes of their results.
    pub bytes: f64,
}

/// Place of training in [`STEPS`].
const TRAINING: usize = 1;

/// Steps in the order of the flow.
const STEPS: [&str; 5] =
    ["captures, encodings and splits", "training", "attributes and attacks", "synthesis", "evaluation"];

impl Plan {
    /// Lines about what the missing jobs take on a device; none where nothing is missing.
    pub fn total_lines(&self, device: &PlanDevice) -> Vec<String> {
        let mut steps = [Total::default(); STEPS.len()];
        let mut trainings = vec![Total::default(); self.generators.len()];
        let mut all = Total::default();
        for job in self.jobs.iter().filter(|job| !job.done && !job.elsewhere) {
            let own = Total { jobs: 1, seconds: self.seconds(job, device), bytes: self.bytes(job) };
            let place = step(&job.work);
            let generator = self.generator_of(job).filter(|_| place == TRAINING);
            let training = generator.and_then(|generator| trainings.get_mut(generator));
            for total in steps.get_mut(place).into_iter().chain(training).chain([&mut all]) {
                total.add(&own);
            }
        }
        if all.jobs == 0 {
            return Vec::new();
        }
        let line = |name: &str, total: &Total, more: &str| {
            let (time, size) = (duration(total.seconds), bytes(total.bytes));
            format!("{name:<31} about {time:>9} {size:>9} in {:>6} jobs{more}", total.jobs)
        };
        let threads = format!(", {} side by side, networks on {}", device.threads, device.name);
        let mut lines = Vec::new();
        for (place, (name, total)) in STEPS.iter().zip(&steps).enumerate().filter(|(_, (_, total))| total.jobs > 0) {
            lines.push(line(name, total, ""));
            if place == TRAINING {
                let of = self.generators.iter().zip(&trainings).filter(|(_, total)| total.jobs > 0);
                lines.extend(of.map(|(generator, total)| line(&format!("  {}", generator.name), total, "")));
            }
        }
        lines.push(line("in all", &all, &threads));
        lines
    }

    /// What the prologue, each share, and the run after the merge have still to do.
    pub fn share_totals(&self, record: &ShardRecord, device: &PlanDevice) -> Vec<ShareTotal> {
        let numbers = (0..=record.count).map(Some).chain([None]);
        let empty = |number| ShareTotal { number, jobs: 0, seconds: 0.0, bytes: 0.0 };
        let mut totals: Vec<ShareTotal> = numbers.map(empty).collect();
        for (job, doer) in self.jobs.iter().zip(self.doers(record)).filter(|(job, _)| !job.done) {
            let place = match doer {
                Doer::Prologue => 0,
                Doer::Share(number) => number as usize,
                Doer::Finish => totals.len() - 1,
            };
            if let Some(total) = totals.get_mut(place) {
                total.jobs += 1;
                total.seconds += self.seconds(job, device);
                total.bytes += self.bytes(job);
            }
        }
        totals
    }

    /// A line for the prologue, each share and the rest, then how even the shares are.
    pub fn share_lines(&self, record: &ShardRecord, device: &PlanDevice) -> Vec<String> {
        let totals = self.share_totals(record, device);
        let name = |number: Option<u32>| match number {
            Some(0) => "prologue (share 0)".to_owned(),
            Some(number) => format!("share {number}/{}", record.count),
            None => "after the merge".to_owned(),
        };
        let line = |total: &ShareTotal| {
            let (time, size) = (duration(total.seconds), bytes(total.bytes));
            format!("{:<31} about {time:>9} {size:>9} in {:>6} jobs", name(total.number), total.jobs)
        };
        let mut lines: Vec<String> = totals.iter().map(line).collect();
        let shares = || totals.iter().filter(|total| total.number.is_some_and(|number| number > 0));
        let (sum, largest) =
            shares().fold((0.0, 0.0_f64), |(sum, most), one| (sum + one.seconds, most.max(one.seconds)));
        let all: f64 = totals.iter().map(|total| total.seconds).sum();
        let after = totals.last().map_or(0.0, |total| total.seconds);
        if sum > 0.0 {
            lines.push(format!(
                "the largest share is {:.2} times the mean; {:.1} % of the time spans shares",
                largest * f64::from(record.count) / sum,
                100.0 * after / all
            ));
        }
        let idle = shares().filter(|total| total.jobs == 0).count();
        if idle > 0 {
            lines.push(format!(
                "{idle} of {} shares have nothing to do: the plan has no more cohorts to deal",
                record.count
            ));
        }
        lines
    }

    /// Seconds of the run that a job takes up: those beside it take theirs at the same time.
    fn seconds(&self, job: &PlannedJob, device: &PlanDevice) -> f64 {
        let core_seconds = self.cost(job).guess_seconds;
        match (device.gpu_flops, self.parameters_of(&job.work)) {
            (Some(peak), Some(parameters)) => {
                let share = GPU_SHARE_MAX * parameters / (parameters + GPU_HALF_PARAMETERS);
                // Launch latency of small networks is included in the share.
                self.operations(&job.work).unwrap_or(core_seconds * GUESS_FLOPS) / (peak * share)
            }
            _ => core_seconds / device.threads.max(1) as f64,
        }
    }

    /// Parameters that are in memory together, of a job that runs networks of a generator.
    fn parameters_of(&self, work: &Work) -> Option<f64> {
        let family = |generator: usize| self.generators.get(generator).map(|found| &found.family);
        let (model, models) = match work {
            Work::Base { base } => {
                let parameters = family(base.generator)?.parameters();
                return (parameters > 0).then_some(parameters as f64);
            }
            Work::Train { models, .. } => (models.first()?, models.len()),
            Work::OneRunAudit { model, .. }
            | Work::Attribute { model, .. }
            | Work::Whole { model, .. }
            | Work::Reference { model, .. }
            | Work::Synthesize { model, .. } => (model, 1),
            _ => return None,
        };
        let parameters = family(model.generator)?.parameters_in(self.recipe(model.generator, model.regime).1);
        (parameters > 0).then_some(parameters as f64 * models as f64)
    }

    fn bytes(&self, job: &PlannedJob) -> f64 {
        let packets = f64::from(self.spec.traces.packets);
        let traces = 2.0 * self.spec.split.traces_max() as f64;
        let family = |generator: usize| self.generators.get(generator).map(|found| &found.family);
        let values = |generator: usize| family(generator).map_or(0.0, |family| family.attribute_values() as f64);
        match &job.work {
            Work::IngestFile { path, .. } => std::fs::metadata(path).map_or(0.0, |file| file.len() as f64),
            Work::Simulate { flows, .. } => {
                f64::from(*flows) * (FLOW_PACKETS * CAPTURE_PACKET_BYTES + packets * PACKET_BYTES)
            }
            Work::Encode { .. } | Work::Fidelity { .. } | Work::Leakage { .. } | Work::Utility { .. } => RESULT_BYTES,
            Work::Split { .. } => traces * ROW_BYTES,
            Work::Base { base } => {
                family(base.generator).map_or(0.0, |family| family.parameters() as f64) * NUMBER_BYTES
            }
            Work::Train { models, .. } => {
                let parameters = |model: &PlannedModel| {
                    let trained_as = self.recipe(model.generator, model.regime).1;
                    family(model.generator).map_or(0.0, |family| family.parameters_in(trained_as) as f64)
                };
                models.iter().map(parameters).sum::<f64>() * NUMBER_BYTES
            }
            Work::Attribute { model, .. } => traces * values(model.generator) * NUMBER_BYTES,
            Work::Whole { model, .. } => traces * self.whole(model.generator).map_or(0.0, |whole| whole.bytes()),
            Work::Reference { model, splits, .. } => {
                traces * splits.len() as f64 * values(model.generator) * NUMBER_BYTES
            }
            Work::Outside { splits, .. } => traces * (1.0 + splits.len() as f64) * OUTSIDE_VALUES * NUMBER_BYTES,
            Work::Attack { group, .. } => traces * (1.0 + 0.3 * group.shadows.len() as f64) * ROW_BYTES + RESULT_BYTES,
            Work::Synthesize { count, .. } => f64::from(*count) * packets * PACKET_BYTES,
            Work::OneRunAudit { .. } => RESULT_BYTES,
        }
    }
}

/// Place of a job's step in [`STEPS`].
fn step(work: &Work) -> usize {
    match work {
        Work::IngestFile { .. } | Work::Simulate { .. } | Work::Encode { .. } | Work::Split { .. } => 0,
        Work::Base { .. } | Work::Train { .. } => TRAINING,
        Work::Attribute { .. }
        | Work::Whole { .. }
        | Work::Reference { .. }
        | Work::Outside { .. }
        | Work::Attack { .. } => 2,
        Work::Synthesize { .. } => 3,
        Work::Fidelity { .. } | Work::Leakage { .. } | Work::Utility { .. } | Work::OneRunAudit { .. } => 4,
    }
}
