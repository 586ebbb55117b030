//! Named weights of M models of one shape.

use std::collections::HashMap;
use syntrace_base::error::{Error, Result};
use tch::{Device, Kind, Tensor};

/// Handle of one weight in its [`Params`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param(pub(super) usize);

/// The weights of a network, each `[M, ...]`, in order of their creation.
#[derive(Debug)]
pub struct Params {
    models: i64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    value: Tensor,
    purpose: Purpose,
}

/// Role of a tensor in [`Params`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Trained with per-trace gradients.
    Trained,
    /// A parameter that per-trace training leaves alone.
    Frozen,
    /// Part of the weights, but no parameter (running means, tables of constants).
    Buffer,
    /// Kept by checkpoints only (moments of a network's own optimiser).
    Scratch,
}

impl Params {
    /// No weights yet, for `models` models.
    pub fn new(models: i64) -> Self {
        Self { models, entries: Vec::new() }
    }

    /// Adds a trained weight `[M, ...]`.
    pub fn add(&mut self, name: impl Into<String>, value: Tensor) -> Param {
        self.push(name.into(), value, Purpose::Trained)
    }

    /// Adds a weight that training leaves alone: it has no gradient and no part in a norm.
    pub fn add_frozen(&mut self, name: impl Into<String>, value: Tensor) -> Param {
        self.push(name.into(), value, Purpose::Frozen)
    }

    /// Leaves alone, from now on, the trained weights whose names are not kept.
    pub fn freeze_except(&mut self, keep: impl Fn(&str) -> bool) {
        for entry in self.entries.iter_mut().filter(|entry| entry.purpose == Purpose::Trained && !keep(&entry.name)) {
            entry.purpose = Purpose::Frozen;
        }
    }

    /// Adds a tensor that belongs to the weights and is no parameter: running means, constant tables.
    pub fn add_buffer(&mut self, name: impl Into<String>, value: Tensor) -> Param {
        self.push(name.into(), value, Purpose::Buffer)
    }

    /// Adds a tensor that only checkpoints keep: a network's own optimiser state.
    pub fn add_scratch(&mut self, name: impl Into<String>, value: Tensor) -> Param {
        self.push(name.into(), value, Purpose::Scratch)
    }

    fn push(&mut self, name: String, value: Tensor, purpose: Purpose) -> Param {
        self.entries.push(Entry { name, value, purpose });
        Param(self.entries.len() - 1)
    }

    /// The weights of some models (copies), ascending; all handles stay valid.
    pub fn select(&self, models: &[usize]) -> Self {
        let index: Vec<i64> = models.iter().map(|&model| model as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.device());
        let entries = self.entries.iter().map(|entry| Entry {
            name: entry.name.clone(),
            value: entry.value.index_select(0, &index),
            purpose: entry.purpose,
        });
        Self { models: models.len() as i64, entries: entries.collect() }
    }

    /// The weights as they are now: copies of what training changes; what it leaves alone is shared.
    pub fn snapshot(&self) -> Self {
        let entries = self.entries.iter().map(|entry| Entry {
            name: entry.name.clone(),
            value: if entry.purpose == Purpose::Frozen { entry.value.shallow_clone() } else { entry.value.copy() },
            purpose: entry.purpose,
        });
        Self { models: self.models, entries: entries.collect() }
    }

    /// Number of models M.
    pub fn models(&self) -> i64 {
        self.models
    }

    /// Number of weights (tensors).
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without weights.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A weight, `[M, ...]`.
    pub fn get(&self, param: Param) -> &Tensor {
        &self.entries[param.0].value
    }

    /// Is this weight trained?
    pub fn trainable(&self, param: Param) -> bool {
        self.entries[param.0].purpose == Purpose::Trained
    }

    /// Name of a weight.
    pub fn name(&self, param: Param) -> &str {
        &self.entries[param.0].name
    }

    /// Handles in order.
    pub fn handles(&self) -> impl Iterator<Item = Param> + use<> {
        (0..self.entries.len()).map(Param)
    }

    /// Replaces the values of a weight in place.
    pub fn set(&mut self, param: Param, value: &Tensor) {
        self.entries[param.0].value.copy_(value);
    }

    /// The weight as a target of in-place updates.
    pub fn get_mut(&mut self, param: Param) -> &mut Tensor {
        &mut self.entries[param.0].value
    }

    /// Turns all weights into another kind: double precision, where single leaves too few digits to compare.
    pub fn set_kind(&mut self, kind: Kind) {
        for entry in &mut self.entries {
            entry.value = entry.value.to_kind(kind);
        }
    }

    /// Where all weights are; the CPU where there are none.
    pub fn device(&self) -> Device {
        self.entries.first().map_or(Device::Cpu, |entry| entry.value.device())
    }

    /// Moves all weights. Weights are drawn on the CPU and then moved, so that they do not depend on the
    /// device.
    pub fn move_to(&mut self, device: Device) {
        for entry in &mut self.entries {
            entry.value = entry.value.to_device(device);
        }
    }

    /// Parameters of one model: all, and those that are trained.
    pub fn counts(&self) -> (u64, u64) {
        let of = |entry: &Entry| entry.value.numel() as u64 / self.models.max(1) as u64;
        let sum =
            |purposes: &[Purpose]| self.entries.iter().filter(|entry| purposes.contains(&entry.purpose)).map(of).sum();
        (sum(&[Purpose::Trained, Purpose::Frozen]), sum(&[Purpose::Trained]))
    }

    /// One model's weights as safetensors bytes (f32, little endian, names as given).
    pub fn to_safetensors(&self, model: i64) -> Result<Vec<u8>> {
        let mut parts = Vec::with_capacity(self.entries.len());
        for entry in self.entries.iter().filter(|entry| entry.purpose != Purpose::Scratch) {
            let value = entry.value.get(model).to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
            let shape: Vec<usize> = value.size().iter().map(|&size| size as usize).collect();
            parts.push((entry.name.clone(), shape, kind_bytes(&value)?));
        }
        let mut views = Vec::with_capacity(parts.len());
        for (name, shape, bytes) in &parts {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)
                .map_err(|error| Error::internal(format!("cannot write weight `{name}`: {error}")))?;
            views.push((name.as_str(), view));
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(views, Some(metadata))
            .map_err(|error| Error::internal(format!("cannot write weights: {error}")))
    }

    /// Fills one model's weights from safetensors bytes; every weight must be there with its shape.
    pub fn load_safetensors(&mut self, model: i64, bytes: &[u8]) -> Result<()> {
        let file = safetensors::SafeTensors::deserialize(bytes)
            .map_err(|error| Error::internal(format!("weights are not safetensors: {error}")))?;
        for entry in self.entries.iter_mut().filter(|entry| entry.purpose != Purpose::Scratch) {
            let view = file
                .tensor(&entry.name)
                .map_err(|_| Error::internal(format!("weight `{}` expected, not found in the weights", entry.name)))?;
            let tensor = tensor_from_view(&view)?;
            let mut slot = entry.value.get(model);
            if tensor.size() != slot.size() {
                return Err(Error::internal(format!(
                    "weight `{}` must have shape `{:?}`, found `{:?}`",
                    entry.name,
                    slot.size(),
                    tensor.size()
                )));
            }
            slot.copy_(&tensor);
        }
        Ok(())
    }
}

/// The bytes of a contiguous CPU tensor in its own kind, little endian.
pub fn kind_bytes(value: &Tensor) -> Result<Vec<u8>> {
    let value = value.to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0u8; value.numel() * value.kind().elt_size_in_bytes()];
    value
        .f_copy_data_u8(&mut bytes, value.numel())
        .map_err(|error| Error::internal(format!("tensor copy: {error}")))?;
    Ok(bytes)
}

/// A tensor from a safetensors view, on the CPU, in the view's own kind.
pub fn tensor_from_view(view: &safetensors::tensor::TensorView<'_>) -> Result<Tensor> {
    use safetensors::Dtype;
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        other => return Err(Error::internal(format!("tensor kind `{other:?}` is not supported"))),
    };
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| Error::internal(format!("tensor: {error}")))
}
