//! Names of an answer's columns, as PostgreSQL gives them: two may share a name, a call has the name of its function.

use super::duplicate_names::{APART, apart};
use super::{call, folded, last_name};
use crate::function::Kind;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, DataType, Expr, Ident, Query, Select, SelectItem, SetExpr, Statement,
};

/// The name of a column without an alias.
pub(super) fn of_expression(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(name) => folded(name),
        Expr::CompoundIdentifier(names) => names.last().map(folded).unwrap_or_default(),
        Expr::Function(function) => last_name(&function.name),
        Expr::Cast { expr, data_type, .. } => match of_expression(expr) {
            name if name == "?column?" => data_type.to_string().to_ascii_lowercase(),
            name => name,
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => of_expression(inner),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(field)) => of_expression(field),
            _ => of_expression(root),
        },
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => select.projection.first().map(of_item).unwrap_or_default(),
            _ => "?column?".to_owned(),
        },
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        _ => "?column?".to_owned(),
    }
}

/// The name of a column.
pub(super) fn of_item(item: &SelectItem) -> String {
    match item {
        SelectItem::UnnamedExpr(expression) => of_expression(expression),
        SelectItem::ExprWithAlias { alias, .. } => folded(alias),
        _ => "*".to_owned(),
    }
}

fn outermost(statement: &mut Statement) -> Option<&mut Query> {
    match statement {
        Statement::Query(query) => Some(query),
        Statement::Explain { statement, .. } => outermost(statement),
        _ => None,
    }
}

fn select_of(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

/// An OID in a result column is shown as the object's name: `SELECT 'models'::regclass`.
pub(super) fn name_registers(statement: &mut Statement) {
    let Some(select) = outermost(statement).and_then(select_of) else { return };
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) = item else {
            continue;
        };
        let kind = match &*expression {
            Expr::Cast { data_type, .. } => register(data_type),
            column if is_type_function(column) => Some(Kind::Function),
            _ => None,
        };
        if let Some(kind) = kind {
            let name = of_expression(expression);
            let made = call(kind.name_function(), vec![expression.clone()]);
            *item = match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    SelectItem::ExprWithAlias { expr: made, alias: alias.clone() }
                }
                _ => SelectItem::ExprWithAlias { expr: made, alias: Ident::with_quote('"', name) },
            };
        }
    }
}

/// Is it a column of `pg_type` with the OID of a function? PostgreSQL shows the name of one.
pub(super) fn is_type_function(expression: &Expr) -> bool {
    let name = match expression {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(names) => match names.last() {
            Some(name) => name,
            None => return false,
        },
        _ => return false,
    };
    ["typinput", "typoutput", "typreceive", "typsend"].contains(&folded(name).as_str())
}

/// The kind of objects that a type names.
pub(super) fn register(kind: &DataType) -> Option<Kind> {
    match kind {
        DataType::Regclass => Some(Kind::Class),
        DataType::Custom(name, _) => Kind::of_type(&last_name(name)),
        _ => None,
    }
}

/// Names the columns of the outermost SELECT that would else have a name of the planner's, or one that is taken.
pub(super) fn name(statement: &mut Statement) {
    let Some(select) = outermost(statement).and_then(select_of) else { return };
    let has_wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    let mut seen: Vec<String> = Vec::new();
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expression) => {
                let name = of_expression(expression);
                let is_column = matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                // A wildcard beside it has the same column again.
                let alias = if has_wildcard && is_column {
                    format!("{name}{APART}0")
                } else {
                    let made = apart(&name, &mut seen);
                    if is_column && made == name {
                        continue;
                    }
                    made
                };
                *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias: Ident::with_quote('"', alias) };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = folded(alias);
                let made = apart(&name, &mut seen);
                if made != name {
                    *alias = Ident::with_quote('"', made);
                }
            }
            _ => {}
        }
    }
}
