//! Questions that clients put to PostgreSQL's catalog in words that cannot be planned here, and what they
//! come to: each is there because a client of that name asks it.

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use regex::{NoExpand, Regex};
use std::borrow::Cow;

/// What is asked, and what stands for it. `...` leaves room for anything.
const REPLACED: &[(&str, &str)] = &[
    // psql, \\d+: options of a table's storage; no table has any.
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
    // JDBC, types: is it a row type that somebody made?
    ("(SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)", "false"),
    // JDBC, types of users: what a domain is made from; there are none.
    ("(select CASE ... from pg_type base_type where base_type.oid=t.typbasetype)", "1111"),
    // JDBC, types: is it an array?
    ("typinput='pg_catalog.array_in'::regproc", "(typelem <> 0 AND typlen = -1)"),
    // JDBC, foreign keys: how many columns one may have.
    ("SELECT setting FROM pg_catalog.pg_settings WHERE name='max_index_keys'", "SELECT '32' AS setting"),
];

/// The texts of [`REPLACED`], ready to be found.
pub(super) struct Questions(Vec<(Regex, &'static str)>);

impl Questions {
    pub fn new() -> Self {
        let known = REPLACED.iter().filter_map(|(asked, answer)| Some((loosely(asked)?, *answer)));
        Self(known.collect())
    }

    /// The statement with what stands for its parts.
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
    let word = |word: &str| if word == "..." { "(?s:.*?)".to_owned() } else { regex::escape(word) };
    let words: Vec<String> = text.split_whitespace().map(word).collect();
    Regex::new(&words.join(r"\s*")).ok()
}

/// What JDBC's questions about keys and indexes contain: they unfold the columns of each.
const UNFOLDED: &[&str] = &["information_schema._pg_expandarray(i.indkey)", "con.confkey[pos.n]"];

/// No table has keys or indexes, so the answer to what unfolds them is its columns without a row. `None`
/// for every other statement.
pub(super) fn empty_answer(text: &str) -> Option<String> {
    if !UNFOLDED.iter().any(|word| text.contains(word)) {
        return None;
    }
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, text).ok()?;
    let [Statement::Query(query)] = statements.as_slice() else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let column = |item: &SelectItem| {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias,
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name,
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last()?,
            _ => return None,
        };
        Some(format!("CAST(NULL AS TEXT) AS \"{}\"", name.value.to_ascii_lowercase().replace('"', "\"\"")))
    };
    let columns: Vec<String> = select.projection.iter().map(column).collect::<Option<_>>()?;
    Some(format!("SELECT {} WHERE false", columns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_questions_are_found_however_they_are_spaced() {
        let questions = Questions::new();
        assert_eq!(questions.0.len(), REPLACED.len());
        let asked = "SELECT 1 WHERE (t.typrelid = 0 OR (SELECT c.relkind\n = 'c'  FROM pg_catalog.pg_class c \
                     WHERE c.oid = t.typrelid))";
        assert_eq!(questions.replaced(asked), "SELECT 1 WHERE (t.typrelid = 0 OR false)");
        let asked = "select (select CASE when 1 then 2 else 1111 end from pg_type base_type where \
                     base_type.oid=t.typbasetype) x";
        assert_eq!(questions.replaced(asked), "select 1111 x");
        assert_eq!(questions.replaced("SELECT generator FROM models"), "SELECT generator FROM models");
    }

    #[test]
    fn what_unfolds_indexes_has_columns_and_no_row() {
        let asked =
            "SELECT result.A, b AS C FROM (SELECT information_schema._pg_expandarray(i.indkey) FROM pg_index i) result";
        let answer = "SELECT CAST(NULL AS TEXT) AS \"a\", CAST(NULL AS TEXT) AS \"c\" WHERE false";
        assert_eq!(empty_answer(asked).as_deref(), Some(answer));
        assert_eq!(empty_answer("SELECT 1"), None);
    }
}
