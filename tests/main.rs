//! The only integration-test binary. Each module tests one boundary; `architecture` fails when a file
//! in this folder is forgotten here.

mod architecture;
mod attack;
mod audit;
mod capture;
mod cli;
mod common;
mod encoding;
mod eval;
mod exchange;
mod export;
mod fidelity;
mod forest;
mod import;
mod intervals;
mod markov;
mod netdiffusion;
mod netdpsyn;
mod netshare;
mod netssm;
mod nn;
mod paper;
mod pipeline;
mod privacy;
mod query;
mod repair;
mod report;
mod safety;
mod simulate;
mod spec;
mod store;
mod synth;
mod train;
mod utility;
