//! Synthetic traces: what a generator put out becomes checked packets, and packets that other tools
//! read without complaint.
//!
//! Invariants: no byte of garbage panics; a generated frame that is no IPv4 or IPv6 packet with a TCP
//! or UDP header is rejected and counted, never turned into something that it is not; timestamps are
//! public constants, never taken from real captures; each header field that is changed is counted by
//! its name. Quality is measured on [`DecodeMode::Raw`] packets, where no field is changed;
//! [`DecodeMode::Mended`] (or [`mend`] on a raw packet) is for export.

mod decode;
mod fields;
mod layout;
mod mend;
mod packet;
mod repair;

pub use decode::{DecodeMode, DecodeOptions, DecodedTrace, decode_packets, decode_trace, original_length, trace_id};
pub use decode::{INTERVAL_US, START_US};
pub use fields::decode_fields;
pub use mend::{MendedFields, mend};
pub use repair::{RepairProfile, RepairedTrace, repair};
