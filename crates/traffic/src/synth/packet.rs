//! The fields of a packet from the bytes of a generated frame.

use super::layout::{ETHERNET_BYTES, Layout, TCP, u8_at, u16_at};
use syntrace_base::record::{Direction, Packet};

/// Reads the fields of a frame whose headers are where `layout` says.
pub(super) fn packet_of(data: Vec<u8>, layout: &Layout, time_us: i64) -> Packet {
    let ip = ETHERNET_BYTES;
    let v4 = layout.version == 4;
    let slice = |start: usize, length: usize| data.get(start..start + length).unwrap_or_default().to_vec();
    let (src_ip, dst_ip) =
        if v4 { (slice(ip + 12, 4), slice(ip + 16, 4)) } else { (slice(ip + 8, 16), slice(ip + 24, 16)) };
    let fragment = u16_at(&data, ip + 6);
    Packet {
        time_us,
        direction: Direction::Forward,
        ip_version: layout.version,
        src_ip,
        dst_ip,
        protocol: layout.protocol,
        src_port: u16_at(&data, layout.transport),
        dst_port: u16_at(&data, layout.transport + 2),
        ip_length: layout.ip_length(&data) as u32,
        header_length: layout.ip_header as u8,
        tos: if v4 { u8_at(&data, ip + 1) } else { (u16_at(&data, ip) >> 4) as u8 },
        identification: v4.then(|| u16_at(&data, ip + 4)),
        flags: v4.then_some((fragment >> 13) as u8),
        fragment_offset: v4.then_some(fragment & 0x1fff),
        ttl: u8_at(&data, if v4 { ip + 8 } else { ip + 7 }),
        checksum: v4.then(|| u16_at(&data, ip + 10)),
        tcp_flags: (layout.protocol == TCP).then(|| u8_at(&data, layout.transport + 13)),
        payload_length: layout.payload_length(&data) as u32,
        data,
    }
}
