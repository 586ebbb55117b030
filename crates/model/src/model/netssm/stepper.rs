//! Recurrent inference, one token at a time: the cost of a token does not depend on its position.

use super::block::FinalStates;
use super::network::{BlockParams, NetSsmNetwork};
use crate::nn::Param;
use tch::{Kind, Tensor};

/// Generation state of one model over a fixed number of traces.
#[derive(Debug)]
pub struct Stepper<'a> {
    network: &'a NetSsmNetwork,
    model: i64,
    blocks: Vec<FinalStates>,
    traces: i64,
}

impl<'a> Stepper<'a> {
    /// Zero states for `traces` traces of one model of the network.
    pub fn new(network: &'a NetSsmNetwork, model: i64, traces: i64) -> Self {
        let config = &network.config;
        let options = (network.params.get(network.embedding).kind(), network.params.device());
        let blocks = network.blocks.iter().map(|_| FinalStates {
            ssm: Tensor::zeros([traces, config.heads(), config.head, config.state], options),
            conv: Tensor::zeros([traces, config.channels(), config.taps], options),
        });
        Self { network, model, blocks: blocks.collect(), traces }
    }

    /// Feeds one token per trace `[n]` and returns the logits of the next, `[n, V]`.
    pub fn step(&mut self, tokens: &Tensor) -> Tensor {
        tch::no_grad(|| {
            let network = self.network;
            let weight = |param: Param| network.params.get(param).get(self.model);
            let table = weight(network.embedding);
            let mut residual = table.index_select(0, tokens);
            for (block, state) in network.blocks.iter().zip(&mut self.blocks) {
                let normed = rms(&residual, 1, network.config.eps) * weight(block.norm);
                residual += step_block(network, self.model, *block, &normed, state, self.traces);
            }
            (rms(&residual, 1, network.config.eps) * weight(network.final_norm)).matmul(&table.transpose(0, 1))
        })
    }

    /// The blocks' states.
    pub fn states(&self) -> &[FinalStates] {
        &self.blocks
    }
}

fn step_block(
    network: &NetSsmNetwork,
    model: i64,
    block: BlockParams,
    u: &Tensor,
    state: &mut FinalStates,
    n: i64,
) -> Tensor {
    let config = &network.config;
    let weight = |param: Param| network.params.get(param).get(model);
    let (inner, heads, groups) = (config.inner(), config.heads(), config.groups);
    let projected = u.matmul(&weight(block.in_proj).transpose(0, 1));
    let parts = projected.split_with_sizes([inner, config.channels(), heads], -1);

    state.conv = Tensor::cat(&[state.conv.narrow(2, 1, config.taps - 1), parts[1].unsqueeze(2)], 2);
    let taps = weight(block.conv_weight).squeeze_dim(1);
    let mixed = ((&state.conv * taps).sum_dim_intlist([2].as_slice(), false, None) + weight(block.conv_bias)).silu();
    let maps = groups * config.state;
    let mixed = mixed.split_with_sizes([inner, maps, maps], -1);
    let x = mixed[0].view([n, groups, heads / groups, config.head]);
    let [b, c] = [1, 2].map(|index| mixed[index].view([n, groups, 1, config.state]));

    let dt = (&parts[2] + weight(block.dt_bias)).softplus();
    let decay = (weight(block.a_log).exp().neg() * &dt).exp();
    let added = (&x * dt.view([n, groups, heads / groups, 1])).unsqueeze(-1) * b.unsqueeze(3);
    state.ssm = &state.ssm * decay.view([n, heads, 1, 1]) + added.view([n, heads, config.head, config.state]);
    let grouped = state.ssm.view([n, groups, heads / groups, config.head, config.state]);
    let read = grouped.matmul(&c.unsqueeze(-1)).squeeze_dim(-1);
    let y = (read + x * weight(block.d).view([1, groups, heads / groups, 1])).reshape([n, inner]);
    let gated = y * parts[0].silu();
    (rms(&gated, groups, config.eps) * weight(block.gated_norm)).matmul(&weight(block.out_proj).transpose(0, 1))
}

/// `x / sqrt(mean(x^2) + eps)` over the last axis of `[n, d]` in `groups` parts.
fn rms(x: &Tensor, groups: i64, eps: f64) -> Tensor {
    let size = x.size();
    let parts = x.reshape([size[0], groups, size[1] / groups]);
    let mean = (&parts * &parts).mean_dim([-1].as_slice(), true, None::<Kind>);
    (&parts * (mean + eps).rsqrt()).view(&size[..])
}
