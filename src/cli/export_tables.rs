//! `syntrace export STUDY tables`: every SQL table as files of other tools.
//!
//! One folder a table. A table with the columns `generator` and `epsilon` is partitioned by them as Hive
//! does: `TABLE/generator=G/epsilon=E/part-0.EXT`, both columns being in the path and not in the file. An
//! absent value is written `none`: `epsilon=none` is a model without DP, `generator=none` real traffic.
//! Other tables are `TABLE/part-0.EXT`. Rows stream through; one thread keeps their order.

use crate::base::Digest;
use crate::error::{Error, Result, io_error};
use crate::query::{Format, Session, TableInfo, tables, write_answer};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What an absent partition value is called.
const NONE: &str = "none";

/// Longest value in a path; file systems take 255 bytes with the column's name.
const SEGMENT_BYTES: usize = 200;

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
        for part in parts(session, table)? {
            let place = folder.join(table.name).join(&part.folder);
            std::fs::create_dir_all(&place).map_err(|error| io_error("make the folder", &place, &error))?;
            exported.rows += write_part(session, &part.sql, format, &place.join(format!("part-0.{extension}")))?;
            exported.files += 1;
        }
    }
    let readme = folder.join("README.txt");
    std::fs::write(&readme, README).map_err(|error| io_error("write", &readme, &error))?;
    Ok(exported)
}

const README: &str = "Tables of a syntrace study, one folder a table; schema/tables.sql of syntrace says what the columns mean.\n\
Folders are Hive partitions: generator=G/epsilon=E. epsilon=none is a model without differential privacy,\n\
generator=none is real traffic. Both are in the path only.\n\
DuckDB:  SELECT generator, TRY_CAST(epsilon AS DOUBLE) AS epsilon, auc\n\
         FROM read_parquet('attacks/**/*.parquet', hive_partitioning = true);\n\
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
    folder: PathBuf,
    sql: String,
}

fn parts(session: &Session, table: &TableInfo) -> Result<Vec<Part>> {
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    if !(has("generator") && has("epsilon")) {
        return Ok(vec![Part { folder: PathBuf::new(), sql: format!("SELECT * FROM {}", table.name) }]);
    }
    let rest = table.columns.iter().map(|column| column.name).filter(|name| !matches!(*name, "generator" | "epsilon"));
    let rest: Vec<String> = rest.map(|name| format!("\"{name}\"")).collect();
    let mut parts = Vec::new();
    for (generator, epsilon) in values(session, table.name)? {
        let mut sql = format!("SELECT {} FROM {} WHERE ", rest.join(", "), table.name);
        let _ = match &generator {
            Some(name) => write!(sql, "generator = '{}'", name.replace('\'', "''")),
            None => write!(sql, "generator IS NULL"),
        };
        let _ = match &epsilon {
            Some(epsilon) => write!(sql, " AND epsilon = {epsilon}"),
            None => write!(sql, " AND epsilon IS NULL"),
        };
        let part = |name: &str, value: &Option<String>| match value {
            Some(value) => format!("{name}={}", encoded(value)),
            None => format!("{name}={NONE}"),
        };
        let folder = PathBuf::from(part("generator", &generator)).join(part("epsilon", &epsilon));
        parts.push(Part { folder, sql });
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

/// A path segment that no name can leave and no two names share: what is not plain is written as in an
/// URL, so is what would read as an absent value, and a long one ends in its digest.
fn encoded(value: &str) -> String {
    if value == NONE {
        return "%6Eone".to_owned();
    }
    let mut out = String::new();
    for (at, byte) in value.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+') || (byte == b'.' && at > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() > SEGMENT_BYTES {
        let digest = Digest::of(value.as_bytes()).hex();
        out.truncate(SEGMENT_BYTES - digest.len());
        out.push_str(&digest);
    }
    out
}

fn write_part(session: &Session, sql: &str, format: Format, path: &Path) -> Result<u64> {
    let answer = session.sql(sql)?;
    let schema = answer.schema();
    let file = std::fs::File::create(path).map_err(|error| io_error("make", path, &error))?;
    let mut out = std::io::BufWriter::new(file);
    let rows = write_answer(format, &schema, answer, &mut out)?;
    out.flush().map_err(|error| io_error("write", path, &error))?;
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
        assert_eq!((encoded(""), encoded("none")), (String::new(), "%6Eone".to_owned()));
        let (long, other) = (encoded(&"a/".repeat(400)), encoded(&"a/".repeat(401)));
        assert!(long.len() == SEGMENT_BYTES && other.len() == SEGMENT_BYTES && long != other, "{long}");
    }
}
