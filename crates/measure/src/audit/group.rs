//! Groups of checks: what each is about, and which measures of leakage are judged in which.

use super::policy::Policy;

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Epsilon over the whole lineage.
    Guarantee,
    /// Evidence against a claimed epsilon.
    Claim,
    /// Membership inference.
    Attacks,
    /// Synthetic traces that are members.
    Copies,
    /// What only one member has, found again, and what can be guessed of members alone.
    Memorised,
    /// Names of hosts and services that only members have, found again.
    Identifiers,
    /// Synthetic traces that are real ones, members or not.
    Coincidences,
}

impl Group {
    /// All groups, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::Guarantee,
        Self::Claim,
        Self::Attacks,
        Self::Copies,
        Self::Memorised,
        Self::Identifiers,
        Self::Coincidences,
    ];

    /// Name on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guarantee => "guarantee",
            Self::Claim => "claim",
            Self::Attacks => "attacks",
            Self::Copies => "copies",
            Self::Memorised => "memorised",
            Self::Identifiers => "identifiers",
            Self::Coincidences => "coincidences",
        }
    }

    /// The group of a measure of leakage with the limit of one of its kinds; `None` where it is not judged.
    pub(super) fn of(measure: &str, kind: &str, policy: &Policy) -> Option<(Self, f64)> {
        match (measure, kind) {
            ("exact_copies" | "near_copies", _) => Some((Self::Copies, policy.copies_max)),
            ("memorised" | "attribute_inference", _) => Some((Self::Memorised, policy.memorised_max)),
            // of its kinds many traces have none, and a port names nobody
            ("identifiers", "any") => Some((Self::Identifiers, policy.identifiers_max)),
            ("coincide_members" | "coincide_held_out", "addresses") => Some((Self::Coincidences, policy.addresses_max)),
            ("coincide_members" | "coincide_held_out", _) => Some((Self::Coincidences, policy.coincidences_max)),
            _ => None,
        }
    }
}
