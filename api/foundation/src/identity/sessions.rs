//! Sessions: a sign-in and its rotating refresh token (RFC 9700, 4.14.2).
//!
//! A refresh token is `<session id>.<secret>`, used once. The secret is derived from the installation's root key, the
//! session and the session's generation, so within a few seconds after a renewal the same successor can be given again
//! to a client that lost the answer, although only its hash is stored. A token that was used longer ago means that two
//! parties hold it: the session ends.
//!
//! A session ends when nobody used it for half an hour, and after twelve hours in any case. Whoever asks at sign-in to
//! stay signed in has one that may rest for fourteen days, and lasts thirty.
//!
//! `own` is what a member sees of sessions, and ends.

mod own;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, JoinType, QueryFilter, QuerySelect, RelationDef,
    sea_query::Expr,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::own::{ListedSession, list, name, revoke, revoke_all, sign_out};
use super::{
    Role, SecretText, SignedIn, custom_roles,
    signing::Signer,
    tokens::{self, AccessClaims, TokenKind},
    unauthenticated,
};
use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, Result},
    id::{AccountId, SessionId, WorkspaceId},
    scope::{Actor, Permissions, Scope},
    store::{
        InstanceTx, Notice, Store, Topic, WorkspaceTx,
        entity::{accounts, memberships, sessions},
    },
};

/// How long the token before the last may fetch the last one again.
pub const GRACE: Duration = Duration::from_secs(15);

/// A session that nobody used for this long ends.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends after this, however much it is used.
pub const ABSOLUTE: Duration = Duration::from_secs(12 * 3600);

/// As [`IDLE`], for whoever asked to stay signed in.
pub const STAYING_IDLE: Duration = Duration::from_secs(14 * 24 * 3600);

/// As [`ABSOLUTE`], for whoever asked to stay signed in.
pub const STAYING_ABSOLUTE: Duration = Duration::from_secs(30 * 24 * 3600);

/// That a session is used is noted this often and no finer.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// How somebody comes in.
#[derive(Debug, Clone, Default)]
pub(super) struct Opening {
    pub stays_signed_in: bool,
    /// A browser's family and major version.
    pub agent: Option<String>,
    /// When they last proved who they are.
    pub confirmed_at: Option<Timestamp>,
    /// At whose provider they signed in, if not here.
    pub signed_on: Option<SignedOn>,
}

/// What a session is known by at an identity provider.
#[derive(Debug, Clone)]
pub(super) struct SignedOn {
    pub issuer: String,
    /// Keyed, of the provider's id of the person.
    pub subject_index: Vec<u8>,
    /// Keyed, of the provider's id of the sign-in.
    pub session_index: Option<Vec<u8>>,
    /// How it was proved, as the provider says it.
    pub amr: Vec<String>,
    /// Whether that was a second factor.
    pub has_second_factor: bool,
}

/// Why a session ended, as the row says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Because {
    SignedOut,
    Revoked,
    Reused,
    MembershipEnded,
    Switched,
    PasswordChanged,
    AccountClosed,
    SignedOutAtProvider,
    SingleSignOnChanged,
}

impl Because {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SignedOut => "SIGNED_OUT",
            Self::Revoked => "REVOKED",
            Self::Reused => "REUSED",
            Self::MembershipEnded => "MEMBERSHIP_ENDED",
            Self::Switched => "SWITCHED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::AccountClosed => "ACCOUNT_CLOSED",
            Self::SignedOutAtProvider => "SIGNED_OUT_AT_PROVIDER",
            Self::SingleSignOnChanged => "SINGLE_SIGN_ON_CHANGED",
        }
    }
}

/// Gives an access token and the next refresh token for a refresh token.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong. Where the token was used before, the session has ended too.
pub async fn refresh(store: &Store, refresh_token: &str) -> Result<SignedIn> {
    let presented = Presented::parse(store, refresh_token).ok_or_else(unauthenticated)?;
    let signer = tokens::signer(store).await?;
    let workspace = workspace_of(store, presented.session).await?.ok_or_else(unauthenticated)?;
    let tx = store.begin_in(workspace, crate::store::Mode::Write).await?;
    let now = store.now();
    let is_renewed = claim(&tx, &presented, now).await?;
    let Some(live) = find_live(&tx, presented.session, now).await? else {
        return Err(unauthenticated());
    };
    let scope = live.scope();
    if is_renewed {
        audit::append(&scope, &tx, event("session.renewed", presented.session)).await?;
    } else if !live.grants_again(&presented, now) {
        tracing::warn!(session = %presented.session, "a refresh token was used twice; the session ends");
        end(&tx, presented.session, Because::Reused).await?;
        audit::append(&scope, &tx, event("session.reuse_detected", presented.session)).await?;
        tx.commit().await?;
        store.signals().count(Rule::TokenReuse, Some(workspace));
        return Err(unauthenticated());
    }
    tx.commit().await?;
    live.signed_in(store, &signer)
}

/// Whether the session may still be used, its membership and account too. One indexed read.
///
/// # Errors
/// `Unavailable`.
pub async fn is_live(store: &Store, session: SessionId) -> Result<bool> {
    let tx = store.read_instance().await?;
    Ok(find_live(&tx, session, store.now()).await?.is_some())
}

/// Who asks, if it is this session.
///
/// # Errors
/// `Unauthenticated` where it is another, or nobody.
pub(super) fn asked_by(by: Option<&Scope>, session: SessionId) -> Result<&Scope> {
    by.filter(|by| by.member().is_ok_and(|(_, asking)| asking == session)).ok_or_else(unauthenticated)
}

/// A session that may be used, and as what.
pub(super) struct Live {
    pub session: sessions::Model,
    pub role: Role,
    /// The role's; none while the workspace waits for the member's second factor.
    permissions: Permissions,
}

impl Live {
    pub(super) fn scope(&self) -> Scope {
        let actor = Actor::Member { account: self.session.account_id, session: self.session.id };
        let scope = Scope::new(self.session.member_workspace_id, actor, self.permissions);
        scope.confirmed(self.session.confirmed_at).signed_on(self.session.provider_issuer.is_some())
    }

    /// Notes that the session is used, at most once a minute. It works without this note, so a failure is only logged.
    pub(super) async fn note_use(&self, store: &Store) {
        let now = store.now();
        if now < self.session.last_used_at.plus(NOTED_EVERY) {
            return;
        }
        let noted = async {
            let tx = store.write_instance_relaxed().await?;
            sessions::Entity::update_many()
                .col_expr(sessions::Column::LastUsedAt, Expr::value(now))
                .filter(sessions::Column::Id.eq(self.session.id))
                .filter(sessions::Column::LastUsedAt.lt(now))
                .exec(tx.db())
                .await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(session = %self.session.id, ?error, "that a session is used could not be noted");
        }
    }

    /// A token of this generation or the one before: a renewal in one tab does not cut off the others.
    pub(super) fn accepts_generation(&self, generation: i64) -> bool {
        (generation..=generation.saturating_add(1)).contains(&self.session.generation)
    }

    fn grants_again(&self, presented: &Presented, now: Timestamp) -> bool {
        let is_previous =
            self.session.previous_refresh_hash.as_deref().is_some_and(|hash| is_same(hash, &presented.hash));
        is_previous && now <= self.session.rotated_at.plus(GRACE)
    }

    /// The tokens of the session's generation.
    pub(super) fn signed_in(&self, store: &Store, signer: &Signer) -> Result<SignedIn> {
        let row = &self.session;
        let claims = AccessClaims::new(row.account_id, row.member_workspace_id, row.id, row.generation, self.role);
        let (access_token, expires_at) = tokens::issue(signer, TokenKind::Access, claims, store.now())?;
        Ok(SignedIn {
            access_token,
            refresh_token: write_token(store, row.id, row.generation)?,
            expires_at,
            account: row.account_id,
            session: row.id,
            workspace: row.member_workspace_id,
            role: self.role,
        })
    }
}

/// The session with its membership and account, if all three hold. One statement over primary keys.
pub(super) async fn find_live(tx: &InstanceTx, session: SessionId, now: Timestamp) -> Result<Option<Live>> {
    let membership: RelationDef = sessions::Entity::belongs_to(memberships::Entity)
        .from((sessions::Column::AccountId, sessions::Column::MemberWorkspaceId))
        .to((memberships::Column::AccountId, memberships::Column::MemberWorkspaceId))
        .into();
    let account: RelationDef = sessions::Entity::belongs_to(accounts::Entity)
        .from(sessions::Column::AccountId)
        .to(accounts::Column::Id)
        .into();
    let found = sessions::Entity::find_by_id(session)
        .join(JoinType::InnerJoin, membership)
        .join(JoinType::InnerJoin, account)
        .select_also(memberships::Entity)
        .filter(accounts::Column::DeactivatedAt.is_null())
        .filter(memberships::Column::SuspendedAt.is_null())
        .filter(live_at(now))
        .one(tx.db())
        .await?;
    let Some((session, Some(membership))) = found else { return Ok(None) };
    let permissions = permissions_of(&membership, &session, now)?;
    Ok(Some(Live { session, role: membership.role.parse()?, permissions }))
}

/// What a member may do now: what the role says, or nothing while a second factor is missing that the workspace asks for.
fn permissions_of(membership: &memberships::Model, session: &sessions::Model, now: Timestamp) -> Result<Permissions> {
    let waits = !session.has_second_factor && membership.must_enrol_from.is_some_and(|from| from <= now);
    if waits { Ok(Permissions::default()) } else { custom_roles::permissions_of(membership) }
}

/// Makes the session of a sign-in.
pub(super) async fn open(tx: &WorkspaceTx, membership: &memberships::Model, opening: Opening) -> Result<Live> {
    let store = tx.store();
    let lasts = if opening.stays_signed_in { STAYING_ABSOLUTE } else { ABSOLUTE };
    let (id, now) = (SessionId::new(store.clock()), store.now());
    let signed_on = opening.signed_on.as_ref();
    let session = sessions::Model {
        id,
        account_id: membership.account_id,
        member_workspace_id: tx.workspace(),
        refresh_hash: hash_of(&secret(store, id, FIRST_GENERATION)?),
        previous_refresh_hash: None,
        rotated_at: now,
        generation: FIRST_GENERATION,
        created_at: now,
        last_used_at: now,
        expires_at: now.plus(lasts),
        revoked_at: None,
        revoked_because: None,
        stays_signed_in: opening.stays_signed_in,
        agent: opening.agent,
        name_sealed: None,
        confirmed_at: opening.confirmed_at,
        provider_issuer: signed_on.map(|at| at.issuer.clone()),
        provider_subject_index: signed_on.map(|at| at.subject_index.clone()),
        provider_session_index: signed_on.and_then(|at| at.session_index.clone()),
        provider_amr: signed_on.map(|at| at.amr.join(" ")),
        has_second_factor: signed_on.is_some_and(|at| at.has_second_factor),
    };
    let row = sessions::ActiveModel::from(session.clone()).reset_all();
    sessions::Entity::insert(row).exec_without_returning(tx.db()).await?;
    let permissions = permissions_of(membership, &session, now)?;
    let live = Live { session, role: membership.role.parse()?, permissions };
    let opened = match &opening.signed_on {
        Some(at) => event("session.opened", id).detail("issuer", at.issuer.as_str()).detail("amr", at.amr.join(" ")),
        None => event("session.opened", id),
    };
    audit::append(&live.scope(), tx, opened).await?;
    Ok(live)
}

/// Ends all sessions of an account in the transaction's workspace, but perhaps one. Says how many.
pub(super) async fn end_all(
    tx: &WorkspaceTx,
    account: AccountId,
    but: Option<SessionId>,
    because: Because,
) -> Result<u64> {
    let all = sessions::Entity::find()
        .filter(sessions::Column::AccountId.eq(account))
        .filter(sessions::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(live_at(tx.store().now()))
        .all(tx.db())
        .await?;
    let mut ended = 0;
    for session in all.into_iter().filter(|session| Some(session.id) != but) {
        ended += u64::from(end(tx, session.id, because).await?);
    }
    Ok(ended)
}

/// Ends all sessions of an account, in whatever workspace, but perhaps one.
pub(super) async fn end_everywhere(
    tx: &InstanceTx,
    account: AccountId,
    but: Option<SessionId>,
    because: Because,
) -> Result<()> {
    let all = sessions::Entity::find()
        .filter(sessions::Column::AccountId.eq(account))
        .filter(live_at(tx.store().now()))
        .all(tx.db())
        .await?;
    for session in all.into_iter().filter(|session| Some(session.id) != but) {
        end(tx, session.id, because).await?;
    }
    Ok(())
}

/// Whether it was live until now.
pub(super) async fn end(tx: &InstanceTx, session: SessionId, because: Because) -> Result<bool> {
    let ended = sessions::Entity::update_many()
        .col_expr(sessions::Column::RevokedAt, Expr::value(tx.store().now()))
        .col_expr(sessions::Column::RevokedBecause, Expr::value(because.name()))
        .filter(sessions::Column::Id.eq(session))
        .filter(sessions::Column::RevokedAt.is_null())
        .exec(tx.db())
        .await?;
    tx.notify(Notice { topic: Topic::Session, id: session.0 });
    Ok(ended.rows_affected == 1)
}

/// The one statement by which a token is used up; of two callers one gets the row.
async fn claim(tx: &WorkspaceTx, presented: &Presented, now: Timestamp) -> Result<bool> {
    let next = presented.generation + 1;
    let claimed = sessions::Entity::update_many()
        .col_expr(sessions::Column::PreviousRefreshHash, Expr::col(sessions::Column::RefreshHash))
        .col_expr(sessions::Column::RefreshHash, Expr::value(hash_of(&secret(tx.store(), presented.session, next)?)))
        .col_expr(sessions::Column::Generation, Expr::value(next))
        .col_expr(sessions::Column::RotatedAt, Expr::value(now))
        .col_expr(sessions::Column::LastUsedAt, Expr::value(now))
        .filter(sessions::Column::Id.eq(presented.session))
        .filter(sessions::Column::Generation.eq(presented.generation))
        .filter(sessions::Column::RefreshHash.eq(presented.hash.clone()))
        .filter(live_at(now))
        .exec(tx.db())
        .await?;
    Ok(claimed.rows_affected == 1)
}

pub(super) fn live_at(now: Timestamp) -> Expr {
    let stays = sessions::Column::StaysSignedIn.eq(true).and(sessions::Column::LastUsedAt.gt(now.minus(STAYING_IDLE)));
    sessions::Column::RevokedAt
        .is_null()
        .and(sessions::Column::ExpiresAt.gt(now))
        .and(sessions::Column::LastUsedAt.gt(now.minus(IDLE)).or(stays))
}

async fn workspace_of(store: &Store, session: SessionId) -> Result<Option<WorkspaceId>> {
    let tx = store.read_instance().await?;
    Ok(sessions::Entity::find_by_id(session).one(tx.db()).await?.map(|row| row.member_workspace_id))
}

pub(super) fn event(action: &'static str, session: SessionId) -> Event {
    Event::new(action).target("session", session.0)
}

const FIRST_GENERATION: i64 = 1;

/// A refresh token that this installation made, at some time.
struct Presented {
    session: SessionId,
    generation: i64,
    hash: Vec<u8>,
}

impl Presented {
    /// Nothing that was not made here gets past this line, so a guess cannot end somebody's session.
    fn parse(store: &Store, text: &str) -> Option<Self> {
        let (session, secret_text) = text.split_once('.')?;
        let session: SessionId = session.parse().ok()?;
        let presented = BASE64_URL_SAFE_NO_PAD.decode(secret_text).ok()?;
        let generation = i64::from(u32::from_be_bytes(*presented.first_chunk()?));
        let genuine = secret(store, session, generation).ok()?;
        is_same(&genuine, &presented).then(|| Self { session, generation, hash: hash_of(&presented) })
    }
}

fn write_token(store: &Store, session: SessionId, generation: i64) -> Result<SecretText> {
    let secret = BASE64_URL_SAFE_NO_PAD.encode(secret(store, session, generation)?);
    Ok(SecretText::new(format!("{session}.{secret}")))
}

/// The generation and a keyed MAC over it and the session.
fn secret(store: &Store, session: SessionId, generation: i64) -> Result<Vec<u8>> {
    let number = u32::try_from(generation).map_err(|_| Error::internal("a session has too many generations"))?;
    let mac = store.vault().instance_index("refresh token", &format!("{session}/{generation}"));
    Ok([&number.to_be_bytes()[..], &mac].concat())
}

fn hash_of(secret: &[u8]) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
