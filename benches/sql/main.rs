//! Twelve questions to a study of the paper's size, beside DuckDB over zstd Parquet of the same rows.
//!
//! Expected cost: opening reads two pages and the tables' roots; a one-row answer from records is
//! planning alone (a few milliseconds). An aggregate over N rows reads only its columns: about 1 ns a
//! byte to unpack, 5 to 20 ns a row to group, on each core. Where the class, model or budget is
//! named, other partitions cost nothing; counts and bounds cost no body at all.
//!
//! Keys that are constants of a partition are looked up once a segment; every other key is hashed, 10 to
//! 60 ns a row. Every answer is compared with DuckDB's, and a difference fails the bench.
//!
//! Measured by `cargo bench -p syntrace-query --features parquet --bench sql` (release, medians of nine) in two runs, on two cores of a shared machine; in
//! the last column by the same with `--profile dev` (this crate at level 1 then) on another
//! machine, over a study of 5.1 GB:
//!
//! ```text
//! question                       ratio to DuckDB 2.0.1: time         CPU time       development
//! scores_by_model_and_epsilon                  0.19   0.19     0.17   0.19          0.28
//! auc_by_model                                 0.20   0.23     0.19   0.22          0.26
//! joined_to_models                             0.92   0.98     0.93   0.99          1.41
//! most_exposed_traces                          0.73   0.47     0.56   0.44          0.94
//! loss_percentiles_by_epoch                    1.42   1.10     1.76   1.75          1.93
//! median_loss_by_epsilon                       0.38   0.42     0.51   0.37          0.62
//! length_distance_by_position                  0.34   0.37     0.29   0.30          0.50
//! length_entropy_by_class                      0.89   0.55     0.68   0.53          0.85
//! one_trace                                    0.43   0.59     0.54   0.58          0.63
//! distinct_traces                              0.65   0.38     0.51   0.35          0.92
//! likelihood_ratio                             0.30   0.27     0.27   0.22          0.31
//! mean_of_vectors                              0.42   0.44     0.44   0.44          0.56
//! geometric mean                               0.48   0.44     0.47   0.43          0.64
//! ```
//!
//! An older machine's release build gave 0.53 in the geometric mean, 1.90 for the join and 1.83 for the
//! percentiles; medians of three, here, 1.55 to 2.15 for the percentiles: they read 900 segments of 20 rows in 3 to
//! 6 ms, of which planning is half and the look-up of each segment most of the rest. A join is asked after its rows
//! were grouped by the join's key; windows over whole partitions are hashed; columns that stand under many models
//! are decoded once (`group_before_join.rs` and `hash_window.rs` in `crates/query/src/optimizer/`, `crates/store/src/cache.rs`): before, these questions took 2.3, 5.7 and
//! 2.6 times as long as DuckDB.
//!
//! Size and growth, from the same runs: the file grew to 1.33 times its packed size (0.62 GB; 1.26 times at
//! 5.1 GB) and packs to 0.85 times the zstd Parquet of the five tables. The first three jobs after packing let redb take
//! more room at once: to 2.0 times at 0.62 GB, 1.34 times at 5.1 GB; the 21 jobs after them, none. One more job took 1.13
//! and 1.17 times as long as in an empty study at these sizes. One-row questions to the program (a model by
//! id, a count, a trace's packets) took 19 to 41 ms of processor time, cold or warm, and held 64 to 93 MB at both sizes.
//!
//! `SYNTRACE_BENCH_OBJECT_BYTES` adds weights of that size to each of the 900 models (5,000,000 make a
//! study of 5 GB). `SYNTRACE_BENCH_FOLDER=PATH` keeps the study and its Parquet files there. `SYNTRACE_BENCH_PYTHON`
//! names a Python with DuckDB (`pip install duckdb`); without one, and without `--features parquet`, the peer is left out.
//! `SYNTRACE_BENCH_RULES=1` measures each question with and without each of our own optimiser rules instead.
//! `SYNTRACE_BENCH_TRACES=N` makes splits of N traces (5,556): fewer for a quick look.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench ends where its expectation does not hold, and prints what it measured"
)]

/// As in the program: see its line in Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod content;
mod queries;

use content::CACHE;
use queries::{Question, TABLES, questions};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use syntrace_base::base::thread_count;
use syntrace_query::{Format, Rules, Session, SessionOptions, write_answer};
use syntrace_store::{Store, StoreWriter};

/// Of each question, ours and theirs: single runs of the short ones differ by half.
const REPEATS: usize = 9;
/// Jobs that are added to measure what one costs.
const APPENDS: usize = 21;
const MEMORY_BYTES: usize = 4 << 30;

fn session(path: &Path) -> Session {
    session_with(path, Rules::default())
}

fn session_with(path: &Path, rules: Rules) -> Session {
    let store = Store::open(path, CACHE).expect("the study");
    let options = SessionOptions { memory_bytes: MEMORY_BYTES, threads: thread_count() };
    Session::open_with(Arc::new(store.snapshot().expect("a snapshot")), options, rules).expect("a session")
}

/// Prints how much longer each question, and each named query (what the figures ask), takes without each of our own
/// optimiser rules. The ways take turns, so that a busy machine is busy for all of them.
fn measure_rules(path: &Path) {
    let off = Rules::each_off();
    let names: Vec<String> = off.iter().map(|(name, _)| format!("{name:>26}")).collect();
    let all = ("all", Rules::default());
    let ways: Vec<Session> = [all].into_iter().chain(off).map(|(_, rules)| session_with(path, rules)).collect();
    println!("{:<30} {:>10} {}", "question", "all ms", names.join(" "));
    let asked = questions().into_iter().map(|question| (question.name.to_owned(), question.ours));
    let named = syntrace_query::named_queries().into_iter();
    for (name, sql) in asked.chain(named.map(|query| (query.name.to_owned(), format!("FROM queries.{}", query.name)))) {
        let medians = medians(&ways, |session| rows(session, &sql));
        let with_all = medians[0];
        let ratios: Vec<String> = medians[1..].iter().map(|one| format!("{:>26.2}", one / with_all)).collect();
        println!("{name:<30} {:>10.1} {}", with_all * 1e3, ratios.join(" "));
    }
}

/// Median seconds of some work in each way, the ways in turns.
fn medians(ways: &[Session], work: impl Fn(&Session) -> usize) -> Vec<f64> {
    let mut seconds = vec![Vec::new(); ways.len()];
    for _ in 0..REPEATS {
        for (way, seconds) in ways.iter().zip(&mut seconds) {
            let started = Instant::now();
            std::hint::black_box(work(way));
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    seconds.iter_mut().for_each(|one| one.sort_by(f64::total_cmp));
    seconds.iter().map(|one| one[REPEATS / 2]).collect()
}

fn rows(session: &Session, sql: &str) -> usize {
    let answer = session.sql(sql).expect(sql);
    answer.map(|batch| batch.expect("rows").num_rows()).sum()
}

/// Seconds of processor time of this process so far, over all its threads; none where there is no /proc.
fn cpu_seconds() -> Option<f64> {
    let nanoseconds = std::fs::read_dir("/proc/self/task").ok()?.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    Some(nanoseconds.sum::<f64>() / 1e9)
}

/// Processor seconds of one run of some work, over the runs that `median` makes of it.
fn cpu(work: impl FnOnce() -> f64) -> (f64, Option<f64>) {
    let before = cpu_seconds();
    let seconds = work();
    let spent = cpu_seconds().zip(before).map(|(after, before)| (after - before) / REPEATS as f64);
    (seconds, spent)
}

/// Median seconds of some work.
fn median(mut work: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[REPEATS / 2]
}

/// Writes each table as Parquet; DuckDB packs it with zstd later.
fn export(session: &Session, folder: &Path) {
    for table in TABLES {
        let path = folder.join(format!("{table}.raw.parquet"));
        if folder.join(format!("{table}.parquet")).exists() || path.exists() {
            continue;
        }
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        let answer = session.sql(&format!("SELECT * FROM {table}")).expect("a table");
        let schema = answer.schema();
        write_answer(Format::Parquet, &schema, answer, &mut file).expect("Parquet");
    }
}

/// Writes our answers, for the peer to compare with its own.
fn write_answers(session: &Session, folder: &Path, questions: &[Question]) {
    for question in questions {
        let mut file = std::fs::File::create(folder.join(format!("{}.ours.jsonl", question.name))).expect("a file");
        let answer = session.sql(&question.ours).expect(&question.ours);
        let schema = answer.schema();
        write_answer(Format::Jsonl, &schema, answer, &mut file).expect("our answer");
    }
}

/// What DuckDB needed.
struct Peer {
    /// Median seconds by question.
    seconds: HashMap<String, f64>,
    /// Processor seconds of one run by question.
    cpu: HashMap<String, f64>,
    /// Bytes of its zstd Parquet.
    bytes: u64,
}

/// DuckDB's side; `None` without DuckDB. Fails where an answer of it differs from ours.
fn peer(folder: &Path, questions: &[Question]) -> Option<Peer> {
    let python = std::env::var("SYNTRACE_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let listed: Vec<_> = questions.iter().map(|one| serde_json::json!({"name": one.name, "sql": one.theirs})).collect();
    let input =
        serde_json::json!({"tables": TABLES, "questions": listed, "repeats": REPEATS, "threads": thread_count()});
    std::fs::write(folder.join("questions.json"), input.to_string()).expect("a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/sql/duckdb_peer.py");
    let output = std::process::Command::new(python).arg(script).arg(folder).output().ok()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("AssertionError"), "DuckDB answers otherwise: {errors}");
        println!("DuckDB left out: {}", errors.lines().last().unwrap_or_default());
        return None;
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON from the peer");
    let numbers = |what: &str| {
        let found = answer[what].as_object().expect("seconds by question");
        found.iter().map(|(name, value)| (name.clone(), value.as_f64().expect("a number"))).collect()
    };
    let bytes = answer["bytes"].as_u64().expect("bytes of the Parquet files");
    Some(Peer { seconds: numbers("seconds"), cpu: numbers("cpu"), bytes })
}

fn compare(session: &Session, folder: &Path) {
    let questions = questions();
    let ask = |one: &Question| assert_eq!(rows(session, &one.ours), one.rows, "{}", one.ours);
    let ours: Vec<_> = questions.iter().map(|one| cpu(|| median(|| ask(one)))).collect();
    if cfg!(feature = "parquet") {
        export(session, folder);
    }
    write_answers(session, folder, &questions);
    let theirs = if cfg!(feature = "parquet") { peer(folder, &questions) } else { None };
    println!("{:<30} {:>10} {:>10} {:>7} {:>10}", "question", "ours ms", "DuckDB ms", "ratio", "CPU ratio");
    let mut logs = [Vec::new(), Vec::new()];
    for (question, (ours, our_cpu)) in questions.iter().zip(&ours) {
        let Some(theirs) = &theirs else {
            println!("{:<30} {:>10.1}", question.name, ours * 1e3);
            continue;
        };
        let seconds = theirs.seconds[question.name];
        let by_cpu = our_cpu.map(|cpu| cpu / theirs.cpu[question.name]);
        let shown = by_cpu.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let (name, ratio) = (question.name, ours / seconds);
        println!("{name:<30} {:>10.1} {:>10.1} {ratio:>7.2} {shown:>10}", ours * 1e3, seconds * 1e3);
        logs[0].push(ratio.ln());
        logs[1].extend(by_cpu.map(f64::ln));
    }
    for (what, logs) in ["time", "CPU time"].iter().zip(&logs).filter(|(_, logs)| !logs.is_empty()) {
        println!("geometric mean of the ratios of {what}: {:.3}", (logs.iter().sum::<f64>() / logs.len() as f64).exp());
    }
    if let Some(theirs) = theirs {
        println!("zstd Parquet of these tables: {:.3} GB", theirs.bytes as f64 / 1e9);
    }
}

/// Median milliseconds of adding one job to each of two studies, in turn: a machine's bad moments hit both.
fn append_ms(paths: [&Path; 2]) -> [f64; 2] {
    let writers = paths.map(|path| StoreWriter::open_or_create(path, CACHE).expect("the study"));
    // Numbers that no run before has used, so that something is written.
    let first = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs() as usize;
    let mut seconds = [Vec::new(), Vec::new()];
    for number in first..first + APPENDS {
        for (writer, seconds) in writers.iter().zip(&mut seconds) {
            let started = Instant::now();
            content::append(writer, number);
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        1e3 * seconds[APPENDS / 2]
    })
}

fn main() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let kept = std::env::var_os("SYNTRACE_BENCH_FOLDER").map(std::path::PathBuf::from);
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    let path = folder.join("large.redb");
    if !path.exists() {
        let started = Instant::now();
        let object_bytes = std::env::var("SYNTRACE_BENCH_OBJECT_BYTES").ok().and_then(|bytes| bytes.parse().ok());
        content::write(&path, object_bytes.unwrap_or(0));
        println!("written and packed in {:.1} s", started.elapsed().as_secs_f64());
    }
    let bytes = std::fs::metadata(&path).expect("the study").len();
    println!(
        "study of {:.3} GB: {} models, {} scores",
        bytes as f64 / 1e9,
        content::MODELS,
        content::MODELS * content::split_traces_count()
    );
    if std::env::var_os("SYNTRACE_BENCH_RULES").is_some() {
        return measure_rules(&path);
    }
    let opening = median(|| assert_eq!(rows(&session(&path), "SELECT name FROM models LIMIT 1"), 1));
    println!("open, and one row of models: {:.1} ms", opening * 1e3);
    let [small, large] = append_ms([&temporary.path().join("empty.redb"), &path]);
    let grown = std::fs::metadata(&path).expect("the study").len() as f64 / bytes as f64;
    let ratio = large / small;
    println!("one more job: {small:.1} ms in an empty study, {large:.1} ms in this one, ratio {ratio:.2}");
    println!("the file after these {APPENDS} jobs: {grown:.2} times its size before");
    let session = session(&path);
    compare(&session, &folder);
}
