//! Small CSV tables (RFC 4180) with a header.

use syntrace_base::error::{Error, Result};

/// A table as text.
pub(super) struct Csv {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    /// Parses a whole file: fields by commas, quotes doubled inside quoted fields, lines by LF or CRLF.
    /// Rows of another length than the header are refused.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = Vec::new();
        let mut characters = text.chars().peekable();
        let (mut row, mut field, mut inside) = (Vec::new(), String::new(), false);
        while let Some(character) = characters.next() {
            match (inside, character) {
                (true, '"') if characters.peek() == Some(&'"') => {
                    characters.next();
                    field.push('"');
                }
                (true, '"') => inside = false,
                (false, '"') if field.is_empty() => inside = true,
                (false, ',') => row.push(std::mem::take(&mut field)),
                (false, '\r') if characters.peek() == Some(&'\n') => {}
                // An empty line is no row.
                (false, '\n') if row.is_empty() && field.trim().is_empty() => field.clear(),
                (false, '\n') => {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                (_, other) => field.push(other),
            }
        }
        if inside {
            return Err(Error::user("expected the end of a quoted field, found the end of the file"));
        }
        if !field.trim().is_empty() || !row.is_empty() {
            row.push(field);
            rows.push(row);
        }
        let mut rows = rows.into_iter();
        let header: Vec<String> = rows.next().unwrap_or_default().iter().map(|name| name.trim().to_owned()).collect();
        let rows: Vec<Vec<String>> = rows.collect();
        if let Some(at) = rows.iter().position(|row| row.len() != header.len()) {
            let found = rows.get(at).map_or(0, Vec::len);
            return Err(Error::user(format!("row {at}: expected {} fields, found {found}", header.len())));
        }
        Ok(Self { header, rows })
    }

    /// Index of the first of some names that the header has.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|found| found == name))
    }
}

/// `1`, `true`, `member` and their opposites, in any case.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "member" => Some(true),
        "0" | "false" | "no" | "held_out" | "held-out" | "non-member" | "nonmember" => Some(false),
        // pandas writes flags in a column with missing values as `1.0`.
        other => match other.parse::<f64>() {
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_both_line_ends_are_read() {
        let csv = Csv::parse("\u{feff}a, b\r\n1,\"x, \"\"y\"\"\"\n\n2,\n").unwrap();
        assert_eq!(csv.header, ["a", "b"]);
        assert_eq!(csv.rows, [["1", "x, \"y\""], ["2", ""]]);
        assert_eq!(csv.column(&["z", "b"]), Some(1));
        assert!(Csv::parse("a,b\n1\n").is_err());
        assert!(Csv::parse("a\n\"open").is_err());
    }
}
