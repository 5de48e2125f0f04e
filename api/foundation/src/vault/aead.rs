//! The one primitive: AES-256-GCM with a 96-bit nonce and a 128-bit tag (NIST SP 800-38D). Everything that seals goes
//! through here, and so do the Wycheproof vectors.

use aes_gcm::{
    Aes256Gcm, Nonce, Tag,
    aead::{AeadInOut, KeyInit},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::id::fill_random;

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;

/// Secret bytes of a key, overwritten when dropped.
pub(crate) type Secret = Zeroizing<[u8; KEY]>;

/// The value cannot be opened; nothing says why, so that nobody can learn from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CannotOpen;

/// A new key from the operating system.
pub(crate) fn random_secret() -> Secret {
    let mut bytes = Secret::default();
    fill_random(bytes.as_mut());
    bytes
}

/// A new nonce from the operating system: random, never a counter, so that no state can be lost or restored twice.
pub(crate) fn random_nonce() -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    fill_random(&mut nonce);
    nonce
}

/// Encrypts in place and appends the tag. `out[from..]` is the plain text.
pub(crate) fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], aad: &[u8], out: &mut Vec<u8>, from: usize) {
    let tag = Aes256Gcm::new(key.into())
        .encrypt_inout_detached(&Nonce::from(*nonce), aad, (&mut out[from..]).into())
        .expect("AES-GCM takes up to 64 GiB at once");
    out.extend_from_slice(&tag);
}

/// Decrypts `sealed`, cipher text and tag.
pub(crate) fn open(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
    let (cipher_text, tag) = sealed.split_last_chunk::<TAG>().ok_or(CannotOpen)?;
    let mut plain = Zeroizing::new(cipher_text.to_vec());
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(&Nonce::from(*nonce), aad, plain.as_mut_slice().into(), &Tag::from(*tag))
        .map_err(|_| CannotOpen)?;
    Ok(plain)
}

/// A key for one use, from a key for several (HKDF-SHA-256, RFC 5869). The salt may be left out: the input is a
/// uniformly random key already.
pub(crate) fn derive(from: &[u8; KEY], info: &str) -> Secret {
    let mut out = Secret::default();
    Hkdf::<Sha256>::new(None, from).expand(info.as_bytes(), out.as_mut()).expect("HKDF gives up to 8,160 bytes");
    out
}

/// HMAC-SHA-256 (RFC 2104) over parts, each preceded by its length, so that no two lists of parts give one text.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
