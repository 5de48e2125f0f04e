//! The guard before execution: what a client sent is measured and refused before a resolver, or a validation rule that
//! could be made to explode, sees it.
//!
//! In reading order: [`limits`] the numbers, [`parameters`] the shape of a request, [`documents`] those that are trusted, [`tokens`] what is checked before
//! the parser runs, [`measure`] what is checked on the parsed document, [`cost`] what it is worth, [`rates`] who may
//! spend how much, [`refusal`] what a client is told.
//!
//! Nothing here knows HTTP, and nothing here knows the schema. Nothing is parsed that could overflow the parser's
//! stack; nothing is walked twice, so a nest of fragments costs no more than its text (async-graphql 7.2.1 takes 14.5 s
//! for 767 bytes of it). No text of a client's is repeated in a refusal.

pub mod cost;
pub mod documents;
pub mod limits;
pub mod measure;
pub mod parameters;
pub mod rates;
pub mod refusal;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::collections::{HashMap, HashSet};

use async_graphql::{Request, Variables};
use async_graphql_parser::{
    Error as ParseError, parse_query,
    types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};
use sha2::{Digest, Sha256};

pub use self::{
    documents::TrustedDocuments,
    limits::Limits,
    parameters::Parameters,
    rates::{Rate, RateLimits, Rates, Standing},
    refusal::{Refusal, Stage},
};

/// What kind of caller asks; limits and rates go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerClass {
    /// Nobody is signed in, or only a publishable key is shown.
    Public,
    /// A visitor of a customer's site.
    Visitor,
    /// A member who signed in, or a program with a secret key.
    Member,
}

/// What kind of operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// Changes.
    Mutation,
    /// Listens.
    Subscription,
}

impl OperationKind {
    /// `query`, `mutation` or `subscription`, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// A request that may be executed.
#[derive(Debug)]
pub struct Admitted {
    /// The request, its document parsed.
    pub request: Request,
    /// What it does.
    pub kind: OperationKind,
    /// What it is worth, at least one; see [`cost`].
    pub cost: u32,
    /// The first 16 hexadecimal digits of the SHA-256 of the query text, for the log.
    pub fingerprint: String,
}

/// The guard. It is configured once and asked for every operation on every transport.
#[derive(Debug, Clone, Default)]
pub struct RequestGuard {
    /// The limits of members.
    pub member: Limits,
    /// The limits of visitors and of the public.
    pub visitor: Limits,
    /// Root mutation fields that stand alone in their request: sign-in, export, erasure and what else would be worth
    /// repeating for somebody who guesses.
    pub alone: HashSet<String>,
    /// What a root field is worth beyond its selections, for fields that start expensive work.
    pub costs: HashMap<String, u32>,
    /// How many items a bounded list usually answers with, for fields that are lists without being asked for a number.
    pub lists: HashMap<String, u32>,
    /// Whether everybody may introspect.
    pub is_development: bool,
    /// The only documents of visitors and of the public, where the operator names them.
    pub trusted: Option<TrustedDocuments>,
}

impl RequestGuard {
    /// A guard with the limits of the contract, for a customer's production.
    pub fn new<'a>(alone: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            member: Limits::member(),
            visitor: Limits::visitor(),
            alone: alone.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// What a root field is worth beyond its selections.
    #[must_use]
    pub fn with_cost(mut self, field: &str, cost: u32) -> Self {
        self.costs.insert(field.to_owned(), cost);
        self
    }

    /// What stands below this field counts once for each of `items`.
    #[must_use]
    pub fn with_list(mut self, field: &str, items: u32) -> Self {
        self.lists.insert(field.to_owned(), items);
        self
    }

    /// Lets everybody introspect.
    #[must_use]
    pub fn in_development(mut self, is_development: bool) -> Self {
        self.is_development = is_development;
        self
    }

    /// Lets visitors and the public ask for these documents alone.
    #[must_use]
    pub fn trusting(mut self, trusted: Option<TrustedDocuments>) -> Self {
        self.trusted = trusted;
        self
    }

    /// The document's text, where this caller may ask for it.
    fn document(&self, class: CallerClass, parameters: &mut Parameters) -> Result<(), Refusal> {
        if parameters.query.is_empty()
            && let Some(id) = parameters.document_id.take()
        {
            let not_supported =
                || Refusal::transport(400, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported");
            parameters.query = self.trusted.as_ref().ok_or_else(not_supported)?.text(&id)?.to_owned();
        }
        match &self.trusted {
            Some(trusted) if class != CallerClass::Member => trusted.require(&parameters.query),
            _ => Ok(()),
        }
    }

    /// The limits that hold for this caller.
    pub fn limits(&self, class: CallerClass) -> &Limits {
        match class {
            CallerClass::Member => &self.member,
            CallerClass::Public | CallerClass::Visitor => &self.visitor,
        }
    }

    /// Whether this caller may see the schema, and suggestions from it.
    pub fn may_introspect(&self, class: CallerClass) -> bool {
        self.is_development || class == CallerClass::Member
    }

    /// Parses and measures a request; what comes back can be executed.
    ///
    /// # Errors
    /// The first limit that is passed.
    pub fn admit(&self, class: CallerClass, mut parameters: Parameters) -> Result<Admitted, Refusal> {
        let limits = self.limits(class);
        self.document(class, &mut parameters)?;
        let fingerprint = fingerprint(&parameters.query);
        tokens::check(&parameters.query, limits)?;
        parameters.check(limits)?;
        let document = parse_query(&parameters.query).map_err(|error| unparsable(&error))?;
        let measured = measure::document(&document, limits)?;
        if measured.introspects && !self.may_introspect(class) {
            return Err(Refusal::document("INTROSPECTION_DISABLED", "Introspection is for signed-in members."));
        }

        let operation = select(&document, parameters.operation_name.as_deref())?;
        let kind = kind_of(operation);
        measure::root_fields(&document, operation, limits, &self.alone)?;
        let variables = Variables::from_json(parameters.variables.into());
        require_variables(operation, &variables)?;
        let cost = cost::of(&document, operation, &variables, self);
        if cost > limits.cost {
            return Err(Refusal::document(
                "QUERY_TOO_COSTLY",
                format!(
                    "The operation is worth {cost} points; {} are allowed. Ask for fewer items a page.",
                    limits.cost
                ),
            ));
        }

        let mut request = Request::new(parameters.query).variables(variables);
        request.operation_name = parameters.operation_name;
        if !self.may_introspect(class) {
            request = request.disable_introspection();
        }
        request.set_parsed_query(document);
        Ok(Admitted { request, kind, cost, fingerprint })
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a query text.
pub fn fingerprint(query: &str) -> String {
    hex::encode(&Sha256::digest(query.as_bytes())[..8])
}

fn kind_of(operation: &OperationDefinition) -> OperationKind {
    match operation.ty {
        OperationType::Query => OperationKind::Query,
        OperationType::Mutation => OperationKind::Mutation,
        OperationType::Subscription => OperationKind::Subscription,
    }
}

/// The operation that will be executed (GraphQL, section 6.1, GetOperation).
fn select<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Result<&'d OperationDefinition, Refusal> {
    let selected = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name),
        (DocumentOperations::Multiple(all), None) if all.len() == 1 => all.values().next(),
        (DocumentOperations::Multiple(_), None) => None,
    };
    let message = match name {
        Some(_) => "The document has no operation of the name in `operationName`.",
        None => "The document has several operations; `operationName` must name one of them.",
    };
    selected.map(|operation| &operation.node).ok_or_else(|| Refusal::document("OPERATION_RESOLUTION_FAILURE", message))
}

/// Variables that cannot be null are there (GraphQL, section 6.1.2). async-graphql finds this out only where they are
/// used.
fn require_variables(operation: &OperationDefinition, variables: &Variables) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let given = variables.get(&definition.name.node);
        let is_missing = match given {
            None => definition.default_value.is_none(),
            Some(value) => *value == async_graphql::Value::Null,
        };
        if is_missing && !definition.var_type.node.nullable {
            let message = "A variable that may not be null has no value.";
            return Err(Refusal::document("GRAPHQL_VALIDATION_FAILED", message).at(definition.name.pos));
        }
    }
    Ok(())
}

/// Says where, not what: the parser's own words quote the query.
fn unparsable(error: &ParseError) -> Refusal {
    let (code, message) = match error {
        ParseError::OperationDuplicated { .. } | ParseError::MultipleOperations { .. } => (
            "GRAPHQL_VALIDATION_FAILED",
            "Operations must have different names, and an operation without a name must be the only one.",
        ),
        ParseError::FragmentDuplicated { .. } => ("GRAPHQL_VALIDATION_FAILED", "Fragments must have different names."),
        ParseError::MissingOperation => ("GRAPHQL_PARSE_FAILED", "The document has no operation."),
        _ => ("GRAPHQL_PARSE_FAILED", "The document is not GraphQL."),
    };
    let mut refusal = Refusal::document(code, message);
    if let Some(pos) = error.positions().next() {
        refusal.message = format!("{message} See line {}, column {}.", pos.line, pos.column);
        refusal = refusal.at(pos);
    }
    refusal
}
