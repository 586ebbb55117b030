//! Shares of a plan on several machines: the prologue, dealing, merging, the scripts, and how runs are stopped.
#![cfg(feature = "torch")]

mod slurm;

use crate::common::{Finish, PROCESS_LIMIT, run, run_ok, syntrace, write_spec};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use syntrace::pipeline::{Plan, PlanDevice, ShareTotal};
use syntrace::spec::Spec;
use syntrace::store::{Snapshot, Store, StoreWriter};

const CACHE: usize = 1 << 24;

/// Three classes of captures in a folder, two budgets, a target and two shadows of each: 18 models, 6 attack groups.
const SPEC: &str = r#"
name = "shared"
seed = 5
[[dataset]]
name = "os"
folder = "captures"
[traces]
packets = 3
[split]
members = 12
shadows = 2
[regimes]
epsilon = [4.0]
noise = "reproducible"
[generator.markov]
[attack.threshold]
[synthesis]
traces = 4
[utility]
forecaster = "none"
"#;

/// A folder with a spec, captures, and names of study files.
struct Place {
    folder: tempfile::TempDir,
    spec: String,
}

impl Place {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let captures = folder.path().join("captures").to_string_lossy().into_owned();
        run_ok(&["simulate", "--out", &captures, "--dataset", "os", "--flows", "60"]);
        let spec = write_spec(folder.path(), text);
        Self { folder, spec }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Another spec in the same folder.
    fn other_spec(&self, text: &str) -> String {
        let path = self.path("other.toml");
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn without_captures(&self) {
        std::fs::remove_dir_all(self.path("captures")).unwrap();
    }

    /// The prologue of so many shares, whole.
    fn prologue(&self, name: &str, count: u32) -> String {
        run_ok(&["run", &self.at(name), &self.spec, "--quiet", "--shard", &format!("0/{count}")]);
        self.at(name)
    }

    fn share(&self, name: &str, shard: &str, from: &str) {
        run_ok(&["run", &self.at(name), &self.spec, "--quiet", "--shard", shard, "--from", from]);
    }

    fn snapshot(&self, name: &str) -> Snapshot {
        Store::open(&self.path(name), CACHE).unwrap().snapshot().unwrap()
    }

    fn ask(&self, name: &str, question: &str) -> String {
        let answer = run_ok(&["sql", &self.at(name), "--format", "csv", "-c", question]);
        answer.lines().nth(1).unwrap_or_default().to_owned()
    }

    fn assert_same(&self, a: &str, b: &str) {
        let (code, stdout, stderr) = run(&["diff", &self.at(a), &self.at(b)]);
        assert_eq!(code, 0, "{stdout}\n{stderr}");
    }
}

/// What a refused command says; it must have changed nothing.
fn refused(arguments: &[&str], says: &[&str]) {
    let (code, _, stderr) = run(arguments);
    assert_eq!(code, 2, "{arguments:?}\n{stderr}");
    for part in says {
        assert!(stderr.contains(part), "expected `{part}` in:\n{stderr}");
    }
}

#[test]
fn shares_need_the_prologue_alone_and_unite_to_the_study_of_one_machine() {
    let place = Place::new(SPEC);
    run_ok(&["run", &place.at("whole"), &place.spec, "--quiet"]);
    let prologue = place.prologue("0", 3);
    assert_eq!(place.ask("0", "SELECT count(*) FROM models"), "0");
    let begun = place.snapshot("0").jobs().unwrap().len();
    place.without_captures();
    let (mut models, mut attacks) = (0, 0);
    for share in ["1", "2", "3"] {
        place.share(share, &format!("{share}/3"), &prologue);
        let own = place.snapshot(share).models().unwrap().len();
        assert!(own > 0, "share {share} has something to do");
        models += own;
        attacks += place.ask(share, "SELECT count(*) FROM attacks").parse::<u32>().unwrap();
        assert_eq!(place.ask(share, "SELECT count(*) FROM captures WHERE kept"), "0");
        let split = "SELECT count(*) FROM jobs WHERE kind IN ('ingest', 'encode', 'split', 'plan')";
        assert_eq!(place.ask(share, split), begun.to_string());
        run_ok(&["verify", &place.at(share)]);
        // Again, without the prologue's file: nothing to do.
        let (code, _, stderr) =
            run(&["run", &place.at(share), &place.spec, "--quiet", "--shard", &format!("{share}/3")]);
        assert!(code == 0 && stderr.contains("0 jobs done"), "{stderr}");
    }
    // No attack's models were torn apart: each of the six was done in a share, on shadows and on the target.
    assert_eq!((models, attacks), (18, 12));
    let said = run_ok(&["info", &place.at("2")]);
    assert!(said.contains("share      2 of 3"), "{said}");
    run_ok(&["merge", &place.at("united"), &prologue, &place.at("2"), &place.at("1"), &place.at("3"), &place.at("3")]);
    run_ok(&["run", &place.at("united"), &place.spec, "--quiet"]);
    run_ok(&["verify", &place.at("united")]);
    place.assert_same("whole", "united");
    assert!(place.snapshot("united").shard().unwrap().is_none(), "it is whole");
    // The prologue last: its captures come over all the same.
    run_ok(&["merge", &place.at("late"), &place.at("1"), &place.at("2"), &place.at("3"), &prologue]);
    run_ok(&["run", &place.at("late"), &place.spec, "--quiet"]);
    run_ok(&["verify", &place.at("late")]);
    assert_eq!(place.ask("late", "SELECT count(*) FROM captures WHERE kept"), "3");
}

#[test]
fn missing_shares_are_listed_and_the_run_does_what_they_lack() {
    let place = Place::new(SPEC);
    run_ok(&["run", &place.at("whole"), &place.spec, "--quiet"]);
    let prologue = place.prologue("0", 3);
    place.share("2", "2/3", &prologue);
    let (code, _, stderr) = run(&["merge", &place.at("united"), &prologue, &place.at("2")]);
    assert!(code == 0 && stderr.contains("of 3 shares these are missing: 1, 3;"), "{stderr}");
    assert!(stderr.contains("results of the plan are not here"), "{stderr}");
    place.without_captures();
    let (code, _, stderr) = run(&["run", &place.at("united"), &place.spec, "--quiet"]);
    assert!(code == 0 && stderr.contains("these are missing: 1, 3;"), "{stderr}");
    place.assert_same("whole", "united");
    // A share that comes late adds nothing to what is whole.
    place.share("1", "1/3", &prologue);
    let (code, _, stderr) = run(&["merge", &place.at("united"), &place.at("1")]);
    assert!(code == 0 && !stderr.contains("missing"), "{stderr}");
    place.assert_same("whole", "united");
}

#[test]
fn shares_of_unequal_plans_are_refused_by_what_differs() {
    let place = Place::new(SPEC);
    let prologue = place.prologue("0", 2);
    place.share("1", "1/2", &prologue);
    let one = place.at("1");
    let merge = |other: &str, says: &[&str]| {
        refused(&["merge", &place.at("united"), &one, &place.at(other)], says);
        assert!(!place.path("united").exists(), "nothing was merged");
    };
    let prologue_of = |name: &str, text: &str, count: u32| {
        let spec = place.other_spec(text);
        run_ok(&["run", &place.at(name), &spec, "--quiet", "--shard", &format!("0/{count}")]);
        spec
    };
    let reseeded = SPEC.replace("seed = 5", "seed = 6");
    let spec = prologue_of("seed", &reseeded, 2);
    merge("seed", &["shares of different plans", "`seed` is 5 in", "and 6 in"]);
    // A share does not start from the prologue of another spec either, nor with another number of shares.
    let start = |spec: &str, shard: &str, from: &str, says: &[&str]| {
        refused(&["run", &place.at("new"), spec, "--quiet", "--shard", shard, "--from", &place.at(from)], says);
        assert!(!place.path("new").exists(), "nothing was begun");
    };
    start(&spec, "1/2", "0", &["`seed` is 6 in the spec and 5 in the shares"]);
    start(&place.spec, "1/3", "0", &["dealt into 2 shares, found `--shard 1/3`"]);
    start(&place.spec, "1/2", "1", &["it is no prologue"]);
    refused(&["run", &place.at("new"), &place.spec, "--shard", "1/2"], &["`--from` names none"]);
    refused(&["run", &one, &place.spec, "--shard", "2/2"], &["holds share 1 of 2, and share 2 of 2 is asked for"]);
    prologue_of("members", &SPEC.replace("members = 12", "members = 11"), 2);
    merge("members", &["`members` is 12 in", "and 11 in"]);
    prologue_of("attack", &SPEC.replace("[attack.threshold]", "[attack.threshold]\n[attack.lira]"), 2);
    merge("attack", &["`attacks.lira` is missing in", "and there in"]);
    prologue_of("count", SPEC, 3);
    merge("count", &["is of 2 shares and", "of 3"]);
    // A capture more, as when somebody adds one while an array runs.
    let more = place.at("more");
    run_ok(&["simulate", "--out", &more, "--dataset", "os", "--class", "mac", "--flows", "9", "--seed", "9"]);
    std::fs::rename(place.path("more/mac/os-mac-9.pcap"), place.path("captures/mac/added.pcap")).unwrap();
    prologue_of("capture", SPEC, 2);
    merge("capture", &["`ingest os/mac added.pcap` is in", "capture` alone"]);
    // The shares of the first prologue go on with the captures that it took.
    place.share("2", "2/2", &prologue);
    run_ok(&["merge", &place.at("united"), &prologue, &one, &place.at("2")]);
}

#[test]
fn a_prologue_that_is_not_whole_starts_no_share() {
    let place = Place::new(SPEC);
    let spec = Spec::read(Path::new(&place.spec)).unwrap();
    let plan = Plan::new(&spec, None).unwrap();
    let store = StoreWriter::open_or_create(&place.path("0"), CACHE).unwrap();
    store.set_shard(Some(&plan.deal(2).unwrap())).unwrap();
    drop(store);
    let from = place.at("0");
    refused(
        &["run", &place.at("1"), &place.spec, "--shard", "1/2", "--from", &from],
        &["the prologue has", "jobs left to do"],
    );
    // The same command goes on with it.
    place.prologue("0", 2);
    place.share("1", "1/2", &from);
}

#[test]
fn an_array_of_a_scheduler_says_which_share_a_task_is() {
    let place = Place::new(SPEC);
    let prologue = place.prologue("0", 3);
    let auto = |name: &str, variables: &[(&str, &str)], from: bool| {
        let mut command = syntrace();
        command.args(["run", &place.at(name), &place.spec, "--quiet", "--shard", "auto"]);
        if from {
            command.args(["--from", &prologue]);
        }
        for name in ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "JOB_COMPLETION_INDEX"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).finish().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let slurm = |id, count, min| {
        [("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_COUNT", count), ("SLURM_ARRAY_TASK_MIN", min)]
    };
    let numbers = |name: &str| place.snapshot(name).shard().unwrap().unwrap().numbers;
    for (name, variables, expected) in
        [("a", slurm("2", "3", "1"), 2), ("b", slurm("2", "3", "0"), 3), ("c", slurm("11", "3", "11"), 1)]
    {
        let (code, stderr) = auto(name, &variables, true);
        assert_eq!((code, numbers(name)), (0, vec![expected]), "{stderr}");
    }
    let (code, stderr) = auto("d", &[("JOB_COMPLETION_INDEX", "0")], true);
    assert_eq!((code, numbers("d")), (0, vec![1]), "{stderr}");
    for (variables, from, says) in [
        (&slurm("2", "2", "1")[..], true, "dealt into 3 shares, and the array has 2 tasks"),
        (&slurm("4", "3", "1"), true, "task 4 of an array that begins at 1 is none of 3 shares"),
        (&slurm("x", "3", "1"), true, "expected a number in SLURM_ARRAY_TASK_ID"),
        (&[], true, "neither is set"),
        (&slurm("2", "3", "1"), false, "`--from` names none"),
    ] {
        let (code, stderr) = auto("e", variables, from);
        assert!(code == 2 && stderr.contains(says), "{says}: {stderr}");
        assert!(!place.path("e").exists());
    }
}

#[test]
fn weights_can_stay_behind() {
    let place = Place::new(SPEC);
    run_ok(&["run", &place.at("whole"), &place.spec, "--quiet"]);
    run_ok(&["merge", &place.at("light"), &place.at("whole"), "--without", "weights"]);
    let weights = "SELECT count(*) FROM objects WHERE kind = 'weights'";
    assert_eq!((place.ask("whole", weights).as_str(), place.ask("light", weights).as_str()), ("18", "0"));
    run_ok(&["verify", &place.at("light")]);
    let attacks = "SELECT sum(auc), count(*) FROM attacks";
    assert_eq!(place.ask("light", attacks), place.ask("whole", attacks));
    let (_, _, stderr) = run(&["run", &place.at("light"), &place.spec, "--quiet"]);
    assert!(stderr.contains("0 jobs done"), "{stderr}");
    // What asks the models again says why it cannot.
    let spec = place.other_spec(&SPEC.replace("[attack.threshold]", "[attack.lira]"));
    refused(&["run", &place.at("light"), &spec, "--quiet"], &["without its weights", "merge --without weights"]);
    // They come over later.
    run_ok(&["merge", &place.at("light"), &place.at("whole")]);
    run_ok(&["run", &place.at("light"), &spec, "--quiet"]);
    run_ok(&["verify", &place.at("light")]);
}

/// Planned seconds of the shares: the largest over the mean, and the part of all time that spans shares.
fn balance(plan: &Plan, count: u32) -> (f64, f64, usize) {
    let device = PlanDevice { name: "the CPU".to_owned(), gpu_flops: None, threads: 1 };
    let totals = plan.share_totals(&plan.deal(count).unwrap(), &device);
    let shares: Vec<&ShareTotal> =
        totals.iter().filter(|total| total.number.is_some_and(|number| number > 0)).collect();
    let sum: f64 = shares.iter().map(|share| share.seconds).sum();
    let largest = shares.iter().map(|share| share.seconds).fold(0.0, f64::max);
    let all: f64 = totals.iter().map(|total| total.seconds).sum();
    let idle = shares.iter().filter(|share| share.jobs == 0).count();
    (largest * f64::from(count) / sum, totals.last().unwrap().seconds / all, idle)
}

#[test]
fn shares_of_the_small_study_are_even_and_little_spans_them() {
    let spec = Spec::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("studies/study.toml")).unwrap();
    let plan = Plan::new(&spec, None).unwrap();
    for (count, spans_most) in [(2, 0.05), (4, 0.05), (8, 0.05), (16, 0.1)] {
        let (largest, spans, idle) = balance(&plan, count);
        println!("{count} shares: largest {largest:.3} of the mean, {spans:.3} spans them, {idle} idle");
        assert!(largest <= 1.15 && spans <= spans_most && idle == 0, "{count}: {largest}, {spans}, {idle}");
    }
    // 42 groups of three models and twelve single ones with two budgets: the last of 500 shares are empty, and it is said.
    let folder = tempfile::tempdir().unwrap();
    let (study, spec) = (folder.path().join("none.redb"), "studies/study.toml");
    let said = run_ok(&["plan", study.to_str().unwrap(), spec, "--shards", "500"]);
    assert!(said.contains("of 500 shares have nothing to do"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("share 1/500 ")), "{said}");
}

/// The paper's plan: six classes, three networks, five regimes, ten shadows, published sizes.
fn papers() -> Plan {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("studies/full-small.toml")).unwrap();
    let (head, generators) = text.split_once("[generator.netssm]").unwrap();
    let (_, attacks) = generators.split_once("[attack.published]").unwrap();
    let head = head.replace("flows = 240", "flows = 10000").replace("members = 40", "members = 2500");
    let head = head.replace("shadows = 2", "shadows = 10");
    let networks =
        ["netssm", "netshare", "netdiffusion"].map(|name| format!("[generator.{name}]\npreset = \"paper\"\n"));
    let text = format!("{head}{}[attack.published]{attacks}", networks.concat());
    Plan::new(&Spec::parse(&text, Path::new(".")).unwrap(), None).unwrap()
}

#[test]
fn shares_of_the_papers_plan_are_even_from_8_to_114() {
    let plan = papers();
    for count in [8, 16, 33, 64, 114] {
        let (largest, spans, idle) = balance(&plan, count);
        println!("{count} shares: largest {largest:.3} of the mean, {spans:.5} spans them, {idle} idle");
        assert!(largest <= 1.20 && spans <= 0.05 && idle == 0, "{count}: {largest}, {spans}, {idle}");
    }
}

/// Stands in for `sbatch` and `scontrol`: runs what it is given at once, a task of an array after the other.
const SBATCH: &str = r#"#!/bin/bash
tasks=
for word in "$@"; do case $word in --array=1-*) tasks=${word#--array=1-} ;; esac; done
folder=$(dirname "$0"); number=$(($(cat "$folder/number") + 1)); echo $number > "$folder/number"
cat > "$folder/job.$number"
echo "$@" >> "$folder/asked"
export SLURM_JOB_ID=$number SLURM_CPUS_PER_TASK=1
if [ -z "$tasks" ]; then bash "$folder/job.$number" >> "$folder/log" 2>&1 || echo "failed: $number" >> "$folder/log"; fi
for task in $([ -n "$tasks" ] && seq "$tasks"); do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=$tasks SLURM_ARRAY_TASK_MIN=1 \
        bash "$folder/job.$number" >> "$folder/log" 2>&1 || echo "failed: $number.$task" >> "$folder/log"
done
echo "$number;cluster"
"#;

#[test]
fn the_script_for_slurm_runs_as_it_is_printed() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(SPEC);
    run_ok(&["run", &place.at("whole"), &place.spec, "--quiet"]);
    let programs = place.path("bin");
    std::fs::create_dir(&programs).unwrap();
    std::fs::write(programs.join("number"), "0\n").unwrap();
    for (name, text) in [("sbatch", SBATCH), ("scontrol", "#!/bin/bash\necho requeued $2 >> $(dirname \"$0\")/log\n")] {
        std::fs::write(programs.join(name), text).unwrap();
        std::fs::set_permissions(programs.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let study = place.at("a study.redb");
    let script = run_ok(&["plan", &study, &place.spec, "--shards", "4", "--as", "slurm"]);
    std::fs::write(place.path("go.sh"), script).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut go = std::process::Command::new("bash");
    let output = go.arg(place.path("go.sh")).arg("--mem=1G").env("PATH", path).finish().unwrap();
    let log = std::fs::read_to_string(programs.join("log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{log}", String::from_utf8_lossy(&output.stderr));
    assert!(!log.contains("failed"), "{log}");
    let asked = std::fs::read_to_string(programs.join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert!(asked.len() == 3 && asked.iter().all(|line| line.ends_with("--mem=1G")), "{asked:?}");
    assert!(asked[1].contains("--array=1-4") && asked[1].contains("afterok:1"), "{asked:?}");
    assert!(asked[2].contains("afterok:1,afterany:2"), "{asked:?}");
    place.assert_same("whole", "a study.redb");
    run_ok(&["verify", &study]);
}

#[test]
fn the_commands_of_the_lines_for_other_schedulers_make_the_study() {
    let place = Place::new(SPEC);
    run_ok(&["run", &place.at("whole"), &place.spec, "--quiet"]);
    let lines = run_ok(&["plan", &place.at("study.redb"), &place.spec, "--shards", "2", "--as", "jsonl"]);
    std::fs::create_dir(place.path("study.shares")).unwrap();
    let mut done: Vec<String> = Vec::new();
    for line in lines.lines() {
        let step: serde_json::Value = serde_json::from_str(line).unwrap();
        let texts = |key: &str| -> Vec<String> {
            step[key].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        assert!(texts("after").iter().all(|before| done.contains(before)), "{line}");
        let words = texts("command");
        run_ok(&words[1..].iter().map(String::as_str).collect::<Vec<_>>());
        done.push(step["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(done, ["0", "1", "2", "merge", "finish"]);
    place.assert_same("whole", "study.redb");
    for (scheduler, part) in [("snakemake", "rule share:"), ("kubernetes", "completionMode: Indexed")] {
        let text = run_ok(&["plan", &place.at("study.redb"), &place.spec, "--shards", "2", "--as", scheduler]);
        assert!(text.contains(part), "{text}");
        let unfilled = text.split('@').skip(1).filter(|rest| rest.starts_with(|next: char| next.is_ascii_uppercase()));
        assert_eq!(unfilled.count(), 0, "{text}");
    }
}

/// While a snapshot lives, no freed page is used again: one that a training holds makes every checkpoint stay.
#[test]
fn checkpoints_take_the_place_of_each_other() {
    let place = Place::new(SPEC);
    let text = SPEC.replace("[generator.markov]", "[generator.netssm]\npreset = \"small\"\nepochs = 50000");
    let spec = place.other_spec(&text.replace("epsilon = [4.0]\n", ""));
    let study = place.path("s.redb");
    let mut command = syntrace();
    command.args(["run", study.to_str().unwrap(), &spec, "--quiet", "--threads", "2", "--checkpoint-seconds", "0"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let looked = || Store::open(&study, CACHE).and_then(|store| store.snapshot());
    while looked().map_or(true, |snapshot| snapshot.checkpoints().unwrap().is_empty()) {
        assert!(started.elapsed() < PROCESS_LIMIT);
        std::thread::sleep(Duration::from_millis(100));
    }
    // Some hundred checkpoints.
    std::thread::sleep(Duration::from_secs(10));
    let content = looked().unwrap().payload_bytes().unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it still trains");
    child.kill().unwrap();
    child.wait().unwrap();
    let file = std::fs::metadata(&study).unwrap().len();
    println!("{content} bytes of content, {file} of file");
    assert!(file < 8 * content, "{file} bytes of file for {content} of content");
}

/// What every kind of job does on a signal: an attack or a forest that would never end, and a training.
#[test]
fn each_signal_stops_every_kind_of_job_within_ten_seconds() {
    let endless = [
        ("-TERM", "[attack.mlp-tuned]\nepochs = 100000000\npatience = 100000000\n", "attack mlp-tuned"),
        ("-USR1", "[attack.random_forest]\ntrees = 100000000\n", "attack random_forest"),
        ("-INT", "[attack.random_forest]\ntrees = 100000000\n", "attack random_forest"),
        ("-HUP", "[generator.netssm]\npreset = \"small\"\nepochs = 50000\n[attack.threshold]\n", "train netssm"),
    ];
    std::thread::scope(|scope| {
        for (signal, table, job) in endless {
            scope.spawn(move || stopped_by(signal, table, job));
        }
    });
}

fn stopped_by(signal: &str, table: &str, job: &str) {
    let text = SPEC.replace("[attack.threshold]\n", table).replace("epsilon = [4.0]\nnoise = \"reproducible\"\n", "");
    let place = Place::new(&text.replace("folder = \"captures\"", "folder = \"captures\"\nclasses = [\"mac\"]"));
    let study = place.at("s.redb");
    let log = place.path("log");
    let mut command = syntrace();
    command.args(["run", &study, &place.spec, "--quiet", "--threads", "2", "--checkpoint-seconds", "1"]);
    let output = std::fs::File::create(&log).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().unwrap();
    let (started, trains) = (Instant::now(), job.starts_with("train"));
    let looked = || Store::open(Path::new(&study), CACHE).and_then(|store| store.snapshot());
    let said = || std::fs::read_to_string(&log).unwrap();
    // Until nothing but the endless job is left to do, or the training has a checkpoint.
    let is_alone = || {
        let said = said();
        let mut counts = said.lines().filter_map(|line| line.split_once(' ')?.0.split_once('/'));
        counts
            .next_back()
            .is_some_and(|(done, all)| done.parse::<usize>().unwrap() + 1 == all.parse::<usize>().unwrap())
    };
    let has_checkpoint = || looked().is_ok_and(|snapshot| !snapshot.checkpoints().unwrap().is_empty());
    while !if trains { has_checkpoint() } else { is_alone() } {
        assert!(child.try_wait().unwrap().is_none(), "{}", said());
        assert!(started.elapsed() < PROCESS_LIMIT, "{}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_secs(1));
    let before = looked().unwrap().jobs().unwrap().len();
    let asked = Instant::now();
    // A scheduler may say it twice; the second Ctrl-C ends at once.
    for _ in 0..if signal == "-INT" { 1 } else { 2 } {
        std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let output = child.finish().unwrap();
    let took = asked.elapsed();
    let said = said();
    assert_eq!(output.status.code(), Some(130), "{signal}: {said}");
    assert!(took < Duration::from_secs(10), "{signal}: {took:?}");
    assert!(said.contains("run the same command again"), "{said}");
    run_ok(&["verify", &study]);
    let snapshot = place.snapshot("s.redb");
    assert!(snapshot.jobs().unwrap().len() >= before, "what was finished is stored");
    if trains {
        assert_eq!(snapshot.checkpoints().unwrap().len(), 1, "the training has saved its state");
    } else {
        assert!(said.contains(job), "it says what was given up: {said}");
    }
}
