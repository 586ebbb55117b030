//! Keys of the study's tables, as PostgreSQL's catalog has them.

use super::relation::{PUBLIC_SCHEMA, Relation};
use syntrace_query::keys;

/// First OID of keys.
const KEY_NUMBERS: i32 = 40_000;

/// A primary or a foreign key.
#[derive(Debug)]
pub(crate) struct Key {
    pub number: i32,
    pub name: String,
    /// The schema of its table.
    pub space: String,
    pub table: Side,
    /// Where a foreign key leads.
    pub target: Option<Target>,
    /// As `pg_get_constraintdef` writes it.
    pub definition: String,
}

/// Columns of a table.
#[derive(Debug)]
pub(crate) struct Side {
    /// OID of the table.
    pub number: i32,
    pub name: String,
    pub columns: Vec<String>,
    /// Numbers of the columns, from 1.
    pub places: Vec<i16>,
}

/// What a foreign key refers to.
#[derive(Debug)]
pub(crate) struct Target {
    pub side: Side,
    /// Name of the primary key there.
    pub key: String,
}

/// The keys of the tables of all schemas. Where a table has the rows of several studies, the study is a part of each.
pub(super) fn keys_of(relations: &[Relation]) -> Vec<Key> {
    let tables = relations.iter().filter(|relation| !relation.is_view);
    let mut found = Vec::new();
    let declared = keys();
    for table in tables {
        for key in declared.iter().filter(|key| key.table == table.name) {
            let target = key.refers_to.and_then(|name| {
                let target = relations.iter().find(|one| one.space == table.space && one.name == name)?;
                Some(Target { side: side(target, key.columns), key: format!("{name}_pkey") })
            });
            if key.refers_to.is_some() != target.is_some() {
                continue;
            }
            let own = side(table, key.columns);
            let name = match target {
                Some(_) => format!("{}_{}_fkey", table.name, key.columns.join("_")),
                None => format!("{}_pkey", table.name),
            };
            let definition = definition(&own, target.as_ref(), &table.space);
            found.push(Key { number: 0, name, space: table.space.clone(), table: own, target, definition });
        }
    }
    for (key, number) in found.iter_mut().zip(KEY_NUMBERS..) {
        key.number = number;
    }
    found
}

fn side(table: &Relation, columns: &[&str]) -> Side {
    let is_part = |name: &str| columns.contains(&name) || name == "study";
    let parts = table.columns.iter().zip(1..).filter(|(column, _)| is_part(&column.name));
    let (columns, places) = parts.map(|(column, place)| (column.name.clone(), place)).unzip();
    Side { number: table.number, name: table.name.clone(), columns, places }
}

fn definition(own: &Side, target: Option<&Target>, space: &str) -> String {
    let columns = own.columns.join(", ");
    let Some(Target { side, .. }) = target else { return format!("PRIMARY KEY ({columns})") };
    let space = if space == PUBLIC_SCHEMA { String::new() } else { format!("{space}.") };
    format!("FOREIGN KEY ({columns}) REFERENCES {space}{}({})", side.name, side.columns.join(", "))
}
