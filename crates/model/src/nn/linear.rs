//! Linear layers, plain and with low-rank adaptation.

use super::{Param, Part, Tape};
use tch::Tensor;

impl Tape<'_> {
    /// `y = x w^T + b` over the last axis: x `[M, B, ..., p]`, w `[M, q, p]`, b `[M, q]`.
    pub fn linear(&self, x: &Tensor, weight: Param, bias: Option<Param>) -> Tensor {
        let (models, traces) = self.shape();
        let value = self.params().get(weight);
        let (q, p) = (value.size()[1], value.size()[2]);
        let flat = x.reshape([models, -1, p]);
        let transposed = value.transpose(1, 2);
        let y = match bias {
            Some(bias) => self.params().get(bias).unsqueeze(1).baddbmm(&flat, &transposed, 1.0, 1.0),
            None => flat.bmm(&transposed),
        };
        let mut shape = x.size();
        if let Some(last) = shape.last_mut() {
            *last = q;
        }
        let (y, slot) = self.capture(y);
        let kept = x.detach();
        self.used(weight, vec![slot], move |gradients| Part::Outer {
            left: gradients[0].reshape([models, traces, 1, -1, q]),
            right: kept.reshape([models, traces, 1, -1, p]),
        });
        if let Some(bias) = bias {
            self.used(bias, vec![slot], move |gradients| {
                let rows = gradients[0].reshape([models, traces, -1, q]);
                Part::Direct(rows.sum_dim_intlist([2].as_slice(), false, None))
            });
        }
        y.view(&shape[..])
    }

    /// Low-rank adaptation (Hu et al. 2021, eq. 3): `base(x) + scale * up(down(x))`; freeze the base.
    pub fn lora_linear(&self, x: &Tensor, base: (Param, Option<Param>), down: Param, up: Param, scale: f64) -> Tensor {
        let adapted = self.linear(&self.linear(x, down, None), up, None);
        self.linear(x, base.0, base.1) + adapted * scale
    }
}
