//! Roles of a workspace's own: a name for some of what one of the [roles](super::roles) may do, and never for more.
//!
//! What a member may do stands on the membership, so that a request asks for one row. A change of a role is written to
//! everybody who has it, in the same transaction, and holds at once.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use super::{Role, members, review};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, CustomRoleId},
    scope::{Permission, Permissions, Scope},
    store::{
        Store, WorkspaceTx,
        entity::{custom_roles as table, invitations, memberships},
    },
};

/// Custom roles of one workspace.
const MOST: u64 = 50;

const LONGEST_NAME: usize = 60;

/// A role of a workspace's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRole {
    /// Its id.
    pub id: CustomRoleId,
    /// What it is called.
    pub name: String,
    /// Whose permissions it has some of.
    pub role: Role,
    /// What whoever has it may do.
    pub permissions: Permissions,
    /// Made at.
    pub created_at: Timestamp,
}

/// All of the workspace, by name.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<CustomRole>> {
    scope.require(Permission::WorkspaceRead)?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_asc(table::Column::Name)
        .all(tx.db())
        .await?;
    rows.into_iter().map(CustomRole::try_from).collect()
}

/// Makes one.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`, and where the actor may not do what it allows; `ConfirmationRequired`; `Invalid` for a
/// name, and for a permission that the role does not have; `Conflict` where the name is taken; `LimitExceeded`.
pub async fn create(
    scope: &Scope,
    store: &Store,
    name: &str,
    role: Role,
    permissions: &[Permission],
) -> Result<CustomRole> {
    let name = check_name(name)?;
    let permissions = check(role, permissions)?;
    let tx = begin(scope, store, permissions).await?;
    let of_workspace = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    if of_workspace.clone().count(tx.db()).await? >= MOST {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("A workspace has {MOST} roles of its own at most.")));
    }
    require_free(&tx, &name, None).await?;
    let row = table::Model {
        workspace_id: scope.workspace(),
        id: CustomRoleId::new(store.clock()),
        name,
        role: role.name().to_owned(),
        permissions: permissions.text(),
        created_at: store.now(),
    };
    table::Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(tx.db()).await?;
    let event = Event::new("custom_role.created").target("custom_role", row.id.0).detail("role", role.name());
    audit::append(scope, &tx, event.detail("permissions", row.permissions.as_str())).await?;
    tx.commit().await?;
    row.try_into()
}

/// Changes its name, or what it allows to everybody who has it: at once, open streams included.
///
/// # Errors
/// As [`create`]; `NotFound`.
pub async fn change(
    scope: &Scope,
    store: &Store,
    id: CustomRoleId,
    name: Option<&str>,
    permissions: Option<&[Permission]>,
) -> Result<CustomRole> {
    let name = name.map(check_name).transpose()?;
    let tx = begin(scope, store, Permissions::default()).await?;
    let before = find(&tx, id).await?;
    let role: Role = before.role.parse()?;
    // Neither what it allowed nor what it will may be more than the actor's own.
    require_within(scope, Permissions::parse(&before.permissions))?;
    let permissions = permissions.map(|wanted| check(role, wanted)).transpose()?;
    permissions.map_or(Ok(()), |wanted| require_within(scope, wanted))?;
    if let Some(name) = &name {
        require_free(&tx, name, Some(id)).await?;
    }
    let row = table::Model {
        name: name.unwrap_or_else(|| before.name.clone()),
        permissions: permissions.map_or_else(|| before.permissions.clone(), Permissions::text),
        ..before.clone()
    };
    table::Entity::update(row.clone().into_active_model().reset_all()).exec(tx.db()).await?;
    if row.permissions != before.permissions {
        allow(&tx, id, &row.permissions).await?;
    }
    let event = Event::new("custom_role.changed").target("custom_role", id.0);
    let event = event.detail("from", before.permissions.as_str()).detail("to", row.permissions.as_str());
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    row.try_into()
}

/// Takes one away that nobody has and nobody is invited to.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `ConfirmationRequired`; `NotFound`; `Conflict` while somebody has it.
pub async fn delete(scope: &Scope, store: &Store, id: CustomRoleId) -> Result<()> {
    let tx = begin(scope, store, Permissions::default()).await?;
    let row = find(&tx, id).await?;
    require_within(scope, Permissions::parse(&row.permissions))?;
    let members = members_with(&tx, id).count(tx.db()).await?;
    let invited = invitations::Entity::find()
        .filter(invitations::Column::WorkspaceId.eq(tx.workspace()))
        .filter(invitations::Column::CustomRoleId.eq(id))
        .filter(invitations::Column::AcceptedAt.is_null())
        .filter(invitations::Column::RevokedAt.is_null())
        .filter(invitations::Column::ExpiresAt.gt(store.now()))
        .count(tx.db())
        .await?;
    if members + invited > 0 {
        return Err(Error::new(ErrorKind::Conflict, "Somebody has this role, or is invited to it."));
    }
    table::Entity::delete_by_id((tx.workspace(), id)).exec(tx.db()).await?;
    audit::append(scope, &tx, Event::new("custom_role.deleted").target("custom_role", id.0)).await?;
    tx.commit().await
}

/// Gives it to a member, in place of the role they have.
///
/// # Errors
/// As [`members::change_role`]; `NotFound` for either.
pub async fn assign(scope: &Scope, store: &Store, account: AccountId, id: CustomRoleId) -> Result<()> {
    let (tx, before) = members::begin(scope, store, account).await?;
    let row = find(&tx, id).await?;
    require_within(scope, Permissions::parse(&row.permissions))?;
    members::set(&tx, account, memberships::Column::Role, row.role.as_str()).await?;
    members::set_custom_role(&tx, account, Some(row.clone())).await?;
    review::reviewed(&tx, account).await?;
    members::tell_sessions(&tx, account).await?;
    let event = Event::new("member.role_changed").target("account", account.0);
    let event = event.detail("from", before.role).detail("to", row.role).detail("customRole", id.to_string());
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

/// What a membership allows, while nothing else stands against it.
///
/// # Errors
/// `Invalid` for a role that is none.
pub(super) fn permissions_of(membership: &memberships::Model) -> Result<Permissions> {
    let all = membership.role.parse::<Role>()?.permissions();
    Ok(membership.permissions.as_deref().map_or(all, |some| all.and(Permissions::parse(some))))
}

/// Refuses to invite to a role that may do more than the actor, and to one of the workspace's own that comes from another.
pub(super) async fn require_may_invite(
    scope: &Scope,
    tx: &WorkspaceTx,
    role: Role,
    custom: Option<CustomRoleId>,
) -> Result<()> {
    let Some(id) = custom else { return members::require_power_over(scope, tx, role).await };
    let row = find(tx, id).await?;
    if row.role != role.name() {
        let message = "It has some of the permissions of another role than the one given.";
        return Err(Error::invalid("customRoleId", message));
    }
    require_within(scope, Permissions::parse(&row.permissions))
}

/// Gives it to a member who begins.
pub(super) async fn give(tx: &WorkspaceTx, account: AccountId, id: CustomRoleId) -> Result<()> {
    members::set_custom_role(tx, account, Some(find(tx, id).await?)).await
}

/// A transaction in which the actor may give these permissions.
async fn begin(scope: &Scope, store: &Store, permissions: Permissions) -> Result<WorkspaceTx> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    require_within(scope, permissions)?;
    store.write(scope).await
}

fn require_within(scope: &Scope, permissions: Permissions) -> Result<()> {
    let is_within = permissions.and(scope.permissions()) == permissions;
    if is_within { Ok(()) } else { Err(Error::new(ErrorKind::Forbidden, "This role may do more than you.")) }
}

async fn find(tx: &WorkspaceTx, id: CustomRoleId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("custom role"))
}

async fn require_free(tx: &WorkspaceTx, name: &str, but: Option<CustomRoleId>) -> Result<()> {
    let taken = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Name.eq(name))
        .one(tx.db())
        .await?;
    match taken {
        Some(row) if but != Some(row.id) => {
            Err(Error::new(ErrorKind::Conflict, "Another role of the workspace has this name.").about("name"))
        }
        _ => Ok(()),
    }
}

fn members_with(tx: &WorkspaceTx, id: CustomRoleId) -> sea_orm::Select<memberships::Entity> {
    memberships::Entity::find()
        .filter(memberships::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(memberships::Column::CustomRoleId.eq(id))
}

/// Writes what a role allows to everybody who has it, and tells their sessions.
async fn allow(tx: &WorkspaceTx, id: CustomRoleId, permissions: &str) -> Result<()> {
    let members = members_with(tx, id).all(tx.db()).await?;
    memberships::Entity::update_many()
        .col_expr(memberships::Column::Permissions, Expr::value(permissions))
        .filter(memberships::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(memberships::Column::CustomRoleId.eq(id))
        .exec(tx.db())
        .await?;
    for member in members {
        members::tell_sessions(tx, member.account_id).await?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    let is_good = !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control);
    let message = format!("Give a name of 1 to {LONGEST_NAME} characters.");
    if is_good { Ok(name.to_owned()) } else { Err(Error::invalid("name", message)) }
}

/// What a role of one's own may allow: something, and nothing that the role it comes from does not.
fn check(role: Role, permissions: &[Permission]) -> Result<Permissions> {
    if matches!(role, Role::Owner | Role::Visitor) {
        return Err(Error::invalid("role", "There are no kinds of owners and of visitors."));
    }
    let wanted = Permissions::of(permissions);
    if permissions.is_empty() {
        return Err(Error::invalid("permissions", "Name at least one permission."));
    }
    if wanted.and(role.permissions()) != wanted {
        return Err(Error::invalid("permissions", format!("{role} does not have all of these permissions itself.")));
    }
    Ok(wanted)
}

impl TryFrom<table::Model> for CustomRole {
    type Error = Error;

    fn try_from(row: table::Model) -> Result<Self> {
        Ok(Self {
            id: row.id,
            role: row.role.parse()?,
            permissions: Permissions::parse(&row.permissions),
            name: row.name,
            created_at: row.created_at,
        })
    }
}
