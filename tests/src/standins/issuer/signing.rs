//! How the tokens of a provider are signed, rightly and otherwise.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// How a token is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signing {
    /// As it should be.
    #[default]
    Right,
    /// Not at all: `alg` is `none`.
    Nobody,
    /// By HMAC-SHA-256, with the public key as the secret.
    PublicKeyAsSecret,
    /// By a key that nobody shows, under the `kid` of one that is shown.
    AnotherKey,
    /// By a key that nobody shows, under a `kid` that nobody knows.
    UnknownKey,
    /// By a key that the token itself brings along.
    EmbeddedKey,
    /// Rightly, and then a claim was changed.
    ChangedAfterwards,
    /// Rightly, under a header that asks for something to be understood.
    CriticalHeader,
}

/// A key pair.
pub(super) struct Key {
    id: String,
    pair: SigningKey,
}

impl Key {
    /// The same for the same number.
    pub(super) fn new(number: usize) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Self { id: format!("key-{number}"), pair: SigningKey::from_bytes(&seed) }
    }

    /// Its public half, as a JWK.
    pub(super) fn shown(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id,
            "x": BASE64_URL_SAFE_NO_PAD.encode(self.pair.verifying_key().as_bytes()),
        })
    }
}

/// A compact JWS (RFC 7515).
pub(super) fn sign(keys: &[Key], signing: Signing, typ: &str, claims: &Value) -> String {
    let key = &keys[0];
    let stranger = Key::new(9_999);
    let mut header = json!({"alg": "EdDSA", "kid": key.id, "typ": typ});
    match signing {
        Signing::Nobody => header = json!({"alg": "none", "typ": typ}),
        Signing::PublicKeyAsSecret => header["alg"] = json!("HS256"),
        Signing::UnknownKey => header["kid"] = json!(stranger.id),
        Signing::EmbeddedKey => header["jwk"] = stranger.shown(),
        Signing::CriticalHeader => header["crit"] = json!(["exp"]),
        Signing::Right | Signing::AnotherKey | Signing::ChangedAfterwards => {}
    }
    let text = format!("{}.{}", part(&header), part(claims));
    let signature = match signing {
        Signing::Nobody => Vec::new(),
        Signing::PublicKeyAsSecret => {
            let public = key.pair.verifying_key();
            let mut mac = Hmac::<Sha256>::new_from_slice(public.as_bytes()).expect("any length will do");
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        Signing::AnotherKey | Signing::UnknownKey | Signing::EmbeddedKey => {
            stranger.pair.sign(text.as_bytes()).to_bytes().to_vec()
        }
        Signing::Right | Signing::ChangedAfterwards | Signing::CriticalHeader => {
            key.pair.sign(text.as_bytes()).to_bytes().to_vec()
        }
    };
    let text = match signing {
        Signing::ChangedAfterwards => {
            let mut changed = claims.clone();
            changed["sub"] = json!("person-2");
            format!("{}.{}", part(&header), part(&changed))
        }
        _ => text,
    };
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}
