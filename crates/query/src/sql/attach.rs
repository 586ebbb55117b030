//! `ATTACH 'labels.csv' AS labels`: what a statement of the command line names.

use super::identifier::identifier;
use super::summarize::without_comments;
use crate::catalog::views;
use crate::table::TABLES;
use std::path::PathBuf;
use syntrace_base::error::{Error, Result};

/// A file, and the name of its table where one is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The file.
    pub path: PathBuf,
    /// What the table is to be called.
    pub name: Option<String>,
}

impl FileName {
    /// The file of an ATTACH statement; `None` for every other statement.
    ///
    /// # Errors
    /// ATTACH without a file in quotes, or with something else behind it.
    pub fn of_statement(text: &str) -> Result<Option<Self>> {
        let text = without_comments(text).trim_end().trim_end_matches(';').trim_end();
        let Some((verb, rest)) = text.split_at_checked("ATTACH".len()) else { return Ok(None) };
        if !verb.eq_ignore_ascii_case("ATTACH") || rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
        {
            return Ok(None);
        }
        let refused = || {
            Error::user(format!("expected ATTACH 'file.csv' [AS name], found `{text}`"))
                .hint("files end in .csv, .tsv or .parquet; a study is named on the command line")
        };
        let (path, rest) = quoted(rest.trim_start(), '\'').ok_or_else(refused)?;
        let rest = rest.trim();
        let name = match rest.split_once(char::is_whitespace) {
            None if rest.is_empty() => None,
            Some((word, name)) if word.eq_ignore_ascii_case("AS") => Some(of_table(name.trim()).ok_or_else(refused)?),
            _ => return Err(refused()),
        };
        Ok(Some(Self { path: PathBuf::from(path), name }))
    }

    /// Reads `name=file` or a file alone, as a command line has it.
    pub fn of_argument(text: &str) -> Self {
        match text.split_once('=').filter(|(name, _)| of_table(name).is_some()) {
            Some((name, path)) => Self { path: PathBuf::from(path), name: of_table(name) },
            None => Self { path: PathBuf::from(text), name: None },
        }
    }

    /// The name of its table.
    pub(crate) fn table(&self) -> Result<String> {
        let name = self.name.clone().unwrap_or_else(|| identifier(&self.path));
        let is_taken = TABLES.iter().any(|table| table.name == name) || views().iter().any(|view| view.name == name);
        if is_taken {
            let message =
                format!("`{name}` is a table or view of the study, and `{}` would hide it", self.path.display());
            return Err(
                Error::user(message).hint("give it another name: ATTACH 'file.csv' AS name, or --attach name=file.csv")
            );
        }
        Ok(name)
    }
}

/// The name of a table as SQL reads it: in lower case, or as it stands between quotes.
fn of_table(text: &str) -> Option<String> {
    if let Some((name, rest)) = quoted(text, '"') {
        return Some(name).filter(|name| rest.is_empty() && !name.is_empty());
    }
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_name = text.chars().all(is_part) && text.starts_with(|first: char| !first.is_ascii_digit());
    is_name.then(|| text.to_ascii_lowercase())
}

/// What stands between the quotes that a text begins with, a doubled one for one, and what follows.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(quote)?;
    let mut inside = String::new();
    loop {
        let (part, after) = rest.split_once(quote)?;
        inside.push_str(part);
        match after.strip_prefix(quote) {
            Some(more) => {
                inside.push(quote);
                rest = more;
            }
            None => return Some((inside, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<String>)> {
        let found = FileName::of_statement(text).unwrap()?;
        Some((found.path.display().to_string(), found.name))
    }

    #[test]
    fn a_statement_names_a_file_and_a_table() {
        let found = |path: &str, name: Option<&str>| Some((path.to_owned(), name.map(str::to_owned)));
        assert_eq!(read("ATTACH 'a b.csv'"), found("a b.csv", None));
        assert_eq!(read("-- mine\nattach 'it''s.csv' as Labels;"), found("it's.csv", Some("labels")));
        assert_eq!(read("ATTACH 'x.parquet' AS \"My Labels\""), found("x.parquet", Some("My Labels")));
        assert_eq!(read("SELECT 'ATTACH'"), None);
        assert_eq!(read("attached"), None);
        for wrong in ["ATTACH", "ATTACH a.csv", "ATTACH 'a.csv' labels", "ATTACH 'a.csv' AS a b", "ATTACH 'a"] {
            assert!(FileName::of_statement(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_argument_names_a_file_with_or_without_a_table() {
        let of = |text: &str| FileName::of_argument(text);
        assert_eq!(of("l=a=b.csv"), FileName { path: "a=b.csv".into(), name: Some("l".to_owned()) });
        assert_eq!(of("./x=1.csv"), FileName { path: "./x=1.csv".into(), name: None });
        assert!(of("models=m.csv").table().is_err());
        assert_eq!(of("My-Labels.csv").table().unwrap(), "my_labels");
    }
}
