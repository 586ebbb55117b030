//! Traces as nprint, fields or tokens.
