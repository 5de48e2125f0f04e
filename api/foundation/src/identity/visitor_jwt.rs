//! Tokens by which a customer's server says who a visitor is (RFC 7519, compact JWS), read so strictly that nothing passes
//! for one by chance or by trick:
//!
//! - The header has `alg`, `kid` and, where wanted, `typ`, and nothing else: no embedded key, no address of one, no
//!   critical extension. The key of that `kid` decides the algorithm; the header has to say the same, so `none` is nothing
//!   and a public key never serves as a secret.
//! - `exp` and `iat` are whole numbers, fifteen minutes apart at the most; now is between them, give or take half a minute
//!   for clocks that differ.
//! - `aud` is the workspace or the assistant; `sub` is the customer's own id of the person.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::{
    email::Email,
    unauthenticated,
    visitor_keys::{self, Verifier, VisitorKeyAlgorithm},
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{AssistantId, VisitorSigningKeyId, WorkspaceId},
    store::Store,
};

/// Longest life of a token, in seconds.
const LONGEST: i64 = 15 * 60;

/// What clocks may differ by, in seconds.
const LEEWAY: i64 = 30;

/// Longest token, in bytes.
const MOST_BYTES: usize = 4096;

/// Longest id and name, in characters.
const MOST_CHARACTERS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: Option<String>,
}

/// Further claims are the customer's business and are not looked at.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    email: Option<String>,
    name: Option<String>,
}

/// Who a visitor is, as the customer's server says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// By which key it was said.
    pub key: VisitorSigningKeyId,
    /// The customer's own id of the person.
    pub external_id: String,
    pub email: Option<String>,
    pub name: Option<String>,
}

/// Reads a token that is valid now, for this workspace or this assistant.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with it.
pub(super) async fn verify(
    store: &Store,
    workspace: WorkspaceId,
    assistant: AssistantId,
    token: &str,
) -> Result<Known> {
    let (signed, kid, signature, header) = split(token).ok_or_else(unauthenticated)?;
    let verifier = visitor_keys::verifier(store, workspace, kid).await?.ok_or_else(unauthenticated)?;
    let payload = signed.split_once('.').map(|(_, payload)| payload).unwrap_or_default();
    if header.alg != verifier.algorithm.name() || !holds(&verifier, signed, &signature) {
        return Err(unauthenticated());
    }
    let claims: Claims =
        decode(payload).and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(unauthenticated)?;
    let is_for_here = claims.aud == workspace.to_string() || claims.aud == assistant.to_string();
    if !is_for_here || !is_timely(&claims, store.now()) {
        return Err(unauthenticated());
    }
    known(kid, claims).ok_or_else(unauthenticated)
}

fn split(token: &str) -> Option<(&str, VisitorSigningKeyId, Vec<u8>, Header)> {
    if token.len() > MOST_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, payload) = signed.split_once('.')?;
    if payload.contains('.') {
        return None;
    }
    let header: Header = serde_json::from_slice(&decode(head)?).ok()?;
    if header.typ.as_deref().is_some_and(|typ| typ != "JWT") {
        return None;
    }
    Some((signed, header.kid.parse().ok()?, decode(signature)?, header))
}

fn holds(verifier: &Verifier, signed: &str, signature: &[u8]) -> bool {
    match verifier.algorithm {
        VisitorKeyAlgorithm::EdDsa => {
            let key = <&[u8; 32]>::try_from(verifier.material.as_slice()).ok();
            let key = key.and_then(|bytes| VerifyingKey::from_bytes(bytes).ok());
            let signature = Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(signed.as_bytes(), &signature).is_ok())
        }
        VisitorKeyAlgorithm::Hs256 => {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&verifier.material) else { return false };
            mac.update(signed.as_bytes());
            mac.verify_slice(signature).is_ok()
        }
    }
}

fn is_timely(claims: &Claims, now: Timestamp) -> bool {
    let now = now.seconds();
    let lasts = claims.exp.saturating_sub(claims.iat);
    (1..=LONGEST).contains(&lasts)
        && claims.iat <= now.saturating_add(LEEWAY)
        && claims.nbf.is_none_or(|nbf| nbf <= now.saturating_add(LEEWAY))
        && now < claims.exp.saturating_add(LEEWAY)
}

fn known(key: VisitorSigningKeyId, claims: Claims) -> Option<Known> {
    let fits =
        |text: &str| (1..=MOST_CHARACTERS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let is_readable = fits(&claims.sub) && claims.name.as_deref().is_none_or(fits);
    let email = match claims.email {
        Some(typed) => Some(Email::parse(&typed).ok()?.text().to_owned()),
        None => None,
    };
    is_readable.then_some(Known { key, external_id: claims.sub, email, name: claims.name })
}

/// This engine refuses padding and unused bits that are not zero.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
