//! One sample, the unit of privacy.

use super::packet::Packet;
use crate::base::TraceId;

/// What one trace is cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceUnit {
    /// A bidirectional 5-tuple flow (TCP or UDP).
    Flow,
    /// A whole capture.
    Capture,
}

impl TraceUnit {
    /// Name in specs, records and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Capture => "capture",
        }
    }
}

/// The first N packets of a flow or capture, in time of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// From dataset, class, capture, cut and place in the capture; or from model and number.
    pub trace_id: TraceId,
    /// Index (from 0) of the trace's first packet in its capture; its number for a synthetic trace.
    pub first_packet: u64,
    /// LINKTYPE of the capture before normalisation.
    pub link_type: u32,
    /// Packets of the whole flow, those beyond N included.
    pub flow_packets: u64,
    /// IP bytes of the whole flow.
    pub flow_bytes: u64,
    /// Its packets, at least one.
    pub packets: Vec<Packet>,
}
