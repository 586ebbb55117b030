//! Writes PCAPNG files (draft-ietf-opsawg-pcapng): one section, one interface, a comment a packet.

use std::io::Write;

use super::decode::LINK_HEADER_BYTES;
use super::link::link_type as link;
use super::record::RECORD_BYTES_MAX;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Packet;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const OPTION_COMMENT: u16 = 1;
/// An option's length is 16 bits.
const COMMENT_BYTES_MAX: usize = 60_000;

/// Writes packets of traces as Ethernet frames, each with a comment, times in microseconds. Returns the
/// number of packets. Captured and original lengths are those of [`super::write_pcap`].
///
/// # Errors
/// `user` for a time before 1970, or a failing writer.
pub fn write_pcapng<'a, W: Write>(mut out: W, packets: impl IntoIterator<Item = (&'a Packet, &'a str)>) -> Result<u64> {
    let mut section = BYTE_ORDER_MAGIC.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend(u64::MAX.to_le_bytes());
    block(&mut out, SECTION_HEADER, &section)?;
    let mut interface = (link::ETHERNET as u16).to_le_bytes().to_vec();
    interface.extend([0, 0]);
    interface.extend((RECORD_BYTES_MAX as u32).to_le_bytes());
    block(&mut out, INTERFACE_DESCRIPTION, &interface)?;
    let mut written = 0;
    for (packet, comment) in packets {
        block(&mut out, ENHANCED_PACKET, &enhanced_packet(packet, comment)?)?;
        written += 1;
    }
    out.flush().map_err(|error| write_error(&error))?;
    Ok(written)
}

fn enhanced_packet(packet: &Packet, comment: &str) -> Result<Vec<u8>> {
    let time = u64::try_from(packet.time_us).map_err(|_| {
        Error::user(format!("cannot write a packet at `{}` us: expected a time after 1970", packet.time_us))
    })?;
    let captured = packet.data.get(..RECORD_BYTES_MAX).unwrap_or(&packet.data);
    let original = packet.data.len().max(LINK_HEADER_BYTES + packet.ip_length as usize);
    let mut body = 0u32.to_le_bytes().to_vec();
    for word in [(time >> 32) as u32, time as u32, captured.len() as u32, u32::try_from(original).unwrap_or(u32::MAX)] {
        body.extend(word.to_le_bytes());
    }
    padded(&mut body, captured);
    let mut end = comment.len().min(COMMENT_BYTES_MAX);
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    let comment = comment.get(..end).unwrap_or_default();
    if !comment.is_empty() {
        body.extend(OPTION_COMMENT.to_le_bytes());
        body.extend((comment.len() as u16).to_le_bytes());
        padded(&mut body, comment.as_bytes());
        body.extend([0; 4]);
    }
    Ok(body)
}

/// Appends bytes and fills to four.
fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A block: type, length, body (a multiple of four bytes), length again.
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> Result<()> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    for part in [&kind.to_le_bytes()[..], &length, body, &length] {
        out.write_all(part).map_err(|error| write_error(&error))?;
    }
    Ok(())
}

fn write_error(error: &std::io::Error) -> Error {
    Error::user(format!("cannot write the capture: {error}")).hint("check the free space and the permissions")
}
