//! The bytes of a packet's headers, located, and the rules that their lengths and checksums keep.

use syntrace_base::base::wire::{
    ETHERNET_BYTES, IPV6_BYTES, IPV6_FRAGMENT, TCP, UDP, UDP_BYTES, be16, internet_checksum, is_ipv6_extension,
    ones_sum,
};
use syntrace_base::record::Packet;

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
            UDP => UDP_BYTES,
            _ => return None,
        };
        let complete = transport_bytes >= if protocol == TCP { 20 } else { UDP_BYTES };
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
        (self.version == 4).then(|| internet_checksum(ones_sum(header)) == 0)
    }

    /// Does the UDP length say what the IP length leaves? `None` for TCP and fragments.
    pub fn udp_length_holds(&self) -> Option<bool> {
        let length = usize::from(be16(self.ip, self.transport + 4)?);
        (self.protocol == UDP && !self.fragment).then(|| self.stated.checked_sub(self.transport) == Some(length))
    }

    /// Is the TCP or UDP checksum right (RFC 9293 section 3.1, RFC 768)? `None` where payload is not in
    /// the capture, for fragments, and for UDP without one over IPv4.
    pub fn transport_checksum_holds(&self) -> Option<bool> {
        let segment = self.ip.get(self.transport..self.stated)?;
        let at = self.transport + if self.protocol == TCP { 16 } else { 6 };
        let found = be16(self.ip, at)?;
        if self.fragment
            || segment.len() < self.transport_bytes
            || (self.protocol == UDP && found == 0 && self.version == 4)
        {
            return None;
        }
        let addresses = if self.version == 4 { self.ip.get(12..20)? } else { self.ip.get(8..40)? };
        let pseudo = ones_sum(addresses) + u64::from(self.protocol) + segment.len() as u64;
        Some(internet_checksum(pseudo + ones_sum(segment)) == 0)
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
    let fragment = be16(ip, 6)? & 0x3fff;
    // a later fragment has no transport header
    (header >= 20 && fragment & 0x1fff == 0).then_some(())?;
    Some((header, *ip.get(9)?, fragment != 0, usize::from(be16(ip, 2)?)))
}

/// The same of IPv6 (RFC 8200), past its extension headers.
fn locate_v6(ip: &[u8]) -> Option<(usize, u8, bool, usize)> {
    let stated = IPV6_BYTES + usize::from(be16(ip, 4)?);
    let (mut next, mut at, mut fragment) = (*ip.get(6)?, IPV6_BYTES, false);
    // Each header has 8 bytes or more, so that the packet's length bounds the loop.
    while is_ipv6_extension(next) {
        let bytes = if next == IPV6_FRAGMENT {
            let field = be16(ip, at + 2)?;
            (field & 0xfff8 == 0).then_some(())?;
            fragment |= field & 1 != 0;
            8
        } else {
            8 + usize::from(*ip.get(at + 1)?) * 8
        };
        (next, at) = (*ip.get(at)?, at + bytes);
    }
    Some((at, next, fragment, stated))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::base::wire::LINK_ETHERNET;
    use syntrace_traffic::capture::decode_frame;

    /// A UDP packet without payload over IPv6, behind these extension headers of 8 bytes each.
    fn packet(extensions: &[u8]) -> Packet {
        let length = 8 * (extensions.len() + 1);
        let next = extensions.iter().skip(1).copied().chain([UDP]).take(extensions.len());
        let mut frame = vec![2; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length as u8, extensions.first().copied().unwrap_or(UDP), 64]);
        frame.extend([0xfe; 32]);
        for next in next {
            frame.extend([next, 0, 0, 0, 0, 0, 0, 0]);
        }
        frame.extend([0, 53, 0, 53, 0, 8, 0, 0]);
        decode_frame(LINK_ETHERNET, 0, &frame, frame.len() as u32).expect("what the capture decoder takes")
    }

    #[test]
    fn every_extension_header_that_a_capture_may_have_is_stepped_over() {
        for extensions in [&[][..], &[0], &[43, 60], &[44, 135], &[139], &[140], &[0; 12]] {
            let packet = packet(extensions);
            let frame = Frame::of(&packet).unwrap_or_else(|| panic!("{extensions:?}"));
            assert!(frame.length_holds() && frame.udp_length_holds() != Some(false), "{extensions:?}");
        }
    }
}
