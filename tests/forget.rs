//! Forgetting: what goes, what stays, and that nothing of it is left in the file.

use crate::common::{TINY_SPEC, run, run_ok, write_spec};
use std::path::Path;

/// Bytes that no packer makes smaller, so that they are in a study's file as they are.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    use rand::Rng;
    let mut bytes = vec![0; length];
    syntrace::base::Seed::root(seed).rng().fill_bytes(&mut bytes);
    bytes
}

struct Study {
    folder: tempfile::TempDir,
}

impl Study {
    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn path(&self) -> String {
        self.at("study.redb")
    }

    fn ingest(&self, name: &str, class: &str, payload: &[u8]) {
        use crate::capture::build::{ethernet, ipv4, pcap, udp};
        let frames: Vec<Vec<u8>> = payload
            .chunks(1000)
            .enumerate()
            .map(|(port, part)| {
                ethernet(0x0800, &ipv4(17, [10, 0, 0, 1], [10, 0, 0, 2], &udp(port as u16 + 1, 53, part)))
            })
            .collect();
        std::fs::write(self.at(name), pcap(1, &frames)).unwrap();
        run_ok(&["ingest", &self.path(), "--dataset", "x", "--class", class, &self.at(name)]);
    }

    /// Models of a generator on class `a`: a shadow and the target, each with weights and an attribute.
    fn import(&self) {
        let traces = self.sql("SELECT trace_id FROM traces WHERE class = 'a' ORDER BY 1");
        let mut members = "trace,member\n".to_owned();
        for (row, trace) in traces.lines().skip(1).enumerate() {
            members += &format!("{trace},{}\n", row % 2);
        }
        std::fs::write(self.at("members.csv"), members).unwrap();
        let values: Vec<u8> =
            (0..traces.lines().count() as u16 - 1).flat_map(|row| f32::from(row).to_le_bytes()).collect();
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}\n", values.len() / 4);
        let npy =
            [b"\x93NUMPY\x01\0", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), &values].concat();
        std::fs::write(self.at("critic.npy"), npy).unwrap();
        for (number, role) in [(10, &["--shadow", "0", "--no-evaluate"][..]), (11, &["--attack", "random_forest"])] {
            std::fs::write(self.at("weights.pt"), noise(20_000, number)).unwrap();
            let one = ["import", &self.path(), "--generator", "gan", "--dataset", "x", "--class", "a"];
            let files = [&self.at("members.csv"), &self.at("critic.npy"), &self.at("weights.pt")];
            let files = ["--members", files[0], "--attributes", files[1], "--weights", files[2]];
            run_ok(&[&one[..], &files, role].concat());
        }
    }

    fn sql(&self, query: &str) -> String {
        run_ok(&["sql", &self.path(), "--format", "csv", "-c", query])
    }

    fn counts(&self, tables: &[&str]) -> Vec<usize> {
        let count = |table: &&str| self.sql(&format!("SELECT count(*) FROM {table}")).lines().nth(1).unwrap().parse();
        tables.iter().map(|table| count(table).unwrap()).collect()
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        let file = std::fs::read(self.path()).unwrap();
        file.windows(bytes.len()).any(|window| window == bytes)
    }
}

fn study() -> Study {
    let study = Study { folder: tempfile::tempdir().unwrap() };
    study.ingest("secret one.pcap", "a", &noise(20_000, 1));
    study.ingest("other.pcap", "b", &noise(20_000, 2));
    study.import();
    study
}

const TABLES: [&str; 6] = ["captures", "traces", "models", "attributes", "attacks", "classes"];

/// 100 bytes out of what is written as one piece.
fn part(bytes: &[u8]) -> &[u8] {
    &bytes[1200..1300]
}

#[test]
fn a_forgotten_model_goes_with_its_results_and_leaves_no_byte() {
    let study = study();
    assert_eq!(study.counts(&TABLES), [2, 40, 2, 40, 2, 2]);
    let (shadow, target) = (noise(20_000, 10), noise(20_000, 11));
    assert!(study.holds(part(&shadow)) && study.holds(part(&target)));
    let before = std::fs::read(study.path()).unwrap();
    let forget = ["forget", &study.path(), "--model", "gan x/a none target"];
    // Nobody is there to be asked.
    let (code, _, stderr) = run(&forget);
    assert!(code == 2 && stderr.contains("--yes") && stderr.contains("1 attack"), "{stderr}");
    assert_eq!(run(&[&forget[..], &["--dry-run"]].concat()).0, 0);
    let same = std::fs::read(study.path()).unwrap().len() == before.len();
    assert!(same && study.counts(&TABLES) == [2, 40, 2, 40, 2, 2]);
    run_ok(&[&forget[..], &["--yes"]].concat());
    assert_eq!(study.counts(&TABLES), [2, 40, 1, 20, 0, 2]);
    assert!(study.holds(part(&shadow)) && !study.holds(part(&target)));
    run_ok(&["verify", &study.path()]);
    // It comes back as if it had never been there.
    study.import();
    assert_eq!(study.counts(&TABLES), [2, 40, 2, 40, 2, 2]);
    let (code, _, stderr) = run(&["forget", &study.path(), "--model", "gan x/a none targe", "--yes"]);
    assert!(code == 2 && stderr.contains("did you mean `gan x/a none target`?"), "{stderr}");
}

#[test]
fn a_forgotten_capture_goes_with_all_that_was_made_of_it_and_leaves_no_byte() {
    let study = study();
    let (secret, other) = (noise(20_000, 1), noise(20_000, 2));
    assert!(study.holds(part(&secret)) && study.holds(part(&other)) && study.holds(b"secret one"));
    let (code, _, stderr) = run(&["forget", &study.path(), "--capture", "secret one.pcap", "--yes"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("model gan x/a none shadow0") && stderr.contains("2 import"), "{stderr}");
    assert_eq!(study.counts(&TABLES), [1, 20, 0, 0, 0, 1]);
    assert!(!study.holds(part(&secret)) && !study.holds(b"secret one") && study.holds(part(&other)));
    assert!(!study.holds(part(&noise(20_000, 10))), "its models' weights");
    run_ok(&["verify", &study.path()]);
    run_ok(&["export", &study.path(), "capture", "other.pcap", "-o", &study.at("back.pcap")]);
    assert_eq!(std::fs::read(study.at("back.pcap")).unwrap(), std::fs::read(study.at("other.pcap")).unwrap());
    assert_eq!(run_ok(&["merge", &study.at("fresh"), &study.path()]), "");
}

#[test]
fn a_forgotten_dataset_leaves_captures_that_another_one_has() {
    let study = study();
    let capture = study.at("other.pcap");
    run_ok(&["ingest", &study.path(), "--dataset", "y", "--class", "c", &capture, &study.at("secret one.pcap")]);
    run_ok(&["forget", &study.path(), "--dataset", "x/a", "--yes"]);
    assert_eq!(study.counts(&TABLES), [2, 60, 0, 0, 0, 2]);
    run_ok(&["forget", &study.path(), "--dataset", "x", "--yes"]);
    assert_eq!(study.counts(&TABLES), [2, 40, 0, 0, 0, 1]);
    run_ok(&["verify", &study.path()]);
    // What the forgotten ingests alone had listed is listed by those that stay: all of it merges.
    let fresh = study.at("fresh");
    assert_eq!(run_ok(&["merge", &fresh, &study.path()]), "");
    run_ok(&["export", &fresh, "capture", "other.pcap", "-o", &study.at("back.pcap")]);
    assert_eq!(std::fs::read(study.at("back.pcap")).unwrap(), std::fs::read(capture).unwrap());
    run_ok(&["verify", &fresh]);
}

#[test]
fn a_renamed_capture_has_its_new_name_everywhere_and_the_old_one_nowhere() {
    let study = study();
    run_ok(&["rename", &study.path(), "--capture", "secret one.pcap", "--to", "plain.pcap"]);
    assert_eq!(study.sql("SELECT name FROM captures ORDER BY 1"), "name\nother.pcap\nplain.pcap\n");
    let labels = study.sql("SELECT label FROM jobs WHERE kind = 'ingest' ORDER BY 1");
    assert_eq!(labels, "label\ningest x/a plain.pcap\ningest x/b other.pcap\n");
    assert!(!study.holds(b"secret one"));
    run_ok(&["verify", &study.path()]);
    run_ok(&["export", &study.path(), "capture", "plain.pcap", "-o", &study.at("back.pcap")]);
    for (from, to, hint) in [("none.pcap", "x.pcap", "has no capture"), ("plain.pcap", "other.pcap", "already")] {
        let (code, _, stderr) = run(&["rename", &study.path(), "--capture", from, "--to", to]);
        assert!(code == 2 && stderr.contains(hint), "{stderr}");
    }
    assert_eq!(study.counts(&TABLES), [2, 40, 2, 40, 2, 2]);
    assert!(Path::new(&study.path()).exists());
}

#[test]
fn a_renamed_dataset_is_cut_anew_and_its_results_go_after_that_was_said() {
    let study = study();
    let rename = ["rename", &study.path(), "--dataset", "x", "--to", "y"];
    let (code, _, stderr) = run(&rename);
    assert!(code == 2 && stderr.contains("model gan x/a none target") && stderr.contains("--yes"), "{stderr}");
    assert_eq!(study.counts(&TABLES), [2, 40, 2, 40, 2, 2]);
    run_ok(&[&rename[..], &["--yes"]].concat());
    assert_eq!(study.counts(&TABLES), [2, 40, 0, 0, 0, 2]);
    let classes = "SELECT dataset, class, count(*) AS n FROM traces GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(study.sql(classes), "dataset,class,n\ny,a,20\ny,b,20\n");
    run_ok(&["verify", &study.path()]);
    // Without results there is nothing to ask; what comes out is what an ingest under that name gives.
    run_ok(&["rename", &study.path(), "--dataset", "y/a", "--to", "y/c"]);
    let before = study.sql("SELECT job_id, label FROM jobs ORDER BY 1");
    assert!(before.contains("ingest y/c secret one.pcap") && !before.contains("y/a"), "{before}");
    run_ok(&["ingest", &study.path(), "--dataset", "y", "--class", "c", &study.at("secret one.pcap")]);
    assert_eq!(study.sql("SELECT job_id, label FROM jobs ORDER BY 1"), before);
    let (code, _, stderr) = run(&["rename", &study.path(), "--dataset", "y/c", "--to", "z"]);
    assert!(code == 2 && stderr.contains("of the same kind"), "{stderr}");
}

/// Models of a cohort are trained together: one of them goes alone, and a run trains it alone again.
#[cfg(feature = "torch")]
#[test]
fn one_model_of_a_cohort_is_forgotten_alone_and_trained_again() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), TINY_SPEC);
    run_ok(&["run", &study, &spec, "--quiet"]);
    let models =
        |study: &str| run_ok(&["sql", study, "--format", "csv", "-c", "SELECT model_id, name FROM models ORDER BY 1"]);
    let before = models(&study);
    assert_eq!(before.lines().count(), 7);
    run_ok(&["forget", &study, "--model", "netssm os/mac none shadow0", "--yes"]);
    assert_eq!(models(&study).lines().count(), 6);
    run_ok(&["verify", &study]);
    let plan = run_ok(&["plan", &study, &spec, "--jobs"]);
    assert!(plan.contains("train netssm os/mac none shadow0") && !plan.contains("train netssm os/mac eps"), "{plan}");
    run_ok(&["run", &study, &spec, "--quiet"]);
    assert_eq!(models(&study), before);
    run_ok(&["verify", &study]);
}

/// A plan names its datasets and classes: what is left of it names those that are left.
#[cfg(feature = "torch")]
#[test]
fn a_forgotten_class_is_named_by_no_plan() {
    let study = Study { folder: tempfile::tempdir().unwrap() };
    let spec = write_spec(study.folder.path(), &TINY_SPEC.replace("[\"mac\"]", "[\"mac\", \"ubuntu\"]"));
    run_ok(&["run", &study.path(), &spec, "--quiet"]);
    assert!(study.holds(b"ubuntu"));
    let plans = study.sql("SELECT plan FROM plans");
    run_ok(&["forget", &study.path(), "--dataset", "os/ubuntu", "--yes"]);
    assert!(!study.holds(b"ubuntu"), "{}", study.sql("SELECT kind, label FROM jobs WHERE spec LIKE '%ubuntu%'"));
    assert_eq!(study.sql("SELECT count(*) AS n, count(plan) AS planned FROM models"), "n,planned\n6,6\n");
    assert_ne!(study.sql("SELECT plan FROM plans"), plans, "it asks for less: another plan");
    run_ok(&["verify", &study.path()]);
    run_ok(&["forget", &study.path(), "--dataset", "os", "--yes"]);
    assert_eq!(study.counts(&["jobs", "plans", "models"]), [0, 0, 0]);
}
