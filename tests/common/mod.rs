//! Shared by the tests: temporary folders, packet builders, tolerances, where `../shared` is.
#![allow(dead_code, reason = "not every build of the tests uses all of it")]

pub mod browser;

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Longest time for a process that a test starts: far above what any takes on a busy machine, so one that
/// hangs is a failed test with a name and not a suite without an end.
pub const PROCESS_LIMIT: Duration = Duration::from_secs(300);

/// A file of this repository's tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Says that a test, or a part of it, is left out for want of a tool. Where the variable SYNTRACE_REQUIRE names the tool
/// (`tshark,psql`, or `all`) that is a failure; where SYNTRACE_SKIPS names a file, the line is added to it, so that
/// `make test` can count and print what libtest keeps to itself.
pub fn skip(tool: &str, what: std::fmt::Arguments) {
    let required = std::env::var("SYNTRACE_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == tool || name.trim() == "all");
    assert!(!is_required, "SYNTRACE_REQUIRE={required}, but {what}");
    eprintln!("skipped: {what}");
    let Some(list) = std::env::var_os("SYNTRACE_SKIPS") else { return };
    let line = format!("{tool}: {what}\n");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(list);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()))
        .expect("SYNTRACE_SKIPS can be written");
}

/// A path under `../shared` (real captures, large conformance files), or `None` with a line that says
/// which test is skipped.
pub fn shared(name: &str, test: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    skip("shared", format_args!("{test}: ../shared/{name} is not here"));
    None
}

/// The built tool.
pub fn syntrace() -> Command {
    Command::new(env!("CARGO_BIN_EXE_syntrace"))
}

/// A process with an end: what it said, or a panic after [`PROCESS_LIMIT`].
pub trait Finish {
    fn finish(self) -> std::io::Result<Output>;
}

impl Finish for Child {
    fn finish(self) -> std::io::Result<Output> {
        let id = self.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(self.wait_with_output()));
        receiver.recv_timeout(PROCESS_LIMIT).unwrap_or_else(|_| {
            let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
            // Not reaped before it ends: the number is still its own.
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            panic!("`{}` did not end within {PROCESS_LIMIT:?}", command.trim_end_matches('\0').replace('\0', " "))
        })
    }
}

/// Nothing on standard input, as with `output`.
impl Finish for &mut Command {
    fn finish(self) -> std::io::Result<Output> {
        self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?.finish()
    }
}

/// Runs the tool; gives exit code, stdout and stderr.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = syntrace().args(arguments).finish().expect("the tool starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The error of a spec that no plan can be made of.
pub fn refused_plan(folder: &std::path::Path, spec: &str) -> String {
    let spec = write_spec(folder, spec);
    let study = folder.join("none.redb");
    let (code, _, error) = run(&["plan", study.to_str().unwrap(), &spec]);
    assert_eq!(code, 2, "{error}");
    error
}

/// Runs the tool and expects success; gives stdout.
pub fn run_ok(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(code, 0, "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// A study small enough to train in a second: two shadows and a target, without DP and at epsilon 4,
/// with noise from the seed so that runs can be compared.
pub const TINY_SPEC: &str = r#"
name = "tiny"
seed = 5
[[dataset]]
name = "os"
classes = ["mac"]
simulate = { flows = 60 }
[traces]
packets = 3
[split]
members = 12
shadows = 2
[regimes]
epsilon = [4.0]
noise = "reproducible"
[generator.netssm]
preset = "small"
width = 16
layers = 1
batch = 4
epochs = 2
[attack.mlp-tuned]
[attack.threshold]
[synthesis]
traces = 4
"#;

/// [`TINY_SPEC`] with a Markov chain in place of the network, without DP and in less than a second.
pub fn tiny_markov() -> String {
    let (start, rest) = TINY_SPEC.split_once("[regimes]").expect("the spec has regimes");
    let (_, end) = rest.split_once("[attack.mlp-tuned]\n").expect("the spec has the attack");
    format!("{start}[generator.markov]\n{end}")
}

/// Writes a spec into a folder; gives its path as text.
pub fn write_spec(folder: &std::path::Path, text: &str) -> String {
    let path = folder.join("spec.toml");
    std::fs::write(&path, text).expect("the spec is written");
    path.to_string_lossy().into_owned()
}

/// Traces of at most `packets` packets, cut from simulated flows of a class.
pub fn simulated_traces(dataset: &str, class: &str, flows: u32, packets: u32) -> Vec<syntrace::record::Trace> {
    use syntrace::capture::{CutOptions, cut, write_frames};
    let options = syntrace::simulate::SimulateOptions::new(dataset, class, flows, syntrace::base::Seed::root(7));
    let frames = syntrace::simulate::simulate(&options).expect("a known class");
    let mut bytes = Vec::new();
    write_frames(&mut bytes, 1, frames.iter().map(|frame| (frame.time_us, frame.bytes.as_slice()))).expect("in memory");
    let options = CutOptions {
        dataset: dataset.to_owned(),
        class: class.to_owned(),
        unit: syntrace::record::TraceUnit::Flow,
        trace_packets: packets,
        min_packets: 1,
    };
    cut(bytes.as_slice(), &options).expect("own capture").traces
}
