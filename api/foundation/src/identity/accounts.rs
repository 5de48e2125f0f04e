//! Accounts: people who sign in, and their memberships.

use std::{fmt, sync::LazyLock};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, sea_query::Expr,
};

use super::{
    Role, SecretText,
    email::{self, Email},
    password::{self, Verdict},
    sessions,
    throttle::Throttle,
    tokens, unauthenticated,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, SessionId, WorkspaceId},
    scope::{Actor, Permission, Scope},
    store::{
        InstanceTx, Mode, Store, WorkspaceTx,
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
/// `Forbidden`; `Invalid`; `Conflict` where the address has an account.
pub async fn add_member(scope: &Scope, store: &Store, email: &str, password: &str, role: Role) -> Result<AccountId> {
    scope.require(Permission::WorkspaceWrite)?;
    let email = Email::parse(email)?;
    password::check(password)?;
    let hash = password::hash(password).await?;
    let tx = store.write(scope).await?;
    require_power_over(scope, &tx, role).await?;
    let account = insert_account(&tx, &email, hash).await?;
    insert_membership(&tx, account, role).await?;
    let event = Event::new("member.added").target("account", account.0).detail("role", role.name());
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(account)
}

/// Ends a membership; all its sessions in the workspace end with it. Only an owner ends an owner's, and nobody their
/// own, so an owner always stays.
///
/// # Errors
/// `Forbidden`; `NotFound`; `Conflict` for one's own.
pub async fn remove_member(scope: &Scope, store: &Store, account: AccountId) -> Result<()> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.write(scope).await?;
    let membership = find_membership(&tx, account).await?.ok_or_else(|| Error::not_found("member"))?;
    let role: Role = membership.role.parse()?;
    require_power_over(scope, &tx, role).await?;
    if matches!(scope.actor(), Actor::Member { account: own, .. } if own == account) {
        return Err(Error::new(ErrorKind::Conflict, "Somebody else has to end your membership."));
    }
    memberships::Entity::delete_by_id((account, scope.workspace())).exec(tx.db()).await?;
    sessions::end_all(&tx, account).await?;
    let event = Event::new("member.removed").target("account", account.0).detail("role", role.name());
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

/// Refuses to give or take a role that may do more than the actor; an owner's, for anyone but an owner.
async fn require_power_over(scope: &Scope, tx: &WorkspaceTx, role: Role) -> Result<()> {
    let is_within = role.permissions().and(scope.permissions()) == role.permissions();
    let is_owner = match scope.actor() {
        Actor::Member { account, .. } if role == Role::Owner => {
            find_membership(tx, account).await?.is_some_and(|membership| membership.role == Role::Owner.name())
        }
        _ => false,
    };
    let is_allowed = match role {
        Role::Visitor => false,
        Role::Owner => is_owner,
        _ => is_within,
    };
    if is_allowed { Ok(()) } else { Err(Error::new(ErrorKind::Forbidden, "This role is not yours to give or take.")) }
}

/// The signed-in member's own address.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn own_email(scope: &Scope, store: &Store) -> Result<String> {
    let Actor::Member { account, .. } = scope.actor() else {
        return Err(Error::new(ErrorKind::Forbidden, "Only a member has an address."));
    };
    let tx = store.read(scope).await?;
    let row = accounts::Entity::find_by_id(account).one(tx.db()).await?.ok_or_else(|| Error::not_found("account"))?;
    email::open(store, row.id, &row.email_sealed)
}

static TRIES: LazyLock<Throttle> = LazyLock::new(Throttle::default);

/// Signs in: in the workspace that is named, or in the one of the oldest membership. An unknown address, a wrong
/// password, a deactivated account and a workspace without membership answer alike and take the same time.
///
/// # Errors
/// `Unauthenticated`; `RateLimited` after ten tries for one address, each of which comes back in ninety seconds.
pub async fn sign_in(store: &Store, email: &str, password: &str, workspace: Option<WorkspaceId>) -> Result<SignedIn> {
    let index = email::index_of_typed(store, email);
    TRIES.take(&index, store.now())?;
    let account = find_by_index(store, index.clone()).await?;
    let verdict = password::verify(password, account.as_ref().map(|a| a.password_hash.clone())).await?;
    let Some(account) = account else { return Err(unauthenticated()) };
    if verdict == Verdict::Wrong {
        tracing::warn!(account = %account.id, "a sign-in failed");
        return Err(unauthenticated());
    }
    let (workspace, role) = membership_to_use(store, &account, workspace).await?.ok_or_else(unauthenticated)?;
    TRIES.forgive(&index);
    let signer = tokens::signer(store).await?;
    let tx = store.begin_in(workspace, Mode::Write).await?;
    if let Verdict::RightAndRenewed(hash) = verdict {
        renew_hash(&tx, &account, hash).await?;
    }
    let live = sessions::open(&tx, account.id, role).await?;
    tx.commit().await?;
    live.signed_in(store, &signer)
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
    let account = insert_account(&tx, &email, hash).await?;
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

async fn find_by_index(store: &Store, index: Vec<u8>) -> Result<Option<accounts::Model>> {
    let tx = store.read_instance().await?;
    Ok(accounts::Entity::find().filter(accounts::Column::EmailIndex.eq(index)).one(tx.db()).await?)
}

async fn membership_to_use(
    store: &Store,
    account: &accounts::Model,
    wanted: Option<WorkspaceId>,
) -> Result<Option<(WorkspaceId, Role)>> {
    if account.deactivated_at.is_some() {
        return Ok(None);
    }
    let tx = store.read_instance().await?;
    let mut memberships = memberships::Entity::find()
        .filter(memberships::Column::AccountId.eq(account.id))
        .order_by_asc(memberships::Column::CreatedAt)
        .order_by_asc(memberships::Column::MemberWorkspaceId);
    if let Some(workspace) = wanted {
        memberships = memberships.filter(memberships::Column::MemberWorkspaceId.eq(workspace));
    }
    let Some(membership) = memberships.one(tx.db()).await? else { return Ok(None) };
    Ok(Some((membership.member_workspace_id, membership.role.parse()?)))
}

async fn find_membership(tx: &WorkspaceTx, account: AccountId) -> Result<Option<memberships::Model>> {
    Ok(memberships::Entity::find_by_id((account, tx.workspace())).one(tx.db()).await?)
}

async fn insert_account(tx: &WorkspaceTx, email: &Email, password_hash: String) -> Result<AccountId> {
    let store = tx.store();
    let id = AccountId::new(store.clock());
    let row = accounts::ActiveModel {
        id: Set(id),
        email_index: Set(email.index(store)),
        email_sealed: Set(email.seal(store, id)),
        password_hash: Set(password_hash),
        created_at: Set(store.now()),
        deactivated_at: Set(None),
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
    /// Since when.
    pub created_at: Timestamp,
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
        .map(|row| Ok(Member { account: row.account_id, role: row.role.parse()?, created_at: row.created_at }))
        .collect()
}

/// Whether this account is a member of the transaction's workspace who may do this.
///
/// # Errors
/// `Unavailable`.
pub async fn may(tx: &WorkspaceTx, account: AccountId, permission: Permission) -> Result<bool> {
    let Some(membership) = find_membership(tx, account).await? else { return Ok(false) };
    let role: Role = membership.role.parse()?;
    Ok(role.permissions().has(permission))
}

/// The member of the transaction's workspace whose account has this address.
pub(crate) async fn member_by_email(tx: &WorkspaceTx, typed: &str) -> Result<Option<AccountId>> {
    let index = email::index_of_typed(tx.store(), typed);
    let account = accounts::Entity::find().filter(accounts::Column::EmailIndex.eq(index)).one(tx.db()).await?;
    match account {
        Some(account) => Ok(find_membership(tx, account.id).await?.map(|_| account.id)),
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
    };
    memberships::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Unless the password was changed meanwhile.
async fn renew_hash(tx: &WorkspaceTx, account: &accounts::Model, hash: String) -> Result<()> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::PasswordHash, Expr::value(hash))
        .filter(accounts::Column::Id.eq(account.id))
        .filter(accounts::Column::PasswordHash.eq(account.password_hash.as_str()))
        .exec(tx.db())
        .await?;
    Ok(())
}
