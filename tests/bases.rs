#![cfg(feature = "torch")]
//! Public bases: those that ship, how one is made, what starts from them, and what their lineage says of it.

use crate::common::{run, run_ok, write_spec};
use std::path::Path;
use syntrace::base::Digest;
use syntrace::model::netssm::NetSsm;
use syntrace::model::shipped::{BaseManifest, shipped, shipped_bases};
use syntrace::model::{AnyGenerator, Family, Start};
use syntrace::record::{Guarantee, LineageKind, ModelRecord, Regime, Role};
use syntrace::spec::{parse_bases, read_bases};
use syntrace::store::Store;
use syntrace::train::{Average, Trainable};

const DP: Regime = Regime::Dp { epsilon: 4.0, delta: 1e-5 };

/// A recipe whose base trains in a second.
const RECIPE: &str = r#"
[base.tiny]
family = "netssm"
dataset = "wide"
traces = 120
packets = 2
seed = 3
options = { width = 8, layers = 1, state = 4, head = 8, batch = 8, epochs = 1 }
"#;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Trains the bases of a recipe into a folder of this name; gives the path of the weights of `tiny`.
fn trained(folder: &Path, name: &str, recipe: &str, more: &[&str]) -> std::path::PathBuf {
    let (recipes, out) = (folder.join("bases.toml"), folder.join(name));
    std::fs::write(&recipes, recipe).unwrap();
    let (recipes, folder) = (text(&recipes), text(&out));
    let mut arguments = vec!["base", "train", &recipes, "--out", &folder];
    arguments.extend(more);
    run_ok(&arguments);
    out.join("tiny.safetensors")
}

fn models(study: &str) -> Vec<ModelRecord> {
    Store::open(Path::new(study), 1 << 24).unwrap().snapshot().unwrap().models().unwrap()
}

#[test]
fn what_ships_is_public_and_is_found_by_its_digest() {
    let base = shipped("netssm").unwrap().expect("a base of netssm");
    assert_eq!(Digest::of(base.weights).hex(), base.digest());
    assert!(base.weights.len() < 4 << 20, "{} bytes", base.weights.len());
    let listed = run_ok(&["base", "list"]);
    for base in shipped_bases().unwrap() {
        assert!(!base.manifest.saw_private && base.manifest.traffic.contains("`wide`"), "{:?}", base.manifest);
        assert!(listed.contains(base.digest()), "{listed}");
    }
    // The recipes in the tree are those that it was made by.
    let recipes = read_bases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("studies/bases.toml")).unwrap();
    for base in shipped_bases().unwrap() {
        let recipe = recipes.iter().find(|recipe| recipe.family == base.manifest.family).expect("its recipe");
        let options = serde_json::Value::Object(recipe.options.clone());
        assert_eq!((&base.manifest.options, base.manifest.seed), (&options, recipe.seed));
        assert_eq!(base.manifest.traces, u64::from(recipe.traces));
    }
}

#[test]
fn a_base_trained_twice_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| trained(folder.path(), name, RECIPE, &[]));
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(read(&one), read(&two));
    let manifest = String::from_utf8(read(&one.with_extension("json"))).unwrap();
    let manifest = BaseManifest::read(&manifest, &read(&one)).unwrap();
    assert!(!manifest.saw_private && manifest.held_out_loss.is_some_and(f64::is_finite), "{manifest:?}");
    let other = trained(folder.path(), "three", &RECIPE.replace("seed = 3", "seed = 4"), &[]);
    assert_ne!(read(&one), read(&other));
    // A manifest of other weights is none.
    std::fs::copy(one.with_extension("json"), other.with_extension("json")).unwrap();
    let study = text(&folder.path().join("study.redb"));
    let (code, _, stderr) = run(&["base", "import", &study, &text(&other)]);
    assert!(code == 2 && stderr.contains("the manifest is of weights with digest"), "{stderr}");
    let nonsense = folder.path().join("nonsense.safetensors");
    std::fs::write(&nonsense, b"nonsense").unwrap();
    let manifest = BaseManifest { blake3: Digest::of(b"nonsense").hex(), ..manifest };
    std::fs::write(nonsense.with_extension("json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    let (code, _, stderr) = run(&["base", "import", &study, &text(&nonsense)]);
    assert!(code == 2 && stderr.contains("must be safetensors"), "{stderr}");
}

#[test]
fn netshare_starts_from_its_base_under_dp_and_netdiffusion_always_where_the_network_is_that_of_the_preset() {
    let by_family = [
        ("netshare", r#"{"units": 32}"#, Start::Fresh, Start::Fresh),
        ("netshare", "{}", Start::Fresh, Start::Base),
        ("netshare", r#"{"start": "from-scratch"}"#, Start::Fresh, Start::Fresh),
        ("netdiffusion", "{}", Start::Base, Start::Base),
    ];
    for (family, options, without, with) in by_family {
        let options: serde_json::Map<_, _> = serde_json::from_str(options).unwrap();
        let family = AnyGenerator::from_options(family, &options, 10).unwrap();
        assert_eq!((family.start(Regime::None), family.start(DP)), (without, with), "{options:?}");
    }
    for (family, options, named) in [
        ("netshare", "{}", true),
        ("netdiffusion", "{}", true),
        ("netdiffusion", r#"{"start": "study"}"#, false),
        ("netdiffusion", r#"{"base": {"steps": 9}}"#, false),
        ("netdiffusion", r#"{"preset": "paper"}"#, false),
    ] {
        let options: serde_json::Map<_, _> = serde_json::from_str(options).unwrap();
        let base = AnyGenerator::from_options(family, &options, 10).unwrap().base().unwrap();
        let shipped = Digest::from_hex(shipped(family).unwrap().unwrap().digest());
        assert_eq!(base.named, shipped.filter(|_| named), "{family} {options:?}");
    }
    for family in ["netshare", "netdiffusion"] {
        let options: serde_json::Map<_, _> = serde_json::from_str(r#"{"preset": "paper", "start": "public"}"#).unwrap();
        let error = AnyGenerator::from_options(family, &options, 10).unwrap_err().to_string();
        assert!(error.contains("needs the digest of a base in `public_base`, found none"), "{family}: {error}");
    }
    for packets in [5, 11] {
        let more = AnyGenerator::from_options("netdiffusion", &serde_json::Map::new(), packets).unwrap();
        assert_eq!(more.base().unwrap().named.is_some(), packets < 10);
    }
}

#[test]
fn small_presets_start_from_the_public_base_under_dp_and_from_scratch_without() {
    let small = NetSsm::preset("small").unwrap();
    assert_eq!((small.start(DP), small.start(Regime::None)), (Start::Base, Start::Fresh));
    assert!(small.shares_base(DP) && !small.shares_base(Regime::None));
    assert_eq!(small.base().unwrap().named, Digest::from_hex(shipped("netssm").unwrap().unwrap().digest()));
    let plan = small.plan(180, DP);
    assert_eq!((plan.sampling_rate, plan.expected_batch), (1.0, 180.0), "full batches");
    assert!((15..=60).contains(&plan.steps) && plan.trainable != Trainable::All && plan.average != Average::None);
    // Without DP nothing is as much as named, so that ids of stored models stay.
    assert!(!small.config_json(Regime::None).contains("private") && small.config_json(DP).contains("private"));
    let plan = small.plan(180, Regime::None);
    assert_eq!((plan.trainable, plan.average), (Trainable::All, Average::None));

    let of = |options: &str| {
        let options: serde_json::Map<_, _> = serde_json::from_str(options).unwrap();
        AnyGenerator::from_options("netssm", &options, 10)
    };
    assert_eq!(of(r#"{"start": "scratch"}"#).unwrap().start(DP), Start::Fresh);
    assert_eq!(of(r#"{"width": 16}"#).unwrap().start(DP), Start::Fresh, "a network of its own");
    assert_eq!(of(r#"{"preset": "paper"}"#).unwrap().start(DP), Start::Fresh);
    assert_eq!(of(r#"{"epochs": 3}"#).unwrap().start(DP), Start::Base);
    let changed = of(r#"{"private": {"trainable": "norms", "steps": 20, "batch": 30}}"#).unwrap().plan(60, DP);
    assert_eq!((changed.trainable, changed.steps, changed.sampling_rate), (Trainable::Norms, 20, 0.5));
    for (options, expected) in [
        (r#"{"start": "elsewhere"}"#, "`start` must be `public` or `scratch`"),
        (r#"{"preset": "paper", "start": "public"}"#, "needs the digest of a base in `private.base`, found none"),
        (r#"{"start": "scratch", "private": {"steps": 9}}"#, "leaves no use for `private`"),
        (r#"{"private": {"base": "abc"}}"#, "64 hexadecimal digits"),
        (r#"{"private": {"steps": 0}}"#, "`private.steps` must be at least 1"),
        (r#"{"private": {"trainable": "half"}}"#, "unknown variant `half`"),
        (r#"{"start": "public", "layout": {"packet_bytes": 80}}"#, "has the network of the preset `small`"),
    ] {
        let error = of(options).unwrap_err().to_string();
        assert!(error.contains(expected), "{options}: {error}");
    }
    assert!(parse_bases("[base.x]\ndataset = 'wide'\ntraces = 0\n").is_err());
}

/// A study of one small class that starts from a base of a digest.
fn spec(digest: &str) -> String {
    format!(
        r#"
name = "bases"
seed = 5
[[dataset]]
name = "os"
classes = ["mac"]
simulate = {{ flows = 60 }}
[traces]
packets = 2
[split]
members = 12
shadows = 1
[regimes]
none = false
epsilon = [4.0]
[generator.netssm]
private = {{ base = "{digest}", steps = 3 }}
"#
    )
}

#[test]
fn a_model_from_a_public_base_is_end_to_end_and_one_from_a_base_that_saw_private_traces_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let study = text(&folder.path().join("study.redb"));
    let (code, _, stderr) = run(&["plan", &study, &write_spec(folder.path(), &spec(&"ab".repeat(32)))]);
    assert!(code == 2 && stderr.contains("neither the study nor the program holds a base of `netssm`"), "{stderr}");

    // Captures that nobody called public.
    let captures = text(&folder.path().join("captures"));
    run_ok(&["simulate", "--dataset", "os", "--class", "ubuntu", "--flows", "60", "--out", &captures]);
    let capture = folder.path().join("captures/ubuntu/os-ubuntu-0.pcap");
    run_ok(&["ingest", &study, "--dataset", "private", "--class", "ubuntu", &text(&capture)]);
    let private = RECIPE.replace("dataset = \"wide\"", "dataset = \"private\"");
    let public = trained(folder.path(), "public", RECIPE, &[]);
    let private = trained(folder.path(), "private", &private, &["--study", &study]);

    for (weights, end_to_end) in [(&public, true), (&private, false)] {
        let digest = Digest::of(&std::fs::read(weights).unwrap()).hex();
        run_ok(&["base", "import", &study, &text(weights)]);
        run_ok(&["base", "import", &study, &text(weights)]);
        let listed = run_ok(&["base", "list", &study]);
        let line = listed.lines().find(|line| line.starts_with(&digest)).expect("it is listed");
        assert_eq!(line.contains("saw private traces"), !end_to_end, "{line}");
        run_ok(&["run", &study, &write_spec(folder.path(), &spec(&digest)), "--quiet"]);
        let all = models(&study);
        let base = all.iter().find(|model| model.weights == Digest::from_hex(&digest).map(|digest| digest.0)).unwrap();
        let own = all.iter().filter(|model| {
            model.role != Role::Base
                && model
                    .lineage
                    .iter()
                    .any(|edge| edge.kind == LineageKind::Weights && edge.source_id == base.model_id.0)
        });
        let own: Vec<_> = own.collect();
        assert_eq!(own.len(), 2, "target and shadow");
        for model in own {
            let expected = if end_to_end { Guarantee::EndToEnd } else { Guarantee::Conditional };
            assert_eq!(model.guarantee, expected);
            assert_eq!(model.epsilon_end_to_end.is_some(), end_to_end);
            assert!(model.parameters_private < model.parameters / 3, "{}", model.parameters_private);
            assert!(!model.lineage.iter().any(|edge| edge.kind == LineageKind::RandomInitialisation));
        }
    }
}

#[test]
fn a_run_brings_the_shipped_base_in_and_trains_none() {
    let folder = tempfile::tempdir().unwrap();
    let study = text(&folder.path().join("study.redb"));
    let spec = spec("")
        .replace("private = { base = \"\", steps = 3 }", "batch = 2\nprivate = { steps = 1 }")
        .replace("flows = 60", "flows = 16");
    let spec = write_spec(folder.path(), &spec.replace("members = 12", "members = 3"));
    assert!(!run_ok(&["plan", &study, &spec, "--jobs"]).contains("encode wide"));
    run_ok(&["run", &study, &spec, "--quiet"]);
    let all = models(&study);
    let bases: Vec<_> = all.iter().filter(|model| model.role == Role::Base).collect();
    let [base] = bases.as_slice() else { panic!("{} bases", bases.len()) };
    assert_eq!(base.weights, Digest::from_hex(shipped("netssm").unwrap().unwrap().digest()).map(|digest| digest.0));
    assert!(all.iter().filter(|model| model.role != Role::Base).all(|model| model.guarantee == Guarantee::EndToEnd));
    run_ok(&["verify", &study]);
}
