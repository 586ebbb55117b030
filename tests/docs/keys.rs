//! The keys of a spec: the annotated one is complete and states the defaults; tables of the generators' and attacks' keys
//! come from their types.

use super::{MARKER, blocks, check_generated, read, repository};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use syntrace::attack::AttackKind;
use syntrace::model::{AnyGenerator, generator_names};
use syntrace::record::Regime;
use syntrace::spec::Spec;

const PAGE: &str = "docs/src/specs.md";
/// A spec of required keys alone.
const LEAST: &str = "name = 'example'\n[[dataset]]\nname = 'os'\nclasses = ['windows', 'mac']\nsimulate = { flows = 240 }\n\
    [[dataset]]\nname = 'office'\nfolder = 'captures/office'\n[split]\nmembers = 40\nshadows = 2\n";

/// A field or a variant: name, type, doc comment.
struct Member {
    name: String,
    kind: String,
    doc: String,
}

/// The members of `pub struct NAME` or `pub enum NAME` as written in any source of the workspace; its attributes too.
fn members(name: &str) -> Option<(String, Vec<Member>)> {
    let heads = [format!("pub struct {name} {{"), format!("pub enum {name} {{")];
    for text in sources() {
        let Some((before, rest)) = heads.iter().find_map(|head| text.split_once(head.as_str())) else { continue };
        let attributes = before.rsplit("\n\n").next().unwrap_or_default().to_owned();
        let body = rest.split("\n}").next().unwrap_or_default();
        let (mut found, mut doc) = (Vec::new(), String::new());
        for line in body.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("///") {
                doc.push_str(text);
            } else if !line.is_empty() && !line.starts_with('#') {
                let line = line.trim_start_matches("pub ").trim_end_matches(',');
                let (name, kind) = line.split_once(": ").unwrap_or((line, ""));
                let doc = std::mem::take(&mut doc).trim().trim_end_matches('.').to_owned();
                found.push(Member { name: name.to_owned(), kind: kind.to_owned(), doc });
            }
        }
        return Some((attributes, found));
    }
    None
}

/// All sources of the members of the workspace.
fn sources() -> impl Iterator<Item = &'static str> {
    static ALL: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
        fn walk(folder: &Path, into: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    walk(&entry.path(), into);
                } else if entry.path().extension().is_some_and(|ending| ending == "rs") {
                    into.push(std::fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        let mut all = Vec::new();
        for member in ["model", "traffic", "attack", "measure", "spec"] {
            walk(&repository(&format!("crates/{member}/src")), &mut all);
        }
        all
    });
    ALL.iter().map(String::as_str)
}

/// The names that a table of the spec may have: `serde` lists them where one is unknown.
fn known_keys(table: &str) -> BTreeSet<String> {
    let written = match table {
        "" => format!("unknown_key = 1\n{LEAST}"),
        "dataset" => LEAST.replace("simulate =", "unknown_key = 1\nsimulate ="),
        "dataset.simulate" => LEAST.replace("flows = 240", "flows = 240, unknown_key = 1"),
        "split" => format!("{LEAST}unknown_key = 1\n"),
        _ => format!("{LEAST}[{table}]\nunknown_key = 1\n"),
    };
    let error = Spec::parse(&written, Path::new("")).unwrap_err().to_string();
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{table}: {error}"));
    expected.lines().next().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn keys_of(table: &toml::Table, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for (key, value) in table {
        found.entry(path.to_owned()).or_default().insert(key.clone());
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => keys_of(table, &inner, found),
            toml::Value::Array(items) => {
                items.iter().filter_map(toml::Value::as_table).for_each(|table| keys_of(table, &inner, found));
            }
            _ => {}
        }
    }
}

#[test]
fn the_annotated_spec_has_every_key_and_states_the_defaults() {
    let text = read(PAGE);
    let (_, _, spec) = blocks(&text).into_iter().find(|(language, ..)| language == "toml").expect("an annotated spec");
    Spec::parse(&spec, Path::new("")).unwrap();
    let mut found = BTreeMap::new();
    keys_of(&toml::from_str(&spec).unwrap(), "", &mut found);
    let tables = ["", "dataset", "dataset.simulate", "traces", "split", "regimes", "synthesis", "utility", "audit"];
    for table in tables {
        assert_eq!(found.get(table), Some(&known_keys(table)), "keys of [{table}] in {PAGE}");
    }
    // What is optional has no default; the rest is written at it.
    let optional = ["threads", "device"];
    let stated = spec.lines().filter(|line| !optional.iter().any(|key| line.starts_with(&format!("{key} ="))));
    let mut stated = Spec::parse(&stated.collect::<Vec<_>>().join("\n"), Path::new("")).unwrap();
    stated.generators.clear();
    stated.attacks.clear();
    assert_eq!(stated, Spec::parse(LEAST, Path::new("")).unwrap());
}

/// `config` flattened: `layout.padded` beside its value.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    for (key, value) in value.as_object().unwrap() {
        match value {
            Value::Object(_) => flatten(&format!("{prefix}{key}."), value, into),
            _ => drop(into.insert(format!("{prefix}{key}"), value.clone())),
        }
    }
}

/// Meaning of a key: the doc comment of its field, and the values of an enumeration.
fn meaning(structure: &str, key: &str) -> String {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let (_, fields) = members(structure).unwrap_or_else(|| panic!("no declaration of {structure}"));
    let field = fields.iter().find(|field| field.name == first).unwrap_or_else(|| panic!("{structure} has no {first}"));
    if !rest.is_empty() {
        let inner = field.kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>'));
        return meaning(inner.unwrap_or(&field.kind), rest);
    }
    assert!(!field.doc.is_empty(), "{structure}.{first} has no doc comment");
    let mut text = field.doc.clone();
    if let Some((attributes, variants)) =
        members(&field.kind).filter(|(attributes, _)| attributes.contains("rename_all"))
    {
        let separator = if attributes.contains("kebab-case") { '-' } else { '_' };
        for (index, variant) in variants.iter().enumerate() {
            let mut name = String::new();
            for letter in variant.name.chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push(separator);
                }
                name.extend(letter.to_lowercase());
            }
            let _ = write!(text, "{} `{name}`: {}", if index == 0 { "." } else { ";" }, variant.doc);
        }
    }
    text.replace('|', "\\|")
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("-".to_owned(), |value| match value {
        Value::Null => "none".to_owned(),
        value => format!("`{value}`"),
    })
}

/// A table of keys: one column of defaults for each preset.
fn key_table(structure: &str, presets: &[(&str, BTreeMap<String, Value>)], left_out: &[&str]) -> String {
    let names: Vec<&str> = presets.iter().map(|(name, _)| *name).collect();
    let mut text =
        format!("| key | {} | meaning |\n| --- |{} --- |\n", names.join(" | "), " --- |".repeat(names.len()));
    let keys: BTreeSet<&String> = presets.iter().flat_map(|(_, values)| values.keys()).collect();
    for key in keys.into_iter().filter(|key| !left_out.iter().any(|out| key.split('.').next() == Some(out))) {
        let defaults: Vec<String> = presets.iter().map(|(_, values)| shown(values.get(key))).collect();
        let _ = writeln!(text, "| `{key}` | {} | {} |", defaults.join(" | "), meaning(structure, key));
    }
    // What no preset sets.
    let set =
        |name: &str| presets.iter().any(|(_, values)| values.keys().any(|key| key.split('.').next() == Some(name)));
    let fields = members(structure).map(|(_, fields)| fields).unwrap_or_default();
    for field in fields.iter().filter(|field| !set(&field.name)) {
        let _ =
            writeln!(text, "| `{}` |{} {} |", field.name, " - |".repeat(names.len()), meaning(structure, &field.name));
    }
    text
}

fn generator_tables() -> String {
    let structures = [
        ("markov", "MarkovConfig"),
        ("netdiffusion", "NetDiffusionConfig"),
        ("netdpsyn", "NetDpSynConfig"),
        ("netpool", "NetPoolConfig"),
        ("netshare", "NetShareConfig"),
        ("netssm", "NetSsmConfig"),
    ];
    assert_eq!(structures.map(|(name, _)| name), generator_names());
    let mut text = String::from(
        "## Generators: keys of each family\n\nBesides these, every table may have `family` (the family, where the table \
         has another name) and `preset`. `packets`\nfollows `traces.packets` unless it is written.\n",
    );
    for (name, structure) in structures {
        let presets = ["small", "paper"].map(|preset| {
            let mut options = Map::new();
            options.insert("preset".to_owned(), preset.into());
            let config = AnyGenerator::from_options(name, &options, 10)
                .unwrap()
                .config_json(Regime::Dp { epsilon: 4.0, delta: 1e-5 });
            let mut flat = BTreeMap::new();
            flatten("", &serde_json::from_str(&config).unwrap(), &mut flat);
            (preset, flat)
        });
        let _ = write!(text, "\n### `{name}`\n\n{}", key_table(structure, &presets, &[]));
    }
    text
}

fn attack_tables() -> String {
    let structures = [
        ("MlpOptions", vec![AttackKind::Mlp, AttackKind::MlpTuned]),
        ("OcsvmOptions", vec![AttackKind::Ocsvm, AttackKind::OcsvmConverged]),
        ("ForestOptions", vec![AttackKind::RandomForest]),
        ("LiraOptions", vec![AttackKind::Lira, AttackKind::LiraOnline]),
        ("RmiaOptions", vec![AttackKind::Rmia]),
        ("", vec![AttackKind::Threshold]),
    ];
    assert_eq!(structures.iter().map(|(_, kinds)| kinds.len()).sum::<usize>(), AttackKind::ALL.len());
    let mut text = String::from("\n## Attacks: keys of each kind\n");
    for (structure, kinds) in structures {
        let presets: Vec<(&str, BTreeMap<String, Value>)> = kinds
            .iter()
            .map(|kind| {
                let options: BTreeMap<String, Value> = serde_json::from_str(&kind.attack().options()).unwrap();
                (kind.name(), options)
            })
            .collect();
        let names: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.name())).collect();
        let table = key_table(structure, &presets, &["criterion", "kind", "prior", "statistic"]);
        let table = if structure.is_empty() { "No keys of its own.\n".to_owned() } else { table };
        let _ = write!(text, "\n### {}\n\n{table}", names.join(", "));
    }
    text
}

#[test]
fn the_tables_of_generators_and_attacks_are_those_of_their_types() {
    assert!(read(PAGE).contains(MARKER));
    check_generated(PAGE, &format!("\n{}{}", generator_tables(), attack_tables()));
}
