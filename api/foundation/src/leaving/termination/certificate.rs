//! The certificates of an end: what is live is gone (LIVE), backups too (FINAL), or what is still missing (INCOMPLETE). Signed as a
//! person's are (RFC 7515, RFC 8037), so that anyone verifies them offline, with `consigne verify`.

use serde_json::{Value, json};

use super::Termination;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    identity::signing::{self, SigningPurpose},
    privacy::holds::Hold,
    store::Store,
};

/// What it says that it is.
pub const TYPE: &str = "termination-certificate";

/// Signs that nothing live is left.
///
/// # Errors
/// `Internal` where a step is not done or something is left: no certificate is signed over a remainder.
pub async fn sign_live(store: &Store, ended: &Termination, at: Timestamp) -> Result<String> {
    refuse_remainder(ended)?;
    let mut claims = claims(ended, at);
    claims["extent"] = "LIVE".into();
    claims["extentMeans"] =
        "Live systems. Backups that were made before hold rows, and no key that opens them; the ledger keeps a \
        restore from bringing the workspace back. A FINAL certificate follows when they are gone."
            .into();
    claims["completedAt"] = at.rfc3339().into();
    signing::sign(store, SigningPurpose::Certificates, &claims).await
}

/// Signs that nothing is left in backups either.
///
/// # Errors
/// As [`sign_live`].
pub async fn sign_final(store: &Store, ended: &Termination, at: Timestamp) -> Result<String> {
    refuse_remainder(ended)?;
    let purged_at = ended.purged_at.ok_or_else(|| Error::internal("it is not purged, so it is not final"))?;
    let mut claims = claims(ended, at);
    claims["extent"] = "FINAL".into();
    claims["extentMeans"] =
        "Live systems and backups: every backup that was begun before the end was completed is gone.".into();
    claims["completedAt"] = purged_at.rfc3339().into();
    claims["backupsGoneAt"] = at.rfc3339().into();
    signing::sign(store, SigningPurpose::Certificates, &claims).await
}

/// Signs what is missing, and why.
///
/// # Errors
/// `Unavailable`.
pub async fn sign_incomplete(store: &Store, ended: &Termination, held: &[Hold], at: Timestamp) -> Result<String> {
    let receipts = ended
        .steps
        .iter()
        .filter(|step| !step.is_done)
        .map(|step| json!({ "receipt": step.name, "remaining": step.remaining, "because": step.detail }));
    let holds = held.iter().map(|hold| {
        json!({ "hold": hold.id.to_string(), "subject": hold.subject.to_string(), "ground": hold.ground.name(), "until": hold.ends_at.rfc3339() })
    });
    let missing: Vec<Value> = receipts.chain(holds).collect();
    let mut claims = claims(ended, at);
    claims["extent"] = "INCOMPLETE".into();
    claims["extentMeans"] =
        "What is named under missing is not deleted yet, for the reason it says. It is tried again.".into();
    claims["missing"] = missing.into();
    signing::sign(store, SigningPurpose::Certificates, &claims).await
}

fn refuse_remainder(ended: &Termination) -> Result<()> {
    match ended.steps.iter().find(|step| !step.is_done || step.remaining != Some(0)) {
        Some(step) => Err(Error::internal(format!("step {} of {} is not done", step.name, ended.id))),
        None if ended.steps.is_empty() => Err(Error::internal(format!("{} has no steps", ended.id))),
        None => Ok(()),
    }
}

fn claims(ended: &Termination, at: Timestamp) -> Value {
    let receipts: Vec<Value> = ended
        .steps
        .iter()
        .map(|step| {
            let state = if step.is_done { "DONE" } else { "PENDING" };
            json!({ "name": step.name, "state": state, "erased": step.erased, "remaining": step.remaining, "detail": step.detail })
        })
        .collect();
    let kept: Vec<Value> = ended
        .kept
        .iter()
        .map(|kept| json!({ "class": kept.class, "rows": kept.rows, "basis": kept.basis, "until": kept.until.rfc3339() }))
        .collect();
    json!({
        "iss": "consigne",
        "typ": TYPE,
        "jti": ended.id.to_string(),
        "iat": at.seconds(),
        "workspace": ended.workspace.to_string(),
        "choice": ended.choice.name(),
        "requestedAt": ended.requested_at.rfc3339(),
        "legalBasis": "GDPR art. 28(3)(g)",
        "receipts": receipts,
        "keptByLaw": kept,
    })
}
