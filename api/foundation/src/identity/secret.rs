//! A secret text on its way to the one client it is meant for, and the secrets that links end with.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::id::fill_random;

/// Bytes of a link's secret.
pub(crate) const SECRET: usize = 32;

/// A token or a key as text. It prints as `Sealed(..)` and is wiped when dropped.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text in.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the response to the client it is meant for and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// 256 random bits as base64url, 43 characters: a challenge, a state, a PKCE verifier, which has 43 at the least.
pub(crate) fn random_text() -> String {
    let mut bytes = [0; SECRET];
    fill_random(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The secret of a new link, and the hash that is stored of it.
pub(crate) fn link_secret() -> ([u8; SECRET], Vec<u8>) {
    let mut secret = [0; SECRET];
    fill_random(&mut secret);
    (secret, Sha256::digest(secret).to_vec())
}

/// Whether this is the secret whose hash is stored, if one is. Takes as long for every secret.
pub(crate) fn is_link_secret(shown: &[u8], stored: Option<&Vec<u8>>) -> bool {
    stored.is_some_and(|hash| hash.ct_eq(Sha256::digest(shown).as_slice()).into())
}
