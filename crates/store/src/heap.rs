//! The heap: all bulk bytes of a study in one sequence of equal chunks, and the offset of each content in it.
//!
//! redb rounds a value up to a power-of-two run of 4 KiB pages and never shares such a run: measured on
//! a study of 29 MB in 450 small segments, bodies that were chunked separately lost 6 % in
//! half-filled pages. So contents are appended to one stream without gaps, whatever they belong to,
//! and the stream is cut into chunks that just fit 16 pages; only the last one is not full.
//!
//! Contents are keyed by their digest and deduplicated (the trace ids of a split that twenty models share, a base
//! model). Nothing is removed from the heap; `compact` rewrites it in the order of the records.

use super::engine::storage_error;
use super::tables::{CHUNKS, PLACES, PlaceKey};
use redb::{ReadableTable, Table, WriteTransaction};
use syntrace_base::error::{Error, Result};

/// Bytes of a full chunk: 16 pages less room for redb's page header, the offsets and the key.
pub(super) const CHUNK_BYTES: usize = 64 * 1024 - 64;

/// Appends contents in one write transaction.
pub(super) struct HeapWriter<'t> {
    chunks: Table<'t, u64, &'static [u8]>,
    places: Table<'t, PlaceKey, (u64, u64)>,
    /// Number of the current chunk.
    number: u64,
    /// Its bytes.
    tail: Vec<u8>,
    /// Does it hold bytes that are not written yet?
    dirty: bool,
}

impl<'t> HeapWriter<'t> {
    /// Starts appending at the end of the heap.
    pub fn open(transaction: &'t WriteTransaction) -> Result<Self> {
        let failed = |error: redb::TableError| storage_error("open a table of", error.into());
        let chunks = transaction.open_table(CHUNKS).map_err(failed)?;
        let places = transaction.open_table(PLACES).map_err(failed)?;
        let last = chunks.last().map_err(|error| storage_error("read", error.into()))?;
        let (number, tail) = last.map_or((0, Vec::new()), |(key, value)| (key.value(), value.value().to_vec()));
        if tail.len() > CHUNK_BYTES {
            return Err(damaged(format!("chunk {number} has {} bytes", tail.len())));
        }
        Ok(Self { chunks, places, number, tail, dirty: false })
    }

    /// Appends a content unless it is already stored. An empty content gets an entry but no bytes.
    pub fn put(&mut self, key: &[u8; 16], bytes: &[u8]) -> Result<()> {
        let known = self.places.get(key).map_err(|error| storage_error("read", error.into()))?;
        if let Some(length) = known.map(|place| place.value().1) {
            return if length == bytes.len() as u64 {
                Ok(())
            } else {
                Err(damaged(format!("the study has {length} bytes under the digest of {} others", bytes.len())))
            };
        }
        let start = self.number * CHUNK_BYTES as u64 + self.tail.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.tail.len() == CHUNK_BYTES {
                self.flush()?;
                self.number += 1;
                self.tail.clear();
            }
            let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - self.tail.len()));
            self.tail.extend_from_slice(now);
            self.dirty = true;
            rest = later;
        }
        self.places.insert(key, (start, bytes.len() as u64)).map_err(|error| storage_error("write", error.into()))?;
        Ok(())
    }

    /// Writes the last chunk; without it the transaction must not be committed.
    pub fn finish(mut self) -> Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if self.dirty {
            self.chunks
                .insert(self.number, self.tail.as_slice())
                .map_err(|error| storage_error("write", error.into()))?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// Extent of a content in the heap: start and length in bytes.
pub(super) type Place = (u64, u64);

/// Bytes of the whole heap.
pub(super) fn end(chunks: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64> {
    let last = chunks.last().map_err(|error| storage_error("read", error.into()))?;
    let Some((number, bytes)) = last else { return Ok(0) };
    let full = number.value().checked_mul(CHUNK_BYTES as u64);
    full.and_then(|full| full.checked_add(bytes.value().len() as u64))
        .ok_or_else(|| damaged(format!("the last chunk has number {}", number.value())))
}

/// Reads the bytes of an extent, touching only the chunks that hold it. `end` is the end of the heap: an untrusted
/// record may claim any length, so nothing is allocated beyond it.
pub(super) fn read(chunks: &impl ReadableTable<u64, &'static [u8]>, place: Place, end: u64) -> Result<Vec<u8>> {
    let (start, length) = place;
    let stop = start.checked_add(length).filter(|stop| *stop <= end).ok_or_else(|| {
        damaged(format!("a content claims bytes {start} and {length} more, the study holds {end} of them"))
    })?;
    let mut out = Vec::with_capacity(length as usize);
    let mut at = start;
    while at < stop {
        let (number, offset) = (at / CHUNK_BYTES as u64, (at % CHUNK_BYTES as u64) as usize);
        let wanted = (stop - at).min((CHUNK_BYTES - offset) as u64) as usize;
        let chunk = chunks.get(number).map_err(|error| storage_error("read", error.into()))?;
        let chunk = chunk.ok_or_else(|| damaged(format!("chunk {number} is missing")))?;
        let bytes = chunk.value();
        let part = bytes.get(offset..offset + wanted).ok_or_else(|| {
            damaged(format!("chunk {number} has {} bytes, expected {} or more", bytes.len(), offset + wanted))
        })?;
        out.extend_from_slice(part);
        at += wanted as u64;
    }
    Ok(out)
}

pub(super) fn damaged(what: String) -> Error {
    Error::damaged(what)
}

/// A key as text.
pub(super) fn hex(key: &[u8; 16]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
