//! Signing in: the password, and where the account has a second factor, that.
//!
//! An unknown address, a wrong password, a deactivated account and a workspace without membership answer alike and take
//! the same time. That an account has a second factor is seen by nobody who has not given its password.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};
use serde::{Deserialize, Serialize};

use super::{
    SecretText, SignedIn, Whence, email,
    password::{self, Verdict},
    second_factor::{self, Method, Proof},
    sessions::{self, Because, Opening},
    signing::Signer,
    single_sign_on::entrance,
    throttle,
    tickets::{self, Purpose},
    tokens, unauthenticated,
};
use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, Result},
    id::{AccountId, WorkspaceId},
    scope::Scope,
    store::{
        InstanceTx, Mode, Store, WorkspaceTx,
        entity::{accounts, memberships},
    },
};

/// Who signs in, and how.
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    /// The e-mail address, as it was typed.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
    /// In this workspace, or in that of the oldest membership.
    pub workspace: Option<WorkspaceId>,
    /// Whether the session may rest for days.
    pub stays_signed_in: bool,
    /// From where.
    pub whence: &'a Whence,
}

/// What a right password gives.
#[derive(Debug, Clone)]
pub enum Entered {
    /// The session.
    SignedIn(SignedIn),
    /// The account has a second factor: a token to show with it, to [`complete`].
    SecondStep {
        /// Shown once.
        token: SecretText,
        /// Until when.
        expires_at: Timestamp,
        /// What the account has.
        methods: Vec<Method>,
    },
}

/// What comes of showing a passkey, or of coming back from an identity provider.
#[derive(Debug, Clone)]
pub enum Completed {
    /// A session.
    SignedIn(SignedIn),
    /// The session that asked is confirmed until then.
    Confirmed(Timestamp),
}

/// What was wished for at the first step.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    pub workspace: Option<WorkspaceId>,
    pub stays_signed_in: bool,
}

/// Takes address and password.
///
/// # Errors
/// `Unauthenticated`; `RateLimited` after ten tries for one address, each of which comes back in ninety seconds, or
/// after fifty wrong ones from one network; `Disabled` where the workspace is entered by single sign-on alone.
pub async fn begin(store: &Store, sign_in: SignIn<'_>) -> Result<Entered> {
    let SignIn { email, password, workspace, stays_signed_in, whence } = sign_in;
    let index = email::index_of_typed(store, email);
    throttle::take(store, throttle::PASSWORDS, &index).await?;
    throttle::take_from(store, throttle::PASSWORDS_FROM, whence).await?;
    let account = find_by_index(store, index.clone()).await?;
    let verdict = password::verify(password, account.as_ref().map(|a| a.password_hash.clone())).await?;
    let Some(account) = account.filter(|_| verdict != Verdict::Wrong) else {
        tracing::warn!("a sign-in failed");
        store.signals().count(Rule::FailedSignIns, None);
        return Err(unauthenticated());
    };
    let membership = membership_to_use(store, &account, workspace).await?.ok_or_else(unauthenticated)?;
    throttle::forgive_one_from(store, throttle::PASSWORDS_FROM, whence).await?;
    let signer = tokens::signer(store).await?;
    let tx = store.begin_in(membership.member_workspace_id, Mode::Write).await?;
    throttle::forgive(&tx, throttle::PASSWORDS, &index).await?;
    if let Verdict::RightAndRenewed(hash) = verdict {
        renew_hash(&tx, &account, hash).await?;
    }
    let methods = second_factor::methods(&tx, account.id).await?;
    if !methods.is_empty() {
        entrance::by_password(&tx, account.id).await?;
        let wish = Wish { workspace, stays_signed_in };
        let issued = tickets::issue(&tx, Purpose::SecondStep, account.id, &wish).await?;
        tx.commit().await?;
        return Ok(Entered::SecondStep { token: issued.token, expires_at: issued.expires_at, methods });
    }
    let opening = opening(store, stays_signed_in, whence);
    open(tx, &membership, opening, None, &signer).await.map(Entered::SignedIn)
}

/// Takes the second factor behind the token of the first step.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong; the token goes on working until it ends. `RateLimited` after five tries for one
/// account.
pub async fn complete(store: &Store, token: &str, proof: &Proof, whence: &Whence) -> Result<SignedIn> {
    let shown = tickets::look_at::<Wish>(store, Purpose::SecondStep, token).await?;
    let id = shown.account.ok_or_else(unauthenticated)?;
    throttle::take(store, throttle::CODES, id.0.as_bytes()).await?;
    let membership = membership_of(store, id, shown.about.workspace).await?;
    let signer = tokens::signer(store).await?;
    let tx = store.begin_in(membership.member_workspace_id, Mode::Write).await?;
    let wish: Wish = tickets::claim(&tx, Purpose::SecondStep, token).await?.about;
    if !second_factor::prove(&tx, id, proof).await? {
        tracing::warn!(account = %id, "the second step of a sign-in failed");
        store.signals().count(Rule::FailedSignIns, None);
        return Err(unauthenticated());
    }
    throttle::forgive(&tx, throttle::CODES, id.0.as_bytes()).await?;
    open(tx, &membership, opening(store, wish.stays_signed_in, whence), None, &signer).await
}

/// Whose second step a token is for.
///
/// # Errors
/// `Unauthenticated`.
pub(super) async fn account_of_second_step(store: &Store, token: &str) -> Result<AccountId> {
    let shown = tickets::look_at::<Wish>(store, Purpose::SecondStep, token).await?;
    shown.account.ok_or_else(unauthenticated)
}

/// The session of somebody who proved who they are, in the transaction's workspace; `way` is written down beside it.
///
/// # Errors
/// `Disabled` where the workspace is entered by single sign-on alone.
pub(super) async fn open(
    tx: WorkspaceTx,
    membership: &memberships::Model,
    opening: Opening,
    way: Option<Event>,
    signer: &Signer,
) -> Result<SignedIn> {
    let store = tx.store().clone();
    let entrance = entrance::by_password(&tx, membership.account_id).await?;
    let live = sessions::open(&tx, membership, opening).await?;
    let scope = live.scope();
    entrance.record(&scope, &tx).await?;
    if let Some(way) = way {
        audit::append(&scope, &tx, way).await?;
    }
    tx.commit().await?;
    entrance.tell(&store, membership.member_workspace_id);
    live.signed_in(&store, signer)
}

/// Goes over to another workspace of the signed-in member: a session there in place of the one that asks.
///
/// # Errors
/// `Forbidden` for anyone but a member who signed in here; `NotFound` where they are no member there; `Disabled` where that
/// one is entered by single sign-on alone.
pub async fn switch_workspace(
    scope: &Scope,
    store: &Store,
    workspace: WorkspaceId,
    whence: &Whence,
) -> Result<SignedIn> {
    let (id, session) = scope.account_holder()?;
    let unknown = || Error::not_found("workspace");
    let account = find(store, id).await?.ok_or_else(unauthenticated)?;
    let membership = membership_to_use(store, &account, Some(workspace)).await?.ok_or_else(unknown)?;
    entrance::by_password(&store.begin_in(workspace, Mode::Read).await?, id).await?;
    let signer = tokens::signer(store).await?;
    let old = sessions::find_live(&store.read_instance().await?, session, store.now()).await?;
    let old = old.ok_or_else(unauthenticated)?.session;
    let opening = Opening {
        stays_signed_in: old.stays_signed_in,
        agent: whence.agent().map(str::to_owned).or(old.agent),
        confirmed_at: old.confirmed_at,
        signed_on: None,
    };
    // In the workspace that is left first, so that nobody has two sessions for one.
    let tx = store.write(scope).await?;
    if !sessions::end(&tx, session, Because::Switched).await? {
        return Err(unauthenticated());
    }
    let event = Event::new("session.revoked").target("session", session.0).detail("because", "SWITCHED");
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    open(store.begin_in(workspace, Mode::Write).await?, &membership, opening, None, &signer).await
}

/// The membership by which an account comes in.
///
/// # Errors
/// `Unauthenticated` where there is none.
pub(super) async fn membership_of(
    store: &Store,
    account: AccountId,
    wanted: Option<WorkspaceId>,
) -> Result<memberships::Model> {
    let account = find(store, account).await?.ok_or_else(unauthenticated)?;
    membership_to_use(store, &account, wanted).await?.ok_or_else(unauthenticated)
}

pub(super) fn opening(store: &Store, stays_signed_in: bool, whence: &Whence) -> Opening {
    let agent = whence.agent().map(str::to_owned);
    Opening { stays_signed_in, agent, confirmed_at: Some(store.now()), signed_on: None }
}

async fn find(store: &Store, account: AccountId) -> Result<Option<accounts::Model>> {
    let tx = store.read_instance().await?;
    Ok(accounts::Entity::find_by_id(account).one(tx.db()).await?)
}

async fn find_by_index(store: &Store, index: Vec<u8>) -> Result<Option<accounts::Model>> {
    let tx = store.read_instance().await?;
    Ok(accounts::Entity::find().filter(accounts::Column::EmailIndex.eq(index)).one(tx.db()).await?)
}

async fn membership_to_use(
    store: &Store,
    account: &accounts::Model,
    wanted: Option<WorkspaceId>,
) -> Result<Option<memberships::Model>> {
    if account.deactivated_at.is_some() {
        return Ok(None);
    }
    let tx = store.read_instance().await?;
    let mut memberships = memberships::Entity::find()
        .filter(memberships::Column::AccountId.eq(account.id))
        .filter(memberships::Column::SuspendedAt.is_null())
        .order_by_asc(memberships::Column::CreatedAt)
        .order_by_asc(memberships::Column::MemberWorkspaceId);
    if let Some(workspace) = wanted {
        memberships = memberships.filter(memberships::Column::MemberWorkspaceId.eq(workspace));
    }
    Ok(memberships.one(tx.db()).await?)
}

/// Unless the password was changed meanwhile.
async fn renew_hash(tx: &InstanceTx, account: &accounts::Model, hash: String) -> Result<()> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::PasswordHash, Expr::value(hash))
        .filter(accounts::Column::Id.eq(account.id))
        .filter(accounts::Column::PasswordHash.eq(account.password_hash.as_str()))
        .exec(tx.db())
        .await?;
    Ok(())
}
