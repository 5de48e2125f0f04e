//! Access, visitor and rights tokens: JWT (RFC 7519) signed with Ed25519, read against our own clock.
//!
//! The library checks the signature, the issuer, the audience and that the claims are there. Its checks of `exp` and
//! `nbf` are switched off, because it would ask the system's clock and grant a minute: [`Times::hold_at`] does it with
//! [`Clock`](crate::clock::Clock) and no leeway, issuer and reader being the same machines.
//!
//! Invariants, as absences:
//! - No header but `typ`, `alg` and `kid` is accepted, so no embedded key and no other algorithm is ever looked at.
//! - No token of one kind passes for another: `typ` and `aud` differ.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Role, SecretText,
    signing::{self, Signer, SigningPurpose},
    unauthenticated,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{
        AccountId, ApiKeyId, AssistantId, PrivacyRequestId, SessionId, SigningKeyId, SubjectId, VisitorId,
        VisitorSigningKeyId, WorkspaceId,
    },
    store::{InstanceTx, Store},
};

/// How long an access token is valid.
pub const ACCESS_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long a visitor token is valid.
pub const VISITOR_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a token of somebody who proved who they are is valid.
pub const PERSON_LIFETIME: Duration = Duration::from_secs(30 * 60);

const ISSUER: &str = "consigne";
const LONGEST: usize = 4096;

/// The kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Access,
    Visitor,
    Person,
}

impl TokenKind {
    /// `at+jwt` is RFC 9068's.
    fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Visitor => "visitor+jwt",
            Self::Person => "person+jwt",
        }
    }

    fn audience(self) -> &'static str {
        match self {
            Self::Access => "consigne:members",
            Self::Visitor => "consigne:visitors",
            Self::Person => "consigne:rights",
        }
    }

    fn lifetime(self) -> Duration {
        match self {
            Self::Access => ACCESS_LIFETIME,
            Self::Visitor => VISITOR_LIFETIME,
            Self::Person => PERSON_LIFETIME,
        }
    }

    /// What a token says it is, before anything about it is trusted.
    pub(super) fn of(token: &str) -> Option<Self> {
        let typ = read_header(token)?.typ?;
        [Self::Access, Self::Visitor, Self::Person].into_iter().find(|kind| kind.typ() == typ)
    }
}

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    pub sub: AccountId,
    pub workspace: WorkspaceId,
    pub session: SessionId,
    /// The session's, when the token was made.
    pub generation: i64,
    /// For clients to show; the membership decides.
    pub role: String,
}

/// What a visitor token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct VisitorClaims {
    pub sub: VisitorId,
    pub workspace: WorkspaceId,
    pub subject: SubjectId,
    pub assistant: AssistantId,
    /// The key that started the visitor; without it a member or a secret key did.
    pub key: Option<ApiKeyId>,
    /// The key by which the customer's server vouched for the visitor; nobody did without it.
    pub vouched_by: Option<VisitorSigningKeyId>,
}

/// What a token says of somebody who proved who they are. Whose rights it opens stands in the request's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PersonClaims {
    pub sub: PrivacyRequestId,
    pub workspace: WorkspaceId,
}

impl AccessClaims {
    pub(super) fn new(
        account: AccountId,
        workspace: WorkspaceId,
        session: SessionId,
        generation: i64,
        role: Role,
    ) -> Self {
        Self { sub: account, workspace, session, generation, role: role.name().to_owned() }
    }
}

/// NumericDates, in seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Times {
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Times {
    fn starting(now: Timestamp, lifetime: Duration) -> Self {
        Self { iat: now.seconds(), nbf: now.seconds(), exp: now.plus(lifetime).seconds() }
    }

    /// Whether now is between `nbf` and `exp`, stretched by `renewable_for`, and the token no longer than its kind is.
    fn hold_at(self, now: Timestamp, kind: TokenKind, renewable_for: Duration) -> bool {
        let longest = i64::try_from(kind.lifetime().as_secs()).unwrap_or(i64::MAX);
        self.iat <= now.seconds()
            && self.nbf <= now.seconds()
            && now.minus(renewable_for).seconds() < self.exp
            && self.exp.saturating_sub(self.iat) <= longest
    }
}

#[derive(Serialize, Deserialize)]
struct Claims<T> {
    iss: String,
    aud: String,
    #[serde(flatten)]
    times: Times,
    #[serde(flatten)]
    own: T,
}

/// Opens the key that signs tokens. Before a transaction, never inside one.
pub(crate) async fn signer(store: &Store) -> Result<Signer> {
    signing::signer(store, SigningPurpose::Tokens).await
}

/// Makes a token and says when it ends.
pub(crate) fn issue<T: Serialize>(
    signer: &Signer,
    kind: TokenKind,
    own: T,
    now: Timestamp,
) -> Result<(SecretText, Timestamp)> {
    let times = Times::starting(now, kind.lifetime());
    let claims = Claims { iss: ISSUER.to_owned(), aud: kind.audience().to_owned(), times, own };
    let key = EncodingKey::from_ed_der(&signer.pkcs8());
    let token = jsonwebtoken::encode(&header_of(kind, signer.id), &claims, &key)
        .map_err(|_| Error::internal("a token could not be signed"))?;
    Ok((SecretText::new(token), Timestamp(times.exp.saturating_mul(1_000))))
}

/// A token that holds.
pub(super) struct Verified<T> {
    pub claims: T,
    pub expires_at: Timestamp,
}

/// Reads a token of this kind that is valid now.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with it.
pub(super) async fn verify<T: DeserializeOwned>(tx: &InstanceTx, kind: TokenKind, token: &str) -> Result<Verified<T>> {
    verify_within(tx, kind, token, Duration::ZERO).await
}

/// Reads a token of this kind that is valid now or ended less than `renewable_for` ago.
///
/// # Errors
/// `Unauthenticated`.
pub(super) async fn verify_within<T: DeserializeOwned>(
    tx: &InstanceTx,
    kind: TokenKind,
    token: &str,
    renewable_for: Duration,
) -> Result<Verified<T>> {
    let header = read_header(token).ok_or_else(unauthenticated)?;
    let kid: SigningKeyId = header.kid.as_deref().and_then(|kid| kid.parse().ok()).ok_or_else(unauthenticated)?;
    if header != header_of(kind, kid) {
        return Err(unauthenticated());
    }
    let key = signing::public_key(tx, kid, SigningPurpose::Tokens).await?.ok_or_else(unauthenticated)?;
    let claims: Claims<T> = jsonwebtoken::decode(token, &DecodingKey::from_ed_der(&key.bytes), &validation(kind))
        .map_err(|_| unauthenticated())?
        .claims;
    let is_after_retirement = key.retired_at.is_some_and(|retired| claims.times.iat > retired.seconds());
    if is_after_retirement || !claims.times.hold_at(tx.store().now(), kind, renewable_for) {
        return Err(unauthenticated());
    }
    Ok(Verified { claims: claims.own, expires_at: Timestamp(claims.times.exp.saturating_mul(1_000)) })
}

fn read_header(token: &str) -> Option<Header> {
    if token.len() > LONGEST {
        return None;
    }
    jsonwebtoken::decode_header(token).ok()
}

fn header_of(kind: TokenKind, kid: SigningKeyId) -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(kind.typ().to_owned());
    header.kid = Some(kid.to_string());
    header
}

fn validation(kind: TokenKind) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[kind.audience()]);
    validation.leeway = 0;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}
