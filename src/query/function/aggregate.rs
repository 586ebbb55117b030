//! The aggregate functions as DataFusion sees them.

use super::divergence::{HistogramAccumulator, HistogramMeasure, WassersteinAccumulator};
use super::leakage::{ScoreAccumulator, ScoreMeasure};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use std::sync::Arc;

/// The aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `auc(score, member)`: area under the ROC curve, ties counted half.
    Auc,
    /// `tpr_at_fpr(score, member, fpr)`: largest TPR of a threshold with at most that FPR.
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
        use DataType::{Boolean, Float64};
        let exact = |types: &[DataType]| Signature::exact(types.to_vec(), Volatility::Immutable);
        match self {
            Self::Auc | Self::Wasserstein => exact(&[Float64, Boolean]),
            Self::TprAtFpr => exact(&[Float64, Boolean, Float64]),
            Self::Jsd | Self::JsDivergence => Signature::any(2, Volatility::Immutable),
            Self::EntropyBits => Signature::any(1, Volatility::Immutable),
        }
    }

    /// The lists that a partial result consists of.
    fn state_types(self) -> Vec<DataType> {
        match self {
            Self::Auc => vec![DataType::Float64, DataType::Boolean],
            Self::TprAtFpr => vec![DataType::Float64, DataType::Boolean, DataType::Float64],
            Self::Jsd | Self::JsDivergence | Self::EntropyBits => {
                vec![DataType::Binary, DataType::Int64, DataType::Int64]
            }
            Self::Wasserstein => vec![DataType::Float64, DataType::Float64],
        }
    }
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

    fn accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(match self.kind {
            Kind::Auc => Box::new(ScoreAccumulator::new(ScoreMeasure::Auc)),
            Kind::TprAtFpr => Box::new(ScoreAccumulator::new(ScoreMeasure::TprAtFpr)),
            Kind::Jsd => Box::new(HistogramAccumulator::new(HistogramMeasure::Distance)),
            Kind::JsDivergence => Box::new(HistogramAccumulator::new(HistogramMeasure::Divergence)),
            Kind::EntropyBits => Box::new(HistogramAccumulator::new(HistogramMeasure::Entropy)),
            Kind::Wasserstein => Box::new(WassersteinAccumulator::default()),
        })
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
