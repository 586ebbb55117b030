//! Attention of the base, and its adapters.

use super::columns::ColumnAdapters;
use super::config::NetDiffusionConfig;
use super::layers::{Builder, Linear, Norm};
use crate::nn::{Param, Params, Tape};
use syntrace_base::base::Seed;
use tch::{Device, Kind, Tensor};

/// Down and up projection of one adapted linear layer (Hu et al. 2021).
#[derive(Debug, Clone, Copy)]
struct Pair {
    down: Param,
    up: Param,
}

/// Adapters of one attention: query, key, value, output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adapters([Pair; 4]);

/// Adds the adapters of all attentions, zero, for `models` models; the order is that of
/// [`NetDiffusionConfig::attentions`].
pub(super) fn add_adapters(config: &NetDiffusionConfig, params: &mut Params) -> Vec<Adapters> {
    let (models, rank) = (params.models(), config.lora.rank);
    let zeros = |q: i64, p: i64| Tensor::zeros([models, q, p], (Kind::Float, Device::Cpu));
    let mut attentions = Vec::new();
    for (index, (width, context)) in config.attentions().into_iter().enumerate() {
        let pairs = [("to_q", width), ("to_k", context), ("to_v", context), ("to_out", width)].map(|(name, from)| {
            let name = format!("attention.{index}.{name}");
            let down = (format!("{name}.lora_down.weight"), zeros(rank, from));
            let down =
                if config.lora.train_down { params.add(down.0, down.1) } else { params.add_frozen(down.0, down.1) };
            Pair { down, up: params.add(format!("{name}.lora_up.weight"), zeros(width, rank)) }
        });
        attentions.push(Adapters(pairs));
    }
    attentions
}

/// Down projections from N(0, 1/r^2), each model's from its own seed; up projections stay zero, so that
/// every model starts as the base.
pub(super) fn initialise_adapters(config: &NetDiffusionConfig, params: &mut Params, seeds: &[Seed]) {
    let deviation = 1.0 / config.lora.rank as f64;
    for param in params.handles() {
        let name = params.name(param).to_owned();
        if !name.ends_with("lora_down.weight") {
            continue;
        }
        for (model, seed) in seeds.iter().enumerate() {
            let mut slot = params.get(param).get(model as i64);
            let count = slot.numel() as i64;
            let drawn = crate::train::standard_normal(&seed.named("init").named(&name), 0, count) * deviation;
            slot.copy_(&drawn.view(&slot.size()[..]));
        }
    }
}

/// The adapters in use, with the pass that records them.
pub(super) struct Adapted<'t, 'p> {
    pub(super) tape: &'t Tape<'p>,
    pub(super) adapters: &'t [Adapters],
    pub(super) columns: Option<ColumnAdapters>,
    /// alpha / rank.
    pub(super) scale: f64,
}

/// Attention over all rows and columns of a level, to itself or to the caption, added to its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    norm: Norm,
    projections: [Linear; 4],
    heads: i64,
    to_caption: bool,
    /// Its place among all attentions.
    index: usize,
}

impl Attention {
    pub(super) fn build(builder: &mut Builder<'_>, width: i64, heads: i64, caption: Option<i64>, index: usize) -> Self {
        let name = format!("attention.{index}");
        let context = caption.unwrap_or(width);
        let mut project = |part: &str, from| builder.linear_without_bias(&format!("{name}.{part}"), from, width);
        let (query, key, value) = (project("to_q", width), project("to_k", context), project("to_v", context));
        let out = builder.linear(&format!("{name}.to_out.zero"), width, width);
        let norm = builder.norm(&format!("{name}.norm"), width);
        Self { norm, projections: [query, key, value, out], heads, to_caption: caption.is_some(), index }
    }

    /// x `[n, c, rows, columns]`, caption `[words, e]`.
    pub(super) fn forward(
        &self,
        params: &Params,
        x: &Tensor,
        caption: &Tensor,
        lora: Option<&Adapted<'_, '_>>,
    ) -> Tensor {
        let size = x.size();
        let tokens = self.norm.forward(params, x).flatten(2, 3).transpose(1, 2);
        let context = if self.to_caption {
            caption.unsqueeze(0).expand([size[0], -1, -1], false)
        } else {
            tokens.shallow_clone()
        };
        let project = |input: &Tensor, which: usize| self.project(params, input, which, lora);
        let (query, key, value) = (project(&tokens, 0), project(&context, 1), project(&context, 2));
        let split = |x: &Tensor| x.reshape([size[0], -1, self.heads, size[1] / self.heads]).transpose(1, 2);
        let mixed = Tensor::scaled_dot_product_attention(
            &split(&query),
            &split(&key),
            &split(&value),
            None::<&Tensor>,
            0.0,
            false,
            None,
            false,
        );
        let mixed = mixed.transpose(1, 2).reshape([size[0], -1, size[1]]);
        x + project(&mixed, 3).transpose(1, 2).reshape(&size[..])
    }

    /// A frozen projection of `[n, l, p]`, with `scale * up(down(x))` where there are adapters (Hu et al.
    /// 2021, eq. 3).
    fn project(&self, params: &Params, input: &Tensor, which: usize, lora: Option<&Adapted<'_, '_>>) -> Tensor {
        let frozen = self.projections[which].forward(params, input);
        let Some(lora) = lora else { return frozen };
        let Some(Pair { down, up }) = lora.adapters.get(self.index).map(|adapters| adapters.0[which]) else {
            return frozen;
        };
        let size = input.size();
        let (models, traces) = lora.tape.shape();
        let by_model = input.reshape([models, traces, size[1], size[2]]);
        let added = lora.tape.linear(&lora.tape.linear(&by_model, down, None), up, None) * lora.scale;
        &frozen + added.reshape(&frozen.size()[..])
    }
}
