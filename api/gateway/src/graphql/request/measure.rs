//! What is checked on the parsed document, before validation. Each fragment is walked once and remembered, so the work
//! is linear in the text however often the text unfolds.

use std::collections::{HashMap, HashSet};

use async_graphql::Pos;
use async_graphql_parser::{
    Positioned,
    types::{Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet},
};

use super::{Limits, Refusal};

/// What a document is about, beyond its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Selections over all operations, every spread expanded.
    pub selections: usize,
    /// The deepest field of an operation.
    pub depth: usize,
    /// Whether `__schema` or `__type` stands anywhere in it.
    pub introspects: bool,
}

/// Measures all operations and all fragments, used or not: validation walks them all.
///
/// # Errors
/// A limit is passed, or fragments lead back to themselves.
pub fn document(document: &ExecutableDocument, limits: &Limits) -> Result<Measured, Refusal> {
    within("TOO_MANY_FRAGMENTS", "fragments", document.fragments.len(), limits.fragments)?;
    let mut walk = Walk { document, limits, known: HashMap::new(), counts: Counts::default(), introspects: false };
    for name in document.fragments.keys() {
        walk.fragment(name.as_str(), Pos::default())?;
    }
    let mut all = Size::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        walk.directives(&operation.directives)?;
        for variable in &operation.variable_definitions {
            walk.directives(&variable.node.directives)?;
        }
        let size = walk.set(&operation.selection_set.node)?;
        all.selections += size.selections;
        all.depth = all.depth.max(size.depth);
    }
    within("TOO_MANY_SELECTIONS", "selections", all.selections, limits.selections)?;
    if all.depth > limits.depth {
        return Err(too_deep(all.depth, limits.depth));
    }
    Ok(Measured { selections: all.selections, depth: all.depth, introspects: walk.introspects })
}

/// Checks the fields an operation starts with, spreads expanded. The document has been measured: it has no cycles and
/// unfolds to few selections.
///
/// # Errors
/// There are too many, or one of those that stand alone does not.
pub fn root_fields(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: &Limits,
    alone: &HashSet<String>,
) -> Result<(), Refusal> {
    let mut names = Vec::new();
    collect_roots(document, &operation.selection_set.node, &mut names);
    match operation.ty {
        OperationType::Query => Ok(()),
        OperationType::Mutation => {
            names.retain(|name| *name != "__typename");
            within("TOO_MANY_ROOT_FIELDS", "fields at the root of a mutation", names.len(), limits.root_mutations)?;
            if names.len() > 1 && names.iter().any(|name| alone.contains(*name)) {
                return Err(Refusal::document(
                    "TOO_MANY_ROOT_FIELDS",
                    format!("The mutation has {} fields at its root; one of them has to be sent alone.", names.len()),
                ));
            }
            Ok(())
        }
        OperationType::Subscription if names.len() == 1 => Ok(()),
        OperationType::Subscription => Err(Refusal::document(
            "GRAPHQL_VALIDATION_FAILED",
            format!("A subscription has one field at its root; this one has {}.", names.len()),
        )),
    }
}

/// The names of the fields an operation starts with, spreads expanded.
pub(super) fn collect_roots<'d>(document: &'d ExecutableDocument, set: &'d SelectionSet, names: &mut Vec<&'d str>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => names.push(field.node.name.node.as_str()),
            Selection::InlineFragment(fragment) => collect_roots(document, &fragment.node.selection_set.node, names),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect_roots(document, &fragment.node.selection_set.node, names);
                }
            }
        }
    }
}

/// A selection set, every spread expanded.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    selections: usize,
    depth: usize,
    /// Lists of the schema inside one another, as introspection would unfold them.
    lists: usize,
}

/// What is counted in the text.
#[derive(Debug, Default)]
struct Counts {
    aliases: usize,
    directives: usize,
    spreads: usize,
}

struct Walk<'d> {
    document: &'d ExecutableDocument,
    limits: &'d Limits,
    /// Fragments that were measured; `None` while one is being measured.
    known: HashMap<&'d str, Option<Size>>,
    counts: Counts,
    introspects: bool,
}

impl<'d> Walk<'d> {
    fn set(&mut self, set: &'d SelectionSet) -> Result<Size, Refusal> {
        let mut size = Size::default();
        let mut keys: HashMap<&str, usize> = HashMap::new();
        for selection in &set.items {
            self.directives(selection.node.directives())?;
            let inner = match &selection.node {
                Selection::Field(field) => {
                    let times = keys.entry(field.node.response_key().node.as_str()).or_default();
                    *times += 1;
                    within("TOO_MANY_REPEATS", "repetitions of one field", *times, self.limits.repeats)?;
                    self.field(&field.node)?
                }
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => {
                    self.counts.spreads += 1;
                    within("TOO_MANY_SPREADS", "fragment spreads", self.counts.spreads, self.limits.spreads)?;
                    self.fragment(spread.node.fragment_name.node.as_str(), selection.pos)?
                }
            };
            size.selections += 1 + inner.selections;
            size.depth = size.depth.max(inner.depth);
            size.lists = size.lists.max(inner.lists);
            within("TOO_MANY_SELECTIONS", "selections", size.selections, self.limits.selections)?;
        }
        Ok(size)
    }

    fn field(&mut self, field: &'d Field) -> Result<Size, Refusal> {
        if field.alias.is_some() {
            self.counts.aliases += 1;
            within("TOO_MANY_ALIASES", "aliases", self.counts.aliases, self.limits.aliases)?;
        }
        let inner = self.set(&field.selection_set.node)?;
        match field.name.node.as_str() {
            "__schema" | "__type" => {
                self.introspects = true;
                if inner.depth > self.limits.introspection_depth {
                    return Err(too_deep(inner.depth, self.limits.introspection_depth));
                }
                within(
                    "QUERY_TOO_DEEP",
                    "lists of the schema inside one another",
                    inner.lists,
                    self.limits.introspection_lists,
                )?;
                Ok(Size { selections: inner.selections, depth: 1, lists: 0 })
            }
            name => {
                let is_list = matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
                Ok(Size { depth: inner.depth + 1, lists: inner.lists + usize::from(is_list), ..inner })
            }
        }
    }

    /// Measures a fragment the first time it is met. An unknown one has no size: validation will refuse it.
    fn fragment(&mut self, name: &'d str, pos: Pos) -> Result<Size, Refusal> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                let message = "Fragments lead back to themselves.";
                return Err(Refusal::document("FRAGMENT_CYCLE", message).at(pos));
            }
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Size::default());
        };
        self.known.insert(name, None);
        self.directives(&fragment.node.directives)?;
        let size = self.set(&fragment.node.selection_set.node)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        self.counts.directives += directives.len();
        within("TOO_MANY_DIRECTIVES", "directives", self.counts.directives, self.limits.directives)
    }
}

fn within(code: &'static str, what: &str, found: usize, allowed: usize) -> Result<(), Refusal> {
    if found <= allowed {
        return Ok(());
    }
    Err(Refusal::document(code, format!("The document has more than the {allowed} {what} allowed.")))
}

fn too_deep(found: usize, allowed: usize) -> Refusal {
    Refusal::document("QUERY_TOO_DEEP", format!("The document is {found} fields deep; {allowed} are allowed."))
}
