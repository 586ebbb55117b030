//! Progress reporting of stages. The command line draws bars; tests and libraries pass [`NoProgress`].

/// Receives progress of one long piece of work. Stages never print.
pub trait Progress: Send + Sync {
    /// Starts a piece of work of `total` units (0 = unknown) with a short label.
    fn start(&self, label: &str, total: u64);
    /// As [`Progress::start`] for units that are bytes.
    fn start_bytes(&self, label: &str, total: u64) {
        self.start(label, total);
    }
    /// `units` more are done; `note` is a short live text (a loss, a rate).
    fn advance(&self, units: u64, note: &str);
    /// The piece of work is finished.
    fn finish(&self);
    /// True once the user asked to stop; long stages check it between steps.
    fn stop_requested(&self) -> bool;
}

/// Swallows all progress and never asks to stop.
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, _units: u64, _note: &str) {}
    fn finish(&self) {}
    fn stop_requested(&self) -> bool {
        false
    }
}
