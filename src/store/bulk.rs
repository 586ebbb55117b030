//! Bulk bytes as chunks that just fit redb's page runs.
//!
//! redb rounds a value up to a power-of-two run of 4 KiB pages, header and key included. So full
//! chunks are 64 KiB or 1 MiB less 64 bytes, and the tail is cut into descending powers of two, each
//! less 64 bytes; what is left below 4 KiB shares a page with its neighbours
//! where it can (cutting it smaller was tried and made the demo's file 2 % larger).

use super::engine::storage_error;
use crate::error::{Error, Result};
use redb::ReadableTable;

/// Room for redb's page header, the offsets and the key (28 bytes with this key).
const SLACK: usize = 64;
const PAGE: usize = 4096;
const SMALL_CHUNK: usize = 64 * 1024 - SLACK;
const LARGE_CHUNK: usize = 1024 * 1024 - SLACK;
/// Bodies are written from memory; one that claims more than this is damage.
const BODY_BYTES_MAX: u64 = 64 << 30;
/// Reserved before the bytes are seen.
const RESERVE_BYTES_MAX: usize = 64 << 20;
/// From this length on, full chunks are of 1 MiB.
const LARGE_FROM: usize = 16 * 1024 * 1024;

/// Lengths of the chunks of `total` bytes, in order.
pub(super) fn chunk_lengths(total: usize) -> Vec<usize> {
    let full = if total >= LARGE_FROM { LARGE_CHUNK } else { SMALL_CHUNK };
    let mut lengths = vec![full; total / full];
    let mut left = total % full;
    let mut run = full + SLACK;
    while left > 0 {
        while run > PAGE && run - SLACK > left {
            run /= 2;
        }
        let length = if run > PAGE || left >= PAGE - SLACK { run - SLACK } else { left };
        lengths.push(length);
        left -= length;
    }
    lengths
}

/// Writes the chunks of one owner; existing equal chunks are left alone.
pub(super) fn write(
    chunks: &mut redb::Table<'_, (&'static [u8; 16], u32), &'static [u8]>,
    owner: &[u8; 16],
    bytes: &[u8],
) -> Result<()> {
    let mut offset = 0;
    for (number, length) in chunk_lengths(bytes.len()).into_iter().enumerate() {
        chunks
            .insert((owner, number as u32), &bytes[offset..offset + length])
            .map_err(|error| storage_error("write", error.into()))?;
        offset += length;
    }
    Ok(())
}

/// Removes all chunks of one owner.
pub(super) fn remove(
    chunks: &mut redb::Table<'_, (&'static [u8; 16], u32), &'static [u8]>,
    owner: &[u8; 16],
) -> Result<()> {
    chunks
        .retain_in((owner, 0)..=(owner, u32::MAX), |_, _| false)
        .map_err(|error| storage_error("remove chunks", error.into()))
}

/// Reads `range` of the `total` stored bytes of one owner, touching only the chunks that hold it.
pub(super) fn read(
    chunks: &impl ReadableTable<(&'static [u8; 16], u32), &'static [u8]>,
    owner: &[u8; 16],
    total: u64,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>> {
    let damaged = |what: String| Error::internal(what).hint("`syntrace verify STUDY` lists everything that is damaged");
    // A record of a stranger's file may claim any length: nothing is allocated by its word.
    if total > BODY_BYTES_MAX {
        return Err(damaged(format!("a body claims {total} bytes, at most {BODY_BYTES_MAX} are possible")));
    }
    let (total, start, end) = (total as usize, range.start as usize, range.end as usize);
    if start > end || end > total {
        return Err(damaged(format!("bytes {start}..{end} of a body of {total} bytes")));
    }
    let mut out = Vec::new();
    let mut offset = 0usize;
    for (number, length) in chunk_lengths(total).into_iter().enumerate() {
        let chunk = offset..offset + length;
        offset = chunk.end;
        if chunk.end <= start {
            continue;
        }
        if chunk.start >= end {
            break;
        }
        let key = (owner, number as u32);
        let found = chunks.get(key).map_err(|error| storage_error("read", error.into()))?;
        let Some(found) = found else {
            return Err(damaged(format!("chunk {number} of {} is missing", hex(owner))));
        };
        let value = found.value();
        if value.len() != length {
            return Err(damaged(format!(
                "chunk {number} of {} has {} bytes, expected {length}",
                hex(owner),
                value.len()
            )));
        }
        if out.is_empty() {
            out.reserve_exact((end - start).min(RESERVE_BYTES_MAX));
        }
        out.extend_from_slice(&value[start.max(chunk.start) - chunk.start..end.min(chunk.end) - chunk.start]);
    }
    Ok(out)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_all_bytes_and_waste_little() {
        // Against redb's rule: a value costs the next power-of-two run of pages.
        for total in [0usize, 1, 100, 4031, 4032, 4033, 5000, 65_471, 65_472, 65_473, 70_000, 200_000, 20_000_000] {
            let lengths = chunk_lengths(total);
            assert_eq!(lengths.iter().sum::<usize>(), total, "{total}");
            let cost: usize = lengths
                .iter()
                .map(|length| if length + SLACK <= PAGE { *length } else { (length + SLACK).next_power_of_two() })
                .sum();
            assert!(cost <= total + total / 16 + PAGE, "{total} bytes cost {cost}");
        }
    }
}
