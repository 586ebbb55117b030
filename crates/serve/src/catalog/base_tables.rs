//! The base tables of the catalog's queries, in the schema `syntrace`.

use super::key::Key;
use super::objects::Objects;
use super::relation::{Column, Relation};
use super::types::{item_of, shown};
use crate::setting;
use arrow::array::{ArrayRef, BooleanArray, Int32Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int16Type;
use datafusion::common::Result;
use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS};
use std::sync::Arc;

/// Names and rows of all lists.
pub(super) fn lists(objects: &Objects) -> Result<Vec<(&'static str, RecordBatch)>> {
    Ok(vec![
        ("schemas", schemas(objects)?),
        ("relations", relations(objects)?),
        ("columns", columns(objects)?),
        ("keys", keys(objects)?),
        ("key_columns", key_columns(objects)?),
        ("functions", functions(objects)?),
        ("settings", settings()?),
        ("keywords", keywords()?),
    ])
}

fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn numbers(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int32Array>())
}

fn flags(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

fn schemas(objects: &Objects) -> Result<RecordBatch> {
    let all = || objects.spaces.iter();
    Ok(RecordBatch::try_from_iter([
        ("oid", numbers(all().map(|space| space.number))),
        ("name", texts(all().map(|space| Some(space.name.as_str())))),
        ("comment", texts(all().map(|space| space.comment.as_deref()))),
    ])?)
}

/// As in `pg_class.relkind`.
fn kind(relation: &Relation) -> &'static str {
    if relation.is_view { "v" } else { "r" }
}

fn relations(objects: &Objects) -> Result<RecordBatch> {
    let all = || objects.relations.iter();
    let refers = |one: &Relation| objects.keys.iter().any(|key| key.target.is_some() && key.table.number == one.number);
    Ok(RecordBatch::try_from_iter([
        ("oid", numbers(all().map(|one| one.number))),
        ("schema", texts(all().map(|one| Some(one.space.as_str())))),
        ("schema_oid", numbers(all().map(|one| objects.space_number(&one.space).unwrap_or_default()))),
        ("name", texts(all().map(|one| Some(one.name.as_str())))),
        ("kind", texts(all().map(|one| Some(kind(one))))),
        ("columns", numbers(all().map(|one| one.columns.len() as i32))),
        ("refers", flags(all().map(refers))),
        ("comment", texts(all().map(|one| one.comment.as_deref()))),
        ("definition", texts(all().map(|one| one.definition.as_deref()))),
    ])?)
}

fn columns(objects: &Objects) -> Result<RecordBatch> {
    let all: Vec<(&Relation, i32, &Column)> = objects
        .relations
        .iter()
        .flat_map(|relation| relation.columns.iter().zip(1..).map(move |(column, number)| (relation, number, column)))
        .collect();
    let all = || all.iter();
    let items: Vec<_> = all().map(|(_, _, column)| item_of(&column.kind)).collect();
    let long: Vec<String> = all()
        .zip(&items)
        .map(|((_, _, column), item)| if item.is_some() { "ARRAY".to_owned() } else { shown(&column.kind) })
        .collect();
    let item_long: Vec<Option<String>> = items.iter().map(|item| item.as_ref().map(shown)).collect();
    Ok(RecordBatch::try_from_iter([
        ("relation", numbers(all().map(|(relation, ..)| relation.number))),
        ("schema", texts(all().map(|(relation, ..)| Some(relation.space.as_str())))),
        ("relation_name", texts(all().map(|(relation, ..)| Some(relation.name.as_str())))),
        ("kind", texts(all().map(|(relation, ..)| Some(kind(relation))))),
        ("number", numbers(all().map(|(_, number, _)| *number))),
        ("name", texts(all().map(|(.., column)| Some(column.name.as_str())))),
        ("type", numbers(all().map(|(.., column)| column.kind.oid() as i32))),
        ("type_name", texts(all().map(|(.., column)| Some(column.kind.name())))),
        ("data_type", texts(long.iter().map(|name| Some(name.as_str())))),
        ("dimensions", numbers(items.iter().map(|item| i32::from(item.is_some())))),
        ("element_name", texts(items.iter().map(|item| item.as_ref().map(|item| item.name())))),
        ("element_data_type", texts(item_long.iter().map(Option::as_deref))),
        ("nullable", flags(all().map(|(.., column)| column.nullable))),
        ("comment", texts(all().map(|(.., column)| column.comment.as_deref()))),
    ])?)
}

fn places<'a>(lists: impl Iterator<Item = Option<&'a [i16]>>) -> ArrayRef {
    let lists = lists.map(|list| list.map(|list| list.iter().copied().map(Some).collect::<Vec<_>>()));
    Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>(lists))
}

fn keys(objects: &Objects) -> Result<RecordBatch> {
    let all = || objects.keys.iter();
    let kind = |key: &Key| if key.target.is_some() { "f" } else { "p" };
    Ok(RecordBatch::try_from_iter([
        ("oid", numbers(all().map(|key| key.number))),
        ("name", texts(all().map(|key| Some(key.name.as_str())))),
        ("schema", texts(all().map(|key| Some(key.space.as_str())))),
        ("schema_oid", numbers(all().map(|key| objects.space_number(&key.space).unwrap_or_default()))),
        ("kind", texts(all().map(|key| Some(kind(key))))),
        ("relation", numbers(all().map(|key| key.table.number))),
        ("relation_name", texts(all().map(|key| Some(key.table.name.as_str())))),
        ("columns", places(all().map(|key| Some(key.table.places.as_slice())))),
        ("target", numbers(all().map(|key| key.target.as_ref().map_or(0, |target| target.side.number)))),
        ("target_name", texts(all().map(|key| Some(key.target.as_ref()?.side.name.as_str())))),
        ("target_key", texts(all().map(|key| Some(key.target.as_ref()?.key.as_str())))),
        ("target_columns", places(all().map(|key| Some(key.target.as_ref()?.side.places.as_slice())))),
    ])?)
}

/// One row per key and column.
fn key_columns(objects: &Objects) -> Result<RecordBatch> {
    let each = objects.keys.iter().flat_map(|key| (0..key.table.columns.len()).map(move |place| (key, place)));
    let each: Vec<(&Key, usize)> = each.collect();
    let all = || each.iter().copied();
    Ok(RecordBatch::try_from_iter([
        ("name", texts(all().map(|(key, _)| Some(key.name.as_str())))),
        ("schema", texts(all().map(|(key, _)| Some(key.space.as_str())))),
        ("relation_name", texts(all().map(|(key, _)| Some(key.table.name.as_str())))),
        ("number", numbers(all().map(|(_, place)| place as i32 + 1))),
        ("column", texts(all().map(|(key, place)| key.table.columns.get(place).map(String::as_str)))),
        ("target_name", texts(all().map(|(key, _)| Some(key.target.as_ref()?.side.name.as_str())))),
        (
            "target_column",
            texts(all().map(|(key, place)| Some(key.target.as_ref()?.side.columns.get(place)?.as_str()))),
        ),
    ])?)
}

fn functions(objects: &Objects) -> Result<RecordBatch> {
    let all = || objects.functions.iter();
    Ok(RecordBatch::try_from_iter([
        ("oid", numbers(all().map(|one| one.number))),
        ("schema", texts(all().map(|one| Some(one.space)))),
        ("schema_oid", numbers(all().map(|one| objects.space_number(one.space).unwrap_or_default()))),
        ("name", texts(all().map(|one| Some(one.name.as_str())))),
        ("kind", texts(all().map(|one| Some(one.kind)))),
        ("arguments", numbers(all().map(|one| one.parameters.len() as i32))),
        ("defaults", numbers(all().map(|one| one.defaults as i32))),
        ("returns_set", flags(all().map(|one| one.gives_rows))),
        // `record` for rows; the types that others give depend on what they are given.
        ("result_type", numbers(all().map(|one| if one.gives_rows { 2249 } else { 2276 }))),
        ("comment", texts(all().map(|one| one.comment.as_deref()))),
    ])?)
}

fn settings() -> Result<RecordBatch> {
    let all: Vec<(&str, &str)> = setting::all().collect();
    Ok(RecordBatch::try_from_iter([
        ("name", texts(all.iter().map(|(name, _)| Some(*name)))),
        ("value", texts(all.iter().map(|(_, value)| Some(*value)))),
        ("settable", flags(all.iter().map(|(name, _)| setting::is_settable(name)))),
    ])?)
}

fn keywords() -> Result<RecordBatch> {
    let words: Vec<String> = ALL_KEYWORDS.iter().map(|word| word.to_ascii_lowercase()).collect();
    let reserved: Vec<bool> = ALL_KEYWORDS_INDEX.iter().map(|word| RESERVED_FOR_COLUMN_ALIAS.contains(word)).collect();
    let code = |reserved: &bool| Some(if *reserved { "R" } else { "U" });
    let meaning = |reserved: &bool| Some(if *reserved { "reserved" } else { "unreserved" });
    Ok(RecordBatch::try_from_iter([
        ("word", texts(words.iter().map(|word| Some(word.as_str())))),
        ("code", texts(reserved.iter().map(code))),
        ("meaning", texts(reserved.iter().map(meaning))),
    ])?)
}
