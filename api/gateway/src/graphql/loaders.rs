//! Per-request loaders: what many items of one answer need is read once.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use consigne_assistant::knowledge::documents;
use consigne_foundation::{Scope, id::DocumentId, store::Store};

use super::knowledge::Document;

/// Documents by id.
pub struct DocumentLoader {
    /// Who asks.
    pub scope: Scope,
    /// Where from.
    pub store: Store,
}

impl Loader<DocumentId> for DocumentLoader {
    type Value = Document;
    type Error = std::sync::Arc<consigne_foundation::Error>;

    async fn load(&self, keys: &[DocumentId]) -> Result<HashMap<DocumentId, Document>, Self::Error> {
        let found = documents::get_many(&self.scope, &self.store, keys).await.map_err(std::sync::Arc::new)?;
        Ok(found.into_iter().map(|d| (d.id, Document::from(d))).collect())
    }
}
