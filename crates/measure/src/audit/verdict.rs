//! The verdict of an audit: each check with what was measured, its limit and the reason.
//!
//! A limit holds for an interval: within it a check passes, beyond it fails, and where the interval reaches across there is
//! not enough evidence, as where nothing was measured. All intervals of all targets of a study are exact or conservative
//! ones whose ends err with the same small probability, so that together they err with that of the policy (Bonferroni).

use super::evidence::{AttackEvidence, Bound, BoundEvidence, Evidence, LeakEvidence};
use super::group::Group;
use super::multiple_testing::Family;
use super::policy::{AUDITED_FPR, Policy};
use super::power::{POWER, smallest_auc, smallest_excess, smallest_tpr, traces_for_auc, traces_for_share};
use crate::eval::{clopper_pearson, difference_of_proportions, resolves_fpr};
use syntrace_base::record::Interval;

/// How a check, or a model, ended. The worst of several is the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Beyond its limit.
    Fail,
    /// Not measured, or with too few traces to tell.
    NotEnough,
    /// Within its limit.
    Pass,
}

impl Verdict {
    /// Word on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "FAIL",
            Self::NotEnough => "not enough evidence",
            Self::Pass => "pass",
        }
    }
}

/// One line of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What it is about.
    pub group: Group,
    /// What was checked.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Does the policy ask for it? If not, too little evidence does not keep a model from passing.
    pub asked: bool,
    /// What was measured, with the ends of its corrected interval.
    pub interval: Option<Interval>,
    /// Its limit.
    pub limit: Option<f64>,
    /// The smallest value that this number of traces would have detected with probability [`POWER`]; `None` if none.
    pub seen: Option<f64>,
    /// Numbers and why.
    pub reason: String,
}

impl Check {
    fn new(group: Group, name: &str, verdict: Verdict, reason: String) -> Self {
        let name = name.to_owned();
        Self { group, name, verdict, asked: true, interval: None, limit: None, seen: None, reason }
    }

    fn missing(group: Group, name: &str, reason: &str) -> Self {
        Self::new(group, name, Verdict::NotEnough, reason.to_owned())
    }

    fn limited(group: Group, name: String, interval: Interval, limit: f64) -> Self {
        let verdict = if interval.low > limit {
            Verdict::Fail
        } else if interval.high <= limit {
            Verdict::Pass
        } else {
            Verdict::NotEnough
        };
        Self { interval: Some(interval), limit: Some(limit), ..Self::new(group, &name, verdict, String::new()) }
    }
}

/// All checks of one model.
pub fn judge(evidence: &Evidence, policy: &Policy, family: &Family) -> Vec<Check> {
    let mut checks = vec![guarantee(evidence, policy)];
    checks.extend(claim(evidence, policy, family));
    checks.extend(attacks(evidence, policy, family));
    checks.extend(leakage(evidence, policy, family));
    checks
}

/// The overall verdict of a model's checks: it passes if all required checks pass.
pub fn verdict(checks: &[Check]) -> Verdict {
    let counted = checks.iter().filter(|check| check.asked || check.verdict != Verdict::NotEnough);
    counted.map(|check| check.verdict).min().unwrap_or(Verdict::NotEnough)
}

fn guarantee(evidence: &Evidence, policy: &Policy) -> Check {
    let of = evidence.unit.as_ref().map_or(String::new(), |unit| format!(" for a {unit}"));
    let (verdict, found) = match (evidence.private, evidence.epsilon_end_to_end) {
        (false, _) => {
            (Verdict::Fail, "trained without differential privacy: nothing limits what it gives away".to_owned())
        }
        (true, _) if evidence.promises_nothing() => {
            let [delta, members] = [evidence.delta, evidence.members.map(|n| n as f64)].map(Option::unwrap_or_default);
            let found = format!(
                "delta {delta} of {members} members promises nothing: a mechanism that gives one member away whole keeps it"
            );
            (Verdict::Fail, found)
        }
        (true, None) => match evidence.epsilon_claimed {
            // No evidence would let it pass.
            Some(claimed) if claimed > policy.epsilon_max => {
                (Verdict::Fail, format!("claimed epsilon {claimed:.3}{of}"))
            }
            _ => (Verdict::NotEnough, "an epsilon that its makers claim and that nothing here shows".to_owned()),
        },
        (true, Some(epsilon)) if epsilon.is_infinite() || evidence.guarantee != "end-to-end" => {
            let found = format!("guarantee `{}`: its epsilon does not hold end to end", evidence.guarantee);
            (Verdict::Fail, found)
        }
        (true, Some(epsilon)) if epsilon > policy.epsilon_max => {
            (Verdict::Fail, format!("end-to-end epsilon {epsilon:.3}{of}"))
        }
        (true, Some(epsilon)) => (Verdict::Pass, format!("end-to-end epsilon {epsilon:.3}{of}")),
    };
    let spared = !policy.guarantee_required && verdict != Verdict::Pass;
    Check {
        asked: !spared,
        limit: Some(policy.epsilon_max),
        interval: evidence.epsilon_end_to_end.map(|epsilon| Interval { value: epsilon, low: epsilon, high: epsilon }),
        ..Check::new(
            Group::Guarantee,
            "guarantee",
            if spared { Verdict::NotEnough } else { verdict },
            if spared { format!("{found}; not required") } else { format!("{found}; limit {}", policy.epsilon_max) },
        )
    }
}

/// Evidence above a claim means that the mechanism does not do what it says. What could not have lain above it, whatever
/// the model gave away, is no test.
fn claim(evidence: &Evidence, policy: &Policy, family: &Family) -> Vec<Check> {
    let name = "claimed epsilon";
    let claimed = evidence.epsilon_end_to_end.or(evidence.epsilon_claimed);
    let Some(claimed) = claimed.filter(|epsilon| evidence.private && epsilon.is_finite()) else { return Vec::new() };
    let mut checks: Vec<Check> = evidence.bounds.iter().map(|bound| claim_check(bound, claimed, family)).collect();
    if checks.is_empty() {
        let reason =
            if evidence.redacted { REDACTED } else { "neither an attack nor a one-run audit put it to the test" };
        checks.push(Check::missing(Group::Claim, name, reason));
    }
    let tested = checks.iter().any(|check| check.verdict == Verdict::Pass);
    for check in &mut checks {
        check.asked = policy.claim_tested && !tested;
    }
    checks
}

fn claim_check(bound: &BoundEvidence, claimed: f64, family: &Family) -> Check {
    let name = format!("claimed epsilon, by {}", bound.method);
    let (lower, provable) = bound.found.epsilon(1.0 - family.error);
    let numbers = format!("at least {lower:.3} (so much evidence proves at most {provable:.2}); claimed {claimed:.3}");
    let (verdict, because) = match (lower > claimed, &bound.found) {
        (true, Bound::OneRun { .. }) => (Verdict::Fail, ", which this refutes"),
        (true, Bound::Attack { .. }) => (Verdict::Fail, ": a strong hint that the mechanism does not do what it says"),
        (false, _) if provable > claimed => (Verdict::Pass, ""),
        (false, _) => (Verdict::NotEnough, ": too little to refute it"),
    };
    let interval = Interval { value: lower, low: lower, high: f64::INFINITY };
    let check = Check::new(Group::Claim, &name, verdict, format!("{numbers}{because}"));
    Check { interval: Some(interval), limit: Some(claimed), ..check }
}

fn attacks(evidence: &Evidence, policy: &Policy, family: &Family) -> Vec<Check> {
    if evidence.redacted {
        // Whatever a policy requires: data that a redacted copy leaves out cannot be required.
        return vec![Check::missing(Group::Attacks, "AUC", REDACTED)];
    }
    let mut checks = Vec::new();
    for attack in &evidence.attacks {
        match &attack.roc {
            Some(_) if attack.members == 0 || attack.held_out == 0 => {
                let reason = format!(
                    "attacked were {} members and {} held-out traces; it takes both",
                    attack.members, attack.held_out
                );
                checks.push(Check::missing(Group::Attacks, &format!("AUC of {}", attack.name), &reason));
            }
            Some(roc) => {
                checks.push(auc_check(attack, roc.auc_interval(family.confidence()), policy, family));
                let interval = roc.tpr_interval(AUDITED_FPR, family.confidence());
                checks.push(tpr_check(attack, interval, policy, family));
            }
            None => {
                let reason = "its scores are not in this study, so that its interval cannot be corrected for all that was \
                              tried";
                checks.push(Check::missing(Group::Attacks, &format!("AUC of {}", attack.name), reason));
            }
        }
    }
    if checks.is_empty() {
        let reason =
            "no attack was run on this model: it takes attributes of its members and held-out traces, and shadows";
        checks.push(Check::missing(Group::Attacks, "AUC", reason));
    }
    for check in &mut checks {
        check.asked = policy.attacks_required;
    }
    checks
}

const REDACTED: &str = "this is a redacted copy, which holds no scores: audit the study that it was made from";

fn auc_check(attack: &AttackEvidence, interval: Interval, policy: &Policy, family: &Family) -> Check {
    let mut check = Check::limited(Group::Attacks, format!("AUC of {}", attack.name), interval, policy.auc_max);
    let (members, held_out) = (attack.members, attack.held_out);
    check.seen = smallest_auc(members, held_out, policy.auc_max, family.error);
    let Interval { value, low, high } = interval;
    check.reason = format!("{value:.3} ({low:.3} to {high:.3}); limit {}", policy.auc_max);
    if check.verdict == Verdict::NotEnough {
        let needs = traces_for_auc(policy.auc_max, family.error)
            .map_or(String::new(), |traces| format!("; a model that leaks nothing passes with about {traces} of each"));
        let shown = shown(check.seen.map(|auc| format!("{auc:.2}")));
        check.reason += &format!("; {members} members and {held_out} held-out traces {shown}{needs}");
    }
    check
}

/// The effect that this number of traces could have detected.
fn shown(seen: Option<String>) -> String {
    seen.map_or("show no leak beyond the limit, however large".to_owned(), |seen| {
        format!("fail {seen} or more with probability {POWER}")
    })
}

fn tpr_check(attack: &AttackEvidence, interval: Interval, policy: &Policy, family: &Family) -> Check {
    let limit = policy.tpr_at_1pct_fpr_max;
    let name = format!("TPR at FPR {AUDITED_FPR} of {}", attack.name);
    let mut check = Check::limited(Group::Attacks, name, interval, limit);
    if !resolves_fpr(attack.held_out, AUDITED_FPR) {
        check.interval = None;
        check.reason = format!(
            "{} held-out traces cannot tell an FPR of {AUDITED_FPR} from 0; it takes {}",
            attack.held_out,
            (1.0 / AUDITED_FPR).round()
        );
        return check;
    }
    check.seen = smallest_tpr(attack.members, attack.held_out, AUDITED_FPR, limit, family.error);
    let Interval { value, low, high } = interval;
    check.reason = format!("{value:.3} ({low:.3} to {high:.3}); limit {limit}");
    if check.verdict == Verdict::NotEnough {
        check.reason += &format!("; so many traces {}", shown(check.seen.map(|tpr| format!("{tpr:.2}"))));
    }
    check
}

/// Measures that an audit must have, with the group that lacks them otherwise.
const LEAK_MEASURES: [(&str, Group); 6] = [
    ("exact_copies", Group::Copies),
    ("near_copies", Group::Copies),
    ("memorised", Group::Memorised),
    ("identifiers", Group::Identifiers),
    ("coincide_members", Group::Coincidences),
    ("coincide_held_out", Group::Coincidences),
];

fn leakage(evidence: &Evidence, policy: &Policy, family: &Family) -> Vec<Check> {
    let nothing_parses = evidence.leaks.iter().any(|leak| leak.measure == "exact_copies" && leak.n == 0);
    let (mut checks, mut not_asked) = (Vec::new(), Vec::new());
    for (measure, group) in LEAK_MEASURES {
        let name = measure.replace('_', " ");
        let rows = evidence.leaks.iter().filter(|leak| leak.measure == measure);
        let rows: Vec<&LeakEvidence> =
            rows.filter(|leak| Group::of(&leak.measure, &leak.kind, policy).is_some()).collect();
        let (can_leak, cannot): (Vec<&LeakEvidence>, Vec<&LeakEvidence>) =
            rows.iter().copied().partition(|leak| leak.n > 0);
        if !can_leak.is_empty() && !nothing_parses {
            checks.extend(can_leak.iter().filter_map(|leak| leak_check(leak, policy, family)));
            // Shown with the others; an absent kind is not reported as missing.
            not_asked.extend(cannot.iter().map(|leak| {
                Check::missing(group, &format!("{name} ({})", leak.kind), "the traces hold nothing of this kind")
            }));
        } else if nothing_parses {
            checks.push(Check::missing(
                group,
                &name,
                "no synthetic trace has a packet that parses, or there is no member",
            ));
        } else if rows.is_empty() {
            let reason = "not measured: the model has no synthetic traces, or `run` has to measure it again";
            checks.push(Check::missing(group, &name, reason));
        } else if measure == "coincide_held_out" {
            let reason = "the study has no other real trace of the class than the members to compare with";
            checks.push(Check::missing(group, &name, reason));
        } else {
            checks.push(Check::missing(group, &name, "the traces hold nothing of this kind that could leak"));
        }
    }
    for check in &mut checks {
        check.asked = policy.leakage_required;
    }
    let inferred = evidence.leaks.iter().filter(|leak| leak.measure == "attribute_inference" && leak.n > 0);
    // Much can be guessed of members and held-out traces alike, so that hundreds of traces do not show the difference to be
    // small: a large one fails, and that none is seen is not asked for.
    not_asked.extend(inferred.filter_map(|leak| leak_check(leak, policy, family)));
    checks.extend(not_asked.into_iter().map(|check| Check { asked: false, ..check }));
    checks
}

fn leak_check(leak: &LeakEvidence, policy: &Policy, family: &Family) -> Option<Check> {
    let (group, limit) = Group::of(&leak.measure, &leak.kind, policy)?;
    let found = clopper_pearson(leak.hits, leak.n, family.confidence());
    let control = clopper_pearson(leak.control_hits, leak.control_n, family.confidence());
    let excess = difference_of_proportions(found, control);
    let name = format!("{} ({})", leak.measure.replace('_', " "), leak.kind);
    let mut check = Check::limited(group, name, excess, limit);
    check.seen = smallest_excess(leak, limit, family);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let beside = match leak.control_n {
        0 => "no trace to compare with".to_owned(),
        n => format!("of traces that it never saw {} of {n} ({})", leak.control_hits, percent(control.value)),
    };
    let difference = if excess.value.is_nan() {
        format!("{} to {}", percent(excess.low), percent(excess.high))
    } else {
        format!("{} ({} to {})", percent(excess.value), percent(excess.low), percent(excess.high))
    };
    check.reason = format!(
        "{} of {} ({}), {beside}: excess {difference}; limit {}",
        leak.hits,
        leak.n,
        percent(found.value),
        percent(limit)
    );
    if leak.control_n == 0 && check.verdict == Verdict::NotEnough {
        check.reason += "; without a real trace of the class that the model never saw this neither passes nor fails: name \
                         held-out traces, or add other captures of the class";
    } else if check.verdict == Verdict::NotEnough {
        let needs = traces_for_share(limit, family.error);
        check.reason += &format!("; so many traces {}; none found in {needs} passes", shown(check.seen.map(percent)));
    }
    Some(check)
}
