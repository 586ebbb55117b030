//! Progress bars on stderr, and signals that ask to stop.

use crate::base::Progress;
use crate::error::Error;
use crate::pipeline::{Estimate, RunObserver, duration};
use crate::query::visible;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit as exit_at_once;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// Signals that ask to stop: Ctrl-C, and what schedulers and terminals send.
const STOPPING: [i32; 4] = [SIGINT, SIGTERM, SIGUSR1, SIGHUP];

/// Exit code of a process that was asked to stop: the same command goes on.
const STOPPED: i32 = 130;

/// From now on the first of the signals asks to stop. A second Ctrl-C ends the process; of the others a scheduler may send
/// several, and each means the same.
fn watch_signals() {
    HANDLER.get_or_init(|| {
        let mut signals = match Signals::new(STOPPING) {
            Ok(signals) => signals,
            Err(error) => return note!("warning: Ctrl-C and other signals will end at once: {error}"),
        };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let again = STOP.swap(true, Ordering::SeqCst);
                if again && signal == SIGINT {
                    exit_at_once(STOPPED);
                }
                if !again {
                    note!("stopping: the running jobs save their state (Ctrl-C again ends at once)");
                }
            }
        });
    });
}

/// Between two estimates of the time left: one of a plan of thousands of jobs takes a millisecond.
const PAUSE: Duration = Duration::from_millis(500);

/// The time left of a run, as its bars know it.
struct Left {
    estimate: Estimate,
    since: Instant,
    /// When it was last asked for, and the answer.
    last: Option<(Instant, f64)>,
}

impl Left {
    fn now(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    fn seconds(&mut self) -> f64 {
        if let Some((at, seconds)) = self.last
            && at.elapsed() < PAUSE
        {
            return seconds;
        }
        let seconds = self.estimate.left(self.now());
        self.last = Some((Instant::now(), seconds));
        seconds
    }
}

/// Bars of a run: one for all jobs, one for each job under way. Without a terminal, a line a job.
pub(super) struct Bars<'a> {
    all: MultiProgress,
    total: ProgressBar,
    lines: bool,
    left: Arc<Mutex<Left>>,
    answers: Option<Answers<'a>>,
}

/// What can be said of a generator when all its jobs are done.
pub(super) type Answers<'a> = Box<dyn Fn(&str) -> Option<String> + Send + Sync + 'a>;

impl<'a> Bars<'a> {
    /// Bars for the jobs of a plan.
    pub fn new(estimate: Estimate) -> Self {
        watch_signals();
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let total = all.add(ProgressBar::new(estimate.missing() as u64));
        let left = Arc::new(Mutex::new(Left { estimate, since: Instant::now(), last: None }));
        let asked = Arc::clone(&left);
        let left_text = move |_: &ProgressState, out: &mut dyn Write| {
            if let Ok(mut left) = asked.lock() {
                let _ = write!(out, "{}", duration(left.seconds()));
            }
        };
        total.set_style(
            style("{bar:30} {pos}/{len} jobs, {elapsed} elapsed, about {left} left").with_key("left", left_text),
        );
        if terminal {
            total.enable_steady_tick(PAUSE);
        }
        Self { all, total, lines: !terminal, left, answers: None }
    }

    /// Prints what `answers` says of each generator as soon as it is done.
    #[must_use]
    pub fn with_answers(mut self, answers: Answers<'a>) -> Self {
        self.answers = Some(answers);
        self
    }

    /// Removes the bars.
    pub fn clear(&self) {
        self.total.finish_and_clear();
        let _ = self.all.clear();
    }

    fn tell(&self, what: impl FnOnce(&mut Estimate, f64)) {
        if let Ok(mut left) = self.left.lock() {
            let now = left.now();
            what(&mut left.estimate, now);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl RunObserver for Bars<'_> {
    fn job_started(&self, job: usize, label: &str) -> Box<dyn Progress> {
        self.tell(|estimate, now| estimate.started(job, now));
        let bar = self.all.insert_before(&self.total, ProgressBar::new_spinner());
        bar.set_style(style("  {spinner} {prefix} {msg}"));
        bar.set_prefix(visible(label.to_owned()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Box::new(Bar { bar, of_run: Some((job, Arc::clone(&self.left))), moved: AtomicBool::new(false) })
    }

    fn job_finished(&self, job: usize, label: &str) {
        self.tell(|estimate, now| estimate.finished(job, now));
        self.total.inc(1);
        if self.lines {
            note!("{}/{} {label}", self.total.position(), self.total.length().unwrap_or(0));
        }
    }

    fn job_failed(&self, job: usize, label: &str, error: &Error) {
        self.tell(|estimate, _| estimate.failed(job));
        self.total.inc(1);
        let text = format!("failed: {label}: {error}");
        if self.lines {
            note!("{text}");
        } else {
            let _ = self.all.println(visible(text));
        }
    }

    fn generator_finished(&self, generator: &str) {
        let Some(text) = self.answers.as_ref().and_then(|answers| answers(generator)) else { return };
        if self.lines {
            note!("{}", text.trim_end());
        } else {
            let _ = self.all.println(text.trim_end());
        }
    }

    fn stop_requested(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }

    fn stop_overdue(&self, running: &[&str]) {
        self.clear();
        note!("stopped; every finished job is stored, and these start anew: {}", running.join(", "));
        note!("hint: run the same command again to go on");
        // Not by `std::process::exit`: libtorch's destructors would run beside its threads.
        exit_at_once(STOPPED);
    }
}

/// One bar, for one job or one verb.
pub(super) struct Bar {
    bar: ProgressBar,
    /// Place of the job in a run, and the run's time left.
    of_run: Option<(usize, Arc<Mutex<Left>>)>,
    /// Was anything done since the start?
    moved: AtomicBool,
}

impl Bar {
    /// A bar on its own.
    pub fn alone() -> Self {
        watch_signals();
        let bar = ProgressBar::new(0);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, of_run: None, moved: AtomicBool::new(false) }
    }

    fn start_as(&self, label: &str, total: u64, template: &str) {
        self.bar.set_prefix(visible(label.to_owned()));
        if total > 0 {
            self.moved.store(false, Ordering::SeqCst);
            self.bar.set_position(0);
            self.bar.set_length(total);
            self.bar.set_style(style(template));
            self.bar.reset_eta();
        }
    }
}

impl Progress for Bar {
    fn start(&self, label: &str, total: u64) {
        self.start_as(label, total, "  {spinner} {prefix} {bar:20} {pos}/{len}, about {eta} left {msg}");
    }

    fn start_bytes(&self, label: &str, total: u64) {
        let template =
            "  {spinner} {prefix} {bar:20} {bytes} of {total_bytes}, {bytes_per_sec}, about {eta} left {msg}";
        self.start_as(label, total, template);
    }

    fn advance(&self, units: u64, note: &str) {
        self.bar.inc(units);
        // What a checkpoint held comes first and all at once: it is no pace.
        if !self.moved.swap(true, Ordering::SeqCst) {
            self.bar.reset_eta();
        }
        if !note.is_empty() {
            self.bar.set_message(visible(note.to_owned()));
        }
        if let Some((job, left)) = &self.of_run
            && let Some(length) = self.bar.length().filter(|length| *length > 0)
            && let Ok(mut left) = left.lock()
        {
            let now = left.now();
            left.estimate.reached(*job, self.bar.position() as f64 / length as f64, now);
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn stop_requested(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_left_has_the_unit_that_people_think_in() {
        let texts = [7.0, 80.0, 600.0, 9000.0, 400_000.0].map(duration);
        assert_eq!(texts, ["7.0 s", "80 s", "10 min", "2.5 h", "4.6 days"]);
    }
}
