//! The numbers of the contract (`graphql.md`, "Limits, before execution").

/// What one request may hold. Counting starts at one: a document of one field has a depth of 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the query text.
    pub query_bytes: usize,
    /// Brackets of all kinds inside one another, before the parser runs. The parser descends once for each.
    pub nesting: usize,
    /// Fragment definitions.
    pub fragments: usize,
    /// Fragment spreads in the text.
    pub spreads: usize,
    /// Selections with every spread expanded, over all operations.
    pub selections: usize,
    /// Fields inside one another.
    pub depth: usize,
    /// Fields inside one another below `__schema` and `__type`; what GraphiQL asks is 13 deep.
    pub introspection_depth: usize,
    /// Lists of the schema inside one another below `__schema` and `__type` (graphql-js, MaxIntrospectionDepthRule).
    pub introspection_lists: usize,
    /// Aliases in the text.
    pub aliases: usize,
    /// Directives in the text.
    pub directives: usize,
    /// The same response key in one selection set.
    pub repeats: usize,
    /// Root fields of a mutation.
    pub root_mutations: usize,
    /// Lists and objects inside one another in a variable.
    pub variable_depth: usize,
    /// Values in all variables.
    pub variable_values: usize,
    /// Points; see [`super::cost`].
    pub cost: u32,
}

impl Limits {
    /// For signed-in members.
    pub fn member() -> Self {
        Self {
            query_bytes: 8 * 1024,
            nesting: 32,
            fragments: 10,
            spreads: 20,
            selections: 500,
            depth: 10,
            introspection_depth: 16,
            introspection_lists: 2,
            aliases: 10,
            directives: 16,
            repeats: 10,
            root_mutations: 5,
            variable_depth: 16,
            variable_values: 4_000,
            cost: 20_000,
        }
    }

    /// For visitors and the public.
    pub fn visitor() -> Self {
        Self { query_bytes: 2 * 1024, cost: 2_000, ..Self::member() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::visitor()
    }
}
