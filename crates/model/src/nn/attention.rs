//! Multi-head attention from linear layers (Vaswani et al. 2017, eq. 1): self and cross attention.

use super::{Param, Tape};
use tch::{Kind, Tensor};

/// A linear layer's weight and bias.
#[derive(Debug, Clone, Copy)]
pub struct LinearParams {
    /// `[M, q, p]`.
    pub weight: Param,
    /// `[M, q]`.
    pub bias: Option<Param>,
}

/// The four projections of an attention layer.
#[derive(Debug, Clone, Copy)]
pub struct AttentionParams {
    /// Of the input.
    pub query: LinearParams,
    /// Of the context.
    pub key: LinearParams,
    /// Of the context.
    pub value: LinearParams,
    /// Of the heads side by side.
    pub out: LinearParams,
    /// Number of heads.
    pub heads: i64,
}

impl Tape<'_> {
    /// Attention of x `[M, B, L, d]` to context `[M, B, S, e]`; `causal` hides later positions.
    pub fn attention(&self, x: &Tensor, context: &Tensor, params: AttentionParams, causal: bool) -> Tensor {
        let project = |input: &Tensor, layer: LinearParams| self.linear(input, layer.weight, layer.bias);
        let (query, key, value) =
            (project(x, params.query), project(context, params.key), project(context, params.value));
        project(&attend(&query, &key, &value, params.heads, causal), params.out)
    }
}

/// `softmax(q k^T / sqrt(d / heads)) v` per head: q `[M, B, L, d]`, k and v `[M, B, S, d]`.
pub fn attend(query: &Tensor, key: &Tensor, value: &Tensor, heads: i64, causal: bool) -> Tensor {
    let split = |x: &Tensor| {
        let size = x.size();
        x.view([size[0], size[1], size[2], heads, size[3] / heads]).transpose(2, 3)
    };
    let (q, k, v) = (split(query), split(key), split(value));
    let width = q.size()[4] as f64;
    let mut scores = q.matmul(&k.transpose(-2, -1)) / width.sqrt();
    if causal {
        let hidden = Tensor::ones([q.size()[3], k.size()[3]], (Kind::Bool, q.device())).triu(1);
        scores = scores.masked_fill(&hidden, f64::NEG_INFINITY);
    }
    scores.softmax(-1, None).matmul(&v).transpose(2, 3).reshape(query.size())
}
