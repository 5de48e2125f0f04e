//! Per-request loaders: what many items of one answer need is read once.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use consigne_assistant::{chats::citations, knowledge::documents};
use consigne_foundation::{
    Error, Scope,
    id::{AnswerId, DocumentId},
    store::Store,
};

use super::{chats::Citation, error::refuse, knowledge::Document};

/// A failure that every item waiting for it shares.
type Shared = Arc<Error>;

/// The answer to a client whose item could not be loaded.
pub fn refused(error: Shared) -> async_graphql::Error {
    refuse(Error::new(error.kind(), error.message()))
}

/// Documents by id.
pub struct DocumentLoader {
    /// Who asks.
    pub scope: Scope,
    /// Where from.
    pub store: Store,
}

impl Loader<DocumentId> for DocumentLoader {
    type Value = Document;
    type Error = Shared;

    async fn load(&self, keys: &[DocumentId]) -> Result<HashMap<DocumentId, Document>, Self::Error> {
        let found = documents::get_many(&self.scope, &self.store, keys).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|d| (d.id, Document::from(d))).collect())
    }
}

/// Citations by the answer that they are of.
pub struct CitationLoader {
    /// Who asks.
    pub scope: Scope,
    /// Where from.
    pub store: Store,
}

impl Loader<AnswerId> for CitationLoader {
    type Value = Vec<Citation>;
    type Error = Shared;

    async fn load(&self, keys: &[AnswerId]) -> Result<HashMap<AnswerId, Vec<Citation>>, Self::Error> {
        let found = citations::of_answers(&self.scope, &self.store, keys).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(answer, cited)| (answer, cited.into_iter().map(Citation::from).collect())).collect())
    }
}
