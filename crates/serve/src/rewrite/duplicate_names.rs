//! Duplicate column names of a result, which PostgreSQL allows and a DataFusion plan does not: a suffix that clients
//! never see makes them distinct.

/// Separates a column's name from its suffix.
pub(super) const APART: char = '\u{1}';

/// The name of a plan's column as clients see it.
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
