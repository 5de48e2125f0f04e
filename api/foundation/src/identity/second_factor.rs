//! The second factor: an authenticator's codes, passkeys ([`passkeys`](super::passkeys)), and recovery codes for whoever lost
//! them.
//!
//! [`totp`] is the arithmetic; a code works once, because the step that was used last is written down by a comparison and
//! a change in one statement. What cannot be undone is done by members who proved within five minutes that it is them:
//! signing in counts, and so does [`confirm`]. A workspace may [`require`] a second factor of everyone: who has none when
//! the grace is over may do nothing there but enrol.

pub mod recovery;
pub mod totp;

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use zeroize::Zeroizing;

use super::{
    SecretText, accounts, passkeys,
    password::{self, Verdict},
    throttle,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, SessionId, fill_random},
    scope::{Permission, Scope},
    store::{
        InstanceTx, Notice, Store, Topic, WorkspaceTx,
        entity::{
            accounts as account_table, memberships, passkeys as passkey_table, second_factors, sessions, workspaces,
        },
    },
    vault::Place,
};

/// Longest grace that a workspace gives.
pub const LONGEST_GRACE_DAYS: i64 = 30;

/// By what somebody proves who they are.
#[derive(Clone)]
pub enum Proof {
    /// A code of the authenticator.
    Code(String),
    /// A recovery code.
    RecoveryCode(String),
    /// The password, of an account that has no second factor.
    Password(String),
}

/// By what an account takes the second step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A code of the authenticator.
    Code,
    /// A passkey.
    Passkey,
    /// A recovery code.
    RecoveryCode,
}

/// What an authenticator is given.
pub struct Enrolment {
    /// The secret, base 32, to be typed in.
    pub secret: SecretText,
    /// The same as `otpauth://totp/...`, to be drawn as a code that a camera reads.
    pub uri: SecretText,
}

/// How an account and its session stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when the account has an authenticator's codes.
    pub active_since: Option<Timestamp>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: u64,
    /// Whether the workspace asks everyone for one.
    pub is_required: bool,
    /// From when the membership rests until the account has one.
    pub must_enrol_from: Option<Timestamp>,
    /// Until when the session counts as confirmed.
    pub confirmed_until: Option<Timestamp>,
}

/// How the signed-in member stands.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn standing(scope: &Scope, store: &Store) -> Result<Standing> {
    let (account, _) = scope.member()?;
    let tx = store.read(scope).await?;
    let factor = second_factors::Entity::find_by_id(account).one(tx.db()).await?;
    let membership = memberships::Entity::find_by_id((account, scope.workspace())).one(tx.db()).await?;
    Ok(Standing {
        active_since: factor.and_then(|factor| factor.active_since),
        recovery_codes_left: recovery::left(&tx, account).await?,
        is_required: grace_days(&tx).await?.is_some(),
        must_enrol_from: membership.and_then(|membership| membership.must_enrol_from),
        confirmed_until: scope.confirmed_until(),
    })
}

/// Begins: a secret for an authenticator, which counts once [`activate`] has seen a code of it.
///
/// # Errors
/// `Forbidden` for anyone but a member; `ConfirmationRequired`; `Conflict` where there is a second factor already.
pub async fn enrol(scope: &Scope, store: &Store) -> Result<Enrolment> {
    let (account, _) = scope.account_holder()?;
    scope.require_confirmed(store.now())?;
    let email = accounts::own_email(scope, store).await?;
    let mut secret = Zeroizing::new([0; totp::SECRET_BYTES]);
    fill_random(&mut *secret);
    let row = second_factors::ActiveModel {
        account_id: Set(account),
        secret_sealed: Set(store.vault().instance_key().seal(&place(account), &*secret)),
        last_step: Set(0),
        created_at: Set(store.now()),
        active_since: Set(None),
    };
    let replace = OnConflict::column(second_factors::Column::AccountId)
        .update_columns([
            second_factors::Column::SecretSealed,
            second_factors::Column::LastStep,
            second_factors::Column::CreatedAt,
        ])
        .action_and_where(Expr::col((second_factors::Entity, second_factors::Column::ActiveSince)).is_null())
        .to_owned();
    let tx = store.write(scope).await?;
    let written = second_factors::Entity::insert(row).on_conflict(replace).exec_without_returning(tx.db()).await?;
    if written != 1 {
        return Err(Error::new(ErrorKind::Conflict, "Your account has a second factor. Switch it off first."));
    }
    audit::append(scope, &tx, event("second_factor.enrolled", account)).await?;
    tx.commit().await?;
    let secret = SecretText::new(totp::base32(&*secret));
    let uri = SecretText::new(totp::uri(&secret, &email));
    Ok(Enrolment { secret, uri })
}

/// Takes the first code of the authenticator; from now on every sign-in asks for one. Gives recovery codes, this once.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Invalid` where it is not its code; `Conflict` where nothing was begun;
/// `RateLimited`.
pub async fn activate(scope: &Scope, store: &Store, code: &str) -> Result<Vec<SecretText>> {
    let (account, session) = scope.account_holder()?;
    throttle::take(store, throttle::CODES, account.0.as_bytes()).await?;
    let tx = store.write(scope).await?;
    let waits = second_factors::Entity::find_by_id(account)
        .filter(second_factors::Column::ActiveSince.is_null())
        .one(tx.db())
        .await?;
    if waits.is_none() {
        return Err(Error::new(ErrorKind::Conflict, "Nothing waits for a code. Enrol first."));
    }
    if !take_code(&tx, account, code).await? {
        return Err(Error::invalid("code", "This is not the authenticator's code of this moment."));
    }
    second_factors::Entity::update_many()
        .col_expr(second_factors::Column::ActiveSince, Expr::value(store.now()))
        .filter(second_factors::Column::AccountId.eq(account))
        .exec(tx.db())
        .await?;
    let codes = recovery::renew(&tx, account).await?;
    gained(&tx, account, session).await?;
    throttle::forgive(&tx, throttle::CODES, account.0.as_bytes()).await?;
    audit::append(scope, &tx, event("second_factor.activated", account)).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Switches the authenticator's codes off; the recovery codes too, where no passkey is left.
///
/// # Errors
/// `Forbidden` for anyone but a member; `ConfirmationRequired`; `NotFound` where there is none; `Conflict` where a
/// workspace of the account asks for one.
pub async fn disable(scope: &Scope, store: &Store) -> Result<()> {
    let (account, _) = scope.account_holder()?;
    scope.require_confirmed(store.now())?;
    let tx = store.write(scope).await?;
    let was_active = has_authenticator(&tx, account).await?;
    second_factors::Entity::delete_by_id(account).exec(tx.db()).await?;
    if !was_active {
        return Err(Error::not_found("second factor"));
    }
    lost(&tx, account).await?;
    audit::append(scope, &tx, event("second_factor.disabled", account)).await?;
    tx.commit().await
}

/// Ten new recovery codes in place of the old.
///
/// # Errors
/// `Forbidden` for anyone but a member; `ConfirmationRequired`; `NotFound` where there is no second factor.
pub async fn renew_recovery_codes(scope: &Scope, store: &Store) -> Result<Vec<SecretText>> {
    let (account, _) = scope.account_holder()?;
    scope.require_confirmed(store.now())?;
    let tx = store.write(scope).await?;
    if !is_active(&tx, account).await? {
        return Err(Error::not_found("second factor"));
    }
    let codes = recovery::renew(&tx, account).await?;
    audit::append(scope, &tx, event("second_factor.recovery_codes_renewed", account)).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Proves once more that it is the member, and answers until when that holds.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Unauthenticated` where the proof is not right; `RateLimited`.
pub async fn confirm(scope: &Scope, store: &Store, proof: &Proof) -> Result<Timestamp> {
    let (account, session) = scope.member()?;
    throttle::take(store, throttle::CODES, account.0.as_bytes()).await?;
    let is_password_right = match proof {
        Proof::Password(password) => is_password_of(store, account, password).await?,
        _ => false,
    };
    let tx = store.write(scope).await?;
    let is_proved = match proof {
        Proof::Password(_) => is_password_right && !is_active(&tx, account).await?,
        _ => prove(&tx, account, proof).await?,
    };
    if !is_proved {
        tracing::warn!(%account, "a confirmation failed");
        return Err(Error::new(ErrorKind::Unauthenticated, "This proves nothing: it is not right, or was used."));
    }
    mark_confirmed(&tx, session).await?;
    throttle::forgive(&tx, throttle::CODES, account.0.as_bytes()).await?;
    audit::append(scope, &tx, event("session.confirmed", account)).await?;
    tx.commit().await?;
    Ok(store.now().plus(crate::scope::CONFIRMED_FOR))
}

/// Asks everyone in the workspace for a second factor, after a grace, or does not any more.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `ConfirmationRequired`; `Invalid` for a grace of more than 30 days.
pub async fn require(scope: &Scope, store: &Store, grace: Option<i64>) -> Result<()> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    if grace.is_some_and(|days| !(0..=LONGEST_GRACE_DAYS).contains(&days)) {
        return Err(Error::invalid("graceDays", "The grace is 0 to 30 days."));
    }
    let tx = store.write(scope).await?;
    workspaces::Entity::update_many()
        .col_expr(workspaces::Column::SecondFactorGraceDays, Expr::value(grace))
        .filter(workspaces::Column::Id.eq(scope.workspace()))
        .exec(tx.db())
        .await?;
    let who_has_one = second_factors::Entity::find()
        .select_only()
        .column(second_factors::Column::AccountId)
        .filter(second_factors::Column::ActiveSince.is_not_null());
    let who_has_a_passkey = passkey_table::Entity::find().select_only().column(passkey_table::Column::AccountId);
    let without = memberships::Column::AccountId
        .not_in_subquery(sea_orm::QueryTrait::into_query(who_has_one))
        .and(memberships::Column::AccountId.not_in_subquery(sea_orm::QueryTrait::into_query(who_has_a_passkey)));
    memberships::Entity::update_many()
        .col_expr(memberships::Column::MustEnrolFrom, Expr::value(grace.map(|days| from(store.now(), days))))
        .filter(memberships::Column::MemberWorkspaceId.eq(scope.workspace()))
        .filter(without)
        .exec(tx.db())
        .await?;
    tx.notify(Notice { topic: Topic::Session, id: scope.workspace().0 });
    let event = Event::new("workspace.second_factor_required").target("workspace", scope.workspace().0);
    audit::append(scope, &tx, event.detail("graceDays", grace)).await?;
    tx.commit().await
}

/// From when a new membership in the transaction's workspace rests until the account has a second factor.
pub(super) async fn must_enrol_from(tx: &WorkspaceTx, account: AccountId) -> Result<Option<Timestamp>> {
    match grace_days(tx).await? {
        Some(days) if !is_active(tx, account).await? => Ok(Some(from(tx.store().now(), days))),
        _ => Ok(None),
    }
}

/// Whether sign-ins of this account have a second step.
pub(super) async fn is_active(tx: &InstanceTx, account: AccountId) -> Result<bool> {
    Ok(!methods(tx, account).await?.is_empty())
}

/// By what the account takes the second step; nothing where it has none.
pub(super) async fn methods(tx: &InstanceTx, account: AccountId) -> Result<Vec<Method>> {
    let mut methods = Vec::new();
    if has_authenticator(tx, account).await? {
        methods.push(Method::Code);
    }
    if passkeys::has_any(tx, account).await? {
        methods.push(Method::Passkey);
    }
    if !methods.is_empty() {
        methods.push(Method::RecoveryCode);
    }
    Ok(methods)
}

async fn has_authenticator(tx: &InstanceTx, account: AccountId) -> Result<bool> {
    let factor = second_factors::Entity::find_by_id(account).one(tx.db()).await?;
    Ok(factor.is_some_and(|factor| factor.active_since.is_some()))
}

/// Uses a code up, if the transaction is committed. A password proves nothing here.
pub(super) async fn prove(tx: &InstanceTx, account: AccountId, proof: &Proof) -> Result<bool> {
    match proof {
        Proof::Code(code) => Ok(has_authenticator(tx, account).await? && take_code(tx, account, code).await?),
        Proof::RecoveryCode(code) => Ok(is_active(tx, account).await? && recovery::take(tx, account, code).await?),
        Proof::Password(_) => Ok(false),
    }
}

/// Takes all that is one away.
pub(super) async fn remove(tx: &InstanceTx, account: AccountId) -> Result<()> {
    recovery::remove(tx, account).await?;
    passkeys::remove_all(tx, account).await?;
    second_factors::Entity::delete_by_id(account).exec(tx.db()).await?;
    Ok(())
}

/// An account has a second factor now, shown in this session: no membership waits for one any more.
async fn gained(tx: &InstanceTx, account: AccountId, session: SessionId) -> Result<()> {
    memberships::Entity::update_many()
        .col_expr(memberships::Column::MustEnrolFrom, Expr::value(Option::<i64>::None))
        .filter(memberships::Column::AccountId.eq(account))
        .exec(tx.db())
        .await?;
    mark_confirmed(tx, session).await
}

/// As where codes are activated, for a passkey. Gives recovery codes where it is the only second factor.
pub(super) async fn gained_passkey(
    tx: &InstanceTx,
    account: AccountId,
    session: SessionId,
) -> Result<Option<Vec<SecretText>>> {
    gained(tx, account, session).await?;
    let is_first = methods(tx, account).await? == [Method::Passkey, Method::RecoveryCode]
        && recovery::left(tx, account).await? == 0;
    if is_first { recovery::renew(tx, account).await.map(Some) } else { Ok(None) }
}

/// An account has one second factor less. Its recovery codes go with the last.
///
/// # Errors
/// `Conflict` where it was the last, and a workspace of the account asks for one.
pub(super) async fn lost(tx: &InstanceTx, account: AccountId) -> Result<()> {
    if is_active(tx, account).await? {
        return Ok(());
    }
    if is_required_somewhere(tx, account).await? {
        return Err(Error::new(ErrorKind::Conflict, "A workspace of yours asks everyone for a second factor."));
    }
    recovery::remove(tx, account).await
}

/// Takes a code if it is one of this moment and later than the last that was taken. Of two callers one gets it: the
/// comparison and the change are one statement.
async fn take_code(tx: &InstanceTx, account: AccountId, code: &str) -> Result<bool> {
    let Some(factor) = second_factors::Entity::find_by_id(account).one(tx.db()).await? else { return Ok(false) };
    let secret = tx.store().vault().instance_key().open(&place(account), &factor.secret_sealed)?;
    let Some(step) = totp::step_of(&secret, code, tx.store().now())? else { return Ok(false) };
    let taken = second_factors::Entity::update_many()
        .col_expr(second_factors::Column::LastStep, Expr::value(step))
        .filter(second_factors::Column::AccountId.eq(account))
        .filter(second_factors::Column::SecretSealed.eq(factor.secret_sealed))
        .filter(second_factors::Column::LastStep.lt(step))
        .exec(tx.db())
        .await?;
    Ok(taken.rows_affected == 1)
}

async fn is_password_of(store: &Store, account: AccountId, password: &str) -> Result<bool> {
    let tx = store.read_instance().await?;
    let row = account_table::Entity::find_by_id(account).one(tx.db()).await?;
    drop(tx);
    Ok(password::verify(password, row.map(|row| row.password_hash)).await? != Verdict::Wrong)
}

pub(super) async fn mark_confirmed(tx: &InstanceTx, session: SessionId) -> Result<()> {
    sessions::Entity::update_many()
        .col_expr(sessions::Column::ConfirmedAt, Expr::value(tx.store().now()))
        .filter(sessions::Column::Id.eq(session))
        .exec(tx.db())
        .await?;
    tx.notify(Notice { topic: Topic::Session, id: session.0 });
    Ok(())
}

pub(super) async fn grace_days(tx: &WorkspaceTx) -> Result<Option<i64>> {
    let workspace = workspaces::Entity::find_by_id(tx.workspace()).one(tx.db()).await?;
    Ok(workspace.and_then(|workspace| workspace.second_factor_grace_days))
}

async fn is_required_somewhere(tx: &InstanceTx, account: AccountId) -> Result<bool> {
    let own = memberships::Entity::find()
        .select_only()
        .column(memberships::Column::MemberWorkspaceId)
        .filter(memberships::Column::AccountId.eq(account));
    let asking = workspaces::Entity::find()
        .filter(workspaces::Column::Id.in_subquery(sea_orm::QueryTrait::into_query(own)))
        .filter(workspaces::Column::SecondFactorGraceDays.is_not_null())
        .one(tx.db())
        .await?;
    Ok(asking.is_some())
}

fn from(now: Timestamp, days: i64) -> Timestamp {
    now.plus(Duration::from_secs(days.unsigned_abs() * 24 * 3600))
}

fn event(action: &'static str, account: AccountId) -> Event {
    Event::new(action).target("account", account.0)
}

fn place(account: AccountId) -> Place {
    Place::instance("second_factors", "secret_sealed", account.0)
}
