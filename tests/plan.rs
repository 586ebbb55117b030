//! What `plan` says before anything is done: what would be refused, and what the rest takes.

use crate::common::{TINY_SPEC, run, run_ok, write_spec};

/// The number before a word of a line, times what the word stands for.
fn measured(line: &str, units: &[(&str, f64)]) -> f64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let found = words.windows(2).find_map(|pair| {
        let unit = units.iter().find(|(name, _)| *name == pair[1])?;
        Some(pair[0].parse::<f64>().ok()? * unit.1)
    });
    found.unwrap_or_else(|| panic!("no quantity in `{line}`"))
}

const TIMES: &[(&str, f64)] = &[("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86400.0)];
const SIZES: &[(&str, f64)] = &[("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)];

/// Lines of steps and of all, without those of single generators.
fn totals(plan: &str) -> Vec<&str> {
    let timed = plan.lines().filter(|line| line.contains(" about ") && line.contains(" jobs"));
    timed.filter(|line| !line.starts_with(' ')).collect()
}

#[test]
fn too_few_traces_are_refused_before_anything_is_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let text = TINY_SPEC.replace("members = 12", "members = 2500").replace("flows = 60", "flows = 1142");
    let spec = write_spec(folder.path(), &text);
    for verb in ["plan", "run"] {
        let (code, _, stderr) = run(&[verb, &study, &spec]);
        assert!(code == 2 && stderr.contains("class `os/mac`"), "{stderr}");
        assert!(stderr.contains("needs 10000 traces in the class, found 1142"), "{stderr}");
        assert!(stderr.contains("set `split.members` to at most 285"), "{stderr}");
    }
    assert!(!std::path::Path::new(&study).exists(), "nothing was simulated");
    // Of captures that the study holds, their traces are counted.
    run_ok(&["simulate", &study, "--dataset", "os", "--class", "mac", "--flows", "40"]);
    let spec = write_spec(folder.path(), &TINY_SPEC.replace("simulate = { flows = 60 }\n", ""));
    let (code, _, stderr) = run(&["plan", &study, &spec]);
    assert!(code == 2 && stderr.contains("needs 48 traces in the class, found 40"), "{stderr}");
    let spec = write_spec(folder.path(), &TINY_SPEC.replace("simulate = { flows = 60 }\n", "").replace("= 12", "= 10"));
    run_ok(&["plan", &study, &spec]);
}

#[test]
fn hours_and_bytes_add_up_over_all_steps() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), TINY_SPEC);
    for device in [&[][..], &["--device", "h100"], &["--device", "T4"]] {
        let plan = run_ok(&[&["plan", &study, &spec][..], device].concat());
        let totals = totals(&plan);
        let (last, steps) = totals.split_last().unwrap();
        assert!(last.starts_with("in all") && steps.len() == 5, "{plan}");
        for units in [TIMES, SIZES] {
            let sum: f64 = steps.iter().map(|line| measured(line, units)).sum();
            let all = measured(last, units);
            assert!((sum - all).abs() <= 0.06 * all + 0.5, "{sum} and {all}\n{plan}");
            let generators = plan.lines().filter(|line| line.starts_with("  ") && line.contains(" about "));
            let sum: f64 = generators.map(|line| measured(line, units)).sum();
            let training = measured(steps[1], units);
            assert!((sum - training).abs() <= 0.06 * training + 0.5, "{sum} and {training}\n{plan}");
        }
        assert!(device.len() < 2 || last.contains(&device[1].to_lowercase()), "{plan}");
    }
    let (code, _, stderr) = run(&["plan", &study, &spec, "--device", "h99"]);
    assert!(code == 2 && stderr.contains("h100, h200"), "{stderr}");
    run_ok(&["run", &study, &spec, "--quiet"]);
    assert!(totals(&run_ok(&["plan", &study, &spec])).is_empty(), "nothing is left to do");
}

#[test]
fn days_are_said_as_days() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let text = TINY_SPEC
        .replace("width = 16\nlayers = 1\nbatch = 4\nepochs = 2\n", "")
        .replace("preset = \"small\"", "preset = \"paper\"")
        .replace("packets = 3", "packets = 10")
        .replace("members = 12", "members = 2500")
        .replace("flows = 60", "flows = 10000");
    let plan = run_ok(&["plan", &study, &write_spec(folder.path(), &text)]);
    let last = totals(&plan).pop().unwrap();
    assert!(last.contains(" days "), "{plan}");
}

/// Ids of the models of a small spec: whatever is added to a plan, models that were trained stay what they are.
#[test]
fn ids_of_models_are_those_of_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let text = TINY_SPEC
        .replace("shadows = 2", "shadows = 1")
        .replace(
            "epochs = 2\n",
            "epochs = 2\ndecode = \"free\"\nsampling = { temperature = 0.5, top_k = 25, top_p = 0.9 }\n",
        )
        .replace("[attack.mlp-tuned]\n[attack.threshold]\n", "");
    run_ok(&["run", &study, &write_spec(folder.path(), &text), "--quiet"]);
    let query = "SELECT name, model_id FROM models ORDER BY 1";
    assert_eq!(run_ok(&["sql", &study, "--format", "csv", "-c", query]), GOLDEN);
}

const GOLDEN: &str = "name,model_id\n\
    netssm os/mac eps4 shadow0,1793471568765711392\n\
    netssm os/mac eps4 target,5762083082853649301\n\
    netssm os/mac none shadow0,2076089734279698208\n\
    netssm os/mac none target,7619611605498548519\n";
