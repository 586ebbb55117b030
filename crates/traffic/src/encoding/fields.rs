//! The 15 header fields of the paper (section 3.4.1) as integers, one row a packet.
//!
//! A field is a little-endian i64; [`FIELD_NULL`] where the packet has none (IPv6 lacks identification,
//! flags, offset and checksum). An IPv4 address is its 32-bit number, so it is lossless; an IPv6 address
//! is a negative number, -1 minus 62 bits of its BLAKE3 digest: equal addresses stay equal, the address
//! itself is in the packets table.

use super::Encoded;
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Packet, Trace};

/// Fields of a packet.
pub const FIELD_COUNT: usize = 15;

/// Marks a field that the packet does not have.
pub const FIELD_NULL: i64 = i64::MIN;

/// Names of the fields in their order; the columns of `packets` have the same names.
pub const FIELD_NAMES: [&str; FIELD_COUNT] = [
    "src_ip",
    "dst_ip",
    "src_port",
    "dst_port",
    "protocol",
    "time_us",
    "ip_length",
    "ip_version",
    "header_length",
    "tos",
    "identification",
    "flags",
    "fragment_offset",
    "ttl",
    "checksum",
];

/// An address as a number: IPv4 exactly (0 to 2^32 - 1), IPv6 as a negative digest.
pub fn address_number(address: &[u8]) -> i64 {
    match <[u8; 4]>::try_from(address) {
        Ok(four) => i64::from(u32::from_be_bytes(four)),
        Err(_) => -1 - (Digest::of(address).id63() >> 1),
    }
}

/// The fields of one packet in the order of [`FIELD_NAMES`].
pub fn packet_fields(packet: &Packet) -> [i64; FIELD_COUNT] {
    let nullable = |value: Option<u16>| value.map_or(FIELD_NULL, i64::from);
    [
        address_number(&packet.src_ip),
        address_number(&packet.dst_ip),
        i64::from(packet.src_port),
        i64::from(packet.dst_port),
        i64::from(packet.protocol),
        packet.time_us,
        i64::from(packet.ip_length),
        i64::from(packet.ip_version),
        i64::from(packet.header_length),
        i64::from(packet.tos),
        nullable(packet.identification),
        nullable(packet.flags.map(u16::from)),
        nullable(packet.fragment_offset),
        i64::from(packet.ttl),
        nullable(packet.checksum),
    ]
}

/// Encodes a trace; rows are its packets.
pub fn encode(trace: &Trace) -> Encoded {
    let mut data = Vec::with_capacity(trace.packets.len() * FIELD_COUNT * 8);
    for packet in &trace.packets {
        for field in packet_fields(packet) {
            data.extend_from_slice(&field.to_le_bytes());
        }
    }
    Encoded { rows: trace.packets.len() as u32, width: FIELD_COUNT as u32, data }
}

/// The rows of an encoded trace, `None` for a field that the packet lacks.
///
/// # Errors
/// `internal` if the bytes are not rows of 15 fields.
pub fn decode(encoded: &Encoded) -> Result<Vec<[Option<i64>; FIELD_COUNT]>> {
    let expected = encoded.rows as usize * FIELD_COUNT * 8;
    if encoded.data.len() != expected || encoded.width as usize != FIELD_COUNT {
        return Err(Error::internal(format!(
            "expected {expected} bytes of fields and width {FIELD_COUNT}, found {} bytes and width {}",
            encoded.data.len(),
            encoded.width
        )));
    }
    let (words, _) = encoded.data.as_chunks::<8>();
    let values: Vec<Option<i64>> = words
        .iter()
        .map(|word| i64::from_le_bytes(*word))
        .map(|field| (field != FIELD_NULL).then_some(field))
        .collect();
    Ok(values.as_chunks::<FIELD_COUNT>().0.to_vec())
}
