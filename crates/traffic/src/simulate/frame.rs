//! Complete Ethernet II frames: IPv4 (RFC 791) or IPv6 (RFC 8200) with TCP (RFC 9293) or UDP (RFC 768),
//! checksums included.

use std::net::IpAddr;
pub(super) use syntrace_base::base::wire::{TCP, UDP};
use syntrace_base::base::wire::{internet_checksum, ones_sum};

/// Shortest Ethernet frame without its check sequence; a receiving card sees the padding.
const MIN_FRAME_BYTES: usize = 60;

/// Network layer fields of one packet.
pub(super) struct Network {
    pub(super) src_mac: [u8; 6],
    pub(super) dst_mac: [u8; 6],
    pub(super) src_ip: IpAddr,
    pub(super) dst_ip: IpAddr,
    pub(super) hop_limit: u8,
    pub(super) tos: u8,
    pub(super) identification: u16,
    pub(super) dont_fragment: bool,
    pub(super) flow_label: u32,
    /// Received frames are padded to the Ethernet minimum, sent ones are captured before that.
    pub(super) padded: bool,
}

/// Header fields of one TCP segment.
#[derive(Default)]
pub(super) struct TcpHeader {
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) sequence: u32,
    pub(super) acknowledgment: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// A multiple of 4 bytes, at most 40.
    pub(super) options: Vec<u8>,
}

/// Builds the frame of a TCP segment.
pub(super) fn tcp_frame(network: &Network, header: &TcpHeader, payload: &[u8]) -> Vec<u8> {
    let header_bytes = 20 + header.options.len();
    let mut segment = Vec::with_capacity(header_bytes + payload.len());
    segment.extend(header.src_port.to_be_bytes());
    segment.extend(header.dst_port.to_be_bytes());
    segment.extend(header.sequence.to_be_bytes());
    segment.extend(header.acknowledgment.to_be_bytes());
    segment.push(((header_bytes / 4) as u8) << 4);
    segment.push(header.flags);
    segment.extend(header.window.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(&header.options);
    segment.extend(payload);
    let checksum = transport_checksum(network, TCP, &segment);
    put_u16(&mut segment, 16, checksum);
    frame(network, TCP, &segment)
}

/// Builds the frame of a UDP datagram.
pub(super) fn udp_frame(network: &Network, src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend(src_port.to_be_bytes());
    datagram.extend(dst_port.to_be_bytes());
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0; 2]);
    datagram.extend(payload);
    let checksum = transport_checksum(network, UDP, &datagram);
    put_u16(&mut datagram, 6, if checksum == 0 { 0xffff } else { checksum });
    frame(network, UDP, &datagram)
}

fn frame(network: &Network, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(54 + transport.len());
    frame.extend(network.dst_mac);
    frame.extend(network.src_mac);
    match (network.src_ip, network.dst_ip) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            frame.extend([0x08, 0x00]);
            frame.extend(ipv4_header(network, protocol, transport.len(), src.octets(), dst.octets()));
        }
        (src, dst) => {
            frame.extend([0x86, 0xdd]);
            let first = 0x6000_0000 | u32::from(network.tos) << 20 | (network.flow_label & 0xf_ffff);
            frame.extend(first.to_be_bytes());
            frame.extend((transport.len() as u16).to_be_bytes());
            frame.extend([protocol, network.hop_limit]);
            frame.extend(octets(src));
            frame.extend(octets(dst));
        }
    }
    frame.extend(transport);
    if network.padded && frame.len() < MIN_FRAME_BYTES {
        frame.resize(MIN_FRAME_BYTES, 0);
    }
    frame
}

fn ipv4_header(network: &Network, protocol: u8, transport_bytes: usize, src: [u8; 4], dst: [u8; 4]) -> Vec<u8> {
    let mut header = vec![0x45, network.tos];
    header.extend(((20 + transport_bytes) as u16).to_be_bytes());
    header.extend(network.identification.to_be_bytes());
    header.extend([if network.dont_fragment { 0x40 } else { 0 }, 0, network.hop_limit, protocol, 0, 0]);
    header.extend(src);
    header.extend(dst);
    let checksum = internet_checksum(ones_sum(&header));
    put_u16(&mut header, 10, checksum);
    header
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Internet checksum (RFC 1071) over the pseudo header and the transport bytes.
fn transport_checksum(network: &Network, protocol: u8, transport: &[u8]) -> u16 {
    let pseudo = ones_sum(&octets(network.src_ip)) + ones_sum(&octets(network.dst_ip));
    internet_checksum(pseudo + u64::from(protocol) + transport.len() as u64 + ones_sum(transport))
}

fn put_u16(bytes: &mut [u8], offset: usize, value: u16) {
    if let Some(place) = bytes.get_mut(offset..offset + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}
