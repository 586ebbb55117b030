//! What a query may hold: sorts and groups beyond `--memory` spill and are right, or say so.

use crate::common::{Finish, PROCESS_LIMIT, syntrace};
use crate::query::study;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Rows of the generated input, each with a text of so many digits: some 600 MB in memory.
const ROWS: u64 = 1_200_000;
const WIDTH: u64 = 480;

/// What the process needs besides the budget: the program, its threads, batches under way, the page cache.
const REST_MIB: u64 = 400;

/// Runs a statement; gives exit code, stdout, stderr and the largest resident memory in MiB.
fn measured(memory_mib: u64, sql: &str) -> (i32, String, String, u64) {
    let study = study::small();
    let mut child = syntrace()
        .args(["sql", &study.path.to_string_lossy(), "--format", "csv", "--memory", &memory_mib.to_string(), "-c", sql])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let started = Instant::now();
    while started.elapsed() < PROCESS_LIMIT && child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let value = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        peak_kib = peak_kib.max(value.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.finish().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr), peak_kib / 1024)
}

/// Numbers in a scattered order with a wide text each: every number once.
fn input() -> String {
    let multiplier = 2_654_435_761_u64;
    format!(
        "SELECT (value * {multiplier}) % {ROWS} AS n, lpad(CAST((value * {multiplier}) % {ROWS} AS VARCHAR), {WIDTH}, '0') AS wide \
         FROM generate_series(1, {ROWS})"
    )
}

#[test]
fn a_sort_beyond_the_budget_spills_and_is_right() {
    let sql = format!(
        "SELECT count(*) AS rows, sum(CASE WHEN n = place - 1 THEN 1 ELSE 0 END) AS right_places FROM \
         (SELECT n, row_number() OVER (ORDER BY wide) AS place FROM ({}))",
        input()
    );
    let (code, stdout, stderr, peak) = measured(64, &sql);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, format!("rows,right_places\n{ROWS},{ROWS}\n"));
    assert!(peak > 0 && peak < 64 + REST_MIB, "{peak} MiB resident with a budget of 64");
}

#[test]
fn groups_beyond_the_budget_spill_and_are_right() {
    let sql = format!(
        "SELECT count(*) AS groups, sum(times) AS rows, max(times) AS most FROM \
         (SELECT wide, count(*) AS times FROM ({}) GROUP BY wide)",
        input()
    );
    let (code, stdout, stderr, peak) = measured(96, &sql);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, format!("groups,rows,most\n{ROWS},{ROWS},1\n"));
    assert!(peak > 0 && peak < 96 + REST_MIB, "{peak} MiB resident with a budget of 96");
}

#[test]
fn a_budget_that_cannot_work_is_said_to_be_too_small() {
    let sql = format!("SELECT array_agg(wide) AS all_of_them FROM ({})", input());
    let (code, stdout, stderr, peak) = measured(16, &sql);
    assert!(code == 2 && stdout.len() < 100, "{code}: {} bytes of an answer\n{stderr}", stdout.len());
    assert!(stderr.contains("the query needs more memory than it may use"), "{stderr}");
    assert!(stderr.contains("hint: raise --memory"), "{stderr}");
    assert!(peak < 16 + REST_MIB, "{peak} MiB resident with a budget of 16");
}
