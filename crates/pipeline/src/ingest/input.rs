//! Sources of captures: files and standard input.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syntrace_base::base::{Digest, Progress};
use syntrace_base::error::{Result, io_error, require_file};
use syntrace_traffic::capture::Unpacked;

const READ_BUFFER_BYTES: usize = 1 << 20;

/// A capture that can be read as often as needed.
#[derive(Debug, Clone)]
pub struct CaptureInput {
    path: PathBuf,
    name: String,
    /// Standard input, spooled to an unlinked temporary file.
    held: Option<Arc<File>>,
}

impl CaptureInput {
    /// A file.
    pub fn file(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path: path.to_owned(), name, held: None }
    }

    /// A stream, read to its end, under this name. A capture is read several times (to hash, cut and store it), so the
    /// stream is spooled to an unlinked temporary file in this folder.
    ///
    /// # Errors
    /// `user` where the stream fails or the disk is full.
    pub fn stream(mut stream: impl Read, name: &str, folder: &Path) -> Result<Self> {
        Self::held(name, folder, |file| {
            std::io::copy(&mut stream, file)
                .map(drop)
                .map_err(|error| io_error("hold what comes on standard input in", folder, &error))
        })
    }

    /// Writes to an unlinked temporary file in a folder.
    pub(crate) fn held(name: &str, folder: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = folder.join(format!(".syntrace-stream-{}", std::process::id()));
        let failed = |error: std::io::Error| io_error("hold a capture in", &path, &error);
        let opened = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let mut file = opened.map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        fill(&mut file)?;
        Ok(Self { path: PathBuf::from("-"), name: name.to_owned(), held: Some(Arc::new(file)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// File name without its folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Size as it is, packed or not; 0 where that cannot be told.
    pub(crate) fn bytes(&self) -> u64 {
        let metadata = match &self.held {
            Some(file) => file.metadata(),
            None => std::fs::metadata(&self.path),
        };
        metadata.map_or(0, |file| file.len())
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        if let Some(file) = &self.held {
            return Ok(Box::new(FromStart { file: Arc::clone(file), at: 0 }));
        }
        require_file(&self.path)?;
        let file = File::open(&self.path).map_err(|error| io_error("open the capture", &self.path, &error))?;
        Ok(Box::new(file))
    }

    /// The capture's bytes, unpacked where they are packed.
    pub(crate) fn unpacked(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Unpacked::new(BufReader::with_capacity(READ_BUFFER_BYTES, self.open()?))?))
    }

    /// Its raw bytes; reading reports progress for half of them: a capture is read twice, to hash it and to cut it.
    pub(crate) fn counted<'a>(&self, progress: &'a dyn Progress, pass: CapturePass) -> Result<impl Read + use<'a>> {
        // Counted below the buffer: once per block, not once per packet.
        let counted = Counted { inner: self.open()?, progress, seen: pass as u64, told: 0 };
        Ok(BufReader::with_capacity(READ_BUFFER_BYTES, counted))
    }
}

/// BLAKE3 of a capture, after decompression: its identity.
pub(crate) fn capture_digest(path: &Path) -> Result<Digest> {
    digest_of(CaptureInput::file(path).unpacked()?, path)
}

/// BLAKE3 of a file, read in pieces.
pub(crate) fn file_digest(path: &Path) -> Result<Digest> {
    digest_of(CaptureInput::file(path).open()?, path)
}

pub(crate) fn digest_of(file: impl Read, path: &Path) -> Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut BufReader::with_capacity(READ_BUFFER_BYTES, file), &mut hasher)
        .map_err(|error| io_error("read", path, &error))?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Which of the two passes over a capture reports which half of the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CapturePass {
    First = 0,
    /// Includes the odd byte.
    Second = 1,
}

/// A reader that reports half of its bytes as progress.
struct Counted<'a, R> {
    inner: R,
    progress: &'a dyn Progress,
    seen: u64,
    told: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.seen += count as u64;
        self.progress.advance(self.seen / 2 - self.told, "");
        self.told = self.seen / 2;
        Ok(count)
    }
}

/// Reads a file from its start with its own offset, so that concurrent readers do not interfere.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file.as_ref(), buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
