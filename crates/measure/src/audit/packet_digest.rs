//! Digests of what packets hold: what counts as one thing where traces are searched for the same bytes.

use super::identifier::payload;
use syntrace_base::base::Digest;
use syntrace_base::record::Packet;

/// Payloads shorter than this say nothing that is worth memorising.
const PAYLOAD_BYTES_MIN: usize = 16;

pub(super) type Content = [u8; 16];

pub(super) fn content(bytes: &[u8]) -> Content {
    Digest::of(bytes).prefix16()
}

pub(super) fn payload_content(packet: &Packet) -> Option<Content> {
    let payload = payload(packet);
    (payload.len() >= PAYLOAD_BYTES_MIN).then(|| content(payload))
}
