//! syntrace: an embedded experiment database for one question: how private, and how good, is
//! synthetic network traffic?
//!
//! ```text
//! capture -> trace -> encoding -> split -> model (cohort training) -> attribute -> attack
//!                                             |-> synthetic trace -> fidelity, utility, leakage (audit)
//! everything -> study file -> SQL -> report
//! ```
//!
//! Data flows one way. Stages (capture, encoding, simulate, train, attribute, attack, synth, eval,
//! utility, audit) are pure: records in, records out; they never see the store and never call the stage
//! before them. `pipeline` alone connects them; `query`, `serve`, `report` and `ui` only read. One adapter per foreign
//! library: pcap-parser and etherparse live in `capture`, redb and rkyv access in `store`, tch in `nn`,
//! `model`, `train`, `attack`, `utility`, DataFusion in `query` and `serve`, pgwire in `serve`, axum in `ui`,
//! askama in `report` and `ui`, svg and resvg in `report` (which also reads header bits through `capture` and
//! `encoding` for its images),
//! clap in `cli`.
//!
//! The modules live in the members of the workspace, `crates/`, so that a change in one is built without the others;
//! this crate gives all of them under one name and holds the command line. `tests/architecture.rs` holds the table of
//! who may import whom.

pub use syntrace_base::{base, error, record};

pub use syntrace_traffic::{anonymise, capture, encoding, simulate, synth};

pub use syntrace_measure::{audit, eval, forest, privacy};

#[cfg(feature = "torch")]
pub use syntrace_model::nn;
pub use syntrace_model::{model, train};

pub use syntrace_attack::{attack, utility};

pub use syntrace_foreign as foreign;
pub use syntrace_spec as spec;
pub use syntrace_store as store;

pub use syntrace_pipeline as pipeline;

pub use syntrace_query as query;
pub use syntrace_report as report;
#[cfg(feature = "serve")]
pub use syntrace_serve as serve;
#[cfg(feature = "ui")]
pub use syntrace_ui as ui;

pub mod cli;
