//! What a client cannot do: write, read files of the server, raise limits, come in without the password.

use super::{Server, command, psql};
use crate::common::{Finish, PROCESS_LIMIT};
use crate::query::study;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A tree as deep as the text is long would take the stack, and with it the server and everybody's sessions.
#[test]
fn a_chain_that_is_too_long_is_refused_and_the_longest_runs_on_a_workers_stack() {
    let test = "a_chain_that_is_too_long_is_refused_and_the_longest_runs_on_a_workers_stack";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.sql");
    let ask = |terms: usize, joint: &str| {
        std::fs::write(&file, format!("SELECT {};", vec!["1"; terms].join(joint))).unwrap();
        psql(&server.url(), &["-At", "-f", &file.to_string_lossy()], test)
    };
    for joint in ["+", "#", " OR 1 = ", " UNION ALL SELECT "] {
        let Some((_, stdout, stderr)) = ask(50_000, joint) else { return };
        assert!(stderr.contains("keywords and operators, found"), "{joint}: {stdout}{stderr}");
    }
    // 20 would keep a thread of the server busy for two seconds, 40 for weeks.
    let casts = format!("SELECT {}1", "CAST(".repeat(40));
    let (_, _, stderr) = psql(&server.url(), &["-At", "-c", &casts], test).unwrap();
    assert!(stderr.contains("at most 16 levels"), "{stderr}");
    // Small to read, without end to plan; and what would end the process.
    let chain = |link: &str| {
        let links: Vec<String> =
            (1..=29).map(|at| format!(", t{at} AS ({})", link.replace('?', &format!("t{}", at - 1)))).collect();
        format!("WITH t0 AS (SELECT struct(1) AS a){} SELECT a FROM t29", links.concat())
    };
    let types = format!("SELECT arrow_cast(1, '{}Int32{}')", "List(".repeat(30_000), ")".repeat(30_000));
    for sql in [
        chain("SELECT struct(a, a) AS a FROM ?"),
        chain("SELECT * FROM ? UNION ALL SELECT * FROM ?"),
        types,
        "SELECT approx_percentile_cont(position, 0.5, 1000000000) FROM packets".to_owned(),
        "SELECT length(lpad('x', 2147483647, 'ab'))".to_owned(),
        "SELECT array_length(array_repeat(1, 1000000000))".to_owned(),
        "SELECT array_position(make_array(1, 2, 3), 2, CAST('-9223372036854775808' AS BIGINT))".to_owned(),
    ] {
        std::fs::write(&file, format!("{sql};")).unwrap();
        let (_, stdout, stderr) = psql(&server.url(), &["-At", "-f", &file.to_string_lossy()], test).unwrap();
        assert!(stderr.contains("ERROR:"), "{:.80}: {stdout}{stderr}", sql);
    }
    assert_eq!(ask(1_001, "+").unwrap().1, "1001\n");
    assert_eq!(ask(200, " UNION SELECT ").unwrap().1, "1\n");
}

#[test]
fn statements_that_write_or_read_files_are_refused() {
    let test = "statements_that_write_or_read_files_are_refused";
    let study = study::small();
    let before = std::fs::read(&study.path).unwrap();
    let server = Server::of(&study.path, &[]);
    let folder = study.path.parent().unwrap();
    let secret = folder.join("secret.csv");
    std::fs::write(&secret, "word\nxyzzy\n").unwrap();
    let place = secret.display();
    let out = folder.join("out");
    let (readable, writable) = (place.to_string(), out.display().to_string());
    for sql in [
        "DELETE FROM models".to_owned(),
        "INSERT INTO models VALUES (1)".to_owned(),
        "UPDATE models SET epsilon = 1".to_owned(),
        "DROP TABLE models".to_owned(),
        "DROP VIEW model_privacy".to_owned(),
        "CREATE TABLE x (a int)".to_owned(),
        "CREATE TABLE x AS SELECT 1".to_owned(),
        "CREATE VIEW x AS SELECT 1".to_owned(),
        "CREATE SCHEMA x".to_owned(),
        "CREATE FUNCTION f(int) RETURNS int RETURN $1 + 1".to_owned(),
        "SELECT * INTO x FROM models".to_owned(),
        "TRUNCATE models".to_owned(),
        "ALTER TABLE models RENAME TO x".to_owned(),
        "EXPLAIN ANALYZE DELETE FROM models".to_owned(),
        "PREPARE p AS DELETE FROM models".to_owned(),
        "WITH gone AS (DELETE FROM models RETURNING 1) SELECT * FROM gone".to_owned(),
        "LISTEN x".to_owned(),
        "VACUUM".to_owned(),
        "GRANT ALL ON models TO PUBLIC".to_owned(),
        "DO 'BEGIN END'".to_owned(),
        "CALL x()".to_owned(),
        format!("COPY models TO '{writable}'"),
        format!("COPY (SELECT 1) TO '{writable}' STORED AS CSV"),
        format!("COPY models FROM '{readable}'"),
        "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        "COPY models FROM STDIN".to_owned(),
        "COPY (DELETE FROM models) TO STDOUT".to_owned(),
        format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{readable}'"),
        format!("SELECT * FROM '{readable}'"),
        format!("SELECT * FROM \"{readable}\""),
        format!("SELECT pg_read_file('{readable}')"),
        format!("SELECT pg_catalog.pg_read_file('{readable}')"),
        format!("SELECT pg_read_binary_file('{readable}')"),
        format!("SELECT * FROM pg_ls_dir('{}')", folder.display()),
        format!("SELECT lo_import('{readable}')"),
        format!("SELECT * FROM read_csv('{readable}')"),
        format!("SELECT * FROM read_parquet('{readable}')"),
        format!("SELECT * FROM csv_scan('{readable}')"),
        format!("SELECT * FROM parquet_metadata('{readable}')"),
        "SET datafusion.runtime.memory_limit = '100G'".to_owned(),
        "SET datafusion.catalog.location = '/'".to_owned(),
        "SET SESSION AUTHORIZATION postgres".to_owned(),
        "SET search_path = queries".to_owned(),
        "SET client_encoding = 'LATIN1'".to_owned(),
    ] {
        let Some((code, stdout, stderr)) = psql(&server.url(), &["-At", "-c", &sql], test) else { return };
        assert!(code != 0 && stderr.contains("ERROR:"), "{sql}: {stdout}{stderr}");
        assert!(!format!("{stdout}{stderr}").contains("xyzzy"), "{sql} read a file: {stdout}{stderr}");
    }
    assert!(!out.exists(), "a statement wrote a file");
    let (_, _, stderr) = psql(&server.url(), &["-c", "DELETE FROM models"], test).unwrap();
    assert!(stderr.contains("SQL here only reads"), "{stderr}");
    drop(server);
    assert!(std::fs::read(&study.path).unwrap() == before, "serving changed the study");
}

/// `SHOW FUNCTIONS` as a client sees it: nothing that reads, writes or runs anything outside the study.
#[test]
fn no_function_reaches_out_of_the_study() {
    let test = "no_function_reaches_out_of_the_study";
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let sql = "SELECT DISTINCT routine_name FROM information_schema.routines ORDER BY 1";
    let Some((code, stdout, stderr)) = psql(&server.url(), &["-At", "-c", sql], test) else { return };
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.lines().count() > 100, "{stdout}");
    // Both say of which Parquet file a row is; here none is.
    let harmless = ["file_row_index", "input_file_name"];
    for name in stdout.lines().filter(|name| !harmless.contains(name)) {
        let reaches =
            ["read", "write", "file", "http", "copy", "import", "export", "system", "exec", "ls_dir", "sleep"]
                .iter()
                .any(|word| name.contains(word));
        assert!(!reaches, "is `{name}` harmless?");
    }
}

#[test]
fn other_addresses_need_a_password() {
    let study = study::small();
    for host in ["0.0.0.0", "::"] {
        let output = command(&study.path, &["--host", host, "--port", "0"]).finish().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("is reachable from other machines"), "{message}");
        assert!(message.contains("--password-file FILE"), "{message}");
    }
}

fn password_file(folder: &Path, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(format!("password-{mode:o}"));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_password_is_asked_for_and_compared() {
    let test = "a_password_is_asked_for_and_compared";
    let study = study::small();
    let folder = study.path.parent().unwrap();
    let readable = password_file(folder, "open sesame\n", 0o644);
    let output = command(&study.path, &["--password-file", &readable.to_string_lossy()]).finish().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("has mode 644") && message.contains("chmod 600"), "{message}");
    let empty = password_file(folder, "\n", 0o400);
    let output = command(&study.path, &["--password-file", &empty.to_string_lossy()]).finish().unwrap();
    assert_eq!(output.status.code(), Some(2), "an empty password");

    let file = password_file(folder, "open sesame\nsecond line\n", 0o600);
    let from_file = Server::of(&study.path, &["--host", "0.0.0.0", "--password-file", &file.to_string_lossy()]);
    let mut with_variable = command(&study.path, &["--port", "0"]);
    with_variable.env("SYNTRACE_PASSWORD", "open sesame");
    for server in [from_file, Server::started(with_variable)] {
        let right = format!("{} password='open sesame'", server.url());
        let Some((code, stdout, stderr)) = psql(&right, &["-At", "-c", "SELECT 1"], test) else { return };
        assert_eq!((code, stdout.as_str()), (0, "1\n"), "{stderr}");
        let started = Instant::now();
        let (code, _, stderr) =
            psql(&format!("{} password=guess", server.url()), &["-w", "-c", "SELECT 1"], test).unwrap();
        assert!(code != 0 && started.elapsed().as_secs() >= 1, "guessing takes time: {stderr}");
        for wrong in ["password='open'", "password=''", ""] {
            let (code, _, stderr) =
                psql(&format!("{} {wrong}", server.url()), &["-w", "-c", "SELECT 1"], test).unwrap();
            assert!(code != 0 && !stderr.contains("sesame"), "{wrong}: {stderr}");
        }
        assert!(!server.said.iter().any(|line| line.contains("sesame")), "{:?}", server.said);
    }
}

/// Certificate and key that openssl makes for this test; `None` where there is no openssl.
fn certificate(folder: &Path) -> Option<(String, String)> {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .finish();
    made.ok().filter(|output| output.status.success())?;
    Some((certificate.to_string_lossy().into_owned(), key.to_string_lossy().into_owned()))
}

#[test]
fn with_a_certificate_only_encrypted_connections_are_taken() {
    let test = "with_a_certificate_only_encrypted_connections_are_taken";
    let study = study::small();
    let folder = study.path.parent().unwrap();
    let Some((certificate, key)) = certificate(folder) else {
        crate::common::skip("openssl", format_args!("{test}: no openssl here"));
        return;
    };
    for (certificate, key, wanted) in [
        (certificate.as_str(), certificate.as_str(), "expected a private key in PEM"),
        (key.as_str(), key.as_str(), "expected a certificate in PEM"),
        ("/nowhere/cert.pem", key.as_str(), "cannot read `/nowhere/cert.pem`"),
    ] {
        let output = command(&study.path, &["--tls-cert", certificate, "--tls-key", key]).finish().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(wanted), "{message}");
    }
    let half = command(&study.path, &["--tls-cert", &certificate]).finish().unwrap();
    assert_eq!(half.status.code(), Some(2), "a certificate without its key");

    let file = password_file(folder, "open sesame", 0o600).to_string_lossy().into_owned();
    let options = ["--tls-cert", &certificate, "--tls-key", &key, "--password-file", &file];
    let server = Server::of(&study.path, &options);
    let url = |more: &str| format!("{} password='open sesame' {more}", server.url());
    for (more, accepted) in
        [("sslmode=require", true), ("sslmode=require channel_binding=require", true), ("sslmode=disable", false)]
    {
        let Some((code, stdout, stderr)) = psql(&url(more), &["-At", "-c", "SELECT 1"], test) else { return };
        assert_eq!(code == 0, accepted, "{more}: {stdout}{stderr}");
        assert!(accepted || stderr.contains("with TLS only"), "{more}: {stderr}");
    }
    let (_, stdout, _) = psql(&url("sslmode=require"), &["-c", "\\conninfo"], test).unwrap();
    assert!(stdout.contains("TLSv1.3"), "{stdout}");
}

#[test]
fn queries_of_all_clients_share_one_memory_budget() {
    let test = "queries_of_all_clients_share_one_memory_budget";
    let study = study::small();
    let server = Server::of(&study.path, &["--memory", "8"]);
    let sql = "SELECT array_length(array_agg(a.value)) FROM generate_series(1, 20000000) a";
    let Some((code, _, stderr)) = psql(&server.url(), &["-c", sql], test) else { return };
    assert!(code != 0 && stderr.contains("more memory than it may use"), "{stderr}");
    assert!(stderr.contains("started with more --memory"), "{stderr}");
    let (code, stdout, stderr) = psql(&server.url(), &["-At", "-c", "SELECT 1"], test).unwrap();
    assert_eq!((code, stdout.as_str()), (0, "1\n"), "{stderr}");
}

#[test]
fn a_client_too_many_is_told_so() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let others: Vec<_> = (0..64).map(|_| connected(&server)).collect();
    let test = "a_client_too_many_is_told_so";
    let Some((code, _, stderr)) = psql(&server.url(), &["-c", "SELECT 1"], test) else { return };
    assert!(code != 0 && stderr.contains("64 clients are connected already"), "{stderr}");
    drop(others);
    let answered = || psql(&server.url(), &["-At", "-c", "SELECT 1"], test).unwrap().1 == "1\n";
    assert!((0..50).any(|_| answered()), "places are free again");
}

/// Who connects and says nothing takes no place from those who authenticate, and is cut off after a while.
#[test]
fn silent_connections_lock_nobody_out_and_end() {
    use std::io::Read;
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let connect = || std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let started = Instant::now();
    let mut others: Vec<_> = (0..300).map(|_| connect()).collect();
    drop(connected(&server));
    let mut silent = others.pop().unwrap();
    silent.set_read_timeout(Some(PROCESS_LIMIT)).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "the server closes the connection");
    let waited = started.elapsed().as_secs();
    assert!((5..55).contains(&waited), "after {waited} s");
}

/// A client that has authenticated, without a password.
fn connected(server: &Server) -> std::net::TcpStream {
    use std::io::Write;
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    socket.set_read_timeout(Some(PROCESS_LIMIT)).unwrap();
    let startup = b"\0\x03\0\0user\0reader\0database\0study\0\0";
    socket.write_all(&(startup.len() as u32 + 4).to_be_bytes()).unwrap();
    socket.write_all(startup).unwrap();
    until_ready(&mut socket);
    socket
}

/// A message of a client: kind, length, body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[kind][..], &length, body].concat()
}

/// Reads messages of the server until the next ReadyForQuery; gives how many there were of each kind.
fn until_ready(socket: &mut impl std::io::Read) -> std::collections::BTreeMap<u8, u64> {
    let mut kinds = std::collections::BTreeMap::new();
    loop {
        let mut head = [0; 5];
        socket.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) - 4;
        let mut body = vec![0; length as usize];
        socket.read_exact(&mut body).unwrap();
        assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
        *kinds.entry(head[0]).or_insert(0) += 1;
        if head[0] == b'Z' {
            return kinds;
        }
    }
}

/// An answer far beyond the memory budget, through a portal as clients that bind parameters get it: rows
/// go out as they are made, and no room is made for as many as a client says it wants.
#[test]
fn a_long_answer_of_a_portal_is_streamed_and_never_collected() {
    use std::io::Write;
    let study = study::small();
    let server = Server::of(&study.path, &["--memory", "64"]);
    let mut socket = connected(&server);
    let mut reader = std::io::BufReader::new(socket.try_clone().unwrap());
    let sql = "SELECT lpad(CAST(value AS VARCHAR), 100, 'x') AS wide FROM generate_series(1, 3000000)";
    let parse = message(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
    let bind = message(b'B', &[0; 8]);
    for rows_max in [0u32, i32::MAX as u32, 7] {
        let execute = message(b'E', &[&b"\0"[..], &rows_max.to_be_bytes()].concat());
        socket.write_all(&[&parse[..], &bind, &execute, &message(b'S', &[])].concat()).unwrap();
        let kinds = until_ready(&mut reader);
        let wanted = if rows_max == 7 { 7 } else { 3_000_000 };
        assert_eq!(kinds.get(&b'D'), Some(&wanted));
        let (complete, suspended) = (kinds.contains_key(&b'C'), kinds.contains_key(&b's'));
        assert_eq!((complete, suspended), (rows_max != 7, rows_max == 7));
    }
    // A portion of a cursor is not made room for either.
    let script = "BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH 1000000000000000 FROM c; COMMIT";
    socket.write_all(&message(b'Q', &[script.as_bytes(), b"\0"].concat())).unwrap();
    assert_eq!(until_ready(&mut reader).get(&b'D'), Some(&1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kib: u64 = peak.and_then(|peak| peak.trim().split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(peak_kib < 300 * 1024, "{} MiB resident for an answer of 330 MB", peak_kib / 1024);
}
