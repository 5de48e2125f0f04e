//! TLS by the egress: under an authority of one's own, and under no other.

use consigne_qdrant_standin::Standin;
use consigne_sdk::{
    Partition,
    conformance::world::{EAST, MODEL, near, point},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use uuid::Uuid;

use crate::world::open;

/// An authority, and a certificate of it for this machine with its key.
fn identity() -> (String, (String, String)) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let pem = authority.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &issuer).expect("a certificate").pem();
    (pem, (certificate, key.serialize_pem()))
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_of_the_settings_alone() {
    let (authority, identity) = identity();
    let standin = Standin::start_with(Some(identity)).await;
    let acme = Partition::new(Uuid::from_u128(1), MODEL);
    let settings = |authorities: Option<&str>| json!({ "url": standin.url(), "apiKey": standin.key(), "authorities": authorities });
    let index = open(settings(Some(&authority))).await.unwrap();
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    assert_eq!(index.search(&acme, &near(&EAST, 5)).await.unwrap().len(), 1);

    let (stranger, _) = self::identity();
    for authorities in [Some(stranger.as_str()), None] {
        let index = open(settings(authorities)).await.unwrap();
        assert!(index.search(&acme, &near(&EAST, 5)).await.unwrap_err().is_retryable());
    }
}
