//! Several studies in one session, files beside them, and two studies side by side.

use super::{OPTIONS, number, rows, session, study};
use crate::common::{run, run_ok};
use std::path::Path;
use std::sync::Arc;
use syntrace::query::{Answer, FileName, Parameters, Session, SessionOptions, cells, named_queries, tables, views};

/// Two studies with the same ids: the second answers one question otherwise, and has a model more.
fn two() -> (study::Study, study::Study) {
    let (first, second) = (study::small(), study::small());
    study::ask_again(&second, 0.1);
    study::add_critic(&second, 0.0);
    (first, second)
}

fn together(first: &study::Study, second: &study::Study) -> Session {
    let at = |study: &study::Study| Arc::new(study.store().snapshot().unwrap());
    Session::open_several(
        &[("a".to_owned(), at(first)), ("b".to_owned(), at(second))],
        SessionOptions { memory_bytes: 512 << 20, ..OPTIONS },
    )
    .unwrap()
}

fn texts(answer: Answer) -> Vec<String> {
    let schema = answer.schema();
    let batches = answer.collect_batches().unwrap();
    cells(&schema, &batches).unwrap().rows.iter().map(|row| row.join("|")).collect()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// The rows of a study, behind its name.
fn of(study: &str, rows: &[String]) -> Vec<String> {
    rows.iter().map(|row| format!("{study}|{row}")).collect()
}

#[test]
fn tables_of_several_studies_are_united_behind_the_name_of_the_study() {
    let (first, second) = two();
    let (session, alone, other) = (together(&first, &second), session(&first), session(&second));
    for table in tables() {
        let name = table.name;
        let sql = format!("SELECT * FROM {name}");
        let wanted = [of("a", &rows(&alone, &sql)), of("b", &rows(&other, &sql))].concat();
        assert_eq!(sorted(rows(&session, &sql)), sorted(wanted), "{name}");
        let schema = session.sql(&sql).unwrap().schema();
        assert_eq!(schema.field(0).name(), "study", "{name}");
        assert_eq!(sorted(rows(&session, &format!("SELECT * FROM b.{name}"))), sorted(rows(&other, &sql)), "{name}");
    }
    let grouped = rows(&session, "SELECT study, count(*) FROM models GROUP BY study ORDER BY study");
    assert_eq!(grouped, ["a|4", "b|5"]);
    assert_eq!(number(&session, "SELECT count(*) FROM models WHERE study = 'b' AND generator = 'netshare'"), 1.0);
    let joined = "SELECT count(*) FROM attacks JOIN models USING (study, model_id)";
    assert_eq!(number(&session, joined), number(&session, "SELECT count(*) FROM attacks"));
}

#[test]
fn views_are_evaluated_over_each_study_alone() {
    let (first, second) = two();
    let (session, alone, other) = (together(&first, &second), session(&first), session(&second));
    for view in views() {
        let sql = format!("SELECT * FROM {}", view.name);
        let (of_first, of_second) = (rows(&alone, &sql), rows(&other, &sql));
        let wanted = [of("a", &of_first), of("b", &of_second)].concat();
        assert_eq!(sorted(rows(&session, &sql)), sorted(wanted), "{}", view.name);
        assert_eq!(
            sorted(rows(&session, &format!("SELECT * FROM a.{}", view.name))),
            sorted(of_first),
            "{}",
            view.name
        );
    }
}

#[test]
fn named_queries_are_asked_of_one_study_after_the_other() {
    let (first, second) = two();
    let (session, alone, other) = (together(&first, &second), session(&first), session(&second));
    for query in named_queries() {
        let ask = |session: &Session| texts(session.named(&query, &Parameters::new()).unwrap());
        assert_eq!(ask(&session), [of("a", &ask(&alone)), of("b", &ask(&other))].concat(), "{}", query.name);
    }
    let called = "SELECT study, count(*) FROM model_guarantees() GROUP BY study ORDER BY study";
    let viewed = "SELECT study, count(*) FROM queries.model_guarantees GROUP BY study ORDER BY study";
    assert_eq!(rows(&session, called), rows(&session, viewed));
    assert_eq!(rows(&session, called).len(), 2);
}

#[test]
fn one_study_has_no_column_for_itself_and_the_others_are_not_read_for_it() {
    let (first, second) = two();
    let at = |study: &study::Study| Arc::new(study.store().snapshot().unwrap());
    let one = Session::open_several(&[("a".to_owned(), at(&first))], OPTIONS).unwrap();
    assert_eq!(one.sql("SELECT * FROM models").unwrap().schema().field(0).name(), "model_id");
    let fragments = |session: &Session, sql: &str| {
        let plan = rows(session, &format!("EXPLAIN {sql}")).join("\n");
        let found = plan.split("fragments=").nth(1).unwrap_or_else(|| panic!("{plan}"));
        found.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    let session = together(&first, &second);
    let of_one = fragments(&one, "SELECT sum(ip_length) FROM packets");
    assert_eq!(fragments(&session, "SELECT sum(ip_length) FROM packets WHERE study = 'a'"), of_one);
    assert_ne!(fragments(&session, "SELECT sum(ip_length) FROM packets"), of_one);
}

/// Runs statements over two studies of these paths, as CSV.
fn asked(paths: [&Path; 2], arguments: &[&str]) -> String {
    let [first, second] = paths.map(|path| path.to_str().unwrap());
    run_ok(&[&["sql", first, second, "--format", "csv"], arguments].concat())
}

#[test]
fn the_command_line_names_studies_after_their_files() {
    let (first, second) = two();
    let copy = second.path.with_file_name("New-Run.redb");
    std::fs::copy(&second.path, &copy).unwrap();
    let paths = [first.path.as_path(), copy.as_path()];
    let counted = asked(paths, &["-c", "SELECT study, count(*) AS n FROM models GROUP BY study ORDER BY study"]);
    assert_eq!(counted, "study,n\nnew_run,5\nsmall,4\n");
    assert_eq!(asked(paths, &["-c", "SELECT count(*) AS n FROM new_run.models"]), "n\n5\n");
    let studies = asked(paths, &["-c", ".studies"]);
    assert!(studies.contains("new_run ") && studies.contains("New-Run.redb"), "{studies}");
    let listed = asked(paths, &["-c", ".tables"]);
    assert!(listed.starts_with("-- of all studies") && listed.contains("new_run.models"), "{listed}");
    assert!(asked(paths, &["-c", ".schema models"]).contains("study              TEXT NOT NULL,"));
    let headline = asked(paths, &["-c", ".query headline"]);
    assert!(headline.starts_with("study,generator,") && headline.contains("\nsmall,netssm,"), "{headline}");
    let same = [second.path.as_path(), second.path.as_path()];
    assert_eq!(asked(same, &["-c", "SELECT count(DISTINCT study) AS n FROM models"]), "n\n2\n");
}

#[test]
fn files_that_the_user_names_are_tables() {
    let study = study::small();
    let folder = study.path.parent().unwrap();
    let csv = folder.join("My Labels.csv");
    std::fs::write(&csv, "\u{feff}class,host,since\nwindows,\"a, b\",2024-02-29\nubuntu,,\n").unwrap();
    let (path, csv) = (study.path.to_str().unwrap(), csv.to_str().unwrap());
    let joined = "SELECT class, host, since, count(*) AS n FROM models JOIN my_labels USING (class) \
                  GROUP BY class, host, since ORDER BY class";
    let ask = |arguments: &[&str]| run_ok(&[&["sql", path, "--format", "csv"], arguments].concat());
    let by_statement = ask(&["-c", &format!("ATTACH '{csv}'; SELECT class, host FROM my_labels ORDER BY class")]);
    assert_eq!(by_statement, "class,host\nubuntu,\nwindows,\"a, b\"\n");
    let by_option = ask(&["--attach", csv, "-c", joined]);
    assert_eq!(by_option.lines().next(), Some("class,host,since,n"));
    assert!(by_option.contains("windows,\"a, b\",2024-02-29,3"), "{by_option}");
    let parquet = folder.join("exposed.parquet");
    let parquet = parquet.to_str().unwrap();
    run_ok(&["sql", path, "-o", parquet, "-c", "SELECT trace_id, trace_id % 2 = 0 AS even FROM traces"]);
    let attached = format!(
        "ATTACH '{parquet}' AS \"Exposed\"; SELECT count(*) AS n FROM traces JOIN \"Exposed\" USING (trace_id)"
    );
    assert_eq!(ask(&["-c", &attached]), "n\n16\n");
    let described = ask(&["--attach", &format!("labels={csv}"), "-c", ".tables\n\\d labels"]);
    assert!(described.contains("labels    ") && described.contains("host,text,YES"), "{described}");
}

#[test]
fn what_cannot_be_attached_is_refused_and_no_session_reads_files_by_a_statement() {
    let study = study::small();
    let folder = study.path.parent().unwrap();
    let path = study.path.to_str().unwrap();
    let write = |name: &str, text: &[u8]| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    for (argument, wanted) in [
        (write("models.csv", b"a\n1\n"), "is a table or view of the study"),
        (write("twice.csv", b"a,A\n1,2\n"), "two columns"),
        (write("ragged.csv", b"a,b\n1\n"), "cannot read"),
        (write("empty.csv", b""), "expected a first line"),
        (write("bad.parquet", b"PAR1 nothing here PAR1"), "cannot read"),
        (write("a.json", b"{}"), "ends in .csv, .tsv or .parquet"),
        (folder.join("absent.csv").to_str().unwrap().to_owned(), "No such file"),
        (folder.to_str().unwrap().to_owned(), "expected a file"),
    ] {
        let (code, _, stderr) = run(&["sql", path, "--attach", &argument, "-c", "SELECT 1"]);
        assert!(code == 2 && stderr.contains(wanted), "{argument}: {stderr}");
    }
    let session = session(&study);
    let secret = write("secret.csv", b"a\n1\n");
    for sql in [format!("ATTACH '{secret}' AS s"), format!("SELECT * FROM '{secret}'")] {
        assert!(session.sql(&sql).is_err(), "{sql}");
    }
    // What changes under a session is said, not read as something else.
    let changing = write("changing.csv", b"a\n1\n");
    let name = session.attach_file(&FileName::of_argument(&changing)).unwrap();
    assert_eq!(rows(&session, &format!("SELECT a FROM {name}")), ["1"]);
    std::fs::write(&changing, "a\nmore\n").unwrap();
    let error = session.sql("SELECT a FROM changing").unwrap().collect_batches().unwrap_err();
    assert!(error.to_string().contains("has changed since it was attached"), "{error}");
    session.attach_file(&FileName::of_argument(&changing)).unwrap();
    assert_eq!(rows(&session, "SELECT a FROM changing"), ["more"]);
}

#[test]
fn two_studies_are_compared_by_their_intervals() {
    let (first, second) = two();
    let [one, two] = [&first.path, &second.path].map(|path| path.to_str().unwrap());
    let (code, same, said) = run(&["compare", one, one, "--format", "csv"]);
    assert_eq!(code, 0, "{said}");
    assert!(same.lines().skip(1).all(|line| line.ends_with(",equal")) && same.lines().count() > 5, "{same}");
    assert_eq!(run_ok(&["compare", one, one, "--format", "csv", "--changed"]).lines().count(), 1);
    let (_, changed, said) = run(&["compare", one, two, "--format", "csv", "--changed"]);
    let accuracy = "utility,os,,netssm,no DP,classification by random_forest,accuracy,";
    let lines: Vec<&str> = changed.lines().skip(1).collect();
    assert!(lines.iter().any(|line| line.starts_with(accuracy) && line.ends_with(",differs")), "{changed}");
    assert!(said.contains("1 differs"), "{said}");
    let models = run_ok(&["compare", one, two, "--format", "csv", "--changed", "--models"]);
    let wanted =
        "dataset,class,generator,regime,role,in_both,only_first,only_second\nos,windows,netshare,no DP,shadow,0,0,1\n";
    assert_eq!(models, wanted);
    let read = run_ok(&["compare", one, two]);
    assert!(read.contains("only_second") && read.contains("first_low"), "{read}");
}

#[test]
fn declared_keys_tell_rows_apart_and_lead_to_rows() {
    let session = session(&study::small());
    let keys = syntrace::query::keys();
    assert!(keys.iter().any(|key| key.table == "attack_scores" && key.refers_to == Some("attacks")), "{keys:?}");
    for key in keys {
        let columns = key.columns.join(", ");
        let distinct = format!("SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {})", key.table);
        let wrong = match key.refers_to {
            None => number(&session, &format!("SELECT count(*) FROM {}", key.table)) - number(&session, &distinct),
            Some(target) => {
                let orphans = format!(
                    "SELECT count(*) FROM {} WHERE {columns} IS NOT NULL AND {columns} NOT IN (SELECT {columns} FROM {target})",
                    key.table
                );
                number(&session, &orphans)
            }
        };
        assert_eq!(wrong, 0.0, "{key:?}");
    }
}
