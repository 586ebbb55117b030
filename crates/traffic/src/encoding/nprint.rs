//! nPrint as two bit planes (Holland et al., "New Directions in Automated Traffic Analysis", 2021; layout
//! of nPrint 1.2.1 with `-4 -t -u -i`).
//!
//! A packet is 1,088 ternary cells: IPv4 480, TCP 480, UDP 64, ICMP 64, each header in wire order, most
//! significant bit first. A trace of n packets is n x 136 bytes of values, then n x 136 bytes of presence;
//! cell i of a packet is bit 7 - i % 8 of its byte i / 8. A cell that is absent has value 0. All groups
//! begin on byte borders, so both planes are copies of header bytes.

use super::Encoded;
use super::headers::HeaderSlices;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;

/// Ternary cells of a packet.
pub const NPRINT_BITS: usize = 1088;
/// Bytes of one packet in one plane.
pub const NPRINT_BYTES: usize = NPRINT_BITS / 8;

const IPV4_AT: usize = 0;
const TCP_AT: usize = 60;
const UDP_AT: usize = 120;
const ICMP_AT: usize = 128;

/// One packet's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NprintRow {
    /// Values; 0 where absent.
    pub value: [u8; NPRINT_BYTES],
    /// 1 where the cell is present.
    pub presence: [u8; NPRINT_BYTES],
}

impl NprintRow {
    /// Cell `bit` (0 to 1,087): 1, 0, or -1 where absent or out of range.
    pub fn cell(&self, bit: usize) -> i8 {
        let of = |plane: &[u8; NPRINT_BYTES]| plane.get(bit / 8).map_or(0, |byte| byte >> (7 - bit % 8) & 1);
        if of(&self.presence) == 0 { -1 } else { of(&self.value).cast_signed() }
    }

    /// The header bytes that are present: IPv4, then TCP, UDP or ICMP.
    pub fn header_bytes(&self) -> Vec<u8> {
        let present = self.value.iter().zip(&self.presence).filter(|(_, present)| **present == 0xff);
        present.map(|(value, _)| *value).collect()
    }
}

/// Encodes a trace; rows are its packets.
pub fn encode(trace: &Trace) -> Encoded {
    let rows = trace.packets.len();
    let mut data = vec![0u8; 2 * rows * NPRINT_BYTES];
    let (values, presences) = data.split_at_mut(rows * NPRINT_BYTES);
    let places = values.chunks_exact_mut(NPRINT_BYTES).zip(presences.chunks_exact_mut(NPRINT_BYTES));
    for (packet, (value, presence)) in trace.packets.iter().zip(places) {
        let slices = HeaderSlices::of_packet(packet);
        for (at, bytes) in [(IPV4_AT, slices.ipv4), (TCP_AT, slices.tcp), (UDP_AT, slices.udp), (ICMP_AT, slices.icmp)]
        {
            if let (Some(value), Some(presence)) =
                (value.get_mut(at..at + bytes.len()), presence.get_mut(at..at + bytes.len()))
            {
                value.copy_from_slice(bytes);
                presence.fill(0xff);
            }
        }
    }
    Encoded { rows: rows as u32, width: NPRINT_BITS as u32, data }
}

/// The rows of an encoded trace.
///
/// # Errors
/// `internal` if the bytes are no nprint planes of that many rows.
pub fn decode(encoded: &Encoded) -> Result<Vec<NprintRow>> {
    let plane = encoded.rows as usize * NPRINT_BYTES;
    if encoded.data.len() != 2 * plane || encoded.width as usize != NPRINT_BITS {
        return Err(Error::internal(format!(
            "expected nprint planes of {} bytes and width {NPRINT_BITS}, found {} bytes and width {}",
            2 * plane,
            encoded.data.len(),
            encoded.width
        )));
    }
    let (values, presences) = encoded.data.split_at(plane);
    let (values, _) = values.as_chunks::<NPRINT_BYTES>();
    let (presences, _) = presences.as_chunks::<NPRINT_BYTES>();
    Ok(values.iter().zip(presences).map(|(value, presence)| NprintRow { value: *value, presence: *presence }).collect())
}
