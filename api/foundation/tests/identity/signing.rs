use consigne_foundation::identity::{SigningPurpose::*, signing};
use serde_json::json;

use crate::House;

#[tokio::test]
async fn a_certificate_verifies_offline_with_the_published_keys_and_after_their_retirement() {
    let house = House::open().await;
    let claims = json!({ "sub": "sub_1", "extent": "LIVE" });
    let old = signing::sign(house.store(), Certificates, &claims).await.unwrap();
    let saved_keys = signing::jwks(house.store()).await.unwrap();
    assert_eq!(signing::verify_offline(&old, &saved_keys).unwrap(), claims);

    house.wait(90 * 24 * 3600);
    signing::rotate(house.store(), Certificates).await.unwrap();
    let new = signing::sign(house.store(), Certificates, &claims).await.unwrap();
    assert!(signing::verify_offline(&new, &saved_keys).is_err(), "a key that was not saved");
    let keys = signing::jwks(house.store()).await.unwrap();
    for jws in [&old, &new] {
        assert_eq!(signing::verify_offline(jws, &keys).unwrap(), claims);
    }
    for key in keys["keys"].as_array().unwrap() {
        let mut names: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"], "no private part");
        assert_eq!(
            (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
            (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig"))
        );
    }
}

#[tokio::test]
async fn a_token_is_no_certificate() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    let keys = signing::jwks(house.store()).await.unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert!(signing::verify_offline(token.expose(), &keys).is_err());
    assert!(signing::sign(house.store(), Tokens, &json!({})).await.is_err());
}

#[tokio::test]
async fn two_processes_make_one_first_key() {
    let house = House::open().await;
    let other = house.test.reopened().await;
    let claims = json!({ "seq": 1 });
    let (one, two) =
        tokio::join!(signing::sign(house.store(), Checkpoints, &claims), signing::sign(&other, Checkpoints, &claims),);
    assert_eq!(one.unwrap(), two.unwrap(), "Ed25519 is deterministic, so the key is the same");
}

#[tokio::test]
async fn a_retired_token_key_verifies_what_it_signed_before() {
    let house = House::open().await;
    let before = house.sign_in("owner@acme.example").await;
    house.wait(1);
    signing::rotate(house.store(), Tokens).await.unwrap();
    house.come_in(before.access_token.expose()).await.unwrap();
    let after = house.sign_in("owner@acme.example").await;
    house.come_in(after.access_token.expose()).await.unwrap();
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(before.access_token.expose()), kid(after.access_token.expose()));
}

#[tokio::test]
async fn a_key_signs_for_ninety_days() {
    let house = House::open().await;
    let before = house.sign_in("owner@acme.example").await;
    signing::sign(house.store(), Certificates, &json!({})).await.unwrap();
    house.wait(90 * 24 * 3600 - 1);
    assert_eq!(signing::rotate_old(house.store()).await.unwrap(), 0);
    house.wait(1);
    assert_eq!(signing::rotate_old(house.store()).await.unwrap(), 2, "those that were ever used");
    assert_eq!(signing::rotate_old(house.store()).await.unwrap(), 0);
    let keys = signing::jwks(house.store()).await.unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 4, "retired keys still verify");
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    let after = house.sign_in("owner@acme.example").await;
    assert_ne!(kid(before.access_token.expose()), kid(after.access_token.expose()));
}
