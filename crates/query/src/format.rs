//! Answers as text and bytes: `table`, `csv`, `tsv`, `json`, `jsonl`, `markdown`, `parquet`, `arrow`.
//!
//! `table`, `markdown` and `expanded` are for reading: floats with up to four significant decimals. All
//! other formats keep every digit. Rows stream through; only `table` looks ahead, for its widths.
//!
//! | value | table, markdown, expanded | csv, tsv | json, jsonl | parquet, arrow |
//! | --- | --- | --- | --- | --- |
//! | NULL | `NULL` | empty | `null` | NULL |
//! | not finite | `Infinity`, `-Infinity`, `NaN` | the same | `null` | itself |
//! | bytes | hexadecimal | hexadecimal | hexadecimal | itself |
//! | list, struct, map | `[1, NULL]`, `{a: x}` | `[1.0, null]`, `{"a": "x"}` | array, object | itself |

use super::cell::{Style, texts};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, LineDelimited, WriterBuilder};
use arrow::record_batch::RecordBatch;
use std::io::Write;
use syntrace_base::error::{Error, Result};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Boxes for a terminal.
    Table,
    /// Comma-separated values (RFC 4180), with a header.
    Csv,
    /// Tab-separated values with a header; tabs and line breaks in text are escaped as `\t` and `\n`.
    Tsv,
    /// One JSON array of objects. Infinite and undefined numbers are null, bytes hexadecimal.
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

    /// True if the output is bytes that a terminal cannot show.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// Rows that `table` looks at before it settles the widths.
const LOOK_AHEAD_ROWS: usize = 1_000;

/// Longest cell of a `table`, characters; the rest is cut with `...`.
const CELL_CHARACTERS: usize = 60;

/// Writes all batches in a format; returns the number of rows.
pub fn write_answer(
    format: Format,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    match format {
        Format::Table => write_table(schema, batches, out),
        Format::Markdown => write_markdown(schema, batches, out),
        Format::Expanded => write_expanded(schema, batches, out),
        Format::Csv => write_separated(schema, batches, out, ",", csv_cell),
        Format::Tsv => write_separated(schema, batches, out, "\t", tsv_cell),
        Format::Json => {
            let mut writer = json_builder().build::<_, JsonArray>(&mut *out);
            let rows = each(batches, |batch| writer.write(&batch).map_err(encoding_error))?;
            writer.finish().map_err(encoding_error)?;
            write_text(out, "\n")?;
            Ok(rows)
        }
        Format::Jsonl => {
            let mut writer = json_builder().build::<_, LineDelimited>(out);
            let rows = each(batches, |batch| writer.write(&batch).map_err(encoding_error))?;
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

fn json_builder() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

pub(super) fn each(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    mut write: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<u64> {
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        write(batch)?;
    }
    Ok(rows)
}

fn encoding_error(error: arrow::error::ArrowError) -> Error {
    match error {
        arrow::error::ArrowError::IoError(_, error) => write_error(error),
        other => Error::user(format!("cannot write the answer: {other}")),
    }
}

pub(super) fn write_error(error: std::io::Error) -> Error {
    Error::user(format!("cannot write the answer: {error}"))
}

fn write_text(out: &mut dyn Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(write_error)
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
        rows.extend(readable_rows(batch)?);
    }
    Ok(Rendered { header: header(schema), numeric: numeric(schema), rows })
}

fn header(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

fn numeric(schema: &SchemaRef) -> Vec<bool> {
    schema.fields().iter().map(|field| field.data_type().is_numeric()).collect()
}

fn readable_rows(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    text_rows(batch, readable)
}

/// One text per cell, by row.
fn text_rows(batch: &RecordBatch, column_text: fn(&ArrayRef) -> Result<Vec<String>>) -> Result<Vec<Vec<String>>> {
    let columns: Vec<Vec<String>> = batch.columns().iter().map(column_text).collect::<Result<_>>()?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    Ok((0..batch.num_rows())
        .map(|_| columns.iter_mut().map(|column| column.next().unwrap_or_default()).collect())
        .collect())
}

fn readable(array: &ArrayRef) -> Result<Vec<String>> {
    texts(array, Style::Readable, "NULL")
}

fn exact(array: &ArrayRef) -> Result<Vec<String>> {
    texts(array, Style::Exact, "")
}

fn write_separated(
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
        let text: String = text_rows(&batch, exact)?.iter().map(|row| line(row)).collect();
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
        let text: String = readable_rows(&batch)?.iter().map(|row| line(row)).collect();
        write_text(out, &text)
    })
}

fn write_expanded(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let names = header(schema);
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut number = 0;
    each(batches, |batch| {
        let mut text = String::new();
        for row in readable_rows(&batch)? {
            number += 1;
            text.push_str(&format!("-- row {number}\n"));
            for (name, cell) in names.iter().zip(&row) {
                // Further lines of a cell stand under its first one.
                let cell = cell.replace('\n', &format!("\n{:width$}   ", ""));
                text.push_str(&format!("{name:width$} | {cell}\n"));
            }
        }
        write_text(out, &text)
    })
}

fn write_table(
    schema: &SchemaRef,
    mut batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let mut ahead = Vec::new();
    while ahead.len() < LOOK_AHEAD_ROWS {
        match batches.next() {
            Some(batch) => ahead.extend(readable_rows(&batch?)?),
            None => break,
        }
    }
    let header = header(schema);
    let layout = Layout::new(&header, &ahead, numeric(schema));
    write_text(out, &layout.rule('\u{250c}', '\u{252c}', '\u{2510}'))?;
    write_text(out, &layout.lines(&header))?;
    write_text(out, &layout.rule('\u{251c}', '\u{253c}', '\u{2524}'))?;
    let mut rows = ahead.len() as u64;
    for row in &ahead {
        write_text(out, &layout.lines(row))?;
    }
    rows += each(batches, |batch| {
        let text: String = readable_rows(&batch)?.iter().map(|row| layout.lines(row)).collect();
        write_text(out, &text)
    })?;
    write_text(out, &layout.rule('\u{2514}', '\u{2534}', '\u{2518}'))?;
    Ok(rows)
}

/// Widths and alignment of a boxed table.
struct Layout {
    widths: Vec<usize>,
    numeric: Vec<bool>,
}

impl Layout {
    fn new(header: &[String], rows: &[Vec<String>], numeric: Vec<bool>) -> Self {
        let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
        for row in rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.lines().map(|line| cut(line).chars().count()).max().unwrap_or(0));
            }
        }
        Self { widths, numeric }
    }

    fn rule(&self, left: char, middle: char, right: char) -> String {
        let cells: Vec<String> = self.widths.iter().map(|width| "\u{2500}".repeat(width + 2)).collect();
        format!("{left}{}{right}\n", cells.join(&middle.to_string()))
    }

    /// A row; text with line breaks (a hexdump) takes as many lines.
    fn lines(&self, row: &[String]) -> String {
        let cells: Vec<Vec<String>> = row.iter().map(|text| text.lines().map(cut).collect()).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let mut text = String::new();
        for line in 0..height {
            for ((cell, &width), &right) in cells.iter().zip(&self.widths).zip(&self.numeric) {
                let content = cell.get(line).map_or("", String::as_str);
                let padded = if right { format!("{content:>width$}") } else { format!("{content:<width$}") };
                text.push_str(&format!("\u{2502} {padded} "));
            }
            text.push_str("\u{2502}\n");
        }
        text
    }
}

fn cut(line: &str) -> String {
    if line.chars().count() <= CELL_CHARACTERS.max(HEXDUMP_CHARACTERS) {
        return line.to_owned();
    }
    let kept: String = line.chars().take(CELL_CHARACTERS - 3).collect();
    format!("{kept}...")
}

/// Width of a line of `hexdump`, which is never cut.
const HEXDUMP_CHARACTERS: usize = 76;

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
