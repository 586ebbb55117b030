//! Generated header fields to packets.

use super::decode::{DecodedTrace, direction};
use super::layout::{ETHERNET_BYTES, TCP, UDP, UDP_BYTES, locate};
use super::mend::{header_checksum, set_transport_checksum};
use super::packet::packet_of;
use crate::encoding::FieldRow;
use syntrace_base::record::{DropReason, Packet};

/// Bytes of an IPv4 header without options, and of a TCP header without options.
const HEADER_BYTES: u8 = 20;
const TCP_ACK: u8 = 0x10;
const DF: u16 = 2;

/// What of a packet the 15 fields do not say is a constant: MAC addresses, TCP sequence and
/// acknowledgement numbers 0, flags ACK, window 65,535; no payload is written, so that the captured
/// length ends behind the transport header. IPv4 only: an address is its 32-bit number.
///
/// A row becomes a packet if its addresses, ports and protocol (6 or 17) are there; the other fields
/// default to version 4, 20 bytes of header, TTL 64, the least possible length and the checksum that
/// fits. A field out of its range counts as malformed: nothing is cut to fit.
pub fn decode_fields(rows: &[FieldRow]) -> DecodedTrace {
    let mut trace = DecodedTrace::default();
    for row in rows {
        match packet(row, trace.packets.first()) {
            Ok(packet) => trace.packets.push(packet),
            Err(reason) => trace.rejections.push(reason),
        }
    }
    trace
}

/// The fields as numbers of their width.
struct Header {
    src_ip: u32,
    dst_ip: u32,
    src_port: u16,
    dst_port: u16,
    protocol: u8,
    time_us: i64,
    length: Option<u16>,
    header_bytes: u8,
    tos: u8,
    identification: u16,
    fragment: u16,
    ttl: u8,
    checksum: Option<u16>,
}

/// A field of its type; `None` where it is absent.
fn field<T: TryFrom<i64>>(value: Option<i64>) -> Result<Option<T>, DropReason> {
    value.map(|value| T::try_from(value).map_err(|_| DropReason::Malformed)).transpose()
}

fn header(row: &FieldRow) -> Result<Header, DropReason> {
    let [src_ip, dst_ip, src_port, dst_port, protocol, time_us, length, version, header_bytes, ..] = *row;
    let [.., tos, identification, flags, offset, ttl, checksum] = *row;
    let needed = DropReason::Malformed;
    if !matches!(version, None | Some(4)) {
        return Err(DropReason::NotIp);
    }
    let (flags, offset) = (field::<u16>(flags)?.unwrap_or(DF), field::<u16>(offset)?.unwrap_or(0));
    if flags > 7 || offset > 0x1fff {
        return Err(DropReason::Malformed);
    }
    Ok(Header {
        src_ip: field(src_ip)?.ok_or(needed)?,
        dst_ip: field(dst_ip)?.ok_or(needed)?,
        src_port: field(src_port)?.ok_or(needed)?,
        dst_port: field(dst_port)?.ok_or(needed)?,
        protocol: field(protocol)?.ok_or(needed)?,
        time_us: time_us.ok_or(needed)?,
        length: field(length)?,
        header_bytes: field(header_bytes)?.unwrap_or(HEADER_BYTES),
        tos: field(tos)?.unwrap_or(0),
        identification: field(identification)?.unwrap_or(0),
        fragment: flags << 13 | offset,
        ttl: field(ttl)?.unwrap_or(64),
        checksum: field(checksum)?,
    })
}

fn packet(row: &FieldRow, first: Option<&Packet>) -> Result<Packet, DropReason> {
    let header = header(row)?;
    if !(20..=60).contains(&header.header_bytes) || header.header_bytes % 4 != 0 {
        return Err(DropReason::Malformed);
    }
    let mut frame = frame(&header)?;
    let layout = locate(&frame)?;
    set_transport_checksum(&mut frame, &layout);
    let mut packet = packet_of(frame.clone(), &layout, header.time_us);
    packet.direction = direction(first, &packet);
    // The sender's MAC address says the direction, as in normalised captures.
    let (sender, receiver) = match packet.direction {
        syntrace_base::record::Direction::Forward => (1, 2),
        syntrace_base::record::Direction::Backward => (2, 1),
    };
    for (place, last) in [(5, receiver), (11, sender)] {
        if let Some(byte) = frame.get_mut(place) {
            *byte = last;
        }
    }
    packet.data = frame;
    Ok(packet)
}

fn frame(header: &Header) -> Result<Vec<u8>, DropReason> {
    let transport_bytes = match header.protocol {
        TCP => HEADER_BYTES,
        UDP => UDP_BYTES as u8,
        _ => return Err(DropReason::OtherTransport),
    };
    let least = u16::from(header.header_bytes) + u16::from(transport_bytes);
    let length = header.length.unwrap_or(least);
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x40 | (header.header_bytes / 4), header.tos]);
    for word in [length, header.identification, header.fragment] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend([header.ttl, header.protocol, 0, 0]);
    frame.extend(header.src_ip.to_be_bytes());
    frame.extend(header.dst_ip.to_be_bytes());
    // Options of a longer header: "end of options", which is padding.
    frame.resize(ETHERNET_BYTES + usize::from(header.header_bytes), 0);
    let checksum = header.checksum.unwrap_or_else(|| header_checksum(frame.get(ETHERNET_BYTES..).unwrap_or_default()));
    if let Some(place) = frame.get_mut(ETHERNET_BYTES + 10..ETHERNET_BYTES + 12) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
    frame.extend(header.src_port.to_be_bytes());
    frame.extend(header.dst_port.to_be_bytes());
    if header.protocol == TCP {
        frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, TCP_ACK, 0xff, 0xff, 0, 0, 0, 0]);
    } else {
        let udp_length = length.saturating_sub(header.header_bytes.into()).max(UDP_BYTES as u16);
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]);
    }
    Ok(frame)
}
