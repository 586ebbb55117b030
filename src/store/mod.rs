//! The study file.

pub mod schema;
