//! The policy of an audit: requirements on a model. `studies/policy.toml` has the keys with their reasons; `spec` reads
//! it.

/// Limits of an audit, and what it must have seen to say that a model keeps them. Shares and rates are between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Probability that no model is failed by chance, and none passed, over all comparisons of a study.
    pub confidence: f64,
    /// Must there be an end-to-end guarantee?
    pub guarantee_required: bool,
    /// Its largest epsilon.
    pub epsilon_max: f64,
    /// Must attacks or a one-run audit be able to refute a claimed epsilon?
    pub claim_tested: bool,
    /// Must attacks have been tried?
    pub attacks_required: bool,
    /// Largest AUC of any attack.
    pub auc_max: f64,
    /// Largest TPR at FPR 0.01 of any attack.
    pub tpr_at_1pct_fpr_max: f64,
    /// Must synthetic traces have been searched for real ones?
    pub leakage_required: bool,
    /// Largest share of synthetic traces that are (nearly) a member, above those that are (nearly) a held-out trace.
    pub copies_max: f64,
    /// Largest share of members of which something unique is found again, or lengths or flags are guessed right, above that of
    /// held-out traces.
    pub memorised_max: f64,
    /// Largest share of members of which an identifier is found again, above that of held-out traces.
    pub identifiers_max: f64,
    /// Largest share of synthetic traces with the endpoints, headers or payloads of real ones, above that of real traces
    /// with those of other real traces.
    pub coincidences_max: f64,
    /// The same for the two addresses of a trace.
    pub addresses_max: f64,
}

/// The false positive rate of [`Policy::tpr_at_1pct_fpr_max`].
pub const AUDITED_FPR: f64 = 0.01;
