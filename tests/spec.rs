//! Tests of specs: what is written is what is meant, and what is wrong is said with its place.

use std::path::Path;
use syntrace::record::{PrivacyUnit, Regime};
use syntrace::spec::{DEMO, SourceSpec, Spec};

const GOOD: &str = r#"
name = "t"
seed = 3
[[dataset]]
name = "os"
simulate = { flows = 50 }
[split]
members = 10
shadows = 2
[regimes]
epsilon = [0.5, 4.0]
"#;

fn check_error(text: &str, message: &str, hint: &str) {
    let error = Spec::parse(text, Path::new(".")).unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(error.exit_code(), 2);
    if !hint.is_empty() {
        assert!(error.hint_text().unwrap_or("").contains(hint), "{error:?}");
    }
}

#[test]
fn the_specs_of_the_repository_resolve() {
    let spec = Spec::parse(DEMO, Path::new(".")).unwrap();
    assert_eq!((spec.datasets.len(), spec.regimes.len(), spec.generators.len()), (2, 2, 7));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("studies");
    for entry in std::fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.file_name() != "policy.toml") {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        if entry.file_name() == "bases.toml" {
            assert!(!syntrace::spec::parse_bases(&text).unwrap().is_empty());
            continue;
        }
        let spec = Spec::parse(&text, &folder).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
        assert_eq!(entry.path().file_stem().unwrap().to_str(), Some(spec.name.as_str()));
    }
}

#[test]
fn the_unit_of_privacy_is_the_trace_unless_a_spec_says_host() {
    let unit = |text: &str| Spec::parse(&format!("{text}{GOOD}"), Path::new(".")).unwrap().split.unit;
    assert_eq!(unit(""), PrivacyUnit::Trace);
    assert_eq!(unit("unit = 'trace'\nhost_traces = 7\n"), PrivacyUnit::Trace);
    assert_eq!(unit("unit = 'host'\n"), PrivacyUnit::Host { traces_max: 4 });
    assert_eq!(unit("unit = 'host'\nhost_traces = 7\n"), PrivacyUnit::Host { traces_max: 7 });
    check_error(&format!("unit = 'user'\n{GOOD}"), "`unit` must be `trace` or `host`, found `user`", "");
    check_error(&format!("unit = 'host'\nhost_traces = 0\n{GOOD}"), "`host_traces` must be at least 1, found `0`", "");
}

#[test]
fn regimes_are_none_first_then_falling_epsilon() {
    let spec = Spec::parse(GOOD, Path::new(".")).unwrap();
    let delta = 1e-5;
    let expected = vec![Regime::None, Regime::Dp { epsilon: 4.0, delta }, Regime::Dp { epsilon: 0.5, delta }];
    assert_eq!(spec.regimes, expected);
    assert_eq!(spec.datasets[0].source, SourceSpec::Simulate { flows: 50 });
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    check_error(
        &GOOD.replace("shadows = 2", "shadow = 2"),
        "line 9: unknown field `shadow`",
        "did you mean `shadows`?",
    );
    check_error(&GOOD.replace("[regimes]", "[regimen]"), "unknown field `regimen`", "did you mean `regimes`?");
}

#[test]
fn epsilon_at_or_below_zero_is_refused() {
    check_error(&GOOD.replace("0.5, 4.0", "0.0"), "epsilon must be above 0, found `0`", "");
    check_error(&GOOD.replace("0.5, 4.0", "-1.0"), "epsilon must be above 0, found `-1`", "");
    check_error(&GOOD.replace("0.5, 4.0", "inf"), "infinite epsilon", "none = true");
}

#[test]
fn impossible_sizes_and_words_are_refused() {
    check_error(&GOOD.replace("members = 10", "members = 1"), "`split.members` must be at least 2", "");
    check_error(&GOOD.replace("shadows = 2", "shadows = 0"), "`split.shadows` must be at least 1", "");
    check_error(&format!("{GOOD}\ndelta = 1.0"), "delta must be between 0 and 1", "");
    check_error(&format!("{GOOD}\nnoise = \"dice\""), "found `dice`", "");
    check_error(
        &GOOD.replace("simulate = { flows = 50 }", "classes = []"),
        "empty list of classes",
        "leave `classes` out",
    );
    check_error("name = \"x\"", "missing field `dataset`", "");
}
