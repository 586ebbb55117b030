//! Damage is called damage: never a newer program's work, a fault of this one, or nothing.

use crate::common::{run, run_ok, tiny_markov, write_spec};
use rand::RngExt;
use syntrace::base::{JobId, Seed};
use syntrace::record::{JobKind, JobRecord};
use syntrace::store::{JobResult, StoreWriter};

/// Flips; `SYNTRACE_SAFETY_FACTOR` multiplies them.
const FLIPS: u64 = 40;

#[test]
fn a_damaged_study_is_said_to_be_damaged_and_no_run_of_it_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), &tiny_markov());
    run_ok(&["run", &study, &spec, "--quiet"]);
    run_ok(&["compact", &study]);
    let whole = std::fs::read(&study).unwrap();
    let factor = std::env::var("SYNTRACE_SAFETY_FACTOR").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1);
    let mut rng = Seed::root(3).named("damage").rng();
    // The first bytes say what the file is; the rest is pages.
    let fixed = [0, 9, 10, 64, 64 + 10, 128];
    let anywhere = (0..FLIPS * factor).map(|_| rng.random_range(0..whole.len()));
    let mut damaged = 0;
    for (number, at) in fixed.into_iter().chain(anywhere).enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (number % 8);
        std::fs::write(&study, &bytes).unwrap();
        let (verified, _, _) = run(&["verify", &study]);
        for arguments in [
            vec!["run", &study, &spec, "--quiet"],
            vec!["info", &study],
            vec!["sql", &study, "-c", "SELECT count(*) FROM packets"],
            vec!["query", &study, "headline"],
        ] {
            std::fs::write(&study, &bytes).unwrap();
            let (code, stdout, stderr) = run(&arguments);
            let place = format!("byte {at}, {arguments:?}, exit {code}:\n{stdout}{stderr}");
            assert!((0..=3).contains(&code), "{place}");
            for word in ["newer", "ended unexpectedly", "bug", "panicked"] {
                assert!(!stderr.contains(word), "{word}: {place}");
            }
            assert!(
                code == 0 || ["damaged", "redb", "checksum", "digest"].iter().any(|word| stderr.contains(word)),
                "{place}"
            );
            if arguments[0] == "run" && verified != 0 {
                damaged += 1;
                assert!(code != 0, "{place}");
            }
        }
    }
    assert!(damaged > FLIPS * factor / 3, "only {damaged} flips were damage");
}

#[test]
fn a_job_whose_spec_is_damaged_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb");
    let writer = StoreWriter::open_or_create(&study, 1 << 24).unwrap();
    let damaged = JobRecord {
        job_id: JobId(7),
        kind: JobKind::Plan,
        label: "plan".to_owned(),
        spec: "{\"ids\":[".to_owned(),
        inputs: Vec::new(),
        seed: 0,
        code_version: 1,
        program: String::new(),
        started_us: 0,
        finished_us: 0,
        threads: 1,
        outputs: Vec::new(),
    };
    writer.commit(JobResult::new(damaged)).unwrap();
    drop(writer);
    let study = study.to_string_lossy();
    for arguments in [vec!["sql", &*study, "-c", "SELECT * FROM models"], vec!["verify", &*study]] {
        let (code, stdout, stderr) = run(&arguments);
        let said = format!("{stdout}{stderr}");
        assert!(code != 0 && said.contains("its spec is damaged") && !said.contains("newer"), "{arguments:?}: {said}");
    }
}
