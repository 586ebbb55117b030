//! `attributes = "full"`: what models say of every position of a trace, kept as half floats.

use crate::common::{TINY_SPEC, refused_plan, run, run_ok, write_spec};

fn spec() -> String {
    let networks = "[generator.netshare]\npreset = \"small\"\nbatch = 4\nepochs = 1\n[attack.whole]\nkind = \"mlp\"\n\
                    attribute = { netssm = \"whole_logits\", netshare = \"whole_scores\" }\n[attack.summaries]\nkind = \"mlp\"\n\
                    [attack.compared]\nkind = \"lira\"\nattribute = { netssm = \"whole_logits\" }\ngenerators = [\"netssm\"]\n\
                    [attack.mlp-tuned]";
    let spec = TINY_SPEC.replace("[attack.mlp-tuned]", networks).replace("epsilon = [4.0]\n", "");
    spec.replace("seed = 5\n", "seed = 5\nattributes = \"full\"\n")
}

#[test]
fn whole_vectors_agree_with_their_summaries_and_are_attacked_without_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_spec(folder.path(), &spec());
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    let (_, plan, notes) = run(&["plan", study, &path]);
    assert!(plan.contains("of whole vectors (`whole_logits`)"), "{plan}");
    assert!(notes.contains("no attack `compared` on netssm: it compares models on traces outside"), "{notes}");
    run_ok(&["run", study, &path, "--quiet"]);
    let ask = |sql: &str| -> Vec<String> {
        run_ok(&["sql", study, "--format", "csv", "-c", sql]).lines().skip(1).map(str::to_owned).collect()
    };
    // one row a model, trace and position, as wide as the vocabulary; two critic scores of each prefix
    let shapes = "SELECT DISTINCT generator, kind, octet_length(halves) / 2 FROM whole_attributes ORDER BY 1";
    assert_eq!(ask(shapes), ["netshare,whole_scores,2", "netssm,whole_logits,272"]);
    let traces =
        "SELECT count(DISTINCT model_id), count(DISTINCT trace_id), sum(CASE WHEN position = 0 THEN 1 ELSE 0 END)
        FROM whole_attributes WHERE kind = 'whole_logits'";
    assert_eq!(ask(traces)[0].rsplit(',').next(), Some("72"), "three models of 24 traces each");
    // the mean over positions is the summary that is stored as FLOAT; a half float has 11 bits
    let means = "WITH logits AS (
            SELECT model_id, trace_id, half_floats(halves)[40] AS logit
            FROM whole_attributes WHERE kind = 'whole_logits'
        ), means AS (
            SELECT model_id, trace_id, avg(logit) AS logit FROM logits GROUP BY model_id, trace_id
        )
        SELECT count(*), max(abs(means.logit - attributes.vector[40]))
        FROM means JOIN attributes ON attributes.model_id = means.model_id AND attributes.trace_id = means.trace_id
        WHERE attributes.kind = 'mean_logits'";
    let found = ask(means);
    let (count, apart) = found[0].split_once(',').unwrap();
    assert_eq!(count, "72");
    assert!(apart.parse::<f64>().unwrap() < 2e-3, "{apart}");
    // the scores of the last prefix are those of the trace, and the loss is the same beside both
    let last = "SELECT count(*), max(abs(half_floats(whole.halves)[1] - attributes.vector[1]))
        FROM whole_attributes AS whole
        JOIN attributes ON attributes.model_id = whole.model_id AND attributes.trace_id = whole.trace_id
        JOIN traces ON traces.trace_id = whole.trace_id
        WHERE whole.kind = 'whole_scores' AND attributes.kind = 'critic_scores' AND whole.position = traces.packets - 1";
    let found = ask(last);
    let (count, apart) = found[0].split_once(',').unwrap();
    assert_eq!(count, "72");
    assert!(apart.parse::<f64>().unwrap() < 5e-3, "{apart}");
    let losses = "SELECT max(abs(whole.loss - attributes.loss)) FROM whole_attributes AS whole
        JOIN attributes ON attributes.model_id = whole.model_id AND attributes.trace_id = whole.trace_id
        WHERE attributes.member = whole.member";
    assert!(ask(losses)[0].parse::<f64>().unwrap() < 1e-4);
    // the published network read them, and stands beside the summaries
    let attacks =
        "SELECT generator, attack, attribute, n FROM attacks WHERE evaluated_on = 'target' AND attack = 'whole'
        ORDER BY 1";
    assert_eq!(ask(attacks), ["netshare,whole,whole_scores,24", "netssm,whole,whole_logits,24"]);
    let compared =
        "SELECT generator, whole_attribute, attribute IS NOT NULL FROM queries.whole_against_summaries ORDER BY 1";
    assert_eq!(ask(compared), ["netshare,whole_scores,true", "netssm,whole_logits,true"]);
    // another attack later: nothing is trained and no capture read
    let later = folder.path().join("later.toml");
    let text = "[attack.forest]\nkind = \"random_forest\"\nattribute = \"whole_logits\"\ngenerators = [\"netssm\"]\n";
    std::fs::write(&later, text).unwrap();
    run_ok(&["attack", study, later.to_str().unwrap(), "--quiet"]);
    assert_eq!(ask("SELECT count(*) FROM attacks WHERE attack = 'forest' AND evaluated_on = 'target'"), ["1"]);
    run_ok(&["verify", study]);
}

#[test]
fn a_spec_that_keeps_whole_attributes_has_the_jobs_of_one_that_does_not_and_more() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    let jobs = |spec: &str| -> Vec<String> {
        let plan = run_ok(&["plan", study, &write_spec(folder.path(), spec), "--jobs"]);
        plan.lines().map(str::to_owned).collect()
    };
    let without = TINY_SPEC.replace("seed = 5\n", "seed = 5\nattributes = \"summary\"\n");
    assert_eq!(jobs(&without), jobs(TINY_SPEC));
    run_ok(&["run", study, &write_spec(folder.path(), TINY_SPEC), "--quiet"]);
    let missing = jobs(&TINY_SPEC.replace("seed = 5\n", "seed = 5\nattributes = \"full\"\n"));
    let labels: Vec<&String> = missing.iter().filter(|line| line.contains("netssm os/mac")).collect();
    assert_eq!(labels.len(), 6, "{missing:?}");
    assert!(labels.iter().all(|line| line.contains("whole attributes netssm os/mac")), "{missing:?}");
    let refused = TINY_SPEC.replace("seed = 5\n", "seed = 5\nattributes = \"all\"\n");
    let error = refused_plan(folder.path(), &refused);
    assert!(error.contains("`attributes` must be `summary` or `full`, found `all`"), "{error}");
}
