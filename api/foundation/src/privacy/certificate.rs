//! The deletion certificate: what was erased, when, and that nothing was left. Signed with Ed25519 as a compact JWS
//! (RFC 7515, RFC 8037), so that anyone can verify it offline with the keys at `/.well-known/jwks.json`.

use serde_json::{Value, json};

use super::erasure::{Erasure, ErasureStep, StepState};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::WorkspaceId,
    identity::signing::{self, SigningPurpose},
    store::Store,
};

/// Signs the certificate of an erasure whose steps are all done.
///
/// # Errors
/// `Internal` where a step is not done or something is left: no certificate is signed over a remainder.
pub async fn sign(store: &Store, workspace: WorkspaceId, erasure: &Erasure, completed_at: Timestamp) -> Result<String> {
    let unfinished = |s: &&ErasureStep| s.name != STEP && (s.state != StepState::Done || s.remaining != Some(0));
    if let Some(step) = erasure.steps.iter().find(unfinished) {
        return Err(Error::internal(format!("step {} of {} is not done", step.name, erasure.id)));
    }
    signing::sign(store, SigningPurpose::Certificates, &claims(workspace, erasure, completed_at)).await
}

/// The step that signs.
pub(super) const STEP: &str = "certificate";

fn claims(workspace: WorkspaceId, erasure: &Erasure, completed_at: Timestamp) -> Value {
    let steps: Vec<Value> = erasure
        .steps
        .iter()
        .filter(|s| s.name != STEP)
        .map(|s| json!({ "name": s.name, "erased": s.erased, "remaining": s.remaining, "detail": s.detail }))
        .collect();
    json!({
        "iss": "consigne",
        "typ": "erasure-certificate",
        "jti": erasure.id.to_string(),
        "iat": completed_at.seconds(),
        "workspace": workspace.to_string(),
        "sub": erasure.subject.to_string(),
        "requestedAt": erasure.requested_at.rfc3339(),
        "completedAt": completed_at.rfc3339(),
        "legalBasis": "GDPR art. 17",
        "extent": "LIVE",
        "extentMeans": "Live systems. Backups that were made before are outside this certificate; the erasure ledger keeps a restore from bringing the person back.",
        "steps": steps,
    })
}
