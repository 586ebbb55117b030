//! Convolutions. Their weights' per-trace gradients are outer products over output positions of the
//! output's gradient and the input's patches (im2col).

use super::{Param, Part, Tape};
use tch::Tensor;

/// Stride, padding, dilation (rows, columns) and groups of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Step between output positions.
    pub stride: [i64; 2],
    /// Zeros around the input.
    pub padding: [i64; 2],
    /// Step between kernel taps.
    pub dilation: [i64; 2],
    /// Channel groups that do not see each other.
    pub groups: i64,
}

impl ConvShape {
    /// Stride 1, no padding, no dilation, one group.
    pub const PLAIN: Self = Self { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
}

impl Tape<'_> {
    /// 2-d convolution: x `[M, B, c, h, w]`, weight `[M, q, c/groups, kh, kw]`, bias `[M, q]`.
    pub fn conv2d(&self, x: &Tensor, weight: Param, bias: Option<Param>, shape: ConvShape) -> Tensor {
        let value = self.params().get(weight);
        self.conv(x, weight, value, bias, shape)
    }

    /// 1-d convolution: x `[M, B, c, l]`, weight `[M, q, c/groups, k]`; the second entries of `shape`
    /// count.
    pub fn conv1d(&self, x: &Tensor, weight: Param, bias: Option<Param>, shape: ConvShape) -> Tensor {
        let value = self.params().get(weight).unsqueeze(3);
        self.conv(&x.unsqueeze(3), weight, &value, bias, shape).squeeze_dim(3)
    }

    fn conv(&self, x: &Tensor, weight: Param, value: &Tensor, bias: Option<Param>, shape: ConvShape) -> Tensor {
        let (models, traces) = self.shape();
        let size = value.size();
        let (q, kernel) = (size[1], [size[3], size[4]]);
        let filters = value.flatten(0, 1);
        let biases = bias.map(|bias| self.params().get(bias).flatten(0, 1));
        let wide = side_by_side(x);
        let ConvShape { stride, padding, dilation, groups } = shape;
        let y = wide.conv2d(&filters, biases, stride, padding, dilation, models * groups);
        let (y, slot) = self.capture(one_model_each(&y, models));
        let kept = x.detach();
        self.used(weight, vec![slot], move |gradients| {
            let patches = kept.flatten(0, 1).im2col(kernel, dilation, padding, stride);
            Part::Outer {
                left: by_position(&gradients[0], models, traces, groups),
                right: by_position(&patches, models, traces, groups),
            }
        });
        self.bias_use(bias, slot, q);
        y
    }

    /// Transposed 2-d convolution: x `[M, B, c, h, w]`, weight `[M, c, q/groups, kh, kw]`, bias `[M, q]`.
    pub fn conv_transpose2d(&self, x: &Tensor, weight: Param, bias: Option<Param>, shape: ConvShape) -> Tensor {
        let (models, traces) = self.shape();
        let value = self.params().get(weight);
        let size = value.size();
        let ConvShape { stride, padding, dilation, groups } = shape;
        let (q, kernel) = (size[2] * groups, [size[3], size[4]]);
        let biases = bias.map(|bias| self.params().get(bias).flatten(0, 1));
        let filters = value.flatten(0, 1);
        let wide = side_by_side(x);
        let y = wide.conv_transpose2d(&filters, biases, stride, padding, [0, 0], models * groups, dilation);
        let (y, slot) = self.capture(one_model_each(&y, models));
        let kept = x.detach();
        self.used(weight, vec![slot], move |gradients| {
            // The roles are swapped: each input position sees a patch of the output.
            let patches = gradients[0].flatten(0, 1).im2col(kernel, dilation, padding, stride);
            Part::Outer {
                left: by_position(&kept, models, traces, groups),
                right: by_position(&patches, models, traces, groups),
            }
        });
        self.bias_use(bias, slot, q);
        y
    }

    fn bias_use(&self, bias: Option<Param>, slot: usize, q: i64) {
        let (models, traces) = self.shape();
        if let Some(bias) = bias {
            self.used(bias, vec![slot], move |gradients| {
                let rows = gradients[0].reshape([models, traces, q, -1]);
                Part::Direct(rows.sum_dim_intlist([3].as_slice(), false, None))
            });
        }
    }

    /// Low-rank adaptation of a convolution: `base(x) + scale * up(down(x))`, `up` a 1x1 convolution.
    pub fn lora_conv2d(
        &self,
        x: &Tensor,
        base: (Param, Option<Param>),
        down: Param,
        up: Param,
        shape: ConvShape,
        scale: f64,
    ) -> Tensor {
        let adapted = self.conv2d(&self.conv2d(x, down, None, shape), up, None, ConvShape::PLAIN);
        self.conv2d(x, base.0, base.1, shape) + adapted * scale
    }

    /// Causal depthwise convolution over positions with zeros before the first:
    /// `y[t, c] = b[c] + sum_k w[c, 0, k] x[t - (K - 1) + k, c]`; x `[M, B, L, C]`, w `[M, C, 1, K]`,
    /// b `[M, C]`.
    pub fn depthwise_causal(&self, x: &Tensor, weight: Param, bias: Param) -> Tensor {
        let (models, _) = self.shape();
        let value = self.params().get(weight);
        let (channels, taps) = (value.size()[1], value.size()[3]);
        let length = x.size()[2];
        let padded = x.constant_pad_nd([0, 0, taps - 1, 0]);
        let mut y = self.params().get(bias).view([models, 1, 1, channels]) + x.zeros_like();
        for tap in 0..taps {
            let row = value.select(3, tap).view([models, 1, 1, channels]);
            y += padded.narrow(2, tap, length) * row;
        }
        let (y, slot) = self.capture(y);
        let kept = padded.detach();
        self.used(weight, vec![slot], move |gradients| {
            let of_tap =
                |tap: i64| (&gradients[0] * kept.narrow(2, tap, length)).sum_dim_intlist([2].as_slice(), false, None);
            let per_tap: Vec<Tensor> = (0..taps).map(of_tap).collect();
            Part::Direct(Tensor::stack(&per_tap, 3).flatten(2, 3))
        });
        self.used(bias, vec![slot], |gradients| {
            Part::Direct(gradients[0].sum_dim_intlist([2].as_slice(), false, None))
        });
        y
    }
}

/// `[M, B, c, h, w]` to `[B, M c, h, w]`: models become channel groups.
fn side_by_side(x: &Tensor) -> Tensor {
    x.transpose(0, 1).flatten(1, 2)
}

/// `[B, M q, h, w]` to `[M, B, q, h, w]`.
fn one_model_each(y: &Tensor, models: i64) -> Tensor {
    let size = y.size();
    y.view([size[0], models, size[1] / models, size[2], size[3]]).transpose(0, 1)
}

/// `[M, B, G c, positions...]` (or `[M B, ...]`) to `[M, B, G, positions, c]`.
fn by_position(x: &Tensor, models: i64, traces: i64, groups: i64) -> Tensor {
    let channels = if x.dim() == 5 { x.size()[2] } else { x.size()[1] };
    x.reshape([models, traces, groups, channels / groups, -1]).transpose(3, 4)
}
