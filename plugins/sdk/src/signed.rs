//! Requests that are signed as Standard Webhooks says: `{id}.{timestamp}.{body}` under a shared secret (`v1`,
//! HMAC-SHA256) or a pair of keys (`v1a`, Ed25519).
//!
//! Source: the specification at standardwebhooks.com. A body is signed byte by byte: one that was read and written again
//! is another body.
//!
//! Invariants, as absences:
//! - No secret prints, and none is compared in a time that depends on it.
//! - No request older, or newer, than five minutes verifies.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::channel::InboundRequest;

/// How far the clocks of two machines may be apart, and how long a request may be under way, in seconds.
pub const TOLERANCE: i64 = 5 * 60;

/// Most signatures of one request that are tried.
const MOST_SIGNATURES: usize = 8;

/// What a request is signed or verified with.
#[derive(Clone)]
pub enum Secret {
    /// `whsec_`: 24 to 64 bytes that both sides know.
    Shared(Zeroizing<Vec<u8>>),
    /// `whsk_`: an Ed25519 key that signs.
    Private(Box<SigningKey>),
    /// `whpk_`: its public half, which verifies.
    Public(Box<VerifyingKey>),
}

impl Secret {
    /// Reads a secret as people paste it.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, bytes) = text.split_once('_')?;
        let bytes = Zeroizing::new(BASE64.decode(bytes).ok()?);
        match kind {
            "whsec" => (24..=64).contains(&bytes.len()).then_some(Self::Shared(bytes)),
            "whsk" => {
                // A seed, or a seed with its public key behind it.
                let seed: [u8; 32] = bytes.get(..32)?.try_into().ok()?;
                let key = SigningKey::from_bytes(&seed);
                let public = &bytes[32..];
                let fits = public.is_empty() || public == key.verifying_key().as_bytes();
                fits.then(|| Self::Private(Box::new(key)))
            }
            "whpk" => {
                let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
                VerifyingKey::from_bytes(&bytes).ok().map(|key| Self::Public(Box::new(key)))
            }
            _ => None,
        }
    }

    /// The signature of a message, with its version; nothing for a public key. `timestamp` is in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        match self {
            Self::Shared(key) => {
                let tag = hmac(key, id, timestamp, body).finalize().into_bytes();
                Some(format!("v1,{}", BASE64.encode(tag)))
            }
            Self::Private(key) => {
                let signature = key.sign(&content(id, timestamp, body));
                Some(format!("v1a,{}", BASE64.encode(signature.to_bytes())))
            }
            Self::Public(_) => None,
        }
    }

    fn verifies(&self, signature: &str, id: &str, timestamp: i64, body: &[u8]) -> bool {
        let Some((version, signature)) = signature.split_once(',') else { return false };
        let Ok(signature) = BASE64.decode(signature) else { return false };
        let key = match (version, self) {
            ("v1", Self::Shared(key)) => return hmac(key, id, timestamp, body).verify_slice(&signature).is_ok(),
            ("v1a", Self::Private(key)) => key.verifying_key(),
            ("v1a", Self::Public(key)) => **key,
            _ => return false,
        };
        let Ok(signature) = Signature::from_slice(&signature) else { return false };
        key.verify(&content(id, timestamp, body), &signature).is_ok()
    }
}

/// The id of a request that one of these secrets signed, at most five minutes ago; nothing for any other.
pub fn verified<'a>(secrets: &[Secret], request: &'a InboundRequest) -> Option<&'a str> {
    let id = request.header("webhook-id").filter(|id| (1..=200).contains(&id.len()))?;
    let timestamp = request.header("webhook-timestamp")?;
    let is_number = timestamp.len() <= 12 && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let timestamp: i64 = is_number.then(|| timestamp.parse().ok())??;
    if (request.at / 1_000 - timestamp).abs() > TOLERANCE {
        return None;
    }
    let signatures = request.header("webhook-signature")?;
    let verifies = |signature: &str| secrets.iter().any(|s| s.verifies(signature, id, timestamp, &request.body));
    signatures.split(' ').take(MOST_SIGNATURES).any(verifies).then_some(id)
}

fn content(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{timestamp}.").as_bytes(), body].concat()
}

fn hmac(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    hmac.update(format!("{id}.{timestamp}.").as_bytes());
    hmac.update(body);
    hmac
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use serde_json::Value;

    use super::*;

    const SHARED: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const PRIVATE: &str = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const AT: i64 = 1_800_000_000;

    fn request(signature: &str, body: &str, age: i64) -> InboundRequest {
        let headers =
            [("webhook-id", "msg_1"), ("webhook-timestamp", &AT.to_string()), ("webhook-signature", signature)];
        InboundRequest {
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            at: (AT + age) * 1_000,
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::parse(text).expect("a secret")
    }

    #[test]
    fn the_published_vector_passes_both_ways() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/security/signing_vectors.json");
        let Ok(text) = std::fs::read_to_string(&file) else { return println!("skipped: no {}", file.display()) };
        let all: Value = serde_json::from_str(&text).expect("JSON");
        let vector = &all["standard_webhooks"]["vector"];
        let text = |name: &str| vector[name].as_str().expect("a text");
        let (id, body, signature) = (text("id"), text("payload"), text("signature"));
        let timestamp = vector["timestamp"].as_i64().expect("a number");
        let secret = secret(text("secret"));
        assert_eq!(secret.sign(id, timestamp, body.as_bytes()).as_deref(), Some(signature));
        let headers =
            [("webhook-id", id), ("webhook-timestamp", &timestamp.to_string()), ("webhook-signature", signature)];
        let mut request = InboundRequest {
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            at: timestamp * 1_000,
        };
        let secrets = [secret];
        assert_eq!(verified(&secrets, &request), Some(id));
        for bad in ["v1,", "v1", "", &signature[..signature.len() - 4], &signature.replace("v1,", "v1a,")] {
            request.headers[2].1 = bad.to_owned();
            assert_eq!(verified(&secrets, &request), None, "{bad}");
        }
    }

    #[test]
    fn either_kind_of_key_verifies_what_it_signed_and_nothing_else() {
        let private = secret(PRIVATE);
        let Secret::Private(key) = &private else { panic!("a private key") };
        let public = secret(&format!("whpk_{}", BASE64.encode(key.verifying_key().as_bytes())));
        let both = format!("whsk_{}", BASE64.encode(key.to_keypair_bytes()));
        assert!(Secret::parse(&both).is_some());
        assert!(public.sign("msg_1", AT, b"{}").is_none());
        for (signer, verifier) in [(&secret(SHARED), &secret(SHARED)), (&private, &public), (&private, &secret(&both))]
        {
            let signature = signer.sign("msg_1", AT, b"{\"a\":1}").expect("it signs");
            let verifier = std::slice::from_ref(verifier);
            assert_eq!(verified(verifier, &request(&signature, "{\"a\":1}", 0)), Some("msg_1"));
            for body in ["{\"a\": 1}", "{\"a\":2}", "{\"a\":1}\n", ""] {
                assert_eq!(verified(verifier, &request(&signature, body, 0)), None, "{body}");
            }
            for (age, expected) in [(300, Some("msg_1")), (301, None), (-300, Some("msg_1")), (-301, None)] {
                assert_eq!(verified(verifier, &request(&signature, "{\"a\":1}", age)), expected, "{age}");
            }
        }
    }

    #[test]
    fn while_a_secret_is_replaced_either_signature_is_enough() {
        let old = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = |secret: &Secret| secret.sign("msg_1", AT, b"{}").expect("it signs");
        let both = format!("{} {}", signature(&old), signature(&secret(SHARED)));
        for secrets in [vec![old.clone()], vec![secret(SHARED)], vec![old, secret(SHARED)]] {
            assert_eq!(verified(&secrets, &request(&both, "{}", 0)), Some("msg_1"));
        }
        assert_eq!(verified(&[secret(PRIVATE)], &request(&both, "{}", 0)), None);
    }

    #[test]
    fn a_header_that_comes_twice_is_none() {
        let secrets = [secret(SHARED)];
        let mut request = request(&secrets[0].sign("msg_1", AT, b"{}").expect("it signs"), "{}", 0);
        request.headers.push(("webhook-id".to_owned(), "msg_2".to_owned()));
        assert_eq!(verified(&secrets, &request), None);
    }

    #[test]
    fn what_is_no_secret_is_not_read() {
        for text in [
            "",
            "whsec_",
            "whsec_AAAA",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "whsk_AAAA",
            "whpk_!",
            "whsec_ä",
        ] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
        let torn = format!("{}{}", &PRIVATE[..PRIVATE.len() - 1], "AAAA");
        assert!(Secret::parse(&torn).is_none(), "a public half that belongs to another key");
    }
}
