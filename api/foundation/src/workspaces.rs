//! Workspaces: one customer's world each, isolated from every other.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, LockType},
};

use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, WorkspaceId},
    identity::{Role, accounts},
    scope::{Actor, Permission, Scope},
    store::{
        InstanceTx, Store, WorkspaceTx,
        entity::{memberships, workspaces},
    },
};

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// The customer's name.
    pub name: String,
    /// ISO 639-1 codes of the languages spoken there, the main one first.
    pub languages: Vec<String>,
    /// Counts changes of the knowledge.
    pub knowledge_version: i64,
    /// How many passages of the knowledge can be found.
    pub passages: i64,
    /// Since when.
    pub created_at: Timestamp,
}

/// What is to change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceChange {
    /// The customer's name.
    pub name: Option<String>,
    /// ISO 639-1 codes, the main one first.
    pub languages: Option<Vec<String>>,
}

/// All two-letter codes of ISO 639-1.
#[rustfmt::skip]
const ISO_639_1: &[&str] = &[
    "aa", "ab", "ae", "af", "ak", "am", "an", "ar", "as", "av", "ay", "az", "ba", "be", "bg", "bi", "bm", "bn", "bo", "br",
    "bs", "ca", "ce", "ch", "co", "cr", "cs", "cu", "cv", "cy", "da", "de", "dv", "dz", "ee", "el", "en", "eo", "es", "et",
    "eu", "fa", "ff", "fi", "fj", "fo", "fr", "fy", "ga", "gd", "gl", "gn", "gu", "gv", "ha", "he", "hi", "ho", "hr", "ht",
    "hu", "hy", "hz", "ia", "id", "ie", "ig", "ii", "ik", "io", "is", "it", "iu", "ja", "jv", "ka", "kg", "ki", "kj", "kk",
    "kl", "km", "kn", "ko", "kr", "ks", "ku", "kv", "kw", "ky", "la", "lb", "lg", "li", "ln", "lo", "lt", "lu", "lv", "mg",
    "mh", "mi", "mk", "ml", "mn", "mr", "ms", "mt", "my", "na", "nb", "nd", "ne", "ng", "nl", "nn", "no", "nr", "nv", "ny",
    "oc", "oj", "om", "or", "os", "pa", "pi", "pl", "ps", "pt", "qu", "rm", "rn", "ro", "ru", "rw", "sa", "sc", "sd", "se",
    "sg", "si", "sk", "sl", "sm", "sn", "so", "sq", "sr", "ss", "st", "su", "sv", "sw", "ta", "te", "tg", "th", "ti", "tk",
    "tl", "tn", "to", "tr", "ts", "tt", "tw", "ty", "ug", "uk", "ur", "uz", "ve", "vi", "vo", "wa", "wo", "xh", "yi", "yo",
    "za", "zh", "zu",
];

/// Makes a workspace that an account owns. For the operator, beside the product.
///
/// # Errors
/// `Invalid` for the name or the languages; `Conflict` where there is no such account.
pub async fn create(store: &Store, name: &str, languages: &[String], owner: AccountId) -> Result<Workspace> {
    let new = New::check(store, name, languages)?;
    let scope = Scope::duty(new.id(), "start");
    insert_owned(&scope, store, new, owner).await
}

/// Makes a further workspace that the signed-in member owns. The scope given does not reach into it: sign in there.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`, and for anyone but a member; `Invalid` for the name or the languages.
pub async fn create_for(scope: &Scope, store: &Store, name: &str, languages: &[String]) -> Result<Workspace> {
    scope.require(Permission::WorkspaceWrite)?;
    let Actor::Member { .. } = scope.actor() else {
        return Err(Error::new(ErrorKind::Forbidden, "Only a member can own a workspace."));
    };
    let (account, _) = scope.account_holder()?;
    let new = New::check(store, name, languages)?;
    let in_it = Scope::new(new.id(), scope.actor(), Role::Owner.permissions());
    insert_owned(&in_it, store, new, account).await
}

async fn insert_owned(scope: &Scope, store: &Store, new: New, owner: AccountId) -> Result<Workspace> {
    // The key store is another database: its key first, so that no row waits for it.
    store.vault().workspace_key(new.id()).await?;
    let tx = store.write(scope).await?;
    let workspace = new.insert(scope, &tx).await?;
    accounts::insert_membership(&tx, owner, Role::Owner).await?;
    let event = Event::new("member.added").target("account", owner.0).detail("role", Role::Owner.name());
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(workspace)
}

/// The scope's workspace.
///
/// # Errors
/// `Unavailable`.
pub async fn get(scope: &Scope, store: &Store) -> Result<Workspace> {
    let tx = store.read(scope).await?;
    find(&tx).await
}

/// Changes the scope's workspace.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `Invalid` for the name or the languages.
pub async fn configure(scope: &Scope, store: &Store, change: WorkspaceChange) -> Result<Workspace> {
    scope.require(Permission::WorkspaceWrite)?;
    let name = change.name.as_deref().map(check_name).transpose()?;
    let languages = change.languages.as_deref().map(check_languages).transpose()?;
    let mut event = Event::new("workspace.configured").target("workspace", scope.workspace().0);
    let mut update = workspaces::Entity::update_many().filter(workspaces::Column::Id.eq(scope.workspace()));
    if let Some(name) = name {
        event = event.detail("name", name.clone());
        update = update.col_expr(workspaces::Column::Name, Expr::value(name));
    }
    if let Some(languages) = languages {
        event = event.detail("languages", languages.clone());
        update = update.col_expr(workspaces::Column::Languages, Expr::value(languages));
    }
    let tx = store.write(scope).await?;
    if change.name.is_some() || change.languages.is_some() {
        update.exec(tx.db()).await?;
        audit::append(scope, &tx, event).await?;
    }
    let workspace = find(&tx).await?;
    tx.commit().await?;
    Ok(workspace)
}

/// The workspaces of the signed-in member and the role in each, the oldest membership first.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn list_for_account(scope: &Scope, store: &Store) -> Result<Vec<(Workspace, Role)>> {
    let Actor::Member { account, .. } = scope.actor() else {
        return Err(Error::new(ErrorKind::Forbidden, "Only a member has workspaces."));
    };
    let tx = store.read_instance().await?;
    let memberships = memberships::Entity::find()
        .filter(memberships::Column::AccountId.eq(account))
        .order_by_asc(memberships::Column::CreatedAt)
        .order_by_asc(memberships::Column::MemberWorkspaceId)
        .all(tx.db())
        .await?;
    let ids: Vec<WorkspaceId> = memberships.iter().map(|m| m.member_workspace_id).collect();
    let rows = workspaces::Entity::find().filter(workspaces::Column::Id.is_in(ids)).all(tx.db()).await?;
    let of = |id| rows.iter().find(|row| row.id == id).cloned().ok_or_else(|| Error::not_found("workspace"));
    memberships.into_iter().map(|m| Ok((read(of(m.member_workspace_id)?), m.role.parse()?))).collect()
}

/// Whether a workspace is at its end: closed for visitors, and read-only for members.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn is_closing(tx: &InstanceTx, workspace: WorkspaceId) -> Result<bool> {
    let row = workspaces::Entity::find_by_id(workspace)
        .select_only()
        .column(workspaces::Column::ClosingAt)
        .into_tuple::<Option<Timestamp>>()
        .one(tx.db())
        .await?;
    Ok(row.flatten().is_some())
}

/// All workspaces, for duties.
pub(crate) async fn all_ids(store: &Store) -> Result<Vec<WorkspaceId>> {
    let tx = store.read_instance().await?;
    let all = workspaces::Entity::find()
        .select_only()
        .column(workspaces::Column::Id)
        .order_by_asc(workspaces::Column::Id)
        .into_tuple::<WorkspaceId>()
        .all(tx.db())
        .await?;
    Ok(all)
}

/// Counts a change of the knowledge that brings this many passages, or takes them away, and says its number. The row
/// stays locked until the transaction ends, so the numbers become visible in their order.
///
/// # Errors
/// `Unavailable`.
pub async fn next_knowledge_version(tx: &WorkspaceTx, passages: i64) -> Result<i64> {
    let count = Statement::from_sql_and_values(
        tx.store().backend(),
        "UPDATE workspaces SET knowledge_version = knowledge_version + 1, passages = passages + $2 WHERE id = $1 \
         RETURNING knowledge_version",
        [tx.workspace().into(), passages.into()],
    );
    let row = tx.db().query_one_raw(count).await?.ok_or_else(|| Error::not_found("workspace"))?;
    Ok(row.try_get("", "knowledge_version")?)
}

/// Holds the workspace's row until the transaction ends: whoever publishes or deletes knowledge waits.
///
/// # Errors
/// `Unavailable`.
pub async fn hold(tx: &WorkspaceTx) -> Result<()> {
    let query = workspaces::Entity::find_by_id(tx.workspace()).lock(LockType::NoKeyUpdate);
    query.one(tx.db()).await?.map(drop).ok_or_else(|| Error::not_found("workspace"))
}

/// The number of the last change of the knowledge.
///
/// # Errors
/// `Unavailable`.
pub async fn knowledge_version(tx: &WorkspaceTx) -> Result<i64> {
    Ok(find(tx).await?.knowledge_version)
}

/// The workspace of a transaction.
///
/// # Errors
/// `NotFound`, `Unavailable`.
pub async fn current(tx: &WorkspaceTx) -> Result<Workspace> {
    find(tx).await
}

/// A workspace whose values were checked and that is not there yet.
pub(crate) struct New(Workspace);

impl New {
    pub(crate) fn check(store: &Store, name: &str, languages: &[String]) -> Result<Self> {
        let languages = check_languages(languages)?;
        Ok(Self(Workspace {
            id: WorkspaceId::new(store.clock()),
            name: check_name(name)?,
            languages: split(&languages),
            knowledge_version: 0,
            passages: 0,
            created_at: store.now(),
        }))
    }

    pub(crate) fn id(&self) -> WorkspaceId {
        self.0.id
    }

    pub(crate) async fn insert(self, scope: &Scope, tx: &WorkspaceTx) -> Result<Workspace> {
        let row = workspaces::ActiveModel {
            id: Set(self.0.id),
            name: Set(self.0.name.clone()),
            languages: Set(self.0.languages.join(" ")),
            knowledge_version: Set(self.0.knowledge_version),
            created_at: Set(self.0.created_at),
            passages: Set(self.0.passages),
            second_factor_grace_days: Set(None),
            closing_at: Set(None),
        };
        workspaces::Entity::insert(row).exec_without_returning(tx.db()).await?;
        audit::append(scope, tx, Event::new("workspace.created").target("workspace", self.0.id.0)).await?;
        Ok(self.0)
    }
}

/// Codes as they are stored: each once, in their order, with spaces between.
///
/// # Errors
/// `Invalid` where there is none, more than 20, or one that ISO 639-1 does not list.
pub fn check_languages(codes: &[String]) -> Result<String> {
    let mut checked: Vec<String> = Vec::new();
    for code in codes {
        let code = code.trim().to_lowercase();
        if !ISO_639_1.contains(&code.as_str()) {
            return Err(Error::invalid("languages", "A language is a two-letter code of ISO 639-1, such as en or fr."));
        }
        if !checked.contains(&code) {
            checked.push(code);
        }
    }
    if !(1..=20).contains(&checked.len()) {
        return Err(Error::invalid("languages", "1 to 20 languages are needed."));
    }
    Ok(checked.join(" "))
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "The name needs 1 to 200 characters."));
    }
    Ok(name.to_owned())
}

async fn find(tx: &WorkspaceTx) -> Result<Workspace> {
    let row = workspaces::Entity::find_by_id(tx.workspace()).one(tx.db()).await?;
    row.map(read).ok_or_else(|| Error::new(ErrorKind::NotFound, "There is no such workspace."))
}

fn read(row: workspaces::Model) -> Workspace {
    Workspace {
        id: row.id,
        name: row.name,
        languages: split(&row.languages),
        knowledge_version: row.knowledge_version,
        passages: row.passages,
        created_at: row.created_at,
    }
}

fn split(languages: &str) -> Vec<String> {
    languages.split(' ').map(str::to_owned).collect()
}
