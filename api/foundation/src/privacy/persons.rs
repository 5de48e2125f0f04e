//! A person, as the workspace holds data about them: what they are known by, where they stand, and what every holder has,
//! counted. Looking at somebody is on record.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    Privacy,
    exports::{self, DataExport},
    holding::Counted,
    identifiers::{self, Identifier, IdentifierKind},
    merges::{self, Merge},
    recipients::{self, GotData},
    register::Category,
    restriction::{self, Restriction},
    subjects::{self, state},
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, Result},
    id::{AccountId, SubjectId, VisitorId},
    identity::accounts,
    scope::{Actor, Permission, Scope},
    store::{
        WorkspaceTx,
        entity::{subjects as table, visitors},
    },
};

/// What a person is to the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonKind {
    /// A visitor.
    Visitor,
    /// A member.
    Member,
}

/// Where a person's data stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonState {
    /// It may be processed.
    Active,
    /// It is stored, and nothing else (GDPR art. 18).
    Restricted,
    /// It is being erased.
    Erasing,
    /// It is erased; the surrogate id is left.
    Erased,
}

/// What a holder has about a person, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderCount {
    /// The holder.
    pub holder: &'static str,
    /// Its tables, those with nothing too.
    pub tables: Vec<Counted>,
}

/// A person.
#[derive(Clone)]
pub struct Person {
    /// The person who stands for all that are one.
    pub id: SubjectId,
    /// What they are to the workspace.
    pub kind: PersonKind,
    /// Where their data stands.
    pub state: PersonState,
    /// Known since.
    pub created_at: Timestamp,
    /// What they are known by.
    pub identifiers: Vec<Identifier>,
    /// Their visits, as visitors.
    pub visitors: Vec<VisitorId>,
    /// Their account, where they are a member.
    pub account: Option<AccountId>,
    /// What every holder has.
    pub holdings: Vec<HolderCount>,
    /// Which persons are one with them, and were.
    pub merges: Vec<Merge>,
    /// The restriction that stands.
    pub restriction: Option<Restriction>,
    /// Copies that were made for them, newest first.
    pub exports: Vec<DataExport>,
    /// Who got data about them.
    pub recipients: Vec<GotData>,
}

/// A person by id, whoever of those that are one.
///
/// # Errors
/// `Forbidden` for another's without `SUBJECTS_READ`; `NotFound`.
pub async fn get(scope: &Scope, privacy: &Privacy, subject: SubjectId) -> Result<Person> {
    let tx = privacy.store.write(scope).await?;
    allow(scope, &tx, subject, Permission::SubjectsRead).await?;
    row(&tx, subject).await?;
    view(scope, privacy, tx, subject).await
}

/// The person who is a visitor.
///
/// # Errors
/// `Forbidden` without `SUBJECTS_READ`; `NotFound`.
pub async fn of_visitor(scope: &Scope, privacy: &Privacy, visitor: VisitorId) -> Result<Person> {
    scope.require(Permission::SubjectsRead)?;
    let tx = privacy.store.write(scope).await?;
    let found = visitors::Entity::find_by_id((scope.workspace(), visitor)).one(tx.db()).await?;
    let found = found.ok_or_else(|| Error::not_found("visitor"))?;
    view(scope, privacy, tx, found.subject_id).await
}

/// The person who is a member, of this workspace.
///
/// # Errors
/// `Forbidden` for another's without `SUBJECTS_READ`; `NotFound`.
pub async fn of_member(scope: &Scope, privacy: &Privacy, account: AccountId) -> Result<Person> {
    let is_own = matches!(scope.actor(), Actor::Member { account: own, .. } if own == account);
    if !is_own {
        scope.require(Permission::SubjectsRead)?;
    }
    let tx = privacy.store.write(scope).await?;
    let known = identifiers::find(&tx, IdentifierKind::Member, &account.to_string()).await?;
    let subject = match known.first() {
        Some(known) => *known,
        None if accounts::may(&tx, account, Permission::WorkspaceRead).await? => {
            identifiers::member(&tx, account).await?
        }
        None => return Err(Error::not_found("member")),
    };
    view(scope, privacy, tx, subject).await
}

/// The persons who are known by this; several may have given the same address. A member is found by the address of the account.
///
/// # Errors
/// `Forbidden` without `SUBJECTS_READ`; `Invalid` where it is none of its kind.
pub async fn by_identifier(scope: &Scope, privacy: &Privacy, kind: IdentifierKind, value: &str) -> Result<Vec<Person>> {
    scope.require(Permission::SubjectsRead)?;
    let mut found = {
        let tx = privacy.store.write(scope).await?;
        let mut found = identifiers::find(&tx, kind, value).await?;
        if kind == IdentifierKind::Email
            && let Some(account) = accounts::member_by_email(&tx, value).await?
        {
            found.push(identifiers::member(&tx, account).await?);
        }
        tx.commit().await?;
        found
    };
    let mut persons: Vec<Person> = Vec::new();
    found.dedup();
    for subject in found {
        let tx = privacy.store.write(scope).await?;
        let person = view(scope, privacy, tx, subject).await?;
        if !persons.iter().any(|known| known.id == person.id) {
            persons.push(person);
        }
    }
    Ok(persons)
}

/// Records the look, then looks. Where one looks at oneself there is nothing to record.
async fn view(scope: &Scope, privacy: &Privacy, tx: WorkspaceTx, subject: SubjectId) -> Result<Person> {
    if !is_own(scope, &tx, subject).await? {
        audit::append(scope, &tx, Event::new("subject.viewed").target("subject", subject.0).subject(subject)).await?;
    }
    tx.commit().await?;
    let tx = privacy.store.read_for_rights(scope).await?;
    let all = merges::group(&tx, subject).await?;
    let row = row(&tx, all[0]).await?;
    let is_readable = row.state == state::ACTIVE;
    let identifiers = if is_readable { identifiers::of(&tx, &all).await? } else { Vec::new() };
    let person = Person {
        id: row.id,
        kind: if row.kind == subjects::MEMBER { PersonKind::Member } else { PersonKind::Visitor },
        state: match row.state.as_str() {
            state::ERASING => PersonState::Erasing,
            state::ERASED => PersonState::Erased,
            _ if row.restricted_at.is_some() => PersonState::Restricted,
            _ => PersonState::Active,
        },
        created_at: row.created_at,
        account: identifiers.iter().find(|i| i.kind == IdentifierKind::Member).and_then(|i| i.value.parse().ok()),
        identifiers,
        visitors: visitors_of(&tx, &all).await?,
        holdings: Vec::new(),
        merges: merges::of(&tx, &all).await?,
        restriction: restriction::standing(&tx, row.id).await?,
        exports: exports::of(&tx, &all).await?,
        recipients: recipients::of(&tx, &all).await?,
    };
    drop(tx);
    Ok(Person { holdings: holdings(scope, privacy, &all).await?, ..person })
}

/// What every holder has about these persons.
async fn holdings(scope: &Scope, privacy: &Privacy, all: &[SubjectId]) -> Result<Vec<HolderCount>> {
    let mut counts = Vec::with_capacity(privacy.holders.len());
    for holder in privacy.holders.iter() {
        let mut tables: BTreeMap<&'static str, Counted> = BTreeMap::new();
        for subject in all {
            for more in holder.inventory(scope, *subject).await? {
                let empty = Counted { table: more.table, rows: 0, values: BTreeMap::new() };
                let sum = tables.entry(more.table).or_insert(empty);
                sum.rows += more.rows;
                for (category, values) in more.values {
                    *sum.values.entry(category).or_default() += values;
                }
            }
        }
        counts.push(HolderCount { holder: holder.name(), tables: tables.into_values().collect() });
    }
    Ok(counts)
}

async fn visitors_of(tx: &WorkspaceTx, all: &[SubjectId]) -> Result<Vec<VisitorId>> {
    let rows = visitors::Entity::find()
        .filter(visitors::Column::WorkspaceId.eq(tx.workspace()))
        .filter(visitors::Column::SubjectId.is_in(all.iter().copied()))
        .order_by_asc(visitors::Column::Id)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The row of a person.
pub(crate) async fn row(tx: &WorkspaceTx, subject: SubjectId) -> Result<table::Model> {
    subjects::find(tx, subject).await?.ok_or_else(|| Error::not_found("person"))
}

/// Refuses unless it is one's own data, or one may do this to anybody's.
pub(crate) async fn allow(scope: &Scope, tx: &WorkspaceTx, subject: SubjectId, permission: Permission) -> Result<()> {
    if is_own(scope, tx, subject).await? { Ok(()) } else { scope.require(permission) }
}

/// The person that is named, where one may do this to them; oneself where nobody is.
pub(crate) async fn own_or(
    scope: &Scope,
    tx: &WorkspaceTx,
    subject: Option<SubjectId>,
    permission: Permission,
) -> Result<SubjectId> {
    let Some(subject) = subject else {
        return match scope.actor() {
            Actor::Visitor { subject, .. } | Actor::Person { subject, .. } => Ok(subject),
            Actor::Member { account, .. } => identifiers::member(tx, account).await,
            Actor::ApiKey(_) | Actor::Duty(_) => {
                Err(Error::invalid("subjectId", "Name the person: a program is none."))
            }
        };
    };
    allow(scope, tx, subject, permission).await?;
    row(tx, subject).await?;
    Ok(subject)
}

/// Whether it is who acts, under whichever id.
async fn is_own(scope: &Scope, tx: &WorkspaceTx, subject: SubjectId) -> Result<bool> {
    let own = match scope.actor() {
        Actor::Visitor { subject, .. } | Actor::Person { subject, .. } => Some(subject),
        Actor::Member { account, .. } => {
            identifiers::find(tx, IdentifierKind::Member, &account.to_string()).await?.first().copied()
        }
        Actor::ApiKey(_) | Actor::Duty(_) => None,
    };
    match own {
        None => Ok(false),
        Some(own) if own == subject => Ok(true),
        Some(own) => Ok(merges::group(tx, own).await?.contains(&subject)),
    }
}

impl HolderCount {
    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Values by what they are.
    pub fn values(&self) -> BTreeMap<Category, u64> {
        let mut sum = BTreeMap::new();
        for (category, values) in self.tables.iter().flat_map(|table| &table.values) {
            *sum.entry(*category).or_default() += values;
        }
        sum
    }
}
