//! The objects of a study in PostgreSQL's catalog: schemas, tables, views, columns and functions, each with an OID.
//! They do not change while the program runs.

use super::ddl::{CATALOG_SCHEMA, Declared, INFORMATION_SCHEMA};
use crate::encode::wire_type;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::Documentation;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use std::collections::{BTreeMap, HashMap};
use syntrace_query::{CATALOG, FUNCTIONS, NamedQuery, QUERIES_SCHEMA, named_queries, tables, views};

/// Schema of the tables and views.
pub(crate) const PUBLIC_SCHEMA: &str = "public";

/// A schema.
#[derive(Debug)]
pub(crate) struct Space {
    pub number: i32,
    pub name: &'static str,
    pub comment: Option<&'static str>,
}

/// The schemas. `pg_catalog` and `public` have the OIDs that they have in PostgreSQL.
pub(crate) const SPACES: &[Space] = &[
    Space { number: 11, name: CATALOG_SCHEMA, comment: Some("system catalog schema") },
    Space { number: 2200, name: PUBLIC_SCHEMA, comment: Some("tables and views of the study") },
    Space { number: 13_000, name: INFORMATION_SCHEMA, comment: None },
    Space {
        number: 13_001,
        name: QUERIES_SCHEMA,
        comment: Some("named queries with the defaults of their parameters"),
    },
];

/// Tables of PostgreSQL whose OIDs are hard-coded in clients.
const KNOWN: &[(&str, i32)] = &[
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_class", 1259),
    ("pg_authid", 1260),
    ("pg_database", 1262),
    ("pg_constraint", 2606),
    ("pg_namespace", 2615),
];

/// First OID of PostgreSQL's other catalog tables.
const CATALOG_NUMBERS: i32 = 14_000;

/// First OID of a study's objects; PostgreSQL's first OID of user objects.
const NUMBERS: i32 = 16_385;

/// First OID of functions.
const FUNCTION_NUMBERS: i32 = 30_000;

/// The functions that read and write values of array types: clients compare `pg_type.typinput` with one of them.
const ARRAY_FUNCTIONS: &[(&str, i32)] =
    &[("array_in", 750), ("array_out", 751), ("array_recv", 2400), ("array_send", 2401)];

/// A table or view.
#[derive(Debug)]
pub(crate) struct Relation {
    pub number: i32,
    pub space: &'static str,
    pub name: String,
    pub is_view: bool,
    pub comment: Option<String>,
    /// The query of a view.
    pub definition: Option<String>,
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub name: String,
    pub kind: Type,
    pub nullable: bool,
    pub comment: Option<String>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub number: i32,
    pub space: &'static str,
    pub name: String,
    /// As in `pg_proc.prokind`: `f`, `a` or `w`.
    pub kind: &'static str,
    /// Its parameters as people write them.
    pub parameters: Vec<String>,
    /// How many of them have a default.
    pub defaults: usize,
    pub gives_rows: bool,
    pub comment: Option<String>,
    /// Its definition, if it is written in SQL.
    pub text: Option<&'static str>,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Objects {
    pub relations: Vec<Relation>,
    pub functions: Vec<Function>,
    by_number: HashMap<i32, usize>,
}

/// OID of a schema.
pub(crate) fn space_number(name: &str) -> i32 {
    SPACES.iter().find(|space| space.name == name).map_or(0, |space| space.number)
}

impl Objects {
    /// Lists the objects of a context and the declared catalog tables.
    pub async fn of(context: &SessionContext, declared: &[Declared]) -> Result<Self> {
        let mut relations: Vec<Relation> = declared.iter().zip(CATALOG_NUMBERS..).map(catalog_relation).collect();
        let mut numbers = NUMBERS..;
        for space in [PUBLIC_SCHEMA, QUERIES_SCHEMA] {
            relations.extend(study_relations(context, space, &mut numbers).await?);
        }
        let by_number = relations.iter().enumerate().map(|(at, relation)| (relation.number, at)).collect();
        Ok(Self { relations, functions: functions(context), by_number })
    }

    /// The table or view with an OID.
    pub fn relation(&self, number: i64) -> Option<&Relation> {
        self.relations.get(*self.by_number.get(&i32::try_from(number).ok()?)?)
    }

    /// The function with an OID.
    pub fn function(&self, number: i64) -> Option<&Function> {
        self.functions.iter().find(|function| i64::from(function.number) == number)
    }

    /// The table or view of a name, looked up in the search path where it names no schema.
    pub fn find(&self, space: Option<&str>, name: &str) -> Option<&Relation> {
        let among = |wanted: &str| self.relations.iter().find(|one| one.space == wanted && one.name == name);
        match space {
            Some(space) => among(space),
            None => among(CATALOG_SCHEMA).or_else(|| among(PUBLIC_SCHEMA)),
        }
    }

    /// The function of a name.
    pub fn find_function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

fn catalog_relation((table, next): (&Declared, i32)) -> Relation {
    let number = KNOWN.iter().find(|(name, _)| *name == table.name).map_or(next, |(_, number)| *number);
    let column = |(name, kind): &(&str, Type)| Column {
        name: (*name).to_owned(),
        kind: kind.clone(),
        nullable: true,
        comment: None,
    };
    Relation {
        number,
        space: table.schema,
        name: table.name.to_owned(),
        is_view: table.schema == INFORMATION_SCHEMA,
        comment: None,
        definition: None,
        columns: table.columns.iter().map(column).collect(),
    }
}

async fn study_relations(
    context: &SessionContext,
    space: &'static str,
    numbers: &mut impl Iterator<Item = i32>,
) -> Result<Vec<Relation>> {
    let Some(schema) = context.catalog(CATALOG).and_then(|catalog| catalog.schema(space)) else {
        return plan_err!("no schema `{space}`");
    };
    let (tables, views, queries) = (tables(), views(), named_queries());
    let mut names = schema.table_names();
    names.sort_unstable();
    let mut relations = Vec::new();
    for name in names {
        let Some(provider) = schema.table(&name).await? else { continue };
        let table = tables.iter().find(|table| space == PUBLIC_SCHEMA && table.name == name);
        let view = views.iter().find(|view| space == PUBLIC_SCHEMA && view.name == name);
        let query = queries.iter().find(|query| space == QUERIES_SCHEMA && query.name == name);
        let doc = |column: &str| {
            let column = table?.columns.iter().find(|one| one.name == column)?;
            Some(column.doc.to_owned())
        };
        let column = |field: &arrow::datatypes::FieldRef| Column {
            name: field.name().clone(),
            kind: wire_type(field).map_or(Type::JSON, |(_, kind)| kind),
            nullable: field.is_nullable(),
            comment: doc(field.name()),
        };
        relations.push(Relation {
            number: numbers.next().unwrap_or_default(),
            space,
            is_view: table.is_none(),
            comment: table
                .map(|table| table.doc.to_owned())
                .or_else(|| view.map(|view| view.doc.to_owned()))
                .or_else(|| query.map(|query| query.question.clone())),
            definition: view.map(|view| body(view.sql)).or_else(|| query.map(|query| body(query.sql))),
            columns: provider.schema().fields().iter().map(column).collect(),
            name,
        });
    }
    Ok(relations)
}

/// The query of a view's text: what comes after the comments and `CREATE VIEW name AS`.
fn body(sql: &str) -> String {
    let start = sql.lines().take_while(|line| line.starts_with("--")).map(|line| line.len() + 1).sum();
    let text = sql.get(start..).unwrap_or(sql).trim().trim_end_matches(';').trim_end();
    let query =
        text.strip_prefix("CREATE VIEW ").and_then(|rest| rest.split_once(" AS")).map_or(text, |(_, query)| query);
    format!("{};", query.trim())
}

fn functions(context: &SessionContext) -> Vec<Function> {
    let state = context.state();
    let mut found: BTreeMap<String, (&'static str, Option<String>)> = BTreeMap::new();
    let described = |documentation: Option<&Documentation>| documentation.map(|one| one.description.clone());
    for (name, function) in state.scalar_functions() {
        found.insert(name.clone(), ("f", described(function.documentation())));
    }
    for (name, function) in state.window_functions() {
        found.insert(name.clone(), ("w", described(function.documentation())));
    }
    for (name, function) in state.aggregate_functions() {
        found.insert(name.clone(), ("a", described(function.documentation())));
    }
    let plain = |(name, (kind, comment)): (String, (&'static str, Option<String>))| Function {
        number: 0,
        space: if FUNCTIONS.contains(&name.as_str()) { PUBLIC_SCHEMA } else { CATALOG_SCHEMA },
        name,
        kind,
        parameters: Vec::new(),
        defaults: 0,
        gives_rows: false,
        comment,
        text: None,
    };
    let mut functions: Vec<Function> = found.into_iter().map(plain).collect();
    functions.extend(named_queries().iter().map(query_function));
    for (function, number) in functions.iter_mut().zip(FUNCTION_NUMBERS..) {
        function.number = number;
    }
    functions.extend(
        ARRAY_FUNCTIONS
            .iter()
            .map(|(name, number)| Function { number: *number, ..plain(((*name).to_owned(), ("f", None))) }),
    );
    functions
}

fn query_function(query: &NamedQuery) -> Function {
    let parameter = |one: &syntrace_query::Parameter| {
        let default = match &one.default {
            ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
            other if other.is_null() => "NULL".to_owned(),
            other => other.to_string(),
        };
        format!("{} DEFAULT {default}", one.name)
    };
    Function {
        number: 0,
        space: PUBLIC_SCHEMA,
        name: query.name.to_owned(),
        kind: "f",
        parameters: query.parameters.iter().map(parameter).collect(),
        defaults: query.parameters.len(),
        gives_rows: true,
        comment: Some(query.question.clone()),
        text: Some(query.sql),
    }
}
