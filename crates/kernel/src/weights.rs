//! Weights of one Mamba-2 language model as plain numbers.

use super::real::Real;

/// Sizes of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MambaShape {
    /// Rows of the tied embedding V.
    pub vocabulary: usize,
    /// Width of the residual stream d.
    pub width: usize,
    /// State size N.
    pub state: usize,
    /// Head size P.
    pub head: usize,
    /// Heads H.
    pub heads: usize,
    /// Groups G that share B and C; a divisor of the heads.
    pub groups: usize,
    /// Taps K of the convolution.
    pub taps: usize,
    /// Added to the mean square in norms.
    pub eps: f64,
}

impl MambaShape {
    /// Inner width H P.
    pub fn inner(&self) -> usize {
        self.heads * self.head
    }

    /// Channels of the convolution: x, B and C.
    pub fn channels(&self) -> usize {
        self.inner() + 2 * self.groups * self.state
    }

    /// Rows of the input projection: gate, convolution's input, step sizes.
    pub fn projected(&self) -> usize {
        self.inner() + self.channels() + self.heads
    }
}

/// Weights of one block, each in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockWeights<T> {
    /// `[d]`.
    pub norm: Vec<T>,
    /// `[2 H P + 2 G N + H, d]`.
    pub in_proj: Vec<T>,
    /// `[channels, K]`, the newest input last.
    pub conv_weight: Vec<T>,
    /// `[channels]`.
    pub conv_bias: Vec<T>,
    /// `[H]`.
    pub a_log: Vec<T>,
    /// `[H]`.
    pub d: Vec<T>,
    /// `[H]`.
    pub dt_bias: Vec<T>,
    /// `[H P]`.
    pub gated_norm: Vec<T>,
    /// `[d, H P]`.
    pub out_proj: Vec<T>,
}

impl<T> BlockWeights<T> {
    fn each(&self) -> [&Vec<T>; 9] {
        let Self { norm, in_proj, conv_weight, conv_bias, a_log, d, dt_bias, gated_norm, out_proj } = self;
        [norm, in_proj, conv_weight, conv_bias, a_log, d, dt_bias, gated_norm, out_proj]
    }
}

/// Weights of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct MambaWeights<T> {
    /// Sizes; every vector must have the length that follows from them.
    pub shape: MambaShape,
    /// `[V, d]`, also the output head.
    pub embedding: Vec<T>,
    /// Blocks in order.
    pub blocks: Vec<BlockWeights<T>>,
    /// `[d]`.
    pub final_norm: Vec<T>,
}

impl<T: Real> MambaWeights<T> {
    /// Zeros of the same sizes.
    pub fn zeros(&self) -> Self {
        let zeros = |values: &Vec<T>| vec![T::ZERO; values.len()];
        let block = |block: &BlockWeights<T>| BlockWeights {
            norm: zeros(&block.norm),
            in_proj: zeros(&block.in_proj),
            conv_weight: zeros(&block.conv_weight),
            conv_bias: zeros(&block.conv_bias),
            a_log: zeros(&block.a_log),
            d: zeros(&block.d),
            dt_bias: zeros(&block.dt_bias),
            gated_norm: zeros(&block.gated_norm),
            out_proj: zeros(&block.out_proj),
        };
        let (embedding, final_norm) = (zeros(&self.embedding), zeros(&self.final_norm));
        Self { shape: self.shape, embedding, blocks: self.blocks.iter().map(block).collect(), final_norm }
    }

    /// All weights, block by block, the embedding first and the last norm last.
    pub fn all(&self) -> impl Iterator<Item = &Vec<T>> {
        let blocks = self.blocks.iter().flat_map(BlockWeights::each);
        std::iter::once(&self.embedding).chain(blocks).chain(std::iter::once(&self.final_norm))
    }
}
