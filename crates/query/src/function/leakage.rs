//! `auc`, `tpr_at_fpr` and `wasserstein`: measures that need every value of a group with its side, by
//! `eval`'s curve and distance.
//!
//! All groups of a lane append to one vector of values, which is partitioned by group once, for the result.
//! So a row costs 12 bytes and an append, and the memory in use is known without counting.

use crate::error::external;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Float64Array, ListArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Field, Float64Type, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use std::sync::Arc;
use syntrace_base::error::Error;
use syntrace_measure::eval::{Roc, Scored, resolves_fpr, wasserstein_1};

/// Which number comes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PairMeasure {
    Auc,
    TprAtFpr,
    Wasserstein,
}

impl PairMeasure {
    /// The function's name in SQL.
    fn name(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::TprAtFpr => "tpr_at_fpr",
            Self::Wasserstein => "wasserstein",
        }
    }
}

/// The error for NaN: it has no order, so a result would depend on how it is sorted. scikit-learn rejects it too.
pub(super) fn not_a_number(function: &str) -> DataFusionError {
    let error = Error::user(format!("{function} of a value that is not a number (NaN)"));
    external(error.hint(format!("leave such rows out: {function}(...) FILTER (WHERE NOT isnan(...))")))
}

/// Values with their side (member or held out; synthetic or real), by group.
pub(super) struct PairGroups {
    measure: PairMeasure,
    values: Vec<f64>,
    /// Twice the group, plus 1 for a member or a synthetic value.
    tags: Vec<u32>,
    /// Third argument of `tpr_at_fpr`, by group.
    fprs: Vec<Option<f64>>,
    /// Groups that were seen, with or without values.
    groups: usize,
}

impl PairGroups {
    pub fn new(measure: PairMeasure) -> Self {
        Self { measure, values: Vec::new(), tags: Vec::new(), fprs: Vec::new(), groups: 0 }
    }

    fn see(&mut self, groups: usize) -> Result<()> {
        if groups > (u32::MAX / 2) as usize {
            return exec_err!("{:?} of more than {} groups", self.measure, u32::MAX / 2);
        }
        self.groups = self.groups.max(groups);
        if self.measure == PairMeasure::TprAtFpr {
            self.fprs.resize(self.groups, None);
        }
        Ok(())
    }

    fn add(&mut self, value: f64, side: bool, group: usize) -> Result<()> {
        if value.is_nan() {
            return Err(not_a_number(self.measure.name()));
        }
        self.values.push(value);
        self.tags.push((group as u32) << 1 | u32::from(side));
        Ok(())
    }

    /// Integers as doubles, without loss.
    ///
    /// # Errors
    ///
    /// For an integer above 2^53: distinct integers would round to one double.
    fn doubles(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let Some(integers) = values.as_primitive_opt::<Int64Type>() else { return Ok(Arc::clone(values)) };
        let inexact = |value: &i64| value.unsigned_abs() > 1 << f64::MANTISSA_DIGITS;
        if let Some(value) = integers.iter().flatten().find(inexact) {
            let function = self.measure.name();
            let error = Error::user(format!(
                "{function} of the integer {value}: integers above 2^53 are not exactly representable as DOUBLE"
            ));
            return Err(external(error.hint("subtract a constant near them first")));
        }
        Ok(Arc::new(integers.unary::<_, Float64Type>(|value| value as f64)))
    }

    fn set_fpr(&mut self, fpr: f64, group: usize) -> Result<()> {
        if !(0.0..=1.0).contains(&fpr) {
            return exec_err!("the third argument of tpr_at_fpr must be between 0 and 1, found {fpr}");
        }
        if let Some(known) = self.fprs.get_mut(group) {
            *known = Some(fpr);
        }
        Ok(())
    }

    fn update(
        &mut self,
        arguments: &[ArrayRef],
        group_of: impl Fn(usize) -> usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [values, sides, rest @ ..] = arguments else { return exec_err!("expected a value and a side") };
        let values = self.doubles(values)?;
        let (values, sides) = (values.as_primitive::<Float64Type>(), sides.as_boolean());
        let wanted = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        // As in all aggregates, a NULL says nothing.
        let complete = values.null_count() == 0 && sides.null_count() == 0 && filter.is_none();
        self.values.reserve(values.len());
        self.tags.reserve(values.len());
        for (row, value) in values.values().iter().enumerate() {
            if complete || (values.is_valid(row) && sides.is_valid(row) && wanted(row)) {
                self.add(*value, sides.value(row), group_of(row))?;
            }
        }
        let Some(fprs) = rest.first() else { return Ok(()) };
        let fprs = fprs.as_primitive::<Float64Type>();
        for (row, fpr) in fprs.iter().enumerate() {
            if let Some(fpr) = fpr.filter(|_| wanted(row)) {
                self.set_fpr(fpr, group_of(row))?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group_of: impl Fn(usize) -> usize) -> Result<()> {
        let [values, sides, rest @ ..] = states else { return exec_err!("expected lists of values and sides") };
        // A state array may be a slice of a larger one: go by its rows, not by its values.
        for (row, (values, sides)) in values.as_list::<i32>().iter().zip(sides.as_list::<i32>().iter()).enumerate() {
            let (Some(values), Some(sides)) = (values, sides) else { continue };
            let (values, sides) = (values.as_primitive::<Float64Type>(), sides.as_boolean());
            for (value, side) in values.values().iter().zip(sides.values()) {
                self.add(*value, side, group_of(row))?;
            }
        }
        let Some(fprs) = rest.first() else { return Ok(()) };
        for (row, fprs) in fprs.as_list::<i32>().iter().enumerate() {
            for fpr in fprs.iter().flat_map(|fprs| fprs.as_primitive::<Float64Type>().iter().flatten()) {
                self.set_fpr(fpr, group_of(row))?;
            }
        }
        Ok(())
    }

    /// Takes the first groups; those after them move down.
    fn take(&mut self, emit: EmitTo) -> Taken {
        let groups = match emit {
            EmitTo::All => self.groups,
            EmitTo::First(groups) => groups.min(self.groups),
        };
        self.groups -= groups;
        let fprs = match self.fprs.len() >= groups {
            true => self.fprs.drain(..groups).collect(),
            false => vec![None; groups],
        };
        let (values, tags) = (std::mem::take(&mut self.values), std::mem::take(&mut self.tags));
        let mut starts = vec![0usize; groups + 1];
        for tag in &tags {
            if let Some(count) = starts.get_mut((tag >> 1) as usize + 1) {
                *count += 1;
            }
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut next = starts.clone();
        let mut scored = vec![Scored { score: 0.0, member: false }; end];
        for (value, tag) in values.into_iter().zip(tags) {
            let group = (tag >> 1) as usize;
            if group >= groups {
                self.values.push(value);
                self.tags.push(tag - ((groups as u32) << 1));
            } else if let Some(place) = next.get_mut(group) {
                if let Some(slot) = scored.get_mut(*place) {
                    *slot = Scored { score: value, member: tag & 1 == 1 };
                }
                *place += 1;
            }
        }
        Taken { scored, starts, fprs }
    }

    fn held_bytes(&self) -> usize {
        size_of_val(self)
            + self.values.capacity() * size_of::<f64>()
            + self.tags.capacity() * size_of::<u32>()
            + self.fprs.capacity() * size_of::<Option<f64>>()
    }
}

/// Groups that were emitted, one after another.
struct Taken {
    scored: Vec<Scored>,
    /// Where each group starts, and where the last one ends.
    starts: Vec<usize>,
    fprs: Vec<Option<f64>>,
}

impl Taken {
    /// The values of each group, with its third argument.
    fn groups(&self) -> impl Iterator<Item = (&[Scored], Option<f64>)> {
        let slices = self.starts.windows(2).map(|ends| self.scored.get(ends[0]..ends[1]).unwrap_or_default());
        slices.zip(self.fprs.iter().copied())
    }

    fn evaluate(&self, measure: PairMeasure) -> Result<Vec<Option<f64>>> {
        self.groups().map(|(scored, fpr)| evaluate(measure, scored, fpr)).collect()
    }

    /// Lists of values, of sides, and of the third argument where there is one.
    fn states(&self, measure: PairMeasure) -> Result<Vec<ArrayRef>> {
        let ends = self.starts.iter().map(|start| {
            i32::try_from(*start).map_err(|_| exec_datafusion_err!("{measure:?} of more than {} values", i32::MAX))
        });
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends.collect::<Result<Vec<_>>>()?));
        let values = Float64Array::from_iter_values(self.scored.iter().map(|one| one.score));
        let mut sides = BooleanBufferBuilder::new(self.scored.len());
        self.scored.iter().for_each(|one| sides.append(one.member));
        let sides = BooleanArray::new(sides.finish(), None);
        let mut states = vec![list(offsets.clone(), Arc::new(values)), list(offsets, Arc::new(sides))];
        if measure == PairMeasure::TprAtFpr {
            let offsets = OffsetBuffer::from_lengths(self.fprs.iter().map(|fpr| usize::from(fpr.is_some())));
            let fprs = Float64Array::from_iter_values(self.fprs.iter().copied().flatten());
            states.push(list(offsets, Arc::new(fprs)));
        }
        Ok(states)
    }
}

fn list(offsets: OffsetBuffer<i32>, items: ArrayRef) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Arc::new(ListArray::new(field, offsets, items, None))
}

/// The measure of one group; NULL without values, without both sides, or for a TPR at a rate that the number of
/// held-out values cannot distinguish from 0.
fn evaluate(measure: PairMeasure, scored: &[Scored], fpr: Option<f64>) -> Result<Option<f64>> {
    if scored.is_empty() {
        return Ok(None);
    }
    let value = match (measure, fpr) {
        (PairMeasure::Auc, _) => Some(Roc::new(scored).map_err(external)?.auc()),
        (PairMeasure::TprAtFpr, Some(fpr)) => {
            let roc = Roc::new(scored).map_err(external)?;
            resolves_fpr(roc.held_out(), fpr).then(|| roc.tpr_at_fpr(fpr))
        }
        (PairMeasure::TprAtFpr, None) => None,
        (PairMeasure::Wasserstein, _) => {
            let side = |member: bool| {
                scored.iter().filter(|one| one.member == member).map(|one| one.score).collect::<Vec<_>>()
            };
            wasserstein_1(&mut side(false), &mut side(true))
        }
    };
    Ok(value.filter(|value| !value.is_nan()))
}

impl GroupsAccumulator for PairGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.see(groups)?;
        self.update(values, |row| group_indices.get(row).copied().unwrap_or(0), filter)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from(self.take(emit).evaluate(self.measure)?)))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.take(emit).states(self.measure)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], groups: usize) -> Result<()> {
        self.see(groups)?;
        self.merge(values, |row| group_indices.get(row).copied().unwrap_or(0))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut each = Self::new(self.measure);
        each.see(values.first().map_or(0, |value| value.len()))?;
        each.update(values, |row| row, filter)?;
        each.take(EmitTo::All).states(self.measure)
    }

    fn size(&self) -> usize {
        self.held_bytes()
    }
}

/// The same without groups: all rows are of group 0.
pub(super) struct OnePair(PairGroups);

impl OnePair {
    pub fn new(measure: PairMeasure) -> Self {
        let mut groups = PairGroups::new(measure);
        groups.groups = 1;
        groups.fprs = vec![None];
        Self(groups)
    }

    fn take(&mut self) -> Taken {
        let one = std::mem::replace(self, Self::new(self.0.measure));
        let Self(mut groups) = one;
        groups.take(EmitTo::All)
    }
}

impl std::fmt::Debug for OnePair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OnePair({:?}, {} values)", self.0.measure, self.0.values.len())
    }
}

impl Accumulator for OnePair {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update(values, |_| 0, None)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let measure = self.0.measure;
        Ok(ScalarValue::Float64(self.take().evaluate(measure)?.into_iter().next().flatten()))
    }

    fn size(&self) -> usize {
        self.0.held_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let measure = self.0.measure;
        self.take().states(measure)?.iter().map(|list| ScalarValue::try_from_array(list, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge(states, |_| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(rows: &[(f64, bool)]) -> Vec<ArrayRef> {
        let scores: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Float64Array>());
        let members: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<BooleanArray>());
        vec![scores, members]
    }

    fn accumulator(measure: PairMeasure, rows: &[(f64, bool)]) -> OnePair {
        let mut accumulator = OnePair::new(measure);
        Accumulator::update_batch(&mut accumulator, &columns(rows)).unwrap();
        accumulator
    }

    const ROWS: [(f64, bool); 7] =
        [(0.9, true), (0.8, false), (0.8, true), (0.7, true), (0.3, false), (0.3, true), (0.1, false)];

    #[test]
    fn merging_partial_results_equals_one_pass() {
        for measure in [PairMeasure::Auc, PairMeasure::Wasserstein] {
            let whole = accumulator(measure, &ROWS).evaluate().unwrap();
            let (left, right) = ROWS.split_at(3);
            let mut merged = accumulator(measure, left);
            let state = accumulator(measure, right).state().unwrap();
            let state: Vec<ArrayRef> = state.iter().map(|part| part.to_array().unwrap()).collect();
            merged.merge_batch(&state).unwrap();
            assert_eq!(merged.evaluate().unwrap(), whole);
        }
    }

    #[test]
    fn infinities_are_as_far_apart_as_their_shares_differ() {
        let far = f64::INFINITY;
        let found = |real: &[f64], other: &[f64]| wasserstein_1(&mut real.to_vec(), &mut other.to_vec());
        assert_eq!(found(&[1.0, far], &[1.0, 2.0]), Some(far));
        assert_eq!(found(&[-far, 1.0], &[1.0, far]), Some(far));
        // Half of the mass is at infinity on both sides; the other half is moved by 2.
        assert_eq!(found(&[1.0, far], &[3.0, 3.0, far, far]), Some(1.0));
        assert_eq!(found(&[far], &[far, far]), Some(0.0));
        assert_eq!(found(&[], &[1.0]), None);
    }

    #[test]
    fn a_value_that_is_not_a_number_is_an_error() {
        for measure in [PairMeasure::Auc, PairMeasure::Wasserstein] {
            let mut groups = PairGroups::new(measure);
            let rows = columns(&[(f64::NAN, true), (1.0, false)]);
            let error = GroupsAccumulator::update_batch(&mut groups, &rows, &[0, 0], None, 1).unwrap_err();
            assert!(error.to_string().contains("not a number"), "{error}");
            // A row that a filter leaves out says nothing.
            let filter = BooleanArray::from(vec![false, true]);
            GroupsAccumulator::update_batch(&mut groups, &rows, &[0, 0], Some(&filter), 1).unwrap();
        }
    }

    #[test]
    fn one_side_alone_has_no_auc() {
        let only_members = accumulator(PairMeasure::Auc, &[(0.5, true), (0.6, true)]).evaluate().unwrap();
        assert_eq!(only_members, ScalarValue::Float64(None));
        assert_eq!(accumulator(PairMeasure::Auc, &[]).evaluate().unwrap(), ScalarValue::Float64(None));
    }

    /// Group 1 has the rows above, group 0 none, group 2 only members.
    fn three_groups(measure: PairMeasure) -> PairGroups {
        let mut groups = PairGroups::new(measure);
        let of: Vec<usize> = ROWS.iter().map(|_| 1).chain([2, 2]).collect();
        let rows: Vec<(f64, bool)> = ROWS.iter().copied().chain([(0.5, true), (0.6, true)]).collect();
        GroupsAccumulator::update_batch(&mut groups, &columns(&rows), &of, None, 3).unwrap();
        groups
    }

    fn reals(array: &ArrayRef) -> Vec<Option<f64>> {
        array.as_primitive::<Float64Type>().iter().collect()
    }

    #[test]
    fn groups_equal_one_accumulator_each_however_they_are_emitted() {
        for measure in [PairMeasure::Auc, PairMeasure::Wasserstein] {
            let ScalarValue::Float64(alone) = accumulator(measure, &ROWS).evaluate().unwrap() else { unreachable!() };
            let expected = vec![None, alone, None];
            assert!(alone.is_some());
            let whole = GroupsAccumulator::evaluate(&mut three_groups(measure), EmitTo::All).unwrap();
            assert_eq!(reals(&whole), expected);
            let mut in_turn = three_groups(measure);
            let first = GroupsAccumulator::evaluate(&mut in_turn, EmitTo::First(2)).unwrap();
            let rest = GroupsAccumulator::evaluate(&mut in_turn, EmitTo::All).unwrap();
            assert_eq!([reals(&first), reals(&rest)].concat(), expected);
            let mut merged = PairGroups::new(measure);
            let states = GroupsAccumulator::state(&mut three_groups(measure), EmitTo::All).unwrap();
            GroupsAccumulator::merge_batch(&mut merged, &states, &[0, 1, 2], 3).unwrap();
            assert_eq!(reals(&GroupsAccumulator::evaluate(&mut merged, EmitTo::All).unwrap()), expected);
        }
    }

    #[test]
    fn rows_that_a_filter_leaves_out_count_nowhere() {
        let mut groups = PairGroups::new(PairMeasure::Auc);
        let filter: BooleanArray = (0..ROWS.len()).map(|row| Some(row != 1)).collect();
        GroupsAccumulator::update_batch(&mut groups, &columns(&ROWS), &[0; 7], Some(&filter), 1).unwrap();
        let kept: Vec<(f64, bool)> = [&ROWS[..1], &ROWS[2..]].concat();
        let expected = accumulator(PairMeasure::Auc, &kept).evaluate().unwrap();
        let found = GroupsAccumulator::evaluate(&mut groups, EmitTo::All).unwrap();
        assert_eq!(ScalarValue::Float64(reals(&found)[0]), expected);
    }
}
