//! The forward pass, recorded on a tape, and the network's losses and gradients.

use super::network::{BlockParams, NetSsmNetwork, TokenBatch};
use super::ssd::{SsdInput, ssd};
use crate::nn::{Params, Tape, token_cross_entropy};
use crate::train::{MicroGradients, Microbatch, Network, PerSampleGrads};
use tch::Tensor;

/// State of one block after the last token: what generation continues from.
#[derive(Debug)]
pub struct FinalStates {
    /// `[n, H, P, N]`.
    pub ssm: Tensor,
    /// The last K inputs of the convolution, `[n, channels, K]`, oldest first.
    pub conv: Tensor,
}

impl NetSsmNetwork {
    /// Normed output of the last block `[M, B, L, d]` for tokens `[M, B, L]`, and the blocks' states.
    fn backbone(&self, tape: &Tape<'_>, tokens: &Tensor) -> (Tensor, Vec<FinalStates>) {
        let mut residual = tape.embedding(tokens, self.embedding, None);
        let mut states = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let normed = tape.rms_norm(&residual, block.norm, 1, self.config.eps);
            let (output, state) = self.block(tape, &normed, *block);
            residual = &residual + &output;
            states.push(state);
        }
        (tape.rms_norm(&residual, self.final_norm, 1, self.config.eps), states)
    }

    /// One block: `[M, B, L, d]` to `[M, B, L, d]`.
    fn block(&self, tape: &Tape<'_>, u: &Tensor, block: BlockParams) -> (Tensor, FinalStates) {
        let config = &self.config;
        let (models, traces) = tape.shape();
        let (inner, heads, channels) = (config.inner(), config.heads(), config.channels());
        let length = u.size()[2];
        let projected = tape.linear(u, block.in_proj, None);
        let parts = projected.split_with_sizes([inner, channels, heads], -1);
        let [z, xbc, dt_raw] = [&parts[0], &parts[1], &parts[2]];

        let mixed = tape.depthwise_causal(xbc, block.conv_weight, block.conv_bias).silu();
        let maps = config.groups * config.state;
        let parts = mixed.split_with_sizes([inner, maps, maps], -1);
        let of_trace = |x: &Tensor, tail: [i64; 2]| x.reshape([models * traces, length, tail[0], tail[1]]);
        let x = of_trace(&parts[0], [heads, config.head]);
        let [b, c] = [1, 2].map(|index| of_trace(&parts[index], [config.groups, config.state]));

        let per_head = |param| tape.per_trace(param).reshape([models * traces, 1, heads]);
        let dt = (dt_raw.reshape([models * traces, length, heads]) + per_head(block.dt_bias)).softplus();
        let log_decay = &dt * per_head(block.a_log).exp().neg();
        let (y, ssm) = ssd(&SsdInput { x: &x, dt: &dt, log_decay: &log_decay, b: &b, c: &c, chunk: config.chunk });
        let y = y + &x * per_head(block.d).unsqueeze(-1);

        let gated = y.reshape([models, traces, length, inner]) * z.silu();
        let normed = tape.rms_norm(&gated, block.gated_norm, config.groups, config.eps);
        let output = tape.linear(&normed, block.out_proj, None);
        (output, FinalStates { ssm, conv: last_inputs(xbc, config.taps) })
    }

    /// Logits `[M, B, L, V]` in evaluation mode, and the blocks' states after the last token.
    pub fn logits(&self, tokens: &Tensor) -> (Tensor, Vec<FinalStates>) {
        tch::no_grad(|| {
            let tape = Tape::evaluation(&self.params, tokens.size()[1]);
            let (hidden, states) = self.backbone(&tape, tokens);
            (tape.linear(&hidden, self.embedding, None), states)
        })
    }

    /// Losses and per-trace gradients for tokens `[M, B, L]`, targets and weights `[M, B, L - 1]`.
    pub fn token_gradients(&self, tokens: &Tensor, targets: &Tensor, weights: &Tensor) -> MicroGradients {
        if self.config.groups == 1 {
            tch::no_grad(|| self.fused_gradients(tokens, targets, weights))
        } else {
            self.tape_gradients(tokens, targets, weights)
        }
    }

    /// As [`NetSsmNetwork::token_gradients`], by autograd: the slow twin, and the way for several groups.
    pub fn tape_gradients(&self, tokens: &Tensor, targets: &Tensor, weights: &Tensor) -> MicroGradients {
        let size = tokens.size();
        // The last position has no target: it is not computed.
        let inputs = tokens.narrow(2, 0, size[2] - 1);
        let tape = Tape::recording(&self.params, size[1]);
        let (hidden, _) = self.backbone(&tape, &inputs);
        let logits = tape.linear(&hidden, self.embedding, None);
        let loss = tch::no_grad(|| token_cross_entropy(logits.detach().copy(), targets, weights));
        let scalar = (&logits * &loss.gradient).sum(None);
        let gradients = PerSampleGrads::new(tape.backward(&scalar));
        MicroGradients { losses: loss.losses, gradients }
    }
}

impl Network for NetSsmNetwork {
    fn params(&self) -> &Params {
        &self.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    fn size(&self, trace: usize) -> usize {
        self.tokens(trace).len()
    }

    fn gradients(&self, batch: &Microbatch, _clipping: bool) -> MicroGradients {
        if self.is_plain() {
            return self.plain_gradients(batch);
        }
        let TokenBatch { tokens, targets, weights } = self.token_batch(batch);
        self.part(batch).as_ref().unwrap_or(self).token_gradients(&tokens, &targets, &weights)
    }

    fn losses(&self, batch: &Microbatch) -> Tensor {
        if self.is_plain() {
            return self.plain_losses(batch);
        }
        let TokenBatch { tokens, targets, weights } = self.token_batch(batch);
        let part = self.part(batch);
        let network = part.as_ref().unwrap_or(self);
        tch::no_grad(|| {
            if self.config.groups == 1 {
                return network.fused_losses(&tokens, &targets, &weights);
            }
            let (logits, _) = network.logits(&tokens.narrow(2, 0, targets.size()[2]));
            token_cross_entropy(logits, &targets, &weights).losses
        })
    }
}

/// The last `taps` rows of `[M, B, L, C]` as `[M B, C, taps]`, zeros before the first.
fn last_inputs(xbc: &Tensor, taps: i64) -> Tensor {
    let padded = xbc.flatten(0, 1).constant_pad_nd([0, 0, taps, 0]);
    let length = padded.size()[1];
    padded.narrow(1, length - taps, taps).transpose(1, 2).contiguous()
}
