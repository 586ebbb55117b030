//! What whoever receives the synthetic traffic could learn of the members, and what whoever may ask the models could.

use super::answer::Answer;
use super::budget::Budget;
use super::sentence::{Draft, Sentence, draft};
use syntrace_base::error::Result;

/// The largest p-value of leakage that is told as a finding.
const P_VALUE_MAX: f64 = 0.01;

/// Sentences over `strongest_by_access` and `leaks_by_model`.
pub(super) fn outsider(access: &Answer, leaks: &Answer) -> Result<Vec<Sentence>> {
    let mut found = Vec::new();
    if access.is_empty() {
        return Ok(found);
    }
    let holders = [
        ("synthetic traffic", "Whoever has the synthetic traffic alone"),
        ("model", "Whoever may ask the model about a trace"),
    ];
    for (holds, who) in holders {
        found.extend(recognised(access, holds, who)?);
    }
    let names = access.names("access")?;
    if !names.iter().any(|name| name == "synthetic traffic") {
        let text = "What whoever has the synthetic traffic alone can tell is not known: no attack from outside was run \
                    (`synthesis.shadows = true` in a spec).";
        found.insert(0, draft().text(text).done());
    }
    found.extend(stands(leaks, ("identifiers", "conversation"), "members have a conversation (who talks to whom) that no trace of the control has and that stands in the synthetic traffic")?);
    found.extend(stands(leaks, ("exact_copies", "trace"), "synthetic traces are a member, byte for byte")?);
    Ok(found)
}

/// The model of each kind of regime whose members are recognised best by an attack of some access.
fn recognised(answer: &Answer, holds: &str, who: &str) -> Result<Option<Sentence>> {
    let trained = Budget::of(answer)?;
    let (accesses, units) = (answer.names("access")?, answer.names("unit")?);
    let auc = answer.numbers("auc")?;
    let mut sentence = draft();
    for of_kind in Budget::KINDS {
        let here = |row: &usize| accesses[*row] == holds && units[*row] == "trace" && of_kind(trained[*row]);
        let best = (0..answer.rows())
            .filter(here)
            .max_by(|left, right| auc[*left].unwrap_or(0.0).total_cmp(&auc[*right].unwrap_or(0.0)));
        let Some(row) = best else { continue };
        sentence = match sentence.is_empty() {
            true => sentence.strong(who).text(" tells members from held-out traces best "),
            false => sentence.text("; "),
        };
        sentence = clause(sentence, answer, row, trained[row])?;
    }
    Ok((!sentence.is_empty()).then(|| sentence.text(".").done()))
}

/// `of netssm at epsilon 4: AUC 0.51 (0.47 to 0.55) by mlp on mean_logits, not told from chance`.
fn clause(sentence: Draft, answer: &Answer, row: usize, budget: Budget) -> Result<Draft> {
    let names = |column: &str| Ok::<_, syntrace_base::error::Error>(answer.names(column)?[row].clone());
    let (generator, attack, attribute) = (names("generator")?, names("attack")?, names("attribute")?);
    let trained = match budget {
        Budget::NoDp => "without DP".to_owned(),
        Budget::Anonymised => "on anonymised traces".to_owned(),
        Budget::Epsilon(_) => format!("at {}", budget.words()),
    };
    let sentence = sentence.text("of ").strong(generator).text(format!(" {trained}: AUC ")).real(answer, row, "auc")?;
    let sentence = sentence.text(" (").real(answer, row, "auc_low")?.text(" to ").real(answer, row, "auc_high")?;
    let mut sentence = sentence.text(format!(") by {attack} on {attribute}"));
    if answer.numbers("auc_low")?[row].is_none_or(|low| low <= 0.5) {
        sentence = sentence.text(", not told from chance");
    }
    // What is known of hosts stands in the next row.
    let units = answer.names("unit")?;
    if units.get(row + 1).is_some_and(|unit| unit == "host") {
        sentence = sentence.text(", and hosts by all of their traces with ").real(answer, row + 1, "auc")?;
        if answer.numbers("auc_low")?.get(row + 1).copied().flatten().is_some() {
            sentence = sentence.text(" (").real(answer, row + 1, "auc_low")?.text(" to ");
            sentence = sentence.real(answer, row + 1, "auc_high")?.text(")");
        }
    }
    Ok(sentence)
}

/// The model into whose synthetic traffic most of a measure leaks, if that is told from what the control explains.
fn stands(leaks: &Answer, (measure, kind): (&str, &str), what: &str) -> Result<Option<Sentence>> {
    let (measures, kinds) = (leaks.names("measure")?, leaks.names("kind")?);
    let (excess, p_values) = (leaks.numbers("excess")?, leaks.numbers("p_value")?);
    let told = |row: &usize| {
        measures[*row] == measure && kinds[*row] == kind && p_values[*row].is_some_and(|p| p <= P_VALUE_MAX)
    };
    let most = (0..leaks.rows())
        .filter(told)
        .max_by(|left, right| excess[*left].unwrap_or(0.0).total_cmp(&excess[*right].unwrap_or(0.0)));
    let Some(row) = most else { return Ok(None) };
    let (generators, classes, regimes) = (leaks.names("generator")?, leaks.names("class")?, leaks.names("regime")?);
    let sentence = draft().text("Of ").strong(generators[row].clone());
    let sentence = sentence.text(format!(" ({}, {}), ", classes[row], regimes[row])).whole(leaks, row, "hits")?;
    let sentence =
        sentence.text(" of ").whole(leaks, row, "n")?.text(format!(" {what}; of traces that it never saw a share of "));
    Ok(Some(sentence.real(leaks, row, "control")?.text(".").done()))
}
