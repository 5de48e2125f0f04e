//! Accounts: people who sign in, and their memberships.

use std::fmt;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};

use super::{
    Role, SecretText, Whence, custom_roles,
    email::{self, Email},
    members, password, review, second_factor,
    sign_in::{self, Entered, SignIn},
    unauthenticated,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, CustomRoleId, SessionId, WorkspaceId},
    scope::{Permission, Permissions, Scope},
    store::{
        InstanceTx, Store, WorkspaceTx,
        entity::{accounts, memberships},
    },
    workspaces,
};

/// An account and the workspace that was made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstStart {
    /// The owner.
    pub account: AccountId,
    /// The workspace.
    pub workspace: WorkspaceId,
}

/// What a sign-in or a renewal gives.
#[derive(Clone)]
pub struct SignedIn {
    /// For the `Authorization` header.
    pub access_token: SecretText,
    /// For the next renewal, once.
    pub refresh_token: SecretText,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// Who.
    pub account: AccountId,
    /// The sign-in.
    pub session: SessionId,
    /// Where.
    pub workspace: WorkspaceId,
    /// As what.
    pub role: Role,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedIn({} as {} in {}, Sealed(..))", self.account, self.role, self.workspace)
    }
}

/// Whether nobody has an account yet.
///
/// # Errors
/// `Unavailable`.
pub async fn is_empty(store: &Store) -> Result<bool> {
    let tx = store.read_instance().await?;
    has_no_accounts(&tx).await
}

/// Makes the very first account, and a workspace that it owns.
///
/// # Errors
/// `Conflict` where there is an account already; `Invalid` for the e-mail address, the password or the name.
pub async fn create_first(store: &Store, email: &str, password: &str, workspace_name: &str) -> Result<FirstStart> {
    if !is_empty(store).await? {
        return Err(not_the_first());
    }
    create(store, email, password, workspace_name, Only::First).await
}

/// Makes one more account, and a workspace that it owns. For the operator, beside the product.
///
/// # Errors
/// `Conflict` where the address has an account; `Invalid` as in [`create_first`].
pub async fn create_owner(store: &Store, email: &str, password: &str, workspace_name: &str) -> Result<FirstStart> {
    create(store, email, password, workspace_name, Only::New).await
}

/// Makes an account that is a member of the scope's workspace. Nobody gives a role that may do more than their own, and
/// only an owner makes an owner.
///
/// # Errors
/// `Forbidden`; `ConfirmationRequired`; `Invalid`; `Conflict` where the address has an account.
pub async fn add_member(scope: &Scope, store: &Store, email: &str, password: &str, role: Role) -> Result<AccountId> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    let email = Email::parse(email)?;
    password::check(password)?;
    let hash = password::hash(password).await?;
    let tx = store.write(scope).await?;
    members::require_power_over(scope, &tx, role).await?;
    let account = insert_account(&tx, &email, hash, None).await?;
    insert_membership(&tx, account, role).await?;
    let event = Event::new("member.added").target("account", account.0).detail("role", role.name());
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(account)
}

/// The signed-in member's own account.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnAccount {
    /// The account.
    pub id: AccountId,
    /// Its address.
    pub email: String,
    /// Since when the address is known to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// Made at.
    pub created_at: Timestamp,
}

/// The signed-in member's own account.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn own(scope: &Scope, store: &Store) -> Result<OwnAccount> {
    let (account, _) = scope.member()?;
    let tx = store.read(scope).await?;
    let row = accounts::Entity::find_by_id(account).one(tx.db()).await?.ok_or_else(|| Error::not_found("account"))?;
    let email = email::open(store, row.id, &row.email_sealed)?;
    Ok(OwnAccount { id: row.id, email, email_verified_at: row.email_verified_at, created_at: row.created_at })
}

/// The signed-in member's own address.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn own_email(scope: &Scope, store: &Store) -> Result<String> {
    Ok(own(scope, store).await?.email)
}

/// Signs in from the machine itself. Nobody can whose account has a second factor.
///
/// # Errors
/// As [`sign_in::begin`].
pub async fn sign_in(store: &Store, email: &str, password: &str, workspace: Option<WorkspaceId>) -> Result<SignedIn> {
    let whence = Whence::default();
    let sign_in = SignIn { email, password, workspace, stays_signed_in: false, whence: &whence };
    match sign_in::begin(store, sign_in).await? {
        Entered::SignedIn(signed_in) => Ok(signed_in),
        Entered::SecondStep { .. } => Err(unauthenticated()),
    }
}

/// Whether an account has to be the first one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    First,
    New,
}

async fn create(store: &Store, email: &str, password: &str, workspace_name: &str, only: Only) -> Result<FirstStart> {
    let email = Email::parse(email)?;
    password::check(password)?;
    let hash = password::hash(password).await?;
    let new = workspaces::New::check(store, workspace_name, &["en".to_owned()])?;
    let scope = Scope::duty(new.id(), "start");
    // The key store is another database: its key first, so that no row waits for it.
    store.vault().workspace_key(new.id()).await?;
    let tx = store.write(&scope).await?;
    if only == Only::First {
        wait_for_other_starts(&tx).await?;
        if !has_no_accounts(&tx).await? {
            return Err(not_the_first());
        }
    }
    let workspace = new.insert(&scope, &tx).await?.id;
    let account = insert_account(&tx, &email, hash, None).await?;
    insert_membership(&tx, account, Role::Owner).await?;
    let event = Event::new("member.added").target("account", account.0).detail("role", Role::Owner.name());
    audit::append(&scope, &tx, event).await?;
    tx.commit().await?;
    Ok(FirstStart { account, workspace })
}

fn not_the_first() -> Error {
    Error::new(ErrorKind::Conflict, "There is an account already.")
}

async fn has_no_accounts(tx: &InstanceTx) -> Result<bool> {
    let any = accounts::Entity::find().limit(1).one(tx.db()).await?;
    Ok(any.is_none())
}

/// SQLite has one writer anyway.
async fn wait_for_other_starts(tx: &InstanceTx) -> Result<()> {
    if tx.store().backend() == DbBackend::Postgres {
        let lock = Statement::from_string(DbBackend::Postgres, "SELECT pg_advisory_xact_lock(7020241, 1)");
        tx.db().query_one_raw(lock).await?;
    }
    Ok(())
}

pub(super) async fn insert_account(
    tx: &WorkspaceTx,
    email: &Email,
    password_hash: String,
    email_verified_at: Option<Timestamp>,
) -> Result<AccountId> {
    let store = tx.store();
    let id = AccountId::new(store.clock());
    let row = accounts::ActiveModel {
        id: Set(id),
        email_index: Set(email.index(store)),
        email_sealed: Set(email.seal(store, id)),
        password_hash: Set(password_hash),
        created_at: Set(store.now()),
        deactivated_at: Set(None),
        email_verified_at: Set(email_verified_at),
    };
    accounts::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(id)
}

/// A member of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub account: AccountId,
    /// What they are there.
    pub role: Role,
    /// Which of the workspace's own roles they have, where it is one of those.
    pub custom_role: Option<CustomRoleId>,
    /// What they may do, while they are let in.
    pub permissions: Permissions,
    /// Since when.
    pub created_at: Timestamp,
    /// Let in no more since.
    pub deactivated_at: Option<Timestamp>,
    /// From when the membership rests until the account has a second factor.
    pub must_enrol_from: Option<Timestamp>,
    /// When somebody has to confirm the membership.
    pub review_due_at: Timestamp,
}

/// The members of the scope's workspace, the oldest membership first.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`.
pub async fn members(scope: &Scope, store: &Store) -> Result<Vec<Member>> {
    scope.require(Permission::ChatsRead)?;
    let tx = store.read_instance().await?;
    let rows = memberships::Entity::find()
        .filter(memberships::Column::MemberWorkspaceId.eq(scope.workspace()))
        .order_by_asc(memberships::Column::CreatedAt)
        .order_by_asc(memberships::Column::AccountId)
        .all(tx.db())
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                review_due_at: review::due_at(&row),
                permissions: custom_roles::permissions_of(&row)?,
                account: row.account_id,
                role: row.role.parse()?,
                custom_role: row.custom_role_id,
                created_at: row.created_at,
                deactivated_at: row.suspended_at,
                must_enrol_from: row.must_enrol_from,
            })
        })
        .collect()
}

/// Whether this account is a member of the transaction's workspace who may do this.
///
/// # Errors
/// `Unavailable`.
pub async fn may(tx: &WorkspaceTx, account: AccountId, permission: Permission) -> Result<bool> {
    let membership = members::find(tx, account).await?.filter(|membership| membership.suspended_at.is_none());
    let Some(membership) = membership else { return Ok(false) };
    Ok(custom_roles::permissions_of(&membership)?.has(permission))
}

/// The member of the transaction's workspace whose account has this address.
pub(crate) async fn member_by_email(tx: &WorkspaceTx, typed: &str) -> Result<Option<AccountId>> {
    let index = email::index_of_typed(tx.store(), typed);
    let account = accounts::Entity::find().filter(accounts::Column::EmailIndex.eq(index)).one(tx.db()).await?;
    match account {
        Some(account) => Ok(members::find(tx, account.id).await?.map(|_| account.id)),
        None => Ok(None),
    }
}

/// Makes an account a member of the transaction's workspace.
pub(crate) async fn insert_membership(tx: &WorkspaceTx, account: AccountId, role: Role) -> Result<()> {
    let row = memberships::ActiveModel {
        account_id: Set(account),
        member_workspace_id: Set(tx.workspace()),
        role: Set(role.name().to_owned()),
        created_at: Set(tx.store().now()),
        suspended_at: Set(None),
        must_enrol_from: Set(second_factor::must_enrol_from(tx, account).await?),
        reviewed_at: Set(None),
        review_asked_at: Set(None),
        custom_role_id: Set(None),
        permissions: Set(None),
        provider_subject_index: Set(None),
    };
    memberships::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}
