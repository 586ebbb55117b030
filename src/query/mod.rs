//! SQL over a study.
