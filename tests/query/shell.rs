//! The verbs `sql`, `query` and `report` as a process: output, exit codes, batches from every source.

use super::study;
use crate::common::Finish;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

fn syntrace(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syntrace"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(verb: &str, study: &study::Study, rest: &[&str]) -> Output {
    let path = study.path.to_str().unwrap();
    syntrace(&[&[verb, path], rest].concat()).finish().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn statements_come_from_commands_files_and_standard_input() {
    let study = study::small();
    let file = study.path.with_extension("sql");
    std::fs::write(&file, "-- a; comment\nSELECT 2 AS n;\nSELECT 3 AS n").unwrap();
    let rest = ["--format", "csv", "-c", "SELECT 1 AS n; SELECT 'a;b' AS t", "-f", file.to_str().unwrap()];
    let found = run("sql", &study, &rest);
    assert_eq!(text(&found.stdout), "n\n1\nt\na;b\nn\n2\nn\n3\n");
    assert!(found.status.success());
    let mut child = syntrace(&["sql", study.path.to_str().unwrap(), "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT count(*) AS models FROM models;").unwrap();
    assert_eq!(text(&child.finish().unwrap().stdout), "models\n4\n");
}

#[test]
fn an_error_in_a_file_says_where_in_it() {
    let study = study::small();
    let file = study.path.with_extension("sql");
    std::fs::write(&file, "SELECT 1 AS n;\n\nSELECT $$a;b$$ AS t;\nSELECT\n  nme\nFROM models;\n").unwrap();
    let found = run("sql", &study, &["--format", "csv", "-f", file.to_str().unwrap()]);
    assert_eq!((found.status.code(), text(&found.stdout)), (Some(2), "n\n1\nt\na;b\n"));
    let place = format!("error: `{}`, statement of line 4: there is no column `nme`", file.display());
    assert!(text(&found.stderr).starts_with(&place), "{}", text(&found.stderr));
}

#[test]
fn columns_of_one_name_get_names_of_their_own() {
    let study = study::small();
    let found = run("sql", &study, &["--format", "csv", "-c", "SELECT count(*), count(*), 1, 1 FROM models"]);
    assert_eq!(text(&found.stdout).lines().nth(1), Some("4,4,1,1"), "{}", text(&found.stderr));
}

/// A class may be called 2024: a value that stands beside text is text.
#[test]
fn parameters_beside_text_are_text() {
    let study = study::small();
    for value in ["5", "2.5", "true"] {
        let given = format!("dataset={value}");
        let found = run("query", &study, &["headline", "--format", "csv", "-v", &given]);
        assert_eq!(text(&found.stdout).lines().count(), 1, "{}", text(&found.stderr));
    }
    let sql = "SELECT count(*) AS n FROM models WHERE model_id > $least AND concat('20', '24') = $class";
    let found = run("sql", &study, &["--format", "csv", "-v", "least=0", "-v", "class=2024", "-c", sql]);
    assert_eq!(text(&found.stdout), "n\n4\n", "{}", text(&found.stderr));
}

/// A few characters of SQL must not take any memory, nor end the program.
#[test]
fn statements_that_ask_for_any_memory_are_errors() {
    let study = study::small();
    for sql in [
        "SELECT repeat('x', 1000000000)",
        "SELECT length(lpad('x', 2147483647, 'ab'))",
        "SELECT rpad(name, 2147483647) FROM models",
        "SELECT array_length(array_repeat(1, 1000000000))",
        "SELECT array_length(list_resize(make_array(1), 1000000000))",
        "SELECT length(replace(repeat('a', 100000), 'a', repeat('b', 100000)))",
        "SELECT length(regexp_replace(repeat('a', 100000), 'a', repeat('b', 100000), 'g'))",
        "SELECT length(array_join(range(0, 1000000), repeat('b', 10000)))",
        "SELECT length(hexdump(CAST(repeat('a', 100000000) AS BYTEA)))",
        "SELECT array_repeat(array_repeat(array_repeat(array_repeat(array_repeat(array_repeat(1, 99), 99), 99), 99), 99), 99)",
        "SELECT array_position(make_array(1, 2, 3), 2, CAST('-9223372036854775808' AS BIGINT))",
        "SELECT arrow_cast(9223372036854775807, 'Date64') - arrow_cast(-9223372036854775808, 'Date64')",
    ] {
        let found = run("sql", &study, &["--format", "csv", "--memory", "64", "-c", sql]);
        let code = found.status.code();
        assert!(
            matches!(code, Some(2 | 3)) && text(&found.stderr).contains("error: "),
            "{sql}: {code:?} {}",
            text(&found.stderr)
        );
    }
    let sql = "SELECT repeat('ab', 3) AS a, lpad('x', 3, 'y') AS b, list_repeat(1, 2) AS c, replace('aba', 'a', 'cc') AS d, \
               regexp_replace('aba', 'a', 'c', 'g') AS e, array_join(make_array(1, 2), '-') AS f, encode('a', 'hex') AS g";
    let found = run("sql", &study, &["--format", "tsv", "-c", sql]);
    let wanted = Some("ababab\tyyx\t[1,1]\tccbcc\tcbc\t1-2\t61");
    let line = text(&found.stdout).lines().nth(1).map(|line| line.replace(", ", ","));
    assert_eq!(line.as_deref(), wanted, "{}", text(&found.stderr));
}

#[test]
fn bytes_have_a_length_and_are_no_text() {
    let study = study::small();
    let sql = "SELECT length(X'00ff80') AS a, octet_length(X'00ff80') AS b, length('\u{e4}') AS c, octet_length('\u{e4}') AS d, \
               length(CAST(NULL AS BYTEA)) AS e, sum(CASE WHEN length(src_ip) = 4 THEN 0 ELSE 1 END) AS f FROM packets";
    let found = run("sql", &study, &["--format", "csv", "-c", sql]);
    assert_eq!(text(&found.stdout), "a,b,c,d,e,f\n3,3,1,2,,0\n", "{}", text(&found.stderr));
    let found = run("sql", &study, &["-c", "SELECT X'ff' || 'x' AS t"]);
    assert!(text(&found.stderr).contains("octet_length(data)"), "{}", text(&found.stderr));
}

#[test]
fn the_first_error_ends_a_batch_with_a_caret_on_stderr() {
    let found =
        run("sql", &study::small(), &["--format", "csv", "-c", "SELECT 1 AS n; SELECT nme FROM models; SELECT 3"]);
    assert_eq!(found.status.code(), Some(2));
    assert_eq!(text(&found.stdout), "n\n1\n");
    let message = text(&found.stderr);
    assert!(message.starts_with("error: there is no column `nme` here\n  1 | SELECT nme FROM models\n"), "{message}");
    assert!(message.ends_with("hint: did you mean `name`?\n"), "{message}");
}

#[test]
fn named_queries_take_values_and_all_formats() {
    let study = study::small();
    let found = run("query", &study, &["table3", "-v", "dataset=os", "--format", "jsonl"]);
    assert_eq!(text(&found.stdout).lines().count(), 2);
    let found = run("query", &study, &["one_trace", "-v", "trace_id=1003", "--format", "parquet"]);
    assert!(found.status.success() && found.stdout.starts_with(b"PAR1"), "{}", text(&found.stderr));
    let found = run("query", &study, &["table3", "-v", "datset=os"]);
    assert_eq!(found.status.code(), Some(2));
    assert!(text(&found.stderr).ends_with("hint: did you mean `dataset`?\n"));
    let found = run("sql", &study, &["--format", "arrow", "-c", "SELECT 1; SELECT 2"]);
    assert_eq!(found.status.code(), Some(2));
    assert!(text(&found.stderr).contains("one answer a file, found 2 statements"), "{}", text(&found.stderr));
    let listed = run("query", &study, &[]);
    assert!(text(&listed.stdout).contains("mia_by_model_and_epsilon"));
}

#[test]
fn commands_work_outside_the_shell_as_in_it() {
    let study = study::small();
    let file = study.path.with_extension("txt");
    let script = study.path.with_extension("sql");
    std::fs::write(&script, ".mode tsv\nSELECT 1 AS a,\n2 AS b;\n\\x\nSELECT 3 AS wide, 'x' AS c").unwrap();
    let commands = format!(
        ".mode csv\n.once {}\nSELECT 7 AS n;\nSELECT 8 AS n;\n.read {}\n.quit\nSELECT 9",
        file.display(),
        script.display()
    );
    let found = run("sql", &study, &["-c", &commands]);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert_eq!(text(&found.stdout), "n\n8\na\tb\n1\t2\n-- row 1\nwide | 3\nc    | x\n");
    assert_eq!(text(&found.stderr), "", "no row counts outside the shell");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "n\n7\n");
    let tables = run("sql", &study, &["-c", "\\dt"]);
    assert_eq!(text(&tables.stdout), text(&run("sql", &study, &["-c", ".tables"]).stdout));
    assert!(text(&tables.stdout).contains("attack_scores"));
    assert!(text(&run("sql", &study, &["-c", "\\d models"]).stdout).contains("CREATE TABLE models"));
    let explained = run("sql", &study, &["-c", ".explain SELECT loss FROM attributes WHERE epsilon = 4"]);
    assert!(text(&explained.stdout).contains("StudyScan: attributes"), "{}", text(&explained.stdout));
    let set = run("sql", &study, &["--format", "csv", "-c", ".set wanted=netssm\nSELECT $wanted AS generator"]);
    assert_eq!(text(&set.stdout), "generator\nnetssm\n", "{}", text(&set.stderr));
    let unknown = run("sql", &study, &["-c", ".tabels"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("no such command: `.tabels`"));
}

#[test]
fn the_examples_of_the_shell_run() {
    let study = study::small();
    let examples = run("sql", &study, &["-c", ".examples"]);
    let found = run("sql", &study, &["--format", "csv", &format!("-c{}", text(&examples.stdout))]);
    assert!(found.status.success(), "{}", text(&found.stderr));
}

#[test]
fn a_pivot_turns_budgets_into_columns() {
    let sql = "SELECT role, epsilon, count(*) AS models FROM models WHERE class = 'windows' GROUP BY role, epsilon \
               ORDER BY role, epsilon NULLS FIRST";
    let found = run("sql", &study::small(), &["--format", "csv", "--pivot", "epsilon", "-c", sql]);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert!(text(&found.stdout).starts_with("role,"), "{}", text(&found.stdout));
    assert!(text(&found.stdout).lines().next().unwrap().contains("4.0"), "{}", text(&found.stdout));
}

#[test]
fn info_says_where_the_bytes_are_and_follows_another_process() {
    let study = study::small();
    let found = run("info", &study, &[]);
    for wanted in ["columns of", "objects of kind", "generator", "netssm", "(no model)", "redb table"] {
        assert!(text(&found.stdout).contains(wanted), "{wanted} in {}", text(&found.stdout));
    }
    let path = study.path.to_str().unwrap();
    let arguments = ["info", path, "--follow", "--for", "60"];
    let mut follower = syntrace(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(follower.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut lines = vec![said.next().expect("what is there already")];
    let made = syntrace(&["simulate", path, "--dataset", "vca", "--class", "meet", "--flows", "5"]).finish().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    while !lines.iter().any(|line| line.contains("simulate vca/meet")) {
        lines.push(said.next().unwrap_or_else(|| panic!("nothing of another process's job in {lines:?}")));
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert!(lines[0].ends_with("jobs finished"), "{lines:?}");
    assert!(run("info", &study, &["--follow", "--for", "0"]).status.success());
}

#[test]
fn a_file_that_is_no_study_is_the_users_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database, just text").unwrap();
    for verb in ["sql", "query"] {
        let found = syntrace(&[verb, path.to_str().unwrap(), if verb == "sql" { "-c=SELECT 1" } else { "table1" }]);
        let found = { found }.finish().unwrap();
        assert_eq!(found.status.code(), Some(2), "{}", text(&found.stderr));
        assert!(text(&found.stderr).starts_with("error: "));
    }
}

#[test]
fn the_report_is_written_where_it_was_asked_for() {
    let study = study::small();
    let page = study.path.with_extension("html");
    let found = run("report", &study, &["-o", page.to_str().unwrap()]);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert!(std::fs::read_to_string(&page).unwrap().contains("</html>"));
}
