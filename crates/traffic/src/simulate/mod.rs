//! Seeded simulator of the datasets `os`, `vca`, `public` and `wide`: real packets of hosts that never were.
//!
//! ```text
//! options -> class (mixture of talks) -> talk (payloads in turns) -> tcp | wire -> frame
//! ```
//!
//! Invariants:
//! - pure: frames come from options and seed alone; no file, clock or global randomness;
//! - a flow draws only from its own sub-seed and from that of its host and server, so flows can be made
//!   in any order and on any thread, and more flows extend the set without changing it;
//! - all bytes that are random on a real wire (sequence numbers, nonces, keys, ciphertext) are drawn
//!   freshly for each flow, so that a trace's content identifies it;
//! - `frame` alone writes headers and checksums, `tcp` alone decides sequence numbers.
//!
//! Length distributions aim at Table 3 of the paper; header habits of the systems were taken from real
//! captures. Sharing is as in households: 60 hosts in 15 private subnets, servers by Zipf's law. `wide` is apart: see
//! there.

mod class;
mod dataset;
mod draw;
mod flow;
mod frame;
mod host;
mod options;
mod payload;
mod service;
mod system;
mod talk_call;
mod talk_local;
mod talk_web;
mod tcp;
mod wide;
mod wire;

pub use dataset::simulate;
pub use options::{CLASSES, PUBLIC, SimulateOptions, WIDE};
pub use wide::wide_traces;
pub use wire::SimulatedFrame;
