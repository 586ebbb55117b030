//! PostgreSQL's types: those of the catalog's columns, and their descriptions for clients.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use arrow_pg::datatypes::{PG_CHAR_KEY, PG_OID_ALIAS_KEY};
use pgwire::api::Type;
use std::collections::HashMap;

/// Names of types that are written in more than one way: as declared, and as `pg_type` has them.
const SYNONYMS: &[(&str, &str)] = &[
    ("\"char\"", "char"),
    ("boolean", "bool"),
    ("smallint", "int2"),
    ("integer", "int4"),
    ("int", "int4"),
    ("bigint", "int8"),
    ("real", "float4"),
    ("double precision", "float8"),
    ("float", "float8"),
    ("decimal", "numeric"),
    ("character varying", "varchar"),
    ("character", "bpchar"),
    ("string", "text"),
    ("time without time zone", "time"),
    ("timestamp without time zone", "timestamp"),
    ("timestamp with time zone", "timestamptz"),
];

/// Types by their names. Others of PostgreSQL are unknown here.
const TYPES: &[Type] = &[
    Type::BOOL,
    Type::BYTEA,
    Type::CHAR,
    Type::NAME,
    Type::INT8,
    Type::INT2,
    Type::INT2_VECTOR,
    Type::INT4,
    Type::REGPROC,
    Type::TEXT,
    Type::OID,
    Type::TID,
    Type::XID,
    Type::CID,
    Type::OID_VECTOR,
    Type::JSON,
    Type::JSONB,
    Type::PG_NODE_TREE,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::INET,
    Type::CIDR,
    Type::MACADDR,
    Type::ACLITEM,
    Type::BPCHAR,
    Type::VARCHAR,
    Type::DATE,
    Type::TIME,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::INTERVAL,
    Type::TIMETZ,
    Type::BIT,
    Type::VARBIT,
    Type::NUMERIC,
    Type::REGPROCEDURE,
    Type::REGOPER,
    Type::REGOPERATOR,
    Type::REGCLASS,
    Type::REGTYPE,
    Type::REGNAMESPACE,
    Type::REGROLE,
    Type::UUID,
    Type::PG_LSN,
    Type::RECORD,
    Type::VOID,
    Type::TRIGGER,
    Type::UNKNOWN,
];

/// The type of a name, as declared (`"char"`, `double precision`, `text[]`) or as in `pg_type` (`_text`), with or
/// without `pg_catalog.` before it.
pub(crate) fn type_of(name: &str) -> Option<Type> {
    let name = name.trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if let Some(item) = name.strip_suffix("[]").or_else(|| name.strip_prefix('_')) {
        return array_of(&type_of(item)?);
    }
    let lower = name.to_ascii_lowercase();
    let bare = lower.split_once('(').map_or(lower.as_str(), |(bare, _)| bare.trim());
    let known = SYNONYMS.iter().find(|(known, _)| *known == bare).map_or(bare, |(_, name)| *name);
    TYPES.iter().find(|kind| kind.name() == known).cloned()
}

/// The array type of an item type.
fn array_of(item: &Type) -> Option<Type> {
    // The OIDs of array types are below 6,000.
    let name = format!("_{}", item.name());
    (1..6000).filter_map(Type::from_oid).find(|kind| kind.name() == name)
}

/// True for OID types (`oid`, `regclass`, ...).
pub(crate) fn is_object_number(kind: &Type) -> bool {
    matches!(kind.name(), "oid" | "xid" | "cid") || kind.name().starts_with("reg")
}

/// The Arrow type that holds values of a type. Types without a corresponding one are text.
pub(crate) fn arrow_type(kind: &Type) -> DataType {
    if let Some(item) = item_of(kind) {
        return DataType::new_list(arrow_type(&item), true);
    }
    match *kind {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::INT2_VECTOR => DataType::new_list(DataType::Int16, true),
        Type::OID_VECTOR => DataType::new_list(DataType::Int32, true),
        ref other if is_object_number(other) => DataType::Int32,
        _ => DataType::Utf8,
    }
}

/// A column of the catalog, with metadata if its Arrow type does not determine its PostgreSQL type.
pub(crate) fn field(name: &str, kind: &Type) -> Field {
    marked(Field::new(name, arrow_type(kind), true), kind)
}

/// A field with the metadata by which the encoder recognises `oid` and `"char"`.
pub(crate) fn marked(field: Field, kind: &Type) -> Field {
    let mark = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
    match field.data_type() {
        DataType::Int32 if is_object_number(kind) => field.with_metadata(mark(PG_OID_ALIAS_KEY, "oid")),
        DataType::Utf8 if *kind == Type::CHAR => field.with_metadata(mark(PG_CHAR_KEY, "char")),
        _ => field,
    }
}

/// The SQL name of a type: PostgreSQL's `format_type` without a modifier.
pub(crate) fn shown(kind: &Type) -> String {
    if let Some(item) = item_of(kind) {
        return format!("{}[]", shown(&item));
    }
    let long = match *kind {
        Type::BOOL => "boolean",
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::CHAR => "\"char\"",
        Type::BPCHAR => "character",
        Type::VARCHAR => "character varying",
        Type::TIME => "time without time zone",
        Type::TIMETZ => "time with time zone",
        Type::TIMESTAMP => "timestamp without time zone",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::VARBIT => "bit varying",
        ref other => other.name(),
    };
    long.to_owned()
}

/// The type with an OID in `pg_type`.
pub(crate) fn type_of_number(number: i64) -> Option<Type> {
    Type::from_oid(u32::try_from(number).ok()?)
}

/// The item type of an array type.
pub(crate) fn item_of(kind: &Type) -> Option<Type> {
    let name = kind.name().strip_prefix('_')?;
    TYPES.iter().find(|kind| kind.name() == name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_each_of_their_names() {
        for (name, kind, long) in [
            ("int4", Type::INT4, "integer"),
            ("pg_catalog.INT2", Type::INT2, "smallint"),
            ("double precision", Type::FLOAT8, "double precision"),
            ("\"char\"", Type::CHAR, "\"char\""),
            ("name[]", Type::NAME_ARRAY, "name[]"),
            ("_float4", Type::FLOAT4_ARRAY, "real[]"),
            ("varchar(20)", Type::VARCHAR, "character varying"),
            ("timestamptz", Type::TIMESTAMPTZ, "timestamp with time zone"),
        ] {
            let found = type_of(name).unwrap_or_else(|| panic!("{name} is unknown"));
            assert_eq!((&found, shown(&found).as_str()), (&kind, long), "{name}");
        }
        assert_eq!(type_of("hstore"), None);
    }
}
