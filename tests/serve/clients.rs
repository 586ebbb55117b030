//! psql and psycopg: the same answers as `syntrace sql`, types, parameters, catalog, several at once.

use super::{Server, psql};
use crate::common::{Finish, PROCESS_LIMIT, run_ok};
use crate::query::study;

/// Rows of `psql -At` for a statement that has to work.
fn ask(server: &Server, sql: &str, test: &str) -> Option<String> {
    let (code, stdout, stderr) = psql(&server.url(), &["-At", "-v", "ON_ERROR_STOP=1", "-c", sql], test)?;
    assert_eq!(code, 0, "{sql}\n{stdout}\n{stderr}");
    Some(stdout)
}

#[test]
fn psql_gets_what_the_shell_of_the_tool_gets() {
    let test = "psql_gets_what_the_shell_of_the_tool_gets";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    for sql in [
        "SELECT generator, class, role, epsilon FROM models ORDER BY model_id",
        "SELECT attack, round(avg(auc), 4) AS auc FROM attacks GROUP BY attack ORDER BY attack",
        "SELECT model_id, auc(-loss, member) AS auc FROM attributes GROUP BY model_id ORDER BY model_id",
        "SELECT ip_text(src_ip) AS src, position FROM packets ORDER BY trace_id, position LIMIT 5",
        "WITH one AS (SELECT 1 AS x UNION ALL SELECT 2) SELECT sum(x) AS total FROM one WHERE x IN (SELECT x FROM one)",
        "SELECT count(*) AS views FROM model_privacy",
        "SELECT (SELECT max(epsilon) FROM models) AS most, count(*) AS n FROM models",
    ] {
        let Some(served) = ask(&server, sql, test) else { return };
        let own = run_ok(&["sql", &study.path.to_string_lossy(), "--format", "tsv", "-c", sql]);
        let own: Vec<String> = own.lines().skip(1).map(|line| line.replace('\t', "|")).collect();
        let number = |cell: &str| cell.parse::<f64>().map_or(cell.to_owned(), |number| format!("{number}"));
        let cells = |line: &str| line.split('|').map(number).collect::<Vec<_>>();
        let served: Vec<_> = served.lines().map(cells).collect();
        assert_eq!(served, own.iter().map(|line| cells(line)).collect::<Vec<_>>(), "{sql}");
    }
}

#[test]
fn every_view_and_named_query_is_served_too() {
    let test = "every_view_and_named_query_is_served_too";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    for view in syntrace::query::views() {
        let Some(_) = ask(&server, &format!("SELECT * FROM {} LIMIT 2", view.name), test) else { return };
    }
    for query in syntrace::query::named_queries() {
        ask(&server, &format!("SELECT count(*) FROM queries.{}", query.name), test);
        ask(&server, &format!("SELECT count(*) FROM {}()", query.name), test);
    }
    let all = ask(&server, "SELECT count(*) FROM table3()", test).unwrap();
    let none = ask(&server, "SELECT count(*) FROM table3('no such dataset')", test).unwrap();
    assert_ne!(all, none);
    let (code, _, stderr) =
        psql(&server.url(), &["-c", "SELECT * FROM table3(1, 2, 3, 4, 5, 6, 7, 8, 9)"], test).unwrap();
    assert!(code != 0 && stderr.contains("query `table3` takes ("), "{stderr}");
}

#[test]
fn values_of_every_type_arrive_as_postgresql_writes_them() {
    let test = "values_of_every_type_arrive_as_postgresql_writes_them";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    for (sql, wanted) in [
        ("SELECT true, false, NULL::boolean", "t|f|"),
        ("SELECT arrow_cast(18446744073709551615, 'UInt64')", "18446744073709551615"),
        ("SELECT -9223372036854775808", "-9223372036854775808"),
        // PostgreSQL itself writes 1e+300; clients read both.
        ("SELECT arrow_cast(0.1, 'Float32'), 0.1::double, 1e300", "0.1|0.1|1e300"),
        ("SELECT 'inf'::double, '-inf'::float, 'nan'::double", "Infinity|-Infinity|NaN"),
        ("SELECT encode(arrow_cast('a', 'Binary'), 'hex'), arrow_cast('az', 'Binary')", "61|\\x617a"),
        (r"SELECT '\x617a'::bytea, '\x617A'::bytea = X'617a', CAST('az' AS bytea)", r"\x617a|t|\x617a"),
        ("SELECT 'it''s', '', NULL::text", "it's||"),
        ("SELECT [1, NULL, 3]", "{1,NULL,3}"),
        ("SELECT ['inf'::double, NULL, '-inf'::double, 'nan'::double]", "{Infinity,NULL,-Infinity,NaN}"),
        ("SELECT arrow_cast([1.5, 'inf'::double], 'LargeList(Float32)')", "{1.5,Infinity}"),
        ("SELECT ['a', NULL, 'b,\"c', '']", "{a,NULL,\"b,\\\"c\",\"\"}"),
        ("SELECT [[1, 2], [3]], named_struct('a', 'inf'::double, 'b', [1])", "[[1,2],[3]]|{\"a\":null,\"b\":[1]}"),
        ("SELECT NULL, NULL::interval, NULL, arrow_cast(0.25, 'Float16')", "|||0.25"),
        ("SELECT arrow_cast('x', 'Dictionary(Int8, Utf8)')", "x"),
        (
            "SELECT arrow_cast('12345678901234567890123456789012.5', 'Decimal128(38, 1)')",
            "12345678901234567890123456789012.5",
        ),
        ("SELECT array_length(vector) > 0 FROM attributes LIMIT 1", "t"),
        ("SELECT DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:01.5'", "2024-02-29|2024-02-29 12:00:01.500000"),
    ] {
        let Some(found) = ask(&server, sql, test) else { return };
        assert_eq!(found.trim_end_matches('\n'), wanted, "{sql}");
    }
    let found = ask(&server, "SELECT vector FROM attributes LIMIT 1", test).unwrap();
    assert!(found.starts_with('{') && found.trim_end().ends_with('}'), "{found}");
}

/// Commands of psql about what there is, and what each has to show.
const COMMANDS: &[(&str, &str)] = &[
    ("\\dt", "models"),
    ("\\dv", "model_privacy"),
    ("\\d models", "epsilon_end_to_end"),
    ("\\d models", "double precision"),
    ("\\d attributes", "real[]"),
    ("\\d attributes", "boolean"),
    ("\\d packets", "bytea"),
    ("\\d+ model_privacy", "guarantee"),
    ("\\dn", "public"),
    ("\\l", "study"),
    ("\\dt queries.*", "Did not find any"),
    ("\\dv queries.*", "study_overview"),
    ("\\conninfo", "study"),
    ("\\dt+ models", "One row per trained generator."),
    ("\\d+ models", "id of the model"),
    ("\\d+ model_privacy", "View definition:"),
    ("\\dn+", "named queries"),
    ("\\df", "most_exposed_traces"),
    ("\\df+ table3", "the paper"),
    ("\\du", "reader"),
    ("\\dT", "List of data types"),
    ("\\dp", "models"),
    ("\\di", "Did not find any"),
    ("\\dd", "description"),
    ("\\l+", "read-only"),
    ("\\sv model_privacy", "CREATE OR REPLACE VIEW public.model_privacy"),
    ("\\sf table3", "CREATE FUNCTION public.table3"),
    ("\\x", "Expanded display is on"),
];

/// psql's version and the commands that were run; `None` without psql.
pub fn psql_commands(server: &Server, test: &str) -> Option<(String, String)> {
    let run = |command: &str| psql(&server.url(), &["-v", "ON_ERROR_STOP=1", "-c", command], test);
    let (code, stdout, stderr) = run("\\d")?;
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for wanted in ["attack_scores", "| table", "model_privacy", "| view"] {
        assert!(stdout.contains(wanted), "{wanted} in {stdout}");
    }
    for (command, wanted) in COMMANDS {
        let (code, stdout, stderr) = run(command).unwrap();
        assert_eq!(code, 0, "{command}: {stderr}");
        assert!(stdout.contains(wanted) || stderr.contains(wanted), "{command}: {wanted} in {stdout}{stderr}");
    }
    let version = std::process::Command::new("psql").arg("--version").finish().unwrap().stdout;
    let version = String::from_utf8(version).unwrap().split(' ').nth(2).unwrap().trim().to_owned();
    let mut verbs: Vec<&str> = COMMANDS.iter().filter_map(|(command, _)| command.split(' ').next()).collect();
    verbs.push("\\d");
    verbs.sort_unstable();
    verbs.dedup();
    Some((version, verbs.join(" ")))
}

#[test]
fn psql_describes_and_lists_tables_and_views() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    psql_commands(&server, "psql_describes_and_lists_tables_and_views");
}

/// `information_schema.columns` and DESCRIBE, as a client of PostgreSQL expects them; the shell of the tool
/// says the same.
#[test]
fn types_of_columns_are_those_of_postgresql_everywhere() {
    let test = "types_of_columns_are_those_of_postgresql_everywhere";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let columns = "SELECT column_name, data_type, udt_name, is_nullable FROM information_schema.columns \
                   WHERE table_schema = 'public' AND table_name = 'attributes' AND column_name IN ('vector', 'loss', 'epsilon', 'trace_id') \
                   ORDER BY ordinal_position";
    let wanted =
        "epsilon|double precision|float8|YES\ntrace_id|bigint|int8|NO\nloss|real|float4|YES\nvector|ARRAY|_float4|NO\n";
    let Some(found) = ask(&server, columns, test) else { return };
    assert_eq!(found, wanted);
    let tool =
        |sql: &str| run_ok(&["sql", &study.path.to_string_lossy(), "--format", "tsv", "-c", sql]).replace('\t', "|");
    assert_eq!(tool(columns).split_once('\n').unwrap().1, wanted);
    let described = tool("DESCRIBE attributes");
    assert!(described.contains("vector|real[]|NO") && described.contains("loss|real|YES"), "{described}");
    assert_eq!(described.split_once('\n').unwrap().1, ask(&server, "DESCRIBE attributes", test).unwrap());
    let shown = tool("\\d attributes");
    for wanted in ["REAL[] NOT NULL,", "DOUBLE PRECISION,", "TEXT NOT NULL,", "BOOLEAN NOT NULL,"] {
        assert!(shown.contains(wanted) || shown.contains(&wanted.replace(',', " ")), "{wanted} in {shown}");
    }
    let catalog = "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attndims, t.typname FROM pg_catalog.pg_attribute a \
                   JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
                   WHERE c.relname = 'attributes' AND a.attname IN ('vector', 'loss') ORDER BY a.attnum";
    assert_eq!(ask(&server, catalog, test).unwrap(), "loss|real|0|float4\nvector|real[]|1|_float4\n");
}

/// Runs tests/serve/Jdbc.java with the real driver of DBeaver and other Java tools, where java and its jar are (SYNTRACE_JDBC, or
/// the place where Debian's libpostgresql-jdbc-java puts it); gives the driver's file, or what is missing.
pub fn jdbc(server: &Server) -> Result<String, String> {
    let jar = std::env::var("SYNTRACE_JDBC").unwrap_or_else(|_| "/usr/share/java/postgresql.jar".to_owned());
    let java = std::process::Command::new("java").arg("--version").finish();
    if !std::path::Path::new(&jar).exists() || !java.is_ok_and(|output| output.status.success()) {
        return Err(format!("no java, or no driver at {jar}"));
    }
    let program = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/serve/Jdbc.java");
    let url = format!("jdbc:postgresql://127.0.0.1:{}/study", server.port);
    let output =
        std::process::Command::new("java").args(["-Xshare:auto", "-cp", &jar]).arg(program).arg(url).finish().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.contains("no compiler module found") {
        return Err("java without its compiler".to_owned());
    }
    assert!(output.status.success(), "{said}");
    let file = std::fs::canonicalize(&jar).unwrap_or_else(|_| jar.into());
    Ok(file.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

#[test]
fn an_error_has_its_place_and_its_hint_and_a_session_goes_on() {
    let test = "an_error_has_its_place_and_its_hint_and_a_session_goes_on";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let arguments = ["-At", "-c", "SELECT nme FROM models", "-c", "SELECT 7"];
    let Some((_, stdout, stderr)) = psql(&server.url(), &arguments, test) else { return };
    assert_eq!(stdout, "7\n", "{stderr}");
    assert!(stderr.contains("there is no column `nme` here"), "{stderr}");
    assert!(stderr.contains("SELECT nme FROM models\n") && stderr.contains('^'), "{stderr}");
    assert!(stderr.contains("HINT:  did you mean `name`?"), "{stderr}");
    for (statement, state) in [
        ("SELECT nme FROM models", "42703"),
        ("SELECT 1 FROM modls", "42P01"),
        ("SELECT lwer('A')", "42883"),
        ("SELEC 1", "42601"),
        ("SELECT (1", "42601"),
        ("SELECT epsilon FROM models GROUP BY name", "42000"),
        ("DELETE FROM models", "25006"),
        ("SELECT count(*) / (count(*) - count(*)) FROM models", "22012"),
        ("SELECT CAST(name AS INT) FROM models", "22P02"),
        ("SELECT CAST(12345 AS DECIMAL(3, 1))", "22003"),
        ("SELECT chr(-1)", "22023"),
    ] {
        let arguments = ["-v", "VERBOSITY=sqlstate", "-c", statement];
        let (code, _, stderr) = psql(&server.url(), &arguments, test).unwrap();
        assert_eq!((code, stderr.trim()), (1, format!("ERROR:  {state}").as_str()), "{statement}");
    }
    let arguments = ["-At", "-c", "SELECT 1; SELECT nme FROM models; SELECT 3"];
    let (code, stdout, stderr) = psql(&server.url(), &arguments, test).unwrap();
    assert_eq!((code, stdout.as_str()), (1, "1\n"), "what follows an error is not run: {stderr}");
}

#[test]
fn transactions_cursors_and_settings_of_ordinary_clients_work() {
    let test = "transactions_cursors_and_settings_of_ordinary_clients_work";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let script = "SET application_name = 'x'; SHOW application_name; SET client_encoding TO 'UTF8'; \
                  SET extra_float_digits = 3; SHOW transaction_isolation; SHOW TRANSACTION ISOLATION LEVEL;";
    let Some(found) = ask(&server, script, test) else { return };
    assert_eq!(found, "SET\nx\nSET\nSET\nread committed\nread committed\n");
    // FETCH_COUNT makes psql declare a cursor and fetch from it.
    let arguments = ["-At", "-v", "FETCH_COUNT=3", "-c", "SELECT trace_id FROM traces ORDER BY trace_id"];
    let (code, stdout, stderr) = psql(&server.url(), &arguments, test).unwrap();
    assert_eq!(code, 0, "{stderr}");
    let whole = ask(&server, "SELECT trace_id FROM traces ORDER BY trace_id", test).unwrap();
    assert_eq!(stdout, whole, "{stderr}");
    // After an error psql goes back to a savepoint of its own, and on inside the transaction.
    let statements = ["BEGIN", "SELECT nme FROM models", "DECLARE c CURSOR FOR SELECT 7", "FETCH ALL FROM c", "COMMIT"];
    let mut arguments = vec!["-At", "-v", "ON_ERROR_ROLLBACK=on"];
    arguments.extend(statements.iter().flat_map(|statement| ["-c", statement]));
    let (_, stdout, stderr) = psql(&server.url(), &arguments, test).unwrap();
    assert_eq!(stdout, "BEGIN\nDECLARE CURSOR\n7\nCOMMIT\n", "{stderr}");
    for (sql, wanted) in [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "READ COMMITTED"),
        ("DECLARE c CURSOR FOR SELECT 1", "begin a transaction first"),
        ("BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH BACKWARD 1 FROM c", "go forward"),
        ("FETCH 1 FROM nobody", "cursor `nobody` does not exist"),
        ("SELECT $1", "no values for them"),
    ] {
        let (code, stdout, stderr) = psql(&server.url(), &["-c", sql], test).unwrap();
        assert!(code != 0 && stderr.contains(wanted), "{sql}: {stdout}{stderr}");
    }
}

#[test]
fn each_statement_sees_the_newest_finished_job() {
    let test = "each_statement_sees_the_newest_finished_job";
    let study = study::small();
    let path = study.path.to_string_lossy().into_owned();
    let server = Server::of(&study.path, &[]);
    let simulate = format!(
        "{} simulate {path} --dataset vca --class meet --flows 5 >/dev/null 2>&1",
        env!("CARGO_BIN_EXE_syntrace")
    );
    let count = "SELECT count(*) FROM classes";
    // One session, a transaction open all the while, another process writes in the middle.
    let script = format!("BEGIN;\n{count};\n\\! {simulate}\n{count};\nCOMMIT;\n");
    let file = study.path.with_extension("sql");
    std::fs::write(&file, script).unwrap();
    let arguments = ["-Atq", "-v", "ON_ERROR_STOP=1", "-f", &file.to_string_lossy()];
    let Some((code, stdout, stderr)) = psql(&server.url(), &arguments, test) else { return };
    assert_eq!(code, 0, "{stderr}");
    let counts: Vec<i64> = stdout.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(counts.len(), 2);
    assert_eq!(counts[1], counts[0] + 1, "{stdout}");
    // And after `compact` put another file in the study's place.
    run_ok(&["compact", &path]);
    run_ok(&["simulate", &path, "--dataset", "vca", "--class", "teams", "--flows", "5"]);
    let found = ask(&server, count, test).unwrap();
    assert_eq!(found.trim().parse::<i64>().unwrap(), counts[1] + 1);
}

/// Has a process a handler for SIGINT? Yes where the system does not tell.
fn handles_interrupt(process: u32) -> bool {
    const SIGINT: u64 = 2;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.is_none_or(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask >> (SIGINT - 1) & 1 == 1))
}

#[test]
fn a_long_query_ends_when_its_client_or_its_limit_says_so() {
    let test = "a_long_query_ends_when_its_client_or_its_limit_says_so";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let long = "SELECT count(*) FROM generate_series(1, 10000000) a CROSS JOIN generate_series(1, 10000000) b";
    let started = std::time::Instant::now();
    let arguments = ["-c", "SET statement_timeout = '300ms'", "-c", long, "-c", "RESET ALL", "-At", "-c", "SELECT 5"];
    let Some((_, stdout, stderr)) = psql(&server.url(), &arguments, test) else { return };
    assert!(stderr.contains("longer than statement_timeout, 300 ms"), "{stderr}");
    assert!(stdout.ends_with("5\n"), "{stdout}");
    // Joins that work on one batch for minutes, on every thread of the queries.
    let loops =
        "SELECT count(*) FROM generate_series(1, 3000000) a JOIN generate_series(1, 300000) b ON a.value + b.value < 0";
    let timeout = ["-c", "SET statement_timeout = '300ms'", "-c", loops];
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| psql(&server.url(), &timeout, test).unwrap())).collect();
        for client in clients {
            let (_, _, stderr) = client.join().unwrap();
            assert!(stderr.contains("longer than statement_timeout, 300 ms"), "{stderr}");
        }
    });
    let mut psql = std::process::Command::new("psql")
        .args(["-X", "-d", &server.url(), "-c", long])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let begun = std::time::Instant::now();
    // On a busy machine psql may not have set up its handler yet (Ctrl-C would end it without a word), or have no
    // query yet that could be cancelled: as people do, it is pressed again.
    while psql.try_wait().unwrap().is_none() && begun.elapsed() < PROCESS_LIMIT {
        if handles_interrupt(psql.id()) {
            let asked = std::process::Command::new("kill").args(["-INT", &psql.id().to_string()]).status().unwrap();
            assert!(asked.success());
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let said = String::from_utf8_lossy(&psql.finish().unwrap().stderr).into_owned();
    assert!(said.contains("cancelled by its client"), "{said}");
    assert!(started.elapsed().as_secs() < 60, "neither end took effect at once");
}

#[test]
fn two_clients_are_answered_side_by_side() {
    let test = "two_clients_are_answered_side_by_side";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    if ask(&server, "SELECT 1", test).is_none() {
        return;
    }
    let sql = "SELECT count(*), sum(length(data)) FROM packets; SELECT sum(a.value) FROM generate_series(1, 300000) a";
    let answers: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6).map(|_| scope.spawn(|| ask(&server, sql, test).unwrap())).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.ends_with("45000150000\n")), "{answers:?}");
}

#[test]
fn the_questions_that_tools_ask_first_are_answered() {
    let test = "the_questions_that_tools_ask_first_are_answered";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let mut wanted = (0, "");
    for line in include_str!("catalog.sql").lines() {
        if let Some(comment) = line.strip_prefix("-- ") {
            if let Some((rows, who)) = comment.split_once(' ').filter(|(rows, _)| rows.parse::<usize>().is_ok()) {
                wanted = (rows.parse().unwrap(), who);
            }
            continue;
        }
        let Some((code, stdout, stderr)) = psql(&server.url(), &["-At", "-c", line], test) else { return };
        let rows = if stdout == "SET\n" { 0 } else { stdout.lines().count() };
        assert!(code == 0 && rows >= wanted.0, "{}: {line}\n{rows} rows\n{stdout}{stderr}", wanted.1);
    }
}

#[test]
fn copy_gives_an_answer_as_text_and_csv() {
    let test = "copy_gives_an_answer_as_text_and_csv";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let Some(found) = ask(&server, "COPY (SELECT 1 AS a, NULL AS b, 'x,y' AS c) TO STDOUT", test) else { return };
    assert_eq!(found, "1\t\\N\tx,y\n");
    let found =
        ask(&server, "COPY (SELECT 1 AS a, NULL AS b, 'x,y' AS c) TO STDOUT (FORMAT csv, HEADER)", test).unwrap();
    assert_eq!(found, "a,b,c\n1,,\"x,y\"\n");
    let file = study.path.with_extension("csv");
    let copy = format!("\\copy models (model_id, name) to '{}' with csv header", file.display());
    let (code, _, stderr) = psql(&server.url(), &["-c", &copy], test).unwrap();
    assert_eq!(code, 0, "{stderr}");
    let models: usize = ask(&server, "SELECT count(*) FROM models", test).unwrap().trim().parse().unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("model_id,name\n") && written.lines().count() == models + 1, "{written}");
}

#[test]
fn statements_are_prepared_and_executed_in_sql() {
    let test = "statements_are_prepared_and_executed_in_sql";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let script = "PREPARE p (text) AS SELECT count(*) FROM models WHERE generator = $1; EXECUTE p('netssm'); \
                  EXECUTE p(NULL); DEALLOCATE p";
    let Some(found) = ask(&server, script, test) else { return };
    assert_eq!(found, "PREPARE\n4\n0\nDEALLOCATE\n");
    for (sql, wanted) in [
        ("EXECUTE p(1)", "prepared statement `p` does not exist"),
        ("PREPARE p AS SELECT $1::int; EXECUTE p", "expected 1 values"),
        ("PREPARE p AS DELETE FROM models", "only reads"),
    ] {
        let (code, stdout, stderr) = psql(&server.url(), &["-c", sql], test).unwrap();
        assert!(code != 0 && stderr.contains(wanted), "{sql}: {stdout}{stderr}");
    }
}

/// Objects have PostgreSQL's numbers and names, and what no study has has no rows, in whatever words it is asked for.
#[test]
fn the_catalog_answers_in_postgresqls_own_dialect() {
    let test = "the_catalog_answers_in_postgresqls_own_dialect";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    for (sql, wanted) in [
        (
            "SELECT 'models'::regclass, 'pg_catalog.pg_class'::regclass::oid, 'int4'::regtype::text",
            "models|1259|integer",
        ),
        ("SELECT relname FROM pg_class WHERE oid = 'public.models'::regclass", "models"),
        ("SELECT nspname FROM pg_namespace WHERE nspname = ANY ('{public,queries}') ORDER BY 1", "public\nqueries"),
        ("SELECT count(*) FROM pg_index", "0"),
        ("SELECT (SELECT count(*) FROM pg_index), EXISTS (SELECT 1 FROM pg_trigger)", "0|f"),
        (
            "SELECT ARRAY(SELECT indexrelid FROM pg_index), (SELECT relname FROM pg_class c WHERE c.oid = 1259)",
            "{}|pg_class",
        ),
        (
            "SELECT col_description('models'::regclass, 1), obj_description('models'::regclass, 'pg_class')",
            "id of the model|One row per trained generator.",
        ),
        (
            "SELECT current_user, current_schema, pg_catalog.pg_table_is_visible('queries.table3'::regclass)",
            "reader|public|f",
        ),
        ("SELECT set_config('application_name', 'x', false)", "x"),
        ("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pg/_%' ESCAPE '/'", "pg_catalog"),
    ] {
        let Some(found) = ask(&server, sql, test) else { return };
        assert_eq!(found.trim_end_matches('\n'), wanted, "{sql}");
    }
    let (code, _, stderr) = psql(&server.url(), &["-c", "SELECT 'nothing_like_it'::regclass"], test).unwrap();
    assert!(code != 0 && stderr.contains("there is no table or view `nothing_like_it`"), "{stderr}");
}

/// Runs where python3 (or SYNTRACE_PYTHON) has SQLAlchemy, pandas and psycopg 3.
#[test]
fn pandas_reads_a_table_through_sqlalchemy() {
    let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = std::process::Command::new(&python).args(["-c", "import psycopg, sqlalchemy, pandas"]).finish();
    if !has.is_ok_and(|output| output.status.success()) {
        crate::common::skip(
            "pandas",
            format_args!("pandas_reads_a_table_through_sqlalchemy: no python3 with pandas and SQLAlchemy here"),
        );
        return;
    }
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let script = "import sys, pandas, sqlalchemy\n\
        engine = sqlalchemy.create_engine(f'postgresql+psycopg://reader@127.0.0.1:{sys.argv[1]}/study')\n\
        rows = pandas.read_sql(sqlalchemy.text('SELECT * FROM models WHERE generator = :g'), engine, params={'g': 'netssm'})\n\
        assert len(rows) == 4 and rows['epsilon'].isna().sum() < 4, rows\n\
        assert len(pandas.read_sql('SELECT attack, auc FROM attacks', engine)) == 3\n\
        names = sqlalchemy.inspect(engine).get_table_names()\n\
        assert 'models' in names and 'packets' in names, names\n\
        columns = {column['name']: column for column in sqlalchemy.inspect(engine).get_columns('attributes')}\n\
        assert str(columns['vector']['type'].item_type) == 'REAL' and columns['loss']['comment'], columns\n\
        assert len(pandas.read_sql_table('models', engine)) > 0\n\
        tables = sqlalchemy.MetaData()\n\
        tables.reflect(engine, views=True)\n\
        assert 'model_privacy' in tables.tables and tables.tables['models'].comment, list(tables.tables)\n";
    let output = std::process::Command::new(&python).args(["-c", script, &server.port.to_string()]).finish().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
