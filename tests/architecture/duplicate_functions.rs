//! Functions that are written twice: equal bodies of four lines or more, wherever they are.

use super::{leading_name, sources};
use std::collections::BTreeMap;

/// Bodies that stand in several functions: a match over a closed enum that gives each its own trait object, and a map of
/// results that stops at the first failure.
const KNOWN: [&[&str]; 3] =
    [&["attack", "deref"], &["deref", "deref_mut", "generator"], &["map_ordered", "try_map_ordered"]];

/// Shorter ones say the same by chance.
const LINES_MIN: usize = 4;

/// Each function of a text with its body, lines trimmed, without comments.
fn functions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some((before, rest)) = line.split_once("fn ") else { continue };
        let is_head =
            before.trim().split(' ').all(|word| word.is_empty() || word.starts_with("pub") || word == "const");
        let Some(open) = lines[at..].iter().position(|line| line.ends_with('{') || line.ends_with(';')) else {
            continue;
        };
        if !is_head || lines[at + open].ends_with(';') {
            continue;
        }
        let end = format!("{indent}}}");
        let body = lines[at + open + 1..].iter().take_while(|line| **line != end).map(|line| line.trim());
        let body: Vec<&str> = body.filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
        if body.len() >= LINES_MIN {
            found.push((leading_name(rest).to_owned(), body.join("\n")));
        }
    }
    found
}

#[test]
fn no_function_is_written_twice() {
    let mut by_body: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for source in sources() {
        for (name, body) in functions(&source.text) {
            by_body.entry(body).or_default().push((name, source.path.clone()));
        }
    }
    let mut failures = Vec::new();
    for mut doubles in by_body.into_values().filter(|found| found.len() > 1) {
        doubles.sort();
        let names: Vec<&str> = doubles.iter().map(|(name, _)| name.as_str()).collect();
        if !KNOWN.contains(&names.as_slice()) {
            let places: Vec<String> = doubles.iter().map(|(name, path)| format!("`{name}` in {path}")).collect();
            failures.push(places.join(", "));
        }
    }
    super::report(failures, "keep one of them, where both can see it");
}

#[test]
fn equal_bodies_are_found_whatever_they_are_called() {
    let text = "fn a() {\n    one();\n    two();\n    three();\n    four();\n}\n\npub fn b(x: u8) {\n    one();\n    // why\n    \
        two();\n    three();\n    four();\n}\nfn c() {\n    one();\n}\n";
    let found = functions(text);
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(found[0].1, found[1].1);
}
