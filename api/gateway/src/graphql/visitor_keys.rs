//! Keys by which the customer's server says who a visitor is, and what it said.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission, Timestamp,
    id::{SubjectId, VisitorSigningKeyId},
    identity::{
        known_visitors,
        visitor_keys::{self, NewVisitorKey, VisitorKeyAlgorithm},
    },
};

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// How a key signs.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "VisitorKeyAlgorithm", name = "VisitorKeyAlgorithm")]
pub enum VisitorKeyAlgorithmName {
    /// Ed25519, `EdDSA` in a token's header: the customer keeps the private half.
    #[graphql(name = "EDDSA")]
    EdDsa,
    /// HMAC-SHA-256, `HS256` in a token's header: both sides know the secret.
    #[graphql(name = "HS256")]
    Hs256,
}

/// A key by which the customer's server says who a visitor is, without what opens anything.
#[derive(SimpleObject, Clone)]
pub struct VisitorSigningKey {
    /// Its id, which a token's header names as `kid`.
    pub id: ID,
    /// What people call it.
    pub name: String,
    /// How it signs.
    pub algorithm: VisitorKeyAlgorithmName,
    /// Made at.
    pub created_at: DateTime,
    /// Ends at.
    pub expires_at: Option<DateTime>,
    /// The day a token of it was last taken on; no finer.
    pub last_used_at: Option<DateTime>,
    /// Revoked at.
    pub revoked_at: Option<DateTime>,
}

/// A key to be registered.
#[derive(InputObject)]
pub struct AddVisitorSigningKeyInput {
    /// What people call it.
    pub name: String,
    /// The public key of Ed25519, as PEM or as its 32 bytes in base64url. Where it is left out, a secret for HS256 is made.
    pub public_key: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime>,
}

/// The key, or why there is none.
#[derive(SimpleObject)]
pub struct AddVisitorSigningKeyPayload {
    /// The key.
    pub visitor_signing_key: Option<VisitorSigningKey>,
    /// The secret for HS256 in base64url, shown this once; its 32 bytes are the key of the HMAC.
    pub secret: Option<String>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Which key to revoke.
#[derive(InputObject)]
pub struct RevokeVisitorSigningKeyInput {
    /// The key.
    pub visitor_signing_key_id: ID,
}

/// The revoked key, or why it is not.
#[derive(SimpleObject)]
pub struct RevokeVisitorSigningKeyPayload {
    /// The key.
    pub visitor_signing_key: Option<VisitorSigningKey>,
    /// Why it is not revoked.
    pub user_errors: Vec<UserError>,
}

/// Who a visitor is, as the customer's server said.
#[derive(SimpleObject, Clone)]
pub struct VisitorIdentity {
    /// The person.
    pub subject_id: ID,
    /// The customer's own id of the person: `sub` of the token.
    pub external_id: String,
    /// An address, where the token had one.
    pub email: Option<String>,
    /// A name, where the token had one.
    pub name: Option<String>,
}

/// Reading the keys, and what was said with them.
#[derive(Default)]
pub struct VisitorKeyQuery;

#[Object]
impl VisitorKeyQuery {
    /// The keys by which the customer's server says who visitors are, newest first, revoked ones too.
    async fn visitor_signing_keys(&self, ctx: &Context<'_>) -> Result<Vec<VisitorSigningKey>> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let keys = visitor_keys::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(keys.into_iter().map(VisitorSigningKey::from).collect())
    }

    /// Who a visitor is, as the customer's server said; null where it said nothing.
    async fn visitor_identity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person: `subjectId` of a chat.")] subject_id: ID,
    ) -> Result<Option<VisitorIdentity>> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let found = known_visitors::get(&scope, ctx.store(), SubjectId::parse_or_unknown(&subject_id)).await;
        Ok(look_up(found)?.flatten().map(VisitorIdentity::from))
    }
}

/// Registering and revoking keys.
#[derive(Default)]
pub struct VisitorKeyMutation;

#[Object]
impl VisitorKeyMutation {
    /// Registers a key. With it the customer's server signs JWTs of at most fifteen minutes that say who a visitor is: header
    /// `alg` and `kid`, claims `sub` (the customer's own id of the person), `aud` (the workspace's or the assistant's id),
    /// `iat`, `exp`, and perhaps `email` and `name`. Needs a confirmed session.
    async fn add_visitor_signing_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AddVisitorSigningKeyInput,
    ) -> Result<AddVisitorSigningKeyPayload> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let expires_at = input.expires_at.map(|at| at.0);
        let new = NewVisitorKey { name: input.name, public_key: input.public_key, expires_at };
        let (added, user_errors) = split(visitor_keys::add(&scope, ctx.store(), new).await)?;
        let (key, secret) = added.unzip();
        Ok(AddVisitorSigningKeyPayload {
            visitor_signing_key: key.map(VisitorSigningKey::from),
            secret: secret.flatten().map(|secret| secret.expose().to_owned()),
            user_errors,
        })
    }

    /// Revokes a key, at once, and with it the sessions of visitors that came by it.
    async fn revoke_visitor_signing_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RevokeVisitorSigningKeyInput,
    ) -> Result<RevokeVisitorSigningKeyPayload> {
        let scope = ctx.scope(Permission::KeysWrite)?;
        let id = VisitorSigningKeyId::parse_or_unknown(&input.visitor_signing_key_id);
        let (revoked, user_errors) = split(visitor_keys::revoke(&scope, ctx.store(), id).await)?;
        Ok(RevokeVisitorSigningKeyPayload { visitor_signing_key: revoked.map(VisitorSigningKey::from), user_errors })
    }
}

impl From<visitor_keys::VisitorSigningKey> for VisitorSigningKey {
    fn from(key: visitor_keys::VisitorSigningKey) -> Self {
        Self {
            id: key.id.to_string().into(),
            name: key.name,
            algorithm: key.algorithm.into(),
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(DateTime::from),
            last_used_at: key.last_used_day.map(|day| DateTime(Timestamp(day * 86_400_000))),
            revoked_at: key.revoked_at.map(DateTime::from),
        }
    }
}

impl From<known_visitors::VisitorIdentity> for VisitorIdentity {
    fn from(known: known_visitors::VisitorIdentity) -> Self {
        Self {
            subject_id: known.subject.to_string().into(),
            external_id: known.external_id,
            email: known.email,
            name: known.name,
        }
    }
}
