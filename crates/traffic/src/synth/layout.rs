//! Where the headers of a generated frame lie.

pub(super) use syntrace_base::base::wire::{ETHERNET_BYTES, IPV6_BYTES, TCP, UDP, UDP_BYTES};
use syntrace_base::base::wire::{IPV6_FRAGMENT, be16, is_ipv6_extension};
use syntrace_base::record::DropReason;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Offsets and sizes in a frame whose bytes up to `header_end` are known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// 4 or 6.
    pub version: u8,
    /// Bytes of the IP header: with IPv4 options, without IPv6 extension headers.
    pub ip_header: usize,
    /// 6 or 17.
    pub protocol: u8,
    /// Offset of the transport header in the frame.
    pub transport: usize,
    /// End of the transport header (with TCP options) in the frame.
    pub header_end: usize,
    /// Is this the first of several fragments? Then transport lengths and checksums are of the whole.
    pub fragment: bool,
}

impl Layout {
    /// Bytes of all headers from IP on: no IP packet of this shape is shorter.
    pub fn ip_length_min(&self) -> usize {
        self.header_end - ETHERNET_BYTES
    }

    /// The IP length that the headers state: IPv4 total length, IPv6 payload length + 40.
    pub fn ip_length(&self, frame: &[u8]) -> usize {
        match self.version {
            4 => usize::from(u16_at(frame, ETHERNET_BYTES + 2)),
            _ => usize::from(u16_at(frame, ETHERNET_BYTES + 4)) + IPV6_BYTES,
        }
    }

    /// Transport payload bytes by the stated IP length; 0 where it is shorter than the headers.
    pub fn payload_length(&self, frame: &[u8]) -> usize {
        self.ip_length(frame).saturating_sub(self.ip_length_min())
    }
}

/// Big-endian 16 bits at an offset; 0 past the end.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    be16(bytes, offset).unwrap_or(0)
}

/// The byte at an offset; 0 past the end.
pub(super) fn u8_at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// Finds the headers. What is required: ethertype and version agree, header lengths are possible and
/// every header is there in full. What is not: that stated packet lengths or checksums fit.
pub(super) fn locate(frame: &[u8]) -> Result<Layout, DropReason> {
    if frame.len() < ETHERNET_BYTES + 1 {
        return Err(DropReason::TruncatedHeader);
    }
    let version = u8_at(frame, ETHERNET_BYTES) >> 4;
    let Network { ip_header, protocol, transport, fragment } = match (u16_at(frame, 12), version) {
        (ETHERTYPE_IPV4, 4) => ipv4(frame)?,
        (ETHERTYPE_IPV6, 6) => ipv6(frame)?,
        (ETHERTYPE_IPV4 | ETHERTYPE_IPV6, _) => return Err(DropReason::Malformed),
        _ => return Err(DropReason::NotIp),
    };
    let transport_header = match protocol {
        TCP => usize::from(u8_at(frame, transport + 12) >> 4) * 4,
        UDP => UDP_BYTES,
        _ => return Err(DropReason::OtherTransport),
    };
    // Seen before the offset is judged: a header that is not there has no data offset.
    let least = if protocol == TCP { 20 } else { UDP_BYTES };
    if frame.len() < transport + least {
        return Err(DropReason::TruncatedHeader);
    }
    if transport_header < least {
        return Err(DropReason::Malformed);
    }
    let header_end = transport + transport_header;
    if frame.len() < header_end {
        return Err(DropReason::TruncatedHeader);
    }
    Ok(Layout { version, ip_header, protocol, transport, header_end, fragment })
}

/// The network layer's part of a [`Layout`].
struct Network {
    ip_header: usize,
    protocol: u8,
    transport: usize,
    fragment: bool,
}

/// IPv4 (RFC 791).
fn ipv4(frame: &[u8]) -> Result<Network, DropReason> {
    let ip_header = usize::from(u8_at(frame, ETHERNET_BYTES) & 0x0f) * 4;
    if ip_header < 20 {
        return Err(DropReason::Malformed);
    }
    if frame.len() < ETHERNET_BYTES + ip_header {
        return Err(DropReason::TruncatedHeader);
    }
    let fragment = u16_at(frame, ETHERNET_BYTES + 6);
    if fragment & 0x1fff != 0 {
        return Err(DropReason::LaterFragment);
    }
    Ok(Network {
        ip_header,
        protocol: u8_at(frame, ETHERNET_BYTES + 9),
        transport: ETHERNET_BYTES + ip_header,
        fragment: fragment & 0x2000 != 0,
    })
}

/// IPv6 (RFC 8200) with the extension headers that the capture decoder steps over: hop-by-hop, routing,
/// fragment, destination, mobility, HIP and shim6.
fn ipv6(frame: &[u8]) -> Result<Network, DropReason> {
    let mut next = u8_at(frame, ETHERNET_BYTES + 6);
    let mut offset = ETHERNET_BYTES + IPV6_BYTES;
    let mut fragment = false;
    if frame.len() < offset {
        return Err(DropReason::TruncatedHeader);
    }
    // Each turn moves on by at least 8 bytes, so the frame's length bounds the loop.
    while is_ipv6_extension(next) {
        if frame.len() < offset + 8 {
            return Err(DropReason::TruncatedHeader);
        }
        if next == IPV6_FRAGMENT {
            if u16_at(frame, offset + 2) >> 3 != 0 {
                return Err(DropReason::LaterFragment);
            }
            fragment |= u16_at(frame, offset + 2) & 1 != 0;
        }
        let length = if next == IPV6_FRAGMENT { 8 } else { (usize::from(u8_at(frame, offset + 1)) + 1) * 8 };
        next = u8_at(frame, offset);
        offset += length;
    }
    Ok(Network { ip_header: IPV6_BYTES, protocol: next, transport: offset, fragment })
}
