//! Loss and gradient of one trace after the other.

use super::backward::{BackScratch, add_outer, back_through, backward_block, norm_back};
use super::forward::{Kept, Scratch, Turned, forward_block, norm_row, scale_rows};
use super::matrix::{Left, Right, Sizes, add_product, sum, transposed};
use super::real::Real;
use super::ssm_scan::BLOCK;
use super::weights::MambaWeights;

/// One model's weights with buffers for the passes over a trace. The loss is the mean cross-entropy of each token after
/// the first, given those before it.
#[derive(Debug)]
pub struct Trainer<'w, T> {
    weights: &'w MambaWeights<T>,
    turned: Vec<Turned<T>>,
    /// The output head, `[d, V]`.
    head: Vec<T>,
    kept: Vec<Kept<T>>,
    scratch: Scratch<T>,
    back: BackScratch<T>,
    /// The residual stream `[L, d]`, then its gradient.
    residual: Vec<T>,
    of_head: HeadRoom<T>,
}

/// Buffers for the head over one part of the positions.
#[derive(Debug, Default)]
struct HeadRoom<T> {
    normed: Vec<T>,
    factors: Vec<T>,
    hidden: Vec<T>,
    logits: Vec<T>,
    dhidden: Vec<T>,
}

impl<'w, T: Real> Trainer<'w, T> {
    /// Buffers for passes with the given weights.
    pub fn new(weights: &'w MambaWeights<T>) -> Self {
        let shape = &weights.shape;
        Self {
            weights,
            turned: weights.blocks.iter().map(|block| Turned::new(shape, block)).collect(),
            head: transposed(&weights.embedding, shape.width),
            kept: weights.blocks.iter().map(|_| Kept::default()).collect(),
            scratch: Scratch::default(),
            back: BackScratch::new(shape),
            residual: Vec::new(),
            of_head: HeadRoom::default(),
        }
    }

    #[inline(always)]
    fn forward(&mut self, inputs: &[u16]) {
        let MambaWeights { shape, embedding, blocks, .. } = self.weights;
        self.residual.clear();
        for &id in inputs {
            let row = usize::from(id).min(shape.vocabulary - 1) * shape.width;
            self.residual.extend_from_slice(&embedding[row..][..shape.width]);
        }
        for ((block, turned), kept) in blocks.iter().zip(&self.turned).zip(&mut self.kept) {
            forward_block(shape, (block, turned), &mut self.residual, kept, &mut self.scratch);
        }
    }

    /// The loss of a part of the positions; with a gradient, turns the residual stream there into its gradient.
    #[inline(always)]
    fn head(&mut self, (start, targets): (usize, &[u16]), weight: T, gradient: Option<&mut MambaWeights<T>>) -> f64 {
        let MambaWeights { shape, final_norm, embedding, .. } = self.weights;
        let (width, vocabulary, q) = (shape.width, shape.vocabulary, targets.len());
        let HeadRoom { normed, factors, hidden, logits, dhidden } = &mut self.of_head;
        let residual = &mut self.residual[start * width..][..q * width];
        normed.resize(q * width, T::ZERO);
        factors.clear();
        for (residual, normed) in residual.chunks_exact(width).zip(normed.chunks_exact_mut(width)) {
            factors.push(norm_row(residual, shape.eps, normed));
        }
        scale_rows(normed, final_norm, hidden);
        logits.clear();
        logits.resize(q * vocabulary, T::ZERO);
        let right = Right { values: &self.head, stride: vocabulary };
        let sizes = Sizes { rows: q, inner: width, columns: vocabulary };
        add_product(sizes, Left::Rows(hidden, width), right, logits, vocabulary);
        let mut loss = 0.0;
        for (row, &target) in logits.chunks_exact_mut(vocabulary).zip(targets) {
            loss += cross_entropy(row, usize::from(target).min(vocabulary - 1), weight);
        }
        let Some(gradient) = gradient else { return loss };
        add_outer(q, logits, vocabulary, hidden, width, &mut gradient.embedding);
        back_through(q, logits, vocabulary, embedding, width, dhidden);
        for (t, dhidden) in dhidden.chunks_exact_mut(width).enumerate() {
            let normed = &normed[t * width..][..width];
            norm_back(normed, factors[t], final_norm, dhidden, &mut gradient.final_norm);
        }
        residual.copy_from_slice(dhidden);
        loss
    }

    #[inline(always)]
    fn loss_inline(&mut self, tokens: &[u16]) -> f64 {
        let Some((_, targets)) = tokens.split_first() else { return 0.0 };
        self.forward(&tokens[..targets.len()]);
        let mut total = 0.0;
        for (number, targets) in targets.chunks(BLOCK).enumerate() {
            total += self.head((number * BLOCK, targets), T::ONE, None);
        }
        total / targets.len().max(1) as f64
    }

    #[inline(always)]
    fn gradient_inline(&mut self, tokens: &[u16], gradient: &mut MambaWeights<T>) -> f64 {
        let Some((_, targets)) = tokens.split_first() else { return 0.0 };
        let inputs = &tokens[..targets.len()];
        self.forward(inputs);
        let weight = T::of(1.0 / targets.len().max(1) as f64);
        let mut total = 0.0;
        for (number, targets) in targets.chunks(BLOCK).enumerate() {
            total += self.head((number * BLOCK, targets), weight, Some(gradient));
        }
        let MambaWeights { shape, blocks, .. } = self.weights;
        let of_blocks = blocks.iter().zip(&self.turned).zip(&self.kept).zip(&mut gradient.blocks);
        for (((block, turned), kept), gradient) in of_blocks.rev() {
            backward_block(shape, (block, turned), kept, &mut self.residual, &mut self.back, gradient);
        }
        for (row, &id) in self.residual.chunks_exact(shape.width).zip(inputs) {
            let first = usize::from(id).min(shape.vocabulary - 1) * shape.width;
            let own = &mut gradient.embedding[first..][..shape.width];
            own.iter_mut().zip(row).for_each(|(sum, more)| *sum += *more);
        }
        total / targets.len().max(1) as f64
    }
}

impl Trainer<'_, f32> {
    /// The loss of a trace; 0 without targets. Ids beyond the vocabulary count as its last.
    pub fn loss(&mut self, tokens: &[u16]) -> f64 {
        wide!(loss_wide or Self::loss_inline, self, tokens)
    }

    /// The loss of a trace; adds its gradient.
    pub fn gradient(&mut self, tokens: &[u16], gradient: &mut MambaWeights<f32>) -> f64 {
        wide!(gradient_wide or Self::gradient_inline, self, tokens, gradient)
    }
}

impl Trainer<'_, f64> {
    /// As in single precision, for comparisons that single precision would round away.
    pub fn gradient_double(&mut self, tokens: &[u16], gradient: &mut MambaWeights<f64>) -> f64 {
        self.gradient_inline(tokens, gradient)
    }
}

wide_twin!(loss_wide = Trainer::loss_inline, (trainer: &mut Trainer<'_, f32>, tokens: &[u16]) -> f64);
wide_twin!(gradient_wide = Trainer::gradient_inline, (trainer: &mut Trainer<'_, f32>, tokens: &[u16],
    gradient: &mut MambaWeights<f32>) -> f64);

/// `-ln softmax(row)[target]`; the row becomes its gradient, times `weight`.
#[inline(always)]
fn cross_entropy<T: Real>(row: &mut [T], target: usize, weight: T) -> f64 {
    let mut parts = [row[0]; 8];
    for chunk in row.chunks(8) {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part = if *value > *part { *value } else { *part };
        }
    }
    let largest = parts.into_iter().fold(row[0], |largest, part| if part > largest { part } else { largest });
    let of_target = (row[target] - largest).wide();
    row.iter_mut().for_each(|value| *value = (*value - largest).exponential());
    let total = sum(row.len(), |at| row[at]);
    let scale = weight / total;
    row.iter_mut().for_each(|value| *value = *value * scale);
    row[target] = row[target] - weight;
    total.wide().ln() - of_target
}
