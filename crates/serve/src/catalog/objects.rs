//! The objects of a study in PostgreSQL's catalog: schemas, tables, views, columns and functions, each with an OID.
//! They do not change while the program runs.

use super::ddl::{CATALOG_SCHEMA, Declared, INFORMATION_SCHEMA};
use super::key::{Key, keys_of};
use super::relation::{Column, PUBLIC_SCHEMA, Relation};
use crate::encode::wire_type;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::Documentation;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use std::collections::{BTreeMap, HashMap};
use syntrace_query::{
    CATALOG, FUNCTIONS, NamedQuery, QUERIES_SCHEMA, TableInfo, named_queries, tables, tables_of_several, views,
};

/// A schema.
#[derive(Debug)]
pub(crate) struct Space {
    pub number: i32,
    pub name: String,
    pub comment: Option<String>,
}

/// First OID of the schemas of single studies.
const STUDY_SPACES: i32 = 13_100;

/// The schemas: those that each server has, and one of each of several studies. `pg_catalog` and `public` have the OIDs that
/// they have in PostgreSQL.
fn spaces(studies: &[String]) -> Vec<Space> {
    let of_public = match studies.is_empty() {
        true => "tables and views of the study",
        false => "tables and views of all studies, united: the column study says whose a row is",
    };
    let fixed = [
        (11, CATALOG_SCHEMA, Some("system catalog schema")),
        (2200, PUBLIC_SCHEMA, Some(of_public)),
        (13_000, INFORMATION_SCHEMA, None),
        (13_001, QUERIES_SCHEMA, Some("named queries with the defaults of their parameters")),
    ];
    let fixed = fixed.into_iter().map(|(number, name, comment)| Space {
        number,
        name: name.to_owned(),
        comment: comment.map(str::to_owned),
    });
    let own = studies.iter().zip(STUDY_SPACES..).map(|(study, number)| Space {
        number,
        name: study.clone(),
        comment: Some(format!("tables and views of the study {study} alone")),
    });
    fixed.chain(own).collect()
}

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

/// Functions that read and write values of types, by the OIDs that `pg_type` has: clients compare `typinput` with one of them, and
/// ADBC tells types apart by the name of `typreceive`.
const TYPE_FUNCTIONS: &[(&str, i32)] = &[
    ("array_in", 750),
    ("array_out", 751),
    ("array_recv", 2400),
    ("array_send", 2401),
    ("json_recv", 323),
    ("int2recv", 2404),
    ("int4recv", 2406),
    ("int8recv", 2408),
    ("int2vectorrecv", 2410),
    ("bytearecv", 2412),
    ("textrecv", 2414),
    ("oidrecv", 2418),
    ("oidvectorrecv", 2420),
    ("namerecv", 2422),
    ("float4recv", 2424),
    ("float8recv", 2426),
    ("bpcharrecv", 2430),
    ("varcharrecv", 2432),
    ("charrecv", 2434),
    ("boolrecv", 2436),
    ("tidrecv", 2438),
    ("xidrecv", 2440),
    ("cidrecv", 2442),
    ("regprocrecv", 2444),
    ("numeric_recv", 2460),
    ("date_recv", 2468),
    ("time_recv", 2470),
    ("timetz_recv", 2472),
    ("timestamp_recv", 2474),
    ("timestamptz_recv", 2476),
    ("interval_recv", 2478),
    ("uuid_recv", 2961),
    ("jsonb_recv", 3805),
];

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
    pub spaces: Vec<Space>,
    pub relations: Vec<Relation>,
    pub keys: Vec<Key>,
    pub functions: Vec<Function>,
    by_number: HashMap<i32, usize>,
}

impl Objects {
    /// Lists the objects of a context and the declared catalog tables. The names are those of several studies.
    pub async fn of(context: &SessionContext, declared: &[Declared], studies: &[String]) -> Result<Self> {
        let studies = if studies.len() > 1 { studies } else { &[] };
        let mut relations: Vec<Relation> = declared.iter().zip(CATALOG_NUMBERS..).map(catalog_relation).collect();
        let mut numbers = NUMBERS..;
        let of_all = if studies.is_empty() { tables() } else { tables_of_several() };
        relations.extend(study_relations(context, PUBLIC_SCHEMA, &of_all, &mut numbers).await?);
        relations.extend(study_relations(context, QUERIES_SCHEMA, &[], &mut numbers).await?);
        for study in studies {
            relations.extend(study_relations(context, study, &tables(), &mut numbers).await?);
        }
        let by_number = relations.iter().enumerate().map(|(at, relation)| (relation.number, at)).collect();
        let keys = keys_of(&relations);
        Ok(Self { spaces: spaces(studies), relations, keys, functions: functions(context), by_number })
    }

    /// The schema with an OID.
    pub fn space(&self, number: i64) -> Option<&Space> {
        self.spaces.iter().find(|space| i64::from(space.number) == number)
    }

    /// OID of a schema.
    pub fn space_number(&self, name: &str) -> Option<i32> {
        self.spaces.iter().find(|space| space.name == name).map(|space| space.number)
    }

    /// The table or view with an OID.
    pub fn relation(&self, number: i64) -> Option<&Relation> {
        self.relations.get(*self.by_number.get(&i32::try_from(number).ok()?)?)
    }

    /// The key with an OID.
    pub fn key(&self, number: i64) -> Option<&Key> {
        self.keys.iter().find(|key| i64::from(key.number) == number)
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
        space: table.schema.to_owned(),
        name: table.name.to_owned(),
        is_view: table.schema == INFORMATION_SCHEMA,
        comment: None,
        definition: None,
        columns: table.columns.iter().map(column).collect(),
    }
}

/// The tables and views of a schema; columns have the comments of `known`.
async fn study_relations(
    context: &SessionContext,
    space: &str,
    known: &[TableInfo],
    numbers: &mut impl Iterator<Item = i32>,
) -> Result<Vec<Relation>> {
    let Some(schema) = context.catalog(CATALOG).and_then(|catalog| catalog.schema(space)) else {
        return plan_err!("no schema `{space}`");
    };
    let (views, queries) = (views(), named_queries());
    let mut names = schema.table_names();
    names.sort_unstable();
    let mut relations = Vec::new();
    for name in names {
        let Some(provider) = schema.table(&name).await? else { continue };
        let table = known.iter().find(|table| table.name == name);
        let view = views.iter().find(|view| space != QUERIES_SCHEMA && view.name == name);
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
            space: space.to_owned(),
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
        TYPE_FUNCTIONS
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
