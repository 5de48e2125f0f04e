//! Texts on their way out and in, wiped where this side owns them. What the HTTP library copies into its own buffers is
//! freed, not wiped.

use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// A JSON value whose texts are overwritten when it is dropped.
pub struct Wiped(Value);

impl Wiped {
    /// Takes the value over.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// A copy for one request, whose owner wipes it: [`crate::Egress::send`] does.
    pub fn copy(&self) -> Value {
        self.0.clone()
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites every text of a value.
pub fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(all) => all.iter_mut().for_each(wipe),
        Value::Object(all) => all.values_mut().for_each(wipe),
        _ => {}
    }
}

/// Bytes that are overwritten when they are dropped, and when they have to move.
#[derive(Default)]
pub struct WipedBytes(Zeroizing<Vec<u8>>);

impl WipedBytes {
    /// Appends.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.0.len() + bytes.len() > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity((self.0.len() + bytes.len()) * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl AsRef<[u8]> for WipedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_a_value_is_overwritten() {
        let mut value = json!({ "a": "secret", "b": ["secret", { "c": "secret", "n": 1 }] });
        wipe(&mut value);
        assert_eq!(value, json!({ "a": "", "b": ["", { "c": "", "n": 1 }] }));
    }

    #[test]
    fn bytes_grow_in_order() {
        let mut bytes = WipedBytes::default();
        for piece in [&b"ab"[..], b"", b"cdefghij", b"k"] {
            bytes.extend(piece);
        }
        assert_eq!(bytes.as_ref(), b"abcdefghijk");
    }
}
