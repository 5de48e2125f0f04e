//! Lists that can grow, as Relay connections: written once, keyset-paged, never by offset.

use async_graphql::{Result, SimpleObject};

use super::error::refuse;

/// Page size unless a client says otherwise.
const DEFAULT_FIRST: i32 = 20;
/// Largest page.
const MOST_FIRST: i32 = 100;

/// Where a page of a list begins and ends.
#[derive(SimpleObject, Debug, Clone, Default)]
pub struct PageInfo {
    /// Whether there is more behind this page.
    pub has_next_page: bool,
    /// The last edge's cursor; pass it as `after` for the next page.
    pub end_cursor: Option<String>,
}

/// A page that a client asked for.
pub struct Page {
    /// Rows wanted.
    pub first: usize,
}

impl Page {
    /// Reads `first`: 20 unless given, 100 at most.
    ///
    /// # Errors
    /// `INVALID_INPUT`.
    pub fn of(first: Option<i32>) -> Result<Self> {
        let first = first.unwrap_or(DEFAULT_FIRST);
        if !(1..=MOST_FIRST).contains(&first) {
            let message = format!("`first` may be 1 to {MOST_FIRST}.");
            return Err(refuse(consigne_foundation::Error::invalid("first", message)));
        }
        Ok(Self { first: first.unsigned_abs() as usize })
    }

    /// Rows to read: one more than wanted tells whether there is more.
    pub fn limit(&self) -> u64 {
        self.first as u64 + 1
    }
}

/// Makes a connection type and its edge over a node type. `$cursor` names the node's field that is its cursor.
macro_rules! connection {
    ($(#[$doc:meta])* $connection:ident, $edge:ident, $node:ty, |$item:ident| $cursor:expr) => {
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub struct $connection {
            /// The items with their cursors.
            pub edges: Vec<$edge>,
            /// The items alone.
            pub nodes: Vec<$node>,
            /// Where this page ends.
            pub page_info: $crate::graphql::connection::PageInfo,
            /// Items of the whole list.
            pub total_count: i32,
        }

        /// An item and its place in the list.
        #[derive(async_graphql::SimpleObject)]
        pub struct $edge {
            /// Its place; pass it as `after` to go on behind it.
            pub cursor: String,
            /// The item.
            pub node: $node,
        }

        impl $connection {
            /// A page from one row more than it shows.
            pub fn new(page: &$crate::graphql::connection::Page, mut nodes: Vec<$node>, total: u64) -> Self {
                let has_next_page = nodes.len() > page.first;
                nodes.truncate(page.first);
                let edges: Vec<$edge> =
                    nodes.iter().map(|$item| $edge { cursor: $cursor, node: $item.clone() }).collect();
                let end_cursor = edges.last().map(|edge| edge.cursor.clone());
                Self {
                    edges,
                    nodes,
                    page_info: $crate::graphql::connection::PageInfo { has_next_page, end_cursor },
                    total_count: i32::try_from(total).unwrap_or(i32::MAX),
                }
            }
        }
    };
}

pub(crate) use connection;
