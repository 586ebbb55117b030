//! Walks over the syntax tree of a statement.
//!
//! sqlparser's walk is generic in its visitor: some 500 functions that are compiled anew for each of ours, three
//! quarters of this crate's machine code. These go through one visitor each that calls ours by a table of methods.

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use std::ops::ControlFlow;

struct Through<'a>(&'a mut dyn Visitor<Break = ()>);

struct ThroughMut<'a>(&'a mut dyn VisitorMut<Break = ()>);

macro_rules! pass_on {
    ($($method:ident($node:ty);)*) => {
        $(fn $method(&mut self, node: $node) -> ControlFlow<()> {
            self.0.$method(node)
        })*
    };
}

impl Visitor for Through<'_> {
    type Break = ();

    pass_on! {
        pre_visit_query(&Query);
        post_visit_query(&Query);
        pre_visit_select(&Select);
        post_visit_select(&Select);
        pre_visit_relation(&ObjectName);
        post_visit_relation(&ObjectName);
        pre_visit_table_factor(&TableFactor);
        post_visit_table_factor(&TableFactor);
        pre_visit_expr(&Expr);
        post_visit_expr(&Expr);
        pre_visit_statement(&Statement);
        post_visit_statement(&Statement);
        pre_visit_value(&ValueWithSpan);
        post_visit_value(&ValueWithSpan);
    }
}

impl VisitorMut for ThroughMut<'_> {
    type Break = ();

    pass_on! {
        pre_visit_query(&mut Query);
        post_visit_query(&mut Query);
        pre_visit_select(&mut Select);
        post_visit_select(&mut Select);
        pre_visit_relation(&mut ObjectName);
        post_visit_relation(&mut ObjectName);
        pre_visit_table_factor(&mut TableFactor);
        post_visit_table_factor(&mut TableFactor);
        pre_visit_expr(&mut Expr);
        post_visit_expr(&mut Expr);
        pre_visit_statement(&mut Statement);
        post_visit_statement(&mut Statement);
        pre_visit_value(&mut ValueWithSpan);
        post_visit_value(&mut ValueWithSpan);
    }
}

/// Visits a tree until the visitor breaks off.
pub fn walk(tree: &impl Visit, visitor: &mut dyn Visitor<Break = ()>) -> ControlFlow<()> {
    tree.visit(&mut Through(visitor))
}

/// As [`walk`], with leave to change what is visited.
pub fn walk_mut(tree: &mut impl VisitMut, visitor: &mut dyn VisitorMut<Break = ()>) -> ControlFlow<()> {
    tree.visit(&mut ThroughMut(visitor))
}

/// Is there an expression of which this is true? The outer ones are asked first.
pub fn any_expression(tree: &impl Visit, is_so: impl FnMut(&Expr) -> bool) -> bool {
    struct Any<F>(F);
    impl<F: FnMut(&Expr) -> bool> Visitor for Any<F> {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            if (self.0)(expression) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    walk(tree, &mut Any(is_so)).is_break()
}

/// Looks at each expression, the outer ones first.
pub fn each_expression(tree: &impl Visit, mut look: impl FnMut(&Expr)) {
    any_expression(tree, |expression| {
        look(expression);
        false
    });
}

/// Changes every SELECT of a tree, outer ones first.
pub(crate) fn each_select_mut(tree: &mut impl VisitMut, change: impl FnMut(&mut Select)) {
    struct Each<F>(F);
    impl<F: FnMut(&mut Select)> VisitorMut for Each<F> {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            (self.0)(select);
            ControlFlow::Continue(())
        }
    }
    let _ = walk_mut(tree, &mut Each(change));
}

/// Changes each expression, the inner ones first, until `change` breaks off.
pub fn each_expression_mut(
    tree: &mut impl VisitMut,
    change: impl FnMut(&mut Expr) -> ControlFlow<()>,
) -> ControlFlow<()> {
    struct Each<F>(F);
    impl<F: FnMut(&mut Expr) -> ControlFlow<()>> VisitorMut for Each<F> {
        type Break = ();

        fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
            (self.0)(expression)
        }
    }
    walk_mut(tree, &mut Each(change))
}
