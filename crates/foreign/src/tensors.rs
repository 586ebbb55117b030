//! Attributes in a safetensors file: tensor `values` `[traces, ...]`, and beside it, where the file names
//! its traces, `trace_ids` `[traces]` (I64), `member` `[traces]` (BOOL or integers 0 and 1), `loss`
//! `[traces]`.

use super::attributes::{FileAttribute, Numbers, TraceName, checked_shape, require_finite};
use super::npy::half_to_f32;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use syntrace_base::error::{Error, Result};

const KNOWN: [&str; 4] = ["values", "trace_ids", "member", "loss"];

/// Rows of a safetensors file.
///
/// # Errors
/// `user` for a file without `values`, lengths that differ, types other than numbers, numbers that are
/// not finite.
pub fn read_safetensors(bytes: &[u8]) -> Result<Vec<FileAttribute>> {
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
    let member = column("member")?.map(|tensor| flags(&tensor)).transpose()?;
    let loss = column("loss")?.map(|tensor| floats(&tensor, "loss")).transpose()?;
    if let Some(loss) = &loss {
        require_finite(loss, 1, "tensor `loss`")?;
    }
    let loss: Option<Vec<f64>> = loss.map(|loss| loss.iter().collect());
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let id = ids.as_ref().and_then(|column| column.get(row).copied());
        let member = match member.as_ref().and_then(|column| column.get(row).copied()) {
            None => None,
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            Some(other) => {
                return Err(Error::user(format!("tensor `member`, row {row}: expected 0 or 1, found `{other}`")));
            }
        };
        out.push(FileAttribute {
            trace: id.map(TraceName::id).transpose().map_err(|error| error.context(format!("row {row}")))?,
            member,
            kind: None,
            loss: loss.as_ref().and_then(|loss| loss.get(row).copied()),
            values: values.pick(row * width..(row + 1) * width),
        });
    }
    Ok(out)
}

macro_rules! numbers {
    ($data:expr, $type:ty, $into:expr) => {
        $data.as_chunks().0.iter().map(|chunk| $into(<$type>::from_le_bytes(*chunk))).collect()
    };
}

fn floats(tensor: &TensorView<'_>, name: &str) -> Result<Numbers> {
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F32 => Numbers::Single(numbers!(data, f32, |value: f32| value)),
        Dtype::F64 => Numbers::new(numbers!(data, f64, |value: f64| value)),
        Dtype::F16 => Numbers::Single(numbers!(data, u16, half_to_f32)),
        Dtype::BF16 => Numbers::Single(numbers!(data, u16, |bits: u16| f32::from_bits(u32::from(bits) << 16))),
        other => return Err(Error::user(format!("tensor `{name}`: expected F64, F32, F16 or BF16, found {other:?}"))),
    })
}

/// 0 and 1, in whatever numbers.
fn flags(tensor: &TensorView<'_>) -> Result<Vec<f64>> {
    match tensor.dtype() {
        Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16 => Ok(floats(tensor, "member")?.iter().collect()),
        _ => Ok(integers(tensor, "member")?.into_iter().map(|flag| flag as f64).collect()),
    }
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
        assert_eq!(rows[1].values, Numbers::Single(vec![2.5]));
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
