//! `attacks`.

use super::record::{Fields, record_table};
use super::study::{MISSING, Study};
use crate::scan::relation::Relation;
use std::sync::Arc;
use syntrace_base::error::Result;
use syntrace_base::record::{AttackRecord, Interval};
use syntrace_measure::eval::resolves_fpr;

/// An attack with the names of its group.
struct AttackRow {
    attack: AttackRecord,
    generator: String,
    dataset: String,
    class: String,
    plan: Option<String>,
}

impl AttackRow {
    /// What a row of its scores is.
    fn unit(&self) -> String {
        let options: serde_json::Value = serde_json::from_str(&self.attack.options).unwrap_or_default();
        options.get("unit").and_then(serde_json::Value::as_str).unwrap_or("trace").to_owned()
    }
}

/// A number that may be undefined: SQL says NULL, not NaN.
fn defined(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

/// Three columns: a measure and the ends of its interval.
fn measure(
    fields: Fields<AttackRow>,
    names: [&'static str; 3],
    docs: [&'static str; 3],
    get: fn(&AttackRecord) -> Interval,
) -> Fields<AttackRow> {
    let [value, low, high] = names;
    let [value_doc, low_doc, high_doc] = docs;
    fields
        .real_or_null(value, value_doc, move |row| defined(get(&row.attack).value))
        .real_or_null(low, low_doc, move |row| defined(get(&row.attack).low))
        .real_or_null(high, high_doc, move |row| defined(get(&row.attack).high))
}

macro_rules! measures {
    ($fields:expr; $($field:ident $doc:literal)+) => {{
        let fields = $fields;
        $(let fields = measure(
            fields,
            [stringify!($field), concat!(stringify!($field), "_low"), concat!(stringify!($field), "_high")],
            [$doc, "lower end of its interval", "upper end of its interval"],
            |attack| attack.$field,
        );)+
        fields
    }};
}

/// A TPR at an FPR that the attacked held-out traces can tell; earlier versions stored it of any number of them.
fn resolved(attack: &AttackRecord, fpr: f64, stored: Interval) -> Interval {
    let held_out = attack.n - attack.n_members.min(attack.n);
    if resolves_fpr(held_out, fpr) { stored } else { Interval { value: f64::NAN, low: 0.0, high: 1.0 } }
}

pub(super) fn attacks(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<AttackRow>::new()
        .big("attack_id", "id of the attack result", |row| row.attack.attack_id.0)
        .text("attack", "attack", |row| row.attack.attack.clone())
        .text("attribute", "attribute kind that it reads", |row| row.attack.attribute.clone())
        .text("evaluated_on", "`shadow_test` (held back from the attack) or `target`", |row| {
            row.attack.evaluated_on.name().to_owned()
        })
        .big("model_id", "target model of the group", |row| row.attack.target_model.0)
        .text("generator", "generator family of the group", |row| row.generator.clone())
        .text("dataset", "dataset", |row| row.dataset.clone())
        .text("class", "class", |row| row.class.clone())
        .text("role", "role of model_id: `target`", |_| "target".to_owned())
        .int_or_null("shadow", "index of a shadow: NULL, as model_id is a target", |_| None)
        .real_or_null("epsilon", "target epsilon of all models of the group; NULL = no DP", |row| {
            row.attack.regime.epsilon()
        })
        .text("regime", "how they were trained: `no DP`, `anonymised` or `eps 4.0`", |row| row.attack.regime.words())
        .real_or_null("delta", "its delta; NULL = no DP", |row| row.attack.regime.delta())
        .int("shadows", "shadow models that it learnt from", |row| row.attack.shadow_models.len() as i32)
        .big("n", "traces (hosts, where they are the unit) evaluated", |row| row.attack.n as i64)
        .big("n_members", "members among them", |row| row.attack.n_members as i64);
    let fields = measures! { fields;
        precision "of guessed members, the share that are; NULL without a guess"
        recall "of members, the share guessed (TPR)"
        fpr "of held-out traces, the share guessed to be members"
        auc "area under the ROC curve; 0.5 = chance"
        balanced_accuracy "mean of recall and 1 - fpr; 0.5 = chance"
    };
    let fields = measure(
        fields,
        ["tpr_at_1pct_fpr", "tpr_at_1pct_fpr_low", "tpr_at_1pct_fpr_high"],
        [
            "TPR at FPR 0.01; NULL with fewer than 100 held-out traces, which cannot tell 0.01 from 0",
            "lower end of its interval, which allows for a threshold that held-out traces set",
            "upper end of its interval",
        ],
        |attack| resolved(attack, 0.01, attack.tpr_at_1pct_fpr),
    );
    let fields = measure(
        fields,
        ["tpr_at_0_1pct_fpr", "tpr_at_0_1pct_fpr_low", "tpr_at_0_1pct_fpr_high"],
        [
            "TPR at FPR 0.001; NULL with fewer than 1,000 held-out traces",
            "lower end of its interval, as for FPR 0.01",
            "upper end of its interval",
        ],
        |attack| resolved(attack, 0.001, attack.tpr_at_0_1pct_fpr),
    );
    let fields = fields
        .real("confidence", "confidence level of all intervals", |row| row.attack.confidence)
        .text("interval_method", "how the intervals were made", |row| row.attack.interval_method.clone())
        .text(
            "interval_covers",
            "what the AUC's interval covers: `traces` (which were drawn and attacked, of one trained model) or `traces and trainings`",
            |row| row.attack.interval_covers().to_owned(),
        )
        .flag_or_null("converged", "did its solver converge before its cap of iterations; NULL: it has none", |row| {
            row.attack.converged
        })
        .text("options", "resolved options, JSON", |row| row.attack.options.clone())
        .big("class_id", "class", |row| row.attack.class_id.0)
        .big("job_id", "job that ran it", |row| row.attack.job_id.0)
        .text_or_null("plan", "newest spec that its job belongs to (see plans); NULL = none", |row| row.plan.clone())
        .text("unit", "what it scores: each `trace`, or each `host` by all its traces on one side", AttackRow::unit);
    record_table(study, fields, load_attacks)
}

fn load_attacks(study: &Study) -> Result<Vec<AttackRow>> {
    let (index, plans) = (study.index()?, study.plans()?);
    let row = |attack: AttackRecord| {
        let (dataset, class) = index.class(attack.class_id);
        let generator = index.model(attack.target_model).map_or(MISSING, |model| &model.generator).to_owned();
        let plan = plans.of_result(attack.job_id, Some(attack.target_model.0));
        AttackRow { dataset: dataset.to_owned(), class: class.to_owned(), generator, plan, attack }
    };
    Ok(study.snapshot()?.attacks()?.into_iter().map(row).collect())
}
