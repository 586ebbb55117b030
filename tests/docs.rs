//! What is written for people agrees with the code: links, names of files, keys of specs, the SQL reference, examples.
//! `SYNTRACE_BLESS=1` rewrites what is generated.

mod examples;
mod keys;
mod links;
mod programs;
mod reference;

use std::path::PathBuf;

/// Longest README: one page that says where to go on.
const README_LINES_MAX: usize = 150;

/// What stands above the generated part of a page.
pub const MARKER: &str = "<!-- Generated from here on: SYNTRACE_BLESS=1 rewrites it. -->\n";

pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All pages that people read, from the repository's root.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = ["", "docs/src", "schema", "queries", "fuzz"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(repository(folder)).unwrap().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    assert!(pages.contains(&"README.md".to_owned()) && pages.len() > 20, "{pages:?}");
    pages
}

/// Compares the part of a page below its marker with what the code says, or writes it.
fn check_generated(path: &str, generated: &str) {
    let text = read(path);
    let (head, found) = text.split_once(MARKER).unwrap_or_else(|| panic!("{path}: no line `{}`", MARKER.trim_end()));
    if std::env::var_os("SYNTRACE_BLESS").is_some() {
        return std::fs::write(repository(path), format!("{head}{MARKER}{generated}")).unwrap();
    }
    assert!(found == generated, "{path} differs from the code; run the tests with SYNTRACE_BLESS=1 to rewrite it");
}

/// Fenced blocks of a page: language, first line's number, text.
fn blocks(text: &str) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.trim().to_owned(), number + 2, String::new())),
            (None, Some((_, _, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed:\n{text}");
    blocks
}

#[test]
fn the_readme_is_one_page() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines; move what is not its first page to docs/src/");
}
