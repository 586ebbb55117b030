//! Values that clients bind to parameters: from PostgreSQL's text or binary format to the types that a plan expects.

use crate::catalog::types::{arrow_type, is_object_number, item_of};
use crate::error::refused;
use crate::rewrite::array_items;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, UnaryOperator, Value};
use pgwire::api::Type;
use pgwire::api::portal::Portal;
use pgwire::error::{PgWireError, PgWireResult};

/// Microseconds from 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Days from 1970 to 2000.
const EPOCH_DAYS: i32 = 10_957;

/// The values of a portal, converted for the plan's parameters: each has a type in the plan, if known, and one that
/// clients are told to send.
pub(super) fn values<S: Clone>(
    portal: &Portal<S>,
    wanted: &[(Option<DataType>, Type)],
) -> PgWireResult<Vec<ScalarValue>> {
    let one = |(at, (planned, asked)): (usize, &(Option<DataType>, Type))| {
        let given = portal.statement.parameter_types.get(at).cloned().flatten();
        let kind = given.filter(|kind| *kind != Type::UNKNOWN).unwrap_or_else(|| asked.clone());
        let bytes = portal.parameters.get(at).and_then(Option::as_deref);
        let failed = |error: PgWireError| match error {
            PgWireError::UserError(mut info) => {
                info.message = format!("parameter ${}: {}", at + 1, info.message);
                PgWireError::UserError(info)
            }
            other => other,
        };
        value(bytes, portal.parameter_format.is_binary(at), &kind, planned.as_ref()).map_err(failed)
    };
    wanted.iter().enumerate().map(one).collect()
}

/// The values that `EXECUTE name (...)` writes, each a literal.
pub(super) fn written(expressions: &[Expr], wanted: &[(Option<DataType>, Type)]) -> PgWireResult<Vec<ScalarValue>> {
    if expressions.len() != wanted.len() {
        let message = format!("expected {} values for parameters, found {}", wanted.len(), expressions.len());
        return Err(refused("42601", &message, None));
    }
    let one = |(expression, (planned, asked)): (&Expr, &(Option<DataType>, Type))| {
        let text = literal(expression)?;
        // Without a type for the parameter, a numeric literal stays a number.
        let is_open = *asked == Type::UNKNOWN && planned.is_none();
        let is_number = matches!(expression, Expr::Value(value) if matches!(value.value, Value::Number(..)));
        let kind = match text.as_deref().map(str::parse::<i64>) {
            Some(Ok(_)) if is_open && is_number => Type::INT8,
            Some(Err(_)) if is_open && is_number => Type::FLOAT8,
            _ => asked.clone(),
        };
        value(text.as_ref().map(String::as_bytes), false, &kind, planned.as_ref())
    };
    expressions.iter().zip(wanted).map(one).collect()
}

/// The text of a literal, `None` for NULL.
fn literal(expression: &Expr) -> PgWireResult<Option<String>> {
    match expression {
        Expr::Value(value) => Ok(match &value.value {
            Value::Null => None,
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Ok(literal(expr)?.map(|text| format!("-{text}"))),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => literal(inner),
        other => Err(refused("0A000", &format!("EXECUTE takes plain values here, found `{other}`"), None)),
    }
}

/// One value of a type of PostgreSQL, in the type that the plan has for it.
fn value(bytes: Option<&[u8]>, is_binary: bool, kind: &Type, planned: Option<&DataType>) -> PgWireResult<ScalarValue> {
    let of_kind = arrow_type(kind);
    let Some(bytes) = bytes else {
        let kind = planned.unwrap_or(&of_kind);
        return ScalarValue::try_from(kind).map_err(|error| malformed(&error.to_string()));
    };
    let read = if is_binary { from_binary(bytes, kind)? } else { from_text(utf8(bytes)?, kind, planned)? };
    match planned {
        Some(planned) if *planned != read.data_type() => converted(&read, planned),
        _ => Ok(read),
    }
}

fn malformed(why: &str) -> PgWireError {
    refused("22P03", why, None)
}

fn utf8(bytes: &[u8]) -> PgWireResult<&str> {
    std::str::from_utf8(bytes).map_err(|_| refused("22021", "expected text in UTF-8", None))
}

/// A value in another type, without loss: 1.5 is no whole number.
fn converted(value: &ScalarValue, kind: &DataType) -> PgWireResult<ScalarValue> {
    let refusal = || refused("22P02", &format!("expected a value of type {kind}, found {value}"), None);
    let fraction = match value {
        ScalarValue::Float64(Some(number)) => number.fract() != 0.0,
        ScalarValue::Float32(Some(number)) => number.fract() != 0.0,
        ScalarValue::Decimal128(Some(digits), _, scale) => {
            10_i128.checked_pow(u32::try_from(*scale).unwrap_or(0)).is_some_and(|unit| digits % unit != 0)
        }
        _ => false,
    };
    if kind.is_integer() && fraction {
        return Err(refusal());
    }
    let made = value.cast_to(kind).map_err(|_| refusal())?;
    if made.is_null() && !value.is_null() {
        return Err(refusal());
    }
    Ok(made)
}

fn from_text(text: &str, kind: &Type, planned: Option<&DataType>) -> PgWireResult<ScalarValue> {
    let plain = ScalarValue::Utf8(Some(text.to_owned()));
    let refusal = || refused("22P02", &format!("expected a value of type {}, found `{text}`", kind.name()), None);
    let list = item_of(kind).map(|item| (arrow_type(&item), item));
    // A text of no type that the plan compares with an array.
    let list = list.or_else(|| match planned {
        Some(DataType::List(item)) if *kind == Type::UNKNOWN => Some((item.data_type().clone(), Type::UNKNOWN)),
        _ => None,
    });
    if let Some((of_item, item)) = list {
        let items = array_items(text).ok_or_else(refusal)?.into_iter().map(|one| match one {
            Some(text) => converted(&from_text(&text, &item, Some(&of_item))?, &of_item),
            None => ScalarValue::try_from(&of_item).map_err(|_| refusal()),
        });
        return Ok(array(&items.collect::<PgWireResult<Vec<_>>>()?, &of_item));
    }
    match *kind {
        Type::BOOL => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Ok(ScalarValue::Boolean(Some(true))),
            "f" | "false" | "n" | "no" | "off" | "0" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(refusal()),
        },
        Type::BYTEA => bytes_of(text).map(|bytes| ScalarValue::Binary(Some(bytes))).ok_or_else(refusal),
        // Into the type that the plan has, so that no digit is lost on the way.
        Type::NUMERIC => Ok(match planned {
            Some(_) => plain,
            None => decimal(text).ok_or_else(refusal)?,
        }),
        Type::UNKNOWN => Ok(plain),
        // A time zone after a date, as JDBC writes it, means nothing.
        Type::DATE => {
            let day = text.split_whitespace().next().unwrap_or_default();
            converted(&ScalarValue::Utf8(Some(day.to_owned())), &DataType::Date32).map_err(|_| refusal())
        }
        _ => converted(&plain, &arrow_type(kind)),
    }
}

/// Bytes as PostgreSQL writes them, `\x00ff` or with escapes.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits = digits.as_bytes();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        return (digits.len() % 2 == 0).then(|| digits.chunks(2).map(pair).collect()).flatten();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                after
            }
            (b'\\', [a, b, c, after @ ..]) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&[*a, *b, *c]).ok()?, 8).ok()?);
                after
            }
            (b'\\', _) => return None,
            (other, after) => {
                bytes.push(*other);
                after
            }
        };
    }
    Some(bytes)
}

/// A decimal of as many digits as its text has; one that is not finite is a float.
fn decimal(text: &str) -> Option<ScalarValue> {
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let plain = text.trim();
    let unsigned = plain.trim_start_matches(['+', '-']);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if digits(whole) && digits(part) && !unsigned.is_empty() && whole.len() + part.len() <= 38 {
        let number: i128 = format!("{whole}{part}").parse().ok()?;
        let number = if plain.starts_with('-') { -number } else { number };
        return Some(ScalarValue::Decimal128(Some(number), 38, i8::try_from(part.len()).ok()?));
    }
    plain.parse().ok().map(|number| ScalarValue::Float64(Some(number)))
}

fn array(items: &[ScalarValue], kind: &DataType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(items, kind))
}

/// Reads bytes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> PgWireResult<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count).ok_or_else(|| malformed("the value is cut off"))?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> PgWireResult<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.bytes(N)?);
        Ok(bytes)
    }

    fn i16(&mut self) -> PgWireResult<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> PgWireResult<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> PgWireResult<i64> {
        self.array().map(i64::from_be_bytes)
    }
}

fn from_binary(bytes: &[u8], kind: &Type) -> PgWireResult<ScalarValue> {
    let mut reader = Reader(bytes);
    if let Some(item) = item_of(kind) {
        return list_from_binary(&mut reader, &item);
    }
    let late = || refused("22008", "the time is out of range", None);
    let value = match *kind {
        Type::BOOL => ScalarValue::Boolean(Some(reader.array::<1>()? != [0])),
        Type::INT2 => ScalarValue::Int16(Some(reader.i16()?)),
        Type::INT4 => ScalarValue::Int32(Some(reader.i32()?)),
        Type::INT8 => ScalarValue::Int64(Some(reader.i64()?)),
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(reader.array()?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(reader.array()?))),
        Type::NUMERIC => numeric(&mut reader)?,
        Type::BYTEA => ScalarValue::Binary(Some(reader.bytes(bytes.len())?.to_vec())),
        Type::DATE => ScalarValue::Date32(Some(reader.i32()?.checked_add(EPOCH_DAYS).ok_or_else(late)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(reader.i64()?)),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            let micros = reader.i64()?.checked_add(EPOCH_MICROS).ok_or_else(late)?;
            ScalarValue::TimestampMicrosecond(Some(micros), (*kind == Type::TIMESTAMPTZ).then(|| "UTC".into()))
        }
        Type::INTERVAL => {
            let nanos = reader.i64()?.checked_mul(1_000).ok_or_else(late)?;
            let (days, months) = (reader.i32()?, reader.i32()?);
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds: nanos }))
        }
        Type::JSONB => {
            reader.bytes(1)?;
            let rest = reader.0.len();
            ScalarValue::Utf8(Some(utf8(reader.bytes(rest)?)?.to_owned()))
        }
        Type::UUID => {
            let digits: String = reader.array::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            ScalarValue::Utf8(Some(parts.join("-")))
        }
        ref other if is_object_number(other) => ScalarValue::Int32(Some(reader.i32()?)),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::JSON | Type::UNKNOWN => {
            ScalarValue::Utf8(Some(utf8(reader.bytes(bytes.len())?)?.to_owned()))
        }
        ref other => {
            let message = format!("values of type {} are taken as text only", other.name());
            return Err(refused("0A000", &message, None));
        }
    };
    if reader.0.is_empty() { Ok(value) } else { Err(malformed("the value is too long")) }
}

fn list_from_binary(reader: &mut Reader<'_>, item: &Type) -> PgWireResult<ScalarValue> {
    let of_item = arrow_type(item);
    let (dimensions, _, _) = (reader.i32()?, reader.i32()?, reader.i32()?);
    match dimensions {
        0 => return Ok(array(&[], &of_item)),
        1 => {}
        more => return Err(refused("0A000", &format!("arrays here have one dimension, found {more}"), None)),
    }
    let (count, _) = (reader.i32()?, reader.i32()?);
    let mut items = Vec::new();
    for _ in 0..count {
        let length = reader.i32()?;
        let bytes = usize::try_from(length).ok().map(|length| reader.bytes(length)).transpose()?;
        items.push(value(bytes, true, item, Some(&of_item))?);
    }
    Ok(array(&items, &of_item))
}

/// A number in digits of base 10,000.
fn numeric(reader: &mut Reader<'_>) -> PgWireResult<ScalarValue> {
    let (count, weight, sign, scale) = (reader.i16()?, reader.i16()?, reader.i16()? as u16, reader.i16()?);
    match sign {
        0xC000 => return Ok(ScalarValue::Float64(Some(f64::NAN))),
        0xD000 => return Ok(ScalarValue::Float64(Some(f64::INFINITY))),
        0xF000 => return Ok(ScalarValue::Float64(Some(f64::NEG_INFINITY))),
        _ => {}
    }
    let mut digits = Vec::new();
    for _ in 0..count {
        digits.push(reader.i16()?);
    }
    let group = |at: i32| {
        let at = usize::try_from(i32::from(weight) - at).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
    };
    let whole: String = (0..=i32::from(weight)).rev().map(|at| format!("{:04}", group(at))).collect();
    let scale = usize::try_from(scale).unwrap_or(0);
    let groups = i32::try_from(scale.div_ceil(4)).unwrap_or(0);
    let part: String = (1..=groups).map(|at| format!("{:04}", group(-at))).collect();
    let whole = whole.trim_start_matches('0');
    let text = format!(
        "{}{}.{}",
        if sign == 0x4000 { "-" } else { "" },
        if whole.is_empty() { "0" } else { whole },
        part.get(..scale).unwrap_or(&part)
    );
    decimal(text.trim_end_matches('.')).ok_or_else(|| malformed("expected a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, kind: Type, planned: Option<DataType>) -> PgWireResult<ScalarValue> {
        value(Some(text.as_bytes()), false, &kind, planned.as_ref())
    }

    #[test]
    fn texts_are_read_as_their_types_and_into_those_of_the_plan() {
        assert_eq!(text("7", Type::UNKNOWN, Some(DataType::Int64)).unwrap(), ScalarValue::Int64(Some(7)));
        assert_eq!(text("{x}", Type::TEXT, Some(DataType::Utf8)).unwrap(), ScalarValue::from("{x}"));
        assert_eq!(text("off", Type::BOOL, None).unwrap(), ScalarValue::Boolean(Some(false)));
        assert_eq!(text("\\x00ff", Type::BYTEA, None).unwrap(), ScalarValue::Binary(Some(vec![0, 255])));
        assert_eq!(text("a\\\\\\001", Type::BYTEA, None).unwrap(), ScalarValue::Binary(Some(vec![b'a', b'\\', 1])));
        assert_eq!(text("1.50", Type::NUMERIC, None).unwrap(), ScalarValue::Decimal128(Some(150), 38, 2));
        assert_eq!(text("1.5", Type::NUMERIC, Some(DataType::Float64)).unwrap(), ScalarValue::Float64(Some(1.5)));
        assert_eq!(text("2000-01-02 +00", Type::DATE, None).unwrap(), ScalarValue::Date32(Some(EPOCH_DAYS + 1)));
        let list = text("{1,NULL}", Type::INT8_ARRAY, None).unwrap();
        let items = [ScalarValue::Int64(Some(1)), ScalarValue::Int64(None)];
        assert_eq!(list, array(&items, &DataType::Int64));
        for (wrong, kind, planned) in [
            ("x", Type::INT4, None),
            ("1.5", Type::FLOAT8, Some(DataType::Int64)),
            ("300", Type::INT4, Some(DataType::Int8)),
            ("{1", Type::INT8_ARRAY, None),
            ("\\x0", Type::BYTEA, None),
        ] {
            assert!(text(wrong, kind, planned).is_err(), "{wrong}");
        }
    }

    #[test]
    fn null_of_any_type_is_null_in_the_plans_type() {
        assert_eq!(value(None, false, &Type::UNKNOWN, Some(&DataType::Int64)).unwrap(), ScalarValue::Int64(None));
        assert_eq!(value(None, true, &Type::UNKNOWN, None).unwrap(), ScalarValue::Utf8(None));
    }

    #[test]
    fn binary_values_are_read_and_malformed_ones_refused() {
        let read = |bytes: &[u8], kind: Type| value(Some(bytes), true, &kind, None);
        assert_eq!(read(&[0, 0, 0, 7], Type::OID).unwrap(), ScalarValue::Int32(Some(7)));
        assert_eq!(
            read(&[0, 0, 0, 0, 0, 0, 0, 1], Type::TIMESTAMP).unwrap(),
            ScalarValue::TimestampMicrosecond(Some(EPOCH_MICROS + 1), None)
        );
        // -12345.6700, as PostgreSQL sends it.
        let number = [0, 3, 0, 1, 0x40, 0, 0, 4, 0, 1, 0x09, 0x29, 0x1A, 0x2C];
        assert_eq!(read(&number, Type::NUMERIC).unwrap(), ScalarValue::Decimal128(Some(-123_456_700), 38, 4));
        let small = [0, 1, 0xFF, 0xFF, 0, 0, 0, 2, 0x13, 0x88];
        assert_eq!(read(&small, Type::NUMERIC).unwrap(), ScalarValue::Decimal128(Some(50), 38, 2));
        let list =
            [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5, 255, 255, 255, 255];
        let items = [ScalarValue::Int32(Some(5)), ScalarValue::Int32(None)];
        assert_eq!(read(&list, Type::INT4_ARRAY).unwrap(), array(&items, &DataType::Int32));
        for (bytes, kind) in
            [(&[0, 0][..], Type::INT4), (&[0; 5], Type::INT4), (&list[..20], Type::INT4_ARRAY), (&[0xFF], Type::TEXT)]
        {
            assert!(read(bytes, kind.clone()).is_err(), "{kind}: {bytes:?}");
        }
    }
}
