//! What the tests share: an opened index, and questions.

use std::sync::Arc;

use consigne_plugin_qdrant::Qdrant;
use consigne_qdrant_standin::Standin;
use consigne_sdk::{Capability, CapabilityKind, Egress, Plugin, Result, VectorIndex};
use serde_json::{Value, json};
use uuid::Uuid;

/// The index under these settings.
pub async fn open(settings: Value) -> Result<Arc<dyn VectorIndex>> {
    let plugin = Qdrant::new();
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::VectorIndex, settings, egress).await? {
        Capability::VectorIndex(index) => Ok(index),
        _ => panic!("qdrant is a vector index"),
    }
}

/// The index on a stand-in.
pub async fn open_on(standin: &Standin) -> Arc<dyn VectorIndex> {
    open(json!({ "url": standin.url(), "apiKey": standin.key(), "timeoutSeconds": 2 })).await.expect("usable settings")
}

/// A real server's address and key, where there is one.
#[expect(clippy::disallowed_methods, reason = "a test hears from its environment whether there is a server")]
pub fn server() -> Option<Value> {
    let url = std::env::var("QDRANT_URL").ok()?;
    Some(json!({
        "url": url,
        "apiKey": std::env::var("QDRANT_API_KEY").ok(),
        "allowPlainHttp": true,
        "purgeSeconds": 120,
    }))
}

/// An id that nobody has.
#[expect(clippy::disallowed_methods, reason = "a server that outlives the run must not know it")]
pub fn fresh() -> Uuid {
    Uuid::new_v4()
}
