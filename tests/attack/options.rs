//! Options of attacks: presets overlaid by what a spec writes.

use serde_json::{Map, Value, json};
use syntrace::attack::AttackKind;
use syntrace::record::NamedScalar;

fn table(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn written_keys_replace_those_of_the_preset_and_no_others() {
    let plain: Value = serde_json::from_str(&AttackKind::Ocsvm.attack().options()).unwrap();
    assert_eq!(plain["nu"], json!(0.5));
    assert_eq!(plain["gamma"], json!("scale"));
    assert_eq!(plain["iterations_max"], json!(1000));
    let written = table(json!({ "nu": 0.1, "gamma": 0.25 }));
    let attack = AttackKind::Ocsvm.with(&written, &[]).unwrap().unwrap();
    let changed: Value = serde_json::from_str(&attack.options()).unwrap();
    assert_eq!((&changed["nu"], &changed["gamma"]), (&json!(0.1), &json!(0.25)));
    assert_eq!(changed["tolerance"], plain["tolerance"]);
}

#[test]
fn unknown_keys_wrong_types_and_values_out_of_range_are_refused() {
    let refused = |kind: AttackKind, value: Value| match kind.with(&table(value), &[]) {
        Err(error) => format!("{error}; {}", error.hint_text().unwrap_or_default()),
        Ok(_) => panic!("expected an error"),
    };
    let text = refused(AttackKind::Ocsvm, json!({ "mu": 0.1 }));
    assert!(text.contains("unknown key `mu`; known keys: `gamma`"), "{text}");
    assert!(refused(AttackKind::Ocsvm, json!({ "nu": 1.5 })).contains("`nu` must be above 0 and at most 1"));
    assert!(refused(AttackKind::Mlp, json!({ "epochs": "ten" })).contains("invalid type: string"));
    assert!(refused(AttackKind::RandomForest, json!({ "trees": 0 })).contains("`trees` must be at least 1"));
    assert!(refused(AttackKind::Rmia, json!({ "offline_a": 2.0 })).contains("`offline_a` must be between 0 and 1"));
    assert!(refused(AttackKind::Threshold, json!({ "cut": 2.0 })).contains("unknown key `cut`"));
    let both = json!({ "statistic": "loss", "column": 2 });
    assert!(refused(AttackKind::Threshold, both).contains("found both `statistic = \"loss\"` and `column`"));
    let logit = json!({ "column": 1, "transform": "logit" });
    assert!(refused(AttackKind::Lira, logit).contains("reads a probability out of the loss"));
}

#[test]
fn scalars_are_found_by_name_and_a_missing_one_is_no_error() {
    let scalars = [NamedScalar { name: "entropy", start: 2, step: 5, tail: 8, member_high: false }];
    let written = table(json!({ "statistic": "entropy" }));
    let attack = AttackKind::Threshold.with(&written, &scalars).unwrap().unwrap();
    let options: Value = serde_json::from_str(&attack.options()).unwrap();
    assert_eq!(options["statistic"]["places"], json!({ "start": 2, "step": 5, "tail": 8 }));
    assert_eq!(options["statistic"]["direction"], json!("low"));
    assert!(AttackKind::Threshold.with(&written, &[]).unwrap().is_none());
    assert!(AttackKind::Lira.with(&written, &[]).unwrap().is_none());
    let column = AttackKind::Threshold.with(&table(json!({ "column": 3 })), &[]).unwrap().unwrap();
    assert!(column.options().contains(r#""direction":"learnt""#));
}
