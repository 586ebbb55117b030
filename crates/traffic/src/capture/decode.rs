//! A frame to its packet: IP and transport headers checked against the captured bytes, nothing copied
//! before it is asked for.
//!
//! Decided here: TCP and UDP only, in the outermost IP header; fragments other than the first have no
//! transport header and are dropped; IPv6 hop-by-hop, routing, destination, mobility, HIP and shim
//! headers are stepped over, AH and ESP are not (they are transports of their own). A header whose
//! fixed part or options were not captured whole drops the packet, so every kept packet's header is
//! complete and no encoding reads past what was captured.
//!
//! Headers are read by etherparse's slices, which borrow and check. Only its header slices: its slices
//! of whole packets cut payloads by lengths that offload leaves at 0, step over AH and follow IP in IP,
//! and say less of where a header is cut. By hand: the reserved IPv4 flag and the TCP flags as a number,
//! which it has not, and addresses as borrowed bytes, which it copies.

use etherparse::err::{LenError, ipv4, tcp};
use etherparse::{
    IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, TcpHeaderSlice,
    UdpHeaderSlice, ip_number,
};

use super::bytes::be16;
use super::drop_reason::Dropped;
use super::link::{self, Located, Macs};
use syntrace_base::record::{Direction, Packet};

/// TCP's protocol number.
pub const PROTOCOL_TCP: u8 = ip_number::TCP.0;
/// UDP's protocol number.
pub const PROTOCOL_UDP: u8 = ip_number::UDP.0;

/// Link header of the normalised frame, bytes.
pub const LINK_HEADER_BYTES: usize = 14;

/// Longest packet that an offloading card may leave without a length: twice Linux's largest (BIG TCP).
const OFFLOAD_BYTES_MAX: usize = 1 << 20;

pub(crate) const SYNTHETIC_FIRST: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const SYNTHETIC_SECOND: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A decoded frame that still borrows its bytes.
#[derive(Debug, Clone, Copy)]
pub struct PacketView<'a> {
    /// IP as captured, cut to its length.
    pub ip: &'a [u8],
    /// 4 or 6.
    pub version: u8,
    /// Transport protocol, 6 or 17.
    pub protocol: u8,
    /// Source address, 4 or 16 bytes.
    pub src_ip: &'a [u8],
    /// Destination address, 4 or 16 bytes.
    pub dst_ip: &'a [u8],
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// IP length by the header, or the frame's where offload left 0.
    pub ip_length: u32,
    /// IP header length, extension headers not counted.
    pub header_bytes: usize,
    /// Offset of the transport header in `ip`, extension headers included.
    pub transport_at: usize,
    /// Length of the transport header, TCP options included.
    pub transport_bytes: usize,
    header: Header<'a>,
    macs: Option<Macs>,
}

#[derive(Debug, Clone, Copy)]
enum Header<'a> {
    V4(Ipv4HeaderSlice<'a>),
    V6(Ipv6HeaderSlice<'a>),
}

/// Fields of the IP header.
struct Network<'a> {
    header: Header<'a>,
    protocol: u8,
    ip_length: usize,
    header_bytes: usize,
    transport_at: usize,
    /// Do more fragments follow?
    more_fragments: bool,
}

/// Fields of the transport header.
struct Transport {
    src_port: u16,
    dst_port: u16,
    header_bytes: usize,
}

/// Reads the headers of a frame.
///
/// # Errors
/// The reason why it is no TCP or UDP packet, or why its headers cannot be read.
#[inline]
pub fn view_frame(link_type: u32, captured: &[u8], original_length: u32) -> Result<PacketView<'_>, Dropped> {
    let on_wire = captured.len().max(original_length as usize);
    let Located { ip, link_bytes, macs, announced, .. } = link::locate(link_type, captured, on_wire)?;
    let wire = on_wire - link_bytes.min(on_wire);
    let network = match ip.first().map(|byte| byte >> 4) {
        // No host takes a packet whose link layer says the other version.
        Some(version @ (4 | 6)) if announced.is_some_and(|announced| announced != version) => {
            let what = if version == 4 {
                "the link layer says IPv6, ip version"
            } else {
                "the link layer says IPv4, ip version"
            };
            return Err(Dropped::malformed(what, u32::from(version)));
        }
        Some(4) => ipv4(ip, wire)?,
        Some(6) => ipv6(ip, wire)?,
        Some(version) => return Err(Dropped::malformed("ip version", u32::from(version))),
        None => return Err(Dropped::short("ip header", 20, 0, wire)),
    };
    let ip = ip.get(..network.ip_length).unwrap_or(ip);
    let transport = transport(ip, &network).map_err(|dropped| match network.more_fragments {
        true => dropped.of_first_fragment(network.ip_length.saturating_sub(network.transport_at)),
        false => dropped,
    })?;
    let (version, src_ip, dst_ip) = match network.header {
        Header::V4(_) => (4, ip.get(12..16), ip.get(16..20)),
        Header::V6(_) => (6, ip.get(8..24), ip.get(24..40)),
    };
    Ok(PacketView {
        ip,
        version,
        protocol: network.protocol,
        src_ip: src_ip.unwrap_or_default(),
        dst_ip: dst_ip.unwrap_or_default(),
        src_port: transport.src_port,
        dst_port: transport.dst_port,
        ip_length: u32::try_from(network.ip_length).unwrap_or(u32::MAX),
        header_bytes: network.header_bytes,
        transport_at: network.transport_at,
        transport_bytes: transport.header_bytes,
        header: network.header,
        macs,
    })
}

/// Segmentation offload leaves 0 where the length does not fit: the frame's, if it can be believed.
fn offloaded_length(wire: usize) -> Result<usize, Dropped> {
    if wire <= OFFLOAD_BYTES_MAX {
        return Ok(wire);
    }
    Err(Dropped::malformed("ip length 0 in a frame of length", u32::try_from(wire).unwrap_or(u32::MAX)))
}

/// RFC 791.
#[inline]
fn ipv4(ip: &[u8], wire: usize) -> Result<Network<'_>, Dropped> {
    let header = Ipv4HeaderSlice::from_slice(ip).map_err(|error| match error {
        ipv4::HeaderSliceError::Len(error) => short("ipv4 header", "ipv4 options", 20, &error, wire),
        ipv4::HeaderSliceError::Content(ipv4::HeaderError::HeaderLengthSmallerThanHeader { ihl }) => {
            Dropped::malformed("ipv4 header length", u32::from(ihl) * 4)
        }
        ipv4::HeaderSliceError::Content(ipv4::HeaderError::UnexpectedVersion { version_number }) => {
            Dropped::malformed("ip version", u32::from(version_number))
        }
    })?;
    let header_bytes = header.slice().len();
    let total = usize::from(header.total_len());
    let ip_length = if total == 0 { offloaded_length(wire)? } else { total };
    if ip_length < header_bytes {
        return Err(Dropped::malformed("ipv4 total length", total as u32));
    }
    let fragment_offset = header.fragments_offset().value();
    if fragment_offset != 0 {
        return Err(Dropped::fragment(fragment_offset));
    }
    let protocol = header.protocol().0;
    if protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP {
        return Err(Dropped::protocol(protocol));
    }
    let more_fragments = header.more_fragments();
    let header = Header::V4(header);
    Ok(Network { header, protocol, ip_length, header_bytes, transport_at: header_bytes, more_fragments })
}

/// RFC 8200: the fixed header and the extension headers that lead to a transport.
fn ipv6(ip: &[u8], wire: usize) -> Result<Network<'_>, Dropped> {
    // The version has been looked at: only the length can be wrong.
    let header = Ipv6HeaderSlice::from_slice(ip).map_err(|_| Dropped::short("ipv6 header", 40, ip.len(), wire))?;
    let header_bytes = header.slice().len();
    let payload = usize::from(header.payload_length());
    let ip_length = if payload == 0 { offloaded_length(wire)? } else { payload + header_bytes };
    let (mut next, mut at, mut more_fragments) = (header.next_header(), header_bytes, false);
    loop {
        let rest = ip.get(at..).unwrap_or_default();
        let room = wire.min(ip_length);
        let cut = |what, error: LenError| {
            let short = Dropped::short(what, at + error.required_len, ip.len(), room);
            if more_fragments { short.of_first_fragment(room) } else { short }
        };
        match next {
            ip_number::TCP | ip_number::UDP => {
                let header = Header::V6(header);
                return Ok(Network {
                    header,
                    protocol: next.0,
                    ip_length,
                    header_bytes,
                    transport_at: at,
                    more_fragments,
                });
            }
            ip_number::IPV6_FRAG => {
                let fragment =
                    Ipv6FragmentHeaderSlice::from_slice(rest).map_err(|error| cut("ipv6 fragment header", error))?;
                let offset = fragment.fragment_offset().value();
                if offset != 0 {
                    return Err(Dropped::fragment(offset));
                }
                more_fragments = fragment.more_fragments();
                (next, at) = (fragment.next_header(), at + fragment.slice().len());
            }
            // Hop-by-hop, routing, destination, mobility, HIP and shim.
            other if Ipv6RawExtHeaderSlice::header_type_supported(other) => {
                let extension =
                    Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|error| cut("ipv6 extension header", error))?;
                (next, at) = (extension.next_header(), at + extension.slice().len());
            }
            IpNumber(other) => return Err(Dropped::protocol(other)),
        }
    }
}

/// Ports and length of the transport header (RFC 9293, RFC 768), after checking that it is there.
#[inline]
fn transport(ip: &[u8], network: &Network<'_>) -> Result<Transport, Dropped> {
    let header = ip.get(network.transport_at..).unwrap_or_default();
    let room = network.ip_length.saturating_sub(network.transport_at);
    if network.protocol == PROTOCOL_UDP {
        let udp =
            UdpHeaderSlice::from_slice(header).map_err(|_| Dropped::short("udp header", 8, header.len(), room))?;
        let (src_port, dst_port) = (udp.source_port(), udp.destination_port());
        return Ok(Transport { src_port, dst_port, header_bytes: udp.slice().len() });
    }
    let tcp = TcpHeaderSlice::from_slice(header).map_err(|error| match error {
        tcp::HeaderSliceError::Len(error) => short("tcp header", "tcp options", 20, &error, room),
        tcp::HeaderSliceError::Content(tcp::HeaderError::DataOffsetTooSmall { data_offset }) => {
            Dropped::malformed("tcp header length", u32::from(data_offset) * 4)
        }
    })?;
    let (src_port, dst_port) = (tcp.source_port(), tcp.destination_port());
    Ok(Transport { src_port, dst_port, header_bytes: tcp.slice().len() })
}

/// A header that is cut in its fixed part or, where more than `fixed` bytes were needed, in its options.
#[cold]
fn short(header: &'static str, options: &'static str, fixed: usize, error: &LenError, on_wire: usize) -> Dropped {
    let what = if error.required_len > fixed { options } else { header };
    Dropped::short(what, error.required_len, error.len, on_wire)
}

impl PacketView<'_> {
    /// End of the headers in `ip`: where the transport payload begins.
    pub fn payload_at(&self) -> usize {
        self.transport_at + self.transport_bytes
    }

    /// Copies the packet: its fields and its bytes as a normalised Ethernet II frame.
    pub fn to_packet(&self, time_us: i64, direction: Direction) -> Packet {
        let (v4, tos, ttl) = match &self.header {
            Header::V4(header) => (Some(header), header.dcp().value() << 2 | header.ecn().value(), header.ttl()),
            Header::V6(header) => (None, header.traffic_class(), header.hop_limit()),
        };
        let tcp_flags = self.ip.get(self.transport_at + 13).copied().unwrap_or_default();
        Packet {
            time_us,
            direction,
            ip_version: self.version,
            src_ip: self.src_ip.to_vec(),
            dst_ip: self.dst_ip.to_vec(),
            protocol: self.protocol,
            src_port: self.src_port,
            dst_port: self.dst_port,
            ip_length: self.ip_length,
            header_length: u8::try_from(self.header_bytes).unwrap_or(u8::MAX),
            tos,
            identification: v4.map(Ipv4HeaderSlice::identification),
            flags: v4.and_then(|header| be16(header.slice(), 6)).map(|word| (word >> 13) as u8),
            fragment_offset: v4.map(|header| header.fragments_offset().value()),
            ttl,
            checksum: v4.map(Ipv4HeaderSlice::header_checksum),
            tcp_flags: (self.protocol == PROTOCOL_TCP).then_some(tcp_flags),
            payload_length: self.ip_length.saturating_sub(u32::try_from(self.payload_at()).unwrap_or(u32::MAX)),
            data: self.normalised(direction),
        }
    }

    fn normalised(&self, direction: Direction) -> Vec<u8> {
        let mut data = Vec::with_capacity(LINK_HEADER_BYTES + self.ip.len());
        match (self.macs, direction) {
            (Some(macs), _) => data.extend_from_slice(&macs),
            (None, Direction::Forward) => data.extend_from_slice(&[SYNTHETIC_SECOND, SYNTHETIC_FIRST].concat()),
            (None, Direction::Backward) => data.extend_from_slice(&[SYNTHETIC_FIRST, SYNTHETIC_SECOND].concat()),
        }
        data.extend_from_slice(if self.version == 4 { &[0x08, 0x00] } else { &[0x86, 0xdd] });
        data.extend_from_slice(self.ip);
        data
    }
}

/// Decodes one frame on its own; its direction is [`Direction::Forward`].
///
/// # Errors
/// The reason why it is no TCP or UDP packet, or why its headers cannot be read.
pub fn decode_frame(link_type: u32, time_us: i64, captured: &[u8], original_length: u32) -> Result<Packet, Dropped> {
    let view = view_frame(link_type, captured, original_length)?;
    Ok(view.to_packet(time_us, Direction::Forward))
}
