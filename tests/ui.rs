//! `syntrace ui` as a browser sees it: who is let in, what pages say, and what they do not.

mod accessibility;

use crate::common::{run_ok, syntrace};
use crate::query::study;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};

/// Bytes of the address of every real trace of the small study, as pages would show them.
const REAL_ADDRESSES: [&str; 4] = ["192.0.2.80", "c0000250", "10.0.0.1", "0a000001"];

/// A running server; ended when dropped.
struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    host: String,
    token: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    fn of(study: &Path, more: &[&str]) -> Self {
        Self::of_all(&[study], more)
    }

    fn of_all(studies: &[&Path], more: &[&str]) -> Self {
        let mut command = syntrace();
        command.arg("ui").args(studies).args(["--port", "0"]).args(more).stdin(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the tool starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("http://")?.to_owned())).expect("an address");
        let (host, token) = address.split_once("/?token=").expect("a token");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, host: host.to_owned(), token: token.to_owned() }
    }

    fn port(&self) -> &str {
        self.host.split_once(':').expect("a port").1
    }

    fn cookie(&self) -> String {
        format!("Cookie: syntrace-{}={}\r\n", self.port(), self.token)
    }

    /// Asks with these lines in the head, `Host` among them.
    fn request(&self, method: &str, path: &str, head: &str) -> Answer {
        let mut socket = std::net::TcpStream::connect(&self.host).unwrap();
        socket.set_read_timeout(Some(crate::common::PROCESS_LIMIT)).unwrap();
        write!(socket, "{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        Answer { status, head: head.to_owned(), body }
    }

    fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &format!("Host: {}\r\n{}", self.host, self.cookie()))
    }

    /// A page that there is.
    fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A body without the lengths of its chunks.
fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        text.push_str(&rest[..length]);
        body = &rest[length + 2..];
    }
    text
}

/// Addresses of this server in a page.
fn links(page: &str) -> Vec<String> {
    let starts = page.split("href=\"/").skip(1).filter_map(|rest| rest.split('"').next());
    starts.map(|link| format!("/{}", link.replace("&amp;", "&").replace("&#38;", "&"))).collect()
}

/// The link of a page with these words.
fn link_named(page: &str, words: &str) -> Option<String> {
    let before = page.split(&format!(">{words}</a>")).next().filter(|before| before.len() < page.len())?;
    links(before).pop()
}

/// A study of simulated traffic with a Markov chain and its synthetic traffic: frames that can be read.
fn simulated(folder: &Path) -> std::path::PathBuf {
    let (study, spec) =
        (folder.join("simulated.redb"), crate::common::write_spec(folder, &crate::common::tiny_markov()));
    run_ok(&["run", study.to_str().unwrap(), &spec]);
    study
}

/// A text as a value of an address.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn who_has_no_token_or_names_another_host_sees_nothing() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let own = format!("Host: {}\r\n", server.host);
    let first = server.request("GET", &format!("/tables?x=1&token={}", server.token), &own);
    assert_eq!(first.status, 303);
    assert!(first.head.contains("location: /tables?x=1\r\n"), "the token stays in no address: {}", first.head);
    assert!(first.head.contains("HttpOnly; SameSite=Strict"), "{}", first.head);
    let elsewhere = server.request("GET", &format!("//evil.example/?token={}", server.token), &own);
    assert!(elsewhere.head.contains("location: /evil.example/\r\n"), "{}", elsewhere.head);
    let unreadable = server.get("/table/%ff");
    assert!(unreadable.status == 404 && unreadable.body.contains("<h1>"), "{}", unreadable.body);
    let wrong = format!("{own}Cookie: syntrace-{}=0123\r\n", server.port());
    for (path, head) in [("/tables", &own), ("/tables?token=0123", &own), ("/tables", &wrong), ("/style.css", &own)] {
        let refused = server.request("GET", path, head);
        assert_eq!(refused.status, 403, "{path}");
        assert!(!refused.body.contains("packets") && refused.body.contains("token"), "{}", refused.body);
    }
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost"] {
        let head = format!("Host: {host}\r\n{}", server.cookie());
        assert_eq!(server.request("GET", "/tables", &head).status, 421, "{host}");
    }
    let local = format!("Host: localhost:{}\r\n{}", server.port(), server.cookie());
    let page = server.request("GET", "/tables", &local);
    assert_eq!(page.status, 200);
    for header in ["content-security-policy: default-src 'none'; style-src 'self'", "x-content-type-options: nosniff"] {
        assert!(page.head.contains(header), "{}", page.head);
    }
}

#[test]
fn every_table_view_and_query_has_a_page_without_inline_code() {
    let study = study::small();
    let server = Server::of(&study.path, &["--members"]);
    let tables = syntrace::query::tables().into_iter().map(|table| format!("/table/{}", table.name));
    let views = syntrace::query::views().into_iter().map(|view| format!("/table/{}", view.name));
    let queries = syntrace::query::named_queries().into_iter().map(|query| format!("/query/{}", query.name));
    for path in tables.chain(views).chain(queries).chain(["/tables", "/sql"].map(str::to_owned)) {
        let page = server.page(&path);
        let scripts = page.split("<script").skip(1);
        assert!(scripts.clone().all(|script| script.starts_with(" src=\"/")), "{path}: no script inside the page");
        assert!(!page.contains(" style=") && !page.contains(" onclick"), "{path}");
        assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>"), "{path}");
    }
    assert!(server.page("/table/traces").contains("192.0.2.80") || server.page("/table/traces").contains("c0000250"));
    assert_eq!(server.get("/table/nope").status, 404);
    assert_eq!(server.get("/query/nope").status, 404);
    assert_eq!(server.get("/nope").status, 404);
}

#[test]
fn no_page_names_real_traces_without_members() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let tables = syntrace::query::tables().into_iter().map(|table| format!("/table/{}", table.name));
    let views = syntrace::query::views().into_iter().map(|view| format!("/table/{}", view.name));
    let queries = syntrace::query::named_queries().into_iter().map(|query| format!("/query/{}", query.name));
    let statements = [
        "SELECT src_ip FROM traces",
        "SELECT count(*) FROM traces WHERE src_port = 80",
        "SELECT max(x) FROM (SELECT ip_text(dst_ip) AS x FROM packets) AS p",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM packets WHERE src_port > 0)",
        "SELECT (SELECT min(trace_id) FROM splits) AS first",
        "EXPLAIN ANALYZE SELECT * FROM packets",
        "FROM traces",
        "SELECT * FROM one_trace(1000)",
        "WITH generalization AS (SELECT * FROM traces) SELECT * FROM generalization",
        "SELECT * FROM generalization JOIN traces ON true",
        "SELECT data FROM packets WHERE synthetic OR true",
        "WITH p AS (SELECT * FROM packets) SELECT encode(data, 'hex') FROM p WHERE NOT synthetic",
        "SELECT seed FROM jobs",
        "SELECT min_value FROM segments",
    ];
    let typed: Vec<String> = statements.iter().map(|sql| format!("/sql?sql={}", encoded(sql))).collect();
    // Half of the time the condition is folded to false before anything is read.
    let sometimes =
        "SELECT ip_text(src_ip) FROM packets WHERE NOT synthetic AND date_part('microsecond', now()) % 2 = 0";
    for _ in 0..40 {
        let answer = server.get(&format!("/sql?_format=csv&sql={}", encoded(sometimes)));
        assert!(answer.status == 403 || answer.body.lines().count() == 1, "{}", answer.body);
    }
    for path in &typed {
        assert_eq!(server.get(path).status, 403, "{path}");
        assert_eq!(server.get(&format!("{path}&_format=csv")).status, 403, "{path}");
    }
    for path in tables.chain(views).chain(queries).chain(typed) {
        let answer = server.get(&path);
        assert!(matches!(answer.status, 200 | 403), "{path}: {}", answer.body);
        let rows = answer.body.split("<tbody>").skip(1).collect::<String>();
        let generated = path.ends_with("/packets");
        assert!(generated || !REAL_ADDRESSES.iter().any(|address| rows.contains(address)), "{path}: {rows}");
    }
    let counted = server.page(&format!("/sql?sql={}", encoded("SELECT class, count(*) FROM traces GROUP BY class")));
    assert!(counted.contains("windows"), "{counted}");
    let generated = "SELECT count(data) FROM packets WHERE synthetic";
    assert_eq!(server.get(&format!("/sql?sql={}", encoded(generated))).status, 200);
}

#[test]
fn files_are_those_of_the_command_line() {
    let study = study::small();
    let server = Server::of(&study.path, &["--members"]);
    let path = study.path.to_str().unwrap();
    for sql in ["SELECT * FROM models ORDER BY model_id", "SELECT 1 AS a, NULL AS b WHERE false", "SELECT 'a,\"b' AS x"]
    {
        for format in ["csv", "json"] {
            let expected = run_ok(&["sql", path, "--format", format, "-c", sql]);
            let found = server.page(&format!("/sql?sql={}&_format={format}", encoded(sql)));
            assert_eq!(found, expected, "{sql}");
        }
    }
    let expected = run_ok(&["query", path, "strongest_attacks", "-v", "dataset=os", "--format", "csv"]);
    assert_eq!(server.page("/query/strongest_attacks?dataset=os&_format=csv"), expected);
    let sql = "SELECT * FROM traces WHERE class = 'windows' ORDER BY trace_id LIMIT 50";
    let expected = run_ok(&["sql", path, "--format", "csv", "-c", sql]);
    assert_eq!(server.page("/table/traces?class=windows&_format=csv"), expected);
}

#[test]
fn statements_that_write_or_are_wrong_say_so_in_place() {
    let study = study::small();
    let before = std::fs::read(&study.path).unwrap();
    let server = Server::of(&study.path, &[]);
    for (sql, words) in [
        ("SELECT nope FROM models", "there is no column `nope`"),
        ("SELEC 1", "  1 | SELEC 1\n      ^^^^^"),
        ("DELETE FROM models", "SQL here only reads"),
        ("CREATE TABLE x (a INT)", "SQL here only reads"),
        ("COPY models TO '/tmp/x'", "SQL here only reads"),
        ("SELECT 1; SELECT 2", "one SQL statement"),
    ] {
        let answer = server.get(&format!("/sql?sql={}", encoded(sql)));
        assert_eq!(answer.status, 400, "{sql}");
        assert!(answer.body.contains(words), "{sql}: {}", answer.body);
        assert!(answer.body.contains("<textarea"), "the statement can be mended: {}", answer.body);
    }
    for (method, path) in [("POST", "/sql"), ("PUT", "/table/models"), ("DELETE", "/table/models")] {
        let head = format!("Host: {}\r\n{}Content-Length: 0\r\n", server.host, server.cookie());
        assert_eq!(server.request(method, path, &head).status, 405, "{method}");
    }
    drop(server);
    assert!(std::fs::read(&study.path).unwrap() == before, "the study changed");
}

#[test]
fn hostile_text_stays_text() {
    let study = study::small();
    let server = Server::of(&study.path, &["--members"]);
    let hostile = "<script>alert(1)</script>\"'&";
    for path in [
        format!("/sql?sql={}", encoded(&format!("SELECT '{}' AS \"<b>x</b>\"", hostile.replace('\'', "''")))),
        format!("/table/models?generator={}", encoded(hostile)),
        format!("/table/models?{}=1", encoded(hostile)),
        format!("/table/{}", encoded("<script>")),
        format!("/query/headline?dataset={}", encoded(hostile)),
        format!("/query/headline?{}=1", encoded(hostile)),
        "/<script>".to_owned(),
    ] {
        let answer = server.get(&path);
        assert!(answer.status < 500, "{path}: {}", answer.body);
        assert!(!answer.body.contains("<script>") && !answer.body.contains("<b>"), "{path}: {}", answer.body);
    }
}

#[test]
fn a_table_is_read_page_by_page_and_counted() {
    let study = study::small();
    let server = Server::of(&study.path, &["--members"]);
    let page = server.page("/table/traces?_sort=trace_id&_desc=1");
    assert!(page.contains("aria-sort=\"descending\"") && page.contains("Rows 1 to 16 of 16"), "{page}");
    assert!(page.find(">2007<").unwrap() < page.find(">1000<").unwrap());
    let page = server.page("/table/traces?_from=10");
    assert!(page.contains("Rows 11 to 16 of 16") && page.contains("Previous page"), "{page}");
    let page = server.page("/table/traces?trace_id__gte=2004&_facet=class");
    assert!(page.contains("of 4</span>") && page.contains("trace_id \u{2265} 2004"), "{page}");
    assert_eq!(server.get("/table/traces?trace_id=x").status, 400);
}

#[test]
fn a_mark_leads_to_its_models_and_a_model_to_the_bytes_of_a_packet() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let page = server.page("/");
    let link = page.split("href=\"").find(|rest| rest.starts_with("/table/target_models?dataset=os&amp;generator="));
    let link = link.expect("a mark with a link").split('"').next().unwrap().replace("&amp;", "&");
    let models = server.page(&link);
    assert!(models.contains(">/model/") || models.contains("href=\"/model/"), "{models}");
    assert!(server.page("/?epsilon=4").contains("<option value=\"4\" selected>"));
    assert!(server.page("/?dataset=nope").contains("Nothing to draw."));
    assert_eq!(server.get("/?nope=1").status, 400);
    let model = server.page(&format!("/model/{}", study::DP_TARGET));
    for heading in [">Lineage</h2>", "<h2>Attacks", "<h2>Privacy ledger"] {
        assert!(model.contains(heading), "{heading}: {model}");
    }
    let versus = server.page(&format!("/model/{}?versus={}", study::DP_TARGET, study::TARGET));
    assert!(versus.contains("What differs from") && versus.contains("<th scope=\"row\">epsilon</th>"), "{versus}");
    assert_eq!(server.get("/model/1").status, 404);
    assert_eq!(server.get("/model/x").status, 400);
}

#[test]
fn a_trace_shows_the_bytes_of_a_field_and_is_hidden_where_it_is_real() {
    let study = study::small();
    let path = study.path.to_str().unwrap();
    let generated =
        run_ok(&["sql", path, "--format", "csv", "-c", "SELECT min(trace_id) FROM packets WHERE synthetic"]);
    let generated = generated.lines().nth(1).unwrap();
    let (open, closed) = (Server::of(&study.path, &["--members"]), Server::of(&study.path, &[]));
    let real = open.page("/trace/1000?packet=2&field=eth.dst");
    assert!(real.contains("<mark>") && real.contains("aria-current=\"true\">2<"), "{real}");
    assert!(open.page(&format!("/trace/1000?beside={generated}")).contains("Generated by"));
    assert!(closed.page(&format!("/trace/{generated}")).contains("Generated by"));
    let capture = closed.get(&format!("/trace/{generated}.pcap"));
    assert!(capture.status == 200 && capture.head.contains("application/vnd.tcpdump.pcap"), "{}", capture.head);
    for hidden in ["/trace/1000", "/trace/1000.pcap", &format!("/trace/{generated}?beside=1000")] {
        let refused = closed.get(hidden);
        assert_eq!(refused.status, 404, "{hidden}");
        assert!(!REAL_ADDRESSES.iter().any(|address| refused.body.contains(address)), "{}", refused.body);
    }
    assert_eq!(open.get("/trace/1000?packet=0").status, 400);
    assert_eq!(open.get("/trace/x").status, 400);
}

#[test]
fn progress_counts_what_is_done() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let progress = server.page("/progress.json");
    assert!(progress.starts_with("{\"done\": ") && progress.contains("\"members\": "), "{progress}");
    assert!(server.page("/live.js").contains("progress.json"));
}

#[test]
fn kept_pages_follow_the_study() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let before = server.page("/");
    assert_eq!(server.page("/"), before);
    let rows = |page: &str| page.split("<tr>").count();
    let models = server.page("/table/models");
    study::add_netshare(&study);
    assert!(rows(&server.page("/table/models")) > rows(&models));
    assert_ne!(server.page("/"), before);
}

#[test]
fn another_study_in_the_place_of_a_file_is_shown_whether_it_replaces_it_or_is_written_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (study::small(), folder.path().join("other.redb"));
    run_ok(&["simulate", other.to_str().unwrap(), "--dataset", "os", "--class", "mac", "--flows", "3"]);
    let shown = folder.path().join("shown.redb");
    std::fs::copy(&one.path, &shown).unwrap();
    let server = Server::of(&shown, &[]);
    let classes = || server.page("/table/classes");
    assert!(classes().contains("ubuntu"));
    // Written over the same file, as `cp` does.
    std::fs::write(&shown, std::fs::read(&other).unwrap()).unwrap();
    assert!(!classes().contains("ubuntu") && classes().contains("mac"), "{}", classes());
    std::fs::write(&shown, std::fs::read(&one.path).unwrap()).unwrap();
    assert!(classes().contains("ubuntu"), "{}", classes());
    std::fs::rename(&other, &shown).unwrap();
    assert!(!classes().contains("ubuntu") && classes().contains("mac"), "{}", classes());
}

#[test]
fn a_model_has_its_lineage_curves_and_losses_drawn_with_tables_behind() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let page = server.page(&format!("/model/{}", study::TARGET));
    for (heading, panel) in
        [("ROC curves", "false positive rate"), ("Losses", ">epoch</text>"), ("Lineage", "this model")]
    {
        let section = page.split(&format!("{heading}</h2>")).nth(1).expect(heading);
        let section = section.split("</section>").next().unwrap();
        assert!(section.contains("<svg") && section.contains(panel), "{heading}: {section}");
        assert!(section.contains("<summary>Table") && section.contains("<tbody>"), "{heading}: {section}");
    }
    assert!(page.contains("mlp, logits, AUC 0.9</li>"), "{page}");
    assert!(page.contains("held-out traces, epoch 2: 2</title>"), "{page}");
    let lineage = page.split("class=\"lineage\"").nth(1).unwrap().split("</svg>").next().unwrap();
    assert!(lineage.contains(&format!("/table/attacks?model_id={}", study::TARGET)), "{lineage}");
    assert!(!lineage.contains("/table/splits"), "a list of members is hidden: {lineage}");
}

#[test]
fn a_trace_stands_beside_the_nearest_one_with_its_bits_and_its_place_among_scores() {
    let folder = tempfile::tempdir().unwrap();
    let path = simulated(folder.path());
    let (open, closed) = (Server::of(&path, &["--members"]), Server::of(&path, &[]));
    let first = |sql: &str| {
        let answer = run_ok(&["sql", path.to_str().unwrap(), "--format", "csv", "-c", sql]);
        answer.lines().nth(1).expect("a row").to_owned()
    };
    let real = first("SELECT trace_id FROM attack_scores WHERE evaluated_on = 'target' ORDER BY trace_id LIMIT 1");
    let page = open.page(&format!("/trace/{real}"));
    assert!(page.contains("the nearest one of the class") && page.contains("Generated by markov"), "{page}");
    assert!(page.matches("data:image/png;base64,").count() == 2 && page.contains("bit is 1"), "an image each");
    assert!(page.contains("Where it stands among all scored traces") && page.contains("class=\"mark column"), "{page}");
    let alone = open.page(&format!("/trace/{real}?beside=none"));
    assert!(!alone.contains("Generated by markov"));
    let generated = first("SELECT trace_id FROM synthetic_traces WHERE packets > 0 ORDER BY trace_id LIMIT 1");
    assert!(open.page(&format!("/trace/{generated}")).contains("<h2 id=\"trace-"));
    let hidden = closed.page(&format!("/trace/{generated}"));
    assert!(!hidden.contains("Real trace of") && hidden.contains("data:image/png;base64,"), "{hidden}");
    // A copy of a trace is nearer than anything else: its own distance is none.
    let distance = page.split("on the other side, ").nth(1).unwrap().split(' ').next().unwrap();
    assert!((0.0..=1.0).contains(&distance.parse::<f64>().unwrap()), "{distance}");
}

#[test]
fn an_answer_is_a_chart_where_the_address_says_so() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let sql = encoded("SELECT attack_id, generator, auc, auc_low, auc_high FROM attacks ORDER BY attack_id");
    let bars = server.page(&format!("/sql?sql={sql}&_chart=bars&_x=attack_id&_y=auc&_by=generator"));
    assert!(
        bars.contains("class=\"mark column s0 f0\"") && bars.contains("netssm, attack_id 500: 0.9 (0.8 to 1)"),
        "{bars}"
    );
    assert!(bars.contains("<option value=\"bars\" selected>") && bars.contains("<summary>Table"), "{bars}");
    let points = server.page(&format!("/sql?sql={sql}&_chart=points&_x=attack_id&_y=auc"));
    assert!(points.contains("class=\"whisker s0\""), "the interval is drawn: {points}");
    let wrong = server.page(&format!("/sql?sql={sql}&_chart=points&_x=attack_id&_y=generator"));
    assert!(wrong.contains("No chart: expected numbers to draw"), "{wrong}");
    let named = server.page("/query/strongest_attacks?_chart=bars&_x=generator&_y=auc");
    assert!(named.contains("class=\"mark column"), "{named}");
}

#[test]
fn errors_mark_their_place_in_the_editor_and_hints_are_about_pages() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let wrong = server.get(&format!("/sql?sql={}", encoded("SELECT nope\nFROM models"))).body;
    assert!(wrong.contains("data-line=\"1\" data-column=\"8\" data-length=\"4\""), "{wrong}");
    assert!(wrong.contains("data-words=\"") && wrong.contains(" packets "), "names to complete: {wrong}");
    for sql in ["SELECT 1 FROM nope_at_all", "PIVOT x", "SELECT $a"] {
        let hint = server.get(&format!("/sql?sql={}", encoded(sql))).body;
        let hint = hint.split("class=\"failure\"").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
        assert!(!hint.contains("`.") && !hint.contains("--pivot") && !hint.contains(" -v "), "{sql}: {hint}");
    }
}

#[test]
fn queries_that_would_be_refused_are_marked() {
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    let list = server.page("/sql");
    for query in syntrace::query::named_queries() {
        let entry = list.split(&format!("href=\"/query/{}\"", query.name)).nth(1).expect(query.name);
        let is_marked = entry.split("</li>").next().unwrap().contains("which are hidden here");
        let status = server.get(&format!("/query/{}", query.name)).status;
        assert_eq!(is_marked, status == 403, "{}: {status}", query.name);
    }
}

#[test]
fn pages_follow_each_other_by_key_forwards_and_backwards_and_files_have_all_rows() {
    let study = study::small();
    let server = Server::of(&study.path, &["--members"]);
    for start in ["/table/segments", "/table/segments?_sort=null_count&_desc=1", "/table/segments?_sort=min_value"] {
        let file = server.page(&format!("{start}{}_format=csv", if start.contains('?') { "&" } else { "?" }));
        let all: Vec<&str> = file.lines().skip(1).collect();
        assert!(all.len() > 120, "{} rows", all.len());
        let rows = |page: &str| {
            page.split("<tbody>")
                .nth(1)
                .unwrap()
                .split("</tbody>")
                .next()
                .unwrap()
                .split("<tr>")
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (mut address, mut pages) = (start.to_owned(), Vec::new());
        loop {
            let page = server.page(&address);
            pages.push(rows(&page));
            let Some(next) = link_named(&page, "Next page") else { break };
            assert!(next.contains("_after="), "{next}");
            address = next;
        }
        let forwards = pages.concat();
        assert_eq!(forwards.len(), all.len(), "{start}");
        let distinct: std::collections::BTreeSet<&String> = forwards.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{start}: each row once");
        for expected in pages.iter().rev().skip(1) {
            address = link_named(&server.page(&address), "Previous page").expect("a page before");
            assert_eq!(rows(&server.page(&address)), *expected, "{start}: {address}");
        }
        assert!(!address.contains("_before"), "the first page is its plain address: {address}");
    }
    let facets = server.page("/table/traces?_facet=packets&_facet=class");
    let less = facets.split("aria-label=\"do not count packets\"").next().map(links).and_then(|mut found| found.pop());
    assert_eq!(less.as_deref(), Some("/table/traces?_facet=class"));
    assert!(!server.page("/table/traces?_facet=-").contains("Values of"));
}

#[test]
fn several_studies_have_a_list_and_each_its_pages_below_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (study::small(), study::small());
    let (first, second) = (folder.path().join("one.redb"), folder.path().join("two.redb"));
    std::fs::copy(&one.path, &first).unwrap();
    std::fs::copy(&two.path, &second).unwrap();
    let server = Server::of_all(&[&first, &second], &[]);
    let list = server.page("/");
    assert!(links(&list).contains(&"/one".to_owned()) && links(&list).contains(&"/two".to_owned()), "{list}");
    let mut seen = 0;
    for page in
        ["/two", "/two/tables", "/two/table/models", &format!("/two/model/{}", study::TARGET), "/two/sql?sql=SELECT+1"]
    {
        let text = server.page(page);
        for link in links(&text).into_iter().filter(|link| link != "/./") {
            assert!(link.starts_with("/two"), "{page}: {link}");
            seen += 1;
        }
        assert!(text.contains("href=\"/./\">Studies</a>"), "{page}");
    }
    assert!(seen > 100, "{seen} links");
    assert!(server.page("/two/style.css").contains("--back"));
    assert_eq!(server.get("/two/nope").status, 404);
    assert_eq!(server.get("/three").status, 404);
}

#[test]
fn files_of_pages_lead_to_each_other_and_name_no_real_trace() {
    let study = study::small();
    let folder = tempfile::tempdir().unwrap();
    let (pages, path) = (folder.path().join("pages"), study.path.to_str().unwrap());
    run_ok(&["ui", path, "--freeze", pages.to_str().unwrap()]);
    let names: Vec<String> =
        std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for name in ["index.html", "tables.html", "sql.html", "style.css", "table-models.html", "query-headline.html"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
    assert!(names.contains(&format!("model-{}.html", study::TARGET)));
    let sql = "SELECT DISTINCT concat('trace-', trace_id, '.html') AS name FROM packets WHERE synthetic";
    let generated = run_ok(&["sql", path, "--format", "csv", "-c", sql]);
    let generated: Vec<String> = generated.lines().skip(1).map(str::to_owned).collect();
    for name in names.iter().filter(|name| name.ends_with(".html")) {
        let text = std::fs::read_to_string(pages.join(name)).unwrap();
        assert!(!text.contains("=\"/") && !text.contains("<form") && !text.contains("://127"), "{name} needs a server");
        let targets = text.split(" href=\"").chain(text.split(" src=\"")).filter_map(|rest| rest.split('"').next());
        for target in
            targets.filter(|target| target.ends_with(".html") || target.ends_with(".pcap") || target.ends_with(".js"))
        {
            assert!(names.iter().any(|known| known == target), "{name} leads to {target}");
        }
        let rows = text.split("<tbody>").skip(1).collect::<String>();
        // Generated packets may have the addresses of real ones.
        let is_generated = name.starts_with("table-packets") || generated.contains(name);
        assert!(is_generated || !REAL_ADDRESSES.iter().any(|address| rows.contains(address)), "{name}");
    }
    let again = crate::common::run(&["ui", path, "--freeze", pages.to_str().unwrap()]);
    assert!(again.0 == 2 && again.2.contains("new or empty folder"), "{}", again.2);
}
