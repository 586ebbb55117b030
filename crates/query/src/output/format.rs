//! Answers as text and bytes: `table`, `csv`, `tsv`, `json`, `jsonl`, `markdown`, `parquet`, `arrow`.
//!
//! `table`, `markdown` and `expanded` are for reading: floats with up to four significant decimals. All
//! other formats keep every digit. Rows stream through; only `table` looks ahead, for its widths.
//!
//! | value | table, markdown, expanded | csv, tsv | json, jsonl | parquet, arrow |
//! | --- | --- | --- | --- | --- |
//! | NULL | `NULL` | empty | `null` | NULL |
//! | not finite | `Infinity`, `-Infinity`, `NaN` | the same | the same as text | itself |
//! | id, or whole number beyond 2^53 | digits | digits | digits as text | itself |
//! | bytes | hexadecimal | hexadecimal | hexadecimal | itself |
//! | list, struct, map | `[1, NULL]`, `{a: x}` | `[1.0, null]`, `{"a": "x"}` | array, object | itself |

use super::json_numbers::ExactNumbers;
use super::text::{Look, each, header, numeric, write_error, write_text};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use arrow::json::writer::{JsonArray, LineDelimited, WriterBuilder};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use unicode_width::UnicodeWidthStr;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Boxes for a terminal.
    Table,
    /// Comma-separated values (RFC 4180), with a header.
    Csv,
    /// Tab-separated values with a header; tabs and line breaks in text are escaped as `\t` and `\n`.
    Tsv,
    /// One JSON array of objects. Ids and numbers that doubles do not hold are text, bytes hexadecimal.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// A Markdown table.
    Markdown,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
    /// One line a column, for rows that are wider than the terminal.
    Expanded,
}

impl Format {
    /// All formats with their names.
    pub const ALL: [(&'static str, Self); 9] = [
        ("table", Self::Table),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("markdown", Self::Markdown),
        ("parquet", Self::Parquet),
        ("arrow", Self::Arrow),
        ("expanded", Self::Expanded),
    ];

    /// The format of a name.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(known, _)| *known).collect();
            Error::user(format!("there is no output format `{name}`")).hint(format!("one of: {}", names.join(", ")))
        })
    }

    /// The format that a file's ending names.
    pub fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" => Some(Self::Markdown),
            ending => Self::from_name(ending).ok(),
        }
    }

    /// True if the output is bytes that a terminal cannot show.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// Writes all batches in a format; returns the number of rows.
pub fn write_answer(
    format: Format,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    write_answer_as(&Look::default(), format, schema, batches, out)
}

/// As [`write_answer`], with options for the text formats.
pub fn write_answer_as(
    look: &Look,
    format: Format,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let mut batches = batches.peekable();
    // A statement that fails at once writes nothing, no header either.
    if let Some(Err(error)) = batches.next_if(Result::is_err) {
        return Err(error);
    }
    match format {
        Format::Table => super::table_format::write_table(look, schema, batches, out),
        Format::Markdown => write_markdown(look, schema, batches, out),
        Format::Expanded => write_expanded(look, schema, batches, out),
        Format::Csv => write_separated(look, schema, batches, out, ",", csv_cell),
        Format::Tsv => write_separated(look, schema, batches, out, "\t", tsv_cell),
        Format::Json => {
            let (mut writer, apart) = (json_builder().build::<_, JsonArray>(&mut *out), named_apart(schema));
            let rows = each(batches, |batch| writer.write(&renamed(batch, &apart)?).map_err(encoding_error))?;
            writer.finish().map_err(encoding_error)?;
            write_text(out, "\n")?;
            Ok(rows)
        }
        Format::Jsonl => {
            let (mut writer, apart) = (json_builder().build::<_, LineDelimited>(out), named_apart(schema));
            let rows = each(batches, |batch| writer.write(&renamed(batch, &apart)?).map_err(encoding_error))?;
            writer.finish().map_err(encoding_error)?;
            Ok(rows)
        }
        Format::Arrow => {
            let writer = arrow::ipc::writer::FileWriter::try_new(out, schema);
            let mut writer = writer.map_err(encoding_error)?;
            let rows = each(batches, |batch| writer.write(&batch).map_err(encoding_error))?;
            writer.finish().map_err(encoding_error)?;
            Ok(rows)
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => super::parquet_file::write_parquet(schema, batches, out),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err(Error::left_out("Parquet files", "parquet")),
    }
}

/// Makes column names unique, `x_2` for a second `x`: JSON readers keep only the last of two members of one name.
fn named_apart(schema: &SchemaRef) -> SchemaRef {
    let mut seen = HashSet::new();
    let named = |field: &FieldRef| {
        let again = (2..).map(|number| format!("{}_{number}", field.name()));
        let name = std::iter::once(field.name().clone()).chain(again).find(|name| seen.insert(name.clone()));
        Field::clone(field).with_name(name.unwrap_or_default())
    };
    Arc::new(Schema::new(schema.fields().iter().map(named).collect::<Vec<Field>>()))
}

fn renamed(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options).map_err(encoding_error)
}

fn json_builder() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(ExactNumbers))
}

fn encoding_error(error: arrow::error::ArrowError) -> Error {
    match error {
        arrow::error::ArrowError::IoError(_, error) => write_error(error),
        other => Error::user(format!("cannot write the answer: {other}")),
    }
}

/// The cells of a batch as text, ready to show.
pub struct Rendered {
    /// Column names.
    pub header: Vec<String>,
    /// Right-aligned columns: numbers.
    pub numeric: Vec<bool>,
    /// Cells by row.
    pub rows: Vec<Vec<String>>,
}

/// All cells of an answer in the readable form of `table`, for reports and small answers.
pub fn cells(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Rendered> {
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(Look::default().readable(batch)?);
    }
    Ok(Rendered { header: header(schema), numeric: numeric(schema), rows })
}

fn write_separated(
    look: &Look,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
    separator: &str,
    cell: fn(&str) -> String,
) -> Result<u64> {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        format!("{}\n", cells.join(separator))
    };
    write_text(out, &line(&header(schema)))?;
    each(batches, |batch| {
        let text: String = look.exact(&batch)?.iter().map(|row| line(row)).collect();
        write_text(out, &text)
    })
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn tsv_cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn write_markdown(
    look: &Look,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|text| text.replace('|', "\\|").replace('\n', "<br>")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> =
        numeric(schema).iter().map(|right| if *right { "---:" } else { "---" }.to_owned()).collect();
    write_text(out, &line(&header(schema)))?;
    write_text(out, &line(&rule))?;
    each(batches, |batch| {
        let text: String = look.readable(&batch)?.iter().map(|row| line(row)).collect();
        write_text(out, &text)
    })
}

fn write_expanded(
    look: &Look,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let names = header(schema);
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let mut number = 0;
    each(batches, |batch| {
        let mut text = String::new();
        for row in look.readable(&batch)? {
            number += 1;
            text.push_str(&format!("-- row {number}\n"));
            for (name, cell) in names.iter().zip(&row) {
                // Further lines of a cell stand under its first one.
                let cell = cell.replace('\n', &format!("\n{:width$}   ", ""));
                let room = " ".repeat(width - name.width());
                text.push_str(&format!("{name}{room} | {cell}\n"));
            }
        }
        write_text(out, &text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(csv_cell("plain"), "plain");
        assert_eq!(csv_cell("a,b"), "\"a,b\"");
        assert_eq!(csv_cell("say \"x\"\n"), "\"say \"\"x\"\"\n\"");
        assert_eq!(tsv_cell("a\tb\nc\\"), "a\\tb\\nc\\\\");
    }
}
