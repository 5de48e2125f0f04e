//! What an operation is worth, in points. Callers have a rate of points, not of requests.
//!
//! A selection is a point. What stands below a connection counts once for each item asked for: `first` or `last`, up to
//! 100; 20 where neither is given and the selection looks like a page (`nodes`, `edges`); below a bounded list as often
//! as [`RequestGuard::lists`] says. A root field of a mutation or a subscription is 10 more, introspection 100 more, and
//! [`RequestGuard::costs`] adds to single fields.

use std::collections::HashMap;

use async_graphql::{Value, Variables};
use async_graphql_parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};

use super::{RequestGuard, measure::collect_roots};

const PAGE: u32 = 20;
const LARGEST_PAGE: u32 = 100;
const CHANGE: u32 = 10;
const INTROSPECTION: u32 = 100;

/// What this operation is worth, at least one. The document has been measured: it has no cycles.
pub fn of(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    guard: &RequestGuard,
) -> u32 {
    let mut roots = Vec::new();
    collect_roots(document, &operation.selection_set.node, &mut roots);
    let extra = roots.into_iter().map(|name| {
        let own = guard.costs.get(name).copied().unwrap_or(0);
        let of_kind = match operation.ty {
            OperationType::Query if matches!(name, "__schema" | "__type") => INTROSPECTION,
            OperationType::Query => 0,
            OperationType::Mutation | OperationType::Subscription => CHANGE,
        };
        own.saturating_add(of_kind)
    });
    let extra = extra.fold(0, u32::saturating_add);
    let mut prices = Prices { document, operation, variables, guard, known: HashMap::new() };
    prices.set(&operation.selection_set.node).saturating_add(extra).max(1)
}

struct Prices<'d> {
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
    guard: &'d RequestGuard,
    known: HashMap<&'d str, u32>,
}

impl<'d> Prices<'d> {
    fn set(&mut self, set: &'d SelectionSet) -> u32 {
        let mut sum: u32 = 0;
        for selection in &set.items {
            let price = match &selection.node {
                Selection::Field(field) => self.field(&field.node),
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.fragment(spread.node.fragment_name.node.as_str()),
            };
            sum = sum.saturating_add(price);
        }
        sum
    }

    fn field(&mut self, field: &'d Field) -> u32 {
        let items = self.items(field);
        self.set(&field.selection_set.node).saturating_mul(items).saturating_add(1)
    }

    fn fragment(&mut self, name: &'d str) -> u32 {
        if let Some(price) = self.known.get(name) {
            return *price;
        }
        let price = match self.document.fragments.get(name) {
            Some(fragment) => self.set(&fragment.node.selection_set.node),
            None => 0,
        };
        self.known.insert(name, price);
        price
    }

    /// How many items the field asks for.
    fn items(&self, field: &Field) -> u32 {
        let given = field.get_argument("first").or_else(|| field.get_argument("last"));
        let asked = given.and_then(|value| {
            let value = value.node.clone().into_const_with(|name| self.variable(&name).ok_or(())).ok()?;
            match value {
                Value::Number(number) => Some(number.as_u64().unwrap_or(0).min(u64::from(LARGEST_PAGE)) as u32),
                _ => None,
            }
        });
        match asked {
            Some(items) => items.max(1),
            None if given.is_some() || looks_like_a_page(&field.selection_set.node) => PAGE,
            None => self.guard.lists.get(field.name.node.as_str()).copied().unwrap_or(1),
        }
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let definitions = &self.operation.variable_definitions;
        let definition = definitions.iter().find(|definition| definition.node.name.node == name)?;
        self.variables.get(name).or_else(|| definition.node.default_value()).cloned()
    }
}

fn looks_like_a_page(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => matches!(field.node.name.node.as_str(), "nodes" | "edges"),
        Selection::InlineFragment(fragment) => looks_like_a_page(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}
