//! By what a provider signs (RFC 7517), and which of its keys a token's header may mean.

use consigne_sdk::{Egress, Result, egress::header::HeaderMap};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{discovery, refused};

/// Longest token, in bytes.
const LONGEST: usize = 16 * 1024;

/// Most keys of a provider that are looked at.
const MOST: usize = 100;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Asks a provider for its keys. One that cannot be read is as good as none.
pub(crate) async fn fetch(egress: &Egress, url: &Url) -> Result<Vec<Jwk>> {
    let set: Set = discovery::get(egress, url.clone(), HeaderMap::new()).await?;
    Ok(set.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok()).collect())
}

/// The header of a token that may be looked at: signed by a key pair, with nothing that has to be understood.
pub(crate) fn header(token: &str) -> Result<Header> {
    if token.len() > LONGEST {
        return Err(refused("the token is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| refused("the token's header cannot be read"))?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
        return Err(refused("the token is not signed by RS256, ES256 or EdDSA"));
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(refused("the token's header asks for more than is known here"));
    }
    Ok(header)
}

/// The one key that this header means; none where there is none, or where it may mean several.
pub(crate) fn choose<'a>(keys: &'a [Jwk], header: &Header) -> Option<&'a Jwk> {
    let mut meant = keys.iter().filter(|key| {
        let common = &key.common;
        signs_by(key, header.alg)
            && !matches!(common.public_key_use, Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)))
            && (header.kid.is_none() || common.key_id == header.kid)
    });
    let key = meant.next()?;
    meant.next().is_none().then_some(key)
}

/// Whether a key is of the kind that this algorithm takes, and not said to be for another.
fn signs_by(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_of_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(pair), Algorithm::EdDSA) => pair.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let said = key.common.key_algorithm.map(|said| said.to_string());
    is_of_kind && said.is_none_or(|said| said == format!("{algorithm:?}"))
}

/// What a token says, if this key signed it. What it says of times is for the caller to check, whose clock it is.
pub(crate) fn verify(token: &str, algorithm: Algorithm, key: &Jwk) -> Result<Value> {
    let forged = || refused("the token's signature does not hold");
    let key = DecodingKey::from_jwk(key).map_err(|_| forged())?;
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    Ok(jsonwebtoken::decode(token, &key, &validation).map_err(|_| forged())?.claims)
}
