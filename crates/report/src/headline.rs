//! Summary of the study in a few sentences. Each number is a cell of a named query, which is cited; conclusions follow
//! only from intervals and guarantees.

use super::answer::Answer;
use super::budget::Budget;
use super::figure::distinct;
use super::outsider::outsider;
use super::sentence::{Draft, Sentence, draft, total};
use syntrace_base::error::Result;

/// The answers that the headline is made of.
pub(super) struct Sources<'a> {
    /// `study_totals`.
    pub totals: &'a Answer,
    /// `strongest_attacks`.
    pub attacks: &'a Answer,
    /// `privacy_vs_utility`.
    pub utility: &'a Answer,
    /// `strongest_by_access`.
    pub access: &'a Answer,
    /// `leaks_by_model`.
    pub leaks: &'a Answer,
}

/// All sentences.
pub(super) fn sentences(sources: &Sources<'_>) -> Result<Vec<Sentence>> {
    let totals = sources.totals;
    let mut found = Vec::new();
    if total(totals, "traces")? == 0.0 && total(totals, "models")? == 0.0 {
        found.push(
            draft()
                .text("The study holds neither traffic nor models yet: `syntrace run` or `syntrace ingest` fills it.")
                .done(),
        );
        return Ok(found);
    }
    if total(totals, "models")? == 0.0 {
        let size = draft().text("Real traffic alone: ").count(totals, "traces", "trace")?.text(" of ");
        found.push(size.count(totals, "classes", "class")?.text(". No model was trained or imported yet.").done());
        return Ok(found);
    }
    found.extend(outsider(sources.access, sources.leaks)?);
    let size = draft().count(totals, "models", "model")?.text(" of ").count(totals, "generators", "generator")?;
    let size = size.text(": ").count(totals, "targets", "target")?.text(" and ");
    let size = size.count(totals, "shadows", "shadow model")?.text(", from ").count(totals, "traces", "real trace")?;
    let size = size.text(" of ").count(totals, "classes", "class")?.text(" in ");
    found.push(size.count(totals, "datasets", "dataset")?.text(".").done());
    found.extend(attacks(sources.attacks)?);
    found.extend(guarantees(totals, sources.attacks)?);
    found.extend(audits(totals)?);
    found.extend(utility(sources.utility)?);
    Ok(found)
}

/// Which generators leak, without and with DP.
fn attacks(answer: &Answer) -> Result<Vec<Sentence>> {
    let trained = Budget::of(answer)?;
    let (auc, low) = (answer.numbers("auc")?, answer.numbers("auc_low")?);
    let attacked: Vec<usize> = (0..answer.rows()).filter(|row| auc[*row].is_some()).collect();
    if attacked.is_empty() {
        return Ok(vec![draft().text("No attack was run: nothing is known of what these models leak.").done()]);
    }
    let mut found = Vec::new();
    let starts = ["Without DP", "On anonymised traces, without DP", "With DP"];
    for (of_kind, start) in Budget::KINDS.into_iter().zip(starts) {
        let here = |row: &&usize| of_kind(trained[**row]);
        let rows: Vec<usize> = attacked.iter().filter(here).copied().collect();
        let (mut leaking, quiet): (Vec<usize>, Vec<usize>) =
            rows.iter().copied().partition(|row| low[*row].is_some_and(|low| low > 0.5));
        leaking.sort_by(|left, right| auc[*right].unwrap_or(0.0).total_cmp(&auc[*left].unwrap_or(0.0)));
        if rows.is_empty() {
            continue;
        }
        let mut sentence = draft().strong(start).text(", ");
        if leaking.is_empty() {
            sentence =
                sentence.text("no strongest attack is told from chance: every interval of its mean AUC reaches 0.5.");
            found.push(sentence.done());
            continue;
        }
        sentence = sentence.text("members are recognised above chance in ");
        for (place, &row) in leaking.iter().enumerate() {
            sentence = named(sentence.text(if place == 0 { "" } else { "; " }), answer, row)?;
        }
        if !quiet.is_empty() {
            sentence = sentence.text(format!(". Not told from chance: {}", listed(answer, &quiet)?));
        }
        found.push(sentence.text(".").done());
    }
    found.push(
        draft()
            .text(
                "Each is the mean AUC on the targets, with its 95 % interval, of the attack that works best on shadow \
        models. Of ",
            )
            .text(attacked.len().to_string())
            .text(
                " such intervals one in forty lies above 0.5 by chance alone: one that hardly does, with DP, is no finding \
        yet. They cover which traces were drawn, not the randomness of training: that is in the intervals of attacks with each \
        model in turn as the target alone.",
            )
            .done(),
    );
    Ok(found)
}

/// `netssm at epsilon 4: mlp 0.51 (0.47 to 0.55)`.
fn named(sentence: Draft, answer: &Answer, row: usize) -> Result<Draft> {
    let generator = answer.names("generator")?[row].clone();
    let attack = answer.names("attack")?[row].clone();
    let budget = Budget::of(answer)?[row];
    let budget = if budget.is_private() { format!(" at {}", budget.words()) } else { String::new() };
    let sentence = sentence.strong(generator).text(format!("{budget}: {attack} ")).real(answer, row, "auc")?;
    let sentence = sentence.text(" (").real(answer, row, "auc_low")?.text(" to ").real(answer, row, "auc_high")?;
    Ok(sentence.text(")"))
}

/// Generators of some rows, with their budgets where there are several.
fn listed(answer: &Answer, rows: &[usize]) -> Result<String> {
    let (generators, trained) = (answer.names("generator")?, Budget::of(answer)?);
    let own: Vec<String> = rows.iter().map(|row| generators[*row].clone()).collect();
    let words = distinct(&own).into_iter().map(|generator| {
        let budgets: Vec<String> = rows
            .iter()
            .filter(|row| generators[**row] == generator && trained[**row].is_private())
            .map(|row| trained[*row].words())
            .collect();
        if budgets.is_empty() { generator } else { format!("{generator} ({})", budgets.join(", ")) }
    });
    Ok(words.collect::<Vec<_>>().join(", "))
}

/// What is promised.
fn guarantees(totals: &Answer, attacks: &Answer) -> Result<Vec<Sentence>> {
    let mut sentence = draft();
    if total(totals, "targets_end_to_end")? > 0.0 {
        sentence = sentence
            .count(totals, "targets_end_to_end", "target")?
            .text(" with an ")
            .strong("end-to-end")
            .text(" guarantee (nothing upstream of the weights saw the private traces outside the mechanism). ");
    }
    if total(totals, "targets_conditional")? > 0.0 {
        let (names, kinds) = (attacks.names("generator")?, attacks.names("guarantee")?);
        let rows = (0..attacks.rows()).filter(|row| kinds[*row] == "conditional");
        let own: Vec<String> = rows.map(|row| names[row].clone()).collect();
        sentence = sentence.count(totals, "targets_conditional", "target")?.text(" with a ").strong("conditional").text(format!(
            " one ({}): their upstream weights or choices saw the same traces, so their end-to-end epsilon is infinite. ",
            distinct(&own).join(", ")
        ));
    }
    if total(totals, "targets_claimed")? > 0.0 {
        sentence = sentence
            .count(totals, "targets_claimed", "target")?
            .text(" with an epsilon that their makers claim, unchecked. ");
    }
    if total(totals, "targets_by_delta")? > 0.0 {
        sentence = sentence.count(totals, "targets_by_delta", "target")?.text(" with ").strong("no").text(
            " guarantee: a delta of 1/members or more promises nothing (publishing a member whole keeps to it). ",
        );
    }
    if total(totals, "targets_without_dp")? > 0.0 {
        sentence = sentence.count(totals, "targets_without_dp", "target")?.text(" without DP promise nothing.");
    }
    Ok(if sentence.is_empty() { Vec::new() } else { vec![sentence.done()] })
}

/// Do audits prove, or attacks hint at, more than was promised?
fn audits(totals: &Answer) -> Result<Vec<Sentence>> {
    let mut found = Vec::new();
    if total(totals, "refuted")? > 0.0 {
        let sentence = draft().strong("Refuted: ").count(totals, "refuted", "target")?;
        found.push(sentence.text(" leak more than their epsilon allows; see the audit below.").done());
    }
    if total(totals, "hinted")? > 0.0 {
        let sentence = draft().strong("Strong hint: ").count(totals, "hinted", "target")?;
        let text = " seem to leak more than their epsilon allows, by an attack on the one model (no proof); see the audit below.";
        found.push(sentence.text(text).done());
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if total(totals, "audited")? > 0.0 {
        let sentence = draft().text("Nothing speaks against the claimed epsilons of the ");
        let sentence = sentence.count(totals, "audited", "audited target")?;
        return Ok(vec![sentence.text(", as far as their traces can tell anything.").done()]);
    }
    Ok(Vec::new())
}

/// The most useful traffic of each dataset.
fn utility(answer: &Answer) -> Result<Vec<Sentence>> {
    let (datasets, generators) = (answer.names("dataset")?, answer.names("generator")?);
    let (trained, accuracy) = (Budget::of(answer)?, answer.numbers("accuracy")?);
    let mut sentence = draft();
    for dataset in distinct(&datasets) {
        let best = (0..answer.rows())
            .filter(|row| datasets[*row] == dataset && accuracy[*row].is_some())
            .max_by(|left, right| accuracy[*left].unwrap_or(0.0).total_cmp(&accuracy[*right].unwrap_or(0.0)));
        let Some(row) = best else { continue };
        let start =
            if sentence.is_empty() { "Classifiers trained on synthetic traffic alone do best with " } else { "; " };
        sentence = sentence.text(start).strong(generators[row].clone());
        sentence = sentence.text(format!(", {}, on {dataset}: accuracy ", trained[row].words()));
        sentence = sentence.real(answer, row, "accuracy")?;
        if answer.numbers("members_accuracy")?[row].is_some() {
            sentence = sentence.text(" (trained on real traces ").real(answer, row, "members_accuracy")?.text(")");
        }
    }
    Ok(if sentence.is_empty() { Vec::new() } else { vec![sentence.text(".").done()] })
}
