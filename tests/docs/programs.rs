//! The programs of `examples/` are modules here, so that they are not linked one by one, and say what they promise.

#[path = "../../examples/ask.rs"]
mod ask;
#[path = "../../examples/attack.rs"]
mod attack;
#[path = "../../examples/epsilon.rs"]
mod epsilon;

use syntrace::privacy::Accountant;

#[test]
fn the_example_of_accounting_meets_its_budget() {
    let noise = epsilon::needed().unwrap();
    let (rdp, pld) = (epsilon::spent(noise, Accountant::Rdp).unwrap(), epsilon::spent(noise, Accountant::Pld).unwrap());
    assert!(pld < rdp && rdp <= 4.0 && rdp > 3.999, "{pld} and {rdp} at {noise}");
    epsilon::main().unwrap();
}

#[test]
fn the_example_of_an_attack_finds_the_planted_leak() {
    let found = attack::attacked().unwrap();
    // Losses are uniform over a nat and half a nat apart: Pr[member's is lower] = 1 - 0.5^2 / 2.
    assert!((found.auc.value - 0.875).abs() < 0.02 && found.auc.low > 0.5, "{:?}", found.auc);
    attack::main().unwrap();
}

#[test]
fn the_example_of_a_question_has_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let answer = ask::answered(&folder.path().join("s.redb")).unwrap();
    assert_eq!(answer.header, ["position", "packets", "mean_bytes", "bits"]);
    assert_eq!(answer.rows.len(), 3);
    assert_eq!(answer.rows[0][0], "0");
    ask::main().unwrap();
}
