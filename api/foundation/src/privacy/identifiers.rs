//! What a person is known by: an address, a number, the customer's own id, an account. Looked up by a keyed index of this
//! workspace, shown from what is sealed under the person's key.
//!
//! An address or a number may be claimed by several: nobody proved anything by typing one. An external id, which only the
//! customer's server or staff gives, and an account name one person.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr};

use super::{persons, subjects};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, IdentifierId, SubjectId},
    identity::email,
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::subject_identifiers as table},
    vault::Place,
};

/// Identifiers of one person.
const MOST: u64 = 50;
/// Longest value.
const LONGEST: usize = 200;

/// What kind of identifier it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// The id that the customer's own systems know the person by.
    ExternalId,
    /// The account of a member.
    Member,
}

/// Where an identifier comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierSource {
    /// The person said so.
    Person,
    /// The customer's server said so.
    Customer,
    /// Somebody of the workspace wrote it down.
    Staff,
    /// The product knows: an account.
    Product,
}

/// Something that a person is known by.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// The identifier.
    pub id: IdentifierId,
    /// Of whom.
    pub subject: SubjectId,
    /// What kind.
    pub kind: IdentifierKind,
    /// Itself, as it was given.
    pub value: String,
    /// Where it comes from.
    pub source: IdentifierSource,
    /// Since when.
    pub created_at: Timestamp,
    /// Rectified at last, or since when.
    pub updated_at: Timestamp,
}

/// What a customer's server says of a visitor whom it lets in.
#[derive(Clone, Default)]
pub struct Volunteered {
    /// The customer's own id of the person; one that is known continues that person.
    pub external_id: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
}

/// Writes down what a person is known by; what is known already is answered with. Without a subject it is one's own.
///
/// # Errors
/// `Forbidden`; `NotFound`; `Invalid`; `Conflict` where it is another person's; `LimitExceeded`; `Restricted`.
pub async fn add(
    scope: &Scope,
    store: &Store,
    subject: Option<SubjectId>,
    kind: IdentifierKind,
    value: &str,
) -> Result<Identifier> {
    let tx = store.write(scope).await?;
    let subject = persons::own_or(scope, &tx, subject, Permission::RightsServe).await?;
    let is_own = scope.subject() == Some(subject);
    if kind == IdentifierKind::Member || (is_own && kind == IdentifierKind::ExternalId) {
        return Err(Error::invalid("kind", "This is not yours to say."));
    }
    let source = if is_own { IdentifierSource::Person } else { IdentifierSource::Staff };
    let id = put(&tx, subject, kind, value, source).await?;
    audit::append(scope, &tx, event("subject.identified", id, subject)).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let added = open(&tx, row.ok_or_else(|| Error::not_found("identifier"))?).await?;
    tx.commit().await?;
    Ok(added)
}

/// Puts another value in the place of a wrong one (GDPR art. 16), by the person or by who serves rights. The old one is
/// gone from the database.
///
/// # Errors
/// `NotFound`, also for another person's; `Forbidden`; `Invalid`; `Conflict`; `SubjectErased`.
pub async fn rectify(scope: &Scope, store: &Store, id: IdentifierId, value: &str) -> Result<Identifier> {
    let tx = store.write(scope).await?;
    let row = find_own(scope, &tx, id).await?;
    let kind = IdentifierKind::parse(&row.kind);
    let (shown, normalised) = check(kind, value)?;
    let key = store.vault().subject_key(scope.workspace(), row.subject_id).await?;
    let index = index_of(&tx, kind, &normalised).await?;
    table::Entity::update_many()
        .col_expr(table::Column::ValueIndex, Expr::value(index))
        .col_expr(table::Column::ValueSealed, Expr::value(key.seal_text(&place(&tx, id), &shown)))
        .col_expr(table::Column::UpdatedAt, Expr::value(store.now()))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    audit::append(scope, &tx, event("identifier.rectified", id, row.subject_id)).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let rectified = open(&tx, row.ok_or_else(|| Error::not_found("identifier"))?).await?;
    tx.commit().await?;
    purged(store).await;
    Ok(rectified)
}

/// Forgets an identifier.
///
/// # Errors
/// As [`rectify`].
pub async fn remove(scope: &Scope, store: &Store, id: IdentifierId) -> Result<()> {
    let tx = store.write(scope).await?;
    let row = find_own(scope, &tx, id).await?;
    table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    audit::append(scope, &tx, event("identifier.removed", id, row.subject_id)).await?;
    tx.commit().await?;
    purged(store).await;
    Ok(())
}

/// Makes the database forget the bytes of an old value. Where a reader is in the way it is done with the next purge; the bytes
/// are sealed.
async fn purged(store: &Store) {
    if let Err(error) = store.purge_deleted_bytes().await {
        tracing::warn!(kind = ?error.kind(), "the bytes of an old value are purged later");
    }
}

/// One that the scope may change: the person's own, or anybody's for who serves rights. A member's account is neither's.
async fn find_own(scope: &Scope, tx: &WorkspaceTx, id: IdentifierId) -> Result<table::Model> {
    let unknown = || Error::not_found("identifier");
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?.ok_or_else(unknown)?;
    persons::allow(scope, tx, row.subject_id, Permission::RightsServe).await.map_err(|error| {
        match scope.subject() {
            Some(_) => unknown(),
            None => error,
        }
    })?;
    if row.kind == IdentifierKind::Member.name() {
        return Err(Error::new(ErrorKind::Conflict, "This is a member's account; it changes with the membership."));
    }
    subjects::require_not_erased(tx, row.subject_id).await?;
    Ok(row)
}

/// Writes down what a person is known by, once.
pub(crate) async fn put(
    tx: &WorkspaceTx,
    subject: SubjectId,
    kind: IdentifierKind,
    value: &str,
    source: IdentifierSource,
) -> Result<IdentifierId> {
    let (shown, normalised) = check(kind, value)?;
    let index = index_of(tx, kind, &normalised).await?;
    let known = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Kind.eq(kind.name()))
        .filter(table::Column::ValueIndex.eq(index.clone()))
        .all(tx.db())
        .await?;
    if let Some(known) = known.iter().find(|row| row.subject_id == subject) {
        return Ok(known.id);
    }
    if kind.names_one() && !known.is_empty() {
        return Err(Error::new(ErrorKind::Conflict, "This is another person's; if they are one, merge them."));
    }
    subjects::hold_active(tx, subject).await?;
    let of_subject = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(subject));
    if of_subject.count(tx.db()).await? >= MOST {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("A person has {MOST} identifiers at most.")));
    }
    let (id, now) = (IdentifierId::new(tx.store().clock()), tx.store().now());
    let key = tx.store().vault().subject_key(tx.workspace(), subject).await?;
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        subject_id: Set(subject),
        kind: Set(kind.name().to_owned()),
        value_index: Set(index),
        value_sealed: Set(key.seal_text(&place(tx, id), &shown)),
        source: Set(source.name().to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(id)
}

/// The persons known by this.
///
/// # Errors
/// `Invalid` where it cannot be one of that kind.
pub(crate) async fn find(tx: &WorkspaceTx, kind: IdentifierKind, value: &str) -> Result<Vec<SubjectId>> {
    let (_, normalised) = check(kind, value)?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Kind.eq(kind.name()))
        .filter(table::Column::ValueIndex.eq(index_of(tx, kind, &normalised).await?))
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| row.subject_id).collect())
}

/// What these persons are known by, the oldest first.
pub(crate) async fn of(tx: &WorkspaceTx, subjects: &[SubjectId]) -> Result<Vec<Identifier>> {
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.is_in(subjects.iter().copied()))
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(open(tx, row).await?);
    }
    Ok(all)
}

/// The account of a member, as a person the workspace holds data about.
pub async fn account_of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Option<AccountId>> {
    let row = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .filter(table::Column::Kind.eq(IdentifierKind::Member.name()))
        .one(tx.db())
        .await?;
    match row {
        None => Ok(None),
        Some(row) => match open(tx, row).await {
            Ok(found) => Ok(found.value.parse().ok()),
            Err(error) if error.kind() == ErrorKind::SubjectErased => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// The person that an account is in this workspace, made on first use: a member has no subject before a right is used.
pub(crate) async fn member(tx: &WorkspaceTx, account: AccountId) -> Result<SubjectId> {
    let value = account.to_string();
    if let Some(known) = find(tx, IdentifierKind::Member, &value).await?.first() {
        return Ok(*known);
    }
    let subject = subjects::create(tx, subjects::MEMBER).await?;
    put(tx, subject, IdentifierKind::Member, &value, IdentifierSource::Product).await?;
    Ok(subject)
}

/// What is shown, and what is compared.
fn check(kind: IdentifierKind, value: &str) -> Result<(String, String)> {
    let shown = value.trim();
    if shown.is_empty() || shown.chars().count() > LONGEST || shown.chars().any(char::is_control) {
        return Err(Error::invalid("value", format!("Give 1 to {LONGEST} characters.")));
    }
    let normalised = match kind {
        IdentifierKind::Email => {
            email::normalised(shown).map_err(|_| Error::invalid("value", "This is not an e-mail address."))?
        }
        IdentifierKind::Phone => phone(shown)?,
        IdentifierKind::ExternalId | IdentifierKind::Member => shown.to_owned(),
    };
    Ok((shown.to_owned(), normalised))
}

/// A number as it is compared: digits, behind a plus where it says its country (ITU-T E.164 has 15 digits at most).
fn phone(typed: &str) -> Result<String> {
    let bare: String = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}')).collect();
    let bare = bare.strip_prefix("00").map_or(bare.clone(), |rest| format!("+{rest}"));
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    let is_number = (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { Ok(bare) } else { Err(Error::invalid("value", "This is not a telephone number.")) }
}

/// What an identifier of the kind of this name is found by.
pub(crate) async fn index_again(tx: &WorkspaceTx, kind: &str, shown: &str) -> Result<Vec<u8>> {
    let kind = IdentifierKind::parse(kind);
    let (_, normalised) = check(kind, shown)?;
    index_of(tx, kind, &normalised).await
}

async fn index_of(tx: &WorkspaceTx, kind: IdentifierKind, normalised: &str) -> Result<Vec<u8>> {
    tx.store().vault().blind_index(tx.workspace(), kind.purpose(), normalised).await
}

async fn open(tx: &WorkspaceTx, row: table::Model) -> Result<Identifier> {
    let key = tx.store().vault().subject_key(tx.workspace(), row.subject_id).await?;
    Ok(Identifier {
        id: row.id,
        subject: row.subject_id,
        kind: IdentifierKind::parse(&row.kind),
        value: key.open_text(&place(tx, row.id), &row.value_sealed)?,
        source: IdentifierSource::parse(&row.source),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn place(tx: &WorkspaceTx, id: IdentifierId) -> Place {
    Place::new(tx.workspace(), "subject_identifiers", "value_sealed", id.0)
}

fn event(action: &'static str, id: IdentifierId, subject: SubjectId) -> Event {
    Event::new(action).target("identifier", id.0).subject(subject)
}

impl IdentifierKind {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::ExternalId => "EXTERNAL_ID",
            Self::Member => "MEMBER",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "EMAIL" => Self::Email,
            "PHONE" => Self::Phone,
            "MEMBER" => Self::Member,
            _ => Self::ExternalId,
        }
    }

    /// The same text of another kind is looked up by another value.
    fn purpose(self) -> &'static str {
        match self {
            Self::Email => "subject e-mail",
            Self::Phone => "subject phone",
            Self::ExternalId => "subject external id",
            Self::Member => "subject member",
        }
    }

    fn names_one(self) -> bool {
        matches!(self, Self::ExternalId | Self::Member)
    }
}

impl IdentifierSource {
    fn name(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Customer => "CUSTOMER",
            Self::Staff => "STAFF",
            Self::Product => "PRODUCT",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "PERSON" => Self::Person,
            "CUSTOMER" => Self::Customer,
            "PRODUCT" => Self::Product,
            _ => Self::Staff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_in_other_clothes_is_the_same() {
        for typed in ["+33 1 23 45 67 89", "0033-1-23.45.67.89", "+33 (1) 23/456789"] {
            assert_eq!(phone(typed).expect("a number"), "+33123456789", "{typed}");
        }
        for typed in ["", "1234", "call me", "+1234567890123456", "+33+1"] {
            assert!(phone(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for kind in [IdentifierKind::Email, IdentifierKind::Phone] {
            let Err(error) = check(kind, "Canary-4711") else { panic!("{kind:?} was taken") };
            assert!(!error.to_string().contains("Canary"));
        }
        assert!(check(IdentifierKind::ExternalId, "a\nb").is_err());
        assert!(check(IdentifierKind::ExternalId, &"x".repeat(201)).is_err());
    }
}
