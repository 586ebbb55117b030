//! Losses and per-trace gradients with a hand-written backward pass: the same numbers as the tape's
//! (`block.rs`), without autograd's bookkeeping and with buffers used in place. For one group (G = 1);
//! all tensors have M B traces of L positions (a whole number of chunks) as `[n, L, ...]`.

use super::chunked::{ChunkShape, Chunks};
use super::network::{BlockParams, NetSsmNetwork};
use crate::nn::{Param, Part, PerTrace};
use crate::train::{MicroGradients, PerSampleGrads};
use tch::{Kind, Tensor};

/// Values that one block stores for its backward pass.
struct Saved {
    input: Normed,
    /// Normed and scaled input of the projection.
    u: Tensor,
    /// Projected: gate, convolution's input, step sizes.
    projected: Tensor,
    /// The convolution's output before its nonlinearity, and after.
    mixed: Tensor,
    active: Tensor,
    dt: Tensor,
    chunks: Chunks,
    /// y with the skip, and silu of the gate.
    skipped: Tensor,
    gate: Tensor,
    gated: Normed,
    /// Normed and scaled input of the output projection.
    o: Tensor,
}

/// A root-mean-square norm: its output before the weight, and the factor of each position.
struct Normed {
    value: Tensor,
    factor: Tensor,
}

/// Sizes of one pass.
#[derive(Clone, Copy)]
struct Shape {
    models: i64,
    traces: i64,
    length: i64,
}

/// A batch filled to whole chunks.
struct Prepared {
    shape: Shape,
    /// Positions of a chunk.
    q: i64,
    inputs: Tensor,
    targets: Tensor,
    weights: Tensor,
}

impl Shape {
    fn n(self) -> i64 {
        self.models * self.traces
    }
}

impl NetSsmNetwork {
    /// As [`NetSsmNetwork::token_gradients`]; run without autograd.
    pub(super) fn fused_gradients(&self, tokens: &Tensor, targets: &Tensor, weights: &Tensor) -> MicroGradients {
        let Prepared { shape, q, inputs, targets, weights } = self.prepare(tokens, targets, weights);
        let mut gradients = PerTrace::new(&self.params, shape.traces);

        let mut residual = self.lookup(&inputs, shape);
        let mut saved = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (output, kept) = self.fused_block(&residual, *block, q, shape);
            residual += output;
            saved.push(kept);
        }
        let last = normed(&residual, self.config.eps);
        let hidden = self.scaled(&last, self.final_norm, shape);
        let (losses, dhidden) = self.fused_head(&hidden, &targets, &weights, shape, &mut gradients);
        let mut dresidual = self.norm_backward(&last, dhidden, self.final_norm, shape, &mut gradients);
        for (block, kept) in self.blocks.iter().zip(saved).rev() {
            let dinput = self.fused_block_backward(&dresidual, kept, *block, shape, &mut gradients);
            // Not in place: a part of the output projection's gradient keeps the old one.
            dresidual = &dresidual + dinput;
        }
        let gradient = dresidual.view([shape.models, shape.traces, shape.length, -1]);
        gradients.push(self.embedding, Part::Rows { ids: inputs, gradient, rows: self.config.vocabulary });
        MicroGradients { losses, gradients: PerSampleGrads::new(gradients) }
    }

    /// Losses `[M, B]` alone; run without autograd.
    pub(super) fn fused_losses(&self, tokens: &Tensor, targets: &Tensor, weights: &Tensor) -> Tensor {
        let Prepared { shape, q, inputs, targets, weights } = self.prepare(tokens, targets, weights);
        let mut residual = self.lookup(&inputs, shape);
        for block in &self.blocks {
            residual += self.fused_block(&residual, *block, q, shape).0;
        }
        let hidden = self.scaled(&normed(&residual, self.config.eps), self.final_norm, shape);
        let logits = self.project(&hidden, self.embedding, shape);
        let of_targets = logits.gather(-1, &targets.view([shape.n(), shape.length, 1]), false).squeeze_dim(-1);
        let scores = (of_targets - logits.logsumexp([-1].as_slice(), false)).view(weights.size().as_slice());
        (scores * weights).sum_dim_intlist([-1].as_slice(), false, None).neg_()
    }

    /// Fills positions up to whole chunks. Positions behind the last target have weight 0 and nothing
    /// before them sees them.
    fn prepare(&self, tokens: &Tensor, targets: &Tensor, weights: &Tensor) -> Prepared {
        let size = tokens.size();
        let length = size[2] - 1;
        let q = self.config.chunk.min(length);
        let missing = (length + q - 1) / q * q - length;
        let fill = |x: &Tensor| if missing == 0 { x.contiguous() } else { x.constant_pad_nd([0, missing]) };
        Prepared {
            shape: Shape { models: size[0], traces: size[1], length: length + missing },
            q,
            inputs: fill(&tokens.narrow(2, 0, length)),
            targets: fill(targets),
            weights: fill(weights),
        }
    }

    fn lookup(&self, ids: &Tensor, shape: Shape) -> Tensor {
        let (rows, width) = (self.config.vocabulary, self.config.width);
        let offsets = Tensor::arange(shape.models, (Kind::Int64, ids.device())) * rows;
        let flat = (ids.view([shape.models, -1]) + offsets.unsqueeze(1)).flatten(0, -1);
        let table = self.params.get(self.embedding).view([shape.models * rows, width]);
        table.index_select(0, &flat).view([shape.n(), shape.length, width])
    }

    /// A weight of `[M, d]` against `[M, B L, d]`.
    fn row(&self, param: Param) -> Tensor {
        self.params.get(param).unsqueeze(1)
    }

    /// Normed times its weight.
    fn scaled(&self, of: &Normed, weight: Param, shape: Shape) -> Tensor {
        let width = of.value.size()[2];
        (of.value.view([shape.models, -1, width]) * self.row(weight)).view([shape.n(), shape.length, width])
    }

    /// `x w^T` for `[n, L, p]` and `[M, q, p]`.
    fn project(&self, x: &Tensor, weight: Param, shape: Shape) -> Tensor {
        let weight = self.params.get(weight);
        let size = weight.size();
        x.view([shape.models, -1, size[2]]).bmm(&weight.transpose(1, 2)).view([shape.n(), shape.length, size[1]])
    }

    /// `dy w` for `[n, L, q]`, and the weight's part from its input x.
    fn project_backward(&self, dy: Tensor, x: Tensor, weight: Param, shape: Shape, into: &mut PerTrace) -> Tensor {
        let value = self.params.get(weight);
        let size = value.size();
        let dx = dy.view([shape.models, -1, size[1]]).bmm(value).view([shape.n(), shape.length, size[2]]);
        let each = |x: Tensor, width: i64| x.view([shape.models, shape.traces, 1, shape.length, width]);
        into.push(weight, Part::Outer { left: each(dy, size[1]), right: each(x, size[2]) });
        dx
    }

    /// Gradient of a norm's input from the gradient of its scaled output (which is overwritten).
    fn norm_backward(&self, of: &Normed, dy: Tensor, weight: Param, shape: Shape, into: &mut PerTrace) -> Tensor {
        let width = of.value.size()[2];
        let product = &dy * &of.value;
        self.direct(weight, sum_positions(&product), shape, into);
        let column = self.params.get(weight).unsqueeze(-1) / -(width as f64);
        let mean = product.view([shape.models, -1, width]).bmm(&column).view([shape.n(), shape.length, 1]);
        let mut dx = dy.view([shape.models, -1, width]);
        let _ = dx.g_mul_(&self.row(weight));
        let mut dx = dx.view([shape.n(), shape.length, width]);
        let _ = dx.addcmul_(&of.value, &mean).g_mul_(&of.factor);
        dx
    }

    /// A gradient `[n, elements]`.
    fn direct(&self, param: Param, gradient: Tensor, shape: Shape, into: &mut PerTrace) {
        into.push(param, Part::Direct(gradient.reshape([shape.models, shape.traces, -1])));
    }

    /// A small weight `[M, w]` for every trace, `[n, 1, w]`; may be a view of the weight: not to be changed.
    fn each_trace(&self, param: Param, shape: Shape) -> Tensor {
        let value = self.params.get(param);
        let width = value.size()[1];
        value.unsqueeze(1).expand([shape.models, shape.traces, width], false).reshape([shape.n(), 1, width])
    }

    /// The convolution's taps for every trace: K rows `[n, 1, channels]`.
    fn taps(&self, param: Param, shape: Shape) -> Vec<Tensor> {
        let value = self.params.get(param);
        let (channels, taps) = (value.size()[1], value.size()[3]);
        let all = value.view([shape.models, 1, channels, taps]).expand([-1, shape.traces, -1, -1], false);
        (0..taps).map(|tap| all.select(3, tap).reshape([shape.n(), 1, channels])).collect()
    }

    fn fused_block(&self, residual: &Tensor, block: BlockParams, q: i64, shape: Shape) -> (Tensor, Saved) {
        let config = &self.config;
        let (inner, heads, state) = (config.inner(), config.heads(), config.state);
        let input = normed(residual, config.eps);
        let u = self.scaled(&input, block.norm, shape);
        let projected = self.project(&u, block.in_proj, shape);
        let part = |start: i64, width: i64| projected.narrow(2, start, width);

        let mixed = self.convolve(&part(inner, config.channels()), block, shape);
        let active = mixed.silu();
        let x = active.narrow(2, 0, inner);
        let [b, c] = [0, 1].map(|index| active.narrow(2, inner + index * state, state));
        let dt = (part(inner + config.channels(), heads) + self.each_trace(block.dt_bias, shape)).softplus();
        let log_decay = &dt * self.each_trace(block.a_log, shape).exp().neg_();
        let chunks = Chunks::forward(self.chunk_shape(q, shape), &x, &dt, &log_decay, &b, &c);

        let y = chunks.y.view([shape.n(), shape.length, heads, config.head]);
        let d = self.each_trace(block.d, shape).unsqueeze(-1);
        let of_heads = x.reshape([shape.n(), shape.length, heads, config.head]);
        let skipped = y.addcmul(&of_heads, &d).view([shape.n(), shape.length, inner]);
        let gate = part(0, inner).silu();
        let gated = normed_owned(&skipped * &gate, config.eps);
        let o = self.scaled(&gated, block.gated_norm, shape);
        let output = self.project(&o, block.out_proj, shape);
        (output, Saved { input, u, projected, mixed, active, dt, chunks, skipped, gate, gated, o })
    }

    fn chunk_shape(&self, q: i64, shape: Shape) -> ChunkShape {
        let config = &self.config;
        ChunkShape {
            traces: shape.n(),
            chunks: shape.length / q,
            q,
            heads: config.heads(),
            p: config.head,
            state: config.state,
        }
    }

    /// Causal depthwise convolution of `[n, L, channels]`.
    fn convolve(&self, x: &Tensor, block: BlockParams, shape: Shape) -> Tensor {
        let taps = self.taps(block.conv_weight, shape);
        let mut sum: Option<Tensor> = None;
        for (tap, row) in taps.iter().enumerate().rev() {
            let shift = (taps.len() - 1 - tap) as i64;
            match &sum {
                None => sum = Some(self.each_trace(block.conv_bias, shape).addcmul(x, row)),
                Some(sum) if shift < shape.length => {
                    let kept = shape.length - shift;
                    let _ = sum.narrow(1, shift, kept).addcmul_(&x.narrow(1, 0, kept), row);
                }
                Some(_) => {}
            }
        }
        sum.unwrap_or_else(|| x.zeros_like())
    }

    /// Gradient of the convolution's input, written into `dx`; the taps' and the bias' parts.
    fn convolve_backward(&self, dv: &Tensor, x: &Tensor, dx: &Tensor, at: (BlockParams, Shape), into: &mut PerTrace) {
        let (block, shape) = at;
        let taps = self.taps(block.conv_weight, shape);
        let product = Tensor::empty(dv.size(), (dv.kind(), dv.device()));
        let mut of_taps = Vec::with_capacity(taps.len());
        for (tap, row) in taps.iter().enumerate() {
            let shift = ((taps.len() - 1 - tap) as i64).min(shape.length);
            let kept = shape.length - shift;
            let (later, earlier) = (dv.narrow(1, shift, kept), x.narrow(1, 0, kept));
            let part = product.narrow(1, 0, kept);
            let _ = later.mul_out(&part, &earlier);
            of_taps.push(sum_positions(&part));
            if shift == 0 {
                continue;
            }
            let _ = dx.narrow(1, 0, kept).addcmul_(&later, row);
        }
        self.direct(block.conv_weight, Tensor::stack(&of_taps, -1), shape, into);
        self.direct(block.conv_bias, sum_positions(dv), shape, into);
    }

    fn fused_block_backward(
        &self,
        doutput: &Tensor,
        kept: Saved,
        block: BlockParams,
        shape: Shape,
        into: &mut PerTrace,
    ) -> Tensor {
        let config = &self.config;
        let (inner, heads, channels) = (config.inner(), config.heads(), config.channels());
        let dnormed = self.project_backward(doutput.shallow_clone(), kept.o, block.out_proj, shape, into);
        let dgated = self.norm_backward(&kept.gated, dnormed, block.gated_norm, shape, into);

        let dprojected = kept.projected.empty_like();
        let dpart = |start: i64, width: i64| dprojected.narrow(2, start, width);
        let part = |start: i64, width: i64| kept.projected.narrow(2, start, width);
        let dgate = &dgated * &kept.skipped;
        let _ = part(0, inner).silu_backward_grad_input(&dpart(0, inner), &dgate);
        let mut dy = dgated;
        let _ = dy.g_mul_(&kept.gate);

        let (dactive, ddt) =
            self.recurrence_backward(&dy, &kept.chunks, (&kept.active, &kept.dt), (block, shape), into);
        let dmixed = kept.mixed.silu_backward(&dactive);
        let dx = dpart(inner, channels);
        let last = self.taps(block.conv_weight, shape).pop();
        let _ = last.map(|row| dmixed.mul_out(&dx, &row));
        self.convolve_backward(&dmixed, &part(inner, channels), &dx, (block, shape), into);

        // softplus' = 1 - exp(-softplus).
        let ddt_raw = ddt * kept.dt.neg().expm1_().neg_();
        self.direct(block.dt_bias, sum_positions(&ddt_raw), shape, into);
        dpart(inner + channels, heads).copy_(&ddt_raw);
        let du = self.project_backward(dprojected, kept.u, block.in_proj, shape, into);
        self.norm_backward(&kept.input, du, block.norm, shape, into)
    }

    /// From the gradient of y after the skip: gradients of x, B and C `[n, L, channels]` and of dt
    /// `[n, L, H]`.
    fn recurrence_backward(
        &self,
        dy: &Tensor,
        chunks: &Chunks,
        (active, dt): (&Tensor, &Tensor),
        (block, shape): (BlockParams, Shape),
        into: &mut PerTrace,
    ) -> (Tensor, Tensor) {
        let config = &self.config;
        let (inner, heads, state) = (config.inner(), config.heads(), config.state);
        let by_head = [shape.n(), shape.length, heads, config.head];
        let x = active.narrow(2, 0, inner);
        let [b, c] = [0, 1].map(|index| active.narrow(2, inner + index * state, state));
        let found = chunks.backward(&dy.view(chunks.y.size().as_slice()), &b, &c);
        let du = found.du.view(by_head);
        let of_heads = x.reshape(by_head);
        let dy = dy.view(by_head);

        let dactive = active.empty_like();
        let dx = dactive.narrow(2, 0, inner).view(by_head);
        let _ = du.mul_out(&dx, &dt.unsqueeze(-1));
        let _ = dx.shallow_clone().addcmul_(&dy, &self.each_trace(block.d, shape).unsqueeze(-1));
        for (index, gradient) in [found.db, found.dc].iter().enumerate() {
            let mut slot = dactive.narrow(2, inner + index as i64 * state, state);
            slot.copy_(&gradient.view([shape.n(), shape.length, state]));
        }
        let product = &dy * &of_heads;
        let dd = product.sum_dim_intlist([1, 3].as_slice(), false, None);
        self.direct(block.d, dd, shape, into);

        let a = self.each_trace(block.a_log, shape).exp().neg_();
        let _ = du.mul_out(&product, &of_heads);
        let mut ddt = product.sum_dim_intlist([3].as_slice(), false, None);
        let _ = ddt.addcmul_(&found.dlog_decay, &a);
        // l = dt A and A' = A with respect to A_log.
        let da = sum_positions(&(found.dlog_decay * dt)) * a.squeeze_dim(1);
        self.direct(block.a_log, da, shape, into);
        (dactive, ddt)
    }

    /// Losses `[M, B]` and the gradient of the hidden state `[n, L, d]`; the embedding's part as output
    /// matrix. A position's weight multiplies the d-wide sides instead of the V-wide one.
    fn fused_head(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        weights: &Tensor,
        shape: Shape,
        into: &mut PerTrace,
    ) -> (Tensor, Tensor) {
        let mut scores = self.project(hidden, self.embedding, shape).log_softmax(-1, None);
        let targets = targets.view([shape.n(), shape.length, 1]);
        let weights = weights.to_kind(scores.kind()).view([shape.n(), shape.length, 1]);
        let of_targets = scores.gather(-1, &targets, false);
        let losses = (of_targets * &weights).view([shape.models, shape.traces, -1]);
        let losses = losses.sum_dim_intlist([-1].as_slice(), false, None).neg_();
        let _ = scores.exp_();
        let _ = scores.scatter_add_(-1, &targets, &weights.ones_like().neg_());
        let mut dhidden = self.project_backward(scores, hidden * &weights, self.embedding, shape, into);
        let _ = dhidden.g_mul_(&weights);
        (losses, dhidden)
    }
}

/// Norms each row of `[n, L, d]`.
fn normed(x: &Tensor, eps: f64) -> Normed {
    let factor = factor(x, eps);
    Normed { value: x * &factor, factor }
}

/// As [`normed`], in the input's buffer.
fn normed_owned(mut x: Tensor, eps: f64) -> Normed {
    let factor = factor(&x, eps);
    let _ = x.g_mul_(&factor);
    Normed { value: x, factor }
}

/// `1 / sqrt(mean(x^2) + eps)` over the last axis, kept.
fn factor(x: &Tensor, eps: f64) -> Tensor {
    let square = (x * x).mean_dim([-1].as_slice(), true, None);
    (square + eps).rsqrt_()
}

/// Sum over positions of `[n, L, ...]`.
fn sum_positions(x: &Tensor) -> Tensor {
    x.sum_dim_intlist([1].as_slice(), false, None)
}
