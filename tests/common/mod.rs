//! Shared by the tests: temporary folders, packet builders, tolerances, where `../shared` is.
#![allow(dead_code)]

use std::path::PathBuf;

/// A file of this repository's tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A path under `../shared` (real captures, large conformance files), or `None` with a line that says
/// which test is skipped.
pub fn shared(name: &str, test: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {test}: ../shared/{name} is not here");
    None
}

/// The built tool.
pub fn syntrace() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_syntrace"))
}

/// Runs the tool; gives exit code, stdout and stderr.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = syntrace().args(arguments).output().expect("the tool starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
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
