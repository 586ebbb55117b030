//! A flow: the packets of one trace.

use crate::train::EncodedTrace;
use syntrace_base::error::Result;
use syntrace_traffic::encoding::Encoded;
use syntrace_traffic::encoding::packets::{self, HeaderPacket};

/// Packets of one flow, at least one.
pub(super) type Flow = Vec<HeaderPacket>;

/// The flow of a trace.
///
/// # Errors
/// A trace in another encoding.
pub(super) fn flow_of(trace: &EncodedTrace) -> Result<Flow> {
    let encoded = Encoded { rows: trace.rows, width: trace.width, data: trace.data.clone() };
    packets::decode(&encoded).map_err(|error| error.context(format!("trace {}", trace.trace_id)))
}
