//! Content of an attribute file, independent of its format.

use syntrace_base::base::TraceId;
use syntrace_base::error::{Error, Result};

/// Values of all rows of one attribute file: 2 GiB as f32. Full logits of a large model are over it;
/// summaries (per-position log-probabilities, means) are what attacks read.
pub const VALUES_MAX: u64 = 1 << 29;

/// Rows of a file; more than any study's split. A row of one byte in its file is over a hundred in memory.
pub(super) const ROWS_MAX: u64 = 10_000_000;

/// How a file names a trace of the study.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TraceName {
    /// By its `trace_id`.
    Id(TraceId),
    /// By its capture's file name and, where the capture gave several traces, the index of the trace's
    /// first packet: `mac07.pcap` or `mac07.pcap#132`.
    Capture {
        /// File name without its folder.
        name: String,
        /// Column `first_packet` of the table `traces`.
        first_packet: Option<u64>,
    },
}

impl TraceName {
    /// Reads a name: all digits are a trace id, anything else is a capture.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::user("expected a trace, found an empty name"));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let value = text.parse().map_err(|_| no_id(text))?;
            return Self::id(value);
        }
        if let Some((name, packet)) = text.rsplit_once('#')
            && !name.is_empty()
            && let Ok(packet) = packet.parse()
        {
            return Ok(Self::Capture { name: name.to_owned(), first_packet: Some(packet) });
        }
        Ok(Self::Capture { name: text.to_owned(), first_packet: None })
    }

    /// A name that is a number.
    pub fn id(value: i64) -> Result<Self> {
        if value < 0 {
            return Err(no_id(value));
        }
        Ok(Self::Id(TraceId(value)))
    }
}

fn no_id(found: impl std::fmt::Display) -> Error {
    Error::user(format!("expected a trace id of 63 bits, found `{found}`"))
}

impl std::fmt::Display for TraceName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Capture { name, first_packet: None } => formatter.write_str(name),
            Self::Capture { name, first_packet: Some(packet) } => write!(formatter, "{name}#{packet}"),
        }
    }
}

/// Attribute of one trace as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileAttribute {
    /// The trace; `None` where the file has no names and follows the order of the member list.
    pub trace: Option<TraceName>,
    /// Was it trained on? `None` where the file does not say.
    pub member: Option<bool>,
    /// Attribute kind; `None` where the file does not say.
    pub kind: Option<String>,
    /// Loss of the trace; `None` where the file does not say.
    pub loss: Option<f64>,
    /// The attribute.
    pub values: Numbers,
}

/// An attribute file that has names: its rows, and what of it they are.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeFile {
    /// Rows.
    pub rows: Vec<FileAttribute>,
    /// Columns that the attribute was taken from.
    pub taken: Vec<String>,
    /// Columns that were left out.
    pub left_out: Vec<String>,
}

/// Numbers in the precision that they came in.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Each is a FLOAT exactly.
    Single(Vec<f32>),
    /// One at least is none.
    Double(Vec<f64>),
}

impl Numbers {
    /// The narrower of the two that holds all of them.
    pub fn new(numbers: Vec<f64>) -> Self {
        if numbers.iter().all(|number| f64::from(*number as f32) == *number) {
            return Self::Single(numbers.into_iter().map(|number| number as f32).collect());
        }
        Self::Double(numbers)
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Single(numbers) => numbers.len(),
            Self::Double(numbers) => numbers.len(),
        }
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, as DOUBLE.
    pub fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        let (single, double) = match self {
            Self::Single(numbers) => (numbers.as_slice(), [].as_slice()),
            Self::Double(numbers) => ([].as_slice(), numbers.as_slice()),
        };
        single.iter().map(|number| f64::from(*number)).chain(double.iter().copied())
    }

    /// Those at these places.
    pub(super) fn pick(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Single(numbers) => Self::Single(places.filter_map(|at| numbers.get(at).copied()).collect()),
            Self::Double(numbers) => Self::Double(places.filter_map(|at| numbers.get(at).copied()).collect()),
        }
    }
}

/// Whole numbers of 64 bits as DOUBLE; `None` for one of more than 53 bits, which none holds.
pub(super) fn whole(number: i128) -> Option<f64> {
    let double = number as f64;
    (double as i128 == number).then_some(double)
}

/// Refusal of such a number.
pub(super) fn too_precise(number: impl std::fmt::Display, what: &str) -> Error {
    Error::user(format!("{what}: expected numbers of up to 53 bits, found `{number}`, which no DOUBLE holds"))
        .hint("subtract what all rows share, or write ranks instead")
}

/// Checks that a claimed shape is one that may be read; gives (rows, values a row).
pub(super) fn checked_shape(shape: &[usize], what: &str) -> Result<(usize, usize)> {
    let Some((&rows, rest)) = shape.split_first() else {
        return Err(Error::user(format!("{what}: expected an array of one row per trace, found a single number")));
    };
    let width = rest.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
    let values = width.and_then(|width| width.checked_mul(rows));
    match (width, values) {
        (Some(0), _) => Err(Error::user(format!("{what}: expected at least one value a trace, found shape {shape:?}"))),
        (Some(_), Some(0)) => Err(Error::user(format!("{what}: expected at least one trace, found shape {shape:?}"))),
        (Some(_), Some(_)) if rows as u64 > ROWS_MAX => {
            Err(Error::user(format!("{what}: expected at most {ROWS_MAX} traces, found shape {shape:?}"))
                .hint("the first axis is traces"))
        }
        (Some(width), Some(values)) if values as u64 <= VALUES_MAX => Ok((rows, width)),
        _ => Err(Error::user(format!("{what}: expected at most {VALUES_MAX} values, found shape {shape:?}"))
            .hint("import a summary (mean logits, log-probabilities a position), or fewer traces")),
    }
}

/// Refuses numbers that are not finite, with their place.
pub(super) fn require_finite(values: &Numbers, width: usize, what: &str) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::user(format!(
            "{what}: expected finite numbers, found `{}` in row {}, value {}",
            values.iter().nth(at).unwrap_or(f64::NAN),
            at / width.max(1),
            at % width.max(1)
        ))
        .hint("an attack cannot read it: leave the trace out of the file, or fix what wrote it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_ids_and_everything_else_is_a_capture() {
        assert_eq!(TraceName::parse(" 42 ").unwrap(), TraceName::Id(TraceId(42)));
        let capture = |name: &str, first_packet| TraceName::Capture { name: name.to_owned(), first_packet };
        assert_eq!(TraceName::parse("a.pcap").unwrap(), capture("a.pcap", None));
        assert_eq!(TraceName::parse("a.pcap#7").unwrap(), capture("a.pcap", Some(7)));
        assert_eq!(TraceName::parse("a#b.pcap").unwrap(), capture("a#b.pcap", None));
        let error = TraceName::parse("99999999999999999999").unwrap_err().to_string();
        assert!(error.contains("found `99999999999999999999`"), "{error}");
        assert!(TraceName::parse("").is_err());
    }

    #[test]
    fn hostile_shapes_are_refused_before_anything_is_multiplied() {
        assert_eq!(checked_shape(&[3, 2, 2], "x").unwrap(), (3, 4));
        for shape in [&[][..], &[0, 3], &[3, 0], &[usize::MAX, 2], &[1 << 30, 1 << 30], &[20_000_000, 1]] {
            assert!(checked_shape(shape, "x").is_err(), "{shape:?}");
        }
    }
}
