//! Atomic output files: written completely or not at all, and never over an existing file unless requested.

use super::stdout::QuietPipe;
use crate::error::{Error, Result, io_error};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Size of the write buffer.
const BUFFER_BYTES: usize = 1 << 20;

/// Behaviour if the file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is replaced once the new content is complete.
    Replace,
    /// It is refused.
    Keep,
}

impl Existing {
    /// What `--force` means.
    pub fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

/// A file that is written under a temporary name in the same folder and renamed when it is complete: a full disk or an
/// interruption leaves an existing file intact. Pipes and devices are written directly.
pub(super) struct Beside {
    path: PathBuf,
    /// Temporary path of the content until it is complete; `None` if it is written directly.
    beside: Option<PathBuf>,
    file: BufWriter<File>,
    finished: bool,
}

impl Beside {
    /// Begins a file.
    ///
    /// # Errors
    /// Where a file of that name is to be kept, or none can be made.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        let failed = |error| io_error("write", path, &error);
        let found = std::fs::metadata(path).ok();
        if found.as_ref().is_some_and(|found| !found.is_file() && !found.is_dir()) {
            let file = File::options().write(true).open(path).map_err(failed)?;
            return Ok(Self::new(path, None, file));
        }
        if found.as_ref().is_some_and(std::fs::Metadata::is_file) && existing == Existing::Keep {
            return Err(Error::user(format!("`{}` exists", path.display()))
                .hint("--force replaces it, once the new file is complete"));
        }
        // A link stays, and what it points to is replaced.
        let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = place.file_name().ok_or_else(|| Error::user(format!("`{}` names no file", path.display())))?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.part", std::process::id()));
        let beside = place.with_file_name(beside);
        let file = File::create(&beside).map_err(failed)?;
        if let Some(found) = found {
            // The new file keeps the permissions of the old one; if they cannot be set, those of a new file.
            let _ = file.set_permissions(found.permissions());
        }
        Ok(Self::new(&place, Some(beside), file))
    }

    fn new(path: &Path, beside: Option<PathBuf>, file: File) -> Self {
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Self { path: path.to_owned(), beside, file, finished: false }
    }

    /// Renames the complete content to its final path.
    ///
    /// # Errors
    /// Where the last bytes do not fit the disk or the file cannot be moved; what was there is whole then.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|error| io_error("write", &self.path, &error))?;
        if let Some(beside) = &self.beside {
            std::fs::rename(beside, &self.path).map_err(|error| io_error("write", &self.path, &error))?;
        }
        self.finished = true;
        Ok(())
    }

    /// Writes a file at once.
    ///
    /// # Errors
    /// As [`Beside::create`] and [`Beside::finish`].
    pub fn write_whole(path: &Path, existing: Existing, bytes: &[u8]) -> Result<()> {
        let mut out = Self::create(path, existing)?;
        out.write_all(bytes).map_err(|error| io_error("write", path, &error))?;
        out.finish()
    }
}

/// Where an export goes.
pub(super) enum Sink {
    Stdout(BufWriter<QuietPipe<std::io::Stdout>>),
    File(Beside),
}

impl Sink {
    /// A file, or standard output where none is named or its name is `-`.
    ///
    /// # Errors
    /// As [`Beside::create`].
    pub fn open(path: Option<&Path>, existing: Existing) -> Result<Self> {
        Ok(match path.filter(|path| *path != Path::new("-")) {
            Some(path) => Self::File(Beside::create(path, existing)?),
            None => Self::Stdout(BufWriter::new(QuietPipe(std::io::stdout()))),
        })
    }

    /// Ends the output; a file is at its place from now on.
    ///
    /// # Errors
    /// As [`Beside::finish`].
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(|error| io_error("write", Path::new("stdout"), &error)),
            Self::File(file) => file.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(beside) = self.beside.as_ref().filter(|_| !self.finished) {
            let _ = std::fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        let text = || std::fs::read_to_string(&path).expect("there");
        Beside::write_whole(&path, Existing::Keep, b"old").expect("written");
        let error = Beside::create(&path, Existing::Keep).err().expect("refused");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("--force")), "{error}");
        let mut broken_off = Beside::create(&path, Existing::Replace).expect("begun");
        broken_off.write_all(b"half").expect("written");
        assert_eq!(text(), "old", "nothing changes before it is complete");
        drop(broken_off);
        assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 1, "nothing is left beside it");
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        Beside::write_whole(&link, Existing::Replace, b"new").expect("written");
        assert_eq!(text(), "new");
        assert!(link.is_symlink(), "a link stays a link");
        Beside::write_whole(Path::new("/dev/null"), Existing::Keep, b"gone").expect("a device is written straight");
    }
}
