//! Names inside a study are data: whatever captures, classes, datasets and generators are called, every
//! export writes below the path that was typed and nowhere else.

use super::content::CACHE;
use crate::common::{run, run_ok};
use crate::query::study;
use std::collections::BTreeMap;
use std::path::Path;
use syntrace::base::{CaptureId, ClassId, Digest, JobId, ModelId};
use syntrace::record::*;
use syntrace::store::{JobResult, NewObject, StoreWriter};

/// What strangers may call things.
fn names() -> Vec<String> {
    let fixed = [
        "../../escaped",
        "/tmp/escaped",
        "",
        ".",
        "..",
        "none",
        "a/b",
        "a\\b",
        "x\0y",
        "-o",
        "--",
        "~",
        "$HOME",
        "%2e%2e%2f",
        "con",
        "a\nb",
        "*",
        "=",
        "generator=x",
        "__HIVE_DEFAULT_PARTITION__",
    ];
    let mut names: Vec<String> = fixed.map(str::to_owned).to_vec();
    names.push("\u{202e}\u{00e9}\u{1F980}".to_owned());
    names.push("n".repeat(5000));
    names.push("../".repeat(500));
    names
}

/// A study in which everything that has a name has one of those, and a target per name.
fn hostile(path: &Path) {
    study::write(path);
    let writer = StoreWriter::open_or_create(path, CACHE).unwrap();
    for (number, name) in names().into_iter().enumerate() {
        let number = number as i64;
        let snapshot = writer.snapshot().unwrap();
        let mut result = JobResult::new(study::job(5000 + number, JobKind::Train));
        let class_id = ClassId(70_000 + number);
        result.classes.push(ClassRecord {
            class_id,
            dataset: name.clone(),
            class: name.clone(),
            origin: Origin::Captured,
        });
        let bytes = format!("capture {number}").into_bytes();
        result.captures.push(CaptureRecord {
            capture_id: CaptureId(80_000 + number),
            digest: Digest::of(&bytes).0,
            name: name.clone(),
            ..snapshot.captures().unwrap()[0].clone()
        });
        result.objects.push(NewObject { kind: "capture", bytes });
        let model = snapshot.model(ModelId(study::TARGET)).unwrap().unwrap();
        result.models.push(ModelRecord {
            model_id: ModelId(60_000 + number),
            generator: name.clone(),
            preset: name,
            train_job: JobId(5000 + number),
            ..model
        });
        drop(snapshot);
        writer.commit(result).unwrap();
    }
}

/// Every file below a folder with its length.
fn tree(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.insert(path.to_string_lossy().into_owned(), path.metadata().unwrap().len());
        }
    }
    found
}

/// Runs an export that writes to `out`; whatever it answers, nothing but `out` is new.
fn check(folder: &Path, study: &str, what: &[&str], out: &Path) -> bool {
    let before = tree(folder);
    let text = out.to_string_lossy().into_owned();
    let (code, stdout, stderr) = run(&[&["export", study], what, &["-o", &text]].concat());
    assert!((0..=3).contains(&code) && !stderr.contains("panicked"), "{what:?}: {code} {stdout}{stderr}");
    for (path, length) in tree(folder) {
        let typed = Path::new(&path).starts_with(out) || Path::new(&path) == out.with_extension("json");
        assert!(typed || before.get(&path) == Some(&length), "{what:?} wrote {path}");
    }
    code == 0
}

#[test]
fn no_name_leads_an_export_out_of_the_path_that_was_typed() {
    // The study lies five folders deep, so that `../..` would stay inside what is compared.
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("a/b/c/d/e");
    std::fs::create_dir_all(&inner).unwrap();
    let path = inner.join("study.redb");
    hostile(&path);
    let study = path.to_string_lossy().into_owned();
    let (folder, out) = (outer.path(), |name: &str| inner.join(name));
    let escaped = Path::new("/tmp/escaped");
    assert!(!escaped.exists());
    let mut written = 0;
    for (number, name) in names().iter().enumerate().filter(|(_, name)| !name.contains('\0')) {
        let model = (60_000 + number).to_string();
        for verb in ["pcap", "pcapng", "nprint"] {
            let file = out(&format!("{number}.{verb}"));
            written += u32::from(check(
                folder,
                &study,
                &[verb, &format!("--dataset={name}"), &format!("--class={name}")],
                &file,
            ));
            check(folder, &study, &[verb, "--model", &model], &out(&format!("{number}-model.{verb}")));
        }
        check(folder, &study, &["weights", "--model", &model], &out(&format!("{number}.safetensors")));
        written += u32::from(check(folder, &study, &["capture", "--", name], &out(&format!("{number}.capture"))));
    }
    assert!(written > 40, "{written} exports wrote something");
    for format in ["parquet", "csv", "arrow"] {
        assert!(check(folder, &study, &["tables", "--format", format], &out(format)), "{format}");
    }
    assert!(check(folder, &study, &["share"], &out("shared.redb")));
    assert!(!escaped.exists(), "an export wrote outside");
    run_ok(&["report", &study, "-o", &out("report.html").to_string_lossy()]);
    assert!(!escaped.exists(), "the report wrote outside");
}

#[test]
fn every_generator_keeps_a_partition_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.redb");
    hostile(&path);
    let (study, out) = (path.to_string_lossy().into_owned(), folder.path().join("tables"));
    run_ok(&["export", &study, "tables", "--table", "models", "--format", "csv", "-o", &out.to_string_lossy()]);
    let parts: Vec<_> =
        std::fs::read_dir(out.join("models")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let pairs = "SELECT count(*) AS n FROM (SELECT DISTINCT generator, epsilon FROM models) AS pairs";
    let pairs = run_ok(&["sql", &study, "--format", "csv", "-c", pairs]);
    assert_eq!(parts.len().to_string(), pairs.lines().nth(1).unwrap(), "{parts:?}");
    let rows: usize = tree(&out)
        .keys()
        .filter(|path| path.ends_with(".csv"))
        .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        // A name with a line break takes two lines; a row begins with its model_id.
        .filter(|line| line.split(',').next().is_some_and(|first| first.parse::<i64>().is_ok()))
        .count();
    let models = run_ok(&["sql", &study, "--format", "csv", "-c", "SELECT count(*) AS n FROM models"]);
    assert_eq!(rows.to_string(), models.lines().nth(1).unwrap());
}

#[test]
fn an_answer_is_never_written_over_the_study() {
    let study = study::small();
    let path = study.path.to_string_lossy().into_owned();
    let link = study.path.with_extension("link");
    std::os::unix::fs::symlink(&study.path, &link).unwrap();
    let before = std::fs::read(&study.path).unwrap();
    let link = link.to_string_lossy().into_owned();
    for out in [&path, &link] {
        for arguments in [
            vec!["export", &path, "pcap", "--dataset", "os", "--class", "windows", "-o", out],
            vec!["export", &path, "capture", "1", "-o", out],
            vec!["export", &path, "weights", "--model", "100", "-o", out],
            vec!["report", &path, "-o", out],
        ] {
            let (code, _, stderr) = run(&arguments);
            assert!(code == 2 && stderr.contains("is the study itself"), "{arguments:?}: {stderr}");
        }
        for command in [".output", ".once"] {
            let (code, _, stderr) = run(&["sql", &path, "-c", &format!("{command} {out}\nSELECT 1;")]);
            assert!(code == 2 && stderr.contains("is the study itself"), "{command}: {stderr}");
        }
    }
    assert!(std::fs::read(&study.path).unwrap() == before);
}
