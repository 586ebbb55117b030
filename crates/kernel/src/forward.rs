//! One network block over a whole trace, in parts of [`BLOCK`] positions so that intermediate results are still in the
//! cache when they are read. What the backward pass needs is stored, unless it is cheaper to recompute.

use super::matrix::{Left, Right, Sizes, add_product, sum, transposed};
use super::real::Real;
use super::ssm_scan::{BLOCK, PART, ScanInput, scan, state_rows};
use super::weights::{BlockWeights, MambaShape};

/// Weights of a network block in the order that the forward pass reads.
#[derive(Debug)]
pub(crate) struct Turned<T> {
    /// `[d, projected]`.
    pub in_proj: Vec<T>,
    /// `[K, channels]`.
    pub conv_weight: Vec<T>,
    /// `[H P, d]`.
    pub out_proj: Vec<T>,
    /// `-exp(a_log)`, `[H]`.
    pub decay_rates: Vec<T>,
}

impl<T: Real> Turned<T> {
    pub fn new(shape: &MambaShape, block: &BlockWeights<T>) -> Self {
        Self {
            in_proj: transposed(&block.in_proj, shape.width),
            conv_weight: transposed(&block.conv_weight, shape.taps),
            out_proj: transposed(&block.out_proj, shape.inner()),
            decay_rates: block.a_log.iter().map(|log| -T::of(log.wide().exp())).collect(),
        }
    }
}

/// What a network block stores of a trace of L positions for the backward pass.
#[derive(Debug, Default)]
pub(crate) struct Kept<T> {
    /// The normed input before its weight `[L, d]`, and the factors `[L]`.
    pub normed: Vec<T>,
    pub factors: Vec<T>,
    /// Gate, convolution's input, step sizes before softplus, `[L, projected]`.
    pub projected: Vec<T>,
    /// The convolution's output before silu, `[L, channels]`.
    pub mixed: Vec<T>,
    /// Step sizes `[L, H]`.
    pub dt: Vec<T>,
    /// y with the skip, before the gate, `[L, H P]`.
    pub skipped: Vec<T>,
    /// The gated y, normed, before its weight `[L, H P]`, and the factors `[L, G]`.
    pub gated: Vec<T>,
    pub gated_factors: Vec<T>,
    /// States that enter each part of the positions, `[L / BLOCK, rows, PART]`.
    pub entering: Vec<[T; PART]>,
}

/// Buffers for one part of the positions.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    pub scaled: Vec<T>,
    pub active: Vec<T>,
    pub decay: Vec<T>,
    pub states: Vec<[T; PART]>,
}

impl<T: Real> Kept<T> {
    fn resize(&mut self, shape: &MambaShape, length: usize) {
        let inner = shape.inner();
        for (values, width) in [
            (&mut self.normed, shape.width),
            (&mut self.factors, 1),
            (&mut self.projected, shape.projected()),
            (&mut self.mixed, shape.channels()),
            (&mut self.dt, shape.heads),
            (&mut self.skipped, inner),
            (&mut self.gated, inner),
            (&mut self.gated_factors, shape.groups),
        ] {
            values.resize(length * width, T::ZERO);
        }
        self.entering.resize(length.div_ceil(BLOCK) * state_rows(shape), [T::ZERO; PART]);
    }
}

/// `x sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu<T: Real>(x: T) -> T {
    x * x.logistic()
}

/// Norms a row and returns its factor `1 / sqrt(mean of squares + eps)`.
#[inline(always)]
pub(crate) fn norm_row<T: Real>(x: &[T], eps: f64, out: &mut [T]) -> T {
    let squares = sum(x.len(), |at| x[at] * x[at]);
    let factor = T::ONE / (squares / T::of(x.len() as f64) + T::of(eps)).root();
    out.iter_mut().zip(x).for_each(|(out, x)| *out = *x * factor);
    factor
}

/// Rows times a row of weights.
#[inline(always)]
pub(crate) fn scale_rows<T: Real>(rows: &[T], weights: &[T], out: &mut Vec<T>) {
    out.resize(rows.len(), T::ZERO);
    let width = weights.len();
    for (out, row) in out.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
        for ((out, value), weight) in out.iter_mut().zip(row).zip(weights) {
            *out = *value * *weight;
        }
    }
}

/// Recomputes activations of a part of the positions (checkpointing): silu of `mixed`, and the decays.
#[inline(always)]
pub(crate) fn activate<T: Real>(mixed: &[T], dt: &[T], rates: &[T], scratch: &mut Scratch<T>) {
    scratch.active.resize(mixed.len(), T::ZERO);
    scratch.active.iter_mut().zip(mixed).for_each(|(active, mixed)| *active = silu(*mixed));
    scratch.decay.resize(dt.len(), T::ZERO);
    for (decay, dt) in scratch.decay.chunks_exact_mut(rates.len()).zip(dt.chunks_exact(rates.len())) {
        decay.iter_mut().zip(dt).zip(rates).for_each(|((decay, dt), rate)| *decay = *dt * *rate);
    }
    scratch.decay.iter_mut().for_each(|decay| *decay = decay.exponential());
}

/// Adds the block's output to the residual stream `[L, d]`.
#[inline(always)]
pub(crate) fn forward_block<T: Real>(
    shape: &MambaShape,
    (block, turned): (&BlockWeights<T>, &Turned<T>),
    residual: &mut [T],
    kept: &mut Kept<T>,
    scratch: &mut Scratch<T>,
) {
    let (width, inner, projected) = (shape.width, shape.inner(), shape.projected());
    let length = residual.len() / width;
    kept.resize(shape, length);
    scratch.states.clear();
    scratch.states.resize(state_rows(shape), [T::ZERO; PART]);
    for (number, start) in (0..length).step_by(BLOCK).enumerate() {
        let q = BLOCK.min(length - start);
        let residual = &mut residual[start * width..][..q * width];
        for t in 0..q {
            let normed = &mut kept.normed[(start + t) * width..][..width];
            kept.factors[start + t] = norm_row(&residual[t * width..][..width], shape.eps, normed);
        }
        scale_rows(&kept.normed[start * width..][..q * width], &block.norm, &mut scratch.scaled);
        let out = &mut kept.projected[start * projected..][..q * projected];
        out.fill(T::ZERO);
        let right = Right { values: &turned.in_proj, stride: projected };
        let sizes = Sizes { rows: q, inner: width, columns: projected };
        add_product(sizes, Left::Rows(&scratch.scaled, width), right, out, projected);
        convolve(shape, (block, turned), (start, q), kept);
        step_sizes(shape, block, (start, q), kept);
        let mixed = &kept.mixed[start * shape.channels()..][..q * shape.channels()];
        let dt = &kept.dt[start * shape.heads..][..q * shape.heads];
        activate(mixed, dt, &turned.decay_rates, scratch);
        let rows = scratch.states.len();
        kept.entering[number * rows..][..rows].copy_from_slice(&scratch.states);
        let input = ScanInput { shape, active: &scratch.active, dt, decay: &scratch.decay };
        scan(input, &mut scratch.states, &mut kept.skipped[start * inner..][..q * inner]);
        gate(shape, block, (start, q), kept, scratch);
        let right = Right { values: &turned.out_proj, stride: width };
        let sizes = Sizes { rows: q, inner, columns: width };
        add_product(sizes, Left::Rows(&scratch.scaled, inner), right, residual, width);
    }
}

/// `mixed = b + sum_k w_k x_{t - (K - 1) + k}`, zeros before the first position.
#[inline(always)]
fn convolve<T: Real>(
    shape: &MambaShape,
    (block, turned): (&BlockWeights<T>, &Turned<T>),
    (start, q): (usize, usize),
    kept: &mut Kept<T>,
) {
    let (channels, projected, inner) = (shape.channels(), shape.projected(), shape.inner());
    for t in start..start + q {
        let out = &mut kept.mixed[t * channels..][..channels];
        out.copy_from_slice(&block.conv_bias);
        for (tap, weights) in turned.conv_weight.chunks_exact(channels).enumerate() {
            let Some(from) = (t + tap + 1).checked_sub(shape.taps) else { continue };
            let x = &kept.projected[from * projected + inner..][..channels];
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weights) {
                *out += *weight * *x;
            }
        }
    }
}

/// `dt = softplus(raw + bias)`.
#[inline(always)]
fn step_sizes<T: Real>(shape: &MambaShape, block: &BlockWeights<T>, (start, q): (usize, usize), kept: &mut Kept<T>) {
    let (heads, projected) = (shape.heads, shape.projected());
    let dt = &mut kept.dt[start * heads..][..q * heads];
    let raw = &kept.projected[start * projected..][..q * projected];
    for (dt, raw) in dt.chunks_exact_mut(heads).zip(raw.chunks_exact(projected)) {
        let raw = &raw[projected - heads..];
        dt.iter_mut().zip(raw).zip(&block.dt_bias).for_each(|((dt, raw), bias)| *dt = *raw + *bias);
    }
    dt.iter_mut().for_each(|dt| *dt = dt.softplus());
}

/// Skip, gate and norm; leaves the output projection's input in `scratch.scaled`.
#[inline(always)]
fn gate<T: Real>(
    shape: &MambaShape,
    block: &BlockWeights<T>,
    (start, q): (usize, usize),
    kept: &mut Kept<T>,
    scratch: &mut Scratch<T>,
) {
    let (inner, channels, projected) = (shape.inner(), shape.channels(), shape.projected());
    let group = inner / shape.groups;
    scratch.scaled.resize(q * inner, T::ZERO);
    for t in 0..q {
        let skipped = &mut kept.skipped[(start + t) * inner..][..inner];
        let x = &scratch.active[t * channels..][..inner];
        let heads = skipped.chunks_exact_mut(shape.head).zip(x.chunks_exact(shape.head));
        for ((y, x), d) in heads.zip(&block.d) {
            y.iter_mut().zip(x).for_each(|(y, x)| *y += *d * *x);
        }
        let z = &kept.projected[(start + t) * projected..][..inner];
        let gated = &mut scratch.scaled[t * inner..][..inner];
        for ((gated, y), z) in gated.iter_mut().zip(&*skipped).zip(z) {
            *gated = *y * silu(*z);
        }
        for at in 0..shape.groups {
            let from = at * group;
            let normed = &mut kept.gated[(start + t) * inner + from..][..group];
            let factor = norm_row(&gated[from..][..group], shape.eps, normed);
            kept.gated_factors[(start + t) * shape.groups + at] = factor;
        }
    }
    scale_rows(&kept.gated[start * inner..][..q * inner], &block.gated_norm, &mut scratch.scaled);
}
