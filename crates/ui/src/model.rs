//! One model: what it is and promises, how it was trained, what attacks, measures and audits say; and in what it differs
//! from another one.

use crate::answer::Answer;
use crate::failure::{Answered, Failure, InAddress};
use crate::grid::Grid;
use crate::layout::{Frame, html};
use crate::query_string::QueryString;
use crate::study::{Study, View};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{Parameters, Rendered};

/// Rows of a section.
const ROWS_MAX: usize = 500;

/// Name of the other model in an address.
const VERSUS: &str = "versus";

/// What the page shows of a model in words, by column.
const FACTS: &str = "models.name, models.generator, preset, models.dataset, models.\"class\", models.\"role\", models.shadow, \
    models.plan, status, models.members, parameters, parameters_private, models.steps, expected_batch, models.sampling_rate, \
    seconds, models.epsilon, models.delta, models.noise_multiplier, models.clip_norm, models.epsilon_spent, \
    models.accountant, models.guarantee, models.epsilon_end_to_end, models.noise, meaning, config";

/// A heading, what to know to read it, and its statement for a model `$id`.
type Part = (&'static str, &'static str, &'static str);

/// The sections of the page; one without rows is left out.
const PARTS: &[Part] = &[
    (
        "Lineage",
        "What the weights descend from. What saw private traces and went not through the mechanism makes a guarantee conditional.",
        "SELECT number, kind, description, through_mechanism, saw_private FROM lineage WHERE model_id = $id ORDER BY number",
    ),
    (
        "Privacy ledger",
        "Every mechanism that was applied to private traces; epsilon_after is the upper bound of all events up to that one.",
        "SELECT event, phase, mechanism, sampling_rate, noise_multiplier, clip_norm, steps, epsilon_after, delta, neighbours \
         FROM privacy_ledger WHERE model_id = $id ORDER BY event",
    ),
    (
        "Audit",
        "What is claimed beside what attacks hint at and one-run audits prove.",
        "SELECT * FROM privacy_audit WHERE model_id = $id",
    ),
    (
        "Attacks",
        "AUC: 0.5 is chance, 1 recognises every training trace. Intervals are 95 %.",
        "SELECT attack, attribute, evaluated_on, n, n_members, auc, auc_low, auc_high, recall, fpr, tpr_at_1pct_fpr \
         FROM attacks WHERE model_id = $id ORDER BY evaluated_on DESC, auc DESC NULLS LAST, attack",
    ),
    (
        "Losses",
        "By epoch. A loss of held-out traces far above that of members is what membership inference lives on.",
        "SELECT epoch, step, train_loss, member_loss, held_out_loss, held_out_loss - member_loss AS gap, gradient_norm, \
         clipped_fraction, seconds FROM epochs WHERE model_id = $id ORDER BY epoch",
    ),
    (
        "Fidelity by field",
        "Mean over packet positions of the Jensen-Shannon distance to member traces; held_out is what as many real traces get.",
        "SELECT field, avg(value) FILTER (WHERE compared = 'synthetic') AS synthetic, \
         avg(value) FILTER (WHERE compared = 'held_out') AS held_out FROM fidelity \
         WHERE model_id = $id AND aspect = 'header' AND metric = 'jsd' AND reference = 'members' GROUP BY field ORDER BY 2 DESC, 1",
    ),
    (
        "Utility",
        "Of models that learnt from the synthetic traffic of its generator at its budget, tested on held-out real traces.",
        "SELECT downstream.task, downstream.metric, downstream.\"class\", synthetic_value, members_value, guess_value, n_test \
         FROM downstream JOIN models ON models.generator = downstream.generator AND models.dataset = downstream.dataset \
         AND models.regime = downstream.regime AND (models.plan IS NOT DISTINCT FROM downstream.plan) \
         WHERE models.model_id = $id AND models.\"role\" = 'target' ORDER BY 1, 2, 3",
    ),
    (
        "Leakage",
        "Training traces inside synthetic ones; control is the same for traces that the model never saw.",
        "SELECT measure, kind, value, control, hits, n, control_hits, control_n, p_value FROM leaks WHERE model_id = $id \
         ORDER BY p_value NULLS LAST, measure, kind",
    ),
    (
        "Generated traces",
        "The first of them.",
        "SELECT trace_id, number, packets, rejected_packets, complete, mended_fields FROM synthetic_traces WHERE model_id = $id \
         ORDER BY number LIMIT 20",
    ),
];

#[derive(Template)]
#[template(path = "model.html")]
struct Page {
    frame: Frame,
    facts: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    sections: Vec<Section>,
    /// Models of the same class to compare with.
    others: Vec<(String, String)>,
    versus: Option<Versus>,
}

struct Section {
    title: &'static str,
    text: &'static str,
    grid: Grid,
}

/// In what two models differ.
struct Versus {
    name: String,
    rows: Vec<(String, String, String)>,
}

/// What is known of a model, by name: its columns, then its settings.
struct Facts {
    columns: Vec<(String, String)>,
    settings: BTreeMap<String, String>,
}

impl Facts {
    async fn read(view: &View<'_>, id: &str) -> std::result::Result<Self, Failure> {
        let number: i64 = id.parse().map_err(|_| Error::user(format!("expected the id of a model, found `{id}`")))?;
        let sql = format!(
            "SELECT {FACTS} FROM models JOIN model_privacy ON model_privacy.model_id = models.model_id \
             WHERE models.model_id = {number}"
        );
        let Rendered { header, rows, .. } =
            Answer::first(view.ask(&sql, &Parameters::new()).await?, 1).await?.rendered()?;
        let Some(row) = rows.into_iter().next() else {
            let error = Error::user(format!("there is no model `{id}`"));
            return Err(Failure::nothing(error.hint("the tables models and target_models have all")));
        };
        let mut columns: Vec<(String, String)> = header.into_iter().zip(row).collect();
        let config = columns.pop().map(|(_, config)| config).unwrap_or_default();
        let mut settings = BTreeMap::new();
        if let Ok(value) = serde_json::from_str(&config) {
            flatten("", &value, &mut settings);
        }
        Ok(Self { columns, settings })
    }

    fn name(&self) -> String {
        self.columns.first().map(|(_, name)| name.clone()).unwrap_or_default()
    }

    /// Names that have another value in `other`, with both.
    fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let all = |facts: &Self| {
            let columns = facts.columns.iter().cloned();
            columns
                .chain(facts.settings.iter().map(|(name, value)| (format!("config.{name}"), value.clone())))
                .collect()
        };
        let (own, others): (BTreeMap<String, String>, BTreeMap<String, String>) = (all(self), all(other));
        let names = own.keys().chain(others.keys().filter(|name| !own.contains_key(*name)));
        let value = |facts: &BTreeMap<String, String>, name: &str| facts.get(name).cloned().unwrap_or_default();
        let both = names.map(|name| (name.clone(), value(&own, name), value(&others, name)));
        both.filter(|(_, own, other)| own != other).collect()
    }
}

/// The leaves of a JSON value, by their paths.
fn flatten(path: &str, value: &serde_json::Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                flatten(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, member, leaves);
            }
        }
        serde_json::Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

/// `/model/ID`
pub(crate) async fn page(State(study): State<Arc<Study>>, id: InAddress, RawQuery(query): RawQuery) -> Answered {
    let Path(id) = id?;
    let query = QueryString::parse(query.as_deref());
    let view = study.view()?;
    let facts = Facts::read(&view, &id).await?;
    let versus = match query.get(VERSUS) {
        Some(other) => {
            let other = Facts::read(&view, other).await?;
            Some(Versus { name: other.name(), rows: facts.differences(&other) })
        }
        None => None,
    };
    let mut sections = Vec::new();
    for &(title, text, sql) in PARTS {
        let sql = sql.replace("$id", &id);
        let answer = Answer::first(view.ask(&sql, &Parameters::new()).await?, ROWS_MAX).await?;
        if answer.rows() > 0 {
            sections.push(Section { title, text, grid: Grid::of(&answer, title)? });
        }
    }
    let others = others(&view, &id).await?;
    Ok(html(&Page {
        frame: study.frame("", facts.name()),
        others: others
            .into_iter()
            .map(|(name, other)| (name, query.with(VERSUS, other).after(&format!("/model/{id}"))))
            .collect(),
        facts: facts.columns.into_iter().filter(|(_, value)| value != "NULL").collect(),
        settings: facts.settings.into_iter().collect(),
        sections,
        versus,
    })?)
}

/// The other models of its class and role, by name.
async fn others(view: &View<'_>, id: &str) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "SELECT other.name, CAST(other.model_id AS TEXT) FROM models AS own JOIN models AS other ON other.dataset = own.dataset \
         AND other.\"class\" = own.\"class\" AND other.\"role\" = own.\"role\" AND other.model_id <> own.model_id \
         WHERE own.model_id = {id} AND own.shadow IS NOT DISTINCT FROM other.shadow ORDER BY 1, 2"
    );
    let answer = Answer::first(view.ask(&sql, &Parameters::new()).await?, ROWS_MAX).await?;
    let rows = answer.rendered()?.rows.into_iter();
    Ok(rows.filter_map(|row| <[String; 2]>::try_from(row).ok()).map(|[name, id]| (name, id)).collect())
}
