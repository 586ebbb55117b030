//! Attributes in a safetensors file: tensor `values` `[traces, ...]`, and beside it, where the file names
//! its traces, `trace_ids` `[traces]` (I64), `member` `[traces]` (BOOL or integers 0 and 1), `loss`
//! `[traces]`.

use super::attributes::{AttributeRow, TraceName, checked_shape, require_finite};
use super::npy::half_to_f32;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use syntrace_base::error::{Error, Result};

const KNOWN: [&str; 4] = ["values", "trace_ids", "member", "loss"];

/// Rows of a safetensors file.
///
/// # Errors
/// `user` for a file without `values`, lengths that differ, types other than numbers, numbers that are
/// not finite.
pub fn read_safetensors(bytes: &[u8]) -> Result<Vec<AttributeRow>> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|error| Error::user(format!("expected a safetensors file: {error}")))?;
    if let Some(other) = tensors.names().into_iter().find(|name| !KNOWN.contains(name)) {
        return Err(Error::user(format!("expected the tensors {}, found `{other}`", KNOWN.join(", ")))
            .hint("one file holds one attribute kind, in the tensor `values`"));
    }
    let values = tensors.tensor("values").map_err(|_| {
        Error::user(format!("expected a tensor `values`, found {:?}", tensors.names()))
            .hint("`values` is [traces, ...]; `trace_ids`, `member` and `loss` are [traces] and optional")
    })?;
    let (rows, width) = checked_shape(values.shape(), "tensor `values`")?;
    let values = floats(&values, "values")?;
    require_finite(&values, width, "tensor `values`")?;
    let column = |name: &'static str| -> Result<Option<TensorView<'_>>> {
        let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
        if tensor.shape() != [rows] {
            let found = tensor.shape();
            return Err(Error::user(format!("tensor `{name}`: expected shape [{rows}], found {found:?}")));
        }
        Ok(Some(tensor))
    };
    let ids = column("trace_ids")?.map(|tensor| integers(&tensor, "trace_ids")).transpose()?;
    let member = column("member")?.map(|tensor| integers(&tensor, "member")).transpose()?;
    let loss = column("loss")?.map(|tensor| floats(&tensor, "loss")).transpose()?;
    require_finite(loss.as_deref().unwrap_or_default(), 1, "tensor `loss`")?;
    let mut out = Vec::with_capacity(rows);
    for (row, values) in values.chunks_exact(width).enumerate() {
        let at = |column: &Option<Vec<i64>>| column.as_ref().and_then(|column| column.get(row).copied());
        let member = match at(&member) {
            None => None,
            Some(flag @ (0 | 1)) => Some(flag == 1),
            Some(other) => {
                return Err(Error::user(format!("tensor `member`, row {row}: expected 0 or 1, found `{other}`")));
            }
        };
        out.push(AttributeRow {
            trace: at(&ids).map(TraceName::id).transpose().map_err(|error| error.context(format!("row {row}")))?,
            member,
            kind: None,
            loss: loss.as_ref().and_then(|loss| loss.get(row).copied()),
            values: values.to_vec(),
        });
    }
    Ok(out)
}

macro_rules! numbers {
    ($data:expr, $type:ty, $into:expr) => {
        $data.as_chunks().0.iter().map(|chunk| $into(<$type>::from_le_bytes(*chunk))).collect()
    };
}

fn floats(tensor: &TensorView<'_>, name: &str) -> Result<Vec<f32>> {
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F32 => numbers!(data, f32, |value: f32| value),
        Dtype::F64 => numbers!(data, f64, |value: f64| value as f32),
        Dtype::F16 => numbers!(data, u16, half_to_f32),
        Dtype::BF16 => numbers!(data, u16, |bits: u16| f32::from_bits(u32::from(bits) << 16)),
        other => return Err(Error::user(format!("tensor `{name}`: expected F64, F32, F16 or BF16, found {other:?}"))),
    })
}

fn integers(tensor: &TensorView<'_>, name: &str) -> Result<Vec<i64>> {
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::I64 => numbers!(data, i64, |value: i64| value),
        Dtype::I32 => numbers!(data, i32, i64::from),
        Dtype::U8 | Dtype::BOOL => data.iter().map(|byte| i64::from(*byte)).collect(),
        other => return Err(Error::user(format!("tensor `{name}`: expected I64, I32, U8 or BOOL, found {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn named_rows_come_back_with_membership_and_loss() {
        let bytes = file(&[
            ("values", Dtype::F32, vec![2, 1], [1.5f32, 2.5].iter().flat_map(|value| value.to_le_bytes()).collect()),
            ("trace_ids", Dtype::I64, vec![2], [7i64, 8].iter().flat_map(|value| value.to_le_bytes()).collect()),
            ("member", Dtype::BOOL, vec![2], vec![1, 0]),
            ("loss", Dtype::BF16, vec![2], vec![0x80, 0x3f, 0x00, 0x40]),
        ]);
        let rows = read_safetensors(&bytes).unwrap();
        assert_eq!(rows[0].trace, Some(TraceName::Id(syntrace_base::base::TraceId(7))));
        assert_eq!((rows[0].member, rows[1].member), (Some(true), Some(false)));
        assert_eq!((rows[0].loss, rows[1].loss), (Some(1.0), Some(2.0)));
        assert_eq!(rows[1].values, [2.5]);
    }

    #[test]
    fn lengths_that_differ_and_unknown_tensors_are_refused() {
        let two = vec![0u8; 8];
        let short = file(&[("values", Dtype::F32, vec![2], two.clone()), ("member", Dtype::U8, vec![1], vec![1])]);
        assert!(read_safetensors(&short).unwrap_err().to_string().contains("expected shape [2]"));
        let other = file(&[("value", Dtype::F32, vec![2], two.clone())]);
        assert!(read_safetensors(&other).unwrap_err().to_string().contains("found `value`"));
        let flag = file(&[("values", Dtype::F32, vec![2], two), ("member", Dtype::U8, vec![2], vec![1, 2])]);
        assert!(read_safetensors(&flag).unwrap_err().to_string().contains("found `2`"));
        assert!(read_safetensors(&[0xff; 64]).is_err());
    }
}
