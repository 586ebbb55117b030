//! Finds the captures in folders, and lists the files that are skipped.
//!
//! A file is one by its name (`day.pcap`, rotated as in `day.pcap1`, `day.pcap.1` and `day.pcap-20260101`, packed as in
//! `day.pcap.gz`, or both), or, whatever its name, by its first bytes. One that is a capture by its name alone is
//! included too: the reader then reports what is wrong with it. Everything else is reported as skipped.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use syntrace_base::error::{Error, Result, io_error};
use syntrace_traffic::capture::FrameReader;

/// File name extensions of captures, before the suffixes of rotation and compression.
const CAPTURE_ENDINGS: [&str; 6] = ["pcap", "pcapng", "cap", "dmp", "ntar", "pcap-ng"];

/// Extensions of compressed files; formats that are not supported are rejected by the reader.
const PACKED_ENDINGS: [&str; 10] = ["gz", "gzip", "zst", "zstd", "xz", "bz2", "lz4", "lzma", "zip", "7z"];

/// A file or folder that contains no capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it is.
    pub path: PathBuf,
    /// Why it was skipped.
    pub reason: String,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "passed over `{}`: {}", self.path.display(), self.reason)
    }
}

/// Captures of a folder, sorted by path, and what was skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Captures.
    pub files: Vec<PathBuf>,
    /// Everything else.
    pub passed_over: Vec<PassedOver>,
}

/// A class and its captures.
pub type ClassFiles = (String, Vec<PathBuf>);

/// Captures of a folder as (class, files), by sub-folder.
///
/// # Errors
/// `user` for a folder that cannot be read, or that has no captures in sub-folders.
pub fn captures_by_folder(folder: &Path) -> Result<(Vec<ClassFiles>, Vec<PassedOver>)> {
    let mut classes = Vec::new();
    let mut passed_over = Vec::new();
    let mut pass = |path: &Path, reason: &str| {
        passed_over.push(PassedOver { path: path.to_owned(), reason: reason.to_owned() });
    };
    let mut others = Vec::new();
    for entry in sorted_entries(folder)? {
        if !entry.is_dir() {
            pass(&entry, "it is in no sub-folder, so of no class");
            continue;
        }
        let class = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let found = captures_in(&entry)?;
        if found.files.is_empty() {
            pass(&entry, "no capture is in it");
        } else {
            classes.push((class, found.files));
        }
        others.extend(found.passed_over);
    }
    passed_over.extend(others);
    if classes.is_empty() {
        return Err(Error::user(format!("expected sub-folders with captures in `{}`, found none", folder.display()))
            .hint(format!("a sub-folder is a class; captures end in {}, packed by gzip, zstd or xz or not; with `--class NAME` all captures of a folder are of one class", CAPTURE_ENDINGS.join(", "))));
    }
    Ok((classes, passed_over))
}

/// Captures of a folder and all folders in it.
///
/// # Errors
/// `user` for a folder that cannot be read.
pub fn captures_in(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    collect(folder, &mut found, &mut HashSet::new())?;
    Ok(found)
}

/// A symbolic link may point to an enclosing folder: each folder is visited once.
fn collect(folder: &Path, found: &mut Found, seen: &mut HashSet<PathBuf>) -> Result<()> {
    let itself = std::fs::canonicalize(folder).map_err(|error| io_error("read the folder", folder, &error))?;
    if !seen.insert(itself) {
        let reason = "the folder that it leads to was looked through already".to_owned();
        found.passed_over.push(PassedOver { path: folder.to_owned(), reason });
        return Ok(());
    }
    for path in sorted_entries(folder)? {
        if path.is_dir() {
            collect(&path, found, seen)?;
            continue;
        }
        match no_capture(&path) {
            None => found.files.push(path),
            Some(reason) => found.passed_over.push(PassedOver { path, reason }),
        }
    }
    Ok(())
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| io_error("read the folder", folder, &error))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(|error| io_error("read the folder", folder, &error)))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Why a file is no capture; `None` for one by its name or by its first bytes.
fn no_capture(path: &Path) -> Option<String> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match std::fs::metadata(path) {
        Err(error) => return Some(format!("it cannot be opened ({error})")),
        Ok(metadata) if !metadata.is_file() => return Some("it is a device or a pipe".to_owned()),
        Ok(_) if is_name_of_capture(&name) => return None,
        Ok(_) => {}
    }
    match File::open(path).map(FrameReader::new) {
        Err(error) => Some(format!("it cannot be opened ({error})")),
        Ok(Ok(_)) => None,
        Ok(Err(_)) => Some("neither its name nor its first bytes are those of a capture".to_owned()),
    }
}

/// Is this lower-case name that of a capture, rotated or packed or not?
fn is_name_of_capture(name: &str) -> bool {
    let is_number = |text: &str| text.chars().all(|character| character.is_ascii_digit() || "-_".contains(character));
    let is_ending = |part: &str| CAPTURE_ENDINGS.iter().any(|ending| part.strip_prefix(ending).is_some_and(is_number));
    let mut parts = name.split('.').rev();
    let ending = parts.find(|part| !is_number(part) && !PACKED_ENDINGS.contains(part));
    // The part before the first dot is no extension.
    ending.is_some_and(is_ending) && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_told_by_their_names_rotated_and_packed_or_not() {
        let of_captures = [
            "day.pcap",
            "day.pcap1",
            "day.pcap00",
            "day.pcap.1",
            "day.pcap.gz",
            "day.pcap.gz.2",
            "day.pcap.2.gz",
            "day.pcap1.zst",
            "day.pcap-20260101.xz",
            "day.1.pcapng",
            "a.b.cap",
            "x.dmp",
            "x.pcap-ng",
            "x.pcap.bz2",
            "x.pcapng_00001_20260101120000",
            "2026.11.29.pcap.03",
        ];
        for name in of_captures {
            assert!(is_name_of_capture(name), "{name}");
        }
        for name in ["pcap", "day.pcap.txt", "notes.md", "cap.tar.gz", "x.pcapx", "x.gz", "1", "day.pcap.sha256", ""] {
            assert!(!is_name_of_capture(name), "{name}");
        }
    }
}
