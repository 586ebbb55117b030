//! The only integration-test binary. Each module tests one boundary; `architecture` fails when a file
//! in this folder is forgotten here.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test ends where its expectation does not hold, and says what it skips"
)]

/// As in the program: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod anonymised;
mod architecture;
mod attack;
mod audit;
mod bases;
mod build;
mod capture;
mod cli;
mod cluster;
mod common;
mod device;
mod docs;
mod encoding;
mod eval;
mod exchange;
mod export;
mod fidelity;
mod forest;
mod forget;
mod generators;
mod hosts;
mod import;
mod ingest;
mod install;
mod intervals;
mod kit;
mod markov;
mod netdiffusion;
mod netdpsyn;
mod netpool;
mod netshare;
mod netssm;
mod nn;
mod one_run;
mod outside;
mod paper;
mod pipeline;
mod plan;
mod privacy;
mod promises;
mod python_package;
mod query;
mod released;
mod repair;
mod report;
mod safety;
mod serve;
mod simulate;
mod spec;
mod store;
mod synth;
mod terminal;
mod train;
mod ui;
mod utility;
mod verdict;
#[cfg(feature = "torch")]
mod whole_attributes;
