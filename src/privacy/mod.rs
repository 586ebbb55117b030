//! Accounting in plain f64.
