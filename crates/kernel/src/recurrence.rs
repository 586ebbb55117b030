//! Mamba-2 one token at a time, for [`LANES`] traces side by side. Every number is a row of lanes, one per trace, and
//! every loop runs over whole rows: a trace's numbers do not depend on which traces are beside it.

use super::elementary::{exp, sigmoid, softplus};
use super::weights::{BlockWeights, MambaShape, MambaWeights};

/// Traces side by side: 64 kB of weights are read once for all of them, and the states (8 kB a trace at preset `small`)
/// still stay in the second-level cache.
pub const LANES: usize = 16;

/// One number of each trace.
type Row = [f32; LANES];

const ZERO: Row = [0.0; LANES];

/// States of all blocks and buffers for one step.
#[derive(Debug)]
pub struct Recurrence<'w> {
    weights: &'w MambaWeights<f32>,
    blocks: Vec<State>,
    /// Steps taken, modulo taps: where the convolution's newest input lies.
    slot: usize,
    residual: Vec<Row>,
    normed: Vec<Row>,
    projected: Vec<Row>,
    active: Vec<Row>,
    gated: Vec<Row>,
    output: Vec<Row>,
    logits: Vec<Row>,
}

#[derive(Debug)]
struct State {
    /// `[H, P, N]`.
    ssm: Vec<Row>,
    /// The last K inputs of the convolution, `[K, channels]`.
    conv: Vec<Row>,
    /// `-exp(a_log)`, `[H]`.
    decay_rates: Vec<f32>,
}

impl<'w> Recurrence<'w> {
    /// Zero states.
    pub fn new(weights: &'w MambaWeights<f32>) -> Self {
        let shape = &weights.shape;
        let rows = |count: usize| vec![ZERO; count];
        let state = |block: &BlockWeights<f32>| State {
            ssm: rows(shape.inner() * shape.state),
            conv: rows(shape.channels() * shape.taps),
            decay_rates: block.a_log.iter().map(|log| -log.exp()).collect(),
        };
        Self {
            weights,
            blocks: weights.blocks.iter().map(state).collect(),
            slot: 0,
            residual: rows(shape.width),
            normed: rows(shape.width),
            projected: rows(shape.projected()),
            active: rows(shape.channels()),
            gated: rows(shape.inner()),
            output: rows(shape.width),
            logits: rows(shape.vocabulary),
        }
    }

    /// Starts a lane anew: its next token is the first of a trace.
    pub fn reset(&mut self, lane: usize) {
        for state in &mut self.blocks {
            state.ssm.iter_mut().chain(&mut state.conv).for_each(|row| row[lane] = 0.0);
        }
    }

    /// Feeds one token to each lane and computes the logits of the next. Ids beyond the vocabulary count as its last.
    pub fn step(&mut self, tokens: &[u16; LANES]) {
        wide!(step_wide or Self::step_inline, self, tokens);
    }

    #[inline(always)]
    fn step_inline(&mut self, tokens: &[u16; LANES]) {
        let MambaWeights { shape, embedding, blocks, final_norm } = self.weights;
        for (lane, &token) in tokens.iter().enumerate() {
            let token = usize::from(token).min(shape.vocabulary - 1);
            let values = &embedding[token * shape.width..][..shape.width];
            self.residual.iter_mut().zip(values).for_each(|(row, &value)| row[lane] = value);
        }
        self.slot = (self.slot + 1) % shape.taps;
        for (index, block) in blocks.iter().enumerate() {
            norm(&self.residual, &block.norm, shape.eps as f32, &mut self.normed);
            multiply(&block.in_proj, &self.normed, &mut self.projected);
            self.mix(index, block);
            self.scan(index, block);
            let group = shape.inner() / shape.groups;
            let weights = block.gated_norm.chunks_exact(group);
            for (gated, weights) in self.gated.chunks_exact_mut(group).zip(weights) {
                norm_in_place(gated, weights, shape.eps as f32);
            }
            multiply(&block.out_proj, &self.gated, &mut self.output);
            for (row, more) in self.residual.iter_mut().zip(&self.output) {
                row.iter_mut().zip(more).for_each(|(value, more)| *value += more);
            }
        }
        norm(&self.residual, final_norm, shape.eps as f32, &mut self.normed);
        multiply(embedding, &self.normed, &mut self.logits);
    }

    /// Logits after the last step: one row of lanes per id.
    pub fn logits(&self) -> &[[f32; LANES]] {
        &self.logits
    }

    /// The state of a block, `[H, P, N]` rows of lanes.
    pub fn state(&self, block: usize) -> &[[f32; LANES]] {
        self.blocks.get(block).map_or(&[], |state| &state.ssm)
    }

    /// The convolution: `active = silu(b + sum_k w_k x_k)`.
    #[inline(always)]
    fn mix(&mut self, index: usize, block: &BlockWeights<f32>) {
        let shape = &self.weights.shape;
        let (channels, taps) = (shape.channels(), shape.taps);
        let conv = &mut self.blocks[index].conv;
        let newest = &self.projected[shape.inner()..][..channels];
        conv[self.slot * channels..][..channels].copy_from_slice(newest);
        for (channel, active) in self.active.iter_mut().enumerate() {
            let mut sum = [block.conv_bias[channel]; LANES];
            for (tap, &weight) in block.conv_weight[channel * taps..][..taps].iter().enumerate() {
                // The oldest input lies behind the newest.
                let slot = (self.slot + 1 + tap) % taps;
                add_product(&mut sum, weight, &conv[slot * channels + channel]);
            }
            *active = sum;
        }
        self.active.as_flattened_mut().iter_mut().for_each(|value| *value *= sigmoid(*value));
    }

    /// The recurrence, the skip and the gate: `h = exp(dt A) h + dt x B`, `gated = (h C + D x) silu(z)`.
    #[inline(always)]
    fn scan(&mut self, index: usize, block: &BlockWeights<f32>) {
        let MambaShape { state, head, heads, groups, .. } = self.weights.shape;
        let inner = self.weights.shape.inner();
        let of_block = &mut self.blocks[index];
        let (x, maps) = self.active.split_at(inner);
        let (b, c) = maps.split_at(groups * state);
        let steps = &self.projected[inner + self.active.len()..];
        for at in 0..heads {
            let first = at * groups / heads * state;
            let (b, c) = (&b[first..][..state], &c[first..][..state]);
            let (mut dt, mut decay) = (ZERO, ZERO);
            for lane in 0..LANES {
                dt[lane] = softplus(steps[at][lane] + block.dt_bias[at]);
                decay[lane] = exp(dt[lane] * of_block.decay_rates[at]);
            }
            for place in at * head..(at + 1) * head {
                let own = &mut of_block.ssm[place * state..][..state];
                let x = x[place];
                let mut skipped = advance(own, (x, dt), decay, (b, c));
                add_product(&mut skipped, block.d[at], &x);
                self.gated[place] = skipped;
            }
        }
        let gates = self.projected[..inner].as_flattened();
        for (gated, gate) in self.gated.as_flattened_mut().iter_mut().zip(gates) {
            *gated *= *gate * sigmoid(*gate);
        }
    }
}

wide_twin!(step_wide = Recurrence::step_inline, (recurrence: &mut Recurrence<'_>, tokens: &[u16; LANES]) -> ());

/// Advances the N states of one inner place and reads them.
#[inline(always)]
fn advance(own: &mut [Row], (x, dt): (Row, Row), decay: Row, (b, c): (&[Row], &[Row])) -> Row {
    let (mut added, mut read) = (ZERO, ZERO);
    for lane in 0..LANES {
        added[lane] = x[lane] * dt[lane];
    }
    for ((own, b), c) in own.iter_mut().zip(b).zip(c) {
        let mut next = ZERO;
        for lane in 0..LANES {
            next[lane] = own[lane] * decay[lane] + added[lane] * b[lane];
        }
        for lane in 0..LANES {
            read[lane] += next[lane] * c[lane];
        }
        *own = next;
    }
    read
}

#[inline(always)]
fn add_product(sum: &mut Row, weight: f32, x: &Row) {
    for lane in 0..LANES {
        sum[lane] += weight * x[lane];
    }
}

/// `1 / sqrt(mean of squares + eps)`.
#[inline(always)]
fn norm_factor(x: &[Row], eps: f32) -> Row {
    let mut squares = ZERO;
    for row in x {
        for lane in 0..LANES {
            squares[lane] += row[lane] * row[lane];
        }
    }
    squares.map(|square| 1.0 / (square / x.len() as f32 + eps).sqrt())
}

#[inline(always)]
fn norm(x: &[Row], weights: &[f32], eps: f32, out: &mut [Row]) {
    out.copy_from_slice(x);
    norm_in_place(out, weights, eps);
}

#[inline(always)]
fn norm_in_place(x: &mut [Row], weights: &[f32], eps: f32) {
    let factor = norm_factor(x, eps);
    for (row, &weight) in x.iter_mut().zip(weights) {
        for lane in 0..LANES {
            row[lane] = row[lane] * factor[lane] * weight;
        }
    }
}

/// `out = matrix x`, the matrix `[out, x]` row by row; two rows share what is read of x.
#[inline(always)]
fn multiply(matrix: &[f32], x: &[Row], out: &mut [Row]) {
    let mut pairs = out.chunks_exact_mut(2);
    let mut rows = matrix.chunks_exact(2 * x.len());
    for (out, rows) in (&mut pairs).zip(&mut rows) {
        let (first, second) = rows.split_at(x.len());
        let (mut sum0, mut sum1) = (ZERO, ZERO);
        for ((x, &w0), &w1) in x.iter().zip(first).zip(second) {
            for lane in 0..LANES {
                sum0[lane] += w0 * x[lane];
                sum1[lane] += w1 * x[lane];
            }
        }
        out[0] = sum0;
        out[1] = sum1;
    }
    for (out, row) in pairs.into_remainder().iter_mut().zip(rows.remainder().chunks_exact(x.len())) {
        let mut sum = ZERO;
        for (x, &weight) in x.iter().zip(row) {
            add_product(&mut sum, weight, x);
        }
        *out = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, by: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * by).sin() * 0.4).collect()
    }

    fn weights() -> MambaWeights<f32> {
        let shape =
            MambaShape { vocabulary: 21, width: 10, state: 5, head: 3, heads: 4, groups: 2, taps: 3, eps: 1e-5 };
        let (inner, channels) = (shape.inner(), shape.channels());
        let block = |by: f32| BlockWeights {
            norm: numbers(shape.width, by),
            in_proj: numbers(shape.projected() * shape.width, by + 0.1),
            conv_weight: numbers(channels * shape.taps, by + 0.2),
            conv_bias: numbers(channels, by + 0.3),
            a_log: numbers(shape.heads, by + 0.4),
            d: numbers(shape.heads, by + 0.5),
            dt_bias: numbers(shape.heads, by + 0.6),
            gated_norm: numbers(inner, by + 0.7),
            out_proj: numbers(shape.width * inner, by + 0.8),
        };
        let (embedding, final_norm) = (numbers(shape.vocabulary * shape.width, 0.9), numbers(shape.width, 1.7));
        MambaWeights { shape, embedding, blocks: vec![block(1.1), block(2.3)], final_norm }
    }

    /// Bit for bit: the wide function against the plain one, and a lane against the same trace in another lane beside
    /// other traces.
    #[test]
    fn logits_depend_neither_on_the_processor_nor_on_the_lanes_beside() {
        let weights = weights();
        let (mut wide, mut plain, mut moved) =
            (Recurrence::new(&weights), Recurrence::new(&weights), Recurrence::new(&weights));
        for position in 0..20 {
            let tokens: [u16; LANES] = std::array::from_fn(|lane| ((lane * 5 + position * position) % 21) as u16);
            wide.step(&tokens);
            plain.step_inline(&tokens);
            assert_eq!(wide.logits(), plain.logits());
            let mut others = [position as u16; LANES];
            others[LANES - 1] = tokens[2];
            moved.step(&others);
            assert!(wide.logits().iter().zip(moved.logits()).all(|(row, moved)| row[2] == moved[LANES - 1]));
        }
        assert!(wide.logits().iter().flatten().all(|logit| logit.is_finite() && *logit != 0.0));
    }
}
