//! One value as text, whatever its type: scalars, lists, structs and maps, to any depth.
//!
//! | style | numbers | NULL inside | text inside |
//! | --- | --- | --- | --- |
//! | readable | four significant decimals | `NULL` | as it is |
//! | exact | every digit | `null` | quoted as in JSON |
//!
//! Numbers that are not finite are `Infinity`, `-Infinity` and `NaN` in both, nested or not: what
//! PostgreSQL, Java, JavaScript and Python's `json` write and read. So a list in a CSV file is JSON where
//! its numbers are finite. Bytes are hexadecimal.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::ops::Range;
use syntrace_base::error::{Error, Result};

/// For whom a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people.
    Readable,
    /// For programs: nothing is rounded.
    Exact,
}

/// The values of a column as text; `null` stands for a row that is NULL.
pub(crate) fn texts(array: &ArrayRef, style: Style, null: &str) -> Result<Vec<String>> {
    let cell = Cell::new(array.as_ref(), style).map_err(wrong)?;
    let nulls = array.logical_nulls();
    let text = |row: usize| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(null.to_owned());
        }
        let mut text = String::new();
        cell.write(row, false, &mut text).map_err(wrong)?;
        Ok(text)
    };
    (0..array.len()).map(text).collect()
}

fn wrong(error: arrow::error::ArrowError) -> Error {
    Error::user(format!("cannot write the answer: {error}"))
}

type Written = std::result::Result<(), arrow::error::ArrowError>;

/// The values of an array, ready to be written.
struct Cell<'a> {
    array: &'a dyn Array,
    style: Style,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Float(ArrayFormatter<'a>),
    List(Box<Cell<'a>>),
    /// Names and values of a struct.
    Fields(Vec<(&'a str, Cell<'a>)>),
    /// Keys and values of a map.
    Pairs(Box<Cell<'a>>, Box<Cell<'a>>),
    Other(ArrayFormatter<'a>),
}

impl<'a> Cell<'a> {
    fn new(array: &'a dyn Array, style: Style) -> std::result::Result<Self, arrow::error::ArrowError> {
        let options = FormatOptions::default();
        let boxed =
            |array: &'a ArrayRef| Ok::<_, arrow::error::ArrowError>(Box::new(Self::new(array.as_ref(), style)?));
        let kind = match array.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                Kind::Float(ArrayFormatter::try_new(array, &options)?)
            }
            DataType::List(_) => Kind::List(boxed(array.as_list::<i32>().values())?),
            DataType::LargeList(_) => Kind::List(boxed(array.as_list::<i64>().values())?),
            DataType::FixedSizeList(..) => Kind::List(boxed(array.as_fixed_size_list().values())?),
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter();
                let named = fields.iter().zip(columns).map(|(field, column)| {
                    Ok::<_, arrow::error::ArrowError>((field.name().as_str(), Self::new(column.as_ref(), style)?))
                });
                Kind::Fields(named.collect::<std::result::Result<_, _>>()?)
            }
            DataType::Map(..) => Kind::Pairs(boxed(array.as_map().keys())?, boxed(array.as_map().values())?),
            _ => Kind::Other(ArrayFormatter::try_new(array, &options)?),
        };
        Ok(Self { array, style, kind })
    }

    /// Appends the value of a row that is not NULL.
    fn write(&self, row: usize, nested: bool, out: &mut String) -> Written {
        match &self.kind {
            Kind::Float(exact) => match (float(self.array, row), self.style) {
                (value, _) if !value.is_finite() => out.push_str(not_finite(value)),
                (value, Style::Readable) => out.push_str(&readable_number(value)),
                (_, Style::Exact) => exact.value(row).write(out)?,
            },
            Kind::List(items) => {
                let items = self.items(row).map(|item| (None, &**items, item));
                return sequence('[', items, ']', out);
            }
            Kind::Fields(fields) => {
                let fields = fields.iter().map(|(name, cell)| (Some(self.name(name)), cell, row));
                return sequence('{', fields, '}', out);
            }
            Kind::Pairs(keys, values) => {
                let mut pairs = Vec::new();
                for item in self.items(row) {
                    let mut key = String::new();
                    keys.write(item, true, &mut key)?;
                    pairs.push((Some(key), &**values, item));
                }
                return sequence('{', pairs.into_iter(), '}', out);
            }
            Kind::Other(exact) => {
                let text = exact.value(row).try_to_string()?;
                match self.style {
                    Style::Readable => out.push_str(&visible(text)),
                    Style::Exact if nested && !is_bare(self.array.data_type()) => out.push_str(&quoted(&text)),
                    Style::Exact => out.push_str(&text),
                }
            }
        }
        Ok(())
    }

    /// As an item of something else: NULL included.
    fn write_item(&self, row: usize, out: &mut String) -> Written {
        if self.array.data_type() == &DataType::Null || self.array.is_null(row) {
            out.push_str(if self.style == Style::Readable { "NULL" } else { "null" });
            return Ok(());
        }
        self.write(row, true, out)
    }

    fn name(&self, name: &str) -> String {
        if self.style == Style::Readable { name.to_owned() } else { quoted(name) }
    }

    /// Range of a row's items among the values of a list or map.
    fn items(&self, row: usize) -> Range<usize> {
        let of = |offsets: &[i32]| match offsets.get(row..row + 2) {
            Some([start, end]) => *start as usize..*end as usize,
            _ => 0..0,
        };
        match self.array.data_type() {
            DataType::List(_) => of(self.array.as_list::<i32>().value_offsets()),
            DataType::Map(..) => of(self.array.as_map().value_offsets()),
            DataType::LargeList(_) => match self.array.as_list::<i64>().value_offsets().get(row..row + 2) {
                Some([start, end]) => *start as usize..*end as usize,
                _ => 0..0,
            },
            DataType::FixedSizeList(_, length) => row * *length as usize..(row + 1) * *length as usize,
            _ => 0..0,
        }
    }
}

fn sequence<'a, 'b: 'a>(
    open: char,
    items: impl Iterator<Item = (Option<String>, &'a Cell<'b>, usize)>,
    close: char,
    out: &mut String,
) -> Written {
    out.push(open);
    for (number, (name, cell, row)) in items.enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        if let Some(name) = name {
            out.push_str(&name);
            out.push_str(": ");
        }
        cell.write_item(row, out)?;
    }
    out.push(close);
    Ok(())
}

fn float(array: &dyn Array, row: usize) -> f64 {
    match array.data_type() {
        DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_f64(),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        _ => array.as_primitive::<Float64Type>().value(row),
    }
}

/// The word for a number that is not finite.
pub fn not_finite(value: f64) -> &'static str {
    match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// Types whose text is a number or a word of JSON.
fn is_bare(kind: &DataType) -> bool {
    kind.is_numeric() || matches!(kind, DataType::Boolean | DataType::Null)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Escapes terminal control sequences in untrusted text: control characters except line breaks, and bidirectional
/// marks, are shown as `\x1b` or `\u{202e}`.
pub fn visible(text: String) -> String {
    let steers = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(
                character,
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            )
    };
    if !text.contains(steers) {
        return text;
    }
    let shown = |character: char| match character {
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        _ if !steers(character) => character.to_string(),
        _ if character.is_ascii() => format!("\\x{:02x}", u32::from(character)),
        _ => character.escape_unicode().to_string(),
    };
    text.chars().map(shown).collect()
}

/// A number with at most four significant decimals: 0.5432, 12.3, 1.234e-7, 160000.
fn readable_number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && magnitude < 1e-4 {
        let text = format!("{value:.3e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", trim_zeros(digits)),
            None => text,
        };
    }
    // Small fractions keep four significant digits, the rest four decimals.
    let leading_zeros = if magnitude > 0.0 && magnitude < 1.0 { (-magnitude.log10()).floor() as usize } else { 0 };
    let text = format!("{value:.*}", 4 + leading_zeros);
    trim_zeros(&text).to_owned()
}

fn trim_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_numbers_keep_four_significant_decimals() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.543_21, "0.5432"),
            (0.001_234_56, "0.001235"),
            (1.0e-5, "1e-5"),
            (1.234_56e-7, "1.235e-7"),
            (12.345_678, "12.3457"),
            (160_000.0, "160000"),
            (-2.5, "-2.5"),
        ];
        for (value, text) in cases {
            assert_eq!(readable_number(value), text);
        }
    }

    #[test]
    fn control_characters_are_shown_and_line_breaks_stay() {
        assert_eq!(visible("a\nb".to_owned()), "a\nb");
        assert_eq!(visible("\x1b[31m\t\r\u{7f}\u{9b}\u{202e}x".to_owned()), "\\x1b[31m\\t\\r\\x7f\\u{9b}\\u{202e}x");
    }
}
