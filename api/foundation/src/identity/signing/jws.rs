//! Compact JWS with Ed25519 (RFC 7515, RFC 8037), read so strictly that any changed byte fails.
//!
//! Nothing here knows a database: a certificate is verified on another machine, years later, with a saved key set.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};

/// `typ` of a certificate.
pub(super) const CERTIFICATE: &str = "certificate+jws";

/// `typ` of a checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint+jws";

/// `typ` of a report.
pub(super) const REPORT: &str = "report+jws";

/// The header that is written, and the only one that is read: an embedded key, a critical extension or any other
/// member is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

pub(super) fn sign(key: &SigningKey, kid: &str, typ: &str, claims: &Value) -> String {
    let header = json!({ "alg": "EdDSA", "kid": kid, "typ": typ });
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature.to_bytes()))
}

pub(super) fn jwk(kid: &str, public_key: &[u8]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": encode(public_key) })
}

/// Verifies a certificate, a checkpoint or a report with a JWK set alone and returns its claims. A token is none of them.
///
/// The signature is checked in the strict way (RFC 8032 with no small-order keys); base64url has to be canonical, so
/// the unused bits at the end of a part count too.
///
/// # Errors
/// `Corrupt`, with one message for whatever is wrong.
pub fn verify_offline(jws: &str, jwks: &Value) -> Result<Value> {
    verify(jws, jwks).ok_or_else(|| Error::new(ErrorKind::Corrupt, "The signature does not hold under these keys."))
}

fn verify(jws: &str, jwks: &Value) -> Option<Value> {
    let (signed, signature) = jws.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let parsed: Header = serde_json::from_slice(&decode(header)?).ok()?;
    if parsed.alg != "EdDSA" || ![CERTIFICATE, CHECKPOINT, REPORT].contains(&parsed.typ.as_str()) {
        return None;
    }
    let key = find_key(jwks, &parsed.kid)?;
    let signature = Signature::from_slice(&decode(signature)?).ok()?;
    let claims = decode(claims)?;
    key.verify_strict(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// The one key of this id; a set with two of them is not trusted.
fn find_key(jwks: &Value, kid: &str) -> Option<VerifyingKey> {
    let mut found =
        jwks.get("keys")?.as_array()?.iter().filter(|key| key.get("kid").and_then(Value::as_str) == Some(kid));
    let key = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let is = |name: &str, value: &str| key.get(name).and_then(Value::as_str) == Some(value);
    if !is("kty", "OKP") || !is("crv", "Ed25519") {
        return None;
    }
    let x = decode(key.get("x")?.as_str()?)?;
    VerifyingKey::from_bytes(x.as_slice().try_into().ok()?).ok()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// This engine refuses padding and unused bits that are not zero.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (String, Value) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let claims = json!({ "sub": "sub_1", "steps": [{ "name": "chats", "erased": 3, "remaining": 0 }] });
        let jwks = json!({ "keys": [jwk("sgn_1", key.verifying_key().as_bytes())] });
        (sign(&key, "sgn_1", CERTIFICATE, &claims), jwks)
    }

    #[test]
    fn every_flipped_bit_and_every_other_character_fails() {
        let (jws, jwks) = signed();
        assert_eq!(verify_offline(&jws, &jwks).unwrap()["sub"], "sub_1");
        for at in 0..jws.len() {
            for bit in 0..8 {
                let mut bytes = jws.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(verify_offline(&changed, &jwks).is_err(), "bit {bit} of byte {at}");
            }
        }
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (head, last) = jws.split_at(jws.len() - 1);
        let accepted = alphabet.chars().filter(|c| verify_offline(&format!("{head}{c}"), &jwks).is_ok()).count();
        assert_eq!(accepted, 1, "only {last}");
    }

    #[test]
    fn additions_are_refused() {
        let (jws, jwks) = signed();
        for changed in [format!("{jws}="), format!("{jws}."), format!(".{jws}"), format!("{jws}\n"), format!(" {jws}")]
        {
            assert!(verify_offline(&changed, &jwks).is_err(), "{changed:?}");
        }
    }

    #[test]
    fn another_algorithm_an_embedded_key_an_unknown_or_a_double_key_are_refused() {
        let (jws, jwks) = signed();
        let key = SigningKey::from_bytes(&[7; 32]);
        let rest = jws.split_once('.').unwrap().1;
        let claims = rest.split_once('.').unwrap().0;
        let with_header = |header: Value| {
            let signed = format!("{}.{claims}", encode(header.to_string()));
            let signature = key.sign(signed.as_bytes());
            format!("{signed}.{}", encode(signature.to_bytes()))
        };
        let good = json!({ "alg": "EdDSA", "kid": "sgn_1", "typ": CERTIFICATE });
        assert!(verify_offline(&with_header(good.clone()), &jwks).is_ok());
        for (name, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("kid", json!("sgn_2")),
            ("typ", json!("at+jwt")),
            ("crit", json!(["exp"])),
            ("jwk", jwks["keys"][0].clone()),
        ] {
            let mut header = good.clone();
            header[name] = value;
            assert!(verify_offline(&with_header(header.clone()), &jwks).is_err(), "{header}");
        }
        let twice = json!({ "keys": [jwks["keys"][0], jwks["keys"][0]] });
        assert!(verify_offline(&jws, &twice).is_err());
    }
}
