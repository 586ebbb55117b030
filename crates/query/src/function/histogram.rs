//! `jsd`, `js_divergence`, `entropy_bits` over numbers: one table of (group, value) counts for all
//! groups of a lane. Values of other types go through `divergence`, one accumulator a group.
//!
//! Results do not depend on the order of hashing: counts are sorted before they are summed.

use super::divergence::{HistogramMeasure, measure};
use super::leakage::not_a_number;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

/// Values below this one are counted in an array, without hashing: packet lengths, counts, codes, TTLs, flags.
const SMALL_VALUES: usize = 2_048;
/// Groups that have such an array: together they fit into the processor's cache.
const SMALL_GROUPS: usize = 128;

/// Bytes of a hash table per entry, free slots included.
const ENTRY_BYTES: usize = 2 * size_of::<(Slot, [i64; 2])>();

/// True for the types whose values fit into 64 bits.
pub(super) fn is_number(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Float32 | DataType::Float64 | DataType::Boolean)
}

/// A group and a value of it.
type Slot = (u32, u64);

/// One multiplication and a fold for each word, with a random seed: fast, and no file can force collisions.
#[derive(Clone)]
struct Folding(u64);

impl Default for Folding {
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Folding {
    type Hasher = FoldingHasher;

    fn build_hasher(&self) -> FoldingHasher {
        FoldingHasher(self.0)
    }
}

struct FoldingHasher(u64);

impl Hasher for FoldingHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

/// Counts of the values of both sides, by group.
pub(super) struct HistogramGroups {
    measure: HistogramMeasure,
    /// Of small values: an array of `SMALL_VALUES` counts for each of the first groups.
    small: Vec<[i64; 2]>,
    /// Number of groups that may have such an array.
    small_groups: usize,
    /// Of all others.
    counts: HashMap<Slot, [i64; 2], Folding>,
    /// Groups that were seen, with or without values.
    groups: usize,
}

impl HistogramGroups {
    pub fn new(measure: HistogramMeasure) -> Self {
        Self { measure, small: Vec::new(), small_groups: SMALL_GROUPS, counts: HashMap::default(), groups: 0 }
    }

    /// How many groups are to be emitted; those after them move down.
    fn emitted(&mut self, emit: EmitTo) -> usize {
        let groups = match emit {
            EmitTo::All => self.groups,
            EmitTo::First(groups) => groups,
        };
        self.groups = self.groups.saturating_sub(groups);
        groups
    }

    fn add(&mut self, group: usize, key: u64, side: usize, count: i64) {
        let counts = if key < SMALL_VALUES as u64 && group < self.small_groups {
            let place = group * SMALL_VALUES + key as usize;
            if place >= self.small.len() {
                self.small.resize((group + 1) * SMALL_VALUES, [0; 2]);
            }
            match self.small.get_mut(place) {
                Some(counts) => counts,
                None => return,
            }
        } else {
            self.counts.entry((group as u32, key)).or_default()
        };
        if let Some(slot) = counts.get_mut(side) {
            *slot += count;
        }
    }

    fn update(
        &mut self,
        values: &[ArrayRef],
        group_of: impl Fn(usize) -> usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [value, rest @ ..] = values else { return exec_err!("expected a value") };
        let keys = keys(value)?;
        let sides = match rest {
            [side, ..] => Some(cast(side, &DataType::Boolean)?),
            [] => None,
        };
        let sides = sides.as_ref().map(|sides| sides.as_boolean());
        // Entropy counts values, whatever they are; a distance between samples has none from NaN.
        let compares = self.measure != HistogramMeasure::Entropy && value.data_type().is_floating();
        for (row, key) in keys.values().iter().enumerate() {
            let side = match sides {
                Some(sides) if sides.is_null(row) => continue,
                Some(sides) => usize::from(sides.value(row)),
                None => 0,
            };
            let wanted = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if wanted && keys.is_valid(row) {
                if compares && f64::from_bits(*key as u64).is_nan() {
                    return Err(not_a_number(self.measure.name()));
                }
                self.add(group_of(row), *key as u64, side, 1);
            }
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group_of: impl Fn(usize) -> usize) -> Result<()> {
        let [keys, real, other] = states else { return exec_err!("expected keys and two lists of counts") };
        let (keys, real, other) = (keys.as_list::<i32>(), real.as_list::<i32>(), other.as_list::<i32>());
        for row in 0..keys.len() {
            if keys.is_null(row) {
                continue;
            }
            let (keys, real, other) = (keys.value(row), real.value(row), other.value(row));
            let counts =
                real.as_primitive::<Int64Type>().values().iter().zip(other.as_primitive::<Int64Type>().values());
            for (key, (real, other)) in keys.as_binary::<i32>().iter().flatten().zip(counts) {
                let Ok(key) = <[u8; 8]>::try_from(key) else { return exec_err!("expected keys of 8 bytes") };
                self.add(group_of(row), u64::from_be_bytes(key), 0, *real);
                self.add(group_of(row), u64::from_be_bytes(key), 1, *other);
            }
        }
        Ok(())
    }

    /// Takes the counts of the first `groups` groups, sorted; the groups after them move down.
    fn take(&mut self, groups: usize) -> Vec<(Slot, [i64; 2])> {
        let mut large: Vec<(Slot, [i64; 2])> = self.counts.drain().collect();
        large.sort_unstable_by_key(|(slot, _)| *slot);
        let rest = large.split_off(large.partition_point(|((group, _), _)| (*group as usize) < groups));
        let small: Vec<[i64; 2]> = self.small.drain(..self.small.len().min(groups * SMALL_VALUES)).collect();
        let mut all = Vec::with_capacity(large.len() + small.len() / 2);
        let mut large = large.into_iter().peekable();
        for (group, counts) in small.chunks(SMALL_VALUES).enumerate() {
            let counted = counts.iter().enumerate().filter(|(_, pair)| **pair != [0; 2]);
            all.extend(counted.map(|(value, pair)| ((group as u32, value as u64), *pair)));
            while let Some(one) = large.next_if(|((found, _), _)| *found as usize <= group) {
                all.push(one);
            }
        }
        all.extend(large);
        for ((group, key), [first, second]) in rest {
            let group = group as usize - groups;
            self.add(group, key, 0, first);
            self.add(group, key, 1, second);
        }
        all
    }

    fn held_bytes(&self) -> usize {
        size_of_val(self) + self.small.capacity() * size_of::<[i64; 2]>() + self.counts.capacity() * ENTRY_BYTES
    }
}

/// The values as 64-bit keys; equal values have equal keys, and NaN is a value.
fn keys(value: &ArrayRef) -> Result<Int64Array> {
    Ok(match value.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let reals = cast(value, &DataType::Float64)?;
            // 0.0 and -0.0 count as one value.
            reals.as_primitive::<Float64Type>().unary(|real| (if real == 0.0 { 0.0 } else { real }).to_bits() as i64)
        }
        DataType::UInt64 => value.as_primitive::<arrow::datatypes::UInt64Type>().unary(|value| value as i64),
        _ => cast(value, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
    })
}

/// Calls `each` with the counts of every group in turn, those without any included.
fn by_group(counts: &[(Slot, [i64; 2])], groups: usize, mut each: impl FnMut(&[(Slot, [i64; 2])])) {
    let mut rest = counts;
    for group in 0..groups {
        let end = rest.partition_point(|((found, _), _)| *found as usize <= group);
        let (own, after) = rest.split_at(end);
        each(own);
        rest = after;
    }
}

fn evaluated(measure_of: HistogramMeasure, counts: &[(Slot, [i64; 2])]) -> Option<f64> {
    let pairs: Vec<[i64; 2]> = counts.iter().map(|(_, pair)| *pair).collect();
    measure(measure_of, &pairs)
}

/// Keys and counts of both sides as lists, one a group.
fn states(counts: &[(Slot, [i64; 2])], groups: usize) -> Vec<ArrayRef> {
    let mut lengths = Vec::with_capacity(groups);
    by_group(counts, groups, |own| lengths.push(own.len()));
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    let list = |items: ArrayRef| -> ArrayRef {
        let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
        Arc::new(ListArray::new(field, offsets.clone(), items, None))
    };
    let side = |side: usize| -> ArrayRef {
        let values = counts.iter().map(|(_, pair)| pair.get(side).copied().unwrap_or(0));
        Arc::new(Int64Array::from_iter_values(values))
    };
    let keys = BinaryArray::from_iter_values(counts.iter().map(|((_, key), _)| key.to_be_bytes()));
    vec![list(Arc::new(keys)), list(side(0)), list(side(1))]
}

impl GroupsAccumulator for HistogramGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.groups = groups;
        self.update(values, |row| group_indices.get(row).copied().unwrap_or(0), filter)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let groups = self.emitted(emit);
        let counts = self.take(groups);
        let mut out = Vec::with_capacity(groups);
        by_group(&counts, groups, |own| out.push(evaluated(self.measure, own)));
        Ok(Arc::new(Float64Array::from(out)))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.emitted(emit);
        Ok(states(&self.take(groups), groups))
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], groups: usize) -> Result<()> {
        self.groups = groups;
        self.merge(values, |row| group_indices.get(row).copied().unwrap_or(0))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |value| value.len());
        let mut each = Self { small_groups: 0, ..Self::new(self.measure) };
        each.update(values, |row| row, filter)?;
        Ok(states(&each.take(rows), rows))
    }

    fn size(&self) -> usize {
        self.held_bytes()
    }
}

/// The same without groups: all rows are of group 0.
pub(super) struct OneHistogram(pub HistogramGroups);

impl std::fmt::Debug for OneHistogram {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OneHistogram({:?}, {} places)", self.0.measure, self.0.counts.len() + self.0.small.len())
    }
}

impl Accumulator for OneHistogram {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update(values, |_| 0, None)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(evaluated(self.0.measure, &self.0.take(1))))
    }

    fn size(&self) -> usize {
        self.0.held_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        states(&self.0.take(1), 1).iter().map(|list| ScalarValue::try_from_array(list, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge(states, |_| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(values: &[i64], of: &[usize]) -> HistogramGroups {
        let mut groups = HistogramGroups::new(HistogramMeasure::Entropy);
        let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        GroupsAccumulator::update_batch(&mut groups, &[values], of, None, of.iter().max().unwrap() + 1).unwrap();
        groups
    }

    #[test]
    fn emitting_the_first_groups_moves_the_others_down() {
        let mut all = groups(&[1, 2, 3, 3, 5, 6, 7, 8], &[0, 0, 1, 1, 3, 3, 3, 3]);
        let first = GroupsAccumulator::evaluate(&mut all, EmitTo::First(2)).unwrap();
        assert_eq!(first.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), vec![Some(1.0), Some(0.0)]);
        let rest = GroupsAccumulator::evaluate(&mut all, EmitTo::All).unwrap();
        assert_eq!(rest.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), vec![None, Some(2.0)]);
    }

    /// More groups than have arrays, and values of both kinds: emitted in two halves, as a whole, and through partial
    /// states, they equal one accumulator per group.
    #[test]
    fn places_and_hash_table_count_the_same_however_groups_are_emitted() {
        let (count, per_group) = (SMALL_GROUPS + 40, 50);
        let rows = || (0..count * per_group).map(|row| (row % count, (row * row % 97) as i64 * 40 - 300));
        let of: Vec<usize> = rows().map(|(group, _)| group).collect();
        let values: Vec<i64> = rows().map(|(_, value)| value).collect();
        let alone = (0..count).map(|wanted| {
            let own: Vec<i64> = rows().filter(|(group, _)| *group == wanted).map(|(_, value)| value).collect();
            let mut counts = std::collections::BTreeMap::<i64, f64>::new();
            own.iter().for_each(|value| *counts.entry(*value).or_default() += 1.0);
            let shares = counts.values().map(|count| count / own.len() as f64);
            shares.map(|share| -share * share.log2()).sum::<f64>()
        });
        let alone: Vec<f64> = alone.collect();
        let check = |found: &[Option<f64>]| {
            assert_eq!(found.len(), alone.len());
            for (found, alone) in found.iter().zip(&alone) {
                assert!((found.unwrap() - alone).abs() < 1e-12, "{found:?} {alone}");
            }
        };
        let reals = |array: &ArrayRef| array.as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
        check(&reals(&GroupsAccumulator::evaluate(&mut groups(&values, &of), EmitTo::All).unwrap()));
        // After all rows: emits the first groups, then feeds the remaining groups their rows once more.
        let mut in_turn = groups(&values, &of);
        let first = GroupsAccumulator::evaluate(&mut in_turn, EmitTo::First(100)).unwrap();
        let again: (Vec<i64>, Vec<usize>) =
            rows().filter(|(group, _)| *group >= 100).map(|(group, value)| (value, group - 100)).unzip();
        let array: ArrayRef = Arc::new(Int64Array::from(again.0));
        GroupsAccumulator::update_batch(&mut in_turn, &[array], &again.1, None, count - 100).unwrap();
        let rest = GroupsAccumulator::evaluate(&mut in_turn, EmitTo::All).unwrap();
        check(&[reals(&first), reals(&rest)].concat());
        let states = GroupsAccumulator::state(&mut groups(&values, &of), EmitTo::All).unwrap();
        let mut merged = HistogramGroups::new(HistogramMeasure::Entropy);
        let each: Vec<usize> = (0..count).collect();
        GroupsAccumulator::merge_batch(&mut merged, &states, &each, count).unwrap();
        check(&reals(&GroupsAccumulator::evaluate(&mut merged, EmitTo::All).unwrap()));
        let array: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        let states = GroupsAccumulator::convert_to_state(&merged, &[array], None).unwrap();
        let mut merged = HistogramGroups::new(HistogramMeasure::Entropy);
        GroupsAccumulator::merge_batch(&mut merged, &states, &of, count).unwrap();
        check(&reals(&GroupsAccumulator::evaluate(&mut merged, EmitTo::All).unwrap()));
    }

    #[test]
    fn merging_partial_results_equals_one_pass() {
        let mut left = groups(&[1, -2, 1, 9], &[0, 0, 1, 1]);
        let state = GroupsAccumulator::state(&mut left, EmitTo::All).unwrap();
        let mut merged = groups(&[-2, 4, 9], &[0, 0, 1]);
        GroupsAccumulator::merge_batch(&mut merged, &state, &[0, 1], 2).unwrap();
        let mut whole = groups(&[1, -2, 1, 9, -2, 4, 9], &[0, 0, 1, 1, 0, 0, 1]);
        let found = GroupsAccumulator::evaluate(&mut merged, EmitTo::All).unwrap();
        assert_eq!(&found, &GroupsAccumulator::evaluate(&mut whole, EmitTo::All).unwrap());
    }
}
