//! Fragments of catalog queries that DataFusion cannot plan, and their replacements: each is sent by the client that is
//! named with it.

use regex::{NoExpand, Regex};
use std::borrow::Cow;

/// Pattern and replacement.
const REPLACED: &[(&str, &str)] = &[
    // psql, \d+: options of a table's storage; no table has any.
    (
        "pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from \
         pg_catalog.unnest(tc.reloptions) x), ', ')",
        "''",
    ),
    // Grafana: the schemas of the search path, which is always `public`.
    (
        "SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE trim(s[i]) END FROM \
         generate_series( array_lower(string_to_array(current_setting('search_path'),','),1), \
         array_upper(string_to_array(current_setting('search_path'),','),1) ) as i, \
         string_to_array(current_setting('search_path'),',') s",
        "'public'",
    ),
    // asyncpg, before it reads arrays: the base of a domain; no type is one.
    (
        "(CASE WHEN t.typtype = 'd' THEN (WITH RECURSIVE typebases(oid, depth) AS ( SELECT t2.typbasetype AS oid, \
         0 AS depth FROM pg_type t2 WHERE t2.oid = t.oid UNION ALL SELECT t2.typbasetype AS oid, \
         tb.depth + 1 AS depth FROM pg_type t2, typebases tb WHERE tb.oid = t2.oid AND t2.typbasetype != 0 \
         ) SELECT oid FROM typebases ORDER BY depth DESC LIMIT 1) ELSE NULL END)",
        "NULL::int",
    ),
];

/// The texts of [`REPLACED`], ready to be found.
pub(super) struct KnownQuestions(Vec<(Regex, &'static str)>);

impl KnownQuestions {
    pub fn new() -> Self {
        let known = REPLACED.iter().filter_map(|(asked, answer)| Some((loosely(asked)?, *answer)));
        Self(known.collect())
    }

    /// The statement with its known fragments replaced.
    pub fn replaced<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for (asked, answer) in &self.0 {
            if asked.is_match(&text) {
                text = Cow::Owned(asked.replace_all(&text, NoExpand(answer)).into_owned());
            }
        }
        text
    }
}

/// Finds a text of SQL however its words are spaced.
fn loosely(text: &str) -> Option<Regex> {
    let words: Vec<String> = text.split_whitespace().map(regex::escape).collect();
    Regex::new(&words.join(r"(?-u:\s)*")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_questions_are_found_however_they_are_spaced() {
        let questions = KnownQuestions::new();
        assert_eq!(questions.0.len(), REPLACED.len());
        let asked = "SELECT pg_catalog.array_to_string(c.reloptions ||\n array(select 'toast.' || x from \
                     pg_catalog.unnest(tc.reloptions)  x), ', ') FROM pg_class c";
        assert_eq!(questions.replaced(asked), "SELECT '' FROM pg_class c");
        assert_eq!(questions.replaced("SELECT generator FROM models"), "SELECT generator FROM models");
    }
}
