//! Promises about privacy that a study makes of itself: what a delta is worth.

use crate::audit::{SideOf, attacked_study, audited_model};
use crate::common::{TINY_SPEC, fixture, run, run_ok, write_spec};
use crate::query::study::{self, class_id, job};
use syntrace::base::{ModelId, SplitId};
use syntrace::record::*;
use syntrace::store::{JobResult, StoreWriter};

fn csv(study: &str, sql: &str) -> String {
    run_ok(&["sql", study, "-c", sql, "--format", "csv"])
}

/// A study of two target models of 50 members that spent epsilon 1 by a sound mechanism, as an earlier version would
/// have stored it: one with a delta of 1/50, one with a delta just below.
fn deltas_study(path: &std::path::Path) {
    let mut result = JobResult::new(job(20, JobKind::Train));
    result.classes.push(ClassRecord {
        class_id: class_id("windows"),
        dataset: "os".to_owned(),
        class: "windows".to_owned(),
        origin: Origin::Simulated,
    });
    result.splits.push(SplitRecord {
        split_id: SplitId(10),
        class_id: class_id("windows"),
        role: Role::Target,
        members: 50,
        held_out: 50,
        pool_digest: [1; 32],
    });
    for (id, delta) in [(100, 1.0 / 50.0), (101, 0.0199)] {
        let regime = Regime::Dp { epsilon: 1.0, delta };
        let model = study::model(id, "windows", 10, Role::Target, regime, Guarantee::EndToEnd);
        result.models.push(ModelRecord { model_id: ModelId(id), ..model });
    }
    StoreWriter::open_or_create(path, study::CACHE).unwrap().commit(result).unwrap();
}

#[test]
fn a_delta_of_one_over_members_is_no_guarantee_in_tables_views_report_and_audit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    deltas_study(&path);
    let study = path.to_string_lossy().into_owned();
    assert_eq!(
        csv(&study, "SELECT members, guarantee, epsilon_end_to_end FROM models ORDER BY model_id"),
        "members,guarantee,epsilon_end_to_end\n50,none: delta,Infinity\n50,end-to-end,1.0\n"
    );
    assert_eq!(csv(&study, "SELECT DISTINCT guarantee FROM lineage WHERE model_id = 100"), "guarantee\nnone: delta\n");
    let meaning = csv(&study, "SELECT meaning FROM model_privacy ORDER BY model_id");
    assert!(meaning.contains("nothing: delta is 1/members (1/50) or more"), "{meaning}");
    let finding = csv(&study, "SELECT finding FROM privacy_audit ORDER BY model_id");
    assert_eq!(finding, "finding\nnothing is claimed: delta is 1/members or more\nnot audited\n");
    let (code, page, _) = run(&["audit", &study, "--model", "100"]);
    assert!(code == 1 && page.contains("none: delta"), "{page}");
    let report = folder.path().join("report.html");
    run_ok(&["report", &study, "-o", &report.to_string_lossy()]);
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("a delta of 1/members or more promises nothing"));
}

#[test]
fn a_plan_says_that_a_delta_of_one_over_members_promises_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let told = |delta: &str| {
        let text = TINY_SPEC.replace("epsilon = [4.0]", &format!("epsilon = [4.0, 1.0]\ndelta = {delta}"));
        let (code, _, stderr) = run(&["plan", &study, &write_spec(folder.path(), &text)]);
        assert_eq!(code, 0, "{stderr}");
        stderr
    };
    // 12 members
    let warning = told("0.1");
    let said = "`regimes.delta` 0.1 is 1/members (1/12) or more";
    assert!(warning.contains(said) && warning.contains("epsilon 4, 1 promises nothing"), "{warning}");
    assert!(!told("0.08").contains("regimes.delta"));
}

#[test]
fn a_claimed_delta_of_one_over_members_is_told_apart_from_other_claims() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let capture = fixture("import/real/mac.pcap").to_string_lossy().into_owned();
    run_ok(&["ingest", &study, "--dataset", "os", "--class", "mac", &capture]);
    let members = fixture("import/target/members.csv").to_string_lossy().into_owned();
    let import = |delta: &str, generator: &str| {
        let claim = ["--claimed-by", "its makers", "--claimed-unit", "trace"];
        let terms = ["--claimed-neighbours", "add or remove one", "--claimed-guarantee", "end-to-end"];
        let model = ["import", &study, "--generator", generator, "--dataset", "os", "--class", "mac"];
        let what = ["--members", &members, "--epsilon", "1", "--delta", delta, "--no-evaluate"];
        run(&[model.as_slice(), &what, &claim, &terms].concat())
    };
    let (code, _, warned) = import("0.5", "careless");
    assert!(code == 0 && warned.contains("the claimed delta 0.5 is 1/members"), "{warned}");
    let (code, _, quiet) = import("1e-5", "careful");
    assert!(code == 0 && !quiet.contains("1/members"), "{quiet}");
    assert_eq!(
        csv(&study, "SELECT generator, guarantee, epsilon_end_to_end FROM models ORDER BY generator"),
        "generator,guarantee,epsilon_end_to_end\ncareful,none,\ncareless,none: delta,\n"
    );
}

/// What an import stores of a claim.
fn imported(id: i64, unit: &str, guarantee: &str) -> ModelRecord {
    let claim =
        serde_json::json!({ "by": "its makers", "unit": unit, "neighbours": "replace one", "guarantee": guarantee });
    ModelRecord {
        generator: format!("made-{id}"),
        preset: IMPORTED.to_owned(),
        config: serde_json::json!({ "claim": claim }).to_string(),
        epsilon_spent: None,
        accountant: None,
        guarantee: Guarantee::None,
        epsilon_end_to_end: None,
        ..audited_model(id, 0.5)
    }
}

#[test]
fn claims_of_imported_models_are_put_to_the_same_test_as_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    // an attack that is right about 95 of 100 traces
    let leaky: SideOf =
        (0..200).map(|index| (index < 100, f64::from(u8::from((index < 100) != (index % 20 == 0))))).collect();
    let blind: SideOf = (0..200).map(|index| (index < 100, f64::from(index % 2))).collect();
    let models = [
        (imported(100, "trace", "end-to-end"), &leaky),
        (imported(101, "user", "end-to-end"), &leaky),
        (imported(102, "trace", "end-to-end"), &blind),
        (imported(103, "packet", "end-to-end"), &leaky),
        (imported(104, "trace", "conditional"), &leaky),
        (audited_model(105, 0.5), &leaky),
    ]
    .map(|(model, side)| (model, [side.clone(), side.clone()]));
    attacked_study(&path, &models);
    let study = path.to_string_lossy().into_owned();
    assert_eq!(
        csv(&study, "SELECT model_id, epsilon_claimed, strong_hint, refuted, finding FROM privacy_audit ORDER BY 1"),
        "model_id,epsilon_claimed,strong_hint,refuted,finding\n\
         100,0.5,true,false,STRONG HINT: an attack finds more than is claimed\n\
         101,0.5,true,false,STRONG HINT: an attack finds more than is claimed\n\
         102,0.5,false,false,no hint against it\n\
         103,,false,false,\"claimed for less than a trace, or conditionally\"\n\
         104,,false,false,\"claimed for less than a trace, or conditionally\"\n\
         105,0.5,true,false,STRONG HINT: an attack finds more than is claimed\n"
    );
    let report = folder.path().join("report.html");
    run_ok(&["report", &study, "-o", &report.to_string_lossy()]);
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("<strong>Strong hint: </strong>") && !report.contains("<strong>Refuted: </strong>"));
}
