//! `syntrace export STUDY tables`: every SQL table as files of other tools.
//!
//! One folder a table. A table with the columns `generator` and `epsilon` is cut by them: `TABLE/part-G@epsE.EXT`, without
//! DP `TABLE/part-G@none.EXT`, of real traffic `TABLE/part-@real.EXT`. Other tables are `TABLE/part-0.EXT`. Every file has
//! all columns of its table, so that each reads `epsilon` as the number or the NULL that it is: in a folder `epsilon=4.0`
//! of Hive's, DuckDB and pandas see text, and pandas fails at Hive's name for NULL. What is asked of one generator or
//! budget reads its files only, by the bounds in them. Rows stream through; one thread keeps their order.

use super::atomic_file::{Beside, Existing};
use crate::base::Digest;
use crate::error::{Error, Result, io_error};
use crate::query::{Format, Session, TableInfo, tables, write_answer};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use std::fmt::Write as _;
use std::path::Path;

/// Memory of the queries behind exported tables.
pub(super) const TABLES_MEMORY_MIB: usize = 1024;
/// Longest name of a generator in that of a file; file systems take 255 bytes.
const NAME_BYTES: usize = 200;

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Exported {
    pub files: u64,
    pub rows: u64,
}

/// Writes the named tables (all where none is named) into an empty or new folder.
pub(super) fn export_tables(session: &Session, names: &[String], format: Format, folder: &Path) -> Result<Exported> {
    let all = tables();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|table| table.name == name.as_str())) {
        let known: Vec<&str> = all.iter().map(|table| table.name).collect();
        return Err(Error::user(format!("there is no table `{unknown}`")).hint(format!("one of: {}", known.join(", "))));
    }
    let extension = match format {
        Format::Parquet => "parquet",
        Format::Arrow => "arrow",
        _ => "csv",
    };
    make_empty(folder)?;
    let mut exported = Exported::default();
    for table in all.iter().filter(|table| names.is_empty() || names.iter().any(|name| name == table.name)) {
        let place = folder.join(table.name);
        for part in parts(session, table)? {
            std::fs::create_dir_all(&place).map_err(|error| io_error("make the folder", &place, &error))?;
            exported.rows +=
                write_part(session, &part.sql, format, &place.join(format!("part-{}.{extension}", part.name)))?;
            exported.files += 1;
        }
    }
    let readme = folder.join("README.txt");
    Beside::write_whole(&readme, Existing::Keep, README.as_bytes())?;
    Ok(exported)
}

const README: &str = "Tables of a syntrace study, one folder a table; schema/tables.sql of syntrace says what the columns mean.\n\
A table may have several files, by generator and epsilon; each has all columns. epsilon is NULL without\n\
differential privacy, generator is NULL for real traffic.\n\
DuckDB:  SELECT generator, epsilon, auc FROM 'attacks/*.parquet';\n\
pandas:  pandas.read_parquet('attacks')\n\
Spark:   spark.read.parquet('attacks')\n";

/// Makes a folder, or takes one without files.
pub(super) fn make_empty(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| io_error("make the folder", folder, &error))?;
    let mut entries = std::fs::read_dir(folder).map_err(|error| io_error("read the folder", folder, &error))?;
    if entries.next().is_some() {
        return Err(Error::user(format!("expected an empty or new folder, found files in `{}`", folder.display()))
            .hint("files of an earlier export would be read together with the new ones"));
    }
    Ok(())
}

/// One file of a table.
struct Part {
    name: String,
    sql: String,
}

fn parts(session: &Session, table: &TableInfo) -> Result<Vec<Part>> {
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    if !(has("generator") && has("epsilon")) {
        return Ok(vec![Part { name: "0".to_owned(), sql: format!("SELECT * FROM {}", table.name) }]);
    }
    let mut parts = Vec::new();
    for (generator, epsilon) in values(session, table.name)? {
        let mut sql = format!("SELECT * FROM {} WHERE ", table.name);
        let _ = match &generator {
            Some(name) => write!(sql, "generator = '{}'", name.replace('\'', "''")),
            None => write!(sql, "generator IS NULL"),
        };
        let _ = match &epsilon {
            Some(epsilon) => write!(sql, " AND epsilon = {epsilon}"),
            None => write!(sql, " AND epsilon IS NULL"),
        };
        let budget = match (&generator, &epsilon) {
            (_, Some(epsilon)) => format!("eps{epsilon}"),
            (Some(_), None) => "none".to_owned(),
            (None, None) => "real".to_owned(),
        };
        parts.push(Part { name: format!("{}@{budget}", encoded(generator.as_deref().unwrap_or(""))), sql });
    }
    Ok(parts)
}

/// The pairs (generator, epsilon) of a table, as text.
fn values(session: &Session, table: &str) -> Result<Vec<(Option<String>, Option<String>)>> {
    let sql = format!("SELECT DISTINCT generator, epsilon FROM {table} ORDER BY generator, epsilon");
    let mut pairs = Vec::new();
    for batch in session.sql(&sql)? {
        let batch = batch?;
        let (generators, epsilons) = (batch.column(0), batch.column(1));
        for row in 0..batch.num_rows() {
            let generator = (!generators.is_null(row)).then(|| generators.as_string::<i32>().value(row).to_owned());
            let epsilon = (!epsilons.is_null(row)).then(|| epsilons.as_primitive::<Float64Type>().value(row));
            pairs.push((generator, epsilon.map(|epsilon| format!("{epsilon:?}"))));
        }
    }
    Ok(pairs)
}

/// A name of a file that no name can leave and no two names share: what is not plain is written as in an URL, and a long
/// one ends in its digest.
fn encoded(value: &str) -> String {
    let mut out = String::new();
    for (at, byte) in value.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+') || (byte == b'.' && at > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() > NAME_BYTES {
        let digest = Digest::of(value.as_bytes()).hex();
        out.truncate(NAME_BYTES - digest.len());
        out.push_str(&digest);
    }
    out
}

/// Writes the answer of a query; gives its rows.
pub(super) fn write_part(session: &Session, sql: &str, format: Format, path: &Path) -> Result<u64> {
    let answer = session.sql(sql)?;
    let schema = answer.schema();
    let mut out = Beside::create(path, Existing::Keep)?;
    let rows = write_answer(format, &schema, answer, &mut out)?;
    out.finish()?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_generator_name_leaves_its_folder() {
        assert_eq!(encoded("netshare-finetune"), "netshare-finetune");
        assert_eq!(encoded("4.0"), "4.0");
        assert_eq!(encoded("../../etc"), "%2E.%2F..%2Fetc");
        assert_eq!(encoded("a=b c"), "a%3Db%20c");
        assert_eq!(encoded("a\0b/"), "a%00b%2F");
        assert_eq!(encoded("a@none"), "a%40none");
        let (long, other) = (encoded(&"a/".repeat(400)), encoded(&"a/".repeat(401)));
        assert!(long.len() == NAME_BYTES && other.len() == NAME_BYTES && long != other, "{long}");
    }
}
