//! Tests of capture: both file formats, every link type, damage, traces, and the real captures.

pub mod build;
mod damage;
mod formats;
mod links;
pub mod packed;
mod peers;
mod real;
mod traces;
