//! The tables of the page, by section.

use super::disclosure::Naming;

/// A table and the query behind it.
pub(super) struct Table {
    /// Its query.
    pub name: &'static str,
    /// Values that differ from the query's defaults.
    pub given: &'static [&'static str],
    /// Heading.
    pub title: &'static str,
    /// What to know to read it.
    pub caption: &'static str,
    /// What a study needs to have it.
    pub needs: &'static str,
    /// Rows that are shown; the CSV has all.
    pub rows_max: usize,
    /// Whom it names.
    pub naming: Naming,
}

const ATTACKS: &str = "No attack was run on a target model.";
const MODELS: &str = "No model was trained or imported.";

const fn table(name: &'static str, title: &'static str, caption: &'static str, needs: &'static str) -> Table {
    Table { name, given: &[], title, caption, needs, rows_max: 120, naming: Naming::Nobody }
}

pub(super) const OVERVIEW: &[Table] = &[
    table(
        "strongest_by_access",
        "From outside and from inside",
        "What whoever has the synthetic traffic alone can tell of members, and what whoever may ask the model can: the \
         strongest attack of each kind, chosen on shadow models, about single traces and about hosts by all of their traces.",
        ATTACKS,
    ),
    table(
        "strongest_attacks",
        "At a glance",
        "The strongest attack on each generator at each budget, chosen on shadow models, and what is promised there. \
         auc_largest is the largest of all attacks on the targets: an upper end, above chance by selection alone.",
        MODELS,
    ),
];

pub(super) const MEMBERSHIP: &[Table] = &[
    table(
        "mia_by_model_and_epsilon",
        "All attacks on all targets",
        "Every attack with its interval. With many rows some intervals miss 0.5 by chance: about one in twenty. \
         tpr_at_1pct_fpr is empty where fewer than 100 traces were held out: they cannot tell a rate of 0.01 from 0. \
         interval_covers: most intervals cover which traces were drawn and attacked, not the randomness of training; where each \
         model of a group is a target in turn (each_target) they cover both.",
        ATTACKS,
    ),
    table(
        "attacks_by_unit",
        "Traces and hosts",
        "The strongest attack on single traces and, where a spec asks for attacks on hosts, on hosts with all their traces, \
         beside the unit that the model's epsilon is about: an epsilon for a trace bounds no attack on hosts.",
        ATTACKS,
    ),
    table(
        "whole_against_summaries",
        "What summaries lose",
        "The strongest attack on what models say of every position (logits of every token, predicted noise of every cell) beside \
         the strongest on summaries of it.",
        "No attack was run on whole attributes: a spec with `attributes = \"full\"` keeps them.",
    ),
    table(
        "section3_table2",
        "Table 2 of section 3: attacks without DP",
        "Columns that begin with paper_ are as printed in the paper, on its own data.",
        "No attack was run on a target model without DP.",
    ),
    table(
        "table1",
        "Appendix Table 1: privacy and utility of every target",
        "Columns that begin with paper_ are as printed in the paper, on its own data.",
        ATTACKS,
    ),
    Table {
        rows_max: 20,
        naming: Naming::Members,
        ..table(
            "most_exposed_traces",
            "Most exposed traces",
            "Members that an attack recognises most surely: held_out_above is the share of held-out traces that score at \
             least as high.",
            ATTACKS,
        )
    },
];

pub(super) const PROMISES: &[Table] = &[
    table(
        "model_guarantees",
        "Guarantees in words",
        "One row for each target model. An infinite end-to-end epsilon promises nothing.",
        MODELS,
    ),
    table(
        "release_privacy",
        "All models of a split together",
        "Each released model spends on its own: who releases several promises the epsilon of all together.",
        MODELS,
    ),
    Table {
        given: &["role=target"],
        rows_max: 400,
        ..table(
            "privacy_ledger",
            "Privacy ledger of the targets",
            "Every mechanism that was applied to private traces, in order; epsilon_after is the upper bound of all events up \
             to that one.",
            "No model was trained with DP here.",
        )
    },
    table(
        "privacy_audit",
        "Claimed, end-to-end and empirical epsilon",
        "epsilon_empirical is what the best attack hints at (95 % over all attacks on the model; no proof, because its \
         traces are no independent trials), epsilon_provable the most that so many traces could; only the one-run audit \
         proves.",
        MODELS,
    ),
    table(
        "why_dp_helped",
        "Did DP help, and why?",
        "The rule behind the label stands in the view overfitting.",
        "It takes an attack on targets without DP.",
    ),
    table(
        "leaks_by_model",
        "Training traces inside synthetic traffic",
        "Copies and identifiers of members in the generated traces, beside the same for held-out traces, which the model \
         never saw.",
        "No synthetic traffic was searched for copies.",
    ),
];

pub(super) const FIDELITY: &[Table] = &[
    table(
        "table2",
        "Appendix Table 2: how much the budget moves fidelity",
        "Columns that begin with paper_ are as printed in the paper, on its own data.",
        "No synthetic traffic was compared with real traffic.",
    ),
    table(
        "table3",
        "Appendix Table 3: packet lengths of real traffic",
        "IP length in bytes. Columns that begin with paper_ are as printed in the paper, on its own data.",
        "The study holds no real packets (it is empty or a redacted copy).",
    ),
    table(
        "fidelity_by_aspect",
        "Beyond marginals",
        "Transitions between packets, timing, flows, validity, pairs of fields, diversity, and a classifier that tells \
         real from synthetic; held_out_value is what a perfect generator would get.",
        "No synthetic traffic was compared with real traffic.",
    ),
];

pub(super) const UTILITY: &[Table] = &[
    table(
        "augmentation",
        "Synthetic traffic beside a few real traces",
        "Accuracy of classifiers that learnt from a share of the real traces alone, and from it with all synthetic traces \
         added, on held-out traces; gain is the difference on the same draws. Intervals are 95 %, over draws and test traces.",
        "Nothing was added to real traces (`[utility] augment`), or the study has one class.",
    ),
    Table {
        given: &["limit=60"],
        ..table(
            "fields_used",
            "Which header fields classifiers use",
            "Share of the decrease in impurity, summed over packet positions.",
            "No classifier was trained.",
        )
    },
];

pub(super) const PAPER: &[Table] = &[table(
    "paper_agreement",
    "The paper's takeaways, case by case",
    "A verdict needs two thirds of the decided cases, and at least as many decided as open ones. Studies on other data or at other sizes need not agree; nothing \
         was tuned towards agreement.",
    "The list of takeaways is missing.",
)];

pub(super) const PROVENANCE: &[Table] = &[
    Table {
        naming: Naming::Unless(&["seeds=false"]),
        ..table("provenance", "Jobs, programs and seeds", "Times are UTC; seconds are wall time.", "No job has run.")
    },
    table(
        "provenance_settings",
        "Resolved settings",
        "All that results depend on besides data and seeds, defaults included.",
        MODELS,
    ),
    Table {
        naming: Naming::Members,
        ..table(
            "provenance_captures",
            "Captures",
            "Digests are BLAKE3 of the files as they came in.",
            "The study holds no captures (it is empty or a redacted copy).",
        )
    },
    Table {
        naming: Naming::Members,
        ..table("provenance_weights", "Weights", "Digests are BLAKE3 of the stored weights.", MODELS)
    },
    Table {
        rows_max: 25,
        naming: Naming::Members,
        ..table(
            "provenance_jobs",
            "Every job with its part of the spec",
            "A job's id is the hash of what it depends on: kind, code version, its part of the spec, inputs and seed.",
            "No job has run.",
        )
    },
    Table {
        naming: Naming::Unless(&["examples=false"]),
        ..table("drops_by_reason", "What ingest left out", "", "Nothing was left out, or nothing was ingested.")
    },
    table("bytes_by_table", "Where the bytes lie", "", "The study holds no bytes."),
];
