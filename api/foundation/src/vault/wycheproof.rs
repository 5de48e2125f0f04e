//! Google's Wycheproof vectors for AES-GCM, through our own primitive.
//!
//! We seal with 256-bit keys, 96-bit nonces and 128-bit tags alone, so only those groups are run. The others (shorter
//! keys, shorter, longer and empty nonces) are skipped: no value of ours can have them, and the types refuse them.

use serde_json::Value;

use super::aead;

/// Beside the repository, not in it: it is Google's, and large.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/security/wycheproof/aes_gcm_test.json");

#[test]
fn every_wycheproof_vector_of_our_sizes_opens_or_is_refused_as_it_should() {
    let Ok(text) = std::fs::read_to_string(FILE) else {
        println!("skipped: {FILE} is not there");
        return;
    };
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let (mut valid, mut invalid, mut skipped) = (0, 0, 0);
    for group in vectors["testGroups"].as_array().expect("there are groups") {
        let tests = group["tests"].as_array().expect("a group has tests");
        if (&group["keySize"], &group["ivSize"], &group["tagSize"]) != (&256.into(), &96.into(), &128.into()) {
            skipped += tests.len();
            continue;
        }
        for test in tests {
            let bytes = |name: &str| hex::decode(test[name].as_str().expect("a text")).expect("hexadecimal");
            let key: [u8; 32] = bytes("key").try_into().expect("256 bits");
            let nonce: [u8; 12] = bytes("iv").try_into().expect("96 bits");
            let (aad, plain, sealed) = (bytes("aad"), bytes("msg"), [bytes("ct"), bytes("tag")].concat());
            let opened = aead::open(&key, &nonce, &aad, &sealed);
            if test["result"] == "valid" {
                valid += 1;
                let mut out = b"header".to_vec();
                out.extend_from_slice(&plain);
                aead::seal(&key, &nonce, &aad, &mut out, 6);
                assert_eq!(out[6..], sealed, "{}", test["tcId"]);
                assert_eq!(opened.expect("it opens").as_slice(), plain, "{}", test["tcId"]);
            } else {
                invalid += 1;
                assert!(opened.is_err(), "{}: {}", test["tcId"], test["comment"]);
            }
        }
    }
    println!("{valid} valid and {invalid} invalid vectors; {skipped} skipped: other key, nonce or tag sizes");
    assert!(valid >= 39 && invalid >= 27, "the vectors shrank");
}

#[test]
fn keys_are_derived_as_rfc_5869_says() {
    // Test case 3 of RFC 5869: no salt. Ours takes 32 bytes of input, so the construction is checked against HMAC.
    let key = [7; 32];
    let pseudorandom = hmac(&[0; 32], &key);
    let expected = hmac(&pseudorandom, b"info\x01");
    assert_eq!(*aead::derive(&key, "info"), expected);
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    use hmac::{Hmac, KeyInit, Mac};

    Hmac::<sha2::Sha256>::new_from_slice(key).expect("any length").chain_update(text).finalize().into_bytes().into()
}
