//! One packet's header bytes, sorted into nPrint's groups.

use crate::capture::{Dropped, LINK_HEADER_BYTES, PROTOCOL_TCP, PROTOCOL_UDP, link_type, view_frame};
use syntrace_base::record::Packet;

/// ICMP's protocol number.
const PROTOCOL_ICMP: u8 = 1;
/// Bytes of the fixed IPv6 header.
const IPV6_BYTES: usize = 40;
/// Bytes that nPrint shows of UDP and ICMP.
const SHORT_HEADER_BYTES: usize = 8;

/// Header bytes by group; an absent header is empty, a cut one is shorter than it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HeaderSlices<'a> {
    pub(super) ethernet: &'a [u8],
    pub(super) ipv4: &'a [u8],
    pub(super) ipv6: &'a [u8],
    pub(super) tcp: &'a [u8],
    pub(super) udp: &'a [u8],
    pub(super) icmp: &'a [u8],
    pub(super) payload: &'a [u8],
    /// Were header bytes missing that the headers announce?
    pub(super) cut: bool,
}

impl<'a> HeaderSlices<'a> {
    /// Headers of a stored packet. A packet whose bytes do not decode (none that ingest made) has none.
    pub(super) fn of_packet(packet: &'a Packet) -> Self {
        let original = packet.ip_length.saturating_add(LINK_HEADER_BYTES as u32);
        let Ok(view) = view_frame(link_type::ETHERNET, &packet.data, original) else {
            return Self::default();
        };
        let network = view.ip.get(..view.header_bytes).unwrap_or_default();
        let transport = view.ip.get(view.transport_at..view.payload_at()).unwrap_or_default();
        let mut slices = Self {
            ethernet: packet.data.get(..LINK_HEADER_BYTES).unwrap_or_default(),
            payload: view.ip.get(view.payload_at()..).unwrap_or_default(),
            ..Self::default()
        };
        slices.place(view.version, network, view.protocol, transport);
        slices
    }

    /// Headers by nPrint's own rules, from the first byte of IP: IHL and data offset are obeyed even
    /// where they are too small, fragments are not told apart, IPv6 extension headers are not followed.
    /// `wire` is the length of the frame behind the link header.
    ///
    /// # Errors
    /// Why nPrint gives no row.
    pub(super) fn of_ip(ip: &'a [u8], wire: usize) -> Result<Self, Dropped> {
        let version = ip.first().map_or(0, |byte| byte >> 4);
        let (header_bytes, protocol_at, total) = match version {
            4 => (usize::from(ip.first().map_or(0, |byte| byte & 0x0f)) * 4, 9, total_length(ip, 2, 0)),
            6 => (IPV6_BYTES, 6, total_length(ip, 4, IPV6_BYTES)),
            _ if ip.is_empty() => return Err(Dropped::short("ip header", 20, 0, wire)),
            _ => return Err(Dropped::malformed("ip version", u32::from(version))),
        };
        let Some(&protocol) = ip.get(protocol_at) else {
            return Err(Dropped::short("ip header", header_bytes, ip.len(), wire));
        };
        let transport = ip.get(header_bytes..).unwrap_or_default();
        let announced = match protocol {
            PROTOCOL_TCP => transport.get(12).map_or(20, |byte| usize::from(byte >> 4) * 4),
            PROTOCOL_UDP | PROTOCOL_ICMP => SHORT_HEADER_BYTES,
            other => return Err(Dropped::protocol(other)),
        };
        let end = header_bytes.saturating_add(announced);
        let payload_end = total.unwrap_or(wire).clamp(end, usize::MAX).min(ip.len().max(end));
        let mut slices =
            Self { payload: ip.get(end..payload_end).unwrap_or_default(), cut: ip.len() < end, ..Self::default() };
        let network = ip.get(..header_bytes).unwrap_or(ip);
        slices.place(version, network, protocol, transport.get(..announced).unwrap_or(transport));
        Ok(slices)
    }

    fn place(&mut self, version: u8, network: &'a [u8], protocol: u8, transport: &'a [u8]) {
        match version {
            4 => self.ipv4 = network,
            _ => self.ipv6 = network,
        }
        match protocol {
            PROTOCOL_TCP => self.tcp = transport,
            PROTOCOL_UDP => self.udp = transport,
            _ => self.icmp = transport,
        }
    }
}

/// The length that IP says, `None` where it says 0 or is not there.
fn total_length(ip: &[u8], at: usize, added: usize) -> Option<usize> {
    let raw = ip.get(at..)?.first_chunk::<2>()?;
    match u16::from_be_bytes(*raw) {
        0 => None,
        length => Some(usize::from(length) + added),
    }
}
