//! `consigne schema`.

/// Prints the GraphQL schema, as `schema.graphql` holds it.
pub fn print() {
    print!("{}", crate::graphql::sdl());
}
