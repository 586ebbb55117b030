//! The page of an audit: each check with what was measured, its limit and the reason.

/// What a model may show before its output is kept in the house (spec table `[audit]`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Largest end-to-end epsilon; `None` asks for no DP at all.
    pub epsilon: Option<f64>,
    /// Largest AUC of any attack on the model.
    pub auc: f64,
    /// Largest TPR at FPR 0.01 of any attack.
    pub tpr_at_1pct_fpr: f64,
    /// Largest share of synthetic traces that are a member's bytes, above that of held-out traces.
    pub exact_copies: f64,
    /// The same for nearly the same bytes.
    pub near_copies: f64,
    /// Largest share of unique frames or payloads of members that are found again, above the control.
    pub memorised: f64,
    /// Largest share of members' identifiers that are found again, above the control.
    pub identifiers: f64,
    /// A difference to the control counts where chance gives it with at most this probability.
    pub p_value: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            epsilon: None,
            auc: 0.6,
            tpr_at_1pct_fpr: 0.1,
            exact_copies: 0.0,
            near_copies: 0.01,
            memorised: 0.01,
            identifiers: 0.05,
            p_value: 0.01,
        }
    }
}

/// An attack on the model's own traces.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackEvidence {
    /// Attack and attribute kind.
    pub name: String,
    /// Area under the ROC curve with its interval.
    pub auc: (f64, f64, f64),
    /// TPR at FPR 0.01.
    pub tpr_at_1pct_fpr: f64,
}

/// One row of the table `leaks`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakEvidence {
    /// Measure.
    pub measure: String,
    /// Of what.
    pub kind: String,
    /// For members; `None` where nothing could leak.
    pub value: Option<f64>,
    /// For held-out traces.
    pub control: Option<f64>,
    /// What leaked.
    pub hits: i64,
    /// Out of how many.
    pub n: i64,
    /// Probability of the difference by chance.
    pub p_value: f64,
}

/// A lower bound on epsilon and the largest that its data could have proven.
#[derive(Debug, Clone, PartialEq)]
pub struct EmpiricalEvidence {
    /// How it was found.
    pub method: String,
    /// Epsilon is at least this.
    pub epsilon: f64,
    /// Largest provable with as many traces.
    pub provable: f64,
}

/// What a study knows of one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// `netssm os/windows eps4 target`.
    pub name: String,
    /// Trained with DP?
    pub private: bool,
    /// Epsilon over the whole lineage; infinite where private traces went past the mechanism.
    pub epsilon_end_to_end: Option<f64>,
    /// `end-to-end`, `conditional`, `none`.
    pub guarantee: String,
    /// Attacks on the model's own members and held-out traces.
    pub attacks: Vec<AttackEvidence>,
    /// Empirical lower bounds.
    pub empirical: Vec<EmpiricalEvidence>,
    /// Leakage into its synthetic traces.
    pub leaks: Vec<LeakEvidence>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within its limit.
    Pass,
    /// Beyond it, or what must be measured was not.
    Fail,
    /// Cannot be measured for this model.
    Skip,
}

impl Verdict {
    /// Word on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
        }
    }
}

/// One line of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// How it ended.
    pub verdict: Verdict,
    /// What was checked.
    pub name: String,
    /// Numbers and why.
    pub reason: String,
}

impl Check {
    fn of(pass: bool, name: &str, reason: String) -> Self {
        Self { verdict: if pass { Verdict::Pass } else { Verdict::Fail }, name: name.to_owned(), reason }
    }

    fn skip(name: &str, reason: &str) -> Self {
        Self { verdict: Verdict::Skip, name: name.to_owned(), reason: reason.to_owned() }
    }
}

/// All checks of one model. The model passes where none fails.
pub fn judge(evidence: &Evidence, limits: &Limits) -> Vec<Check> {
    let mut checks = vec![guarantee(evidence, limits)];
    checks.extend(empirical(evidence));
    checks.extend(attacks(evidence, limits));
    checks.extend(leakage(evidence, limits));
    checks
}

fn guarantee(evidence: &Evidence, limits: &Limits) -> Check {
    let name = "guarantee";
    let found = match (evidence.private, evidence.epsilon_end_to_end) {
        (false, _) => "trained without differential privacy".to_owned(),
        (true, Some(epsilon)) if epsilon.is_finite() => format!("end-to-end epsilon {epsilon:.3}"),
        _ => format!("guarantee `{}`: private traces went past the mechanism", evidence.guarantee),
    };
    match limits.epsilon {
        None if evidence.private && evidence.epsilon_end_to_end.is_none_or(f64::is_infinite) => {
            Check::of(false, name, format!("{found}; its epsilon does not hold end to end"))
        }
        None => Check { verdict: Verdict::Pass, name: name.to_owned(), reason: format!("{found}; no limit is set") },
        Some(limit) => {
            let within = evidence.private && evidence.epsilon_end_to_end.is_some_and(|epsilon| epsilon <= limit);
            Check::of(within, name, format!("{found}; limit {limit}"))
        }
    }
}

/// An empirical lower bound above the claim means that the mechanism does not do what it says. One that could not
/// lie there whatever the model gave away is no test.
fn empirical(evidence: &Evidence) -> Vec<Check> {
    let name = "empirical epsilon";
    let claim = evidence.epsilon_end_to_end.filter(|_| evidence.private);
    if evidence.empirical.is_empty() {
        return vec![Check::skip(name, "no attack on this model has its scores here")];
    }
    let line = |found: &EmpiricalEvidence| {
        let EmpiricalEvidence { method, epsilon, provable } = found;
        let measured = format!("at least {epsilon:.3} by {method} (so many traces prove at most {provable:.2})");
        match claim {
            Some(claim) if *epsilon <= claim && *provable <= claim => {
                Check::skip(name, &format!("{measured}: too few to refute the claimed {claim:.3}"))
            }
            Some(claim) => Check::of(*epsilon <= claim, name, format!("{measured}; claimed end to end {claim:.3}")),
            None => Check::skip(name, &format!("{measured}; nothing is claimed")),
        }
    };
    evidence.empirical.iter().map(line).collect()
}

fn attacks(evidence: &Evidence, limits: &Limits) -> Vec<Check> {
    let (auc_name, tpr_name) = ("attack AUC", "attack TPR at 1 % FPR");
    let strongest = evidence.attacks.iter().max_by(|a, b| a.auc.0.total_cmp(&b.auc.0));
    let Some(strongest) = strongest else {
        return vec![Check::skip(auc_name, "no attack was evaluated on this model")];
    };
    let (auc, low, high) = strongest.auc;
    let mut checks = vec![Check::of(
        auc <= limits.auc,
        auc_name,
        format!("{auc:.3} ({low:.3} to {high:.3}) by {}; limit {}", strongest.name, limits.auc),
    )];
    let surest = evidence.attacks.iter().max_by(|a, b| a.tpr_at_1pct_fpr.total_cmp(&b.tpr_at_1pct_fpr));
    checks.extend(surest.map(|attack| {
        let tpr = attack.tpr_at_1pct_fpr;
        let reason = format!("{tpr:.3} by {}; limit {}", attack.name, limits.tpr_at_1pct_fpr);
        Check::of(tpr <= limits.tpr_at_1pct_fpr, tpr_name, reason)
    }));
    checks
}

fn leakage(evidence: &Evidence, limits: &Limits) -> Vec<Check> {
    if evidence.leaks.is_empty() {
        let reason = "not measured: the model has no synthetic traces, or its leakage job has not run";
        return vec![Check::of(false, "leakage", reason.to_owned())];
    }
    if evidence.leaks.iter().any(|leak| leak.measure == "exact_copies" && leak.n == 0) {
        let reason = "not measured: no synthetic trace has a packet that parses";
        return vec![Check::of(false, "leakage", reason.to_owned())];
    }
    evidence.leaks.iter().filter_map(|leak| leak_check(leak, limits)).collect()
}

fn leak_check(leak: &LeakEvidence, limits: &Limits) -> Option<Check> {
    let limit = match leak.measure.as_str() {
        "exact_copies" => limits.exact_copies,
        "near_copies" => limits.near_copies,
        "memorised" => limits.memorised,
        "identifiers" => limits.identifiers,
        _ => return None,
    };
    let name = format!("{} ({})", leak.measure.replace('_', " "), leak.kind);
    let Some(value) = leak.value else {
        return Some(Check::skip(&name, "members have none of their own"));
    };
    let control = leak.control.unwrap_or(0.0);
    let (excess, sure) = (value - control, leak.p_value <= limits.p_value);
    let numbers = format!(
        "{} of {} ({:.2} %), held-out {:.2} %, p {:.2}; limit {:.1} points above held-out",
        leak.hits,
        leak.n,
        100.0 * value,
        100.0 * control,
        leak.p_value,
        100.0 * limit
    );
    let pass = excess <= limit || !sure;
    let because = if excess > limit && !sure { " (more, but no more than chance gives)" } else { "" };
    Some(Check::of(pass, &name, format!("{numbers}{because}")))
}
