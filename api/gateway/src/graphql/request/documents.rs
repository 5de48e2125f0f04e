//! Trusted documents: the operations that visitors and the public may ask for, where the operator names them. Anything else
//! is refused before it is parsed.
//!
//! A client may send the text, or the document's id alone: as `documentId`, or as Apollo's `extensions.persistedQuery`.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Refusal;

/// The documents that are trusted.
#[derive(Debug, Clone, Default)]
pub struct TrustedDocuments {
    by_id: HashMap<String, String>,
    digests: HashSet<[u8; 32]>,
}

/// The two forms of a manifest that build tools write.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    /// Apollo's `apollo-persisted-query-manifest`.
    Apollo {
        /// The operations.
        operations: Vec<Operation>,
    },
    /// Relay's and urql's: from id to text.
    ById(HashMap<String, String>),
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

impl TrustedDocuments {
    /// Reads a manifest: an object from ids to texts, or Apollo's.
    ///
    /// # Errors
    /// It is neither.
    pub fn from_json(manifest: &[u8]) -> Result<Self, serde_json::Error> {
        let by_id: HashMap<String, String> = match serde_json::from_slice(manifest)? {
            Manifest::Apollo { operations } => operations.into_iter().map(|one| (one.id, one.body)).collect(),
            Manifest::ById(by_id) => by_id,
        };
        let digests = by_id.values().map(|text| Sha256::digest(text.as_bytes()).into()).collect();
        Ok(Self { by_id, digests })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The text of the document with this id; ids may be written with `sha256:` before them.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND`.
    pub fn text(&self, id: &str) -> Result<&str, Refusal> {
        let bare = id.strip_prefix("sha256:").unwrap_or(id);
        let found = self.by_id.get(id).or_else(|| self.by_id.get(bare));
        found
            .map(String::as_str)
            .ok_or_else(|| Refusal::transport(404, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
    }

    /// Refuses a text that is none of these.
    ///
    /// # Errors
    /// `DOCUMENT_NOT_TRUSTED`.
    pub fn require(&self, text: &str) -> Result<(), Refusal> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if self.digests.contains(&digest) {
            return Ok(());
        }
        Err(Refusal::transport(
            403,
            "DOCUMENT_NOT_TRUSTED",
            "Here only documents that the operator trusts are executed.",
        ))
    }
}
