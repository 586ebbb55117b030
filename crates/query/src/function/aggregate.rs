//! The aggregate functions as DataFusion sees them.

use super::divergence::{HistogramAccumulator, HistogramMeasure};
use super::histogram::{HistogramGroups, OneHistogram, is_number};
use super::leakage::{OnePair, PairGroups, PairMeasure};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, GroupsAccumulator, Signature, TypeSignature, Volatility,
};
use std::sync::Arc;

/// The aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `auc(score, member)`: area under the ROC curve, ties counted half.
    Auc,
    /// `tpr_at_fpr(score, member, fpr)`: largest TPR of a threshold with at most that FPR; NULL where
    /// fewer than 1 / `fpr` traces are held out.
    TprAtFpr,
    /// `jsd(value, is_synthetic)`: Jensen-Shannon distance (square root, base 2) of the two sides.
    Jsd,
    /// `js_divergence(value, is_synthetic)`: its square.
    JsDivergence,
    /// `wasserstein(value, is_synthetic)`: 1-Wasserstein distance of the two sides.
    Wasserstein,
    /// `entropy_bits(value)`: Shannon entropy of the values' frequencies.
    EntropyBits,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Auc, Self::TprAtFpr, Self::Jsd, Self::JsDivergence, Self::Wasserstein, Self::EntropyBits];

    fn name(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::TprAtFpr => "tpr_at_fpr",
            Self::Jsd => "jsd",
            Self::JsDivergence => "js_divergence",
            Self::Wasserstein => "wasserstein",
            Self::EntropyBits => "entropy_bits",
        }
    }

    fn signature(self) -> Signature {
        use DataType::{Boolean, Float64, Int64};
        // Integers stay integers up to the function, which refuses those that no double is.
        let scored = |rest: &[DataType]| {
            let of = |value| TypeSignature::Exact([&[value], rest].concat());
            Signature::one_of(vec![of(Float64), of(Int64)], Volatility::Immutable)
        };
        match self {
            Self::Auc | Self::Wasserstein => scored(&[Boolean]),
            Self::TprAtFpr => scored(&[Boolean, Float64]),
            Self::Jsd | Self::JsDivergence => Signature::any(2, Volatility::Immutable),
            Self::EntropyBits => Signature::any(1, Volatility::Immutable),
        }
    }

    /// What is measured of a histogram, for the functions that count values.
    fn histogram(self) -> Option<HistogramMeasure> {
        match self {
            Self::Jsd => Some(HistogramMeasure::Distance),
            Self::JsDivergence => Some(HistogramMeasure::Divergence),
            Self::EntropyBits => Some(HistogramMeasure::Entropy),
            Self::Auc | Self::TprAtFpr | Self::Wasserstein => None,
        }
    }

    /// What is measured of values with their sides, for the functions that keep them.
    fn pairs(self) -> Option<PairMeasure> {
        match self {
            Self::Auc => Some(PairMeasure::Auc),
            Self::TprAtFpr => Some(PairMeasure::TprAtFpr),
            Self::Wasserstein => Some(PairMeasure::Wasserstein),
            Self::Jsd | Self::JsDivergence | Self::EntropyBits => None,
        }
    }

    /// The lists that a partial result consists of.
    fn state_types(self) -> Vec<DataType> {
        match self {
            Self::Auc | Self::Wasserstein => vec![DataType::Float64, DataType::Boolean],
            Self::TprAtFpr => vec![DataType::Float64, DataType::Boolean, DataType::Float64],
            Self::Jsd | Self::JsDivergence | Self::EntropyBits => {
                vec![DataType::Binary, DataType::Int64, DataType::Int64]
            }
        }
    }
}

/// Is the first argument of a type that fits into 64 bits?
fn counts_numbers(arguments: &AccumulatorArgs<'_>) -> bool {
    arguments.expr_fields.first().is_some_and(|field| is_number(field.data_type()))
}

/// One aggregate function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StudyAggregate {
    kind: Kind,
    signature: Signature,
}

impl StudyAggregate {
    pub fn new(kind: Kind) -> Self {
        Self { kind, signature: kind.signature() }
    }
}

impl AggregateUDFImpl for StudyAggregate {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match (self.kind.histogram(), self.kind.pairs()) {
            (Some(measure), _) if counts_numbers(&arguments) => {
                Ok(Box::new(OneHistogram(HistogramGroups::new(measure))))
            }
            (Some(measure), _) => Ok(Box::new(HistogramAccumulator::new(measure))),
            (_, Some(measure)) => Ok(Box::new(OnePair::new(measure))),
            (None, None) => exec_err!("{} has no accumulator", self.kind.name()),
        }
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.kind.pairs().is_some() || counts_numbers(&arguments)
    }

    fn create_groups_accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match (self.kind.histogram(), self.kind.pairs()) {
            (Some(measure), _) => Ok(Box::new(HistogramGroups::new(measure))),
            (_, Some(measure)) => Ok(Box::new(PairGroups::new(measure))),
            (None, None) => exec_err!("{} keeps one accumulator a group", self.kind.name()),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |(index, kind): (usize, DataType)| {
            let name = format_state_name(arguments.name, &format!("part{index}"));
            Arc::new(Field::new_list(name, Field::new_list_field(kind, true), true))
        };
        Ok(self.kind.state_types().into_iter().enumerate().map(field).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
