//! Repairs a packet so that it is consistent and other tools can read it: as few fields as possible, each counted.

use super::layout::{ETHERNET_BYTES, IPV6_BYTES, Layout, TCP, UDP, locate, u16_at};
use super::packet::packet_of;
use syntrace_base::base::wire::{internet_checksum, ones_sum};
use syntrace_base::record::Packet;

/// How many packets had each field changed.
///
/// | field | changed when | to |
/// | --- | --- | --- |
/// | IP length | shorter than the packet's own headers | the length of those headers |
/// | UDP length | differs from the IP length | what the IP length leaves |
/// | IPv4 checksum | wrong after that | RFC 1071 over the header |
/// | TCP or UDP checksum | wrong, and the packet is there in full | RFC 1071 with pseudo header |
///
/// A transport checksum is left alone where payload bytes are absent (it cannot be verified), except for a
/// UDP checksum of 0 over IPv6, which RFC 8200 forbids: it is computed as if they were zero. A UDP
/// checksum of 0 over IPv4 means "none" and stays. The first of several fragments keeps both UDP length
/// and checksum: they belong to the whole datagram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MendedFields {
    /// IPv4 total length or IPv6 payload length.
    pub ip_length: u32,
    /// UDP length.
    pub udp_length: u32,
    /// IPv4 header checksum.
    pub ipv4_checksum: u32,
    /// TCP or UDP checksum.
    pub transport_checksum: u32,
}

impl MendedFields {
    /// All changes together.
    pub fn total(&self) -> u32 {
        self.ip_length + self.udp_length + self.ipv4_checksum + self.transport_checksum
    }
}

impl std::ops::AddAssign for MendedFields {
    fn add_assign(&mut self, other: Self) {
        self.ip_length += other.ip_length;
        self.udp_length += other.udp_length;
        self.ipv4_checksum += other.ipv4_checksum;
        self.transport_checksum += other.transport_checksum;
    }
}

/// Repairs one packet in place: bytes and the fields read from them. A packet whose bytes do not parse
/// as a generated frame is left unchanged.
pub fn mend(packet: &mut Packet) -> MendedFields {
    let Ok(layout) = locate(&packet.data) else { return MendedFields::default() };
    let mut data = std::mem::take(&mut packet.data);
    let mended = mend_frame(&mut data, &layout);
    let direction = packet.direction;
    *packet = packet_of(data, &layout, packet.time_us);
    packet.direction = direction;
    mended
}

/// Repairs a trimmed frame in place; see [`MendedFields`].
pub(super) fn mend_frame(frame: &mut [u8], layout: &Layout) -> MendedFields {
    let mut mended = MendedFields::default();
    if layout.ip_length(frame) < layout.ip_length_min() {
        let least = layout.ip_length_min();
        mended.ip_length = match layout.version {
            4 => set(frame, ETHERNET_BYTES + 2, least as u16),
            _ => set(frame, ETHERNET_BYTES + 4, (least - IPV6_BYTES) as u16),
        };
    }
    let segment = segment_bytes(frame, layout);
    if layout.protocol == UDP && !layout.fragment {
        mended.udp_length = set(frame, layout.transport + 4, segment as u16);
    }
    if layout.version == 4 {
        let header = frame.get(ETHERNET_BYTES..layout.transport).unwrap_or_default();
        let right = checksum_without(header, 10, 0);
        mended.ipv4_checksum = set(frame, ETHERNET_BYTES + 10, right);
    }
    mended.transport_checksum = mend_transport_checksum(frame, layout, segment);
    mended
}

/// Stated bytes of transport header and payload.
fn segment_bytes(frame: &[u8], layout: &Layout) -> usize {
    layout.header_end - layout.transport + layout.payload_length(frame)
}

/// RFC 1071 checksum of an IPv4 header.
pub(super) fn header_checksum(header: &[u8]) -> u16 {
    checksum_without(header, 10, 0)
}

/// Sets the transport checksum if the packet is complete.
pub(super) fn set_transport_checksum(frame: &mut [u8], layout: &Layout) {
    let segment = segment_bytes(frame, layout);
    mend_transport_checksum(frame, layout, segment);
}

/// `segment`: see [`segment_bytes`].
fn mend_transport_checksum(frame: &mut [u8], layout: &Layout, segment: usize) -> u32 {
    let at = layout.transport + if layout.protocol == TCP { 16 } else { 6 };
    let complete = frame.len() >= layout.transport + segment;
    let absent = layout.protocol == UDP && u16_at(frame, at) == 0;
    let wanted = !layout.fragment && if absent { layout.version == 6 } else { complete };
    if !wanted {
        return 0;
    }
    let addresses = match layout.version {
        4 => ETHERNET_BYTES + 12..ETHERNET_BYTES + 20,
        _ => ETHERNET_BYTES + 8..ETHERNET_BYTES + 40,
    };
    let pseudo = ones_sum(frame.get(addresses).unwrap_or_default()) + u64::from(layout.protocol) + segment as u64;
    let present = frame.get(layout.transport..).unwrap_or_default();
    let right = match checksum_without(present, at - layout.transport, pseudo) {
        // RFC 768: a computed zero is sent as all ones.
        0 if layout.protocol == UDP => 0xffff,
        right => right,
    };
    set(frame, at, right)
}

/// RFC 1071 checksum of some bytes, the 16 bits at `skip` counted as zero, on top of a partial sum.
pub(super) fn checksum_without(bytes: &[u8], skip: usize, partial: u64) -> u16 {
    internet_checksum(ones_sum(bytes) + partial - u64::from(u16_at(bytes, skip)))
}

/// Writes 16 bits; 1 if that changed them.
fn set(frame: &mut [u8], offset: usize, value: u16) -> u32 {
    match frame.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        Some(slot) if u16::from_be_bytes(*slot) != value => {
            *slot = value.to_be_bytes();
            1
        }
        _ => 0,
    }
}
