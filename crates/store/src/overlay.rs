//! A copy-on-write storage backend: writes stay in memory, so that checks can open a study for writing without
//! modifying its file.
//!
//! redb verifies its pages only in a database that is open for writing, and writes a few pages when it opens and closes
//! one. `verify` must not modify the file, which may be evidence or be compared with a digest.

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Error as IoError, Result as IoResult};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

const BLOCK_BYTES: usize = 4096;

/// Reads of a file with what was written to it on top; locks are the file's.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    length: u64,
    /// Length of the file's prefix that is still valid: shorter after a truncation.
    of_file: u64,
    blocks: HashMap<u64, Box<[u8; BLOCK_BYTES]>>,
}

impl Overlay {
    /// Over a file that is open for reading and writing, which its locks need.
    pub fn new(file: File) -> Result<Self, redb::DatabaseError> {
        let file = FileBackend::new(file)?;
        let length = file.len().map_err(|error| redb::DatabaseError::Storage(error.into()))?;
        Ok(Self { file, state: Mutex::new(State { length, of_file: length, blocks: HashMap::new() }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file's bytes at an offset; zeros beyond its end.
    fn read_file(&self, of_file: u64, offset: u64, out: &mut [u8]) -> IoResult<()> {
        let there = usize::try_from(of_file.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (held, behind) = out.split_at_mut(there);
        behind.fill(0);
        if held.is_empty() { Ok(()) } else { self.file.read(offset, held) }
    }
}

/// Splits a range at block boundaries: block number, offset within the range, offset within the block, length.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let inside = (at % BLOCK_BYTES as u64) as usize;
        let count = (BLOCK_BYTES - inside).min(length - done);
        let part = (count > 0).then_some((at / BLOCK_BYTES as u64, done, inside, count));
        done += count;
        part
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> Result<u64, IoError> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let (length, of_file) = {
            let state = self.state();
            (state.length, state.of_file)
        };
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > length) {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        // Without the lock: several threads read at once. What is written meanwhile is on top in any case.
        self.read_file(of_file, offset, out)?;
        let state = self.state();
        for (block, at, inside, count) in parts(offset, out.len()) {
            let written = state.blocks.get(&block).and_then(|bytes| bytes.get(inside..inside + count));
            if let (Some(written), Some(out)) = (written, out.get_mut(at..at + count)) {
                out.copy_from_slice(written);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), IoError> {
        let mut state = self.state();
        state.length = length;
        state.of_file = state.of_file.min(length);
        state.blocks.retain(|block, bytes| {
            let start = block * BLOCK_BYTES as u64;
            let kept = usize::try_from(length.saturating_sub(start)).unwrap_or(usize::MAX).min(BLOCK_BYTES);
            if let Some(behind) = bytes.get_mut(kept..) {
                behind.fill(0);
            }
            kept > 0
        });
        Ok(())
    }

    fn sync_data(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), IoError> {
        let mut state = self.state();
        for (block, at, inside, count) in parts(offset, data.len()) {
            if !state.blocks.contains_key(&block) {
                let mut bytes = Box::new([0; BLOCK_BYTES]);
                self.read_file(state.of_file, block * BLOCK_BYTES as u64, bytes.as_mut_slice())?;
                state.blocks.insert(block, bytes);
            }
            let held = state.blocks.get_mut(&block).and_then(|bytes| bytes.get_mut(inside..inside + count));
            if let (Some(held), Some(data)) = (held, data.get(at..at + count)) {
                held.copy_from_slice(data);
            }
        }
        state.length = state.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> Result<(), IoError> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a vector: writes across blocks and behind the end, an end moved back and forth.
    #[test]
    fn an_overlay_reads_as_if_the_file_had_been_written_and_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let before: Vec<u8> = (0..10_000u32).map(|value| value as u8).collect();
        std::fs::write(&path, &before).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let overlay = Overlay::new(file).unwrap();
        let mut wanted = before.clone();
        let same = |wanted: &[u8]| {
            let mut found = vec![1; wanted.len()];
            overlay.read(0, &mut found).unwrap();
            assert_eq!(overlay.len().unwrap(), wanted.len() as u64);
            assert!(found == wanted);
            assert!(overlay.read(1, &mut found).is_err(), "nothing is read behind the end");
        };
        same(&wanted);
        for (offset, length) in [(4_000, 200), (0, 1), (9_990, 4_000), (20_000, 5_000)] {
            overlay.write(offset, &vec![7; length]).unwrap();
            wanted.resize(wanted.len().max(offset as usize + length), 0);
            wanted[offset as usize..][..length].fill(7);
            same(&wanted);
        }
        for length in [4_100, 12_000, 0, 9_000] {
            overlay.set_len(length).unwrap();
            wanted.resize(length as usize, 0);
            same(&wanted);
        }
        assert!(std::fs::read(&path).unwrap() == before);
    }
}
