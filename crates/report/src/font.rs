//! Font files of the system, for PNGs.
//!
//! fontdb finds them too, but it resolves paths with libc's `realpath`, which in this process allocates
//! what mimalloc cannot free (see `nothing_lets_libc_allocate_what_we_would_free`): the process would end.

use std::path::{Path, PathBuf};

/// Where Linux and macOS keep fonts; `~` is the user's folder.
const FOLDERS: [&str; 7] = [
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
];

/// File names of fonts that figures look well in, each with its bold face.
const PREFERRED: [[&str; 2]; 5] = [
    ["SourceSans3-Regular", "SourceSans3-Semibold"],
    ["DejaVuSans", "DejaVuSans-Bold"],
    ["LiberationSans-Regular", "LiberationSans-Bold"],
    ["NotoSans-Regular", "NotoSans-Bold"],
    ["Arial", "Arial Bold"],
];

/// Folders are followed this deep.
const DEPTH: usize = 6;

/// The files of the preferred font that is there, else of any.
pub(super) fn files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let mut found = Vec::new();
    for folder in FOLDERS {
        match (folder.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => collect(&home.join(rest), DEPTH, &mut found),
            (Some(_), None) => {}
            (None, _) => collect(Path::new(folder), DEPTH, &mut found),
        }
    }
    found.sort();
    let named = |name: &str| found.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)).cloned();
    for [regular, bold] in PREFERRED {
        if let Some(regular) = named(regular) {
            return std::iter::once(regular).chain(named(bold)).collect();
        }
    }
    found.truncate(1);
    found
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, found);
            }
            continue;
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        if extension.is_some_and(|extension| ["ttf", "otf", "ttc"].contains(&extension.as_str())) {
            found.push(path);
        }
    }
}
