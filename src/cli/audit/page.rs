//! A verdict as a table with the decisive checks, and as JSON.

use super::super::stdout::to_stdout;
use super::{Audit, Judged};
use crate::audit::{Access, AttackEvidence, Check, Group, LeakEvidence, POWER, Verdict};
use crate::error::{Error, Result};
use crate::query::{Format, RecordBatch, write_answer};
use crate::record::Interval;
use arrow::array::{ArrayRef, StringArray};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The table, what decided, and with `all` every check.
pub(super) fn print(audit: &Audit, all: bool) -> Result<()> {
    for line in lead(audit) {
        say!("{line}");
    }
    let table = table(audit)?;
    to_stdout(|out| write_answer(Format::Table, &table.schema(), std::iter::once(Ok(table.clone())), out))?;
    for model in &audit.models {
        let failed: Vec<&Check> = model.checks.iter().filter(|check| check.verdict == Verdict::Fail).collect();
        if let Some((first, more)) = failed.split_first() {
            let more = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
            say!("FAIL {}: {}: {}{more}", model.evidence.name, first.name, first.reason);
        }
    }
    for line in lacking(audit).into_iter().chain(scope(audit)) {
        say!("{line}");
    }
    if all {
        for model in &audit.models {
            print_checks(model);
        }
    }
    let count = |verdict| audit.models.iter().filter(|model| model.verdict == verdict).count();
    note!(
        "{} of {} models pass, {} fail, of {} there is not enough evidence; limits of {}",
        count(Verdict::Pass),
        audit.models.len(),
        count(Verdict::Fail),
        count(Verdict::NotEnough),
        audit.policy_name
    );
    note!(
        "each end of an interval errs with a probability of {:.1e}: {} % over the {} comparisons of this study (Bonferroni){}",
        audit.family.error,
        ((1.0 - audit.policy.confidence) * 1e4).round() / 1e2,
        audit.family.comparisons,
        if all { "" } else { "; --all lists every check" }
    );
    Ok(())
}

/// What whoever has the synthetic traffic, and whoever may ask a model, could learn of the members of the judged models: of each the
/// model whose members it tells best.
fn lead(audit: &Audit) -> Vec<String> {
    let mut lines = Vec::new();
    for access in Access::ALL {
        let attacked: Vec<(&Judged, &AttackEvidence)> =
            audit.models.iter().filter_map(|model| Some((model, model.evidence.strongest_with(access)?))).collect();
        let known = attacked.iter().filter(|(_, attack)| !attack.auc.is_nan());
        if let Some((model, attack)) = known.max_by(|(_, a), (_, b)| a.auc.total_cmp(&b.auc)) {
            let words = recognised(model, attack);
            lines.push(format!(
                "{} tells members from held-out traces, best of {}, {words}",
                access.who(),
                model.evidence.name
            ));
        }
        let without = audit.models.len() - attacked.len();
        if access == Access::SyntheticTraffic && without > 0 {
            lines.push(format!(
                "what {} can tell of {without} of {} models is not known: no attack from outside was run on them",
                access.who(),
                audit.models.len()
            ));
        }
    }
    let stands = audit.models.iter().flat_map(|model| stands(model).into_iter().map(move |found| (model, found)));
    let most = stands.max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b));
    lines.extend(most.map(|(model, (_, words))| format!("of {}, {words}", model.evidence.name)));
    lines
}

/// `with AUC 0.532 (0.44 to 0.62) by mlp on logits, not told from chance; hosts by all of their traces 0.61 (12 and 9 hosts)`.
fn recognised(model: &Judged, attack: &AttackEvidence) -> String {
    let chance = match interval(model, attack) {
        Some(interval) if interval.low > 0.5 => "",
        _ => ", not told from chance",
    };
    let hosts = attack.by_host.map(|hosts| {
        format!(
            "; hosts by all of their traces with {:.3} ({} with members, {} held out)",
            hosts.auc, hosts.members, hosts.held_out
        )
    });
    format!("with AUC {} by {}{chance}{}", auc(model, attack), attack.name, hosts.unwrap_or_default())
}

/// Members whose conversations stand in the synthetic traffic, if any: the share beyond that of the control, and words.
fn stands(model: &Judged) -> Option<(f64, String)> {
    let of_kind = |leak: &&LeakEvidence| leak.measure == "identifiers" && leak.kind == "conversation";
    let leak = model.evidence.leaks.iter().find(of_kind).filter(|leak| leak.hits > 0)?;
    let share = |hits: u64, n: u64| hits as f64 / (n.max(1)) as f64;
    let words = format!(
        "{} of {} members have a conversation (who talks to whom) that stands in the synthetic traffic and in no trace of the \
         control; of traces that it never saw {} of {}",
        leak.hits, leak.n, leak.control_hits, leak.control_n
    );
    Some((share(leak.hits, leak.n) - share(leak.control_hits, leak.control_n), words))
}

/// Which models and results are judged, where that is not all that the study holds.
fn scope(audit: &Audit) -> Vec<String> {
    let plans: BTreeSet<&str> = audit.models.iter().filter_map(|model| model.plan.as_deref()).collect();
    let mut lines = Vec::new();
    if audit.elsewhere > 0 {
        let plans = Vec::from_iter(plans).join(", ");
        lines.push(format!(
            "judged are models of plan {plans} and imported ones; {} target models of other plans or of none are not: `--plan \
             all`",
            audit.elsewhere
        ));
    }
    if audit.replaced > 0 {
        lines.push(format!("{} results do not count: a newer plan measured the same anew", audit.replaced));
    }
    lines
}

fn print_checks(model: &Judged) {
    say!("\n{}: {}", model.evidence.name, model.verdict.name());
    let width = model.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &model.checks {
        let asked = if check.asked || check.verdict != Verdict::NotEnough { "" } else { " [not asked for]" };
        say!("  {:19}  {:width$}  {}{asked}", check.verdict.name(), check.name, check.reason);
    }
    for access in Access::ALL {
        match model.evidence.strongest_with(access) {
            Some(attack) => say!("  {} tells members from held-out traces {}", access.who(), recognised(model, attack)),
            None => say!("  {}: no attack was run", access.who()),
        }
    }
    if let Some((_, words)) = stands(model) {
        say!("  {words}");
    }
    for (hosts, whom) in [(false, ""), (true, " of hosts")] {
        let tried = model.evidence.attacks.iter().filter(|attack| attack.hosts == hosts).count();
        if let (Some(strongest), Some(largest)) = (model.evidence.strongest(hosts), largest(model, hosts)) {
            say!(
                "  strongest on shadows{whom}: {}, AUC {:.3}; largest of {tried} on the target: {}, AUC {:.3}, an upper end",
                strongest.name,
                strongest.auc,
                largest.name,
                largest.auc
            );
        }
    }
}

/// The attack on traces, or on hosts, with the largest AUC on the target: above 0.5 by selection alone.
fn largest(model: &Judged, hosts: bool) -> Option<&AttackEvidence> {
    let attacks = model.evidence.attacks.iter().filter(|attack| attack.hosts == hosts && !attack.auc.is_nan());
    attacks.max_by(|a, b| a.auc.total_cmp(&b.auc))
}

/// What kept models from a verdict, each reason of a group once; of many the first.
fn lacking(audit: &Audit) -> Vec<String> {
    let undecided = audit.models.iter().filter(|model| model.verdict == Verdict::NotEnough);
    let mut lines = Vec::new();
    for group in Group::ALL {
        let open: Vec<(&str, &Check)> = undecided
            .clone()
            .flat_map(|model| model.checks.iter().map(|check| (model.evidence.name.as_str(), check)))
            .filter(|(_, check)| check.group == group && check.asked && check.verdict == Verdict::NotEnough)
            .collect();
        let Some((name, first)) = open.first() else { continue };
        let models: BTreeSet<&str> = open.iter().map(|(name, _)| *name).collect();
        let more = if models.len() > 1 { format!(" (and {} more)", models.len() - 1) } else { String::new() };
        lines.push(format!("not enough evidence on {}: {name}: {}: {}{more}", group.name(), first.name, first.reason));
    }
    lines
}

/// One row a model: its verdict, a word for each group, and the AUC of the attacks that are strongest on shadows, of those that
/// read synthetic traffic alone and of those that ask the model; of attacks on hosts where there are any.
fn table(audit: &Audit) -> Result<RecordBatch> {
    let column = |name: &str, cell: &dyn Fn(&Judged) -> String| -> (String, ArrayRef) {
        let cells = StringArray::from_iter_values(audit.models.iter().map(cell));
        (name.to_owned(), Arc::new(cells))
    };
    let mut columns = vec![
        column("model", &|model| model.evidence.name.clone()),
        column("verdict", &|model| model.verdict.name().to_owned()),
    ];
    for group in Group::ALL {
        columns.push(column(group.name(), &|model| word(model, group).to_owned()));
    }
    let cell =
        |model: &Judged, attack: Option<&AttackEvidence>| attack.map_or("-".to_owned(), |attack| auc(model, attack));
    for (name, access) in [("from outside", Access::SyntheticTraffic), ("from inside", Access::Model)] {
        columns.push(column(name, &|model| cell(model, model.evidence.strongest_with(access))));
    }
    if audit.models.iter().any(|model| model.evidence.strongest(true).is_some()) {
        columns.push(column("auc of hosts", &|model| cell(model, model.evidence.strongest(true))));
    }
    RecordBatch::try_from_iter(columns).map_err(|error| Error::internal(format!("the table of an audit: {error}")))
}

/// What the checks of a group come to.
fn word(model: &Judged, group: Group) -> &'static str {
    let own = model.checks.iter().filter(|check| check.group == group);
    let has = |verdict: Verdict| own.clone().any(|check| check.verdict == verdict);
    let lacks = own.clone().any(|check| check.verdict == Verdict::NotEnough && check.asked);
    match (has(Verdict::Fail), lacks, has(Verdict::Pass), has(Verdict::NotEnough)) {
        (true, ..) => "FAIL",
        (_, true, ..) => "not enough",
        (_, _, true, _) => "pass",
        (_, _, _, true) => "not asked",
        _ => "-",
    }
}

/// `0.532 (0.44 to 0.62)`: with its corrected interval where there is one.
fn auc(model: &Judged, attack: &AttackEvidence) -> String {
    match interval(model, attack) {
        Some(interval) => format!("{:.3} ({:.2} to {:.2})", interval.value, interval.low, interval.high),
        None if attack.auc.is_nan() => "-".to_owned(),
        None => format!("{:.3}", attack.auc),
    }
}

/// The corrected interval of an attack's AUC.
fn interval(model: &Judged, attack: &AttackEvidence) -> Option<Interval> {
    let name = format!("AUC of {}", attack.name);
    // Of one name there may be two, with different options.
    let mut intervals = model.checks.iter().filter(|check| check.name == name).filter_map(|check| check.interval);
    intervals.find(|interval| interval.value == attack.auc)
}

/// Everything, for programs. Numbers that JSON does not have are text.
pub(super) fn json(audit: &Audit) -> Value {
    let policy = &audit.policy;
    json!({
        "verdict": said(audit.verdict()),
        "policy": {
            "confidence": policy.confidence,
            "guarantee": {
                "required": policy.guarantee_required,
                "epsilon_max": policy.epsilon_max,
                "tested": policy.claim_tested,
            },
            "attacks": {
                "required": policy.attacks_required,
                "auc_max": policy.auc_max,
                "tpr_at_1pct_fpr_max": policy.tpr_at_1pct_fpr_max,
            },
            "leakage": {
                "required": policy.leakage_required,
                "copies_max": policy.copies_max,
                "memorised_max": policy.memorised_max,
                "identifiers_max": policy.identifiers_max,
                "coincidences_max": policy.coincidences_max,
                "addresses_max": policy.addresses_max,
            },
        },
        "correction": "Bonferroni",
        "comparisons": audit.family.comparisons,
        "error_of_one_end": audit.family.error,
        "power": POWER,
        "models_of_other_plans": audit.elsewhere,
        "replaced_results": audit.replaced,
        "models": audit.models.iter().map(model).collect::<Vec<_>>(),
    })
}

fn said(verdict: Verdict) -> String {
    verdict.name().to_lowercase()
}

fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else if value.is_nan() {
        Value::Null
    } else {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    }
}

fn model(model: &Judged) -> Value {
    let attack = |attack: &AttackEvidence| {
        json!({
            "name": attack.name,
            "auc": number(attack.auc),
            "mean_auc_on_shadows": attack.mean_on_shadows,
            "members": attack.members,
            "held_out": attack.held_out,
            "by_host": attack.by_host.map(|hosts| {
                json!({ "auc": number(hosts.auc), "members": hosts.members, "held_out": hosts.held_out })
            }),
        })
    };
    json!({
        "model_id": model.model_id.to_string(),
        "name": model.evidence.name,
        "plan": model.plan,
        "verdict": said(model.verdict),
        "unit": model.evidence.unit,
        "strongest_from_outside": model.evidence.strongest_with(Access::SyntheticTraffic).map(attack),
        "strongest_from_inside": model.evidence.strongest_with(Access::Model).map(attack),
        "strongest_attack_on_shadows": model.evidence.strongest(false).map(attack),
        "upper_end_largest_auc_on_target": largest(model, false).map(attack),
        "strongest_attack_on_hosts_on_shadows": model.evidence.strongest(true).map(attack),
        "upper_end_largest_auc_of_hosts_on_target": largest(model, true).map(attack),
        "checks": model.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    let end = |of: fn(&Interval) -> f64| check.interval.as_ref().map(|interval| number(of(interval)));
    json!({
        "group": check.group.name(),
        "name": check.name,
        "verdict": said(check.verdict),
        "asked": check.asked,
        "value": end(|interval| interval.value),
        "low": end(|interval| interval.low),
        "high": end(|interval| interval.high),
        "limit": check.limit.map(number),
        "would_have_failed_from": check.seen,
        "reason": check.reason,
    })
}
