//! Progress bars on stderr, and Ctrl-C.

use crate::base::Progress;
use crate::error::Error;
use crate::pipeline::RunObserver;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// From now on the first Ctrl-C asks to stop and the second ends the process.
fn watch_interrupts() {
    HANDLER.get_or_init(|| {
        let installed = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            note!("stopping: the running jobs save their state (Ctrl-C again ends at once)");
        });
        if let Err(error) = installed {
            note!("warning: Ctrl-C will end at once: {error}");
        }
    });
}

/// Bars of a run: one for all jobs, one for each job under way. Without a terminal, a line a job.
pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    lines: bool,
}

impl Bars {
    /// Bars for `jobs` jobs.
    pub fn new(jobs: u64) -> Self {
        watch_interrupts();
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let total = all.add(ProgressBar::new(jobs));
        total.set_style(style("{bar:30} {pos}/{len} jobs, {elapsed} elapsed, about {eta} left"));
        Self { all, total, lines: !terminal }
    }

    /// Removes the bars.
    pub fn clear(&self) {
        self.total.finish_and_clear();
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl RunObserver for Bars {
    fn job_started(&self, label: &str) -> Box<dyn Progress> {
        let bar = self.all.insert_before(&self.total, ProgressBar::new_spinner());
        bar.set_style(style("  {spinner} {prefix} {msg}"));
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Box::new(Bar { bar })
    }

    fn job_finished(&self, label: &str) {
        self.total.inc(1);
        if self.lines {
            note!("{}/{} {label}", self.total.position(), self.total.length().unwrap_or(0));
        }
    }

    fn job_failed(&self, label: &str, error: &Error) {
        self.total.inc(1);
        let text = format!("failed: {label}: {error}");
        if self.lines {
            note!("{text}");
        } else {
            let _ = self.all.println(text);
        }
    }

    fn stop_requested(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }
}

/// One bar, for one job or one verb.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar on its own.
    pub fn alone() -> Self {
        watch_interrupts();
        let bar = ProgressBar::new(0);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar }
    }
}

impl Progress for Bar {
    fn start(&self, label: &str, total: u64) {
        self.bar.set_prefix(label.to_owned());
        if total > 0 {
            self.bar.set_length(total);
            self.bar.set_style(style("  {spinner} {prefix} {bar:20} {pos}/{len}, about {eta} left {msg}"));
        }
    }

    fn advance(&self, units: u64, note: &str) {
        self.bar.inc(units);
        if !note.is_empty() {
            self.bar.set_message(note.to_owned());
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn stop_requested(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }
}
