//! Python's values as parameters of a statement.

use crate::error::raised;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyString};
use syntrace_base::error::Error;
use syntrace_query::{Parameters, ScalarValue};

/// Keyword arguments as `$name` parameters; `class_` is `$class`, which is a word of Python.
pub fn parameters(given: &Bound<'_, PyDict>) -> PyResult<Parameters> {
    given
        .iter()
        .map(|(name, value)| {
            let name: String = name.extract()?;
            let name = name.strip_suffix('_').map_or(name.clone(), str::to_owned);
            let value = scalar(&name, &value)?;
            Ok((name, value))
        })
        .collect()
}

fn scalar(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ScalarValue> {
    if value.is_none() {
        return Ok(ScalarValue::Null);
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(ScalarValue::Boolean(Some(flag.is_true())));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(ScalarValue::Utf8(Some(text.extract()?)));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(ScalarValue::Binary(Some(bytes.as_bytes().to_vec())));
    }
    if value.hasattr("__index__")? {
        return value.extract().map(|number| ScalarValue::Int64(Some(number))).map_err(|_| {
            let what = format!("parameter `{name}`: expected an integer of 64 bits, found `{value}`");
            raised(value.py(), &Error::user(what).hint("a float holds it, rounded"))
        });
    }
    value.extract().map(|number| ScalarValue::Float64(Some(number))).map_err(|_| {
        let found = value.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        let what = format!("parameter `{name}`: expected None, bool, int, float, str or bytes, found a `{found}`");
        raised(value.py(), &Error::user(what).hint("several values: `column IN ($a, $b)` with a parameter each"))
    })
}
