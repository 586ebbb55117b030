//! The compiled half of the Python package `syntrace`: a study opened for reading, its answers as Arrow streams, the
//! accountants. What needs no Rust is Python, in `python/syntrace/`.
//!
//! Invariants: the interpreter's lock is released while a query runs; Ctrl-C cancels what is waited for; an error of
//! ours is a `syntrace.Error` with its hint; a study that was opened before a fork is refused in the child, where its
//! threads are missing.

mod answer;
mod error;
mod parameter;
mod privacy;
mod process;
mod study;

use pyo3::prelude::*;

/// The compiled half of `syntrace`
#[pymodule]
mod _syntrace {
    #[pymodule_export]
    use crate::answer::Answer;
    #[pymodule_export]
    use crate::privacy::{Accounting, epsilon, noise_multiplier};
    #[pymodule_export]
    use crate::study::{Figure, Study};
}
