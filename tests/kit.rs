#![cfg(feature = "torch")]
//! A kit for makers elsewhere: the splits of a run, lists that fit each other, and a manifest that comes back as it is filled in.

use crate::common::{run, run_ok, write_spec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A study with a class of captures, and its kit in the folder `kit`.
fn with_kit(folder: &Path) -> String {
    let study = text(&folder.join("study.redb"));
    let captures = text(&folder.join("captures"));
    run_ok(&["simulate", "--dataset", "os", "--class", "mac", "--flows", "90", "--out", &captures]);
    run_ok(&["ingest", &study, "--dataset", "os", "--class", "mac", &format!("{captures}/mac")]);
    let kit = text(&folder.join("kit"));
    let of =
        ["export", &study, "kit", "--dataset", "os", "--class", "mac", "--members", "15", "--seed", "5", "-o", &kit];
    run_ok(&of);
    let (code, _, stderr) = run(&of);
    assert!(code == 2 && stderr.contains("empty or new folder"), "{stderr}");
    study
}

fn members(kit: &Path, model: &str) -> BTreeMap<i64, bool> {
    let text = std::fs::read_to_string(kit.join(model).join("members.csv")).unwrap();
    let row = |line: &str| {
        let (trace, member) = line.split_once(',').unwrap();
        (trace.parse().unwrap(), member == "1")
    };
    assert!(text.starts_with("trace,member\n"));
    text.lines().skip(1).map(row).collect()
}

fn references(kit: &Path, model: &str) -> BTreeSet<i64> {
    let text = std::fs::read_to_string(kit.join(model).join("references.csv")).unwrap();
    text.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_kit_has_the_splits_of_a_run_and_the_traces_of_the_other_models() {
    let folder = tempfile::tempdir().unwrap();
    let study = with_kit(folder.path());
    let kit = folder.path().join("kit");
    let spec = "name = 'kit'\nseed = 5\n[[dataset]]\nname = 'os'\nclasses = ['mac']\n[split]\nmembers = 15\nshadows = 2\n\
        [regimes]\nnone = true\n[generator.markov]\n";
    run_ok(&["run", &study, &write_spec(folder.path(), spec), "--quiet"]);
    let mut all = BTreeSet::new();
    for model in ["target", "shadow0", "shadow1"] {
        let shadow = model.strip_prefix("shadow").map_or("IS NULL".to_owned(), |index| format!("= {index}"));
        let sql =
            format!("SELECT trace_id, part = 'member' AS member FROM splits WHERE shadow {shadow} ORDER BY trace_id");
        let stored = run_ok(&["sql", &study, "--format", "csv", "-c", &sql]);
        let stored: BTreeMap<i64, bool> = stored
            .lines()
            .skip(1)
            .map(|line| line.split_once(',').unwrap())
            .map(|(trace, member)| (trace.parse().unwrap(), member == "true"))
            .collect();
        assert_eq!(members(&kit, model), stored, "{model}");
        assert_eq!(stored.values().filter(|member| **member).count(), 15);
        all.extend(stored.into_keys());
    }
    for model in ["target", "shadow0", "shadow1"] {
        let own: BTreeSet<i64> = members(&kit, model).into_keys().collect();
        assert_eq!(references(&kit, model), all.difference(&own).copied().collect());
    }
    // What a model is trained on is a capture of its own: the same packets under the same trace.
    let again = text(&folder.path().join("again.redb"));
    run_ok(&["ingest", &again, "--dataset", "os", "--class", "mac", &text(&kit.join("target/train.pcap"))]);
    let packets = "SELECT count(*) AS packets FROM packets";
    let counted = run_ok(&["sql", &again, "--format", "csv", "-c", packets]);
    let ids: Vec<String> =
        members(&kit, "target").iter().filter(|(_, member)| **member).map(|(id, _)| id.to_string()).collect();
    let own = format!("{packets} WHERE NOT synthetic AND trace_id IN ({})", ids.join(", "));
    assert_eq!(counted, run_ok(&["sql", &study, "--format", "csv", "-c", &own]));
    assert!(std::fs::read(kit.join("packets.parquet")).unwrap().starts_with(b"PAR1"));
    assert!(kit.join("traces.pcapng").exists());
}

/// One column of numbers as NumPy's file.
fn npy(path: &Path, values: &[f64]) {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// A number that is as good as random, from a trace and a model.
fn noise(trace: i64, model: &str) -> f64 {
    let mixed =
        model.bytes().fold(trace as u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// Losses that are lower for members, by less than traces differ from each other: LiRA and RMIA, which compare what several
/// models say about one trace, find it.
#[test]
fn a_filled_kit_is_attacked_by_lira_and_rmia() {
    let folder = tempfile::tempdir().unwrap();
    let study = with_kit(folder.path());
    let kit = folder.path().join("kit");
    for model in ["target", "shadow0", "shadow1"] {
        let at = |name: &str| kit.join(model).join(name);
        let loss = |trace: i64, member: bool| {
            2.0 * noise(trace, "") + 0.1 * noise(trace, model) - if member { 0.5 } else { 0.0 }
        };
        let (own, others) = (members(&kit, model), references(&kit, model));
        let losses: Vec<f64> = own.iter().map(|(trace, member)| loss(*trace, *member)).collect();
        npy(&at("loss.npy"), &losses);
        npy(&at("score.npy"), &losses);
        let losses: Vec<f64> = others.iter().map(|trace| loss(*trace, false)).collect();
        npy(&at("reference_loss.npy"), &losses);
        npy(&at("reference_score.npy"), &losses);
        std::fs::copy(at("train.pcap"), at("synthetic.pcap")).unwrap();
    }
    let said = run_ok(&["import", &study, &text(&kit)]);
    assert!(!said.contains("no attack"), "{said}");
    let sql = "SELECT attack, round(auc, 2) AS auc FROM attacks WHERE generator = 'mygan' AND evaluated_on = 'target' AND attack IN ('lira', 'rmia', 'threshold') \
        ORDER BY attack";
    let found = run_ok(&["sql", &study, "--format", "csv", "-c", sql]);
    let auc: BTreeMap<&str, f64> = found
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap())
        .map(|(kind, auc)| (kind, auc.parse().unwrap()))
        .collect();
    assert!(auc["lira"] > 0.9 && auc["rmia"] > 0.9 && auc["threshold"] < auc["rmia"], "{found}");
    // Twice adds nothing; a trace that the model was trained on is no reference.
    run_ok(&["import", &study, &text(&kit)]);
    let (first, _) = members(&kit, "target").into_iter().next().unwrap();
    let list = kit.join("target/references.csv");
    let text_of = std::fs::read_to_string(&list).unwrap();
    let (_, rest) = text_of.split_once('\n').unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    std::fs::write(&list, format!("trace\n{first}\n{rest}")).unwrap();
    let (code, _, stderr) = run(&["import", &study, &text(&kit)]);
    assert!(code == 2 && stderr.contains("is in the membership list"), "{stderr}");
    let manifest = std::fs::read_to_string(kit.join("import.toml")).unwrap();
    std::fs::write(&list, &text_of).unwrap();
    std::fs::write(
        kit.join("import.toml"),
        manifest.replace("mygan", "other").replace("kind = \"score\"", "kind = \"scores\""),
    )
    .unwrap();
    let (code, _, stderr) = run(&["import", &study, &text(&kit)]);
    assert!(code == 2 && stderr.contains("of which the model has no attributes"), "{stderr}");
    std::fs::write(&list, format!("{text_of}{}\n", text_of.lines().nth(1).unwrap())).unwrap();
    let (code, _, stderr) = run(&["import", &study, &text(&kit)]);
    assert!(code == 2 && stderr.contains("references.csv") && stderr.contains("is in row 0 and in row"), "{stderr}");
    run_ok(&["verify", &study]);
}

/// A capture and a list of members alone: what the traffic says of each trace is attacked all the same, and there is a verdict.
#[test]
fn synthetic_traffic_alone_is_attacked_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let study = with_kit(folder.path());
    let kit = folder.path().join("kit");
    let fresh = text(&folder.path().join("fresh"));
    run_ok(&["simulate", "--dataset", "os", "--class", "mac", "--flows", "40", "--seed", "99", "--out", &fresh]);
    let list = text(&kit.join("target/members.csv"));
    let import = |name: &str, capture: &str| {
        let of = ["import", &study, "--generator", name, "--dataset", "os", "--class", "mac", "--members", &list];
        run_ok(&[&of[..], &["--synthetic", capture]].concat());
    };
    import("copier", &text(&kit.join("target/train.pcap")));
    import("honest", &format!("{fresh}/mac"));
    let sql = "SELECT generator, attack, attribute, evaluated_on, shadows, auc > 0.8, auc_low < 0.5 FROM attacks \
        ORDER BY generator, attribute";
    let found = run_ok(&["sql", &study, "--format", "csv", "-c", sql]);
    let rows: Vec<&str> = found.lines().skip(1).collect();
    let expected = |generator: &str, kind: &str, leaks: bool| {
        format!("{generator},threshold,synthetic_{kind},target,0,{leaks},{}", !leaks)
    };
    let kinds = ["markov", "nearest"].map(|kind| ("copier", kind, true));
    let honest = ["markov", "nearest"].map(|kind| ("honest", kind, false));
    let mut all: Vec<String> =
        kinds.into_iter().chain(honest).map(|(g, kind, leaks)| expected(g, kind, leaks)).collect();
    all.sort();
    assert_eq!(rows, all);
    let strongest =
        "SELECT generator FROM attack_strength WHERE strongest AND attribute = 'synthetic_markov' ORDER BY generator";
    let strongest = run_ok(&["sql", &study, "--format", "csv", "-c", strongest]);
    assert_eq!(strongest.lines().count(), 3, "{strongest}");
    let (code, audited, _) = run(&["audit", &study]);
    assert_eq!(code, 1, "{audited}");
    let row = |name: &str| format!("\u{2502} {name} os/mac");
    let line = |name: &str| audited.lines().find(|line| line.contains(&row(name))).unwrap().to_owned();
    assert!(line("copier").matches("FAIL").count() >= 2, "{audited}");
    assert!(!audited.contains("FAIL honest os/mac none target: attacks"), "{audited}");
}

/// Without shadows there is no second half of the class to keep apart: members and held-out traces may be all of it.
#[test]
fn a_kit_without_shadows_may_take_the_whole_class() {
    let folder = tempfile::tempdir().unwrap();
    let study = with_kit(folder.path());
    let count = run_ok(&["sql", &study, "--format", "csv", "-c", "SELECT count(*) / 2 FROM traces"]);
    let most = count.lines().nth(1).unwrap().to_owned();
    let out = text(&folder.path().join("alone"));
    let kit = |members: &str, shadows: &str| {
        let class = ["--dataset", "os", "--class", "mac", "-o", &out];
        run(&[&["export", &study, "kit", "--members", members, "--shadows", shadows][..], &class].concat())
    };
    assert_eq!(kit(&most, "2").0, 2, "shadows need the other half");
    let (code, _, stderr) = kit(&most, "0");
    assert_eq!(code, 0, "{stderr}");
    let drawn = members(Path::new(&out), "target");
    assert_eq!(drawn.values().filter(|member| **member).count().to_string(), most);
    assert_eq!(drawn.len(), 2 * most.parse::<usize>().unwrap());
    let (code, _, stderr) = kit(&(most.parse::<usize>().unwrap() + 1).to_string(), "0");
    assert!(code == 2 && stderr.contains("set `split.members` to at most"), "{stderr}");
}
