//! Collects the evidence about a study's target models: one query per table, whatever the number of models.

use super::super::query_session::Asker;
use crate::audit::{Access, AttackEvidence, Bound, BoundEvidence, Evidence, Guesses, HostEvidence, LeakEvidence};
use crate::error::{Error, Result};
use crate::eval::{Confusion, Roc, Scored};
use crate::query::{Parameters, RecordBatch};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use std::collections::HashMap;

const MODELS: &str = "SELECT model_id, name, epsilon, delta, guarantee, epsilon_end_to_end, members, \
     preset = 'imported' AS imported, plan, unit \
     FROM models \
     WHERE role = 'target' ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST, model_id";

const NEWEST: &str = "SELECT plan FROM newest_plan";

const ATTACKS: &str = "SELECT target.model_id, target.attack_id, \
     concat(target.attack, ' on ', target.attribute, CASE WHEN target.unit = 'host' THEN ' by host' ELSE '' END, \
         CASE WHEN (target.plan IS DISTINCT FROM models.plan) THEN concat(', of plan ', target.plan) ELSE '' END) AS name, \
     target.unit, target.auc, target.n, target.n_members, strength.mean_on_shadows, newest.attack_id IS NULL AS replaced, \
     target.attribute LIKE 'synthetic%' AS outside \
     FROM attacks AS target \
     JOIN models ON models.model_id = target.model_id \
     LEFT JOIN newest_attacks AS newest ON newest.attack_id = target.attack_id \
     LEFT JOIN attack_strength_by_unit AS strength ON strength.model_id = target.model_id \
     AND (strength.plan IS NOT DISTINCT FROM target.plan) \
     AND strength.attack = target.attack AND strength.attribute = target.attribute AND strength.unit = target.unit \
     WHERE target.evaluated_on = 'target' ORDER BY target.model_id, name";

const SCORES: &str = "SELECT attack_id, score, member FROM attack_scores WHERE evaluated_on = 'target'";

const HOSTS: &str = "SELECT attack_id, auc, member_sources, held_out_sources FROM source_leakage WHERE auc IS NOT NULL";

const GUESSES: &str = "SELECT model_id, concat(attack, ' on ', attribute) AS name, tp, fp, tn, fn, delta \
     FROM empirical_privacy WHERE tp IS NOT NULL ORDER BY model_id, name";

const ONE_RUN: &str = "SELECT audits.model_id, canaries, guesses, correct, delta, \
     rank() OVER (PARTITION BY audits.model_id ORDER BY plans.started_us DESC NULLS LAST) > 1 AS replaced \
     FROM one_run_audits AS audits LEFT JOIN plans ON plans.plan = audits.plan \
     WHERE role = 'target' ORDER BY audits.model_id, canaries";

const LEAKS: &str = "SELECT leaks.model_id, measure, kind, hits, n, control_hits, control_n, \
     rank() OVER (PARTITION BY leaks.model_id ORDER BY plans.started_us DESC NULLS LAST) > 1 AS replaced \
     FROM leaks LEFT JOIN plans ON plans.plan = leaks.plan WHERE role = 'target'";

/// A target model and what is known of it.
pub(super) struct Target {
    pub model_id: i64,
    /// Newest plan that it belongs to.
    pub plan: Option<String>,
    /// Made elsewhere, so of no plan?
    pub imported: bool,
    pub evidence: Evidence,
    /// Results on it that a newer plan replaced.
    pub replaced: u64,
}

/// All target models of a study, and the newest of its plans.
#[derive(Default)]
pub(super) struct Found {
    pub targets: Vec<Target>,
    pub newest: Option<String>,
    places: HashMap<i64, usize>,
}

/// Every target model with all that was measured on it.
pub(super) fn targets(asker: &Asker) -> Result<Found> {
    let mut found = Found::default();
    let redacted = asker.is_redacted()?;
    each(asker, MODELS, |rows| {
        let (ids, names) = (rows.ints("model_id")?, rows.texts("name")?);
        let (guarantees, members) = (rows.texts("guarantee")?, rows.ints("members")?);
        let (imported, plans, units) = (rows.flags("imported")?, rows.texts("plan")?, rows.texts("unit")?);
        let [epsilon, delta, end_to_end] = rows.reals(["epsilon", "delta", "epsilon_end_to_end"])?;
        for row in 0..ids.len() {
            let plan = plans.is_valid(row).then(|| plans.value(row).to_owned());
            let evidence = Evidence {
                name: names.value(row).to_owned(),
                private: value(&epsilon, row).is_some(),
                epsilon_claimed: value(&epsilon, row),
                epsilon_end_to_end: value(&end_to_end, row),
                guarantee: guarantees.value(row).to_owned(),
                delta: value(&delta, row),
                members: members.is_valid(row).then(|| members.value(row).unsigned_abs()),
                unit: units.is_valid(row).then(|| units.value(row).to_owned()),
                redacted,
                ..Evidence::default()
            };
            found.places.insert(ids.value(row), found.targets.len());
            let (model_id, imported) = (ids.value(row), imported.value(row));
            found.targets.push(Target { model_id, plan, imported, evidence, replaced: 0 });
        }
        Ok(())
    })?;
    if found.targets.is_empty() {
        return Err(Error::user("the study has no target models").hint("`syntrace run STUDY SPEC` trains them"));
    }
    each(asker, NEWEST, |rows| {
        let plans = rows.texts("plan")?;
        found.newest = plans.iter().flatten().next().map(str::to_owned);
        Ok(())
    })?;
    attacks(asker, &mut found)?;
    bounds(asker, &mut found)?;
    leaks(asker, &mut found)?;
    Ok(found)
}

impl Found {
    /// The evidence on a model; `None` for rows of a model that is no target.
    fn of(&mut self, model_id: i64) -> Option<&mut Evidence> {
        self.target(model_id).map(|target| &mut target.evidence)
    }

    /// As [`Self::of`]; `None` also for a result that a newer plan replaced, which is counted.
    fn standing(&mut self, model_id: i64, replaced: bool) -> Option<&mut Evidence> {
        let target = self.target(model_id)?;
        target.replaced += u64::from(replaced);
        (!replaced).then_some(&mut target.evidence)
    }

    fn target(&mut self, model_id: i64) -> Option<&mut Target> {
        let place = *self.places.get(&model_id)?;
        self.targets.get_mut(place)
    }
}

fn attacks(asker: &Asker, found: &mut Found) -> Result<()> {
    let mut scored: HashMap<i64, Vec<Scored>> = HashMap::new();
    each(asker, SCORES, |rows| {
        let (ids, members) = (rows.ints("attack_id")?, rows.flags("member")?);
        let [scores] = rows.reals(["score"])?;
        for row in 0..ids.len() {
            let one = Scored { score: scores.value(row), member: members.value(row) };
            scored.entry(ids.value(row)).or_default().push(one);
        }
        Ok(())
    })?;
    let mut by_host: HashMap<i64, HostEvidence> = HashMap::new();
    each(asker, HOSTS, |rows| {
        let ids = rows.ints("attack_id")?;
        let (members, held_out) = (rows.ints("member_sources")?, rows.ints("held_out_sources")?);
        let [auc] = rows.reals(["auc"])?;
        for row in 0..ids.len() {
            let (members, held_out) = (members.value(row).unsigned_abs(), held_out.value(row).unsigned_abs());
            by_host.insert(ids.value(row), HostEvidence { auc: auc.value(row), members, held_out });
        }
        Ok(())
    })?;
    each(asker, ATTACKS, |rows| {
        let (models, ids, names) = (rows.ints("model_id")?, rows.ints("attack_id")?, rows.texts("name")?);
        let (traces, members) = (rows.ints("n")?, rows.ints("n_members")?);
        let [auc, on_shadows] = rows.reals(["auc", "mean_on_shadows"])?;
        let (replaced, outside, units) = (rows.flags("replaced")?, rows.flags("outside")?, rows.texts("unit")?);
        for row in 0..ids.len() {
            let Some(evidence) = found.standing(models.value(row), replaced.value(row)) else { continue };
            let members = members.value(row).unsigned_abs();
            evidence.attacks.push(AttackEvidence {
                name: names.value(row).to_owned(),
                mean_on_shadows: value(&on_shadows, row),
                auc: value(&auc, row).unwrap_or(f64::NAN),
                members,
                hosts: units.value(row) == "host",
                held_out: traces.value(row).unsigned_abs().saturating_sub(members),
                roc: scored.get(&ids.value(row)).map(|scored| Roc::new(scored)).transpose()?,
                access: if outside.value(row) { Access::SyntheticTraffic } else { Access::Model },
                by_host: by_host.get(&ids.value(row)).copied(),
            });
        }
        Ok(())
    })
}

fn bounds(asker: &Asker, found: &mut Found) -> Result<()> {
    each(asker, GUESSES, |rows| {
        let (models, names) = (rows.ints("model_id")?, rows.texts("name")?);
        let counts = ["tp", "fp", "tn", "fn"].map(|name| rows.ints(name));
        let [tp, fp, tn, fn_] = counts;
        let (tp, fp, tn, fn_) = (tp?, fp?, tn?, fn_?);
        let [delta] = rows.reals(["delta"])?;
        for row in 0..models.len() {
            let Some(evidence) = found.of(models.value(row)) else { continue };
            let counts = Confusion {
                true_positives: tp.value(row).unsigned_abs(),
                false_positives: fp.value(row).unsigned_abs(),
                true_negatives: tn.value(row).unsigned_abs(),
                false_negatives: fn_.value(row).unsigned_abs(),
            };
            let method = format!("attack {}", names.value(row));
            evidence.bounds.push(BoundEvidence { method, found: Bound::Attack { counts, delta: delta.value(row) } });
        }
        Ok(())
    })?;
    each(asker, ONE_RUN, |rows| {
        let (models, canaries) = (rows.ints("model_id")?, rows.ints("canaries")?);
        let (guesses, correct) = (rows.ints("guesses")?, rows.ints("correct")?);
        let [delta] = rows.reals(["delta"])?;
        let replaced = rows.flags("replaced")?;
        for row in 0..models.len() {
            let Some(evidence) = found.standing(models.value(row), replaced.value(row)) else { continue };
            let guesses = Guesses {
                canaries: canaries.value(row).unsigned_abs(),
                guesses: guesses.value(row).unsigned_abs(),
                correct: correct.value(row).unsigned_abs(),
            };
            let method = format!("one-run audit of {} canaries", guesses.canaries);
            evidence.bounds.push(BoundEvidence { method, found: Bound::OneRun { guesses, delta: delta.value(row) } });
        }
        Ok(())
    })
}

fn leaks(asker: &Asker, found: &mut Found) -> Result<()> {
    each(asker, LEAKS, |rows| {
        let (models, measures, kinds) = (rows.ints("model_id")?, rows.texts("measure")?, rows.texts("kind")?);
        let (hits, n) = (rows.ints("hits")?, rows.ints("n")?);
        let (control_hits, control_n) = (rows.ints("control_hits")?, rows.ints("control_n")?);
        let replaced = rows.flags("replaced")?;
        for row in 0..models.len() {
            let Some(evidence) = found.standing(models.value(row), replaced.value(row)) else { continue };
            let leak = LeakEvidence {
                measure: measures.value(row).to_owned(),
                kind: kinds.value(row).to_owned(),
                hits: hits.value(row).unsigned_abs(),
                n: n.value(row).unsigned_abs(),
                control_hits: control_hits.value(row).unsigned_abs(),
                control_n: control_n.value(row).unsigned_abs(),
            };
            // An import was measured again once its class had more captures: what was compared with more says more.
            let told = |leak: &LeakEvidence| (leak.control_n > 0, leak.n, leak.hits);
            let known = evidence.leaks.iter_mut().find(|own| own.measure == leak.measure && own.kind == leak.kind);
            match known {
                Some(known) if told(known) < told(&leak) => *known = leak,
                Some(_) => {}
                None => evidence.leaks.push(leak),
            }
        }
        Ok(())
    })
}

fn value(column: &Float64Array, row: usize) -> Option<f64> {
    column.is_valid(row).then(|| column.value(row))
}

/// Hands over the rows of an answer as they come.
fn each(asker: &Asker, sql: &str, mut take: impl FnMut(&Rows) -> Result<()>) -> Result<()> {
    for batch in asker.ask(sql, &Parameters::new())? {
        take(&Rows(batch?))?;
    }
    Ok(())
}

/// Rows with typed columns.
struct Rows(RecordBatch);

impl Rows {
    fn ints(&self, name: &str) -> Result<Int64Array> {
        Ok(self.column(name, &DataType::Int64)?.as_primitive().clone())
    }

    fn reals<const N: usize>(&self, names: [&str; N]) -> Result<[Float64Array; N]> {
        let columns = names.into_iter().map(|name| Ok(self.column(name, &DataType::Float64)?.as_primitive().clone()));
        let columns: Vec<Float64Array> = columns.collect::<Result<_>>()?;
        columns.try_into().map_err(|_| Error::internal("as many columns as names"))
    }

    fn flags(&self, name: &str) -> Result<BooleanArray> {
        Ok(self.column(name, &DataType::Boolean)?.as_boolean().clone())
    }

    fn texts(&self, name: &str) -> Result<StringArray> {
        Ok(self.column(name, &DataType::Utf8)?.as_string().clone())
    }

    fn column(&self, name: &str, kind: &DataType) -> Result<ArrayRef> {
        let column = self.0.column_by_name(name);
        let column = column.ok_or_else(|| Error::internal(format!("an audit's query gave no column `{name}`")))?;
        cast(column, kind).map_err(|error| Error::internal(format!("column `{name}` of an audit's query: {error}")))
    }
}
