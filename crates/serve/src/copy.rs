//! `COPY (query) TO STDOUT` and `COPY table TO STDOUT`: a result as text, CSV or in PostgreSQL's binary format.

use super::error::refused;
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, Statement,
};
use pgwire::api::portal::Format;
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use syntrace_query::StatementPlan;

/// Header of a binary copy: its signature, no flags, no header extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0";

/// Trailer of a binary copy.
const BINARY_END: &[u8] = &[0xFF, 0xFF];

/// A copy that is planned.
#[derive(Clone)]
pub(super) struct Copy {
    /// The query whose answer is copied.
    pub text: String,
    pub plan: StatementPlan,
    pub form: CopyForm,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CopyForm {
    Binary,
    /// Lines of values; with a quote it is CSV.
    Lines {
        delimiter: char,
        null: String,
        header: bool,
        csv: Option<Csv>,
    },
}

/// Further options of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Csv {
    quote: char,
    escape: char,
    /// Columns whose values are always quoted; `*` for all.
    force: Vec<String>,
}

/// The options of a statement, before they are checked.
#[derive(Default)]
struct Options {
    format: Option<String>,
    delimiter: Option<char>,
    null: Option<String>,
    header: bool,
    quote: Option<char>,
    escape: Option<char>,
    force: Vec<String>,
}

/// The query and the form of a COPY to the client; `None` for every other statement.
pub(super) fn read(statement: &Statement) -> PgWireResult<Option<(String, CopyForm)>> {
    let Statement::Copy { source, to: true, target: CopyTarget::Stdout, options, legacy_options, .. } = statement
    else {
        return Ok(None);
    };
    let text = match source {
        CopySource::Query(query) => query.to_string(),
        CopySource::Table { table_name, columns } => {
            let columns: Vec<String> = columns.iter().map(Ident::to_string).collect();
            let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
            format!("SELECT {columns} FROM {table_name}")
        }
    };
    let mut read = Options::default();
    options.iter().try_for_each(|option| read.take(option))?;
    legacy_options.iter().try_for_each(|option| read.take_legacy(option))?;
    Ok(Some((text, read.form()?)))
}

fn unknown(option: &dyn std::fmt::Display) -> PgWireError {
    let hint = "FORMAT, DELIMITER, NULL, HEADER, QUOTE, ESCAPE, FORCE_QUOTE and ENCODING 'UTF8' are known";
    refused("0A000", &format!("COPY takes no option `{option}` here"), Some(hint))
}

impl Options {
    fn take(&mut self, option: &CopyOption) -> PgWireResult<()> {
        match option {
            CopyOption::Format(name) => self.format = Some(name.value.to_ascii_lowercase()),
            CopyOption::Delimiter(one) => self.delimiter = Some(*one),
            CopyOption::Null(text) => self.null = Some(text.clone()),
            CopyOption::Header(on) => self.header = *on,
            CopyOption::Quote(one) => self.quote = Some(*one),
            CopyOption::Escape(one) => self.escape = Some(*one),
            CopyOption::ForceQuote(names) => self.force = names.iter().map(|name| name.value.clone()).collect(),
            CopyOption::Encoding(name) if name.to_ascii_lowercase().starts_with("utf") => {}
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    fn take_legacy(&mut self, option: &CopyLegacyOption) -> PgWireResult<()> {
        match option {
            CopyLegacyOption::Binary => self.format = Some("binary".to_owned()),
            CopyLegacyOption::Delimiter(one) => self.delimiter = Some(*one),
            CopyLegacyOption::Null(text) => self.null = Some(text.clone()),
            CopyLegacyOption::Csv(options) => {
                self.format = Some("csv".to_owned());
                for option in options {
                    match option {
                        CopyLegacyCsvOption::Header => self.header = true,
                        CopyLegacyCsvOption::Quote(one) => self.quote = Some(*one),
                        CopyLegacyCsvOption::Escape(one) => self.escape = Some(*one),
                        CopyLegacyCsvOption::ForceQuote(names) => {
                            self.force = names.iter().map(|name| name.value.clone()).collect();
                        }
                        other => return Err(unknown(other)),
                    }
                }
            }
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    fn form(self) -> PgWireResult<CopyForm> {
        let (delimiter, null, csv) = match self.format.as_deref() {
            None | Some("text") => ('\t', "\\N", None),
            Some("csv") => {
                let quote = self.quote.unwrap_or('"');
                (',', "", Some(Csv { quote, escape: self.escape.unwrap_or(quote), force: self.force }))
            }
            Some("binary") => return Ok(CopyForm::Binary),
            Some(other) => {
                let message = format!("expected the format text, csv or binary, found `{other}`");
                return Err(refused("22023", &message, None));
            }
        };
        Ok(CopyForm::Lines {
            delimiter: self.delimiter.unwrap_or(delimiter),
            null: self.null.unwrap_or_else(|| null.to_owned()),
            header: self.header,
            csv,
        })
    }
}

impl CopyForm {
    /// How values are encoded before they are written.
    pub fn format(&self) -> Format {
        match self {
            Self::Binary => Format::UnifiedBinary,
            Self::Lines { .. } => Format::UnifiedText,
        }
    }

    /// As in the protocol: 1 for binary.
    pub fn code(&self) -> i8 {
        i8::from(*self == Self::Binary)
    }

    /// What comes before the first row.
    pub fn begin(&self, columns: &[&str]) -> Vec<u8> {
        match self {
            Self::Binary => BINARY_HEADER.to_vec(),
            Self::Lines { header: false, .. } => Vec::new(),
            Self::Lines { .. } => self.line(columns.iter().map(|name| Some(name.as_bytes())), columns),
        }
    }

    /// What comes after the last row.
    pub fn end(&self) -> &'static [u8] {
        if *self == Self::Binary { BINARY_END } else { &[] }
    }

    /// One row.
    pub fn row(&self, row: &DataRow, columns: &[&str]) -> Vec<u8> {
        match self {
            Self::Binary => [&row.field_count.to_be_bytes()[..], &row.data].concat(),
            Self::Lines { .. } => self.line(fields(&row.data), columns),
        }
    }

    fn line<'a>(&self, values: impl Iterator<Item = Option<&'a [u8]>>, columns: &[&str]) -> Vec<u8> {
        let Self::Lines { delimiter, null, csv, .. } = self else { return Vec::new() };
        let mut line = Vec::new();
        let push = |character: char, line: &mut Vec<u8>| {
            line.extend(character.encode_utf8(&mut [0; 4]).bytes());
        };
        for (at, value) in values.enumerate() {
            if at > 0 {
                push(*delimiter, &mut line);
            }
            let Some(bytes) = value else {
                line.extend(null.bytes());
                continue;
            };
            // Values are texts, so UTF-8.
            let text = String::from_utf8_lossy(bytes);
            match csv {
                None => text.chars().for_each(|one| match one {
                    '\\' => line.extend(b"\\\\"),
                    '\n' => line.extend(b"\\n"),
                    '\r' => line.extend(b"\\r"),
                    '\t' => line.extend(b"\\t"),
                    other => {
                        if other == *delimiter {
                            line.push(b'\\');
                        }
                        push(other, &mut line);
                    }
                }),
                Some(csv) => {
                    let special = |one: char| one == *delimiter || one == csv.quote || one == '\n' || one == '\r';
                    let forced = csv.force.iter().any(|name| name == "*" || columns.get(at) == Some(&name.as_str()));
                    if !forced && text != null.as_str() && text != "\\." && !text.contains(special) {
                        line.extend(text.bytes());
                        continue;
                    }
                    push(csv.quote, &mut line);
                    for one in text.chars() {
                        if one == csv.quote || one == csv.escape {
                            push(csv.escape, &mut line);
                        }
                        push(one, &mut line);
                    }
                    push(csv.quote, &mut line);
                }
            }
        }
        line.push(b'\n');
        line
    }
}

/// The values of an encoded row: each a length and that many bytes, or -1 for NULL.
fn fields(mut data: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            data = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        data = rest;
        Some(Some(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(sql: &str) -> (String, CopyForm) {
        read(&crate::rewrite::parse(sql).unwrap()).unwrap().unwrap()
    }

    fn written(form: &CopyForm, values: &[Option<&str>]) -> String {
        let line = form.line(values.iter().map(|value| value.map(str::as_bytes)), &["a", "b"]);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn options_of_both_ages_are_read() {
        let (text, plain) = form("COPY (SELECT 1 AS a) TO STDOUT");
        assert_eq!(
            (text.as_str(), written(&plain, &[Some("a\tb\\"), None])),
            ("SELECT 1 AS a", "a\\tb\\\\\t\\N\n".to_owned())
        );
        let (text, new) = form("COPY models (name) TO STDOUT (FORMAT csv, HEADER true, DELIMITER ';')");
        assert_eq!(text, "SELECT name FROM models");
        assert_eq!(written(&new, &[Some("x;\"y\""), Some("")]), "\"x;\"\"y\"\"\";\"\"\n");
        assert_eq!(String::from_utf8(new.begin(&["a", "b"])).unwrap(), "a;b\n");
        assert_eq!(written(&new, &[None, Some("plain")]), ";plain\n");
        assert_eq!(form("COPY models TO STDOUT WITH CSV HEADER DELIMITER AS ';'").1, new);
        assert_eq!(form("COPY models TO STDOUT (FORMAT binary)").1, CopyForm::Binary);
    }

    #[test]
    fn other_copies_are_none_and_unknown_options_are_refused() {
        let statement = |sql| crate::rewrite::parse(sql).unwrap();
        assert!(read(&statement("COPY models TO '/tmp/x'")).unwrap().is_none());
        assert!(read(&statement("COPY models FROM STDIN")).unwrap().is_none());
        assert!(read(&statement("COPY models TO STDOUT (FORMAT xml)")).is_err());
        assert!(read(&statement("COPY models TO STDOUT (FREEZE)")).is_err());
    }
}
