//! Captures and frames made by hand.

use syntrace::capture::{CaptureSummary, CutOptions, read_frames};
use syntrace::error::Error;
use syntrace::record::TraceUnit;

/// Flow options for tests.
pub fn options(trace_packets: u32, min_packets: u32) -> CutOptions {
    CutOptions {
        dataset: "test".to_owned(),
        class: "class".to_owned(),
        unit: TraceUnit::Flow,
        trace_packets,
        min_packets,
    }
}

/// Writes integers in one byte order.
#[derive(Clone, Copy)]
pub struct Order {
    pub big: bool,
}

pub const LITTLE: Order = Order { big: false };
pub const BIG: Order = Order { big: true };

impl Order {
    pub fn u16(self, value: u16) -> Vec<u8> {
        if self.big { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    pub fn u32(self, value: u32) -> Vec<u8> {
        if self.big { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    pub fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }
}

/// Header of a classic file.
pub fn pcap_header(order: Order, magic: u32, link_type: u32) -> Vec<u8> {
    [order.u32(magic), order.u16(2), order.u16(4), order.u32s(&[0, 0, 65535, link_type])].concat()
}

/// One classic record; `fraction` in the unit of the file.
pub fn pcap_record(order: Order, seconds: u32, fraction: u32, frame: &[u8]) -> Vec<u8> {
    let length = frame.len() as u32;
    [order.u32s(&[seconds, fraction, length, length]), frame.to_vec()].concat()
}

/// A classic little-endian file of frames one millisecond apart.
pub fn pcap(link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let records = frames.iter().zip(0..).flat_map(|(frame, index)| pcap_record(LITTLE, 100, index * 1000, frame));
    pcap_header(LITTLE, 0xa1b2_c3d4, link_type).into_iter().chain(records).collect()
}

/// One PCAPNG block around a body, which is padded to 4 bytes.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0u8; body.len().next_multiple_of(4) - body.len()];
    let length = (12 + body.len() + padding.len()) as u32;
    [order.u32(kind), order.u32(length), body.to_vec(), padding, order.u32(length)].concat()
}

pub fn section(order: Order) -> Vec<u8> {
    section_of_version(order, 1)
}

pub fn section_of_version(order: Order, major: u16) -> Vec<u8> {
    block(order, 0x0a0d_0d0a, &[order.u32(0x1a2b_3c4d), order.u16(major), order.u16(0), vec![0xff; 8]].concat())
}

pub fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0u8; value.len().next_multiple_of(4) - value.len()];
    [order.u16(code), order.u16(value.len() as u16), value.to_vec(), padding].concat()
}

pub fn interface(order: Order, link_type: u16, snap_length: u32, options: &[u8]) -> Vec<u8> {
    block(order, 1, &[order.u16(link_type), order.u16(0), order.u32(snap_length), options.to_vec()].concat())
}

pub fn enhanced(order: Order, interface: u32, ticks: u64, frame: &[u8], options: &[u8]) -> Vec<u8> {
    let length = frame.len() as u32;
    let head = order.u32s(&[interface, (ticks >> 32) as u32, ticks as u32, length, length]);
    let padding = vec![0u8; frame.len().next_multiple_of(4) - frame.len()];
    block(order, 6, &[head, frame.to_vec(), padding, options.to_vec()].concat())
}

/// An IPv4 packet with a correct total length around a transport segment.
pub fn ipv4(protocol: u8, source: [u8; 4], destination: [u8; 4], segment: &[u8]) -> Vec<u8> {
    let total = (20 + segment.len() as u16).to_be_bytes();
    let head = [0x45, 0x10, total[0], total[1], 0x12, 0x34, 0x40, 0, 63, protocol, 0xab, 0xcd];
    [&head[..], &source, &destination, segment].concat()
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let address = |last: u8| [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
    [vec![0x6a, 0xb0, 0, 1, length[0], length[1], next_header, 61], address(1), address(2), payload.to_vec()].concat()
}

/// A TCP segment with flags and payload.
pub fn tcp(source: u16, destination: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0x10, 0, 0, 0, 0, 0], payload].concat()
}

/// A UDP datagram.
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let words = [source, destination, 8 + payload.len() as u16, 0];
    [words.iter().flat_map(|word| word.to_be_bytes()).collect(), payload.to_vec()].concat()
}

/// The packet that most tests use: a SYN from 10.0.0.1:1000 to 10.0.0.2:80.
pub fn syn() -> Vec<u8> {
    ipv4(6, [10, 0, 0, 1], [10, 0, 0, 2], &tcp(1000, 80, 2, &[]))
}

pub const SOURCE_MAC: [u8; 6] = [0x0a, 1, 2, 3, 4, 5];
pub const DESTINATION_MAC: [u8; 6] = [0x0a, 9, 8, 7, 6, 5];

/// An Ethernet frame.
pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&DESTINATION_MAC[..], &SOURCE_MAC, &ethertype.to_be_bytes(), payload].concat()
}

/// A frame as read, without its borrow.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub offset: u64,
    pub time_us: i64,
    pub link_type: u32,
    pub captured: Vec<u8>,
    pub original_length: u32,
}

/// All frames of a capture.
pub fn read_all(bytes: &[u8]) -> Result<(Vec<Read>, CaptureSummary), Error> {
    read_from(bytes)
}

/// All frames of any reader.
pub fn read_from(reader: impl std::io::Read) -> Result<(Vec<Read>, CaptureSummary), Error> {
    let mut frames = Vec::new();
    let summary = read_frames(reader, |frame| {
        assert_eq!(frame.index, frames.len() as u64);
        frames.push(Read {
            offset: frame.offset,
            time_us: frame.time_us,
            link_type: frame.link_type,
            captured: frame.captured.to_vec(),
            original_length: frame.original_length,
        });
        Ok(())
    })?;
    assert_eq!(summary.packets, frames.len() as u64);
    Ok((frames, summary))
}
