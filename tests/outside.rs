//! Attacks that read synthetic traces alone: they find planted copies and what a generator without DP memorised, and
//! nothing where there is nothing.

use crate::common::{refused_plan, run_ok, simulated_traces, write_spec};
use std::collections::BTreeMap;
use syntrace::audit::{OUTSIDE_KINDS, outside_attributes};
use syntrace::eval::{Scored, leakage};
use syntrace::record::Trace;

/// AUC of the loss, and of what is calibrated by reference traces, by kind.
fn aucs(members: &[Trace], held_out: &[Trace], synthetic: &[Trace], reference: &[Trace]) -> BTreeMap<String, f64> {
    let all: Vec<Trace> = members.iter().chain(held_out).cloned().collect();
    let found = outside_attributes(&all, synthetic, reference);
    let auc = |score: &dyn Fn(usize) -> f32| {
        let scored = |at| Scored { score: f64::from(score(at)), member: at < members.len() };
        let scored: Vec<Scored> = (0..all.len()).map(scored).collect();
        leakage(&scored, 0.0).unwrap().auc.value
    };
    let mut aucs = BTreeMap::new();
    for (place, kind) in OUTSIDE_KINDS.into_iter().enumerate() {
        assert!(found.iter().all(|own| own[place].kind == kind));
        aucs.insert(kind.to_owned(), auc(&|at| -found[at][place].loss));
        let calibrated: &[(&str, usize)] = match kind {
            "synthetic_nearest" => &[("bytes gained", 10), ("fields gained", 11)],
            "synthetic_marginals" => &[("ratio", 0), ("binned ratio", 5)],
            _ => &[("ratio", 0)],
        };
        for (name, value) in calibrated {
            aucs.insert(format!("{kind} {name}"), auc(&|at| found[at][place].values[*value]));
        }
    }
    aucs
}

#[test]
fn copies_of_some_members_are_found_in_synthetic_traffic_and_fresh_traffic_gives_nothing_away() {
    let all = simulated_traces("os", "windows", 400, 6);
    let (members, held_out, reference, fresh) = (&all[..100], &all[100..200], &all[200..300], &all[300..400]);
    // every fifth member is in the synthetic traffic, byte for byte
    let copied: Vec<Trace> = fresh.iter().take(80).chain(members.iter().step_by(5)).cloned().collect();
    for (kind, auc) in aucs(members, held_out, &copied, reference) {
        // A copy is one more of many in its bins.
        assert!(auc > 0.54 || kind == "synthetic_marginals binned ratio", "{kind}: {auc}");
    }
    // chance lies between these with a probability of 0.9999 for hundred and hundred
    for (kind, auc) in aucs(members, held_out, fresh, reference) {
        assert!((0.34..0.66).contains(&auc), "{kind}: {auc}");
    }
    // without reference traces there is no ratio, and without synthetic ones nothing
    for (kind, auc) in aucs(members, held_out, &[], &[]) {
        assert_eq!(auc, 0.5, "{kind}");
    }
}

#[test]
fn a_reference_trace_is_held_against_the_others() {
    let all = simulated_traces("os", "windows", 90, 6);
    let (synthetic, reference) = (&all[..30], &all[30..90]);
    let within = outside_attributes(&reference[..1], synthetic, reference);
    let without = outside_attributes(&reference[..1], synthetic, &reference[1..]);
    assert_eq!(within, without);
    // and one that is alone is held against none
    for own in outside_attributes(&reference[..1], synthetic, &reference[..1]).concat() {
        let calibrated: &[usize] = match own.kind {
            "synthetic_nearest" => &[10, 11],
            "synthetic_marginals" => &[0, 5],
            _ => &[0],
        };
        assert!(calibrated.iter().all(|place| own.values[*place] == 0.0), "{own:?}");
    }
}

/// Two classes, a Markov chain without DP (which repeats its members) and one generator that says nothing of traces.
const SPEC: &str = r#"
name = "outside"
seed = 3
[[dataset]]
name = "os"
classes = ["windows", "ubuntu"]
simulate = { flows = 340 }
[traces]
packets = 4
[split]
members = 50
shadows = 2
[regimes]
none = true
epsilon = [4.0]
delta = 1e-5
noise = "reproducible"
[generator.markov]
packets = 4
[generator.netdpsyn]
[attack.threshold]
[attack.surrogate]
kind = "threshold"
attribute = "synthetic_markov"
statistic = "ratio"
[attack.compared]
kind = "rmia"
attribute = "synthetic_markov"
[synthesis]
traces = 120
shadows = true
[utility]
forecaster = "none"
"#;

#[test]
fn a_study_attacks_models_by_their_synthetic_traces_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), SPEC);
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    run_ok(&["run", study, &spec]);
    let ask = |sql: &str| run_ok(&["sql", study, "--format", "csv", "-c", sql]);
    let found =
        ask("SELECT generator, epsilon IS NULL AS free, attack, attribute, min(auc) AS low, max(auc) AS high, \
                     count(*) AS n FROM attacks WHERE evaluated_on = 'target' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3");
    let rows: Vec<Vec<&str>> = found.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let keys: Vec<String> = rows.iter().map(|row| row[..4].join(" ")).collect();
    let expected = [
        "markov false compared synthetic_markov",
        "markov false surrogate synthetic_markov",
        "markov false threshold log_likelihood",
        "markov true compared synthetic_markov",
        "markov true surrogate synthetic_markov",
        "markov true threshold log_likelihood",
        "netdpsyn false compared synthetic_markov",
        "netdpsyn false surrogate synthetic_markov",
        "netdpsyn false threshold synthetic_markov",
    ];
    assert_eq!(keys, expected);
    for row in &rows {
        let (low, high): (f64, f64) = (row[4].parse().unwrap(), row[5].parse().unwrap());
        assert_eq!(row[6], "2");
        if row[1] == "true" {
            assert!(low > 0.8, "a chain that repeats its members: {row:?}");
        } else {
            // fifty members and fifty others: chance has a standard deviation of 0.058
            assert!(low > 0.2 && high < 0.8, "{row:?}");
        }
    }
    // a generator that says nothing of traces is no longer `not audited`
    let audited = "SELECT count(*) FROM privacy_audit WHERE generator = 'netdpsyn' AND finding = 'not audited'";
    assert_eq!(ask(audited).lines().last(), Some("0"));
    // the same spec again finds everything done
    let jobs = ask("SELECT count(*) FROM jobs");
    run_ok(&["run", study, &spec]);
    assert_eq!(ask("SELECT count(*) FROM jobs"), jobs);
}

#[test]
fn shadows_that_draw_synthetic_traces_are_named_in_the_spec_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |from: &str, to: &str| refused_plan(folder.path(), &SPEC.replace(from, to));
    let error = refused("shadows = true", "shadows = [\"netpol\"]");
    assert!(error.contains("must name generators of the spec (markov, netdpsyn), found `netpol`"), "{error}");
    let error = refused("shadows = true", "shadows = 3");
    assert!(error.contains("`synthesis.shadows` must be true, false or a list of generators"), "{error}");
    let error = refused("traces = 120", "traces = 0");
    assert!(error.contains("`synthesis.shadows` needs `synthesis.traces` above 0"), "{error}");
    let error = refused("shadows = true", "shadows = false");
    assert!(error.contains("found `synthetic_markov`"), "{error}");
}

#[test]
fn report_and_audit_lead_with_what_an_outsider_can_learn() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), SPEC);
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    run_ok(&["run", study, &spec, "--quiet"]);
    let ask = |sql: &str| -> Vec<String> {
        run_ok(&["sql", study, "--format", "csv", "-c", sql]).lines().skip(1).map(str::to_owned).collect()
    };
    // one row for what is held and for the unit; no model of netdpsyn says anything of traces
    let rows = ask("SELECT generator, regime, access, unit, attribute, tried FROM queries.strongest_by_access \
                    ORDER BY 1, 2 DESC, 3 DESC, 4 DESC");
    assert_eq!(rows[0], "markov,no DP,synthetic traffic,trace,synthetic_markov,2", "{rows:?}");
    assert_eq!(rows[1], "markov,no DP,synthetic traffic,host,synthetic_markov,2");
    assert_eq!(rows[2], "markov,no DP,model,trace,log_likelihood,1");
    assert_eq!(rows.len(), 10, "{rows:?}");
    assert!(rows[8..].iter().all(|row| row.starts_with("netdpsyn,eps 4.0,synthetic traffic,")), "{rows:?}");
    // the number by host is that of the same scores, averaged
    let host = "SELECT max(abs(query.auc - view.auc)) FROM queries.strongest_by_access AS query JOIN (
            SELECT generator, regime, attack, attribute, avg(auc) AS auc FROM source_leakage GROUP BY 1, 2, 3, 4
        ) AS view ON view.generator = query.generator AND view.regime = query.regime AND view.attack = query.attack
        AND view.attribute = query.attribute WHERE query.unit = 'host'";
    assert!(ask(host)[0].parse::<f64>().unwrap() < 1e-12);
    let (_, page, _) = crate::common::run(&["audit", study]);
    let lines: Vec<&str> = page.lines().collect();
    assert!(
        lines[0].starts_with(
            "whoever has the synthetic traffic alone tells members from held-out traces, best of markov os/"
        ),
        "{page}"
    );
    assert!(lines[0].contains(" none target, with AUC ") && lines[0].contains(" on synthetic_markov"), "{page}");
    assert!(lines[1].starts_with("whoever may ask the model about a trace tells members"), "{page}");
    assert!(page.contains("from outside") && page.contains("from inside"), "{page}");
    let (_, json, _) = crate::common::run(&["audit", study, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for model in json["models"].as_array().unwrap() {
        let outside = model["strongest_from_outside"]["name"].as_str().unwrap();
        assert!(outside.ends_with(" on synthetic_markov"), "{model:#}");
        let is_chain = model["name"].as_str().unwrap().starts_with("markov");
        assert_eq!(model["strongest_from_inside"]["name"] == "threshold on log_likelihood", is_chain, "{model:#}");
        assert!(model["strongest_from_outside"]["by_host"]["members"].as_u64().unwrap() > 0, "{model:#}");
    }
    let html = folder.path().join("r.html");
    run_ok(&["report", study, "-o", html.to_str().unwrap()]);
    let html = std::fs::read_to_string(html).unwrap();
    let first = html.split("<li>").nth(1).unwrap();
    assert!(first.starts_with("<strong>Whoever has the synthetic traffic alone</strong> tells members"), "{first}");
    assert!(first.contains("without DP: AUC <data") && first.contains("at epsilon 4: AUC <data"), "{first}");
}

#[test]
fn a_report_says_that_nobody_attacked_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), &crate::common::tiny_markov());
    let study = folder.path().join("s.redb");
    let study = study.to_str().unwrap();
    run_ok(&["run", study, &spec, "--quiet"]);
    let html = folder.path().join("r.html");
    run_ok(&["report", study, "-o", html.to_str().unwrap()]);
    let html = std::fs::read_to_string(html).unwrap();
    let first = html.split("<li>").nth(1).unwrap();
    assert!(first.contains("alone can tell is not known: no attack from outside was run"), "{first}");
    let (_, page, _) = crate::common::run(&["audit", study]);
    assert!(page.contains("alone can tell of 1 of 1 models is not known"), "{page}");
}
