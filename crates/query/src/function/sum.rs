//! `sum` of integers as PostgreSQL types it: of SMALLINT and INTEGER it is BIGINT, which no study's rows overflow; of
//! BIGINT it is NUMERIC. DataFusion's is BIGINT in both cases and wraps.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};
use std::sync::Arc;

/// Digits of any 64-bit integer.
const BIGINT_DIGITS: u8 = 20;

/// Digits of decimals whose sums have eight more.
const SUMMED_DIGITS_MAX: u8 = 30;

/// `sum`: DataFusion's own, over types whose sums fit.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl Sum {
    pub fn new() -> Self {
        Self { inner: sum_udaf(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// Is the argument of a type that is added up as BIGINT?
fn is_small(arguments: &AccumulatorArgs<'_>) -> bool {
    arguments.expr_fields.first().is_some_and(|field| field.data_type() == &DataType::Int32)
}

/// The type as which values of another are added up.
fn summed(kind: &DataType) -> Result<DataType> {
    Ok(match kind {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(BIGINT_DIGITS, 0),
        DataType::Null | DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Dictionary(_, value) => summed(value)?,
        // Sums that 38 digits may not hold.
        DataType::Decimal128(digits, scale) if *digits > SUMMED_DIGITS_MAX => DataType::Decimal256(*digits, *scale),
        kind if kind.is_decimal() => kind.clone(),
        DataType::Duration(_) | DataType::Interval(_) => kind.clone(),
        other => return plan_err!("sum expects numbers, found {other}"),
    })
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = take_function_args(self.name(), arguments)?;
        Ok(vec![summed(argument)?])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Int32] => Ok(DataType::Int64),
            arguments => self.inner.return_type(arguments),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let small = is_small(&arguments);
        let inner = self.inner.accumulator(arguments)?;
        Ok(if small { Box::new(Widened(inner)) } else { inner })
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let small = is_small(&arguments);
        let inner = self.inner.create_sliding_accumulator(arguments)?;
        Ok(if small { Box::new(Widened(inner)) } else { inner })
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let small = is_small(&arguments);
        let inner = self.inner.create_groups_accumulator(arguments)?;
        Ok(if small { Box::new(WidenedGroups(inner)) } else { inner })
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

fn widened(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(cast(values, &DataType::Int64)?)).collect()
}

/// Adds up INTEGER as BIGINT. States are BIGINT already.
#[derive(Debug)]
struct Widened(Box<dyn Accumulator>);

impl Accumulator for Widened {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(&widened(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.retract_batch(&widened(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// The same by group.
struct WidenedGroups(Box<dyn GroupsAccumulator>);

impl GroupsAccumulator for WidenedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.0.update_batch(&widened(values)?, group_indices, filter, groups)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], groups: usize) -> Result<()> {
        self.0.merge_batch(values, group_indices, groups)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        self.0.evaluate(emit)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.0.convert_to_state(&widened(values)?, filter)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
