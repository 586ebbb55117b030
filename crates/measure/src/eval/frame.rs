//! The bytes of a packet's headers, located, and the rules that their lengths and checksums keep.

use syntrace_base::record::Packet;

const ETHERNET_BYTES: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// IPv6 extension headers that may stand before TCP or UDP (RFC 8200, section 4.1) with lengths in
/// units of 8 bytes; the fragment header has a fixed length and is among them.
const EXTENSIONS: [u8; 5] = [0, 43, 44, 60, 135];
/// More extension headers than this are no traffic.
const EXTENSIONS_MAX: usize = 8;

/// Headers that lie completely in the captured bytes.
pub(super) struct Frame<'a> {
    /// From the first byte of IP on.
    ip: &'a [u8],
    version: u8,
    protocol: u8,
    /// Offset of the transport header in `ip`.
    transport: usize,
    /// Bytes of the transport header.
    transport_bytes: usize,
    /// First of several fragments: transport length and checksum belong to the whole datagram.
    fragment: bool,
    /// IP bytes that the header states.
    stated: usize,
}

impl<'a> Frame<'a> {
    /// Locates the headers of a packet; `None` where they are not there or contradict the packet's
    /// version and protocol.
    pub fn of(packet: &'a Packet) -> Option<Self> {
        let ip = packet.data.get(ETHERNET_BYTES..)?;
        let version = ip.first()? >> 4;
        let (transport, protocol, fragment, stated) = match version {
            4 => locate_v4(ip)?,
            6 => locate_v6(ip)?,
            _ => return None,
        };
        let transport_bytes = match protocol {
            TCP => usize::from(ip.get(transport + 12)? >> 4) * 4,
            UDP => 8,
            _ => return None,
        };
        let complete = transport_bytes >= if protocol == TCP { 20 } else { 8 };
        let present = ip.len() >= transport + transport_bytes;
        let agrees = version == packet.ip_version && protocol == packet.protocol;
        (complete && present && agrees).then_some(Self {
            ip,
            version,
            protocol,
            transport,
            transport_bytes,
            fragment,
            stated,
        })
    }

    /// Is the stated IP length enough for the headers and for the bytes that are there?
    pub fn length_holds(&self) -> bool {
        self.stated >= self.transport + self.transport_bytes && self.stated >= self.ip.len()
    }

    /// Is the IPv4 header checksum right? `None` for IPv6, which has none.
    pub fn ipv4_checksum_holds(&self) -> Option<bool> {
        let header = self.ip.get(..usize::from(self.ip.first()? & 15) * 4)?;
        (self.version == 4).then(|| folded(ones_sum(header)) == 0xffff)
    }

    /// Does the UDP length say what the IP length leaves? `None` for TCP and fragments.
    pub fn udp_length_holds(&self) -> Option<bool> {
        let length = usize::from(u16_at(self.ip, self.transport + 4)?);
        (self.protocol == UDP && !self.fragment).then(|| self.stated.checked_sub(self.transport) == Some(length))
    }

    /// Is the TCP or UDP checksum right (RFC 9293 section 3.1, RFC 768)? `None` where payload is not in
    /// the capture, for fragments, and for UDP without one over IPv4.
    pub fn transport_checksum_holds(&self) -> Option<bool> {
        let segment = self.ip.get(self.transport..self.stated)?;
        let at = self.transport + if self.protocol == TCP { 16 } else { 6 };
        let found = u16_at(self.ip, at)?;
        if self.fragment
            || segment.len() < self.transport_bytes
            || (self.protocol == UDP && found == 0 && self.version == 4)
        {
            return None;
        }
        let addresses = if self.version == 4 { self.ip.get(12..20)? } else { self.ip.get(8..40)? };
        let pseudo = ones_sum(addresses) + u64::from(self.protocol) + segment.len() as u64;
        Some(folded(pseudo + ones_sum(segment)) == 0xffff)
    }

    /// Sequence and acknowledgement number of a TCP header.
    pub fn tcp_numbers(&self) -> Option<(u32, u32)> {
        let at = |offset| Some(u32::from_be_bytes(*self.ip.get(self.transport + offset..)?.first_chunk()?));
        if self.protocol == TCP { Some((at(4)?, at(8)?)) } else { None }
    }
}

/// (transport offset, protocol, fragment, stated length) of IPv4 (RFC 791).
fn locate_v4(ip: &[u8]) -> Option<(usize, u8, bool, usize)> {
    let header = usize::from(ip.first()? & 15) * 4;
    let fragment = u16_at(ip, 6)? & 0x3fff;
    // a later fragment has no transport header
    (header >= 20 && fragment & 0x1fff == 0).then_some(())?;
    Some((header, *ip.get(9)?, fragment != 0, usize::from(u16_at(ip, 2)?)))
}

/// The same of IPv6 (RFC 8200), past its extension headers.
fn locate_v6(ip: &[u8]) -> Option<(usize, u8, bool, usize)> {
    let stated = 40 + usize::from(u16_at(ip, 4)?);
    let (mut next, mut at, mut fragment) = (*ip.get(6)?, 40, false);
    for _ in 0..EXTENSIONS_MAX {
        if !EXTENSIONS.contains(&next) {
            return Some((at, next, fragment, stated));
        }
        let bytes = if next == 44 {
            let field = u16_at(ip, at + 2)?;
            (field & 0xfff8 == 0).then_some(())?;
            fragment = field & 1 != 0;
            8
        } else {
            8 + usize::from(*ip.get(at + 1)?) * 8
        };
        (next, at) = (*ip.get(at)?, at + bytes);
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Sum of big-endian 16-bit words, an odd last byte padded with zero (RFC 1071).
fn ones_sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |&byte| u64::from(byte) << 8);
    words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>() + last
}

/// Carries added until 16 bits are left; 0xffff over a right checksum.
fn folded(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
