//! Commands of the shell, as they are given in a batch.

use super::study;
use crate::common::Finish;
use std::path::Path;
use std::process::{Command, Output};

fn sql(study: &Path, rest: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syntrace"));
    command.args(["sql", study.to_str().unwrap()]).args(rest).finish().unwrap()
}

/// Runs a batch that is right; gives what it printed.
fn answer(study: &Path, text: &str) -> String {
    let file = study.with_extension("batch");
    std::fs::write(&file, text).unwrap();
    let output = sql(study, &["--format", "csv", "-f", file.to_str().unwrap()]);
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn comments_marks_and_words_of_other_shells_do_what_they_look_like() {
    let study = study::small();
    assert!(answer(&study.path, "\u{feff}-- tables first\n.tables\nSELECT 1 AS n;").starts_with("captures "));
    assert_eq!(answer(&study.path, "SELECT 1 AS n; -- done\n/* and\n.tables */\nexit\nSELECT 2 AS n;"), "n\n1\n");
    assert!(answer(&study.path, "help;").contains(".maxrows"));
}

#[test]
fn answers_go_to_the_files_that_psql_would_write() {
    let study = study::small();
    let folder = study.path.parent().unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (g, o, copy, json) = (at("g.csv"), at("o.csv"), at("copy.csv"), at("copy.out"));
    let text = format!(
        "SELECT 1 AS n \\g {g}\n\\o {o}\nSELECT 2 AS n;\n\\o\n\\copy (SELECT 3 AS n) TO '{copy}' CSV HEADER\n\
         \\copy (SELECT 4 AS n) TO {json} (FORMAT jsonl)\nSELECT 5 AS n;\n\\g"
    );
    assert_eq!(answer(&study.path, &text), "n\n5\nn\n5\n");
    let found = ["g.csv", "o.csv", "copy.csv", "copy.out"].map(read);
    assert_eq!(found, ["n\n1\n", "n\n2\n", "n\n3\n", "{\"n\":4}\n"]);
    std::fs::write(at("more.sql"), "SELECT 6 AS n;").unwrap();
    assert_eq!(answer(&study.path, &format!("\\i {}", at("more.sql"))), "n\n6\n");
    let refused = sql(&study.path, &["-c", "\\copy models FROM 'x.csv'"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("read only"));
}

#[test]
fn an_output_file_is_whole_or_as_it_was() {
    let study = study::small();
    let out = study.path.with_extension("out.csv");
    let name = out.to_str().unwrap();
    let done = sql(&study.path, &["--format", "csv", "-o", name, "-c", "SELECT 1 AS n; SELECT 2 AS n"]);
    assert!(done.status.success() && done.stdout.is_empty());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "n\n1\nn\n2\n");
    let failed = sql(&study.path, &["--format", "csv", "-o", name, "-c", "SELECT 3 AS n; SELECT nme FROM models"]);
    assert_eq!(failed.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "n\n1\nn\n2\n", "the old answer is whole");
    let itself = study.path.to_str().unwrap();
    assert_eq!(sql(&study.path, &["-o", itself, "-c", "SELECT 1"]).status.code(), Some(2));
}

#[test]
fn readers_choose_what_null_looks_like_and_how_much_they_see() {
    let study = study::small();
    let text = ".mode table\n.nullvalue '-'\n.width 6\nSELECT NULL AS a, 'abcdefghij' AS b;";
    let shown = answer(&study.path, text);
    assert!(shown.contains("\u{2502} - ") && shown.contains("abc...") && !shown.contains("NULL"), "{shown}");
    assert_eq!(answer(&study.path, ".maxrows 2\nSELECT * FROM (VALUES (1), (2), (3)) AS t(n);"), "n\n1\n2\n");
    let wrong = sql(&study.path, &["-c", ".maxrows few"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("found `few`"));
    let shell = sql(&study.path, &["-c", ".shell echo from the system"]);
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "from the system\n");
}
