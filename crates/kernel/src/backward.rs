//! The gradient of one network block over a whole trace, parts of [`BLOCK`] positions from the last to the first.

use super::forward::{Kept, Scratch, Turned, activate, scale_rows};
use super::matrix::{Left, Right, Sizes, add_product, sum};
use super::real::Real;
use super::ssm_scan::{BLOCK, PART, ScanGradients, ScanInput, scan_backward, scan_room, state_rows};
use super::weights::{BlockWeights, MambaShape};

/// Buffers for the backward pass over one part of the positions.
#[derive(Debug)]
pub(crate) struct BackScratch<T> {
    forward: Scratch<T>,
    /// Gradient of a projection's input.
    dscaled: Vec<T>,
    /// Gradient of y, `[q, H P]`.
    dy: Vec<T>,
    dprojected: Vec<T>,
    dactive: Vec<T>,
    dlog_decay: Vec<T>,
    /// `[q + K - 1, channels]`: behind the part the first rows of the next.
    dmixed: Vec<T>,
    /// Gradient of the taps, `[K, channels]`.
    dtaps: Vec<T>,
    flowing: Vec<[T; PART]>,
    room: Vec<[T; PART]>,
}

impl<T: Real> BackScratch<T> {
    pub fn new(shape: &MambaShape) -> Self {
        let zeros = |width: usize| vec![T::ZERO; BLOCK * width];
        let channels = shape.channels();
        Self {
            forward: Scratch::default(),
            dscaled: Vec::new(),
            dy: zeros(shape.inner()),
            dprojected: zeros(shape.projected()),
            dactive: zeros(channels),
            dlog_decay: zeros(shape.heads),
            dmixed: vec![T::ZERO; (BLOCK + shape.taps - 1) * channels],
            dtaps: vec![T::ZERO; shape.taps * channels],
            flowing: vec![[T::ZERO; PART]; state_rows(shape)],
            room: scan_room(shape),
        }
    }
}

/// Inputs that are the same for every part of the trace.
struct Of<'a, T> {
    shape: &'a MambaShape,
    block: &'a BlockWeights<T>,
    turned: &'a Turned<T>,
    kept: &'a Kept<T>,
}

/// `out += rows of left, transposed, times right` over q positions: a weight's gradient `[m, n]`.
#[inline(always)]
pub(crate) fn add_outer<T: Real>(q: usize, left: &[T], m: usize, right: &[T], n: usize, out: &mut [T]) {
    let sizes = Sizes { rows: m, inner: q, columns: n };
    add_product(sizes, Left::Columns(left, m), Right { values: right, stride: n }, out, n);
}

/// `out = left matrix` for `left [q, m]` and a weight `[m, n]`.
#[inline(always)]
pub(crate) fn back_through<T: Real>(q: usize, left: &[T], m: usize, matrix: &[T], n: usize, out: &mut Vec<T>) {
    out.clear();
    out.resize(q * n, T::ZERO);
    let sizes = Sizes { rows: q, inner: m, columns: n };
    add_product(sizes, Left::Rows(left, m), Right { values: matrix, stride: n }, out, n);
}

/// A norm's gradient: `dy` with respect to its scaled output becomes that of its input; adds the weight's.
#[inline(always)]
pub(crate) fn norm_back<T: Real>(normed: &[T], factor: T, weights: &[T], dy: &mut [T], dweights: &mut [T]) {
    for ((dweight, dy), normed) in dweights.iter_mut().zip(&*dy).zip(normed) {
        *dweight += *dy * *normed;
    }
    dy.iter_mut().zip(weights).for_each(|(dy, weight)| *dy = *dy * *weight);
    let mean = sum(normed.len(), |at| dy[at] * normed[at]) / T::of(normed.len() as f64);
    for (dy, normed) in dy.iter_mut().zip(normed) {
        *dy = (*dy - *normed * mean) * factor;
    }
}

/// Turns `dresidual [L, d]` from the gradient of the block's output stream into that of its input stream.
#[inline(always)]
pub(crate) fn backward_block<T: Real>(
    shape: &MambaShape,
    (block, turned): (&BlockWeights<T>, &Turned<T>),
    kept: &Kept<T>,
    dresidual: &mut [T],
    scratch: &mut BackScratch<T>,
    gradient: &mut BlockWeights<T>,
) {
    let of = Of { shape, block, turned, kept };
    let length = dresidual.len() / shape.width;
    scratch.flowing.fill([T::ZERO; PART]);
    scratch.dmixed.fill(T::ZERO);
    scratch.dtaps.fill(T::ZERO);
    for start in (0..length).step_by(BLOCK).rev() {
        let q = BLOCK.min(length - start);
        let part = (start, q);
        let dresidual = &mut dresidual[start * shape.width..][..q * shape.width];
        of.output_back(part, dresidual, scratch, gradient);
        of.scan_back(part, scratch, gradient);
        of.convolution_back(part, scratch, gradient);
        of.input_back(part, dresidual, scratch, gradient);
    }
    for (channel, of_channel) in gradient.conv_weight.chunks_exact_mut(shape.taps).enumerate() {
        let taps = of_channel.iter_mut().zip(scratch.dtaps.chunks_exact(shape.channels()));
        taps.for_each(|(out, row)| *out += row[channel]);
    }
}

impl<T: Real> Of<'_, T> {
    /// Output projection, norm and gate: gradients of y and of the gate.
    #[inline(always)]
    fn output_back(
        &self,
        (start, q): (usize, usize),
        doutput: &[T],
        scratch: &mut BackScratch<T>,
        gradient: &mut BlockWeights<T>,
    ) {
        let Self { shape, block, kept, .. } = self;
        let (width, inner, projected) = (shape.width, shape.inner(), shape.projected());
        let gated = &kept.gated[start * inner..][..q * inner];
        scale_rows(gated, &block.gated_norm, &mut scratch.forward.scaled);
        add_outer(q, doutput, width, &scratch.forward.scaled, inner, &mut gradient.out_proj);
        back_through(q, doutput, width, &block.out_proj, inner, &mut scratch.dscaled);
        let group = inner / shape.groups;
        for t in 0..q {
            let dgated = &mut scratch.dscaled[t * inner..][..inner];
            for at in 0..shape.groups {
                let range = at * group..(at + 1) * group;
                let normed = &gated[t * inner..][..inner][range.clone()];
                let factor = kept.gated_factors[(start + t) * shape.groups + at];
                let weights = &block.gated_norm[range.clone()];
                norm_back(normed, factor, weights, &mut dgated[range.clone()], &mut gradient.gated_norm[range]);
            }
            let z = &kept.projected[(start + t) * projected..][..inner];
            let skipped = &kept.skipped[(start + t) * inner..][..inner];
            let dy = &mut scratch.dy[t * inner..][..inner];
            let dz = &mut scratch.dprojected[t * projected..][..inner];
            for at in 0..inner {
                let (z, dgated) = (z[at], dgated[at]);
                let sigmoid = z.logistic();
                dy[at] = dgated * (z * sigmoid);
                dz[at] = dgated * skipped[at] * (sigmoid * (T::ONE + z * (T::ONE - sigmoid)));
            }
        }
    }

    /// Skip and recurrence: gradients of the activations and of the step sizes.
    #[inline(always)]
    fn scan_back(&self, (start, q): (usize, usize), scratch: &mut BackScratch<T>, gradient: &mut BlockWeights<T>) {
        let Self { shape, block, turned, kept } = self;
        let (inner, channels, heads, projected) = (shape.inner(), shape.channels(), shape.heads, shape.projected());
        let dt = &kept.dt[start * heads..][..q * heads];
        activate(&kept.mixed[start * channels..][..q * channels], dt, &turned.decay_rates, &mut scratch.forward);
        scratch.dactive[..q * channels].fill(T::ZERO);
        scratch.dlog_decay[..q * heads].fill(T::ZERO);
        let rows = scratch.flowing.len();
        let entering = &kept.entering[start / BLOCK * rows..][..rows];
        let Scratch { active, decay, .. } = &scratch.forward;
        let found =
            ScanGradients { dactive: &mut scratch.dactive[..q * channels], dlog_decay: &mut scratch.dlog_decay };
        let input = ScanInput { shape, active, dt, decay };
        scan_backward(input, &scratch.dy[..q * inner], entering, &mut scratch.flowing, &mut scratch.room, found);
        for t in 0..q {
            for head in 0..heads {
                let (at, places) = (t * heads + head, head * shape.head);
                let x = &active[t * channels + places..][..shape.head];
                let dy = &scratch.dy[t * inner + places..][..shape.head];
                let du = &mut scratch.dactive[t * channels + places..][..shape.head];
                let (dt, dlog, rate) = (dt[at], scratch.dlog_decay[at], turned.decay_rates[head]);
                gradient.d[head] += sum(x.len(), |p| dy[p] * x[p]);
                gradient.a_log[head] += dlog * dt * rate;
                let ddt = sum(x.len(), |p| du[p] * x[p]) + dlog * rate;
                // softplus' = 1 - exp(-softplus).
                let draw = ddt * (T::ONE - (-dt).exponential());
                gradient.dt_bias[head] += draw;
                scratch.dprojected[t * projected + inner + channels + head] = draw;
                let d = block.d[head];
                du.iter_mut().zip(dy).for_each(|(du, dy)| *du = *du * dt + *dy * d);
            }
        }
    }

    /// Nonlinearity and convolution: gradient of the convolution's input.
    #[inline(always)]
    fn convolution_back(
        &self,
        (start, q): (usize, usize),
        scratch: &mut BackScratch<T>,
        gradient: &mut BlockWeights<T>,
    ) {
        let Self { shape, turned, kept, .. } = self;
        let (inner, channels, projected, taps) = (shape.inner(), shape.channels(), shape.projected(), shape.taps);
        // The next part's first rows stand behind this part's.
        scratch.dmixed.copy_within(0..(taps - 1) * channels, q * channels);
        let mixed = &kept.mixed[start * channels..][..q * channels];
        for ((dmixed, dactive), mixed) in scratch.dmixed.iter_mut().zip(&scratch.dactive).zip(mixed) {
            let sigmoid = mixed.logistic();
            *dmixed = *dactive * (sigmoid * (T::ONE + *mixed * (T::ONE - sigmoid)));
        }
        for t in 0..q {
            let own = &scratch.dmixed[t * channels..][..channels];
            gradient.conv_bias.iter_mut().zip(own).for_each(|(bias, own)| *bias += *own);
            for (tap, dtap) in scratch.dtaps.chunks_exact_mut(channels).enumerate() {
                let Some(from) = (start + t + tap + 1).checked_sub(taps) else { continue };
                let x = &kept.projected[from * projected + inner..][..channels];
                for ((dtap, own), x) in dtap.iter_mut().zip(own).zip(x) {
                    *dtap += *own * *x;
                }
            }
            let dx = &mut scratch.dprojected[t * projected + inner..][..channels];
            dx.fill(T::ZERO);
            for (tap, weights) in turned.conv_weight.chunks_exact(channels).enumerate() {
                let later = &scratch.dmixed[(t + taps - 1 - tap) * channels..][..channels];
                for ((dx, later), weight) in dx.iter_mut().zip(later).zip(weights) {
                    *dx += *weight * *later;
                }
            }
        }
    }

    /// Input projection and norm.
    #[inline(always)]
    fn input_back(
        &self,
        (start, q): (usize, usize),
        dresidual: &mut [T],
        scratch: &mut BackScratch<T>,
        gradient: &mut BlockWeights<T>,
    ) {
        let Self { shape, block, kept, .. } = self;
        let (width, projected) = (shape.width, shape.projected());
        let normed = &kept.normed[start * width..][..q * width];
        scale_rows(normed, &block.norm, &mut scratch.forward.scaled);
        let dprojected = &scratch.dprojected[..q * projected];
        add_outer(q, dprojected, projected, &scratch.forward.scaled, width, &mut gradient.in_proj);
        back_through(q, dprojected, projected, &block.in_proj, width, &mut scratch.dscaled);
        for t in 0..q {
            let du = &mut scratch.dscaled[t * width..][..width];
            let normed = &normed[t * width..][..width];
            norm_back(normed, kept.factors[start + t], &block.norm, du, &mut gradient.norm);
            let dresidual = &mut dresidual[t * width..][..width];
            dresidual.iter_mut().zip(&*du).for_each(|(sum, more)| *sum += *more);
        }
    }
}
