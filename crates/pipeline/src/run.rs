//! Runs the missing jobs of a plan: several concurrently, each committed when it is finished, so that a run can be
//! stopped or killed at any point and resumed.

use crate::jobs::context::Context;
use crate::jobs::dispatch::{run_job, run_job_without_networks};
use crate::jobs::job::Start;
use crate::jobs::order;
use crate::plan::{Plan, PlannedJob, Work};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};
use syntrace_base::base::Progress;
use syntrace_base::error::{Error, ErrorKind, Result, ResultExt, panic_text};
use syntrace_store::{JobResult, StoreWriter};

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Concurrent jobs; each training runs on one thread.
    pub threads: usize,
    /// Seconds between checkpoints of a training.
    pub checkpoint_seconds: f64,
}

/// What a run reports to.
pub trait RunObserver: Sync {
    /// A job starts (`job` is its index in the plan); the returned value receives the job's progress.
    fn job_started(&self, job: usize, label: &str) -> Box<dyn Progress>;
    /// A job was committed.
    fn job_finished(&self, job: usize, label: &str);
    /// A job failed; the others that do not need it go on.
    fn job_failed(&self, job: usize, label: &str, error: &Error);
    /// All jobs about a generator are done, some of them by this run.
    fn generator_finished(&self, _generator: &str) {}
    /// True once the user asked to stop.
    fn stop_requested(&self) -> bool;
    /// Some jobs went on for [`STOP_GRACE`] after that: their labels. Everything that is finished is stored, as are the
    /// trainings' checkpoints, and nothing is being written, so that a process may end here; otherwise they are waited for.
    fn stop_overdue(&self, _running: &[&str]) {}
}

/// Jobs that save their state have this time for it once a stop is asked for. Others (attacks, forests, evaluations) would
/// only finish what takes them as long the next time.
pub const STOP_GRACE: Duration = Duration::from_secs(6);

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct RunReport {
    /// Jobs committed.
    pub finished: usize,
    /// Jobs that were already stored.
    pub skipped: usize,
    /// Jobs that failed, with their errors.
    pub failed: Vec<(String, Error)>,
    /// Jobs that could not run because of those.
    pub blocked: usize,
}

impl RunReport {
    /// Is everything done that the plan asked for?
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.blocked == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
    /// Left to another machine.
    Elsewhere,
}

struct Board {
    states: Vec<State>,
    report: RunReport,
    first_error: Option<Error>,
    stopping: bool,
    /// Threads that take jobs.
    workers: usize,
}

/// Does a job of a plan.
type RunJob = fn(&Context<'_>, &PlannedJob, &dyn Progress) -> Result<()>;

/// Runs the missing jobs of a plan. The first error of the user's kind (a full disk, too few traces)
/// stops the run as soon as the running jobs are finished; what is committed stays. An attack or a measure that fails
/// does not stop the others.
pub fn run(store: &StoreWriter, plan: &Plan, options: RunOptions, observer: &dyn RunObserver) -> Result<RunReport> {
    let with_networks: RunJob = |context, job, progress| {
        crate::train::use_one_thread();
        run_job(context, job, progress)
    };
    run_by(with_networks, store, plan, options, observer)
}

/// As [`run`], for a plan without jobs that need libtorch: callers do not link libtorch.
pub fn run_without_networks(
    store: &StoreWriter,
    plan: &Plan,
    options: RunOptions,
    observer: &dyn RunObserver,
) -> Result<RunReport> {
    run_by(run_job_without_networks, store, plan, options, observer)
}

fn run_by(
    run_job: RunJob,
    store: &StoreWriter,
    plan: &Plan,
    options: RunOptions,
    observer: &dyn RunObserver,
) -> Result<RunReport> {
    let states = plan.jobs.iter().map(first_state).collect();
    let report = RunReport { skipped: plan.done(), ..RunReport::default() };
    let workers = options.threads.max(1);
    let board = Mutex::new(Board { states, report, first_error: None, stopping: false, workers });
    let changed = Condvar::new();
    let context = Context { store, plan, checkpoint_seconds: options.checkpoint_seconds };
    record_plan(store, plan)?;
    let ranks = order::ranks(plan);
    let watched = std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(run_job, &context, &ranks, &board, &changed, observer));
        }
        watch(&context, &board, &changed, observer)
    });
    watched?;
    let board = board.into_inner().map_err(|_| Error::internal("a worker thread panicked"))?;
    if let Some(error) = board.first_error {
        return Err(error);
    }
    let mut report = board.report;
    report.blocked = board.states.iter().filter(|state| **state == State::Waiting).count();
    Ok(report)
}

/// Stores the record of the plan before any of its jobs run: a run may end at any point.
fn record_plan(store: &StoreWriter, plan: &Plan) -> Result<()> {
    let Some(head) = plan.head() else { return Ok(()) };
    if store.snapshot()?.job(head.job_id)?.is_none() {
        store.commit(JobResult::new(head.record(Start::now())))?;
    }
    Ok(())
}

fn first_state(job: &PlannedJob) -> State {
    match (job.done, job.elsewhere) {
        (true, _) => State::Done,
        (false, true) => State::Elsewhere,
        (false, false) => State::Waiting,
    }
}

fn work(
    run_job: RunJob,
    context: &Context<'_>,
    ranks: &[usize],
    board: &Mutex<Board>,
    changed: &Condvar,
    observer: &dyn RunObserver,
) {
    while let Some(index) = next_job(context.plan, ranks, board, changed, observer) {
        let job = &context.plan.jobs[index];
        let progress = observer.job_started(index, &job.head.label);
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_job(context, job, progress.as_ref())))
                .unwrap_or_else(|panic| {
                    Err(Error::internal(format!("a bug in this program: {}", panic_text(panic.as_ref()))))
                })
                .context(|| job.head.label.clone());
        progress.finish();
        let Ok(mut board) = board.lock() else { return };
        let mut generator = None;
        match result {
            Ok(()) => {
                board.states[index] = State::Done;
                board.report.finished += 1;
                observer.job_finished(index, &job.head.label);
                generator = finished_generator(context.plan, job, &board.states);
            }
            Err(error) => {
                board.states[index] = State::Failed;
                // Jobs without dependents fail alone, and so do jobs whose error is not a user error.
                let alone = error.kind() == ErrorKind::User && !error.is_of_storage() && job.work.is_last();
                if error.kind() == ErrorKind::Internal || alone {
                    observer.job_failed(index, &job.head.label, &error);
                    board.report.failed.push((job.head.label.clone(), error));
                } else {
                    // An interruption that follows from an error must not hide it.
                    let replaces =
                        board.first_error.as_ref().is_none_or(|first| first.kind() == ErrorKind::Interrupted);
                    if replaces {
                        board.first_error = Some(error);
                    }
                    board.stopping = true;
                }
            }
        }
        drop(board);
        changed.notify_all();
        if let Some(generator) = generator {
            observer.generator_finished(generator);
        }
    }
    if let Ok(mut board) = board.lock() {
        board.workers -= 1;
    }
    changed.notify_all();
}

/// Waits for the workers, and says once if some go on for long after a stop was asked for.
fn watch(context: &Context<'_>, board: &Mutex<Board>, changed: &Condvar, observer: &dyn RunObserver) -> Result<()> {
    let mut asked: Option<Instant> = None;
    let mut told = false;
    let Ok(mut guard) = board.lock() else { return Ok(()) };
    while guard.workers > 0 {
        if observer.stop_requested() {
            let since = *asked.get_or_insert_with(Instant::now);
            if !told && since.elapsed() >= STOP_GRACE {
                told = true;
                let jobs = context.plan.jobs.iter().zip(&guard.states);
                let running: Vec<&PlannedJob> =
                    jobs.filter(|(_, state)| **state == State::Running).map(|(job, _)| job).collect();
                drop(guard);
                overdue(context, &running, observer)?;
                let Ok(again) = board.lock() else { return Ok(()) };
                guard = again;
            }
        }
        let Ok((next, _)) = changed.wait_timeout(guard, PAUSE) else { return Ok(()) };
        guard = next;
    }
    Ok(())
}

fn overdue(context: &Context<'_>, running: &[&PlannedJob], observer: &dyn RunObserver) -> Result<()> {
    // A training that was cut off leaves its mark: what it did beyond its checkpoint must not be found.
    if !running.iter().any(|job| matches!(job.work, Work::Train { .. } | Work::OneRunAudit { .. })) {
        context.store.end_training()?;
    }
    let labels: Vec<&str> = running.iter().map(|job| job.head.label.as_str()).collect();
    context.store.between_commits(|| observer.stop_overdue(&labels))
}

/// Between two looks at what has changed.
const PAUSE: Duration = Duration::from_millis(200);

/// The generator of a job that was just done, if nothing more is to be done for it.
fn finished_generator<'a>(plan: &'a Plan, job: &PlannedJob, states: &[State]) -> Option<&'a str> {
    let generator = plan.generator_of(job)?;
    let mut rest = plan.jobs.iter().zip(states).filter(|(job, _)| plan.generator_of(job) == Some(generator));
    let name = &plan.generators.get(generator)?.name;
    rest.all(|(_, state)| *state == State::Done).then_some(name.as_str())
}

/// Takes the next job whose inputs are ready; waits while others are running; `None` when there is
/// nothing left to do.
fn next_job(
    plan: &Plan,
    ranks: &[usize],
    board: &Mutex<Board>,
    changed: &Condvar,
    observer: &dyn RunObserver,
) -> Option<usize> {
    let mut guard = board.lock().ok()?;
    loop {
        if observer.stop_requested() && !guard.stopping {
            guard.stopping = true;
            guard.first_error.get_or_insert_with(|| {
                Error::interrupted("stopped; every finished job is stored").hint("run the same command again to go on")
            });
        }
        if guard.stopping {
            return None;
        }
        let ready = (0..plan.jobs.len()).filter(|index| {
            guard.states[*index] == State::Waiting
                && plan.jobs[*index].after.iter().all(|before| guard.states[*before] == State::Done)
        });
        let ready = ready.min_by_key(|index| ranks[*index]);
        if let Some(index) = ready {
            guard.states[index] = State::Running;
            return Some(index);
        }
        if !guard.states.contains(&State::Running) {
            return None;
        }
        let wait = changed.wait_timeout(guard, PAUSE);
        guard = wait.ok()?.0;
    }
}
