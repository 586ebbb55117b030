//! Writes classic PCAP files: little-endian, microseconds, version 2.4.

use std::io::Write;

use super::decode::LINK_HEADER_BYTES;
use super::link::link_type as link;
use super::record::RECORD_BYTES_MAX;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Packet;

const MAGIC: u32 = 0xa1b2_c3d4;

/// Writes packets of traces, their captured bytes as captured length and the IP length (and the link
/// header) as original length. Returns the number of packets.
///
/// `link_type` is Ethernet (1), or raw IP (101, 228, 229), which leaves the link header out.
///
/// # Errors
/// `user` for another link type, a time that PCAP cannot hold (before 1970, after 2106), or a failing
/// writer.
pub fn write_pcap<'a, W: Write>(
    mut out: W,
    link_type: u32,
    packets: impl IntoIterator<Item = &'a Packet>,
) -> Result<u64> {
    let skipped = match link_type {
        link::ETHERNET => 0,
        link::RAW | link::IPV4 | link::IPV6 => LINK_HEADER_BYTES,
        other => {
            return Err(Error::user(format!(
                "cannot write packets with link type `{other}`: expected 1 (Ethernet), 101, 228 or 229 (raw IP)"
            )));
        }
    };
    file_header(&mut out, link_type)?;
    let mut count = 0;
    for packet in packets {
        let bytes = packet.data.get(skipped..).unwrap_or_default();
        let link_bytes = LINK_HEADER_BYTES - skipped;
        let original = bytes.len().max(link_bytes + packet.ip_length as usize);
        record(&mut out, packet.time_us, bytes, original)?;
        count += 1;
    }
    flush(out)?;
    Ok(count)
}

/// Writes whole frames as (microseconds since 1970, bytes). Returns their number.
///
/// # Errors
/// As [`write_pcap`].
pub fn write_frames<W: Write, B: AsRef<[u8]>>(
    mut out: W,
    link_type: u32,
    frames: impl IntoIterator<Item = (i64, B)>,
) -> Result<u64> {
    file_header(&mut out, link_type)?;
    let mut count = 0;
    for (time_us, bytes) in frames {
        let bytes = bytes.as_ref();
        record(&mut out, time_us, bytes, bytes.len())?;
        count += 1;
    }
    flush(out)?;
    Ok(count)
}

fn file_header(out: &mut impl Write, link_type: u32) -> Result<()> {
    let snap_length = RECORD_BYTES_MAX as u32;
    let words = [MAGIC, 4 << 16 | 2, 0, 0, snap_length, link_type];
    let bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    out.write_all(&bytes).map_err(|error| write_error(&error))
}

fn record(out: &mut impl Write, time_us: i64, bytes: &[u8], original: usize) -> Result<()> {
    let seconds = u32::try_from(time_us.div_euclid(1_000_000)).map_err(|_| {
        Error::user(format!("cannot write a packet at `{time_us}` us: expected a time between 1970 and 2106"))
    })?;
    let fraction = time_us.rem_euclid(1_000_000) as u32;
    let captured = bytes.get(..RECORD_BYTES_MAX).unwrap_or(bytes);
    let original = u32::try_from(original).unwrap_or(u32::MAX);
    let mut header = [0u8; 16];
    for (place, word) in header.chunks_exact_mut(4).zip([seconds, fraction, captured.len() as u32, original]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    out.write_all(&header).and_then(|()| out.write_all(captured)).map_err(|error| write_error(&error))
}

fn flush(mut out: impl Write) -> Result<()> {
    out.flush().map_err(|error| write_error(&error))
}

fn write_error(error: &std::io::Error) -> Error {
    Error::user(format!("cannot write the capture: {error}")).hint("check the free space and the permissions")
}
