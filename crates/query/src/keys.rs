//! Keys of the tables: which columns tell rows apart, and which lead to rows of another table. Ids are hashes of what they depend
//! on, so nothing has to enforce them; servers tell them to tools that draw tables.

use crate::catalog::tables;

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table.
    pub table: &'static str,
    /// Its columns that make the key.
    pub columns: &'static [&'static str],
    /// The table whose primary key they are; `None` for the table's own.
    pub refers_to: Option<&'static str>,
}

/// Tables with the columns that tell their rows apart.
const PRIMARY: &[(&str, &[&str])] = &[
    ("captures", &["capture_id"]),
    ("classes", &["class_id"]),
    ("models", &["model_id"]),
    ("attacks", &["attack_id"]),
    ("plans", &["plan_id"]),
    ("jobs", &["job_id"]),
    ("lineage", &["model_id", "number"]),
    ("privacy_ledger", &["model_id", "event"]),
    ("epochs", &["model_id", "epoch"]),
];

/// All keys of one study: primary ones, and each column that is the primary key of another table.
pub fn keys() -> Vec<Key> {
    let primary = PRIMARY.iter().map(|(table, columns)| Key { table, columns, refers_to: None });
    let mut keys: Vec<Key> = primary.collect();
    for table in tables() {
        for (target, columns) in PRIMARY.iter().filter(|(target, columns)| *target != table.name && columns.len() == 1)
        {
            if table.columns.iter().any(|column| columns.contains(&column.name)) {
                keys.push(Key { table: table.name, columns, refers_to: Some(target) });
            }
        }
    }
    keys
}
