//! The result of a named query, in memory: typed columns for figures, text for tables, CSV for download.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use syntrace_base::error::{Error, Result};
use syntrace_query::{
    Format, NamedQuery, Parameters, Rendered, Session, bind, cells, named, parse_parameter, visible, write_answer,
};

/// All rows of a named query, as it was asked.
pub(super) struct Answer {
    /// The query with its question and SQL.
    pub query: NamedQuery,
    /// Values that differ from the query's defaults, as `name=value`.
    pub given: &'static [&'static str],
    batch: RecordBatch,
}

impl Answer {
    /// Asks a named query, with the given `name=value` instead of its defaults.
    ///
    /// # Errors
    /// As the query's; `internal` where the report names a query that is not there.
    pub fn ask(session: &Session, name: &str, given: &'static [&'static str]) -> Result<Self> {
        let query = named(name)?;
        let values = given.iter().map(|text| parse_parameter(text)).collect::<Result<Parameters>>()?;
        let answer = session.sql_with(query.sql, &bind(&query, &values)?);
        let answer = answer.map_err(|error| error.context(format!("query `{name}`")))?;
        let schema = answer.schema();
        let batches = answer.collect_batches().map_err(|error| error.context(format!("query `{name}`")))?;
        let batch = concat_batches(&schema, &batches).map_err(|error| Error::internal(format!("`{name}`: {error}")))?;
        Ok(Self { query, given, batch })
    }

    /// The rows of a named query that somebody else has asked.
    ///
    /// # Errors
    /// `internal` where there is no such query.
    pub fn of(name: &str, batch: RecordBatch) -> Result<Self> {
        Ok(Self { query: named(name)?, given: &[], batch })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// True without a row.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Is there a column of bytes, which no table shows?
    pub fn has_bytes(&self) -> bool {
        self.batch.schema().fields().iter().any(|field| field.data_type().is_binary())
    }

    /// How to ask for the same on the command line.
    pub fn command(&self) -> String {
        let values: String = self.given.iter().map(|text| format!(" -v {text}")).collect();
        format!("syntrace query STUDY {}{values}", self.query.name)
    }

    fn column(&self, name: &str) -> Result<&ArrayRef> {
        self.batch
            .column_by_name(name)
            .ok_or_else(|| Error::internal(format!("query `{}` has no column `{name}`", self.query.name)))
    }

    /// A column of numbers; `None` where it is NULL or not finite.
    ///
    /// # Errors
    /// `internal` if there is no such column.
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let wrong = |error| Error::internal(format!("column `{name}` of `{}`: {error}", self.query.name));
        let values = cast(self.column(name)?, &DataType::Float64).map_err(wrong)?;
        Ok(values.as_primitive::<Float64Type>().iter().map(|value| value.filter(|value| value.is_finite())).collect())
    }

    /// A column as text; `None` where it is NULL. Characters that would steer a terminal or turn text round are escaped.
    ///
    /// # Errors
    /// `internal` if there is no such column.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        let wrong = |error| Error::internal(format!("column `{name}` of `{}`: {error}", self.query.name));
        let values = cast(self.column(name)?, &DataType::Utf8).map_err(wrong)?;
        Ok(values.as_string::<i32>().iter().map(|value| value.map(|text| visible(text.to_owned()))).collect())
    }

    /// A column of names: NULL is empty.
    ///
    /// # Errors
    /// As [`Answer::texts`].
    pub fn names(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.texts(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// A column of bytes; NULL is empty.
    ///
    /// # Errors
    /// `internal` if there is no such column or it holds no bytes.
    pub fn bytes(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let wrong = |error| Error::internal(format!("column `{name}` of `{}`: {error}", self.query.name));
        let values = cast(self.column(name)?, &DataType::Binary).map_err(wrong)?;
        Ok(values.as_binary::<i32>().iter().map(|value| value.unwrap_or_default().to_vec()).collect())
    }

    /// Cells as text for reading: at most four significant decimals.
    ///
    /// # Errors
    /// `internal` if a cell has no text.
    pub fn rendered(&self) -> Result<Rendered> {
        cells(&self.batch.schema(), std::slice::from_ref(&self.batch))
    }

    /// The answer as CSV with every digit, as `syntrace query --format csv` writes it.
    ///
    /// # Errors
    /// As [`write_answer`].
    pub fn csv(&self) -> Result<String> {
        let mut out = Vec::new();
        write_answer(Format::Csv, &self.batch.schema(), std::iter::once(Ok(self.batch.clone())), &mut out)?;
        String::from_utf8(out).map_err(|error| Error::internal(format!("CSV of `{}`: {error}", self.query.name)))
    }
}
