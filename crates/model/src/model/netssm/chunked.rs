//! The chunked recurrence and its gradient in closed form, for one group (G = 1) and whole chunks.
//!
//! Notation of [`super::ssd`]: u = dt x, E the decays inside a chunk, S = C B^T, W = S * E,
//! `y = W u + exp(cum) C h`, h the state entering the chunk. No gradient with respect to W's exponents
//! is formed: what flows into `cum` at a position is `<dy, y> - <du, u>`, and into a chunk's total
//! `<dh', h'>` with h' the state leaving it.

use tch::Tensor;

/// Values saved for the backward pass; chunks of all traces are one axis k = n c.
#[derive(Debug)]
pub(super) struct Chunks {
    shape: ChunkShape,
    /// dt x, `[k, Q, H P]`.
    u: Tensor,
    /// dt x by heads, `[k H, Q, P]`.
    u_heads: Tensor,
    /// `[k, H, Q, Q]`.
    decay: Tensor,
    /// `[k H, Q, Q]`.
    mixing: Tensor,
    /// exp(cum), `[k, Q, H, 1]`.
    from_start: Tensor,
    /// exp(total - cum), `[k, Q, H, 1]`.
    to_end: Tensor,
    /// Decay between chunks, `[n H, c, c]`: the factor at row i, column j is what remains of the state leaving chunk j
    /// in the state entering chunk i.
    between: Tensor,
    /// States leaving each chunk, `[n H, c, P N]`.
    leaving: Tensor,
    /// States entering each chunk, `[k, H P, N]`.
    entering: Tensor,
    /// y, `[k, Q, H P]`.
    pub y: Tensor,
}

/// Sizes of the chunked view.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkShape {
    pub traces: i64,
    pub chunks: i64,
    pub q: i64,
    pub heads: i64,
    pub p: i64,
    pub state: i64,
}

/// Gradients of [`Chunks::backward`].
#[derive(Debug)]
pub(super) struct ChunkGradients {
    /// With respect to u = dt x, `[k, Q, H, P]`.
    pub du: Tensor,
    /// `<du, x>` is left to the caller; this is with respect to the log decay, `[n, L, H]`.
    pub dlog_decay: Tensor,
    /// `[k, Q, N]`.
    pub db: Tensor,
    /// `[k, Q, N]`.
    pub dc: Tensor,
}

impl Chunks {
    /// x `[n, L, H P]`, dt and log decay `[n, L, H]`, b and c `[n, L, N]` (strided views are fine), with
    /// L = c Q.
    pub fn forward(shape: ChunkShape, x: &Tensor, dt: &Tensor, log_decay: &Tensor, b: &Tensor, c: &Tensor) -> Self {
        let ChunkShape { traces, chunks, q, heads, p, state } = shape;
        let k = traces * chunks;
        let (b, c) = (b.view([k, q, state]), c.view([k, q, state]));
        let u = Tensor::empty([k, q, heads, p], (x.kind(), x.device()));
        let _ = x.view([k, q, heads, p]).mul_out(&u, &dt.view([k, q, heads, 1]));
        let u_heads = u.transpose(1, 2).contiguous().view([k * heads, q, p]);

        let cum = log_decay.view([k, q, heads]).transpose(1, 2).contiguous().cumsum_(-1, None);
        let mut decay = cum.unsqueeze(-1) - cum.unsqueeze(-2);
        // -inf above the diagonal before exp: masking after it would overflow.
        let _ = decay.g_add_(&mask(q, x)).exp_();
        let scores = c.bmm(&b.transpose(1, 2)).unsqueeze(1);
        let mixing = (&decay * scores).view([k * heads, q, q]);
        let within = mixing.bmm(&u_heads).view([k, heads, q, p]);

        let cum_rows = cum.transpose(1, 2);
        let total = cum.narrow(2, q - 1, 1);
        let from_start = cum_rows.exp().view([k, q, heads, 1]);
        let to_end = (total.transpose(1, 2) - &cum_rows).exp_().view([k, q, heads, 1]);
        let added = (&u * &to_end).view([k, q, heads * p]).transpose(1, 2).bmm(&b);
        let (between, leaving, entering) = carry(shape, &added, &total);
        let mut y = c.bmm(&entering.transpose(1, 2)).view([k, q, heads, p]);
        let _ = y.g_mul_(&from_start);
        let _ = y.g_add_(&within.transpose(1, 2));
        let y = y.view([k, q, heads * p]);
        let u = u.view([k, q, heads * p]);
        Self { shape, u, u_heads, decay, mixing, from_start, to_end, between, leaving, entering, y }
    }

    /// From dy `[k, Q, H P]` and the same b and c.
    pub fn backward(&self, dy: &Tensor, b: &Tensor, c: &Tensor) -> ChunkGradients {
        let ChunkShape { traces, chunks, q, heads, p, state } = self.shape;
        let k = traces * chunks;
        let (b, c) = (b.view([k, q, state]), c.view([k, q, state]));
        let by_head = [k, q, heads, p];
        let dy_heads = dy.view(by_head).transpose(1, 2).contiguous().view([k * heads, q, p]);
        let mut dmixing = dy_heads.bmm(&self.u_heads.transpose(1, 2)).view([k, heads, q, q]);
        let dscores = dmixing.g_mul_(&self.decay).sum_dim_intlist([1].as_slice(), false, None);
        let du_within = self.mixing.transpose(1, 2).bmm(&dy_heads).view([k, heads, q, p]);

        let dy_start = (dy.view(by_head) * &self.from_start).view([k, q, heads * p]);
        let dc = dscores.bmm(&b).baddbmm_(&dy_start, &self.entering);
        let dentering = dy_start.transpose(1, 2).bmm(&c);
        // Gradient of the states leaving each chunk: what later chunks read of them.
        let dentering = by_chunk(&dentering, self.shape);
        let dleaving_heads = self.between.transpose(1, 2).bmm(&dentering);
        let dleaving = by_position(&dleaving_heads, self.shape);

        let mut du = b.bmm(&dleaving.transpose(1, 2)).view(by_head);
        let _ = du.g_mul_(&self.to_end);
        let u_end = (self.u.view(by_head) * &self.to_end).view([k, q, heads * p]);
        let db = dscores.transpose(1, 2).bmm(&c).baddbmm_(&u_end, &dleaving);
        let _ = du.g_add_(&du_within.transpose(1, 2));

        let mut flow = dy * &self.y;
        let _ = flow.g_sub_(&(&self.u * du.view([k, q, heads * p])));
        let dcum = flow.view(by_head).sum_dim_intlist([3].as_slice(), false, None);
        let dtotal = (dleaving_heads * &self.leaving).sum_dim_intlist([2].as_slice(), false, None);
        let dtotal = dtotal.view([traces, heads, chunks]).transpose(1, 2).reshape([k, heads]);
        let _ = dcum.select(1, q - 1).g_add_(&dtotal);
        // A log decay counts in every later cum of its chunk.
        let ahead = dcum.sum_dim_intlist([1].as_slice(), true, None) - dcum.cumsum(1, None) + &dcum;
        ChunkGradients { du, dlog_decay: ahead.view([traces, chunks * q, heads]), db, dc }
    }
}

/// Decay matrix between chunks, and the states leaving and entering each, from the states that chunks
/// add `[k, H P, N]` and their total log decays `[k, H, 1]`.
fn carry(shape: ChunkShape, added: &Tensor, total: &Tensor) -> (Tensor, Tensor, Tensor) {
    let ChunkShape { traces, chunks, heads, .. } = shape;
    let totals = total.view([traces, chunks, heads]).transpose(1, 2).reshape([traces * heads, chunks]);
    let cum = totals.cumsum(-1, None);
    // State leaving chunk i: what chunk j <= i added, decayed by chunks j + 1 .. i.
    let mut leaving_decay = cum.unsqueeze(-1) - cum.unsqueeze(-2);
    let _ = leaving_decay.g_add_(&mask(chunks, added)).exp_();
    let leaving = leaving_decay.bmm(&by_chunk(added, shape));
    // State entering chunk i is the one leaving i - 1.
    let down = |x: &Tensor| x.narrow(1, 0, chunks - 1).constant_pad_nd([0, 0, 1, 0]);
    let entering = by_position(&down(&leaving), shape);
    (down(&leaving_decay), leaving, entering)
}

/// `[k, H P, N]` to `[n H, c, P N]`.
fn by_chunk(x: &Tensor, shape: ChunkShape) -> Tensor {
    let ChunkShape { traces, chunks, heads, p, state, .. } = shape;
    let x = x.view([traces, chunks, heads, p * state]).transpose(1, 2);
    x.reshape([traces * heads, chunks, p * state])
}

/// `[n H, c, P N]` to `[k, H P, N]`.
fn by_position(x: &Tensor, shape: ChunkShape) -> Tensor {
    let ChunkShape { traces, chunks, heads, p, state, .. } = shape;
    let x = x.view([traces, heads, chunks, p * state]).transpose(1, 2);
    x.reshape([traces * chunks, heads * p, state])
}

/// `[q, q]`: 0 on and below the diagonal, -inf above.
fn mask(q: i64, like: &Tensor) -> Tensor {
    Tensor::full([q, q], f64::NEG_INFINITY, (like.kind(), like.device())).triu(1)
}

#[cfg(test)]
mod tests {
    use super::super::ssd::{SsdInput, ssd};
    use super::*;
    use tch::Kind;

    /// Closed form against autograd through [`ssd`], in f64: outputs and all five gradients.
    #[test]
    fn closed_form_gradient_equals_autograd() {
        const TOLERANCE: f64 = 1e-11;
        let shape = ChunkShape { traces: 2, chunks: 3, q: 4, heads: 2, p: 3, state: 5 };
        let length = shape.chunks * shape.q;
        let wave = |size: &[i64], by: f64| {
            let count = size.iter().product::<i64>();
            (Tensor::arange(count, (Kind::Double, tch::Device::Cpu)) * by).sin().view(size).set_requires_grad(true)
        };
        let x = wave(&[2, length, shape.heads * shape.p], 0.7);
        let dt = wave(&[2, length, shape.heads], 1.3).exp().detach().set_requires_grad(true);
        let log_decay = wave(&[2, length, shape.heads], 0.4).exp().neg().detach().set_requires_grad(true);
        let (b, c) = (wave(&[2, length, shape.state], 0.9), wave(&[2, length, shape.state], 1.1));
        let of_heads = x.view([2, length, shape.heads, shape.p]);
        let input = SsdInput {
            x: &of_heads,
            dt: &dt,
            log_decay: &log_decay,
            b: &b.unsqueeze(2),
            c: &c.unsqueeze(2),
            chunk: shape.q,
        };
        let (y, _) = ssd(&input);
        let dy = wave(&y.size(), 0.3).detach();
        let inputs = [&x, &dt, &log_decay, &b, &c];
        let expected = Tensor::run_backward(&[(&y * &dy).sum(None)], &inputs, false, false);
        let detached: Vec<Tensor> = inputs.iter().map(|input| input.detach()).collect();
        let chunks = Chunks::forward(shape, &detached[0], &detached[1], &detached[2], &detached[3], &detached[4]);
        let k = shape.traces * shape.chunks;
        let dy = dy.view([k, shape.q, shape.heads * shape.p]);
        let found = chunks.backward(&dy, &detached[3], &detached[4]);
        let du = found.du.reshape([2, length, shape.heads, shape.p]);
        let dx = &du * detached[1].unsqueeze(-1);
        let ddt =
            (du * detached[0].view([2, length, shape.heads, shape.p])).sum_dim_intlist([3].as_slice(), false, None);
        let close = |found: Tensor, expected: &Tensor| {
            let difference = (found.reshape(expected.size()) - expected).abs().max().double_value(&[]);
            assert!(difference < TOLERANCE, "difference {difference:e}");
        };
        close(chunks.y.shallow_clone(), &y);
        for (found, expected) in [dx, ddt, found.dlog_decay, found.db, found.dc].into_iter().zip(&expected) {
            close(found, expected);
        }
    }
}
