//! Sentences whose numbers are cells of named queries.

use super::answer::Answer;
use super::scale::grouped;
use syntrace_base::error::Result;

/// A number with its origin.
pub(super) struct Cell {
    /// As stored, every digit.
    pub value: String,
    /// As shown.
    pub shown: String,
    /// `query:row:column`, rows from 0.
    pub cell: String,
}

/// A part of a sentence.
pub(super) enum Part {
    /// Words.
    Text(String),
    /// Words that matter.
    Strong(String),
    /// A number.
    Number(Cell),
}

/// A sentence of the headline.
pub(super) struct Sentence {
    /// Its parts in order.
    pub parts: Vec<Part>,
}

/// Puts a sentence together.
pub(super) struct Draft(Vec<Part>);

impl Draft {
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    pub fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Strong(text.into()));
        self
    }

    /// A whole number of the first row and its noun, in the plural where it is not one.
    pub fn count(mut self, answer: &Answer, column: &str, noun: &str) -> Result<Self> {
        self = self.whole(answer, 0, column)?;
        let value = total(answer, column)?;
        let plural = if value == 1.0 {
            ""
        } else if noun.ends_with('s') {
            "es"
        } else {
            "s"
        };
        Ok(self.text(if noun.is_empty() { String::new() } else { format!(" {noun}{plural}") }))
    }

    /// A number with two or three decimals.
    pub fn real(mut self, answer: &Answer, row: usize, column: &str) -> Result<Self> {
        let Some(value) = answer.numbers(column)?.get(row).copied().flatten() else {
            return Ok(self.text("unknown"));
        };
        self.0.push(cell(answer, row, column, value, format!("{value:.2}")));
        Ok(self)
    }

    /// A whole number of a row.
    pub fn whole(mut self, answer: &Answer, row: usize, column: &str) -> Result<Self> {
        let value = answer.numbers(column)?.get(row).copied().flatten().unwrap_or(0.0);
        self.0.push(cell(answer, row, column, value, grouped(&format!("{value:.0}"))));
        Ok(self)
    }

    /// Is nothing said yet?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn done(self) -> Sentence {
        Sentence { parts: self.0 }
    }
}

/// A sentence without a word yet.
pub(super) fn draft() -> Draft {
    Draft(Vec::new())
}

fn cell(answer: &Answer, row: usize, column: &str, value: f64, shown: String) -> Part {
    Part::Number(Cell { value: value.to_string(), shown, cell: format!("{}:{row}:{column}", answer.query.name) })
}

/// A number of the first row; 0 where it is NULL.
pub(super) fn total(answer: &Answer, column: &str) -> Result<f64> {
    Ok(answer.numbers(column)?.first().copied().flatten().unwrap_or(0.0))
}
