//! Errors of the other crates as Python's exceptions.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use syntrace_base::error::{Error, ErrorKind, HintReader};

/// The exception of an error: `syntrace.Error`, or `KeyboardInterrupt` where the user asked to stop.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let code = match error.kind() {
        ErrorKind::Interrupted => return PyKeyboardInterrupt::new_err(error.to_string()),
        ErrorKind::User | ErrorKind::Busy => "user",
        ErrorKind::Internal => "internal",
    };
    // A class in Python: one that is made here cannot be an exception before abi3 of Python 3.12.
    let made = py.import("syntrace._error").and_then(|module| module.getattr("Error"));
    let hint = error.hint_text_for(HintReader::Python);
    match made.and_then(|class| class.call1((error.to_string(), hint, code))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(_) => PyRuntimeError::new_err(error.to_string()),
    }
}

/// As [`raised`], for results.
pub trait Raise<T> {
    /// The value, or the exception of the error.
    fn raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> Raise<T> for Result<T, Error> {
    fn raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raised(py, &error))
    }
}
