//! Embedding tables; the tied output head is [`Tape::linear`] with the same weight.

use super::{Param, Part, Tape};
use tch::Tensor;

impl Tape<'_> {
    /// Rows `ids [M, B, L]` of a table `[M, rows, d]`: `[M, B, L, d]`. The row `padding`, if any, is
    /// looked up like any other but gets no gradient.
    pub fn embedding(&self, ids: &Tensor, weight: Param, padding: Option<i64>) -> Tensor {
        let value = self.params().get(weight);
        let (models, rows, width) = (value.size()[0], value.size()[1], value.size()[2]);
        let offsets = Tensor::arange(models, (tch::Kind::Int64, ids.device())) * rows;
        let flat = (ids.reshape([models, -1]) + offsets.unsqueeze(1)).flatten(0, -1);
        let mut shape = ids.size();
        shape.push(width);
        let looked_up = value.reshape([models * rows, width]).index_select(0, &flat).view(&shape[..]);
        let (looked_up, slot) = self.capture(looked_up);
        let ids = ids.shallow_clone();
        self.used(weight, vec![slot], move |gradients| {
            let gradient = match padding {
                Some(padding) => &gradients[0] * ids.not_equal(padding).unsqueeze(-1),
                None => gradients[0].shallow_clone(),
            };
            Part::Rows { ids, gradient, rows }
        });
        looked_up
    }
}
