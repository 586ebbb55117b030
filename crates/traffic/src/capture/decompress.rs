//! Packed captures (gzip, zstd, xz) as the capture that is in them.
//!
//! A capture is what was packed: the same packets in `day.pcap` and `day.pcap.gz` are one capture, with one
//! digest and one set of traces. What is packed is told by its first bytes, never by its name.
//!
//! Memory is bounded: windows of at most [`WINDOW_BYTES_MAX`] (`zstd --ultra -22` and `xz -9` need no more),
//! and a piece of 64 KiB. So is the work: a capture may unpack to 1 GiB, and beyond that to
//! [`RATIO_MAX`] times what was read; real ones pack 2 to 100 times.
//!
//! What is unpacked does not depend on how much a caller asks for at once: pieces are always filled, also
//! before the place where a stream breaks off. So the digest of a damaged stream is the same each time.

use std::io::{BufReader, Chain, Cursor, Read};

use syntrace_base::error::{Error, Result};

/// Largest window of a packed stream, bytes.
const WINDOW_BYTES_MAX: u64 = 1 << WINDOW_LOG_MAX;
const WINDOW_LOG_MAX: u32 = 27;

/// Bytes that any packed capture may unpack to.
const UNPACKED_BYTES_FREE: u64 = 1 << 30;

/// Times its size that a larger one may unpack to.
const RATIO_MAX: u64 = 1000;

const PIECE_BYTES: usize = 64 * 1024;

/// Magic bytes are at most this many.
const MAGIC_BYTES: usize = 6;

/// A reader whose I/O errors can be distinguished from those of the decompressor above it.
struct Counted<R> {
    inner: R,
    bytes: u64,
    failed: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.failed |= error.kind() != std::io::ErrorKind::Interrupted;
                Err(error)
            }
        }
    }
}

/// A stream with its first bytes put back.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;
type Packed<R> = Counted<Whole<R>>;

enum Form<R: Read> {
    Plain(Whole<R>),
    Gzip(flate2::read::MultiGzDecoder<Packed<R>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Packed<R>>>),
    Xz(Box<lzma_rust2::XzReader<Packed<R>>>),
}

/// A capture's bytes, unpacked where they were packed.
pub struct Unpacked<R: Read> {
    form: Form<R>,
    piece: Vec<u8>,
    start: usize,
    unpacked: u64,
    /// No more will come.
    ended: bool,
    damage: Option<String>,
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first bytes of a stream.
    ///
    /// # Errors
    /// `user` where the reader fails.
    pub fn new(mut reader: R) -> Result<Self> {
        let mut first = Vec::with_capacity(MAGIC_BYTES);
        let read = Read::by_ref(&mut reader).take(MAGIC_BYTES as u64).read_to_end(&mut first);
        read.map_err(|error| Error::user(format!("cannot read the capture at byte {}: {error}", first.len())))?;
        let kind = Kind::of(&first);
        let whole = Cursor::new(first).chain(reader);
        let counted = |inner| Counted { inner, bytes: 0, failed: false };
        let form = match kind {
            None => Form::Plain(whole),
            Some(Kind::Gzip) => Form::Gzip(flate2::read::MultiGzDecoder::new(counted(whole))),
            Some(Kind::Zstd) => {
                let opened = zstd::stream::read::Decoder::new(counted(whole)).and_then(|mut decoder| {
                    decoder.window_log_max(WINDOW_LOG_MAX)?;
                    Ok(decoder)
                });
                Form::Zstd(opened.map_err(|error| Error::internal(format!("cannot unpack zstd: {error}")))?)
            }
            Some(Kind::Xz) => {
                let kib = (WINDOW_BYTES_MAX / 1024) as u32;
                Form::Xz(Box::new(lzma_rust2::XzReader::new_mem_limit(counted(whole), true, kib)))
            }
        };
        Ok(Self { form, piece: Vec::new(), start: 0, unpacked: 0, ended: false, damage: None })
    }

    /// Why the compressed stream is truncated or damaged, if it is: only the data before that point is available.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// How the stream is packed and what was read of it; `None` for a plain one.
    fn packed(&self) -> Option<(Kind, &Packed<R>)> {
        match &self.form {
            Form::Plain(_) => None,
            Form::Gzip(decoder) => Some((Kind::Gzip, decoder.get_ref())),
            Form::Zstd(decoder) => Some((Kind::Zstd, decoder.get_ref().get_ref())),
            Form::Xz(decoder) => Some((Kind::Xz, decoder.inner())),
        }
    }

    /// Fills the piece, or as much of it as there is.
    fn refill(&mut self) -> std::io::Result<()> {
        self.piece.resize(PIECE_BYTES, 0);
        (self.start, self.ended) = (0, false);
        let mut end = 0;
        while end < PIECE_BYTES && !self.ended {
            let room = self.piece.get_mut(end..).unwrap_or_default();
            let read = match &mut self.form {
                Form::Plain(whole) => whole.read(room),
                Form::Gzip(decoder) => decoder.read(room),
                Form::Zstd(decoder) => decoder.read(room),
                Form::Xz(decoder) => decoder.read(room),
            };
            match read {
                Ok(0) => self.ended = true,
                Ok(count) => end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => self.broken(&error)?,
            }
        }
        self.piece.truncate(end);
        self.unpacked += end as u64;
        self.check_size()
    }

    /// A truncated stream counts as damage; a failed read, and a window above the limit, are errors.
    fn broken(&mut self, error: &std::io::Error) -> std::io::Result<()> {
        let Some((kind, packed)) = self.packed() else { return Err(copy_of(error)) };
        if packed.failed {
            return Err(copy_of(error));
        }
        let text = error.to_string();
        if kind.window_too_large(error, &text) {
            return Err(std::io::Error::other(format!(
                "expected a {} window of at most {} MiB, found a larger one ({text}): unpack the capture first",
                kind.name(),
                WINDOW_BYTES_MAX >> 20
            )));
        }
        self.damage = Some(format!("the {} stream is truncated or damaged: {text}", kind.name()));
        self.ended = true;
        Ok(())
    }

    fn check_size(&self) -> std::io::Result<()> {
        let Some((kind, packed)) = self.packed() else { return Ok(()) };
        if self.unpacked <= UNPACKED_BYTES_FREE.max(packed.bytes.saturating_mul(RATIO_MAX)) {
            return Ok(());
        }
        Err(std::io::Error::other(format!(
            "expected a capture that unpacks to at most 1 GiB or {RATIO_MAX} times its size, found {} bytes from {} \
             of {}: unpack it first if it is one",
            self.unpacked,
            packed.bytes,
            kind.name()
        )))
    }
}

fn copy_of(error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), error.to_string())
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Plain captures are read straight through: most are.
        if let Form::Plain(whole) = &mut self.form {
            return whole.read(buffer);
        }
        if self.start == self.piece.len() {
            if self.ended {
                return Ok(0);
            }
            self.refill()?;
        }
        let rest = self.piece.get(self.start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.start += count;
        Ok(count)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    Zstd,
    Xz,
}

impl Kind {
    fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            // A frame, or one of the skippable frames that pzstd puts in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(Self::Xz),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }

    fn window_too_large(self, error: &std::io::Error, text: &str) -> bool {
        match self {
            Self::Gzip => false,
            Self::Zstd => text.contains("too much memory"),
            Self::Xz => error.kind() == std::io::ErrorKind::OutOfMemory || text.contains("mem_limit"),
        }
    }
}
