#![cfg(feature = "torch")]
//! All generators side by side in one study: what they write is readable, and one that diverges stops nothing else.

use crate::common::{run_ok, write_spec};
use crate::synth::complaints;

/// Every generator at sizes that train in seconds.
const ALL: &str = r#"
name = "all"
seed = 9
[[dataset]]
name = "os"
classes = ["mac"]
simulate = { flows = 90 }
[[dataset]]
name = "public"
public = true
simulate = { flows = 16 }
[traces]
packets = 4
[split]
members = 16
shadows = 1
[regimes]
epsilon = [4.0]
noise = "reproducible"
[generator.markov]
[generator.netdpsyn]
block = 50
[generator.netpool]
records = 300
kept = 100
[generator.netssm]
start = "scratch"
epochs = EPOCHS
rate = TOKEN_RATE
[generator.netshare]
epochs = 8
rate = RATE
[generator.netdiffusion]
rows = 4
epochs = 1
rate = RATE
unet = { patch = 8, widths = [16, 16], heads = 2, words = 3, context = 8, time = 16, cell = 8 }
autoencoder = { steps = 150, batch = 512, rate = 1e-2 }
base = { steps = 60, batch = 8, rate = 4e-3 }
[attack.threshold]
[synthesis]
traces = 6
"#;

/// Epochs of `netssm`, its learning rate, and that of the others.
fn study(folder: &std::path::Path, epochs: &str, token_rate: &str, rate: &str) -> String {
    let path = folder.join("s.redb").to_string_lossy().into_owned();
    let text = ALL.replace("EPOCHS", epochs).replace("TOKEN_RATE", token_rate).replace("RATE", rate);
    let spec = write_spec(folder, &text);
    run_ok(&["run", &path, &spec, "--quiet"]);
    path
}

/// Rows of an answer as CSV lines, without the header.
fn rows(path: &str, sql: &str) -> Vec<String> {
    let answer = run_ok(&["sql", path, "--format", "csv", "-c", sql]);
    answer.lines().skip(1).map(str::to_owned).collect()
}

/// No malformed packet, no length that contradicts another, no wrong checksum where the whole packet is there.
#[test]
fn exported_packets_of_every_generator_open_in_tshark_without_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path(), "2", "5e-3", "2e-3");
    let sql = "SELECT m.model_id, m.generator, sum(s.packets) FROM models m JOIN synthetic_traces s USING (model_id)
        GROUP BY 1, 2 ORDER BY 1";
    let mut written = std::collections::BTreeMap::new();
    for row in rows(&path, sql) {
        let [model, generator, packets] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let file = folder.path().join(format!("{generator}-{model}.pcap"));
        run_ok(&["export", &path, "pcap", "--model", model, "-o", &file.to_string_lossy()]);
        let Some(found) = complaints(&file) else {
            crate::common::skip("tshark", format_args!("exported packets of every generator: tshark is not here"));
            return;
        };
        assert_eq!(found, 0, "{generator}, model {model}");
        *written.entry(generator.to_owned()).or_insert(0) += packets.parse::<u32>().unwrap();
    }
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(names, ["markov", "netdiffusion", "netdpsyn", "netpool", "netshare", "netssm"]);
    assert!(written.iter().all(|(_, packets)| *packets > 0), "{written:?}");
}

/// A learning rate that no network survives: all models of the three networks say at which step they diverged, are
/// attacked and sampled with their last good weights, and the other generators have all their results.
#[test]
fn generators_that_diverge_are_recorded_and_the_rest_of_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path(), "2", "1e30", "1e30");
    let sql = "SELECT generator, count(*), count(*) FILTER (WHERE status LIKE 'diverged at step %') FROM models
        WHERE role <> 'base' GROUP BY 1 ORDER BY 1";
    let expected = ["markov,4,0", "netdiffusion,4,4", "netdpsyn,1,0", "netpool,1,0", "netshare,4,4", "netssm,4,4"];
    assert_eq!(rows(&path, sql), expected);
    let sql = "SELECT generator, count(DISTINCT model_id), count(*) FILTER (WHERE isnan(loss)) FROM attributes
        GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(&path, sql), ["markov,4,0", "netdiffusion,4,0", "netshare,4,0", "netssm,4,0"]);
    let attacked = "SELECT DISTINCT generator FROM attacks ORDER BY 1";
    assert_eq!(rows(&path, attacked), ["markov", "netdiffusion", "netshare", "netssm"]);
}
