//! The deletion certificate: what was erased, when, and that nothing was left. Signed with Ed25519 as a compact JWS
//! (RFC 7515, RFC 8037), so that anyone can verify it offline with the keys at `/.well-known/jwks.json`.

use serde_json::{Value, json};

use super::{
    erasure::{Erasure, ErasureStep, StepState},
    holds::{Hold, Item},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{ChatId, WorkspaceId},
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

/// Signs what an erasure left, and why: it certifies that something is held, not that the person is erased.
///
/// # Errors
/// `Unavailable`.
pub async fn sign_incomplete(
    store: &Store,
    workspace: WorkspaceId,
    erasure: &Erasure,
    held: &[Hold],
    now: Timestamp,
) -> Result<String> {
    let missing: Vec<Value> = held
        .iter()
        .map(|hold| {
            let item = match hold.item {
                Item::Person => json!("PERSON"),
                Item::Chat(chat) => json!({ "chat": ChatId(chat).to_string() }),
            };
            json!({ "item": item, "ground": hold.ground.name(), "until": hold.ends_at.rfc3339() })
        })
        .collect();
    let mut claims = claims(workspace, erasure, now);
    claims["extent"] = "INCOMPLETE".into();
    claims["extentMeans"] =
        "What is named under missing is kept on a legal ground, restricted, until the day it says.".into();
    claims["missing"] = missing.into();
    if let Some(claims) = claims.as_object_mut() {
        claims.remove("completedAt");
    }
    signing::sign(store, SigningPurpose::Certificates, &claims).await
}

/// Signs that no backup can hold the person any more.
///
/// # Errors
/// `Internal` where the erasure is not completed; `Unavailable`.
pub async fn sign_final(store: &Store, workspace: WorkspaceId, erasure: &Erasure, now: Timestamp) -> Result<String> {
    let completed_at =
        erasure.completed_at.ok_or_else(|| Error::internal("it is not completed, so it is not final"))?;
    let mut claims = claims(workspace, erasure, completed_at);
    claims["iat"] = now.seconds().into();
    claims["extent"] = "FINAL".into();
    claims["extentMeans"] =
        "Live systems and backups: every backup that was begun before the erasure was completed is gone.".into();
    claims["backupsGoneAt"] = now.rfc3339().into();
    signing::sign(store, SigningPurpose::Certificates, &claims).await
}

/// The step that signs.
pub(super) const STEP: &str = "certificate";

fn claims(workspace: WorkspaceId, erasure: &Erasure, completed_at: Timestamp) -> Value {
    let steps: Vec<Value> = erasure
        .steps
        .iter()
        .filter(|s| s.name != STEP)
        .map(|s| {
            let state = if s.state == StepState::Done { "DONE" } else { "PENDING" };
            json!({ "name": s.name, "state": state, "erased": s.erased, "remaining": s.remaining, "detail": s.detail })
        })
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
        "extentMeans": "Live systems. Backups that were made before hold what was erased, and no key that opens it; the erasure ledger keeps a restore from bringing the person back. A FINAL certificate follows when they are gone.",
        "steps": steps,
    })
}
