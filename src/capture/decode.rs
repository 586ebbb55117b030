//! A frame to its packet: IP and transport headers checked against the captured bytes, nothing copied
//! before it is asked for.
//!
//! Decided here: TCP and UDP only, in the outermost IP header; fragments other than the first have no
//! transport header and are dropped; IPv6 hop-by-hop, routing, destination, mobility, HIP and shim
//! headers are stepped over, AH and ESP are not (they are transports of their own). A header whose
//! fixed part or options were not captured whole drops the packet, so every kept packet's header is
//! complete and no encoding reads past what was captured.

use super::bytes::be16;
use super::dropped::Dropped;
use super::link::{self, Located, Macs};
use crate::record::{Direction, Packet};

/// TCP's protocol number.
pub const PROTOCOL_TCP: u8 = 6;
/// UDP's protocol number.
pub const PROTOCOL_UDP: u8 = 17;

/// Link header of the normalised frame, bytes.
pub const LINK_HEADER_BYTES: usize = 14;

/// Longest packet that an offloading card may leave without a length: twice Linux's largest (BIG TCP).
const OFFLOAD_BYTES_MAX: usize = 1 << 20;

const SYNTHETIC_FIRST: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SYNTHETIC_SECOND: [u8; 6] = [2, 0, 0, 0, 0, 2];

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
    macs: Option<Macs>,
}

/// What the IP header says.
struct Network {
    version: u8,
    protocol: u8,
    ip_length: usize,
    header_bytes: usize,
    transport_at: usize,
}

/// Reads the headers of a frame.
///
/// # Errors
/// The reason why it is no TCP or UDP packet, or why its headers cannot be read.
#[inline]
pub fn view_frame(link_type: u32, captured: &[u8], original_length: u32) -> Result<PacketView<'_>, Dropped> {
    let on_wire = captured.len().max(original_length as usize);
    let Located { ip, link_bytes, macs, .. } = link::locate(link_type, captured, on_wire)?;
    let wire = on_wire - link_bytes.min(on_wire);
    let network = match ip.first().map(|byte| byte >> 4) {
        Some(4) => ipv4(ip, wire)?,
        Some(6) => ipv6(ip, wire)?,
        Some(version) => return Err(Dropped::malformed("ip version", u32::from(version))),
        None => return Err(Dropped::short("ip header", 20, 0, wire)),
    };
    let ip = ip.get(..network.ip_length).unwrap_or(ip);
    let transport_bytes = transport(ip, &network)?;
    let (src_ip, dst_ip) =
        if network.version == 4 { (ip.get(12..16), ip.get(16..20)) } else { (ip.get(8..24), ip.get(24..40)) };
    Ok(PacketView {
        ip,
        version: network.version,
        protocol: network.protocol,
        src_ip: src_ip.unwrap_or_default(),
        dst_ip: dst_ip.unwrap_or_default(),
        src_port: be16(ip, network.transport_at).unwrap_or_default(),
        dst_port: be16(ip, network.transport_at + 2).unwrap_or_default(),
        ip_length: u32::try_from(network.ip_length).unwrap_or(u32::MAX),
        header_bytes: network.header_bytes,
        transport_at: network.transport_at,
        transport_bytes,
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
fn ipv4(ip: &[u8], wire: usize) -> Result<Network, Dropped> {
    let Some(header) = ip.first_chunk::<20>() else {
        return Err(Dropped::short("ipv4 header", 20, ip.len(), wire));
    };
    let header_bytes = usize::from(header[0] & 0x0f) * 4;
    if header_bytes < 20 {
        return Err(Dropped::malformed("ipv4 header length", header_bytes as u32));
    }
    if ip.len() < header_bytes {
        return Err(Dropped::short("ipv4 options", header_bytes, ip.len(), wire));
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let ip_length = if total == 0 { offloaded_length(wire)? } else { total };
    if ip_length < header_bytes {
        return Err(Dropped::malformed("ipv4 total length", total as u32));
    }
    let fragment_offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if fragment_offset != 0 {
        return Err(Dropped::fragment(fragment_offset));
    }
    let protocol = header[9];
    if protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP {
        return Err(Dropped::protocol(protocol));
    }
    Ok(Network { version: 4, protocol, ip_length, header_bytes, transport_at: header_bytes })
}

/// RFC 8200: the fixed header and the extension headers that lead to a transport.
fn ipv6(ip: &[u8], wire: usize) -> Result<Network, Dropped> {
    let Some(header) = ip.first_chunk::<40>() else {
        return Err(Dropped::short("ipv6 header", 40, ip.len(), wire));
    };
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let ip_length = if payload == 0 { offloaded_length(wire)? } else { payload + 40 };
    let mut protocol = header[6];
    let mut at = 40;
    loop {
        match protocol {
            PROTOCOL_TCP | PROTOCOL_UDP => {
                return Ok(Network { version: 6, protocol, ip_length, header_bytes: 40, transport_at: at });
            }
            0 | 43 | 60 | 135 | 139 | 140 => {
                let (Some(&next), Some(&units)) = (ip.get(at), ip.get(at + 1)) else {
                    return Err(Dropped::short("ipv6 extension header", at + 8, ip.len(), wire.min(ip_length)));
                };
                (protocol, at) = (next, at + 8 + usize::from(units) * 8);
            }
            44 => {
                let (Some(&next), Some(place)) = (ip.get(at), be16(ip, at + 2)) else {
                    return Err(Dropped::short("ipv6 fragment header", at + 8, ip.len(), wire.min(ip_length)));
                };
                if place >> 3 != 0 {
                    return Err(Dropped::fragment(place >> 3));
                }
                (protocol, at) = (next, at + 8);
            }
            other => return Err(Dropped::protocol(other)),
        }
    }
}

/// Length of the transport header (RFC 9293, RFC 768), after checking that it is there.
#[inline]
fn transport(ip: &[u8], network: &Network) -> Result<usize, Dropped> {
    let header = ip.get(network.transport_at..).unwrap_or_default();
    let room = network.ip_length.saturating_sub(network.transport_at);
    if network.protocol == PROTOCOL_UDP {
        return if header.len() >= 8 { Ok(8) } else { Err(Dropped::short("udp header", 8, header.len(), room)) };
    }
    let Some(fixed) = header.first_chunk::<20>() else {
        return Err(Dropped::short("tcp header", 20, header.len(), room));
    };
    let length = usize::from(fixed[12] >> 4) * 4;
    if length < 20 {
        return Err(Dropped::malformed("tcp header length", length as u32));
    }
    if header.len() < length {
        return Err(Dropped::short("tcp options", length, header.len(), room));
    }
    Ok(length)
}

impl PacketView<'_> {
    /// End of the headers in `ip`: where the transport payload begins.
    pub fn payload_at(&self) -> usize {
        self.transport_at + self.transport_bytes
    }

    /// Copies the packet: its fields and its bytes as a normalised Ethernet II frame.
    pub fn to_packet(&self, time_us: i64, direction: Direction) -> Packet {
        let byte = |at: usize| self.ip.get(at).copied().unwrap_or_default();
        let fragment = if self.version == 4 { be16(self.ip, 6) } else { None };
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
            tos: if self.version == 4 { byte(1) } else { byte(0) << 4 | byte(1) >> 4 },
            identification: if self.version == 4 { be16(self.ip, 4) } else { None },
            flags: fragment.map(|word| (word >> 13) as u8),
            fragment_offset: fragment.map(|word| word & 0x1fff),
            ttl: if self.version == 4 { byte(8) } else { byte(7) },
            checksum: if self.version == 4 { be16(self.ip, 10) } else { None },
            tcp_flags: (self.protocol == PROTOCOL_TCP).then(|| byte(self.transport_at + 13)),
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
