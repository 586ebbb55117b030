//! Partition columns, constant in all rows of a partition: derived at scan time from records, never stored per row.

use super::study::{Index, MISSING};
use datafusion::scalar::ScalarValue;
use syntrace_base::base::{AttackId, ClassId, ModelId, SplitId};
use syntrace_base::record::{EvaluatedOn, ModelRecord};
use syntrace_store::schema::Column;
use syntrace_store::schema::ColumnType::{self, Bool, F64, I32, I64, Text};

/// A column made from the partition id, or from the segment's job.
pub(super) struct Constant {
    pub column: Column,
    pub value: Value,
}

/// What gives a constant its value.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// The partition id, looked up in the study's index.
    Partition(fn(&Index, i64) -> ScalarValue),
    /// The plan of the job that wrote the segment, or of the partition's model, if it has one.
    Plan(fn(&Index, i64) -> Option<i64>),
}

const fn constant(
    name: &'static str,
    kind: ColumnType,
    nullable: bool,
    doc: &'static str,
    value: fn(&Index, i64) -> ScalarValue,
) -> Constant {
    Constant { column: Column { name, kind, nullable, doc }, value: Value::Partition(value) }
}

const fn plan(doc: &'static str, model: fn(&Index, i64) -> Option<i64>) -> Constant {
    Constant { column: Column { name: "plan", kind: Text, nullable: true, doc }, value: Value::Plan(model) }
}

const PLAN: &str = "newest spec that the row's job belongs to (see plans); NULL = none";

fn text(value: Option<&str>) -> ScalarValue {
    ScalarValue::Utf8(Some(value.unwrap_or(MISSING).to_owned()))
}

fn class_of(index: &Index, class_id: ClassId) -> (ScalarValue, ScalarValue) {
    let (dataset, class) = index.class(class_id);
    (text(Some(dataset)), text(Some(class)))
}

/// Of a partition that is a class id.
pub(super) const OF_CLASS: &[Constant] = &[
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, ClassId(id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, ClassId(id)).1),
];

fn split_class(index: &Index, id: i64) -> ClassId {
    index.split(SplitId(id)).map_or(ClassId(0), |split| split.class_id)
}

/// Of a partition that is a split id.
pub(super) const OF_SPLIT: &[Constant] = &[
    constant("split_id", I64, false, "split", |_, id| ScalarValue::Int64(Some(id))),
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, split_class(index, id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, split_class(index, id)).1),
    constant("role", Text, false, "`target` or `shadow`", |index, id| {
        text(index.split(SplitId(id)).map(|split| split.role.name()))
    }),
    constant("shadow", I32, true, "index of a shadow; NULL for a target", |index, id| {
        ScalarValue::Int32(index.split(SplitId(id)).and_then(|split| split.role.shadow()).map(|index| index as i32))
    }),
];

fn model_text(index: &Index, id: i64, get: fn(&ModelRecord) -> &str) -> ScalarValue {
    text(index.model(ModelId(id)).map(get))
}

fn model_class(index: &Index, id: i64) -> ClassId {
    index.model(ModelId(id)).map_or(ClassId(0), |model| model.class_id)
}

fn model_generator(index: &Index, id: i64) -> ScalarValue {
    model_text(index, id, |model| &model.generator)
}

fn model_role(index: &Index, id: i64) -> ScalarValue {
    model_text(index, id, |model| model.role.name())
}

fn model_shadow(index: &Index, id: i64) -> ScalarValue {
    let shadow = index.model(ModelId(id)).and_then(|model| model.role.shadow());
    ScalarValue::Int32(shadow.map(|index| index as i32))
}

fn model_epsilon(index: &Index, id: i64) -> ScalarValue {
    ScalarValue::Float64(index.model(ModelId(id)).and_then(|model| model.regime.epsilon()))
}

fn model_regime(index: &Index, id: i64) -> ScalarValue {
    text(index.model(ModelId(id)).map(|model| model.regime.words()).as_deref())
}

const REGIME: &str = "how the model was trained: `no DP`, `anonymised` or `eps 4.0`";

/// Of a partition that is a model id.
pub(super) const OF_MODEL: &[Constant] = &[
    constant("model_id", I64, false, "model", |_, id| ScalarValue::Int64(Some(id))),
    constant("generator", Text, false, "generator family", model_generator),
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, model_class(index, id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, model_class(index, id)).1),
    constant("role", Text, false, "`target` or `shadow`", model_role),
    constant("shadow", I32, true, "index of a shadow; NULL for a target", model_shadow),
    constant("epsilon", F64, true, "target epsilon of the model; NULL = no DP", model_epsilon),
    constant("regime", Text, false, REGIME, model_regime),
    plan(PLAN, |_, id| Some(id)),
];

const PACKET_REGIME: &str = "how the model was trained: `no DP`, `anonymised` or `eps 4.0`; NULL for a real packet";

/// The columns that say where a packet comes from, over a class (real) partition.
pub(super) const PACKETS_OF_CLASS: &[Constant] = &[
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, ClassId(id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, ClassId(id)).1),
    constant("synthetic", Bool, false, "of a synthetic trace?", |_, _| ScalarValue::Boolean(Some(false))),
    constant("model_id", I64, true, "model that generated it; NULL for a real packet", |_, _| ScalarValue::Int64(None)),
    constant("generator", Text, true, "generator family; NULL for a real packet", |_, _| ScalarValue::Utf8(None)),
    constant("role", Text, true, "role of the model; NULL for a real packet", |_, _| ScalarValue::Utf8(None)),
    constant("shadow", I32, true, "index of a shadow; NULL otherwise", |_, _| ScalarValue::Int32(None)),
    constant("epsilon", F64, true, "target epsilon of the model; NULL = no DP, or a real packet", |_, _| {
        ScalarValue::Float64(None)
    }),
    constant("regime", Text, true, PACKET_REGIME, |_, _| ScalarValue::Utf8(None)),
];

/// The same columns over a model (synthetic) partition.
pub(super) const PACKETS_OF_MODEL: &[Constant] = &[
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, model_class(index, id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, model_class(index, id)).1),
    constant("synthetic", Bool, false, "of a synthetic trace?", |_, _| ScalarValue::Boolean(Some(true))),
    constant("model_id", I64, true, "model that generated it; NULL for a real packet", |_, id| {
        ScalarValue::Int64(Some(id))
    }),
    constant("generator", Text, true, "generator family; NULL for a real packet", model_generator),
    constant("role", Text, true, "role of the model; NULL for a real packet", model_role),
    constant("shadow", I32, true, "index of a shadow; NULL otherwise", model_shadow),
    constant("epsilon", F64, true, "target epsilon of the model; NULL = no DP, or a real packet", model_epsilon),
    constant("regime", Text, true, PACKET_REGIME, model_regime),
];

fn attack_target(index: &Index, id: i64) -> i64 {
    index.attack(AttackId(id)).map_or(0, |attack| attack.target_model.0)
}

fn attack_name(index: &Index, id: i64) -> ScalarValue {
    text(index.attack(AttackId(id)).map(|attack| attack.attack.as_str()))
}

fn attack_attribute(index: &Index, id: i64) -> ScalarValue {
    text(index.attack(AttackId(id)).map(|attack| attack.attribute.as_str()))
}

fn attack_side(index: &Index, id: i64) -> ScalarValue {
    text(index.attack(AttackId(id)).map(|attack| attack.evaluated_on.name()))
}

fn attack_class(index: &Index, id: i64) -> ClassId {
    index.attack(AttackId(id)).map_or(ClassId(0), |attack| attack.class_id)
}

fn attack_epsilon(index: &Index, id: i64) -> ScalarValue {
    ScalarValue::Float64(index.attack(AttackId(id)).and_then(|attack| attack.regime.epsilon()))
}

fn attack_regime(index: &Index, id: i64) -> ScalarValue {
    text(index.attack(AttackId(id)).map(|attack| attack.regime.words()).as_deref())
}

fn attack_role(index: &Index, id: i64) -> ScalarValue {
    text(index.attack(AttackId(id)).map(|attack| match attack.evaluated_on {
        EvaluatedOn::Target | EvaluatedOn::EachTarget => "target",
        EvaluatedOn::ShadowTest => "shadow",
    }))
}

/// Of a partition that is a job id.
pub(super) const OF_JOB: &[Constant] = &[
    constant("job_id", I64, false, "job that wrote it", |_, id| ScalarValue::Int64(Some(id))),
    plan(PLAN, |_, _| None),
];

const GROUP_REGIME: &str = "how the models of the group were trained: `no DP`, `anonymised` or `eps 4.0`";
const EVALUATED_ON: &str = "`shadow_test` (held back from the attack) or `target`";

/// Of a partition that is an attack id, whose rows name their own model.
pub(super) const OF_ATTACK_SCORES: &[Constant] = &[
    constant("attack_id", I64, false, "attack result", |_, id| ScalarValue::Int64(Some(id))),
    constant("attack", Text, false, "attack", attack_name),
    constant("attribute", Text, false, "attribute kind that it reads", attack_attribute),
    constant("evaluated_on", Text, false, EVALUATED_ON, attack_side),
    constant("generator", Text, false, "generator family", |index, id| {
        model_generator(index, attack_target(index, id))
    }),
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, attack_class(index, id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, attack_class(index, id)).1),
    constant("role", Text, false, "role of the row's model: `target` or `shadow`", attack_role),
    constant("epsilon", F64, true, "target epsilon of the group; NULL = no DP", attack_epsilon),
    constant("regime", Text, false, GROUP_REGIME, attack_regime),
    plan(PLAN, |index, id| Some(attack_target(index, id))),
];

/// Of a partition that is an attack id.
pub(super) const OF_ATTACK: &[Constant] = &[
    constant("attack_id", I64, false, "attack result", |_, id| ScalarValue::Int64(Some(id))),
    constant("attack", Text, false, "attack", attack_name),
    constant("attribute", Text, false, "attribute kind that it reads", attack_attribute),
    constant("evaluated_on", Text, false, EVALUATED_ON, attack_side),
    constant("model_id", I64, false, "target model of the group", |index, id| {
        ScalarValue::Int64(Some(attack_target(index, id)))
    }),
    constant("generator", Text, false, "generator family", |index, id| {
        model_generator(index, attack_target(index, id))
    }),
    constant("dataset", Text, false, "dataset", |index, id| class_of(index, attack_class(index, id)).0),
    constant("class", Text, false, "class", |index, id| class_of(index, attack_class(index, id)).1),
    constant("role", Text, false, "`target` or `shadow`: whose traces were scored", attack_role),
    constant("epsilon", F64, true, "target epsilon of the group; NULL = no DP", attack_epsilon),
    constant("regime", Text, false, GROUP_REGIME, attack_regime),
    plan(PLAN, |index, id| Some(attack_target(index, id))),
];
