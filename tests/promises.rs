//! Promises about privacy that a study makes of itself: what a delta is worth, whose claims are tested, what several
//! models cost together, and that the bytes of its file break none of them.

use crate::audit::{SideOf, attacked_study, audited_model};
use crate::common::{TINY_SPEC, fixture, run, run_ok, syntrace, write_spec};
use crate::query::study::{self, class_id, job};
use std::path::Path;
use syntrace::base::{ClipNorm, Delta, Identity, JobId, ModelId, NoiseMultiplier, SamplingRate, Seed, SplitId};
use syntrace::privacy::{Ledger, pld_upper};
use syntrace::record::*;
use syntrace::store::schema::PRIVACY_LEDGER;
use syntrace::store::{JobResult, NewSegment, Store, StoreWriter};

fn csv(study: &str, sql: &str) -> String {
    run_ok(&["sql", study, "-c", sql, "--format", "csv"])
}

/// A study of two target models of 50 members that spent epsilon 1 by a sound mechanism, as an earlier version would
/// have stored it: one with a delta of 1/50, one with a delta just below.
fn deltas_study(path: &Path) {
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
    assert!(code == 1 && page.contains("delta 0.02 of 50 members promises nothing"), "{page}");
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
        let what =
            ["--members", &members, "--synthetic", &capture, "--epsilon", "1", "--delta", delta, "--no-evaluate"];
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

// ---- noise and ledgers of a run

/// Models of three generators with DP at epsilon 4: one trains by steps, two count once.
#[cfg(feature = "torch")]
fn three_mechanisms(accountant: &str) -> String {
    let regimes = format!("none = false\nepsilon = [4.0]\naccountant = \"{accountant}\"");
    let text = TINY_SPEC.replace("shadows = 2", "shadows = 1").replace("epsilon = [4.0]", &regimes);
    let text = text.replace("[attack.mlp-tuned]\n", "[generator.markov]\n[generator.netdpsyn]\n");
    format!("{text}[utility]\nforecaster = \"none\"\n")
}

#[cfg(feature = "torch")]
#[test]
fn the_ledger_says_what_was_done_and_noise_follows_from_the_accountant_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let mut noises = Vec::new();
    for accountant in ["pld", "rdp"] {
        run_ok(&["run", &study, &write_spec(folder.path(), &three_mechanisms(accountant)), "--quiet"]);
        let targets = format!("role = 'target' AND accountant = '{accountant}'");
        assert_eq!(
            csv(
                &study,
                &format!(
                    "SELECT DISTINCT generator, mechanism, sampling_rate = 1.0 AS whole FROM privacy_ledger \
                     WHERE model_id IN (SELECT model_id FROM models WHERE {targets}) ORDER BY 1"
                )
            ),
            "generator,mechanism,whole\nmarkov,gaussian,true\nnetdpsyn,gaussian,true\n\
             netssm,poisson_subsampled_gaussian,false\n"
        );
        // the bound of the accountant that was asked for meets the target, and the other stands beside it
        let sql = format!(
            "SELECT generator, epsilon_spent <= 4.0 AND epsilon_spent > 3.99 AS met, \
             epsilon_spent = epsilon_{accountant} AS own, epsilon_rdp >= epsilon_pld AS looser FROM model_privacy WHERE {targets} ORDER BY 1"
        );
        assert_eq!(
            csv(&study, &sql),
            "generator,met,own,looser\nmarkov,true,true,true\nnetdpsyn,true,true,true\nnetssm,true,true,true\n"
        );
        noises.push(csv(&study, &format!("SELECT noise_multiplier FROM models WHERE {targets} ORDER BY generator")));
    }
    let numbers = |text: &str| text.lines().skip(1).map(|line| line.parse().unwrap()).collect::<Vec<f64>>();
    for (pld, rdp) in numbers(&noises[0]).into_iter().zip(numbers(&noises[1])) {
        assert!(pld < 0.98 * rdp, "{pld} against {rdp}: the tight bound takes less noise");
    }
    let wrong = write_spec(folder.path(), &three_mechanisms("gdp"));
    let (code, _, stderr) = run(&["plan", &study, &wrong]);
    assert!(code == 2 && stderr.contains("regimes.accountant") && stderr.contains("`pld` or `rdp`"), "{stderr}");
}

#[test]
fn a_delta_that_the_tight_accountant_cannot_hold_is_an_error_of_the_plan_that_names_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let planned = |regimes: &str| {
        let text = TINY_SPEC.replace("epsilon = [4.0]", regimes);
        run(&["plan", &study, &write_spec(folder.path(), &text)])
    };
    let (code, _, stderr) = planned("epsilon = [4.0]\ndelta = 1e-17");
    assert!(code == 2 && stderr.contains("regimes.accountant = \"rdp\""), "{stderr}");
    assert_eq!(planned("epsilon = [4.0]\ndelta = 1e-17\naccountant = \"rdp\"").0, 0);
}

// ---- several models together

/// Rows of `privacy_ledger`.
fn ledger(model: i64, events: &[Event]) -> NewSegment {
    let count = events.len();
    let columns = vec![
        study::int32s(0..count as i64),
        study::texts(vec!["training"; count]),
        study::texts(vec!["poisson_subsampled_gaussian"; count]),
        study::reals(events.iter().map(|event| event.0)),
        study::reals(events.iter().map(|event| event.1)),
        study::reals(vec![1.0; count]),
        study::ints(events.iter().map(|event| event.2)),
        study::reals(vec![1.0; count]),
        study::reals(vec![1e-5; count]),
        study::texts(vec!["add or remove one trace"; count]),
        study::reals(vec![1.0; count]),
        study::reals(vec![1.0; count]),
    ];
    study::segment(&PRIVACY_LEDGER, model, columns)
}

/// Targets of two classes: of windows two private ones of one split, one without DP and a conditional one; of ubuntu one.
fn released_study(path: &Path) {
    let mut result = JobResult::new(job(20, JobKind::Train));
    for (class, split) in [("windows", 10), ("ubuntu", 11)] {
        result.classes.push(ClassRecord {
            class_id: class_id(class),
            dataset: "os".to_owned(),
            class: class.to_owned(),
            origin: Origin::Simulated,
        });
        result.splits.push(SplitRecord {
            split_id: SplitId(split),
            class_id: class_id(class),
            role: Role::Target,
            members: 100,
            held_out: 100,
            pool_digest: [1; 32],
        });
    }
    let dp = |epsilon| Regime::Dp { epsilon, delta: 1e-5 };
    for (id, class, split, generator, regime, guarantee) in [
        (100, "windows", 10, "netssm", dp(2.0), Guarantee::EndToEnd),
        (101, "windows", 10, "netdpsyn", dp(1.0), Guarantee::EndToEnd),
        (102, "windows", 10, "netshare", dp(1.0), Guarantee::Conditional),
        (103, "windows", 10, "netssm", Regime::None, Guarantee::None),
        (104, "ubuntu", 11, "netssm", dp(2.0), Guarantee::EndToEnd),
    ] {
        let model = study::model(id, class, split, Role::Target, regime, guarantee);
        result.models.push(ModelRecord { generator: generator.to_owned(), ..model });
        if regime != Regime::None {
            result.segments.push(ledger(id, EVENTS.iter().find(|(model, _)| *model == id).unwrap().1));
        }
    }
    StoreWriter::open_or_create(path, study::CACHE).unwrap().commit(result).unwrap();
}

/// Sampling rate, noise multiplier, steps.
type Event = (f64, f64, i64);

const EVENTS: [(i64, &[Event]); 4] = [
    (100, &[(0.1, 1.5, 200)]),
    (101, &[(1.0, 8.0, 1), (1.0, 6.0, 1)]),
    (102, &[(0.05, 1.2, 300)]),
    (104, &[(0.1, 1.5, 200)]),
];

/// The tight bound of the events of some models together.
fn together(models: &[i64]) -> f64 {
    let events = EVENTS.iter().filter(|(model, _)| models.contains(model)).flat_map(|(_, events)| events.iter());
    let event = |&(rate, noise, steps): &Event| PrivacyEvent {
        phase: String::new(),
        mechanism: Mechanism::PoissonSubsampledGaussian,
        sampling_rate: SamplingRate::new(rate).unwrap(),
        noise_multiplier: NoiseMultiplier::new(noise).unwrap(),
        clip_norm: ClipNorm::new(1.0).unwrap(),
        steps: steps as u64,
    };
    pld_upper(&Ledger { events: events.map(event).collect() }, Delta::new(1e-5).unwrap()).unwrap()
}

/// The order in which phases are summed moves the last digits.
const SUM_ORDER: f64 = 1e-9;

#[test]
fn the_view_and_the_verb_compose_what_a_trace_has_lost_in_all_models_of_its_split() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    released_study(&path);
    let study = path.to_string_lossy().into_owned();
    let rows = csv(
        &study,
        "SELECT release, class, models, members, delta, unit, neighbours, guarantee, accountant, epsilon, epsilon_end_to_end \
         FROM release_privacy ORDER BY class DESC, release",
    );
    let rows: Vec<Vec<&str>> = rows.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let said = ["100", "0.00001", "trace", "add or remove one trace"];
    let heads: Vec<[&str; 5]> = rows.iter().map(|row| [row[0], row[1], row[2], row[7], row[8]]).collect();
    assert_eq!(
        heads,
        [
            ["all targets", "windows", "4", "none", "pld"],
            ["end-to-end targets", "windows", "2", "end-to-end", "pld"],
            ["all targets", "ubuntu", "1", "end-to-end", "pld"],
            ["end-to-end targets", "ubuntu", "1", "end-to-end", "pld"],
        ]
    );
    assert!(rows.iter().all(|row| row[3..7] == said), "{rows:?}");
    let close = |text: &str, expected: f64| {
        let found: f64 = text.parse().unwrap();
        assert!((found - expected).abs() <= SUM_ORDER * expected, "{found} against {expected}");
    };
    assert_eq!((rows[0][9], rows[0][10]), ("Infinity", "Infinity"));
    close(rows[1][9], together(&[100, 101]));
    close(rows[1][10], together(&[100, 101]));
    close(rows[2][9], together(&[104]));
    // more than any of them, less than their sum
    assert!(together(&[100, 101]) > together(&[100]).max(together(&[101])));
    assert!(together(&[100, 101]) < together(&[100]) + together(&[101]));

    let composed = |arguments: &[&str]| -> serde_json::Value {
        let all = [&["privacy", "compose", &study, "--json"], arguments].concat();
        serde_json::from_str(&run_ok(&all)).unwrap()
    };
    let found = composed(&["--models", "100", "netdpsyn os/windows eps1 target"]);
    assert_eq!((found.as_array().unwrap().len(), &found[0]["guarantee"]), (1, &"end-to-end".into()));
    close(&found[0]["pld"].to_string(), together(&[100, 101]));
    assert!(found[0]["rdp"].as_f64().unwrap() > found[0]["pld"].as_f64().unwrap());
    // a conditional part makes the whole conditional, one without DP makes it nothing
    let conditional = composed(&["--models", "eps"]);
    assert_eq!(
        (&conditional[1]["guarantee"], &conditional[1]["classes"][0]),
        (&"conditional".into(), &"os/windows".into())
    );
    close(&conditional[1]["pld"].to_string(), together(&[100, 101, 102]));
    assert_eq!(conditional[0]["guarantee"], "end-to-end", "ubuntu's traces are in no model of windows");
    let all = composed(&[]);
    assert_eq!((&all[1]["guarantee"], &all[1]["pld"]), (&"none".into(), &"inf".into()));
    // a delta of 1/members
    let loose = composed(&["--models", "100", "--delta", "0.01"]);
    assert_eq!(loose[0]["guarantee"], "none: delta");
    let words = run_ok(&["privacy", "compose", &study, "--models", "100", "--delta", "0.01"]);
    assert!(words.contains("delta is 1/members or more"), "{words}");
    let words = run_ok(&["privacy", "compose", &study, "--models", "eps1"]);
    assert!(words.contains("guarantee conditional; unit: trace; neighbours: add or remove one trace"), "{words}");
    let (code, _, stderr) = run(&["privacy", "compose", &study, "--models", "netsm os"]);
    assert!(code == 2 && stderr.contains("no model `netsm os`"), "{stderr}");
}

// ---- what the bytes of the study file reveal

/// Every place of some bytes in others.
fn places(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).map(|(at, _)| at).collect()
}

/// What a checkpoint's text begins with in the file, and how much of it is looked at.
const CHECKPOINT: &[u8] = b"syntrace.training";
const CHECKPOINT_TEXT: usize = 8 << 10;

/// Checkpoints in the raw bytes of a study, free pages too. None of them, and nothing else, may speak of a noise seed.
fn checkpoints_without_seeds(study: &Path) -> usize {
    let bytes = std::fs::read(study).unwrap();
    for needle in [&b"noise_seed"[..], b"noise-seed", b"NOISE_SEED"] {
        assert_eq!(places(&bytes, needle), Vec::<usize>::new(), "{}", String::from_utf8_lossy(needle));
    }
    let found = places(&bytes, CHECKPOINT);
    for at in &found {
        let text = String::from_utf8_lossy(&bytes[*at..bytes.len().min(at + CHECKPOINT_TEXT)]).to_ascii_lowercase();
        let text = text.split("}]}").next().unwrap();
        assert!(text.contains("version") && !text.contains("seed"), "{text}");
    }
    found.len()
}

/// One netssm with DP that trains for some seconds.
#[cfg(feature = "torch")]
fn slow_spec(noise: &str) -> String {
    let text = TINY_SPEC.replace("epochs = 2", "epochs = 400").replace("shadows = 2", "shadows = 1");
    format!(
        "{}[utility]\nforecaster = \"none\"\n",
        text.replace("noise = \"reproducible\"", &format!("none = false\nnoise = \"{noise}\""))
    )
}

/// The last step of which the bytes of a study hold a checkpoint.
#[cfg(feature = "torch")]
fn last_saved_step(study: &str) -> u64 {
    let bytes = std::fs::read(study).unwrap_or_default();
    let step = |at: &usize| {
        let text = String::from_utf8_lossy(&bytes[*at..bytes.len().min(at + 200)]).into_owned();
        let digits = text.split_once("step\\\":")?.1.split(|character: char| !character.is_ascii_digit()).next()?;
        digits.parse().ok()
    };
    places(&bytes, CHECKPOINT).iter().filter_map(step).max().unwrap_or(0)
}

/// A run that saves its trainings every half second, once it has saved one.
#[cfg(feature = "torch")]
fn run_to_a_checkpoint(study: &str, spec: &str) -> std::process::Child {
    let before = last_saved_step(study);
    let mut child = syntrace()
        .args(["run", study, spec, "--quiet", "--checkpoint-seconds", "0.5"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while last_saved_step(study) <= before {
        assert!(child.try_wait().unwrap().is_none(), "the run was over before its first checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child
}

/// What a process wrote to stderr, and its exit code.
#[cfg(feature = "torch")]
fn ended(child: std::process::Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Trainings that ended, were killed and were interrupted, with a checkpoint every half second: the raw bytes of the
/// file hold checkpoints and no noise seed.
#[cfg(feature = "torch")]
#[test]
fn no_noise_seed_is_in_the_file_after_runs_that_were_killed_interrupted_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let (study, spec) = (path.to_string_lossy().into_owned(), write_spec(folder.path(), &slow_spec("system")));
    let verified = || {
        let (code, found, stderr) = run(&["verify", &study]);
        assert_eq!(code, 0, "{found}{stderr}");
    };
    let mut killed = run_to_a_checkpoint(&study, &spec);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(checkpoints_without_seeds(&path) > 0, "nothing was searched");
    verified();

    let interrupted = run_to_a_checkpoint(&study, &spec);
    let signal = std::process::Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let (code, stderr) = ended(interrupted);
    assert_eq!(code, Some(130), "{stderr}");
    // the state that the killed run had not committed is gone before its steps are taken again
    assert!(stderr.contains("killed while it trained with DP: packing"), "{stderr}");
    assert!(checkpoints_without_seeds(&path) > 0, "nothing was searched");
    verified();

    let (code, _, stderr) = run(&["run", &study, &spec, "--quiet", "--checkpoint-seconds", "0.5"]);
    assert!(code == 0 && !stderr.contains("killed while it trained"), "{stderr}");
    checkpoints_without_seeds(&path);
    verified();
    run_ok(&["compact", &study]);
    assert_eq!(checkpoints_without_seeds(&path), 0, "a packed study holds no checkpoint");
    assert_eq!(csv(&study, "SELECT DISTINCT noise FROM models"), "noise\nsystem\n");
}

/// Where noise is reproducible its seed is known: neither it nor any way to write it is in the file.
#[cfg(feature = "torch")]
#[test]
fn a_reproducible_noise_seed_is_in_no_checkpoint_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let (study, spec) = (path.to_string_lossy().into_owned(), write_spec(folder.path(), &slow_spec("reproducible")));
    let mut killed = run_to_a_checkpoint(&study, &spec);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(checkpoints_without_seeds(&path) > 0, "nothing was searched");
    run_ok(&["run", &study, &spec, "--quiet", "--checkpoint-seconds", "0.5"]);
    let bytes = std::fs::read(&path).unwrap();
    let models = Store::open(&path, study::CACHE).unwrap().snapshot().unwrap().models().unwrap();
    assert_eq!(models.len(), 2);
    for model in models {
        let seed =
            Seed::from_digest(Identity::new("model-seed").int(model.model_id.0).finish()).named("noise").to_bytes();
        let listed: Vec<String> = seed.iter().map(u8::to_string).collect();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        for needle in [&seed[..], listed[..8].join(",").as_bytes(), hex.as_bytes()] {
            assert_eq!(places(&bytes, needle), Vec::<usize>::new());
        }
    }
}

#[test]
fn seeds_that_an_earlier_version_left_in_free_pages_are_found_by_verify_and_dropped_by_compact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.redb");
    let study = path.to_string_lossy().into_owned();
    let store = StoreWriter::open_or_create(&path, study::CACHE).unwrap();
    let state = "{\"syntrace.training\":\"{\\\"version\\\":2,\\\"models\\\":[{\\\"noise_seed\\\":[1,2,3]}]}\"}";
    // large enough that no later page lies over all of it
    store.save_checkpoint(JobId(20), state.repeat(4_000).as_bytes()).unwrap();
    // the job is done, and its checkpoint removed
    store.commit(JobResult::new(job(20, JobKind::Train))).unwrap();
    assert_eq!(store.snapshot().unwrap().checkpoints().unwrap(), vec![]);
    drop(store);
    let (code, found, _) = run(&["verify", &study]);
    assert!(
        code == 1 && found.contains("seeds of privacy noise lie in its bytes") && found.contains("compact"),
        "{found}"
    );
    run_ok(&["compact", &study]);
    let (code, found, stderr) = run(&["verify", &study]);
    assert_eq!(code, 0, "{found}{stderr}");
    assert_eq!(places(&std::fs::read(&path).unwrap(), b"noise_seed"), Vec::<usize>::new());
}
