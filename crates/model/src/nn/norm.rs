//! Normalisations. Their weights' per-trace gradients come from the normalised input and the gradient
//! of the output.

use super::{Param, Part, Tape};
use tch::Tensor;

impl Tape<'_> {
    /// `y = x / sqrt(mean(x^2) + eps) * w` (Zhang and Sennrich 2019), mean over the last axis in
    /// `groups` equal parts; x `[M, B, ..., d]`, w `[M, d]`.
    pub fn rms_norm(&self, x: &Tensor, weight: Param, groups: i64, eps: f64) -> Tensor {
        let mut grouped = x.size();
        let width = grouped.pop().unwrap_or(1);
        grouped.extend([groups, width / groups]);
        let parts = x.reshape(&grouped[..]);
        let mean = (&parts * &parts).mean_dim([-1].as_slice(), true, None);
        let normed = (parts * (mean + eps).rsqrt()).view(&x.size()[..]);
        self.scale_last(normed, weight, None)
    }

    /// Layer normalisation over the last axis; x `[M, B, ..., d]`, w and b `[M, d]`.
    pub fn layer_norm(&self, x: &Tensor, weight: Param, bias: Param, eps: f64) -> Tensor {
        let width = x.size()[x.dim() - 1];
        let normed = x.layer_norm([width], None::<&Tensor>, None::<&Tensor>, eps, false);
        self.scale_last(normed, weight, Some(bias))
    }

    /// Group normalisation; x `[M, B, C, ...]`, w and b `[M, C]`.
    pub fn group_norm(&self, x: &Tensor, groups: i64, weight: Param, bias: Param, eps: f64) -> Tensor {
        let (models, traces) = self.shape();
        let normed = x.flatten(0, 1).group_norm(groups, None::<&Tensor>, None::<&Tensor>, eps, false);
        let channels = x.size()[2];
        let normed = normed.view([models, traces, channels, -1]);
        let of = |param: Param| self.params().get(param).view([models, 1, channels, 1]);
        let (y, slot) = self.capture(&normed * of(weight) + of(bias));
        let kept = normed.detach();
        self.used(weight, vec![slot], move |gradients| {
            Part::Direct((&gradients[0] * kept).sum_dim_intlist([3].as_slice(), false, None))
        });
        self.used(bias, vec![slot], |gradients| {
            Part::Direct(gradients[0].sum_dim_intlist([3].as_slice(), false, None))
        });
        y.view(&x.size()[..])
    }

    /// `normed * w + b` over the last axis.
    fn scale_last(&self, normed: Tensor, weight: Param, bias: Option<Param>) -> Tensor {
        let (models, traces) = self.shape();
        let shape = normed.size();
        let width = shape.last().copied().unwrap_or(1);
        let normed = normed.view([models, traces, -1, width]);
        let of = |param: Param| self.params().get(param).view([models, 1, 1, width]);
        let scaled = &normed * of(weight);
        let (y, slot) = self.capture(match bias {
            Some(bias) => scaled + of(bias),
            None => scaled,
        });
        let kept = normed.detach();
        self.used(weight, vec![slot], move |gradients| {
            Part::Direct((&gradients[0] * kept).sum_dim_intlist([2].as_slice(), false, None))
        });
        if let Some(bias) = bias {
            self.used(bias, vec![slot], |gradients| {
                Part::Direct(gradients[0].sum_dim_intlist([2].as_slice(), false, None))
            });
        }
        y.view(&shape[..])
    }
}
