//! The tables: which record or segment gives which column.
//!
//! Invariant: a file here holds declarations only; reading, pruning and filtering are elsewhere.

mod attack;
mod capture;
mod constant;
mod job;
mod model;
mod paper;
mod paper_takeaways;
mod paper_values;
pub(crate) mod plans;
mod record;
mod segment;
pub(crate) mod several;
pub(crate) mod study;

use crate::scan::relation::Relation;
use std::sync::Arc;
use study::Study;

/// A SQL table: its name, what one row of it is, and how it is made for a study.
pub(super) struct Table {
    pub name: &'static str,
    pub doc: &'static str,
    pub make: fn(&Arc<Study>) -> Arc<dyn Relation>,
}

/// All tables, in the order of the data flow.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "captures",
        doc: "One row per capture: the content of an input file, kept verbatim.",
        make: capture::captures,
    },
    Table {
        name: "capture_names",
        doc: "One row per capture and name that it came with: one content may have several.",
        make: capture::capture_names,
    },
    Table {
        name: "capture_drops",
        doc: "One row per capture, class and reason: packets that are in no trace.",
        make: capture::capture_drops,
    },
    Table { name: "classes", doc: "One row per class of a dataset.", make: capture::classes },
    Table {
        name: "traces",
        doc: "One row per real trace: the unit of privacy, or one of a host's.",
        make: segment::traces,
    },
    Table { name: "packets", doc: "One row per packet of a real or synthetic trace.", make: segment::packets },
    Table { name: "encodings", doc: "One row per real trace and encoding.", make: segment::encodings },
    Table { name: "splits", doc: "One row per trace of a split: member or held out.", make: segment::splits },
    Table { name: "models", doc: "One row per trained generator.", make: model::models },
    Table { name: "lineage", doc: "One row per model and ancestor of its weights.", make: model::lineage },
    Table {
        name: "privacy_ledger",
        doc: "One row per privacy event of a model trained with DP.",
        make: segment::privacy_ledger,
    },
    Table { name: "epochs", doc: "One row per model and epoch of its training.", make: segment::epochs },
    Table {
        name: "monitors",
        doc: "One row per measurement of a training besides its losses.",
        make: segment::monitors,
    },
    Table {
        name: "attributes",
        doc: "One row per model, trace and attribute kind: what an attack reads.",
        make: segment::attributes,
    },
    Table {
        name: "reference_attributes",
        doc: "One row per model, trace outside its split and attribute kind.",
        make: segment::reference_attributes,
    },
    Table {
        name: "whole_attributes",
        doc: "One row per model, trace and position of the trace, where a spec asks for full attributes.",
        make: segment::whole_attributes,
    },
    Table { name: "attacks", doc: "One row per attack result, with intervals.", make: attack::attacks },
    Table {
        name: "attack_scores",
        doc: "One row per attack and attacked trace, or host.",
        make: segment::attack_scores,
    },
    Table { name: "roc", doc: "One row per corner of an attack's ROC curve.", make: segment::roc },
    Table { name: "synthetic_traces", doc: "One row per synthetic trace.", make: segment::synthetic_traces },
    Table {
        name: "repairs",
        doc: "One row per synthetic trace and rule that changed cells or kept tokens out of it.",
        make: segment::repairs,
    },
    Table {
        name: "fidelity",
        doc: "One row per model, measure and what was compared with what.",
        make: segment::fidelity,
    },
    Table {
        name: "utility",
        doc: "One row per measure of a downstream model, tested on held-out real traces.",
        make: segment::utility,
    },
    Table {
        name: "importances",
        doc: "One row per downstream classifier, header field and packet position: what it used.",
        make: segment::importances,
    },
    Table {
        name: "leaks",
        doc: "One row per model, measure and kind: training traces in synthetic ones, beside a control.",
        make: segment::leaks,
    },
    Table {
        name: "one_run_audits",
        doc: "One row per one-run audit of the mechanism that trained a model.",
        make: segment::one_run_audits,
    },
    Table { name: "plans", doc: "One row per spec that was run.", make: job::plans },
    Table {
        name: "plan_members",
        doc: "One row per spec that was run and job or model that belongs to it.",
        make: job::plan_members,
    },
    Table { name: "jobs", doc: "One row per finished job: where everything else comes from.", make: job::jobs },
    Table { name: "objects", doc: "One row per content-addressed object.", make: job::objects },
    Table { name: "segments", doc: "One row per segment and column: where the bytes are.", make: job::segments },
    Table {
        name: "paper_table1",
        doc: "One row per regime, class and generator of the paper's appendix Table 1.",
        make: paper::table1,
    },
    Table {
        name: "paper_table2",
        doc: "One row per dataset and generator of the paper's appendix Table 2.",
        make: paper::table2,
    },
    Table { name: "paper_table3", doc: "One row per class of the paper's appendix Table 3.", make: paper::table3 },
    Table {
        name: "paper_section3_table2",
        doc: "One row per class and generator of Table 2 in the paper's section 3.",
        make: paper::section3_table2,
    },
    Table {
        name: "paper_takeaways",
        doc: "One row per statement of the paper that a study can check, with the rule that checks it.",
        make: paper::takeaways,
    },
];
