//! The same random queries to this crate and to DuckDB over the same tables: with one and two threads, and with each of
//! our own optimiser rules on and off. A difference is a wrong answer of somebody.
//!
//! It runs for `SYNTRACE_NET_SECONDS` (30) from `SYNTRACE_NET_SEED` (1) and says how many queries that were. DuckDB is
//! the Python package, of `python3` or of what `SYNTRACE_PYTHON` names; without it the test says so and compares
//! our own ways of answering alone. `SYNTRACE_REQUIRE=duckdb` makes its absence a failure.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test ends where its expectation does not hold, and says what it skips"
)]

mod query;
#[path = "../../../../tests/query/study.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod study;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::array_value_to_string;
use query::{Query, Shape, Writer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use syntrace_base::{base, record};
use syntrace_query::{Format, Rules, Session, SessionOptions, write_answer};
use syntrace_store as store;

/// Rows as texts, or what went wrong.
type Answered = Result<Vec<Vec<Option<String>>>, String>;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}

/// DuckDB in a process of its own.
struct Peer {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Peer {
    /// `None` where there is no DuckDB.
    fn start(folder: &Path) -> Option<Self> {
        let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/peer.py");
        let mut command = Command::new(python);
        command.arg(script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut answers = BufReader::new(child.stdout.take()?);
        let mut line = String::new();
        if answers.read_line(&mut line).ok()? == 0 {
            let _ = child.wait();
            return None;
        }
        println!("beside DuckDB: {}", line.trim());
        Some(Self { child, answers })
    }

    fn ask(&mut self, sql: &str) -> Answered {
        let input = self.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{}", Value::from(sql)).expect("the peer reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{sql}\n{line}\n{error}"));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let rows = answer["rows"].as_array().expect("rows");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(rows.iter().map(|row| row.as_array().expect("a row").iter().map(text).collect()).collect())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A value as `peer.py` writes it.
fn text(column: &ArrayRef, row: usize) -> Option<String> {
    if column.data_type() == &DataType::Null || column.is_null(row) {
        return None;
    }
    let real = match column.data_type() {
        DataType::Float32 => f64::from(column.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row),
        _ => return Some(array_value_to_string(column, row).expect("a text")),
    };
    if !real.is_finite() {
        return Some(syntrace_query::not_finite(real).to_owned());
    }
    // Equal in SQL: which of 0 and -0 stands for both in a UNION nothing says.
    let real = if real == 0.0 { 0.0 } else { real };
    // Python writes at least two digits of an exponent, and its sign.
    let scientific = format!("{real:.8e}");
    let (digits, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    Some(format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()))
}

fn ours(session: &Session, sql: &str) -> Answered {
    let batches = session.sql(sql).and_then(|answer| answer.collect_batches()).map_err(|error| error.to_string())?;
    let rows = batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| text(column, row)).collect())
    });
    Ok(rows.collect())
}

/// One way in which we answer.
struct Way {
    name: &'static str,
    session: Session,
}

fn ways(study: &study::Study) -> Vec<Way> {
    let open = |name: &'static str, threads: usize, rules: Rules| {
        let options = SessionOptions { memory_bytes: 64 << 20, threads };
        let snapshot = Arc::new(study.store().snapshot().expect("a snapshot"));
        Way { name, session: Session::open_with(snapshot, options, rules).expect("a session") }
    };
    let all = Rules::default();
    let mut ways = vec![open("1 thread", 1, all), open("2 threads", 2, all)];
    for (name, rules) in Rules::each_off() {
        ways.push(open(name, 2, rules));
    }
    ways
}

/// Rows in an order of their own, where the query has none; a limit has its rows of a total order, which other columns
/// than exact ones (averages) do not show alike.
fn sorted(query: &Query, answer: Answered) -> Answered {
    answer.map(|mut rows| {
        if !query.is_ordered {
            rows.sort();
        }
        rows
    })
}

/// Do two answers say the same? Errors do, whatever their words.
fn agree(left: &Answered, right: &Answered) -> bool {
    match (left, right) {
        (Ok(left), Ok(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| {
                    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
                })
        }
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

/// Equal texts, or numbers that differ in the last of nine digits: sums go in another order.
fn same(left: &Option<String>, right: &Option<String>) -> bool {
    if left == right {
        return true;
    }
    let (Some(left), Some(right)) = (left, right) else { return false };
    let is_real = |text: &str| text.contains('e') || text.contains('.');
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left_value), Ok(right_value)) if is_real(left) || is_real(right) => {
            (left_value - right_value).abs() <= 1e-7 * left_value.abs().max(right_value.abs()).max(1e-7)
        }
        _ => false,
    }
}

fn shown(answer: &Answered) -> String {
    match answer {
        Ok(rows) => format!("{} rows: {:?}", rows.len(), rows.iter().take(12).collect::<Vec<_>>()),
        Err(error) => format!("error: {error}"),
    }
}

/// What was asked and found.
#[derive(Default)]
struct Report {
    asked: BTreeMap<Shape, usize>,
    rows: usize,
    refused: BTreeMap<String, usize>,
    differ: Vec<String>,
}

impl Report {
    fn check(&mut self, query: &Query, ways: &[Way], peer: &mut Option<Peer>) {
        let right = peer.as_mut().map(|peer| sorted(query, peer.ask(&query.sql)));
        let mut first: Option<Answered> = None;
        for way in ways {
            let found = sorted(query, ours(&way.session, &query.sql));
            // Said to be unsupported is no wrong answer; it is counted. So is a fault of DataFusion 55.2 that gives no answer:
            // a column and its cast beside each other in the plan of an IN over a correlated subquery.
            if let Err(error) = &found
                && (error.contains("not support") || error.contains("projections require unique expression names"))
            {
                let reason: String = error.lines().next().unwrap_or_default().chars().take(100).collect();
                *self.refused.entry(reason).or_default() += 1;
                return;
            }
            let against = first.as_ref().or(right.as_ref());
            if let Some(against) = against.filter(|against| !agree(against, &found)) {
                let sql = &query.sql;
                self.differ.push(format!("{}\n{sql}\n  {}\n  {}", way.name, shown(&found), shown(against)));
                return;
            }
            if first.is_none() && right.is_some() {
                first = right.clone();
            } else {
                first.get_or_insert(found);
            }
        }
        *self.asked.entry(query.shape).or_default() += 1;
        self.rows += first.and_then(Result::ok).map_or(0, |rows| rows.len());
    }
}

/// Writes all columns of plain types of all tables, and what their types are.
fn export(session: &Session, folder: &Path) {
    let mut tables = serde_json::Map::new();
    for table in syntrace_query::tables() {
        let plain = table.columns.iter().filter_map(|column| Some((column.name, duckdb_type(column.kind)?)));
        let columns: serde_json::Map<String, Value> =
            plain.map(|(name, kind)| (name.to_owned(), kind.into())).collect();
        let names: Vec<&str> = columns.keys().map(String::as_str).collect();
        let answer = session.sql(&format!("SELECT {} FROM {}", names.join(", "), table.name)).expect("a table");
        let mut file = std::fs::File::create(folder.join(format!("{}.jsonl", table.name))).expect("a file");
        let schema = answer.schema();
        write_answer(Format::Jsonl, &schema, answer, &mut file).expect("rows");
        tables.insert(table.name.to_owned(), columns.into());
    }
    std::fs::write(folder.join("tables.json"), Value::from(tables).to_string()).expect("a file");
}

fn duckdb_type(kind: store::schema::ColumnType) -> Option<&'static str> {
    use store::schema::ColumnType::{Bool, Bytes, F32, F32List, F64, F64List, I16, I32, I64, Text};
    match kind {
        Bool => Some("BOOLEAN"),
        I16 => Some("SMALLINT"),
        I32 => Some("INTEGER"),
        I64 => Some("BIGINT"),
        F32 => Some("REAL"),
        F64 => Some("DOUBLE"),
        Text => Some("VARCHAR"),
        Bytes | F32List | F64List => None,
    }
}

#[test]
fn random_queries_are_answered_as_duckdb_does_and_alike_by_all_our_rules() {
    let study = study::small();
    let ways = ways(&study);
    let folder = tempfile::tempdir().expect("a folder");
    export(&ways[0].session, folder.path());
    let mut peer = Peer::start(folder.path());
    if peer.is_none() {
        let required = std::env::var("SYNTRACE_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|tool| tool.trim() == "duckdb");
        assert!(!is_required, "SYNTRACE_REQUIRE={required}, but python3 has no duckdb");
        eprintln!("skipped: the comparison with DuckDB: python3 has no duckdb (pip install duckdb)");
    }
    let (seed, seconds) = (number("SYNTRACE_NET_SEED", 1), number("SYNTRACE_NET_SECONDS", 30));
    let (mut writer, mut report, started) = (Writer::new(seed), Report::default(), Instant::now());
    while started.elapsed() < Duration::from_secs(seconds) && report.differ.len() < 20 {
        report.check(&writer.query(), &ways, &mut peer);
    }
    let asked: usize = report.asked.values().sum();
    println!("seed {seed}: {asked} queries in {} ways, {} rows, {:?}", ways.len(), report.rows, report.asked);
    println!("refused as unsupported: {:?}", report.refused);
    assert!(report.differ.is_empty(), "{} of them differ:\n{}", report.differ.len(), report.differ.join("\n\n"));
    assert!(asked > 0, "no query was asked");
}
