//! Generators: the traits `Family` (what one says before training) and `Generator` (what it does), a folder or file and a table
//! of presets each.
//!
//! A generator declares its input, trains cohorts, computes attributes of a trace and samples new traces. Everything it
//! depends on is in its canonical configuration text.
//!
//! Invariants: this module compiles without libtorch (names, presets, plans and layouts are needed to
//! plan a study); weights travel as safetensors bytes; nothing here reads files, clocks or the
//! environment.

mod generator;
pub mod markov;
pub mod netdiffusion;
pub mod netdpsyn;
pub mod netpool;
pub mod netshare;
pub mod netssm;
mod options;
mod registry;
mod rho_ledger;
pub mod shipped;
mod tokens;

pub use generator::{BaseOutcome, BaseSpec, Family, Generator, RawTrace, Start, Weights, WholeKind};
pub use registry::{AnyGenerator, generator, generator_names};
pub use rho_ledger::{RhoLedger, add_noise};
