//! Tokens that somebody made, changed or moved. Each is refused with the same words.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use consigne_foundation::{id::SigningKeyId, identity::*, vault::Place, *};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::House;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A token of the house, taken apart.
struct Parts {
    header: Value,
    claims: Value,
    key: SigningKey,
}

impl Parts {
    async fn of(house: &House, token: &str) -> Self {
        let mut parts = token.split('.');
        let (header, claims) = (decode(parts.next().unwrap()), decode(parts.next().unwrap()));
        let kid: SigningKeyId = header["kid"].as_str().unwrap().parse().unwrap();
        Self { key: house_key(house, kid).await, header, claims }
    }

    fn with(mut self, header: &[(&str, Value)], claims: &[(&str, Value)]) -> String {
        for (name, value) in header {
            self.header[name] = value.clone();
        }
        for (name, value) in claims {
            match value {
                Value::Null => drop(self.claims.as_object_mut().unwrap().remove(*name)),
                value => self.claims[name] = value.clone(),
            }
        }
        let signed = format!("{}.{}", encode(self.header.to_string()), encode(self.claims.to_string()));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature.to_bytes()))
    }
}

/// The house's own private key, as a thief of the root key would have it.
async fn house_key(house: &House, kid: SigningKeyId) -> SigningKey {
    let place = Place::instance("signing_keys", "private_key_sealed", kid.0);
    let backend = house.test.owner.get_database_backend();
    let sql = "SELECT private_key_sealed FROM signing_keys WHERE id = $1";
    let row = house.test.owner.query_one_raw(Statement::from_sql_and_values(backend, sql, [kid.into()])).await.unwrap();
    let sealed: Vec<u8> = row.unwrap().try_get("", "private_key_sealed").unwrap();
    let seed = house.store().vault().instance_key().open(&place, &sealed).unwrap();
    SigningKey::from_bytes(seed.as_slice().try_into().unwrap())
}

#[tokio::test]
async fn only_the_exact_header_is_read() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    let parts = async || Parts::of(&house, token.expose()).await;
    assert_eq!(parts().await.header["typ"], "at+jwt");
    house.come_in(&parts().await.with(&[], &[])).await.unwrap();

    let thief = SigningKey::from_bytes(&[9; 32]);
    let thiefs_jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(thief.verifying_key().as_bytes()) });
    let embedded = Parts { key: thief.clone(), ..parts().await };
    house.is_refused(&embedded.with(&[("jwk", thiefs_jwk.clone())], &[])).await;
    let foreign = Parts { key: thief, ..parts().await };
    house.is_refused(&foreign.with(&[], &[])).await;
    for header in [
        ("jwk", thiefs_jwk),
        ("jku", json!("https://thief.example/jwks.json")),
        ("crit", json!(["exp"])),
        ("typ", json!("JWT")),
        ("typ", json!("visitor+jwt")),
        ("typ", json!("certificate+jws")),
        ("kid", json!("sgn_00000000000000000000000000")),
        ("kid", json!("../../etc/passwd")),
        ("alg", json!("none")),
        ("alg", json!("ES256")),
        ("x", json!(1)),
    ] {
        house.is_refused(&parts().await.with(&[header], &[])).await;
    }
}

#[tokio::test]
async fn no_signature_and_a_mac_with_the_public_key_are_refused() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    let Parts { header, claims, key } = Parts::of(&house, token.expose()).await;
    let mut none = header.clone();
    none["alg"] = json!("none");
    let unsigned = format!("{}.{}", encode(none.to_string()), encode(claims.to_string()));
    house.is_refused(&format!("{unsigned}.")).await;
    house.is_refused(&unsigned).await;

    let public = key.verifying_key();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", encode(public.as_bytes()));
    for mac_key in [public.as_bytes().as_slice(), pem.as_bytes(), encode(public.as_bytes()).as_bytes()] {
        let mut hs256 = header.clone();
        hs256["alg"] = json!("HS256");
        let signed = format!("{}.{}", encode(hs256.to_string()), encode(claims.to_string()));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(mac_key).unwrap();
        mac.update(signed.as_bytes());
        house.is_refused(&format!("{signed}.{}", encode(mac.finalize().into_bytes()))).await;
    }
}

#[tokio::test]
async fn every_claim_is_needed_and_means_what_it_says() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    let parts = async || Parts::of(&house, token.expose()).await;
    let now = house.store().now().seconds();
    for claim in ["exp", "nbf", "iat", "iss", "aud", "sub", "workspace", "session", "generation"] {
        house.is_refused(&parts().await.with(&[], &[(claim, Value::Null)])).await;
    }
    let other = house.stranger().await.workspace();
    for claim in [
        ("iss", json!("somebody")),
        ("aud", json!("consigne:visitors")),
        ("exp", json!(now)),
        ("exp", json!(now + 24 * 3600)),
        ("nbf", json!(now + 1)),
        ("iat", json!(now + 1)),
        ("workspace", json!(other)),
        ("sub", json!("acc_00000000000000000000000000")),
        ("session", json!("ses_00000000000000000000000000")),
        ("generation", json!(2)),
    ] {
        house.is_refused(&parts().await.with(&[], &[claim])).await;
    }
}

#[tokio::test]
async fn the_claimed_role_gives_nothing() {
    let house = House::open().await;
    let owner = house.owner().await;
    accounts::add_member(&owner, house.store(), "ed@acme.example", crate::PASSWORD, Role::Editor).await.unwrap();
    let token = house.sign_in("ed@acme.example").await.access_token;
    let raised = Parts::of(&house, token.expose()).await.with(&[], &[("role", json!("OWNER"))]);
    let somebody = house.come_in(&raised).await.unwrap();
    assert_eq!(somebody.scope.permissions(), Role::Editor.permissions());
}

#[tokio::test]
async fn an_access_token_lives_ten_minutes_by_our_clock_without_leeway() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    house.wait(599);
    house.come_in(token.expose()).await.unwrap();
    house.wait(1);
    house.is_refused(token.expose()).await;
}

#[tokio::test]
async fn a_key_of_another_purpose_signs_no_token() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    let mut parts = Parts::of(&house, token.expose()).await;
    let certificate = signing::sign(house.store(), SigningPurpose::Certificates, &parts.claims).await.unwrap();
    house.is_refused(&certificate).await;
    let other_kid = decode(certificate.split('.').next().unwrap())["kid"].clone();
    parts.key = house_key(&house, other_kid.as_str().unwrap().parse().unwrap()).await;
    house.is_refused(&parts.with(&[("kid", other_kid)], &[])).await;
}

#[tokio::test]
async fn headers_that_are_no_bearer_credential_are_refused_and_none_is_nobody() {
    let house = House::open().await;
    let token = house.sign_in("owner@acme.example").await.access_token;
    assert!(authenticate(house.store(), None).await.unwrap().is_none());
    let long = format!("Bearer {}", "a".repeat(100_000));
    let basic = format!("Basic {}", token.expose());
    let double = format!("Bearer  {}", token.expose());
    for header in
        ["", "Bearer", "Bearer ", token.expose(), &basic, &double, &long, "Bearer a.b.c", "Bearer ..", "Bearer csk_"]
    {
        let error = authenticate(house.store(), Some(header)).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{}", header.len());
    }
    let lower = format!("bearer {}", token.expose());
    assert!(authenticate(house.store(), Some(&lower)).await.unwrap().is_some());
}
