//! Study specs.
