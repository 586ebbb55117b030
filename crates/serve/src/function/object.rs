//! Functions about tables, columns, types and functions: their names, comments and definitions.

use super::{Register, boolean, no_such, number_at, text_at, utf8};
use crate::catalog::objects::{Function, Objects};
use crate::catalog::relation::{PUBLIC_SCHEMA, Relation};
use crate::catalog::types::{shown, type_of, type_of_number};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use std::sync::Arc;

/// Types that `pg_get_function_result` names.
const ANY_TYPE: &str = "any";

pub(super) fn register(register: &Register<'_>, objects: &Arc<Objects>) {
    descriptions(register, objects);
    definitions(register, objects);
    visibility(register, objects);
    names(register, objects);
    let format_type = |values: &[ScalarValue]| {
        utf8(number_at(values, 0).map(|number| match (number, type_of_number(number)) {
            (0, _) => "-".to_owned(),
            (_, Some(kind)) => shown(&kind),
            (_, None) => "???".to_owned(),
        }))
    };
    register.add("format_type", 2..=2, DataType::Utf8, format_type);
}

fn descriptions(register: &Register<'_>, objects: &Arc<Objects>) {
    let known = Arc::clone(objects);
    let of_object = move |values: &[ScalarValue]| {
        let Some(number) = number_at(values, 0) else { return utf8(None) };
        let class = text_at(values, 1).unwrap_or_else(|| "pg_class".to_owned());
        let comment = match class.as_str() {
            "pg_class" => known.relation(number).and_then(|one| one.comment.clone()),
            "pg_proc" => known.function(number).and_then(|one| one.comment.clone()),
            "pg_namespace" => known.space(number).and_then(|space| space.comment.clone()),
            _ => None,
        };
        utf8(comment)
    };
    register.add("obj_description", 1..=2, DataType::Utf8, of_object);
    let known = Arc::clone(objects);
    let of_column = move |values: &[ScalarValue]| {
        let at = number_at(values, 1).and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
        let relation = number_at(values, 0).and_then(|number| known.relation(number));
        utf8(relation.zip(at).and_then(|(relation, at)| relation.columns.get(at)?.comment.clone()))
    };
    register.add("col_description", 2..=2, DataType::Utf8, of_column);
    let of_database = |values: &[ScalarValue]| {
        let is_study = number_at(values, 0) == Some(16_384);
        utf8(is_study.then(|| "a study of synthetic network traffic, read-only".to_owned()))
    };
    register.add("shobj_description", 2..=2, DataType::Utf8, of_database);
}

fn definitions(register: &Register<'_>, objects: &Arc<Objects>) {
    let known = Arc::clone(objects);
    let view = move |values: &[ScalarValue]| {
        let relation = match number_at(values, 0) {
            Some(number) => known.relation(number),
            None => text_at(values, 0).and_then(|name| relation(&known, &name).map(|(_, found)| found)),
        };
        utf8(relation.and_then(|relation| relation.definition.clone()))
    };
    register.add("pg_get_viewdef", 1..=2, DataType::Utf8, view);
    let known = Arc::clone(objects);
    let key = move |values: &[ScalarValue]| {
        utf8(number_at(values, 0).and_then(|number| known.key(number)).map(|key| key.definition.clone()))
    };
    register.add("pg_get_constraintdef", 1..=2, DataType::Utf8, key);
    // In a list of columns it gives no row to PostgreSQL; here NULL, which no table's number equals.
    register.constant("pg_partition_ancestors", 1..=1, ScalarValue::Int32(None));
    let of_function = |name: &'static str, text: fn(&Function) -> String| {
        let known = Arc::clone(objects);
        let body = move |values: &[ScalarValue]| {
            utf8(number_at(values, 0).and_then(|number| known.function(number)).map(text))
        };
        register.add(name, 1..=2, DataType::Utf8, body);
    };
    of_function("pg_get_function_result", |function| {
        if function.gives_rows { "SETOF record" } else { ANY_TYPE }.to_owned()
    });
    of_function("pg_get_function_arguments", |function| function.parameters.join(", "));
    of_function("pg_get_function_identity_arguments", |function| {
        let names = function.parameters.iter().map(|one| one.split(' ').next().unwrap_or_default());
        names.collect::<Vec<_>>().join(", ")
    });
    of_function("pg_get_functiondef", |function| {
        let head = format!("CREATE FUNCTION {}.{}({})", function.space, function.name, function.parameters.join(", "));
        match function.text {
            Some(text) => {
                format!("{head}\n RETURNS SETOF record\n LANGUAGE sql\nAS $query$\n{}\n$query$\n", text.trim())
            }
            None => format!("{head}\n LANGUAGE internal\n"),
        }
    });
}

fn visibility(register: &Register<'_>, objects: &Arc<Objects>) {
    let known = Arc::clone(objects);
    let table = move |values: &[ScalarValue]| {
        let relation = number_at(values, 0).and_then(|number| known.relation(number));
        boolean(relation.map(|one| [PUBLIC_SCHEMA, crate::catalog::ddl::CATALOG_SCHEMA].contains(&one.space.as_str())))
    };
    register.add("pg_table_is_visible", 1..=1, DataType::Boolean, table);
    let known = Arc::clone(objects);
    let publishable = move |values: &[ScalarValue]| {
        boolean(number_at(values, 0).and_then(|number| known.relation(number)).map(|one| !one.is_view))
    };
    register.add("pg_relation_is_publishable", 1..=1, DataType::Boolean, publishable);
    for name in [
        "pg_type_is_visible",
        "pg_function_is_visible",
        "pg_operator_is_visible",
        "pg_opclass_is_visible",
        "pg_opfamily_is_visible",
        "pg_collation_is_visible",
        "pg_conversion_is_visible",
        "pg_statistics_obj_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
    ] {
        register.constant(name, 1..=1, ScalarValue::Boolean(Some(true)));
    }
    register.constant("pg_relation_is_updatable", 2..=2, ScalarValue::Int32(Some(0)));
    register.constant("pg_column_is_updatable", 3..=3, ScalarValue::Boolean(Some(false)));
}

/// Conversions between names and OIDs.
fn names(register: &Register<'_>, objects: &Arc<Objects>) {
    for (kind, forgiving, strict, back) in [
        (Kind::Class, "to_regclass", "regclass_of", "regclass_name"),
        (Kind::Type, "to_regtype", "regtype_of", "regtype_name"),
        (Kind::Space, "to_regnamespace", "regnamespace_of", "regnamespace_name"),
        (Kind::Function, "to_regproc", "regproc_of", "regproc_name"),
        (Kind::Role, "to_regrole", "regrole_of", "regrole_name"),
    ] {
        let known = Arc::clone(objects);
        let body = move |values: &[ScalarValue]| {
            Ok(ScalarValue::Int32(text_at(values, 0).and_then(|name| kind.number(&known, &name))))
        };
        register.add(forgiving, 1..=1, DataType::Int32, body);
        let known = Arc::clone(objects);
        let body = move |values: &[ScalarValue]| {
            let Some(name) = text_at(values, 0) else { return Ok(ScalarValue::Int32(None)) };
            match kind.number(&known, &name) {
                Some(number) => Ok(ScalarValue::Int32(Some(number))),
                None => no_such(kind.word(), &name),
            }
        };
        register.add(strict, 1..=1, DataType::Int32, body);
        let known = Arc::clone(objects);
        let body = move |values: &[ScalarValue]| utf8(number_at(values, 0).map(|number| kind.name(&known, number)));
        register.add(back, 1..=1, DataType::Utf8, body);
    }
}

/// A kind of object with an OID alias type (`regclass` and so on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A table or view.
    Class,
    Type,
    /// A schema.
    Space,
    Function,
    Role,
}

impl Kind {
    /// The kind of a type name of PostgreSQL.
    pub fn of_type(name: &str) -> Option<Self> {
        match name {
            "regclass" => Some(Self::Class),
            "regtype" => Some(Self::Type),
            "regnamespace" => Some(Self::Space),
            "regproc" | "regprocedure" => Some(Self::Function),
            "regrole" => Some(Self::Role),
            _ => None,
        }
    }

    /// The function from a name to its OID, which fails for unknown names.
    pub fn number_function(self) -> &'static str {
        match self {
            Self::Class => "regclass_of",
            Self::Type => "regtype_of",
            Self::Space => "regnamespace_of",
            Self::Function => "regproc_of",
            Self::Role => "regrole_of",
        }
    }

    /// The function from an OID to its name.
    pub fn name_function(self) -> &'static str {
        match self {
            Self::Class => "regclass_name",
            Self::Type => "regtype_name",
            Self::Space => "regnamespace_name",
            Self::Function => "regproc_name",
            Self::Role => "regrole_name",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Class => "table or view",
            Self::Type => "type",
            Self::Space => "schema",
            Self::Function => "function",
            Self::Role => "role",
        }
    }

    fn number(self, objects: &Objects, name: &str) -> Option<i32> {
        // A number stands for itself.
        if let Ok(number) = name.trim().parse() {
            return Some(number);
        }
        match self {
            Self::Class => relation(objects, name).map(|(number, _)| number),
            Self::Type => type_of(name).map(|kind| kind.oid() as i32),
            Self::Space => {
                let name = parts(name).pop()?;
                objects.space_number(&name)
            }
            Self::Function => {
                let name = name.split('(').next().unwrap_or(name);
                objects.find_function(&parts(name).pop()?).map(|one| one.number)
            }
            Self::Role => (parts(name).pop()? == super::ROLE).then_some(10),
        }
    }

    fn name(self, objects: &Objects, number: i64) -> String {
        let found = match self {
            Self::Class => objects.relation(number).map(|relation| match relation.space.as_str() {
                "pg_catalog" | PUBLIC_SCHEMA => quoted(&relation.name),
                space => format!("{space}.{}", quoted(&relation.name)),
            }),
            Self::Type => type_of_number(number).map(|kind| shown(&kind)),
            Self::Space => objects.space(number).map(|space| space.name.clone()),
            Self::Function => objects.function(number).map(|function| function.name.clone()),
            Self::Role => (number == 10).then(|| super::ROLE.to_owned()),
        };
        found.unwrap_or_else(|| if number == 0 { "-".to_owned() } else { number.to_string() })
    }
}

fn quoted(name: &str) -> String {
    super::text::quote_identifier(name)
}

fn parts(name: &str) -> Vec<String> {
    super::text::identifiers(name).unwrap_or_default()
}

fn relation<'a>(objects: &'a Objects, name: &str) -> Option<(i32, &'a Relation)> {
    let parts = parts(name);
    let found = match parts.as_slice() {
        [name] => objects.find(None, name),
        [space, name] => objects.find(Some(space), name),
        [database, space, name] if database == syntrace_query::CATALOG => objects.find(Some(space), name),
        _ => None,
    }?;
    Some((found.number, found))
}
