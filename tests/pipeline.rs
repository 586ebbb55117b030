//! Tests of whole studies: resuming after a kill, the same bytes on any number of threads, only what
//! is missing when a spec grows.
#![cfg(feature = "torch")]

use crate::common::{TINY_SPEC, run, run_ok, syntrace, write_spec};
use std::collections::BTreeMap;
use std::path::Path;
use syntrace::store::Store;

const CACHE: usize = 1 << 24;

fn study(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

/// Digests of everything that must not depend on threads, kills or time: weights by model, and every
/// job's outputs that hold no clock.
fn contents(study: &str) -> BTreeMap<String, String> {
    let snapshot = Store::open(Path::new(study), CACHE).unwrap().snapshot().unwrap();
    let mut contents = BTreeMap::new();
    for model in snapshot.models().unwrap() {
        contents.insert(format!("model {}", model.model_id), format!("{:?} {:?}", model.weights, model.epsilon_spent));
    }
    for attack in snapshot.attacks().unwrap() {
        contents.insert(format!("attack {}", attack.attack_id), format!("{:?} {:?}", attack.auc, attack.precision));
    }
    for job in snapshot.jobs().unwrap() {
        for output in job.outputs.iter().filter(|output| output.table == "segments") {
            // Table 6 holds seconds.
            if !output.key.starts_with("(6,") {
                contents.insert(format!("{} {}", job.label, output.key), format!("{:?}", output.digest));
            }
        }
    }
    contents
}

#[test]
fn a_run_on_one_thread_and_on_three_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let (one, three) = (study(folder.path(), "one.redb"), study(folder.path(), "three.redb"));
    run_ok(&["run", &one, &spec, "--threads", "1", "--quiet"]);
    run_ok(&["run", &three, &spec, "--threads", "3", "--quiet"]);
    let (one, three) = (contents(&one), contents(&three));
    assert!(one.len() > 30, "{} things were compared", one.len());
    assert_eq!(one, three);
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let (whole, killed) = (study(folder.path(), "whole.redb"), study(folder.path(), "killed.redb"));
    run_ok(&["run", &whole, &spec, "--quiet"]);
    let mut kills = 0;
    for milliseconds in [300, 500, 700, 900, 1200, 1500, 2000, 3000] {
        let mut child = syntrace()
            .args(["run", &killed, &spec, "--quiet", "--checkpoint-seconds", "0"])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if Path::new(&killed).exists() {
            let (code, _, stderr) = run(&["verify", &killed]);
            assert!(code == 0 || stderr.contains("expected a study file"), "after kill {kills}: {stderr}");
        }
    }
    assert!(kills > 0, "the run was over before the first kill");
    run_ok(&["run", &killed, &spec, "--quiet"]);
    assert_eq!(contents(&killed), contents(&whole));
    let left = Store::open(Path::new(&killed), CACHE).unwrap().snapshot().unwrap().checkpoints().unwrap();
    assert_eq!(left, vec![], "no checkpoint is left behind");
}

#[test]
fn a_grown_spec_adds_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let path = study(folder.path(), "s.redb");
    run_ok(&["run", &path, &spec, "--quiet"]);
    let before = contents(&path);
    let again = run_ok(&["plan", &path, &spec, "--jobs"]);
    assert!(!again.contains("attack threshold"), "nothing is missing:\n{again}");
    let (_, _, stderr) = run(&["run", &path, &spec, "--quiet"]);
    assert!(stderr.contains("0 jobs done"), "{stderr}");

    let grown = write_spec(folder.path(), &TINY_SPEC.replace("epsilon = [4.0]", "epsilon = [4.0, 1.0]"));
    let plan = run_ok(&["plan", &path, &grown, "--jobs"]);
    let missing: Vec<&str> = plan.lines().filter(|line| line.starts_with("train ")).collect();
    assert!(missing.len() > 1, "{plan}");
    assert!(plan.lines().filter(|line| line.contains("eps4")).all(|line| line.starts_with("netssm eps4 (")), "{plan}");
    run_ok(&["run", &path, &grown, "--quiet"]);
    let after = contents(&path);
    for (key, value) in &before {
        assert_eq!(after.get(key), Some(value), "{key} changed");
    }
    assert!(after.len() > before.len());
    run_ok(&["verify", &path]);
}

#[test]
fn a_model_with_dp_spends_at_most_its_budget_and_says_what_it_means() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let path = study(folder.path(), "s.redb");
    run_ok(&["run", &path, &spec, "--quiet"]);
    let snapshot = Store::open(Path::new(&path), CACHE).unwrap().snapshot().unwrap();
    let models = snapshot.models().unwrap();
    assert_eq!(models.len(), 6);
    for model in models {
        match model.regime.epsilon() {
            Some(epsilon) => {
                let spent = model.epsilon_spent.unwrap();
                assert!(spent <= epsilon && spent > 0.95 * epsilon, "{spent} of {epsilon}");
                assert_eq!(model.guarantee.name(), "end-to-end");
                assert_eq!(model.epsilon_end_to_end, Some(spent));
                assert_eq!(model.noise.as_deref(), Some("reproducible"));
            }
            None => {
                assert_eq!((model.epsilon_spent, model.guarantee.name()), (None, "none"));
                assert_eq!(model.noise_multiplier, None);
            }
        }
    }
}
