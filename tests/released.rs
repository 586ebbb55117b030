//! Models with DP that learn from the synthetic traces of another private model (`learns_from`).

use crate::common::{refused_plan, run_ok, write_spec};

const SPEC: &str = r#"
name = "released"
seed = 3
[[dataset]]
name = "os"
classes = ["windows", "ubuntu"]
simulate = { flows = 340 }
[traces]
packets = 4
[split]
members = 50
shadows = 1
[regimes]
none = true
epsilon = [4.0]
delta = 1e-5
noise = "system"
[generator.chain]
family = "markov"
packets = 4
learns_from = "netdpsyn"
[generator.netdpsyn]
[attack.threshold]
[synthesis]
traces = 120
[utility]
forecaster = "none"
"#;

#[test]
fn a_model_learns_from_what_a_private_one_released_and_spends_what_that_one_spent() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), SPEC);
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    let plan = run_ok(&["plan", study, &spec]);
    assert!(plan.contains("chain eps4") && plan.contains("on 120 released traces"), "{plan}");
    run_ok(&["run", study, &spec]);
    let ask = |sql: &str| -> Vec<String> {
        run_ok(&["sql", study, "--format", "csv", "-c", sql]).lines().skip(1).map(str::to_owned).collect()
    };
    let guarantees =
        "SELECT generator, regime, role, guarantee, count(*) FROM models GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3";
    assert_eq!(
        ask(guarantees),
        [
            "chain,eps 4.0,shadow,end-to-end,2",
            "chain,eps 4.0,target,end-to-end,2",
            "chain,no DP,shadow,none,2",
            "chain,no DP,target,none,2",
            "netdpsyn,eps 4.0,shadow,end-to-end,2",
            "netdpsyn,eps 4.0,target,end-to-end,2"
        ]
    );
    // each has the ledger of the model that it learns from, to the last digit
    let pairs = "SELECT count(*) FROM models AS own
        JOIN lineage ON lineage.model_id = own.model_id AND lineage.kind = 'released_traces'
        JOIN models AS teacher ON teacher.model_id = lineage.source_id AND teacher.generator = 'netdpsyn'
        AND teacher.split_id = own.split_id AND teacher.epsilon_spent = own.epsilon_spent
        AND teacher.epsilon_end_to_end = own.epsilon_end_to_end WHERE own.epsilon IS NOT NULL";
    assert_eq!(ask(pairs), ["4"]);
    let events =
        "SELECT generator, count(*), sum(steps), max(epsilon_after) <= 4 FROM privacy_ledger GROUP BY 1 ORDER BY 1";
    let events = ask(events);
    assert_eq!(events[0].replace("chain", ""), events[1].replace("netdpsyn", ""));
    // it never reads a member: whole packets of members, which the chain without DP repeats, are strangers to it
    let found = ask("SELECT epsilon, min(auc), max(auc) FROM attacks WHERE generator = 'chain' \
                     AND evaluated_on = 'target' GROUP BY 1 ORDER BY 1 NULLS FIRST");
    let numbers: Vec<Vec<f64>> =
        found.iter().map(|row| row.split(',').skip(1).map(|number| number.parse().unwrap()).collect()).collect();
    assert!(numbers[0][0] > 0.8 && numbers[1][0] > 0.25 && numbers[1][1] < 0.75, "{found:?}");
    // the paper's statements are not about it
    assert_eq!(ask("SELECT count(*) FROM model_kinds WHERE start = 'released traces'"), ["4"]);
    let jobs = ask("SELECT count(*) FROM jobs");
    run_ok(&["run", study, &spec]);
    assert_eq!(ask("SELECT count(*) FROM jobs"), jobs, "all was there");
    run_ok(&["verify", study]);
}

#[test]
fn machines_that_share_a_spec_train_a_model_that_others_learn_from_once() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), SPEC);
    let share = |number: u32| folder.path().join(format!("{number}.redb")).to_str().unwrap().to_owned();
    run_ok(&["run", &share(0), &spec, "--shard", "0/2", "--quiet"]);
    for number in 1..=2 {
        let shard = format!("{number}/2");
        run_ok(&["run", &share(number), &spec, "--shard", &shard, "--from", &share(0), "--quiet"]);
    }
    let merged = folder.path().join("all.redb").to_str().unwrap().to_owned();
    run_ok(&["merge", &merged, &share(0), &share(1), &share(2)]);
    run_ok(&["run", &merged, &spec, "--quiet"]);
    let counts = "SELECT generator, count(*) FROM models GROUP BY 1 ORDER BY 1";
    let found = run_ok(&["sql", &merged, "--format", "csv", "-c", counts]);
    assert_eq!(found.lines().skip(1).collect::<Vec<_>>(), ["chain,8", "netdpsyn,4"]);
}

#[test]
fn what_is_learnt_from_is_another_generator_with_dp() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |from: &str, to: &str| refused_plan(folder.path(), &SPEC.replace(from, to));
    let error = refused("learns_from = \"netdpsyn\"", "learns_from = \"netpool\"");
    assert!(error.contains("learns from no other (netdpsyn), found \"netpool\""), "{error}");
    let error = refused("learns_from = \"netdpsyn\"", "learns_from = \"chain\"");
    assert!(error.contains("learns from no other (netdpsyn), found \"chain\""), "{error}");
    let error = refused("traces = 120", "traces = 0");
    assert!(error.contains("`learns_from` needs `synthesis.traces` above 0"), "{error}");
    let error = refused("[generator.netdpsyn]", "[generator.netdpsyn]\nlearns_from = \"chain\"");
    assert!(error.contains("`learns_from`"), "{error}");
}

/// Trained on the same released traces beside other members: the same weights, to the last bit.
#[cfg(feature = "torch")]
#[test]
fn no_member_moves_a_weight_of_a_model_that_learns_from_released_traces() {
    use crate::common::simulated_traces;
    use syntrace::base::{NoProgress, Seed};
    use syntrace::model::generator;
    use syntrace::record::Regime;
    use syntrace::train::{CohortInput, CohortModel, EncodedTrace, NoCheckpoint};

    const PACKETS: u32 = 4;
    let families = [
        ("markov", "{}"),
        ("netssm", r#"{"start": "scratch", "width": 16, "layers": 1, "epochs": 2}"#),
        ("netshare", r#"{"epochs": 2}"#),
        (
            "netdiffusion",
            r#"{"rows": 4, "epochs": 1,
                "unet": {"patch": 8, "widths": [16, 16], "heads": 2, "words": 3, "context": 8, "time": 16, "cell": 8},
                "autoencoder": {"steps": 20, "batch": 256}, "base": {"steps": 5, "batch": 4}}"#,
        ),
    ];
    for (name, options) in families {
        let family = generator(name, &serde_json::from_str(options).unwrap(), PACKETS).unwrap();
        let encoded = |class: &str, flows: u32| -> Vec<EncodedTrace> {
            let traces = simulated_traces("os", class, flows, PACKETS);
            let encode = |trace: &syntrace::record::Trace| {
                let encoded = family.encoding().encode(trace);
                EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
            };
            traces.iter().map(encode).collect()
        };
        let base =
            family.base().map(|_| family.train_base(&encoded("mac", 24), Seed::root(3), &NoProgress).unwrap().weights);
        let released = encoded("ubuntu", 30);
        let trained = |members: Vec<EncodedTrace>, learnt: bool| {
            let count = members.len();
            let traces = [members, released.clone()].concat();
            let model = CohortModel {
                label: "test".to_owned(),
                seed: Seed::root(1),
                noise_seed: None,
                members: (0..count / 2).collect(),
                learnt: learnt.then(|| (count..traces.len()).collect()),
                held_out: (count / 2..count).collect(),
                dp: None,
                initial: None,
            };
            let plan = family.plan(released.len() as u32, Regime::None);
            let input = CohortInput { hosts: None, traces: &traces, models: vec![model], base: base.as_deref(), plan };
            family.train_cohort(&input, None, &mut NoCheckpoint, &NoProgress).unwrap().models.remove(0).weights
        };
        let (windows, mac) = (encoded("windows", 60), encoded("mac", 60));
        let weights = trained(windows[..40].to_vec(), true);
        assert!(trained(mac[..40].to_vec(), true) == weights, "{name}: other members");
        assert!(trained(windows[..20].to_vec(), true) == weights, "{name}: fewer members");
        assert!(trained(windows[..40].to_vec(), false) != weights, "{name}: the members themselves");
    }
}
