//! Attacks inside a study: what a spec asks for, what is left out, attacking again without training.

use crate::common::{TINY_SPEC, run, run_ok, write_spec};
use std::path::Path;

const MORE: &str = r#"
[attack.lira]
[attack.lira-online]
[attack.rmia]
gamma = 2.0
[attack.entropy]
kind = "threshold"
statistic = "entropy"
attribute = "summary"
[attack.forest]
kind = "random_forest"
trees = 20
targets = "each"
[attack.critic]
kind = "threshold"
statistic = "critic"
[attack.published]
"#;

/// Nothing here is about downstream models.
const WITHOUT_UTILITY: &str = "\n[utility]\nforecaster = \"none\"\n";

fn sql(study: &str, query: &str) -> Vec<String> {
    let text = run_ok(&["sql", study, "--format", "csv", "-c", query]);
    text.lines().skip(1).map(str::to_owned).collect()
}

fn made(folder: &Path, spec: &str) -> (String, String, String) {
    let study = folder.join("study.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder, spec);
    let (code, stdout, stderr) = run(&["run", &study, &spec, "--quiet"]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    (study, spec, stderr)
}

#[test]
fn a_study_runs_what_is_possible_says_what_is_not_and_attacks_again_without_training() {
    let folder = tempfile::tempdir().unwrap();
    let (study, spec, stderr) = made(folder.path(), &format!("{TINY_SPEC}{MORE}{WITHOUT_UTILITY}"));
    assert!(stderr.contains("no attack `lira-online` on netssm: it needs shadows trained on the target's"), "{stderr}");
    assert!(stderr.contains("no attack `critic` on netssm: its `summary` has no such statistic"), "{stderr}");

    let query = "SELECT DISTINCT attack || ' ' || attribute || ' ' || evaluated_on AS text FROM attacks ORDER BY text";
    let found = sql(&study, query);
    for expected in [
        "entropy summary target",
        "forest summary each_target",
        "lira summary target",
        "published mean_logits target",
        "rmia summary shadow_test",
    ] {
        assert!(found.iter().any(|row| row == expected), "{expected} in {found:?}");
    }

    // Every measure can be had again from the scores.
    let query = "SELECT count(*) FROM (SELECT attack_id, auc(score, member) AS again FROM attack_scores \
                 GROUP BY attack_id) s JOIN attacks a ON a.attack_id = s.attack_id WHERE abs(a.auc - s.again) > 1e-12";
    assert_eq!(sql(&study, query), ["0"]);
    // With each model as a target an interval covers training too: it holds Student's t over the AUCs of the models.
    let query = "SELECT DISTINCT evaluated_on, interval_covers FROM attacks ORDER BY 1";
    assert_eq!(sql(&study, query), ["each_target,traces and trainings", "shadow_test,traces", "target,traces"]);
    let query = "WITH turns AS (
            SELECT attack_id, model_id, auc(score, member) AS auc FROM attack_scores WHERE evaluated_on = 'each_target'
            GROUP BY attack_id, model_id
        ), means AS (
            SELECT attack_id, avg(auc) AS mean, 4.302653 * stddev_samp(auc) / sqrt(3) AS half FROM turns GROUP BY attack_id
        )
        SELECT count(*) > 0, count(*) = count(*) FILTER (WHERE attacks.auc_low <= greatest(mean - half, 0) + 1e-6
            AND attacks.auc_high >= least(mean + half, 1) - 1e-6) FROM means JOIN attacks ON attacks.attack_id = means.attack_id";
    assert_eq!(sql(&study, query), ["true,true"], "three models: two degrees of freedom");
    let query = "SELECT DISTINCT n FROM attacks WHERE evaluated_on = 'each_target'";
    assert_eq!(sql(&study, query), ["72"], "24 traces of each of 3 models");

    // References lie outside the model's own split, and cover the splits of the other models.
    let query = "SELECT count(*) FROM reference_attributes r JOIN attributes a \
                 ON a.model_id = r.model_id AND a.trace_id = r.trace_id";
    assert_eq!(sql(&study, query), ["0"]);
    let query = "SELECT count(*) FROM (SELECT DISTINCT trace_id FROM splits) s JOIN models m ON m.epsilon IS NULL \
                 LEFT JOIN (SELECT model_id, trace_id FROM attributes UNION SELECT model_id, trace_id FROM \
                 reference_attributes) k ON k.model_id = m.model_id AND k.trace_id = s.trace_id WHERE k.trace_id IS NULL";
    assert_eq!(sql(&study, query), ["0"]);

    again(folder.path(), &study, &spec);
}

/// The same attacks are there already; new ones add attack jobs alone.
fn again(folder: &Path, study: &str, spec: &str) {
    let count = "SELECT kind, count(*) FROM jobs GROUP BY kind ORDER BY kind";
    let before = sql(study, count);
    let (code, _, stderr) = run(&["attack", study, spec, "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("0 attacks to do"), "an attack has one identity however it is planned: {stderr}");
    assert_eq!(sql(study, count), before);

    let other = folder.join("other.toml");
    std::fs::write(&other, "[attack.svm]\nkind = \"ocsvm-converged\"\nnu = 0.3\n[attack.lira]\ncentre = \"median\"\n")
        .unwrap();
    let other = other.to_string_lossy().into_owned();
    let (code, _, stderr) = run(&["attack", study, &other, "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("4 attacks to do"), "two attacks, two regimes: {stderr}");
    let query = "SELECT options FROM attacks WHERE attack = 'svm' AND evaluated_on = 'target' AND epsilon IS NULL";
    assert!(sql(study, query)[0].contains("nu"), "{:?}", sql(study, query));
    let (_, _, stderr) = run(&["attack", study, &other, "--quiet"]);
    assert!(stderr.contains("0 attacks to do"), "{stderr}");
    let (code, _, stderr) = run(&["verify", study]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn shadows_that_overlap_the_target_hold_out_each_others_members_and_allow_online_attacks() {
    let folder = tempfile::tempdir().unwrap();
    let spec = TINY_SPEC.replace("shadows = 2", "shadows = 4\noverlap = true").replace("epsilon = [4.0]", "");
    let (study, _, stderr) = made(
        folder.path(),
        &format!("{spec}\n[attack.lira-online]\n[attack.rmia]\nmode = \"online\"\n{WITHOUT_UTILITY}"),
    );
    assert!(!stderr.contains("no attack"), "{stderr}");
    assert_eq!(sql(&study, "SELECT count(*) FROM attacks WHERE attack = 'lira-online'"), ["2"]);
    let query = "SELECT count(*) FROM splits a JOIN splits b ON a.trace_id = b.trace_id AND a.shadow = 2 \
                 AND b.shadow = 3 WHERE a.part <> b.part";
    assert_eq!(sql(&study, query), ["24"]);
    let query = "SELECT count(*) FROM splits a JOIN splits b ON a.trace_id = b.trace_id AND a.role = 'target' \
                 AND b.role = 'shadow' AND b.part = 'member'";
    assert_ne!(sql(&study, query), ["0"], "some shadows are trained on the target's traces");
}

#[test]
fn mistakes_in_attack_tables_are_found_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study.redb").to_string_lossy().into_owned();
    let refused = |table: &str| {
        let spec = write_spec(folder.path(), &format!("{TINY_SPEC}\n{table}"));
        let (code, _, stderr) = run(&["plan", &study, &spec]);
        assert_eq!(code, 2, "{table}: {stderr}");
        stderr
    };
    assert!(refused("[attack.x]\nkind = \"rmai\"").contains("expected an attack, found `rmai`"));
    assert!(refused("[attack.ocsvm]\nattribute = \"sumary\"").contains("did you mean `summary`?"));
    assert!(refused("[attack.ocsvm]\ntargets = \"all\"").contains("`targets` must be `target` or `each`"));
    assert!(refused("[attack.ocsvm]\ngenerators = [\"netsm\"]").contains("did you mean `netssm`?"));
    assert!(refused("[attack.ocsvm]\nmu = 1").contains("unknown key `mu`"));
    assert!(!Path::new(&study).exists());
}

#[test]
fn rmia_is_not_planned_on_a_critic_and_the_plan_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let spec = TINY_SPEC
        .replace("[generator.netssm]", "[generator.netshare]\npreset = \"small\"\nbatch = 8\n[generator.netssm]");
    let spec = write_spec(folder.path(), &format!("{spec}{MORE}{WITHOUT_UTILITY}"));
    let study = folder.path().join("none.redb").to_string_lossy().into_owned();
    let (code, plan, notes) = run(&["plan", &study, &spec, "--jobs"]);
    assert_eq!(code, 0, "{notes}");
    let said = format!("{plan}{notes}");
    let reason =
        "no attack `rmia` on netshare: it needs probabilities, and the scores in `critic_score` are defined only";
    assert!(said.contains(reason), "{said}");
    assert!(said.contains("attack lira netshare") && said.contains("attack rmia netssm"), "{said}");
    assert!(!said.contains("attack rmia netshare"), "{said}");
}
