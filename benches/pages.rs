//! Pages of `syntrace ui` over a study of the paper's size: 900 models, 5 million attribute rows and 5 million attack scores.
//!
//! Expected cost: the first page of a table with a key reads one column whole and the others of 50 rows; counts of rows and of constants
//! of partitions read no body. A later page costs what the first does. What was made once is kept until a job is finished.
//!
//! `cargo bench --features full --bench pages` prints milliseconds: of the first request, and the median of the next ones. The first pages of
//! tables must stay below 300 ms.
//!
//! `SYNTRACE_BENCH_TRACES=N` makes splits of N traces (5,556): fewer for a quick look. `SYNTRACE_BENCH_FOLDER=PATH` keeps the study there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench ends where its expectation does not hold, and prints what it measured"
)]

#[path = "sql/content.rs"]
#[allow(dead_code, reason = "the bench of statements uses more of it")]
mod content;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Times that a page is asked for after the first.
const REPEATS: usize = 9;

/// Longest time of the first page of a table.
const FIRST_PAGE_MAX: Duration = Duration::from_millis(300);

/// Pages, and whether each is the first of a table.
const PAGES: [(&str, bool); 8] = [
    ("/", false),
    ("/table/attack_scores", true),
    ("/table/attributes", true),
    ("/table/packets", true),
    ("/table/traces", true),
    ("/table/attack_scores?_sort=score&_desc=1", false),
    ("/table/attack_scores?generator=netssm&epsilon=1", false),
    ("/tables", false),
];

struct Server {
    child: Child,
    host: String,
    cookie: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn of(study: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syntrace"));
        command.arg("ui").arg(study).args(["--port", "0", "--members"]);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("http://")?.to_owned())).expect("an address");
        std::thread::spawn(move || lines.for_each(drop));
        let (host, token) = address.split_once("/?token=").expect("a token");
        let port = host.split_once(':').expect("a port").1;
        Self { child, host: host.to_owned(), cookie: format!("syntrace-{port}={token}") }
    }

    /// The time and the bytes of a page.
    fn page(&self, path: &str) -> (Duration, String) {
        let started = Instant::now();
        let mut socket = TcpStream::connect(&self.host).expect("a connection");
        let head = format!("Host: {}\r\nCookie: {}\r\nConnection: close\r\n", self.host, self.cookie);
        write!(socket, "GET {path} HTTP/1.1\r\n{head}\r\n").expect("sent");
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).expect("an answer");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        (started.elapsed(), text)
    }
}

/// The address of the page after one.
fn next(page: &str) -> Option<String> {
    let before = page.split(" rel=\"next\"").next().filter(|before| before.len() < page.len())?;
    Some(before.rsplit("href=\"").next()?.split('"').next()?.replace("&amp;", "&").replace("&#38;", "&"))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn main() {
    let kept = std::env::var_os("SYNTRACE_BENCH_FOLDER").map(PathBuf::from);
    let folder = tempfile::tempdir().expect("a folder");
    let study = kept.as_deref().unwrap_or(folder.path()).join("pages.redb");
    if !study.exists() {
        content::write(&study, 0);
    }
    let started = Instant::now();
    let server = Server::of(&study);
    println!("{:<58} {:>8.0} ms", "from the command to an address", milliseconds(started.elapsed()));
    println!("{:<58} {:>8} {:>8} {:>9}", "page", "first", "median", "bytes");
    for (path, is_first_of_table) in PAGES {
        let (first, text) = server.page(path);
        let mut times: Vec<Duration> = (0..REPEATS).map(|_| server.page(path).0).collect();
        times.sort_unstable();
        println!("{path:<58} {:>8.1} {:>8.1} {:>9}", milliseconds(first), milliseconds(times[REPEATS / 2]), text.len());
        assert!(!is_first_of_table || first <= FIRST_PAGE_MAX, "{path} took {first:?}");
        if let Some(next) = next(&text) {
            let (time, text) = server.page(&next);
            println!("{:<58} {:>8.1} {:>8} {:>9}", "  the page after it", milliseconds(time), "", text.len());
        }
    }
}
