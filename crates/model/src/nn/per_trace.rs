//! Per-trace gradients, whole or in factored form: norms and clipped sums without a second backward pass.

use super::{Param, Params};
use tch::{Kind, Tensor};

/// One use's part of a weight's per-trace gradient.
#[derive(Debug)]
pub enum Part {
    /// The gradient itself, `[M, B, n]` with n elements in the weight's own order.
    Direct(Tensor),
    /// `left^T right` summed over positions: left `[M, B, G, L, q]`, right `[M, B, G, L, p]`, for a
    /// weight whose elements are `[G, q, p]`.
    Outer {
        /// Usually the gradient of the layer's output.
        left: Tensor,
        /// Usually the layer's input.
        right: Tensor,
    },
    /// `gradient` rows added into rows `ids` of a weight `[rows, d]`.
    Rows {
        /// Row numbers, `[M, B, L]`.
        ids: Tensor,
        /// `[M, B, L, d]`.
        gradient: Tensor,
        /// Rows of the weight.
        rows: i64,
    },
}

/// Per-trace gradients of all weights of a cohort: `[M, B, ...]` each, kept as [`Part`]s.
#[derive(Debug)]
pub struct PerTrace {
    models: i64,
    traces: i64,
    weights: Vec<Weight>,
}

#[derive(Debug)]
struct Weight {
    shape: Vec<i64>,
    kind: (Kind, tch::Device),
    trainable: bool,
    parts: Vec<Part>,
    /// Set by [`PerTrace::squared_norms`] where forming it is the cheaper way to the norm.
    formed: Option<Tensor>,
}

impl PerTrace {
    /// Zero gradients for `traces` traces a model.
    pub fn new(params: &Params, traces: i64) -> Self {
        Self::for_models(params, params.models(), traces)
    }

    /// Zero gradients for some of the models: `models` of them, whichever they are.
    pub fn for_models(params: &Params, models: i64, traces: i64) -> Self {
        let weights = params
            .handles()
            .map(|param| {
                let value = params.get(param);
                let mut shape = value.size();
                shape[0] = models;
                Weight {
                    shape,
                    kind: (value.kind(), value.device()),
                    trainable: params.trainable(param),
                    parts: Vec::new(),
                    formed: None,
                }
            })
            .collect();
        Self { models, traces, weights }
    }

    /// Adds a use's part to a weight.
    pub fn push(&mut self, param: Param, part: Part) {
        self.weights[param.0].parts.push(part);
    }

    /// Models M and traces B.
    pub fn shape(&self) -> (i64, i64) {
        (self.models, self.traces)
    }

    /// Adds up the gradients of each `count` neighbouring rows, `[M, B count, ...]` to `[M, B, ...]`: noise draws of one
    /// trace, or traces of one host, become one gradient, which is clipped once.
    pub fn join_rows(mut self, count: i64) -> Self {
        self.traces /= count;
        for weight in &mut self.weights {
            weight.formed = None;
            for part in &mut weight.parts {
                part.join_rows(self.models, self.traces, count);
            }
        }
        self
    }

    /// The per-trace gradient of one weight, `[M, B, ...]`.
    pub fn formed(&mut self, param: Param) -> Tensor {
        let (models, traces) = self.shape();
        let weight = &mut self.weights[param.0];
        let mut shape = weight.shape.clone();
        shape.insert(1, traces);
        weight.form(models, traces).view(&shape[..])
    }

    /// Squared L2 norm of each trace's gradient over all weights, `[M, B]`: formed per trace where
    /// `L > p q / (p + q)` or where uses must be added first, else by the ghost product
    /// `sum((left left^T) * (right right^T))`.
    pub fn squared_norms(&mut self) -> Tensor {
        let (models, traces) = self.shape();
        let kind = self.weights.first().map_or((Kind::Float, tch::Device::Cpu), |weight| weight.kind);
        let mut total = Tensor::zeros([models, traces], kind);
        for weight in self.weights.iter_mut().filter(|weight| weight.trainable && !weight.parts.is_empty()) {
            weight.merge();
            total += match weight.parts.as_slice() {
                [Part::Outer { left, right }] if ghost_is_cheaper(left, right) => ghost_norm(left, right),
                _ => {
                    let formed = weight.form(models, traces);
                    let norm = formed.norm_scalaropt_dim(2, [-1].as_slice(), false);
                    &norm * &norm
                }
            };
        }
        total
    }

    /// Sets the gradients of all traces but those of `keep [M, B]` (boolean) to zero, also where they are not
    /// finite.
    pub fn zero_except(&mut self, keep: &Tensor) {
        for weight in &mut self.weights {
            weight.formed = None;
            for part in &mut weight.parts {
                part.zero_except(keep);
            }
        }
    }

    /// `sum_b factors[m, b] * gradient[m, b]` of each weight, `[M, ...]`; with `None` all factors are
    /// one (the loss already left out padded traces). Weights that are not trained give `None`.
    pub fn weighted_sum(mut self, factors: Option<&Tensor>) -> Vec<Option<Tensor>> {
        let (models, traces) = self.shape();
        let mut sums = Vec::with_capacity(self.weights.len());
        for weight in &mut self.weights {
            if !weight.trainable {
                sums.push(None);
                continue;
            }
            weight.merge();
            let sum = match (&weight.formed, factors) {
                (Some(formed), Some(factors)) => factors.unsqueeze(1).bmm(formed).view(&weight.shape[..]),
                _ => weight.sum_parts(models, traces, factors),
            };
            sums.push(Some(sum));
            weight.parts.clear();
            weight.formed = None;
        }
        sums
    }
}

impl Weight {
    /// Puts outer parts of the same form behind each other along the positions: their sum is one
    /// product (the steps of a recurrent layer).
    fn merge(&mut self) {
        let all_outer = self.parts.iter().all(|part| matches!(part, Part::Outer { .. }));
        if !all_outer || self.parts.len() < 2 {
            return;
        }
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for part in self.parts.drain(..) {
            if let Part::Outer { left, right } = part {
                lefts.push(left);
                rights.push(right);
            }
        }
        self.parts.push(Part::Outer { left: Tensor::cat(&lefts, 3), right: Tensor::cat(&rights, 3) });
    }

    /// Forms `[M, B, n]`, once.
    fn form(&mut self, models: i64, traces: i64) -> &Tensor {
        let elements: i64 = self.shape.iter().skip(1).product();
        let formed = match self.formed.take() {
            Some(formed) => formed,
            None => {
                if let [Part::Direct(gradient)] = self.parts.as_slice() {
                    // The formed tensor is never written to.
                    return self.formed.insert(gradient.reshape([models, traces, elements]));
                }
                let mut sum: Option<Tensor> = None;
                for part in &self.parts {
                    let formed = part.form(models, traces).view([models, traces, elements]);
                    sum = Some(match sum {
                        Some(mut sum) => sum.g_add_(&formed),
                        None => formed,
                    });
                }
                sum.unwrap_or_else(|| Tensor::zeros([models, traces, elements], self.kind))
            }
        };
        self.formed.insert(formed)
    }

    fn sum_parts(&self, models: i64, traces: i64, factors: Option<&Tensor>) -> Tensor {
        let mut sum: Option<Tensor> = None;
        for part in &self.parts {
            let term = part.sum(models, traces, factors).view(&self.shape[..]);
            sum = Some(match sum {
                Some(mut sum) => sum.g_add_(&term),
                None => term,
            });
        }
        sum.unwrap_or_else(|| Tensor::zeros(&self.shape[..], self.kind))
    }
}

impl Part {
    /// Sets the gradients of all traces but those of `keep [M, B]` to zero.
    fn zero_except(&mut self, keep: &Tensor) {
        let kept = |value: &mut Tensor| {
            let mut shape = keep.size();
            shape.resize(value.dim(), 1);
            *value = value.where_self(&keep.view(&shape[..]), &value.zeros_like());
        };
        match self {
            Self::Direct(gradient) | Self::Rows { gradient, .. } => kept(gradient),
            // Both: zero times infinity is no number.
            Self::Outer { left, right } => {
                kept(left);
                kept(right);
            }
        }
    }

    /// Rows of `[M, traces count, ...]` that belong to one trace, added up: behind each other along the positions where the
    /// gradient is a sum over them.
    fn join_rows(&mut self, models: i64, traces: i64, count: i64) {
        match self {
            Self::Direct(gradient) => {
                let rows = gradient.reshape([models, traces, count, -1]);
                *gradient = rows.sum_dim_intlist([2].as_slice(), false, None);
            }
            Self::Outer { left, right } => {
                for side in [left, right] {
                    let size = side.size();
                    let rows = side.reshape([models, traces, count, size[2], size[3], size[4]]);
                    *side = rows.transpose(2, 3).reshape([models, traces, size[2], count * size[3], size[4]]);
                }
            }
            Self::Rows { ids, gradient, .. } => {
                let width = gradient.size()[3];
                *ids = ids.reshape([models, traces, -1]);
                *gradient = gradient.reshape([models, traces, -1, width]);
            }
        }
    }

    /// The per-trace gradient `[M, B, ...]`, owned (safe to add into).
    fn form(&self, models: i64, traces: i64) -> Tensor {
        match self {
            Self::Direct(gradient) => gradient.copy(),
            Self::Outer { left, right } => {
                let (groups, positions) = (left.size()[2], left.size()[3]);
                let left = left.reshape([models * traces * groups, positions, -1]);
                let right = right.reshape([models * traces * groups, positions, -1]);
                left.transpose(1, 2).bmm(&right)
            }
            Self::Rows { ids, gradient, rows } => add_rows(ids, gradient, *rows, models * traces),
        }
    }

    /// The sum over traces, weighted with `factors [M, B]`.
    fn sum(&self, models: i64, traces: i64, factors: Option<&Tensor>) -> Tensor {
        match self {
            Self::Direct(gradient) => match factors {
                Some(factors) => factors.unsqueeze(1).bmm(gradient),
                None => gradient.sum_dim_intlist([1].as_slice(), false, None),
            },
            Self::Outer { left, right } => {
                let groups = left.size()[2];
                let left = match factors {
                    Some(factors) => left * factors.view([models, traces, 1, 1, 1]),
                    None => left.shallow_clone(),
                };
                let flat = |side: &Tensor| {
                    let width = side.size()[4];
                    side.transpose(1, 2).reshape([models * groups, -1, width])
                };
                flat(&left).transpose(1, 2).bmm(&flat(right))
            }
            Self::Rows { ids, gradient, rows } => match factors {
                Some(factors) => add_rows(ids, &(gradient * factors.view([models, traces, 1, 1])), *rows, models),
                None => add_rows(ids, gradient, *rows, models),
            },
        }
    }
}

/// Adds gradient rows into `blocks` separate tables: `[blocks, rows, d]`.
fn add_rows(ids: &Tensor, gradient: &Tensor, rows: i64, blocks: i64) -> Tensor {
    let width = gradient.size()[gradient.dim() - 1];
    let offsets = Tensor::arange(blocks, (Kind::Int64, ids.device())) * rows;
    let ids = ids.reshape([blocks, -1]) + offsets.unsqueeze(1);
    let gradient = gradient.reshape([-1, width]);
    // -1: no row is a padding row here; a layer with one has masked its gradient already.
    Tensor::embedding_dense_backward(&gradient, &ids.flatten(0, -1), blocks * rows, -1, false)
        .view([blocks, rows, width])
}

fn ghost_is_cheaper(left: &Tensor, right: &Tensor) -> bool {
    let (positions, q, p) = (left.size()[3], left.size()[4], right.size()[4]);
    positions * (p + q) <= p * q
}

/// Squared norm of `left^T right` per trace from the two Gram matrices, `[M, B]`. In f64: terms that
/// cancel (a critic's real and generated sample) would otherwise leave a norm too small, even a negative
/// square, and a trace would be clipped too little.
fn ghost_norm(left: &Tensor, right: &Tensor) -> Tensor {
    let gram = |side: &Tensor| {
        let side = side.to_kind(Kind::Double);
        side.matmul(&side.transpose(-2, -1))
    };
    let squared = (gram(left) * gram(right)).sum_dim_intlist([2, 3, 4].as_slice(), false, None);
    squared.clamp_min(0.0).to_kind(left.kind())
}
