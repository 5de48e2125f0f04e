//! What an authenticator says, and what it takes to be believed (W3C Web Authentication Level 3, sections 7.1 and 7.2).
//!
//! Nothing here knows of accounts or of the database. Attestation is not asked for and not looked at: members choose their
//! own authenticators, and which make they are is nobody's business.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use coset::{
    Algorithm, AsCborValue, CborSerializable, CoseKey, KeyType, Label,
    cbor::Value,
    iana::{self, EnumI64},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result as OurResult};

/// The algorithms of signatures that are taken, as COSE numbers them: Ed25519, ES256, RS256. The first is asked for most.
pub(super) const ALGORITHMS: [iana::Algorithm; 3] =
    [iana::Algorithm::EdDSA, iana::Algorithm::ES256, iana::Algorithm::RS256];

/// Longest id of a credential, in bytes (section 5.8.3).
const LONGEST_ID: usize = 1_023;

/// The transports that are kept, to be given back as hints (section 5.8.4).
const TRANSPORTS: [&str; 6] = ["usb", "nfc", "ble", "smart-card", "hybrid", "internal"];

/// Whom credentials are made for: a domain, and the one page that may ask for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The relying party's id.
    pub(super) id: String,
    /// Scheme, host and port of the console.
    origin: String,
}

impl Party {
    /// That of the console at this address, for its own host or a domain above it. None where the host is no domain name:
    /// browsers make no passkeys for addresses of machines, nor without TLS, but for `localhost`.
    ///
    /// # Errors
    /// `Misconfigured` where the console is not under the domain.
    pub fn of(console_url: &str, domain: Option<&str>) -> OurResult<Option<Self>> {
        let url = Url::parse(console_url).ok();
        let host = url.as_ref().and_then(|url| match url.host() {
            Some(Host::Domain(host)) => Some(host.to_owned()),
            _ => None,
        });
        let is_trusted =
            url.as_ref().is_some_and(|url| url.scheme() == "https") || host.as_deref() == Some("localhost");
        let found = url.zip(host).filter(|_| is_trusted);
        let Some((url, host)) = found else {
            return match domain {
                None => Ok(None),
                Some(_) => Err(misconfigured("needs a console (CONSIGNE_CONSOLE_URL) at an https address of a domain")),
            };
        };
        let id = domain.map_or(host.clone(), str::to_ascii_lowercase);
        if host != id && !host.ends_with(&format!(".{id}")) {
            return Err(misconfigured("is not the console's (CONSIGNE_CONSOLE_URL), nor one above it"));
        }
        Ok(Some(Self { id, origin: url.origin().ascii_serialization() }))
    }
}

fn misconfigured(what: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, format!("The domain of passkeys (CONSIGNE_PASSKEY_DOMAIN) {what}."))
}

/// Bytes that are base64url without padding, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base64Url(pub Vec<u8>);

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| D::Error::custom("is not base64url without padding"))
    }
}

/// A credential as a browser gives it, `PublicKeyCredential.toJSON()`. What else it says is of no use here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential<R> {
    id: Base64Url,
    raw_id: Base64Url,
    r#type: String,
    response: R,
}

/// Of a new one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attestation {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    attestation_object: Base64Url,
    #[serde(default)]
    transports: Vec<String>,
}

/// Of one that is known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Assertion {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    authenticator_data: Base64Url,
    signature: Base64Url,
    user_handle: Option<Base64Url>,
}

/// What is kept of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Known {
    pub id: Base64Url,
    /// A COSE key (RFC 9052).
    pub public_key: Base64Url,
    /// Whether it may be copied to other devices.
    pub is_backup_eligible: bool,
    /// By what the authenticator is reached.
    pub transports: Vec<String>,
}

/// What an authenticator says of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// How often it has signed, or 0 where it does not count.
    pub sign_count: u32,
    /// Whether the credential was copied to another device.
    pub is_backed_up: bool,
    /// Whether the authenticator made sure who is there: by a finger, a face, a number.
    pub is_user_verified: bool,
}

/// Why a credential is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("it is not a credential as `PublicKeyCredential.toJSON()` gives it")]
    Malformed,
    #[error("it is for another ceremony")]
    WrongCeremony,
    #[error("it answers another challenge")]
    WrongChallenge,
    #[error("it was made on another page than the console")]
    WrongOrigin,
    #[error("it was made for another domain")]
    WrongParty,
    #[error("nobody was there")]
    NobodyPresent,
    #[error("the authenticator did not make sure who is there")]
    NobodyVerified,
    #[error("its algorithm is none that was asked for")]
    WrongAlgorithm,
    #[error("its signature is not right")]
    WrongSignature,
    #[error("its signatures count backwards, so it may have been copied")]
    Cloned,
    #[error("it says something else about copies than when it was made")]
    WrongBackup,
}

/// What a browser sends, of whatever kind.
pub(super) fn read<R: for<'de> Deserialize<'de>>(json: serde_json::Value) -> Result<Credential<R>, Refused> {
    let credential: Credential<R> = serde_json::from_value(json).map_err(|_| Refused::Malformed)?;
    let is_whole = credential.r#type == "public-key"
        && credential.id == credential.raw_id
        && (1..=LONGEST_ID).contains(&credential.id.0.len());
    is_whole.then_some(credential).ok_or(Refused::Malformed)
}

impl Credential<Attestation> {
    /// A new credential, if it may be believed (section 7.1).
    pub(super) fn registered(&self, party: &Party, challenge: &str) -> Result<(Known, Moment), Refused> {
        let said = &self.response;
        check_client_data(party, &said.client_data.0, "webauthn.create", challenge)?;
        let data = authenticator_data_of(&said.attestation_object.0).ok_or(Refused::Malformed)?;
        let data = AuthenticatorData::read(&data).ok_or(Refused::Malformed)?;
        let moment = data.moment(party)?;
        let (id, key) = data.credential().ok_or(Refused::Malformed)?;
        if id != self.id.0 {
            return Err(Refused::Malformed);
        }
        let bytes = key.clone().to_vec().map_err(|_| Refused::Malformed)?;
        PublicKey::of(&key)?;
        let known = said.transports.iter().filter(|name| TRANSPORTS.contains(&name.as_str()));
        let mut transports: Vec<String> = known.cloned().collect();
        transports.sort();
        transports.dedup();
        let known = Known {
            id: self.id.clone(),
            public_key: Base64Url(bytes),
            is_backup_eligible: data.has(BACKUP_ELIGIBLE),
            transports,
        };
        Ok((known, moment))
    }
}

impl Credential<Assertion> {
    /// The credential's id.
    pub(super) fn id(&self) -> &[u8] {
        &self.id.0
    }

    /// Whose it is, as the authenticator says it.
    pub(super) fn user_handle(&self) -> Option<&[u8]> {
        self.response.user_handle.as_ref().map(|handle| handle.0.as_slice())
    }

    /// What the authenticator says of now, if it may be believed to be the one that is known (section 7.2).
    pub(super) fn asserted(
        &self,
        party: &Party,
        challenge: &str,
        known: &Known,
        last_count: u32,
    ) -> Result<Moment, Refused> {
        let said = &self.response;
        check_client_data(party, &said.client_data.0, "webauthn.get", challenge)?;
        let bytes = &said.authenticator_data.0;
        let data = AuthenticatorData::read(bytes).ok_or(Refused::Malformed)?;
        let moment = data.moment(party)?;
        if data.has(BACKUP_ELIGIBLE) != known.is_backup_eligible {
            return Err(Refused::WrongBackup);
        }
        let key = CoseKey::from_slice(&known.public_key.0).map_err(|_| Refused::Malformed)?;
        let signed = [bytes.as_slice(), &Sha256::digest(&said.client_data.0)].concat();
        PublicKey::of(&key)?.verify(&signed, &said.signature.0)?;
        let counts = moment.sign_count > 0 || last_count > 0;
        if counts && moment.sign_count <= last_count {
            return Err(Refused::Cloned);
        }
        Ok(moment)
    }
}

impl Moment {
    /// # Errors
    /// [`Refused::NobodyVerified`].
    pub(super) fn require_verified(self) -> Result<Self, Refused> {
        if self.is_user_verified { Ok(self) } else { Err(Refused::NobodyVerified) }
    }
}

/// What a browser signs for (section 5.8.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

fn check_client_data(party: &Party, json: &[u8], ceremony: &str, challenge: &str) -> Result<(), Refused> {
    let said: ClientData = serde_json::from_slice(json).map_err(|_| Refused::Malformed)?;
    if said.r#type != ceremony {
        return Err(Refused::WrongCeremony);
    }
    if !bool::from(said.challenge.as_bytes().ct_eq(challenge.as_bytes())) {
        return Err(Refused::WrongChallenge);
    }
    // Nobody shows the console inside another page.
    if said.origin != party.origin || said.cross_origin || said.top_origin.is_some() {
        return Err(Refused::WrongOrigin);
    }
    Ok(())
}

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// Section 6.1.
struct AuthenticatorData<'a> {
    party_hash: &'a [u8; 32],
    flags: u8,
    sign_count: u32,
    credential: Option<(&'a [u8], CoseKey)>,
}

impl<'a> AuthenticatorData<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (party_hash, rest) = bytes.split_first_chunk::<32>()?;
        let (&[flags], rest) = rest.split_first_chunk::<1>()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            let (_aaguid, after) = rest.split_first_chunk::<16>()?;
            let (length, after) = after.split_first_chunk::<2>()?;
            let (id, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = after;
            credential = Some((id, CoseKey::from_cbor_value(next_value(&mut rest)?).ok()?));
        }
        if flags & HAS_EXTENSIONS != 0 {
            next_value(&mut rest)?.as_map()?;
        }
        let read = Self { party_hash, flags, sign_count: u32::from_be_bytes(*count), credential };
        rest.is_empty().then_some(read)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn credential(&self) -> Option<(Vec<u8>, CoseKey)> {
        self.credential.as_ref().map(|(id, key)| (id.to_vec(), key.clone()))
    }

    fn moment(&self, party: &Party) -> Result<Moment, Refused> {
        if self.party_hash[..] != Sha256::digest(&party.id)[..] {
            return Err(Refused::WrongParty);
        }
        if !self.has(USER_PRESENT) {
            return Err(Refused::NobodyPresent);
        }
        if self.has(BACKED_UP) && !self.has(BACKUP_ELIGIBLE) {
            return Err(Refused::WrongBackup);
        }
        Ok(Moment {
            sign_count: self.sign_count,
            is_backed_up: self.has(BACKED_UP),
            is_user_verified: self.has(USER_VERIFIED),
        })
    }
}

/// `authData` of an attestation object (section 6.5.4).
fn authenticator_data_of(mut object: &[u8]) -> Option<Vec<u8>> {
    let value = next_value(&mut object)?;
    let fields = value.into_map().ok().filter(|_| object.is_empty())?;
    let (_, data) = fields.into_iter().find(|(name, _)| name.as_text() == Some("authData"))?;
    data.into_bytes().ok()
}

/// The CBOR value at the start of `bytes`, which are then what comes after it.
fn next_value(bytes: &mut &[u8]) -> Option<Value> {
    coset::cbor::from_reader(bytes).ok()
}

/// By what a signature is verified.
enum PublicKey {
    /// An uncompressed point.
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
}

impl PublicKey {
    fn of(key: &CoseKey) -> Result<Self, Refused> {
        let Some(Algorithm::Assigned(algorithm)) = &key.alg else { return Err(Refused::WrongAlgorithm) };
        let bytes = |label: i64| field(key, label).and_then(Value::as_bytes).cloned().ok_or(Refused::Malformed);
        let is_on = |label: i64, curve: iana::EllipticCurve| {
            field(key, label).and_then(Value::as_integer) == Some(curve.to_i64().into())
        };
        let has_type = |kind: iana::KeyType| key.kty == KeyType::Assigned(kind);
        match algorithm {
            iana::Algorithm::ES256
                if has_type(iana::KeyType::EC2)
                    && is_on(iana::Ec2KeyParameter::Crv.to_i64(), iana::EllipticCurve::P_256) =>
            {
                let x = bytes(iana::Ec2KeyParameter::X.to_i64())?;
                let y = bytes(iana::Ec2KeyParameter::Y.to_i64())?;
                let is_whole = x.len() == 32 && y.len() == 32;
                is_whole.then(|| Self::Es256([&[4][..], &x, &y].concat())).ok_or(Refused::Malformed)
            }
            iana::Algorithm::EdDSA
                if has_type(iana::KeyType::OKP)
                    && is_on(iana::OkpKeyParameter::Crv.to_i64(), iana::EllipticCurve::Ed25519) =>
            {
                bytes(iana::OkpKeyParameter::X.to_i64()).map(Self::EdDsa)
            }
            iana::Algorithm::RS256 if has_type(iana::KeyType::RSA) => {
                let n = bytes(iana::RsaKeyParameter::N.to_i64())?;
                let e = bytes(iana::RsaKeyParameter::E.to_i64())?;
                Ok(Self::Rs256(RsaPublicKeyComponents { n, e }))
            }
            _ => Err(Refused::WrongAlgorithm),
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Refused> {
        let is_right = match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature),
            Self::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            Self::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature),
        };
        is_right.map_err(|_| Refused::WrongSignature)
    }
}

fn field(key: &CoseKey, label: i64) -> Option<&Value> {
    key.params.iter().find(|(name, _)| *name == Label::Int(label)).map(|(_, value)| value)
}

#[cfg(test)]
#[path = "ceremony_tests.rs"]
mod tests;
