//! NumPy's NPY files, versions 1 to 3 (NEP 1): numbers and booleans only. Object arrays are pickled
//! Python, which is executable: they are rejected by their header, and there is no code that could load them.

use super::attributes::{FileAttribute, Numbers, checked_shape, require_finite, too_precise, whole};
use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use syntrace_base::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy writes a few hundred bytes; a header beyond this is no header.
const HEADER_BYTES_MAX: usize = 1 << 16;

/// An array as its file describes it.
struct Array<'a> {
    kind: Kind,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
    data: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Signed(bytes) | Self::Unsigned(bytes) | Self::Float(bytes) => bytes,
        }
    }
}

/// Rows of an NPY array: the first axis is traces, all others one attribute (row-major). Without names
/// and membership: the rows follow the member list.
///
/// # Errors
/// `user` for anything that is not a complete numeric array with finite values.
pub fn read_npy(bytes: &[u8]) -> Result<Vec<FileAttribute>> {
    let array = parse(bytes)?;
    let (rows, width) = checked_shape(&array.shape, "NPY array")?;
    if array.fortran && array.shape.len() > 2 {
        return Err(Error::user("expected C order, found an array of more than two axes in Fortran order")
            .hint("save `numpy.ascontiguousarray(x)`"));
    }
    let values = array.values()?;
    require_finite(&values, if array.fortran { 1 } else { width }, "NPY array")?;
    let row = |row: usize| {
        if array.fortran {
            values.pick((0..width).map(|at| row + at * rows))
        } else {
            values.pick(row * width..(row + 1) * width)
        }
    };
    let named = |values| FileAttribute { trace: None, member: None, kind: None, loss: None, values };
    Ok((0..rows).map(|at| named(row(at))).collect())
}

/// One number a row, as a loss: an NPY array of one axis (or further axes of length 1).
pub fn read_npy_column(bytes: &[u8]) -> Result<Vec<f64>> {
    let rows = read_npy(bytes)?;
    let column: Vec<f64> = rows.iter().flat_map(|row| row.values.iter()).collect();
    if column.len() != rows.len() {
        return Err(Error::user(format!(
            "expected one number a trace, found {}",
            rows.first().map_or(0, |row| row.values.len())
        )));
    }
    Ok(column)
}

fn parse(bytes: &[u8]) -> Result<Array<'_>> {
    let not_npy = |found: &str| Error::user(format!("expected an NPY file, found {found}"));
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(match bytes {
            [b'P', b'K', 3, 4, ..] => {
                not_npy("a zip file").hint("an NPZ holds several arrays: save each with numpy.save")
            }
            [0x80, ..] => not_npy("a Python pickle").hint("a pickle is a program and is never loaded: use numpy.save"),
            _ => not_npy("other bytes"),
        });
    };
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [version, ..] => return Err(not_npy(&format!("version {version} of the format"))),
        [] => return Err(not_npy("nothing after the magic bytes")),
    };
    if length > HEADER_BYTES_MAX {
        return Err(not_npy(&format!("a header of {length} bytes, at most {HEADER_BYTES_MAX} are believed")));
    }
    let Some((header, data)) = rest.split_at_checked(length) else {
        return Err(not_npy(&format!("{} bytes of a header of {length}", rest.len())));
    };
    let header = std::str::from_utf8(header).map_err(|_| not_npy("a header that is no text"))?;
    describe(header, data)
}

/// Reads the header, a Python dictionary literal with three known keys.
fn describe<'a>(header: &str, data: &'a [u8]) -> Result<Array<'a>> {
    let unclear = |key: &str| Error::user(format!("NPY header without a readable `{key}`: `{}`", shown(header)));
    let descr = value_of(header, "descr").ok_or_else(|| unclear("descr"))?;
    let descr = quoted(descr).ok_or_else(|| {
        Error::user(format!("expected one number type, found a structured array: `{}`", shown(header)))
            .hint("save one plain array: one row a trace")
    })?;
    let fortran = match value_of(header, "fortran_order").ok_or_else(|| unclear("fortran_order"))? {
        text if text.starts_with("True") => true,
        text if text.starts_with("False") => false,
        _ => return Err(unclear("fortran_order")),
    };
    let shape = value_of(header, "shape").and_then(tuple).ok_or_else(|| unclear("shape"))?;
    let (big_endian, kind) = number_type(descr)?;
    let array = Array { kind, big_endian, fortran, shape, data };
    let values = array.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
    let bytes = values.and_then(|values| values.checked_mul(kind.bytes()));
    if bytes != Some(data.len()) {
        return Err(Error::user(format!(
            "NPY array of shape {:?} and type `{descr}`: expected {} bytes of values, found {}",
            array.shape,
            bytes.map_or("more than memory holds".to_owned(), |bytes| bytes.to_string()),
            data.len()
        ))
        .hint("the file was cut off, or its header is wrong: save it again"));
    }
    Ok(array)
}

fn shown(header: &str) -> String {
    header.trim().chars().take(120).collect()
}

/// The text after `'key':`.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let single = format!("'{key}'");
    let double = format!("\"{key}\"");
    let at = header.find(&single).or_else(|| header.find(&double))? + single.len();
    header.get(at..)?.trim_start().strip_prefix(':').map(str::trim_start)
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    text.get(1..)?.split_once(quote).map(|(inside, _)| inside)
}

fn tuple(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    // Python 2 wrote its long integers as `20L`.
    let number = |side: &str| side.strip_suffix('L').unwrap_or(side).parse().ok();
    inside.split(',').map(str::trim).filter(|side| !side.is_empty()).map(number).collect()
}

fn number_type(descr: &str) -> Result<(bool, Kind)> {
    let refused = |what: &str| Err(Error::user(format!("expected numbers, found an NPY array of {what} (`{descr}`)")));
    let (order, rest) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), rest)) => (order, rest),
        _ => ("|", descr),
    };
    let kind = match rest {
        "b1" => Kind::Bool,
        "i1" | "i2" | "i4" | "i8" => Kind::Signed(width(rest)),
        "u1" | "u2" | "u4" | "u8" => Kind::Unsigned(width(rest)),
        "f2" | "f4" | "f8" => Kind::Float(width(rest)),
        _ if rest.starts_with('O') => {
            return refused("pickled Python objects").map_err(|error: Error| {
                error.hint("a pickle is a program and is never loaded: save a numeric array, `x.astype(numpy.float32)`")
            });
        }
        _ if rest.starts_with('c') => return refused("complex numbers"),
        _ if rest.starts_with(['U', 'S']) => return refused("text"),
        _ => return refused("an unknown type"),
    };
    Ok((order == ">", kind))
}

fn width(rest: &str) -> usize {
    rest.as_bytes().get(1).copied().map_or(0, |digit| usize::from(digit - b'0'))
}

impl Array<'_> {
    fn values(&self) -> Result<Numbers> {
        let bytes = self.kind.bytes();
        let raw = |chunk: &[u8]| -> u64 {
            let mut wide = [0u8; 8];
            for (place, byte) in wide.iter_mut().zip(chunk) {
                *place = *byte;
            }
            if self.big_endian
                && let Some(used) = wide.get_mut(..bytes)
            {
                used.reverse();
            }
            u64::from_le_bytes(wide)
        };
        let raw = self.data.chunks_exact(bytes).map(raw);
        let whole = |number: i128| whole(number).ok_or_else(|| too_precise(number, "NPY array"));
        let numbers: Result<Vec<f64>> = match self.kind {
            Kind::Bool => return Ok(Numbers::Single(raw.map(|raw| f32::from(u8::from(raw != 0))).collect())),
            Kind::Float(2) => return Ok(Numbers::Single(raw.map(|raw| half_to_f32(raw as u16)).collect())),
            Kind::Float(4) => return Ok(Numbers::Single(raw.map(|raw| f32::from_bits(raw as u32)).collect())),
            Kind::Float(_) => Ok(raw.map(f64::from_bits).collect()),
            Kind::Unsigned(_) => raw.map(|raw| whole(i128::from(raw))).collect(),
            Kind::Signed(bytes) => {
                raw.map(|raw| whole(i128::from((raw << (64 - 8 * bytes)) as i64 >> (64 - 8 * bytes)))).collect()
            }
        };
        numbers.map(Numbers::new)
    }
}

/// IEEE half precision as f32.
pub(super) fn half_to_f32(bits: u16) -> f32 {
    <Float16Type as ArrowPrimitiveType>::Native::from_bits(bits).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn values(bytes: &[u8]) -> Vec<Vec<f64>> {
        read_npy(bytes).unwrap().into_iter().map(|row| row.values.iter().collect()).collect()
    }

    #[test]
    fn every_number_type_in_both_byte_orders_is_read() {
        let expected = vec![vec![1.0, -2.0]];
        let little: Vec<u8> = [1.0f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let big: Vec<u8> = [1.0f64, -2.0].iter().flat_map(|value| value.to_be_bytes()).collect();
        let ints: Vec<u8> = [1i16, -2].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(values(&npy("'<f4'", "False", "(1, 2)", &little)), expected);
        assert_eq!(values(&npy("'>f8'", "False", "(1, 2)", &big)), expected);
        assert_eq!(values(&npy("'<i2'", "False", "(1, 2)", &ints)), expected);
        assert_eq!(values(&npy("'<f2'", "False", "(1, 2)", &[0x00, 0x3c, 0x00, 0xc0])), expected);
        assert_eq!(values(&npy("'|b1'", "False", "(2,)", &[1, 0])), vec![vec![1.0], vec![0.0]]);
        assert_eq!(values(&npy("'|u1'", "False", "(1, 1, 2)", &[7, 8])), vec![vec![7.0, 8.0]]);
    }

    #[test]
    fn numbers_keep_the_precision_that_they_came_in() {
        let close = [1.0, 1.0 + f64::EPSILON, f64::MAX, -f64::MAX];
        let bytes: Vec<u8> = close.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(values(&npy("'<f8'", "False", "(4L, 1L)", &bytes)).concat(), close, "as Python 2 wrote it");
        let rows = read_npy(&npy("'<f8'", "True", "(2, 2)", &bytes)).unwrap();
        assert_eq!(rows[1].values, Numbers::Double(vec![close[1], close[3]]));
        let whole = [(1i64 << 53) - 1, -(1 << 53), i64::MIN];
        let bytes: Vec<u8> = whole.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(values(&npy("'<i8'", "False", "(3,)", &bytes)).concat(), whole.map(|value| value as f64));
        let error = read_npy(&npy("'<i8'", "False", "(1,)", &i64::MAX.to_le_bytes())).unwrap_err().to_string();
        assert!(error.contains("found `9223372036854775807`"), "{error}");
    }

    #[test]
    fn fortran_order_is_turned_into_rows() {
        assert_eq!(
            values(&npy("'|u1'", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6])),
            vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]
        );
    }

    #[test]
    fn what_is_no_plain_numeric_array_is_refused_with_its_reason() {
        let nan = f32::NAN.to_le_bytes();
        for (bytes, reason) in [
            (npy("'|O'", "False", "(2,)", &[0; 16]), "pickled"),
            (npy("[('a', '<f4')]", "False", "(2,)", &[0; 8]), "structured"),
            (npy("'<U4'", "False", "(1,)", &[0; 16]), "text"),
            (npy("'<f4'", "False", "(2, 2)", &[0; 15]), "expected 16 bytes"),
            (npy("'<f4'", "False", "(9999999999, 9999999999)", &[]), "bytes of values"),
            (npy("'<f4'", "False", "()", &[0; 4]), "single number"),
            (npy("'<f4'", "False", "(1,)", &nan), "row 0"),
            (b"\x80\x04\x95".to_vec(), "pickle"),
            (b"PK\x03\x04".to_vec(), "zip"),
            (MAGIC.to_vec(), "nothing after"),
        ] {
            let error = read_npy(&bytes).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn no_prefix_of_a_file_and_no_flipped_byte_panics() {
        let whole = npy("'<f4'", "False", "(2, 2)", &[0; 16]);
        for end in 0..whole.len() {
            assert!(read_npy(&whole[..end]).is_err());
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let _ = read_npy(&damaged);
            }
        }
    }
}
