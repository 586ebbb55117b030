//! Traces as whole header views with times: what a generator needs that writes packets again.
//!
//! A packet is its time (microseconds since 1970, i64), the length of its view (u16) and the view: the bytes of the
//! tokens of [`super::tokens`] in the layout without link header, IP to the end of TCP's options or 12 bytes behind
//! UDP's header, at most 128. All little endian but the view, which is as on the wire.

use super::Encoded;
use super::tokens::{TokenLayout, header_view};
use crate::capture::{link_type, view_frame};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;

/// Most bytes of a view: IPv4 with options and TCP with options are 120.
pub const VIEW_BYTES: u16 = 128;

/// Bytes in front of each view.
const PREFIX_BYTES: usize = 10;

const LAYOUT: TokenLayout =
    TokenLayout { link_header: false, packet_bytes: VIEW_BYTES, padded: false, published: false };

/// One packet: when, and its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPacket {
    /// Microseconds since 1970.
    pub time_us: i64,
    /// From the first byte of IP.
    ip: Vec<u8>,
    /// Offset of the transport header.
    transport: usize,
}

/// Encodes a trace; rows are its packets.
pub fn encode(trace: &Trace) -> Encoded {
    let mut data = Vec::new();
    for packet in &trace.packets {
        let view = header_view(packet, &LAYOUT);
        data.extend(packet.time_us.to_le_bytes());
        data.extend((view.len() as u16).to_le_bytes());
        data.extend(view);
    }
    Encoded { rows: trace.packets.len() as u32, width: u32::from(VIEW_BYTES), data }
}

/// The packets of an encoded trace; what does not parse as IPv4 or IPv6 with TCP or UDP is left out.
///
/// # Errors
/// `internal` if the bytes are not whole packets.
pub fn decode(encoded: &Encoded) -> Result<Vec<HeaderPacket>> {
    let mut rest = encoded.data.as_slice();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (time, behind) = rest.split_first_chunk::<8>().ok_or_else(|| cut(rest.len()))?;
        let (length, behind) = behind.split_first_chunk::<2>().ok_or_else(|| cut(rest.len()))?;
        let length = usize::from(u16::from_le_bytes(*length));
        let view = behind.get(..length).ok_or_else(|| cut(rest.len()))?;
        packets.extend(HeaderPacket::parse(i64::from_le_bytes(*time), view.to_vec()));
        rest = behind.get(length..).unwrap_or_default();
    }
    Ok(packets)
}

fn cut(left: usize) -> Error {
    Error::internal(format!(
        "expected packet records of {PREFIX_BYTES} bytes and a view, found a truncated packet record ({left} bytes)"
    ))
}

/// Packets as [`decode`] reads them.
pub fn to_bytes(packets: &[HeaderPacket]) -> Vec<u8> {
    let mut data = Vec::new();
    for packet in packets {
        data.extend(packet.time_us.to_le_bytes());
        data.extend((packet.ip.len() as u16).to_le_bytes());
        data.extend_from_slice(&packet.ip);
    }
    data
}

fn framed(ip: &[u8]) -> Vec<u8> {
    let six = ip.first().is_some_and(|byte| byte >> 4 == 6);
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(if six { [0x86, 0xdd] } else { [0x08, 0x00] });
    frame.extend_from_slice(ip);
    frame
}

impl HeaderPacket {
    /// A packet from its header view; `None` where that does not parse.
    pub fn parse(time_us: i64, ip: Vec<u8>) -> Option<Self> {
        let frame = framed(&ip);
        let transport = view_frame(link_type::ETHERNET, &frame, u32::from(u16::MAX)).ok()?.transport_at;
        Some(Self { time_us, ip, transport })
    }

    /// As an Ethernet frame from the first to the second synthetic host of normalised captures.
    pub fn frame(&self) -> Vec<u8> {
        framed(&self.ip)
    }

    /// 4 or 6.
    pub fn version(&self) -> u8 {
        self.byte(0) >> 4
    }

    /// Transport protocol: 6 or 17.
    pub fn protocol(&self) -> u8 {
        match self.version() {
            4 => self.byte(9),
            _ if self.transport == 40 => self.byte(6),
            _ => self.last_next_header(),
        }
    }

    fn last_next_header(&self) -> u8 {
        let (mut next, mut at) = (self.byte(6), 40);
        while at < self.transport {
            let length = if next == 44 { 8 } else { (usize::from(self.byte(at + 1)) + 1) * 8 };
            next = self.byte(at);
            at += length;
        }
        next
    }

    /// TTL or hop limit.
    pub fn ttl(&self) -> u8 {
        self.byte(if self.version() == 4 { 8 } else { 7 })
    }

    /// TOS or traffic class.
    pub fn tos(&self) -> u8 {
        if self.version() == 4 { self.byte(1) } else { (self.word(0) >> 4) as u8 }
    }

    /// IPv4 identification.
    pub fn identification(&self) -> Option<u16> {
        (self.version() == 4).then(|| self.word(4))
    }

    /// IPv4 flags: 3 bits.
    pub fn flags(&self) -> Option<u8> {
        (self.version() == 4).then(|| (self.word(6) >> 13) as u8)
    }

    /// IPv4 total length, IPv6 payload length + 40; 0 where offload left it out.
    pub fn length(&self) -> u16 {
        if self.version() == 4 { self.word(2) } else { self.word(4).saturating_add(40) }
    }

    /// Source and destination address, 4 or 16 bytes.
    pub fn addresses(&self) -> [&[u8]; 2] {
        let (at, bytes) = if self.version() == 4 { (12, 4) } else { (8, 16) };
        [at, at + bytes].map(|at| self.ip.get(at..at + bytes).unwrap_or_default())
    }

    /// Source and destination port.
    pub fn ports(&self) -> [u16; 2] {
        [self.word(self.transport), self.word(self.transport + 2)]
    }

    /// Bytes of IP and transport headers: no packet of this shape is shorter.
    pub fn header_bytes(&self) -> u16 {
        let transport = if self.protocol() == 6 { u16::from(self.byte(self.transport + 12) >> 4) * 4 } else { 8 };
        self.transport as u16 + transport
    }

    /// Sets TTL or hop limit.
    pub fn set_ttl(&mut self, ttl: u8) {
        let at = if self.version() == 4 { 8 } else { 7 };
        self.set(at, &[ttl]);
    }

    /// Sets TOS or traffic class.
    pub fn set_tos(&mut self, tos: u8) {
        match self.version() {
            4 => self.set(1, &[tos]),
            _ => {
                let word = self.word(0) & 0xf00f | u16::from(tos) << 4;
                self.set(0, &word.to_be_bytes());
            }
        }
    }

    /// Sets identification and flags of an IPv4 packet, which is then no fragment; IPv6 has neither.
    pub fn set_identification(&mut self, identification: u16, flags: u8) {
        if self.version() == 4 {
            self.set(4, &identification.to_be_bytes());
            self.set(6, &(u16::from(flags & 7) << 13).to_be_bytes());
        }
    }

    /// Sets the length that IP states, at least that of the headers.
    pub fn set_length(&mut self, length: u16) {
        let length = length.max(self.header_bytes());
        match self.version() {
            4 => self.set(2, &length.to_be_bytes()),
            _ => self.set(4, &length.saturating_sub(40).to_be_bytes()),
        }
    }

    /// Sets both addresses; those of another width leave the packet as it is.
    pub fn set_addresses(&mut self, [source, destination]: [&[u8]; 2]) {
        let (at, bytes) = if self.version() == 4 { (12, 4) } else { (8, 16) };
        if source.len() == bytes && destination.len() == bytes {
            self.set(at, source);
            self.set(at + bytes, destination);
        }
    }

    /// Sets both ports.
    pub fn set_ports(&mut self, [source, destination]: [u16; 2]) {
        self.set(self.transport, &source.to_be_bytes());
        self.set(self.transport + 2, &destination.to_be_bytes());
    }

    /// Adds to the sequence number and, where it is meant, to the acknowledged one; other protocols have neither.
    pub fn shift_sequence(&mut self, sent: u32, acknowledged: u32) {
        const ACK: u8 = 0x10;
        if self.protocol() != 6 {
            return;
        }
        let at = self.transport + 4;
        let shifted = self.long(at).wrapping_add(sent);
        self.set(at, &shifted.to_be_bytes());
        if self.byte(self.transport + 13) & ACK != 0 {
            let shifted = self.long(at + 4).wrapping_add(acknowledged);
            self.set(at + 4, &shifted.to_be_bytes());
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.ip.get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.byte(at), self.byte(at + 1)])
    }

    fn long(&self, at: usize) -> u32 {
        u32::from(self.word(at)) << 16 | u32::from(self.word(at + 2))
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.ip.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}
