//! The table of clients in docs/src/serving.md, made by running them. `SYNTRACE_BLESS=1` writes it, with the versions that are
//! here; without it the clients that are here have to pass, and the table has to list what is run.

use super::{Server, clients};
use crate::common::{Finish, skip};
use crate::docs::{MARKER, read, repository};
use crate::query::study;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/src/serving.md";

/// One client: its name, its version here, what was run, and what came of it.
struct Row {
    client: String,
    version: String,
    what: String,
    result: String,
}

impl Row {
    fn new(client: &str, version: &str, what: &str, result: &str) -> Self {
        let [client, version, what, result] = [client, version, what, result].map(str::to_owned);
        Self { client, version, what, result }
    }
}

/// Clients that are not run: the questions that the first three ask first are in tests/serve/catalog.sql.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("DBeaver", "25", "its first questions, sent by psql"),
    ("Grafana", "11, 12", "its first questions and macros, sent by psql"),
    ("Metabase", "", "its first questions, sent by psql"),
    ("Superset", "", "nothing (it asks through SQLAlchemy)"),
    ("pgAdmin", "", "nothing"),
];

fn of_python(server: &Server) -> Vec<Row> {
    let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/clients.py");
    let mut command = Command::new(&python);
    command.arg("-B").arg(program).args(["127.0.0.1", &server.port.to_string()]);
    let Ok(output) = command.finish() else {
        skip("python3", format_args!("clients in Python: no {python} here"));
        return Vec::new();
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Row> = stdout
        .lines()
        .map(|line| match line.split('\t').collect::<Vec<_>>().as_slice() {
            [client, version, what, result] => Row::new(client, version, what, result),
            _ => panic!("{line}"),
        })
        .collect();
    for row in &rows {
        if let Some(missing) = row.result.strip_prefix("no ") {
            skip(missing, format_args!("{}: {python} has no {missing}", row.client));
        }
    }
    rows
}

fn all() -> Vec<Row> {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let mut rows = Vec::new();
    if let Some((version, commands)) = clients::psql_commands(&server, "the table of clients") {
        rows.push(Row::new("psql", &version, &format!("`{commands}`, `\\copy`, cursors (FETCH_COUNT)"), "passes"));
    }
    let of_jdbc = "`DatabaseMetaData`, parameters, cursors, every type";
    rows.push(match clients::jdbc(&server) {
        Ok(version) => Row::new("JDBC", &version, of_jdbc, "passes"),
        Err(missing) => {
            skip("jdbc", format_args!("JDBC: {missing}"));
            Row::new("JDBC", "", of_jdbc, "no driver")
        }
    });
    rows.extend(of_python(&server));
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = "\n| client | version | what was run | result |\n| --- | --- | --- | --- |\n".to_owned();
    let mut line = |client: &str, version: &str, what: &str, result: &str| {
        text.push_str(&format!("| {client} | {version} | {what} | {result} |\n"));
    };
    for row in rows {
        match row.result.strip_prefix("no ") {
            Some(missing) => line(&row.client, &row.version, &row.what, &format!("not run: no {missing} here")),
            None => line(&row.client, &row.version, &row.what, &row.result),
        }
    }
    for (client, version, what) in NOT_RUN {
        line(client, version, what, "the program itself is not run");
    }
    text
}

/// Client and what was run, of each line of a table.
fn listed(table: &str) -> Vec<(String, String)> {
    let cells = |line: &str| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect::<Vec<_>>();
    let lines = table.lines().filter(|line| line.starts_with("| ")).map(cells);
    lines.map(|cells| (cells[0].clone(), cells[2].clone())).collect()
}

#[test]
fn every_client_of_the_table_that_is_here_passes() {
    let rows = all();
    let page = read(PAGE);
    let (head, found) = page.split_once(MARKER).expect("the page has a generated part");
    let made = table(&rows);
    if std::env::var_os("SYNTRACE_BLESS").is_some() {
        return std::fs::write(repository(PAGE), format!("{head}{MARKER}{made}")).unwrap();
    }
    let known = listed(found);
    for line in listed(&made) {
        assert!(known.contains(&line), "{line:?} is not in {PAGE}: run the tests with SYNTRACE_BLESS=1");
    }
}
