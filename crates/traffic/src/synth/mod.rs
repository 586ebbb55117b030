//! Synthetic traces: decodes the output of a generator to checked packets, and repairs packets so that
//! other tools read them without errors.
//!
//! Invariants: no input causes a panic; a generated frame that is no IPv4 or IPv6 packet with a TCP
//! or UDP header is rejected and counted, never converted to something else; timestamps are
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
