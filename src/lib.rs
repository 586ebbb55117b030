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
//! before them. `pipeline` alone connects them; `query`, `serve` and `report` only read. One adapter per foreign
//! library: pcap-parser and etherparse live in `capture`, redb and rkyv access in `store`, tch in `nn`,
//! `model`, `train`, `attack`, `utility`, DataFusion in `query`, datafusion-postgres in `serve`, askama, svg
//! and resvg in `report` (which also reads header bits through `capture` and `encoding` for its images),
//! clap in `cli`.
//! `tests/architecture.rs` holds the table of who may import whom.

/// The whole process allocates through mimalloc: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod base;
pub mod error;
pub mod record;

pub mod capture;
pub mod simulate;

pub mod encoding;

pub mod privacy;

#[cfg(feature = "torch")]
pub mod nn;

pub mod train;

pub mod model;

pub mod forest;

pub mod attack;
pub mod synth;

pub mod eval;
pub mod utility;

pub mod audit;

pub mod foreign;

pub mod spec;
pub mod store;

pub mod pipeline;

pub mod query;
pub mod report;
pub mod serve;

pub mod cli;
