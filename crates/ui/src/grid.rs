//! A table on a page.

use crate::answer::Answer;
use arrow::datatypes::FieldRef;
use askama::Template;
use std::net::{Ipv4Addr, Ipv6Addr};
use syntrace_base::error::Result;

/// Longer texts of a cell are wrapped.
const LONG: usize = 48;

/// Longer texts of a cell are cut; files have them whole.
const CUT: usize = 400;

/// Digits of bytes that are shown of more.
const BYTES_DIGITS: usize = 32;

/// Columns whose ids have a page.
const PAGES: &[(&str, &str)] = &[("model_id", "/model/"), ("trace_id", "/trace/")];

#[derive(Template)]
#[template(path = "grid.html")]
pub(crate) struct Grid {
    /// What a screen reader calls it.
    label: String,
    header: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

/// The head of a column.
pub(crate) struct Head {
    /// Name of the column.
    pub name: String,
    /// Are its cells numbers?
    pub numeric: bool,
    /// What it means.
    pub doc: String,
    /// Where the table is sorted by it.
    pub sort: Option<String>,
    /// `ascending` or `descending` where it is.
    pub sorted: Option<&'static str>,
    /// Are its cells bytes?
    bytes: bool,
}

struct Cell {
    text: String,
    class: &'static str,
    link: Option<String>,
}

impl Grid {
    /// The rows of an answer.
    pub fn of(answer: &Answer, label: impl Into<String>) -> Result<Self> {
        Self::with_heads(answer, label, |head| head)
    }

    /// The same, with more in the heads of columns.
    pub fn with_heads(answer: &Answer, label: impl Into<String>, head: impl Fn(Head) -> Head) -> Result<Self> {
        let rendered = answer.rendered()?;
        let fields = rendered.header.iter().zip(&rendered.numeric).zip(answer.schema.fields());
        let plain = |((name, numeric), field): ((&String, &bool), &FieldRef)| {
            let bytes = field.data_type().is_binary();
            head(Head { name: name.clone(), numeric: *numeric, doc: String::new(), sort: None, sorted: None, bytes })
        };
        let header: Vec<Head> = fields.map(plain).collect();
        let row = |row: &Vec<String>| header.iter().zip(row).map(|(head, text)| cell(head, text)).collect();
        let rows = rendered.rows.iter().map(row).collect();
        Ok(Self { label: label.into(), header, rows })
    }
}

fn cell(head: &Head, text: &str) -> Cell {
    let class = match text {
        "NULL" if head.numeric => "n null",
        "NULL" => "null",
        _ if head.numeric => "n",
        _ if head.bytes => "",
        _ if text.contains('\n') => "dump",
        _ if text.chars().count() > LONG => "long",
        _ => "",
    };
    let shown = match text {
        "NULL" => "-".to_owned(),
        "Infinity" => "\u{221e}".to_owned(),
        _ if head.bytes && head.name.ends_with("_ip") => address(text).unwrap_or_else(|| bytes(text)),
        _ if head.bytes => bytes(text),
        _ if class == "long" && text.chars().count() > CUT => {
            format!("{}\u{2026}", text.chars().take(CUT).collect::<String>())
        }
        _ => text.to_owned(),
    };
    let page = PAGES.iter().find(|(name, _)| *name == head.name && text != "NULL");
    Cell { text: shown, class, link: page.map(|(_, page)| format!("{page}{text}")) }
}

/// The first bytes of many, and how many there are.
fn bytes(hexadecimal: &str) -> String {
    match hexadecimal.get(..BYTES_DIGITS) {
        Some(first) if hexadecimal.len() > BYTES_DIGITS => format!("{first}\u{2026} {} bytes", hexadecimal.len() / 2),
        _ => hexadecimal.to_owned(),
    }
}

/// Four or sixteen bytes as an address.
fn address(hexadecimal: &str) -> Option<String> {
    let number = u128::from_str_radix(hexadecimal, 16).ok()?;
    match hexadecimal.len() {
        8 => Some(Ipv4Addr::from(u32::try_from(number).ok()?).to_string()),
        32 => Some(Ipv6Addr::from(number).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_readable_and_long_bytes_are_counted() {
        assert_eq!(address("c0000250").as_deref(), Some("192.0.2.80"));
        assert_eq!(address("20010db8000000000000000000000001").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("c000"), None);
        assert_eq!(bytes(&"ab".repeat(40)), format!("{}\u{2026} 40 bytes", "ab".repeat(16)));
        assert_eq!(bytes("abcd"), "abcd");
    }
}
