//! Equal names of an answer's columns, which PostgreSQL allows and a plan does not: kept apart by what clients are not told.

/// Ends a name in a plan; what follows keeps it apart from an equal one.
pub(super) const APART: char = '\u{1}';

/// The name of a plan's column as clients are told it.
pub(crate) fn shown(name: &str) -> &str {
    name.split(APART).next().unwrap_or(name)
}

/// A name that is not yet among those seen.
pub(super) fn apart(name: &str, seen: &mut Vec<String>) -> String {
    let mut made = name.to_owned();
    let mut count = 1;
    while seen.contains(&made) {
        count += 1;
        made = format!("{name}{APART}{count}");
    }
    seen.push(made.clone());
    made
}
