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
fn every_synthetic_trace_counts_in_fidelity_and_utility_whatever_parses_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let two = TINY_SPEC.replace(r#"classes = ["mac"]"#, r#"classes = ["mac", "ubuntu"]"#);
    let spec = write_spec(folder.path(), &two.replace("traces = 4", "traces = 9"));
    let path = study(folder.path(), "s.redb");
    run_ok(&["run", &path, &spec, "--quiet"]);
    let sql = |text: &str| run_ok(&["sql", &path, "--format", "csv", "-c", text]).lines().nth(1).unwrap().to_owned();
    let counted = "SELECT min(n_compared + absent_compared), max(n_compared + absent_compared), count(*) > 0
        FROM fidelity WHERE compared = 'synthetic' AND field = 'src_port' AND aspect = 'header'";
    assert_eq!(sql(counted), "9,9,true");
    let without = "SELECT count(*) FROM fidelity WHERE aspect = 'header' AND value IS NULL
        AND NOT (field = 'inter_arrival_us' AND position = 0)";
    assert_eq!(sql(without), "0");
    let learnt = "SELECT min(n_train), max(n_train) FROM utility
        WHERE trained_on = 'synthetic' AND metric = 'accuracy'";
    assert_eq!(sql(learnt), "18,18");
}

#[test]
fn two_specs_in_one_study_stand_in_rows_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(folder.path(), "s.redb");
    let sql = |text: &str| -> Vec<String> {
        run_ok(&["sql", &path, "--format", "csv", "-c", text]).lines().skip(1).map(str::to_owned).collect()
    };
    let run_spec = |text: &str| run_ok(&["run", &path, &write_spec(folder.path(), text), "--quiet"]);
    run_spec(TINY_SPEC);
    assert_eq!(sql("SELECT count(*), count(DISTINCT plan), count(plan) FROM models"), ["6,1,6"]);
    let held_against = "SELECT plan, members_value, guess_value FROM downstream WHERE metric <> 'train_loss' AND plan = \
                        (SELECT plan FROM plans ORDER BY started_us LIMIT 1) ORDER BY plan, members_value, guess_value";
    let before = sql(held_against);
    assert!(!before.is_empty() && !before.iter().any(|row| row.ends_with(',')), "{before:?}");
    run_spec(&TINY_SPEC.replace("epochs = 2", "epochs = 1"));
    assert_eq!(sql("SELECT count(*), count(DISTINCT plan), count(plan) FROM models"), ["12,2,12"]);
    // What both specs ask for is the newer one's, and the older one's rows are still held against it.
    assert_eq!(sql(held_against), before);
    assert_eq!(sql("SELECT count(*) FROM plans WHERE done = members AND done > 0"), ["2"]);
    let names = sql("SELECT plan FROM plans ORDER BY started_us");
    assert!(
        names.len() == 2 && names[0] != names[1] && names.iter().all(|name| name.starts_with("tiny ")),
        "{names:?}"
    );
    // every row of a view is of one plan, that of its model
    for view in ["field_fidelity", "fidelity_means", "leakage", "generalization", "mode_collapse"] {
        let foreign = format!(
            "SELECT count(*) FROM {view} JOIN models ON models.model_id = {view}.model_id
             WHERE {view}.plan IS NULL OR {view}.plan <> models.plan"
        );
        assert_eq!(sql(&foreign), ["0"], "{view}");
    }
    // one row a regime and plan, with the numbers that each has where it is alone
    let headline = |path: &str| -> Vec<String> {
        let text = run_ok(&["query", path, "headline", "--format", "csv"]);
        text.lines().skip(1).map(str::to_owned).collect()
    };
    let both = headline(&path);
    assert_eq!(both.len(), 4, "{both:?}");
    let alone = study(folder.path(), "alone.redb");
    run_ok(&["run", &alone, &write_spec(folder.path(), TINY_SPEC), "--quiet"]);
    for row in headline(&alone) {
        assert!(both.contains(&row), "{row} is not among {both:?}");
    }
    // a spec that grew takes over what it has in common with the older one
    run_spec(&TINY_SPEC.replace("epsilon = [4.0]", "epsilon = [4.0, 1.0]"));
    assert_eq!(sql("SELECT plan, count(*) FROM models GROUP BY plan ORDER BY count(*)").len(), 2);
    assert_eq!(sql("SELECT max(n) FROM (SELECT count(*) AS n FROM models GROUP BY plan)"), ["9"]);
    // and a merge says that there are several
    let merged = study(folder.path(), "merged.redb");
    let (code, _, stderr) = run(&["merge", &merged, &alone, &path]);
    assert!(code == 0 && stderr.contains("3 different specs"), "{code} {stderr}");
    let (_, _, stderr) = run(&["merge", &study(folder.path(), "again.redb"), &alone]);
    assert!(!stderr.contains("different specs"), "{stderr}");
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
    // Noise that follows from the model's id, which is in every table, hides nothing from who has the file.
    let private = "SELECT DISTINCT guarantee, epsilon_end_to_end, meaning LIKE '%make its noise again%' AS said \
                   FROM model_privacy WHERE epsilon = 4";
    let found = run_ok(&["sql", &path, "--format", "csv", "-c", private]);
    assert_eq!(found, "guarantee,epsilon_end_to_end,said\nconditional,Infinity,true\n");
    let (code, page, _) = run(&["audit", &path, "--model", "eps4"]);
    assert!(code == 1 && page.contains("guarantee `conditional`"), "{code} {page}");
    let (_, planned, told) = run(&["plan", &path, &spec]);
    assert!(format!("{planned}{told}").contains("every guarantee is `conditional`"), "{planned}{told}");
}
