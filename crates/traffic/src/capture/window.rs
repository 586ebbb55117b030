//! A stream seen through a window of bounded size, hashed as it is read.

use std::io::Read;

use super::decompress::Unpacked;
use syntrace_base::base::{Digest, StreamDigest};
use syntrace_base::error::{Error, Result};

/// Bytes that one read asks for; the window is this plus one block at most.
const READ_BYTES: usize = 256 * 1024;

/// The window over a stream. Its size is [`READ_BYTES`] plus the largest `fill` asked for, so callers
/// bound it by checking lengths first.
pub(super) struct Source<R: Read> {
    reader: Unpacked<R>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    consumed: u64,
    digest: StreamDigest,
    exhausted: bool,
}

impl<R: Read> Source<R> {
    /// Over a stream, or over what is packed in it.
    pub(super) fn new(reader: R) -> Result<Self> {
        Ok(Self {
            reader: Unpacked::new(reader)?,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            consumed: 0,
            digest: StreamDigest::default(),
            exhausted: false,
        })
    }

    /// Why a compressed stream is truncated or damaged, if it is.
    pub(super) fn damage(&self) -> Option<&str> {
        self.reader.damage()
    }

    /// Offset in the stream of the window's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }

    /// Bytes in the window.
    pub(super) fn available(&self) -> usize {
        self.end - self.start
    }

    /// Reads until the window holds `length` bytes; false when the stream ends before.
    #[inline]
    pub(super) fn fill(&mut self, length: usize) -> Result<bool> {
        if self.available() >= length {
            return Ok(true);
        }
        self.refill(length)
    }

    #[cold]
    fn refill(&mut self, length: usize) -> Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < length + READ_BYTES / 2 {
            self.buffer.resize(length + READ_BYTES, 0);
        }
        while self.end < length && !self.exhausted {
            self.read_once()?;
        }
        Ok(self.end >= length)
    }

    fn read_once(&mut self) -> Result<()> {
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.reader.read(room) {
            Ok(0) => self.exhausted = true,
            Ok(count) => {
                let fresh = room.get(..count).unwrap_or_default();
                self.digest.update(fresh);
                self.end += fresh.len();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let offset = self.consumed + self.available() as u64;
                return Err(Error::user(format!("cannot read the capture at byte {offset}: {error}")));
            }
        }
        Ok(())
    }

    /// The first `length` bytes of the window (fewer if it holds fewer).
    #[inline]
    pub(super) fn peek(&self, length: usize) -> &[u8] {
        let end = self.end.min(self.start.saturating_add(length));
        self.buffer.get(self.start..end).unwrap_or_default()
    }

    /// All bytes that the window holds.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.peek(usize::MAX)
    }

    /// Moves the window forward by `length` bytes that `fill` has provided.
    #[inline]
    pub(super) fn consume(&mut self, length: usize) {
        let length = length.min(self.available());
        self.start += length;
        self.consumed += length as u64;
    }

    /// Moves forward by any length without holding it; false when the stream ends before.
    pub(super) fn skip(&mut self, mut length: u64) -> Result<bool> {
        while length > 0 {
            if !self.fill(1)? {
                return Ok(false);
            }
            let step = self.available().min(usize::try_from(length).unwrap_or(usize::MAX));
            self.consume(step);
            length -= step as u64;
        }
        Ok(true)
    }

    /// Reads what is left and returns the digest and the size of the whole stream.
    pub(super) fn finish(mut self) -> Result<(Digest, u64)> {
        self.skip(u64::MAX)?;
        Ok((self.digest.finish(), self.consumed))
    }
}
