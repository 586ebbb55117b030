//! Results as boxed tables for a terminal.

use super::text::{Look, each, header, numeric, write_text};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use std::io::Write;
use syntrace_base::error::Result;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Rows that are buffered to determine the column widths.
const LOOK_AHEAD_ROWS: usize = 1_000;

pub(crate) fn write_table(
    look: &Look,
    schema: &SchemaRef,
    mut batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let mut ahead = Vec::new();
    while ahead.len() < LOOK_AHEAD_ROWS {
        match batches.next() {
            Some(batch) => ahead.extend(look.readable(&batch?)?),
            None => break,
        }
    }
    let header = header(schema);
    let layout = Layout::new(&header, &ahead, numeric(schema), look.width);
    write_text(out, &layout.rule('\u{250c}', '\u{252c}', '\u{2510}'))?;
    write_text(out, &layout.lines(&header))?;
    write_text(out, &layout.rule('\u{251c}', '\u{253c}', '\u{2524}'))?;
    let mut rows = ahead.len() as u64;
    for row in &ahead {
        write_text(out, &layout.lines(row))?;
    }
    rows += each(batches, |batch| {
        let text: String = look.readable(&batch)?.iter().map(|row| layout.lines(row)).collect();
        write_text(out, &text)
    })?;
    write_text(out, &layout.rule('\u{2514}', '\u{2534}', '\u{2518}'))?;
    Ok(rows)
}

/// Widths and alignment of a boxed table.
struct Layout {
    widths: Vec<usize>,
    numeric: Vec<bool>,
    /// Widest line of a cell.
    widest: usize,
}

impl Layout {
    fn new(header: &[String], rows: &[Vec<String>], numeric: Vec<bool>, widest: usize) -> Self {
        let mut widths: Vec<usize> = header.iter().map(|name| cut(name, widest).width()).collect();
        for row in rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.lines().map(|line| cut(line, widest).width()).max().unwrap_or(0));
            }
        }
        Self { widths, numeric, widest }
    }

    fn rule(&self, left: char, middle: char, right: char) -> String {
        let cells: Vec<String> = self.widths.iter().map(|width| "\u{2500}".repeat(width + 2)).collect();
        format!("{left}{}{right}\n", cells.join(&middle.to_string()))
    }

    /// A row; text with line breaks (a hexdump) takes as many lines.
    fn lines(&self, row: &[String]) -> String {
        let cells: Vec<Vec<String>> =
            row.iter().map(|text| text.lines().map(|line| cut(line, self.widest)).collect()).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let mut text = String::new();
        for line in 0..height {
            for ((cell, &width), &right) in cells.iter().zip(&self.widths).zip(&self.numeric) {
                let content = cell.get(line).map_or("", String::as_str);
                // Display width, not number of characters: CJK characters take two columns, combining accents none.
                let room = " ".repeat(width.saturating_sub(content.width()));
                let padded = if right { format!("{room}{content}") } else { format!("{content}{room}") };
                text.push_str(&format!("\u{2502} {padded} "));
            }
            text.push_str("\u{2502}\n");
        }
        text
    }
}

/// A line of at most `widest` columns; one that is longer ends in dots.
fn cut(line: &str, widest: usize) -> String {
    let widest = if widest >= CELL_WIDTH { widest.max(HEXDUMP_WIDTH) } else { widest };
    if line.width() <= widest {
        return line.to_owned();
    }
    let room = if widest <= HEXDUMP_WIDTH { widest.min(CELL_WIDTH) } else { widest }.saturating_sub(3);
    let mut taken = 0;
    let fits = |character: &char| {
        taken += character.width().unwrap_or(0);
        taken <= room
    };
    let kept: String = line.chars().take_while(fits).collect();
    format!("{kept}...")
}

/// Default width limit of a cell.
const CELL_WIDTH: usize = 60;

/// Width of a line of `hexdump`, which is not truncated by default.
const HEXDUMP_WIDTH: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_wide_and_of_marked_letters_stay_in_line() {
        let rows = vec![vec!["\u{4f60}\u{597d}".to_owned()], vec!["e\u{301}".to_owned()], vec!["abcdef".to_owned()]];
        let layout = Layout::new(&["name".to_owned()], &rows, vec![false], 60);
        let widths: Vec<usize> = rows.iter().map(|row| layout.lines(row).trim_end().width()).collect();
        assert_eq!(widths, [10, 10, 10]);
    }

    #[test]
    fn a_cell_is_cut_to_the_columns_that_are_asked_for() {
        assert_eq!(cut("abcdefgh", 6), "abc...");
        assert_eq!(cut("\u{4f60}\u{597d}\u{4f60}\u{597d}", 6), "\u{4f60}...");
        assert_eq!(cut(&"x".repeat(76), 60).width(), 76, "a line of a hexdump");
        assert_eq!(cut(&"x".repeat(77), 60).width(), 60);
        assert_eq!(cut(&"x".repeat(500), usize::MAX).width(), 500);
        assert_eq!(cut(&"x".repeat(500), 100).width(), 100);
    }
}
