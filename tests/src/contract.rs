//! The public contract, read from the schema, and operations made from it: so that a test holds for every field, the one
//! added tomorrow too.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql_parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};

use serde_json::json;

use crate::people::idempotency_key;

/// How deep a made selection goes.
const DEPTH: usize = 3;

/// The schema.
pub struct Contract {
    types: BTreeMap<String, TypeDefinition>,
}

/// A field of a root type.
pub struct RootField<'c> {
    /// `query`, `mutation` or `subscription`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'c str,
    field: &'c FieldDefinition,
}

/// An argument or an input field that takes an id or a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The root field.
    pub field: String,
    /// The argument or the field of its input object.
    pub argument: String,
}

/// What the arguments of an operation are made of.
struct Filling<'f> {
    root: &'f str,
    id_for: &'f dyn Fn(&Place) -> String,
    text: Option<(&'f Place, &'f str)>,
}

impl Filling<'_> {
    fn text_of(&self, argument: &str) -> Option<&str> {
        self.text.filter(|(place, _)| place.argument == argument).map(|(_, text)| text)
    }
}

impl Contract {
    /// Reads the text of a schema.
    ///
    /// # Panics
    /// Where it is not one.
    pub fn read(sdl: &str) -> Self {
        let document = parse_schema(sdl).expect("the schema can be read");
        let definitions = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.to_string(), definition.node)),
            _ => None,
        });
        Self { types: definitions.collect() }
    }

    /// Every query, mutation and subscription.
    pub fn root_fields(&self) -> Vec<RootField<'_>> {
        [("query", "Query"), ("mutation", "Mutation"), ("subscription", "Subscription")]
            .into_iter()
            .flat_map(|(kind, root)| {
                let fields = self.fields(root);
                fields.into_iter().map(move |field| RootField { kind, name: field.name.node.as_str(), field })
            })
            .collect()
    }

    /// Everything that has to have a description: where it is, and the description that it has.
    pub fn descriptions(&self) -> Vec<(String, Option<String>)> {
        let mut all = Vec::new();
        for (name, definition) in &self.types {
            let mut add = |place: String, text: Option<&str>| all.push((place, text.map(str::to_owned)));
            add(name.clone(), definition.description.as_ref().map(|text| text.node.as_str()));
            match &definition.kind {
                TypeKind::Enum(kind) => {
                    for value in &kind.values {
                        let text = value.node.description.as_ref().map(|text| text.node.as_str());
                        add(format!("{name}.{}", value.node.value.node), text);
                    }
                }
                TypeKind::InputObject(kind) => {
                    for field in &kind.fields {
                        let text = field.node.description.as_ref().map(|text| text.node.as_str());
                        add(format!("{name}.{}", field.node.name.node), text);
                    }
                }
                _ => {
                    for field in self.fields(name) {
                        let place = format!("{name}.{}", field.name.node);
                        add(place.clone(), field.description.as_ref().map(|text| text.node.as_str()));
                        for argument in &field.arguments {
                            let text = argument.node.description.as_ref().map(|text| text.node.as_str());
                            add(format!("{place}({})", argument.node.name.node), text);
                        }
                    }
                }
            }
        }
        all
    }

    /// Where this root field takes an id.
    pub fn id_places(&self, root: &RootField<'_>) -> Vec<Place> {
        let place = |argument: &str| Place { field: root.name.to_owned(), argument: argument.to_owned() };
        let mut places = Vec::new();
        for argument in root.field.arguments.iter().map(|argument| &argument.node) {
            if named(&argument.ty.node) == "ID" {
                places.push(place(&argument.name.node));
            }
            let inputs = self.input_fields(named(&argument.ty.node));
            let ids = inputs.iter().filter(|input| named(&input.ty.node) == "ID");
            places.extend(ids.map(|input| place(&input.name.node)));
        }
        places
    }

    /// Where this root field takes a text, in whatever depth.
    pub fn text_places(&self, root: &RootField<'_>) -> BTreeSet<Place> {
        let mut names = BTreeSet::new();
        self.text_names(root.field.arguments.iter().map(|argument| &argument.node).collect(), &mut names);
        names.into_iter().map(|argument| Place { field: root.name.to_owned(), argument }).collect()
    }

    fn text_names(&self, inputs: Vec<&InputValueDefinition>, names: &mut BTreeSet<String>) {
        for input in inputs {
            match named(&input.ty.node) {
                "String" => drop(names.insert(input.name.node.to_string())),
                other => self.text_names(self.input_fields(other), names),
            }
        }
    }

    /// An operation with this root field alone: every argument that is needed and every id, as `id_for` has it.
    pub fn operation(&self, root: &RootField<'_>, id_for: &dyn Fn(&Place) -> String) -> String {
        self.operation_with(root, id_for, None)
    }

    /// As [`Contract::operation`], and with a text in this place, needed or not; a text is answered briefly.
    pub fn operation_with(
        &self,
        root: &RootField<'_>,
        id_for: &dyn Fn(&Place) -> String,
        text: Option<(&Place, &str)>,
    ) -> String {
        let filling = Filling { root: root.name, id_for, text };
        let arguments = root.field.arguments.iter().map(|argument| &argument.node);
        let arguments: Vec<String> = arguments
            .filter(|a| self.is_wanted(a, &filling))
            .map(|a| format!("{}: {}", a.name.node, self.value(a, &filling)))
            .collect();
        let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let answer = named(&root.field.ty.node);
        let selection = match text {
            Some(_) => self.brief_selection(answer).to_owned(),
            None => self.selection(answer, DEPTH),
        };
        format!("{} {{ {}{arguments}{selection} }}", root.kind, root.name)
    }

    fn is_wanted(&self, input: &InputValueDefinition, filling: &Filling<'_>) -> bool {
        let is_needed = !input.ty.node.nullable && input.default_value.is_none();
        is_needed || named(&input.ty.node) == "ID" || self.holds_the_text(input, filling)
    }

    /// Whether the text of this filling comes into this input, or into one in it.
    fn holds_the_text(&self, input: &InputValueDefinition, filling: &Filling<'_>) -> bool {
        match named(&input.ty.node) {
            "String" => filling.text_of(&input.name.node).is_some(),
            other => self.input_fields(other).into_iter().any(|field| self.holds_the_text(field, filling)),
        }
    }

    fn value(&self, input: &InputValueDefinition, filling: &Filling<'_>) -> String {
        let (root, name) = (filling.root, input.name.node.as_str());
        let one = match named(&input.ty.node) {
            "ID" => format!("\"{}\"", (filling.id_for)(&Place { field: root.to_owned(), argument: name.to_owned() })),
            // What JSON escapes, GraphQL escapes in the same way.
            "String" => json!(filling.text_of(name).map_or_else(|| text_for(name), str::to_owned)).to_string(),
            "Int" => "1".to_owned(),
            "Float" => "0.5".to_owned(),
            "Boolean" => "true".to_owned(),
            "DateTime" => "\"2030-01-01T00:00:00Z\"".to_owned(),
            "JSON" => "{}".to_owned(),
            other => match self.types.get(other).map(|definition| &definition.kind) {
                Some(TypeKind::Enum(kind)) => kind.values[0].node.value.node.to_string(),
                Some(TypeKind::InputObject(_)) => {
                    let fields = self.input_fields(other).into_iter().filter(|field| self.is_wanted(field, filling));
                    let fields: Vec<String> =
                        fields.map(|field| format!("{}: {}", field.name.node, self.value(field, filling))).collect();
                    format!("{{{}}}", fields.join(", "))
                }
                _ => panic!("no value is known for the type {other} of {root}({name})"),
            },
        };
        if matches!(input.ty.node.base, BaseType::List(_)) { format!("[{one}]") } else { one }
    }

    fn selection(&self, name: &str, depth: usize) -> String {
        let parts: Vec<String> = match self.types.get(name).map(|definition| &definition.kind) {
            Some(TypeKind::Union(kind)) => {
                let members = kind.members.iter().map(|member| member.node.as_str());
                members.map(|member| format!("... on {member}{}", self.selection(member, depth))).collect()
            }
            Some(TypeKind::Object(_) | TypeKind::Interface(_)) if depth > 0 => self
                .fields(name)
                .into_iter()
                .filter(|field| field.arguments.iter().all(|argument| argument.node.ty.node.nullable))
                .filter(|field| depth > 1 || self.is_leaf(named(&field.ty.node)))
                .map(|field| format!("{}{}", field.name.node, self.selection(named(&field.ty.node), depth - 1)))
                .collect(),
            _ => return String::new(),
        };
        format!(" {{ __typename {} }}", parts.join(" "))
    }

    /// What became of it: less than a rate allows only a few of.
    fn brief_selection(&self, name: &str) -> &'static str {
        let has_errors = self.fields(name).iter().any(|field| field.name.node == "userErrors");
        match (self.is_leaf(name), has_errors) {
            (true, _) => "",
            (false, true) => " { __typename userErrors { code } }",
            (false, false) => " { __typename }",
        }
    }

    fn is_leaf(&self, name: &str) -> bool {
        let kind = self.types.get(name).map(|definition| &definition.kind);
        matches!(kind, None | Some(TypeKind::Scalar | TypeKind::Enum(_)))
    }

    fn fields(&self, name: &str) -> Vec<&FieldDefinition> {
        match self.types.get(name).map(|definition| &definition.kind) {
            Some(TypeKind::Object(kind)) => kind.fields.iter().map(|field| &field.node).collect(),
            Some(TypeKind::Interface(kind)) => kind.fields.iter().map(|field| &field.node).collect(),
            _ => Vec::new(),
        }
    }

    fn input_fields(&self, name: &str) -> Vec<&InputValueDefinition> {
        match self.types.get(name).map(|definition| &definition.kind) {
            Some(TypeKind::InputObject(kind)) => kind.fields.iter().map(|field| &field.node).collect(),
            _ => Vec::new(),
        }
    }
}

/// The name of the innermost type.
fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// A text that is acceptable where it is not about ids.
fn text_for(argument: &str) -> String {
    match argument {
        "idempotencyKey" => idempotency_key(),
        "mediaType" => "text/markdown".to_owned(),
        "languages" => "en".to_owned(),
        "origins" => "https://shop.example".to_owned(),
        "email" => "nobody@example.org".to_owned(),
        _ => "text".to_owned(),
    }
}
