//! Links and names of files.

use super::{pages, read, repository};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Text without fenced blocks, and without code in lines unless `spans`.
fn prose(text: &str, spans: bool) -> String {
    let mut kept = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let parts = line.split('`').enumerate().filter(|(index, _)| spans || index % 2 == 0);
            kept.push_str(&parts.map(|(_, part)| part).collect::<Vec<_>>().join(if spans { "`" } else { "" }));
        }
        kept.push('\n');
    }
    kept
}

/// The anchors of a page's headings, as forges make them: lower case, blanks to hyphens, punctuation dropped, a number
/// where one is there already.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for heading in prose(text, true).lines().filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|name| !found.contains(name)).unwrap();
        found.insert(free);
    }
    found
}

/// Targets of `[text](target)`.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text, false);
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split_whitespace().next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn relative_links_and_anchors_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        let folder = repository(&page).parent().unwrap().to_owned();
        for target in targets(&text).into_iter().filter(|target| !target.contains("://") && !target.contains("mailto:"))
        {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file: PathBuf = if path.is_empty() { repository(&page) } else { folder.join(path) };
            if !file.exists() {
                wrong.push(format!("{page}: `{target}` leads to no file"));
            } else if !anchor.is_empty()
                && !anchors(&std::fs::read_to_string(&file).unwrap_or_default()).contains(anchor)
            {
                wrong.push(format!("{page}: `{target}` leads to no heading"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn anchors_are_made_as_forges_make_them() {
    let found = anchors("# A b\n## `c_d`: e, f-g\n```\n# no heading\n```\n# A b\n");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a-b", "a-b-1", "c_d-e-f-g"]);
    assert_eq!(targets("[a](b.md#c) `[d](e)` [f](g \"title\")"), ["b.md#c", "g"]);
}

#[test]
fn the_book_lists_each_of_its_pages_once() {
    let mut listed = targets(&read("docs/src/SUMMARY.md"));
    listed.sort();
    let here = pages().into_iter().filter_map(|page| page.strip_prefix("docs/src/").map(str::to_owned));
    let here: Vec<String> = here.filter(|page| page != "SUMMARY.md").collect();
    assert_eq!(listed, here);
}

/// Files and folders that a page names in code, from the repository's root.
#[test]
fn files_that_are_named_exist() {
    let folders =
        ["crates/", "src/", "tests/", "tools/", "schema/", "queries/", "studies/", "benches/", "docs/", "fuzz/"];
    let mut wrong = Vec::new();
    for page in pages().into_iter().filter(|page| page != "CHANGELOG.md") {
        let text = prose(&read(&page), true);
        for name in text.split('`').skip(1).step_by(2).filter(|name| folders.iter().any(|f| name.starts_with(f))) {
            // `crates/x/src/a.rs, b` and patterns (`queries/*.sql`) are left to the reader.
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if plain && !Path::exists(&repository(name)) {
                wrong.push(format!("{page}: `{name}` does not exist"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
