//! `empirical_epsilon` and `joint_epsilon`.

use crate::error::external;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float64Type, Int64Type};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;
use syntrace_base::base::{ClipNorm, Delta, NoiseMultiplier, SamplingRate};
use syntrace_base::record::{Mechanism, PrivacyEvent};
use syntrace_measure::eval;
use syntrace_measure::privacy::{Accountant, Ledger, epsilon_by};

/// `empirical_epsilon(tp, fp, tn, fn, delta, confidence)`: lower bound on epsilon by these guesses
/// (see [`eval::empirical_epsilon`]); NULL where an argument is, an error where one is out of its range.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EmpiricalEpsilon {
    signature: Signature,
}

impl EmpiricalEpsilon {
    pub fn new() -> Self {
        let (count, real) = (DataType::Int64, DataType::Float64);
        let arguments = vec![count.clone(), count.clone(), count.clone(), count, real.clone(), real];
        Self { signature: Signature::exact(arguments, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for EmpiricalEpsilon {
    fn name(&self) -> &str {
        "empirical_epsilon"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [tp, fp, tn, fn_, delta, confidence] = take_function_args(self.name(), arguments.args)?;
        let counts: Vec<ArrayRef> =
            [tp, fp, tn, fn_].into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let reals: Vec<ArrayRef> =
            [delta, confidence].into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let bound = |row: usize| {
            if counts.iter().chain(&reals).any(|column| column.is_null(row)) {
                return Ok(None);
            }
            let count = |value: i64| match u64::try_from(value) {
                Ok(count) => Ok(count),
                Err(_) => exec_err!("empirical_epsilon: counts are 0 or more, found {value}"),
            };
            let counts = counts.iter().map(|column| count(column.as_primitive::<Int64Type>().value(row)));
            let reals = reals.iter().map(|column| column.as_primitive::<Float64Type>().value(row));
            let (counts, reals) = (counts.collect::<Result<Vec<u64>>>()?, reals.collect::<Vec<f64>>());
            let ([tp, fp, tn, fn_], [delta, confidence]) = (counts.as_slice(), reals.as_slice()) else {
                return exec_err!("empirical_epsilon: expected six arguments");
            };
            if !(0.0..1.0).contains(delta) || !(0.0..1.0).contains(confidence) {
                return exec_err!(
                    "empirical_epsilon: delta and confidence are 0 or more and below 1, found {delta} and {confidence}"
                );
            }
            let confusion = eval::Confusion {
                true_positives: *tp,
                false_positives: *fp,
                true_negatives: *tn,
                false_negatives: *fn_,
            };
            Ok(Some(eval::empirical_epsilon(confusion, *delta, *confidence).lower))
        };
        Ok(ColumnarValue::Array(Arc::new((0..rows).map(bound).collect::<Result<Float64Array>>()?)))
    }
}

/// `joint_epsilon(accountant, sampling_rates, noise_multipliers, steps, delta)`: upper bound on the epsilon of all these
/// events together, by `pld` or `rdp`; NULL where an argument is, an error where the accountant has no answer. The lists
/// say one event an item: columns of `privacy_ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct JointEpsilon {
    signature: Signature,
}

impl JointEpsilon {
    pub fn new() -> Self {
        Self { signature: Signature::any(5, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JointEpsilon {
    fn name(&self) -> &str {
        "joint_epsilon"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let numbers = |kind: &DataType| matches!(kind, DataType::List(item) if item.data_type().is_numeric());
        match arguments {
            [accountant, rates, noises, steps, delta]
                if accountant.is_string() && [rates, noises, steps].into_iter().all(numbers) && delta.is_numeric() =>
            {
                Ok(DataType::Float64)
            }
            found => plan_err!("joint_epsilon expects a name, three lists of numbers and a delta, found {found:?}"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [accountant, rates, noises, steps, delta] = take_function_args(self.name(), arguments.args)?;
        let accountants = cast(&accountant.into_array(rows)?, &DataType::Utf8)?;
        let deltas = cast(&delta.into_array(rows)?, &DataType::Float64)?;
        let lists = [rates.into_array(rows)?, noises.into_array(rows)?, steps.into_array(rows)?];
        let bound = |row: usize| -> Result<Option<f64>> {
            if accountants.is_null(row) || deltas.is_null(row) || lists.iter().any(|list| list.is_null(row)) {
                return Ok(None);
            }
            let [rates, noises, steps] = &lists;
            let (rates, noises) = (items::<Float64Type>(rates, row)?, items::<Float64Type>(noises, row)?);
            let Some(ledger) = ledger(&rates, &noises, &items::<Int64Type>(steps, row)?)? else { return Ok(None) };
            let accountant = Accountant::from_name(accountants.as_string::<i32>().value(row)).map_err(external)?;
            let delta = Delta::new(deltas.as_primitive::<Float64Type>().value(row)).map_err(external)?;
            Ok(Some(epsilon_by(accountant, &ledger, delta).map_err(external)?.epsilon))
        };
        Ok(ColumnarValue::Array(Arc::new((0..rows).map(bound).collect::<Result<Float64Array>>()?)))
    }
}

/// The items of the list in a row.
fn items<T: ArrowPrimitiveType>(lists: &ArrayRef, row: usize) -> Result<PrimitiveArray<T>> {
    let Some(lists) = lists.as_list_opt::<i32>() else { return exec_err!("joint_epsilon: expected a list") };
    Ok(cast(&lists.value(row), &T::DATA_TYPE)?.as_primitive::<T>().clone())
}

/// Events from their columns; `None` where an item is NULL.
fn ledger(
    rates: &PrimitiveArray<Float64Type>,
    noises: &PrimitiveArray<Float64Type>,
    steps: &PrimitiveArray<Int64Type>,
) -> Result<Option<Ledger>> {
    if rates.len() != noises.len() || rates.len() != steps.len() {
        return exec_err!(
            "joint_epsilon: lists of one length are expected, found {}, {}, {}",
            rates.len(),
            noises.len(),
            steps.len()
        );
    }
    let mut ledger = Ledger::default();
    for ((rate, noise), steps) in rates.iter().zip(noises).zip(steps) {
        let (Some(rate), Some(noise), Some(steps)) = (rate, noise, steps) else { return Ok(None) };
        let Ok(steps) = u64::try_from(steps) else {
            return exec_err!("joint_epsilon: steps are 0 or more, found {steps}");
        };
        ledger.record(PrivacyEvent {
            phase: String::new(),
            mechanism: Mechanism::PoissonSubsampledGaussian,
            sampling_rate: SamplingRate::new(rate).map_err(external)?,
            noise_multiplier: NoiseMultiplier::new(noise).map_err(external)?,
            // no bound depends on it: noise is in its units
            clip_norm: ClipNorm::new(1.0).map_err(external)?,
            steps,
        });
    }
    Ok(Some(ledger))
}
