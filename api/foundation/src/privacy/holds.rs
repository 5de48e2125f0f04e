//! What the law keeps from being erased (GDPR art. 17(3)): a person, or one chat, on a ground, until a day.
//!
//! Nothing that is held is deleted, by an erasure or because its time ran out; an erasure that meets a hold is INCOMPLETE, says
//! what it left, and goes on when the hold is released or over.

use std::{collections::HashSet, fmt, str::FromStr};

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::{Privacy, erasure, subjects};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{HoldId, SubjectId},
    scope::{Permission, Scope},
    store::{WorkspaceTx, entity::holds},
};

/// The most holds that are shown.
const MOST: u64 = 500;

/// Why something may not be erased yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ground {
    /// A law says that it has to be kept (art. 17(3)(b)).
    LegalObligation,
    /// Claims are made, pursued or fought (art. 17(3)(e)).
    LegalClaims,
    /// Public health, archives, research (art. 17(3)(c) and (d)).
    PublicInterest,
}

impl Ground {
    /// All grounds.
    pub const ALL: [Self; 3] = [Self::LegalObligation, Self::LegalClaims, Self::PublicInterest];

    /// The name in the database: `LEGAL_CLAIMS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LegalObligation => "LEGAL_OBLIGATION",
            Self::LegalClaims => "LEGAL_CLAIMS",
            Self::PublicInterest => "PUBLIC_INTEREST",
        }
    }
}

impl FromStr for Ground {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|ground| ground.name() == name);
        found.ok_or_else(|| Error::new(ErrorKind::Corrupt, "A hold has a ground that nobody knows."))
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// Everything about the person.
    Person,
    /// One chat, with all that was said in it.
    Chat(Uuid),
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The hold.
    pub id: HoldId,
    /// About whom.
    pub subject: SubjectId,
    /// What is held.
    pub item: Item,
    /// Why.
    pub ground: Ground,
    /// Since when.
    pub placed_at: Timestamp,
    /// Until when, unless it is released before.
    pub ends_at: Timestamp,
    /// When it was released.
    pub released_at: Option<Timestamp>,
}

/// Holds a person or one chat.
///
/// # Errors
/// `Forbidden` without [`Permission::PrivacyErase`]; `NotFound`; `Invalid` where it would be over already; `SubjectErased` where
/// nothing is left to hold.
pub async fn place(
    scope: &Scope,
    privacy: &Privacy,
    subject: SubjectId,
    item: Item,
    ground: Ground,
    ends_at: Timestamp,
) -> Result<Hold> {
    scope.require(Permission::PrivacyErase)?;
    let store = privacy.store();
    if ends_at <= store.now() {
        return Err(Error::invalid("endsAt", "Say until when: a moment that is still to come."));
    }
    let tx = store.write(scope).await?;
    let person = subjects::find(&tx, subject).await?.ok_or_else(|| Error::not_found("person"))?;
    // An erasure that has come so far leaves nothing that could be read.
    if person.state == subjects::state::ERASED || store.vault().is_shredded(scope.workspace(), subject).await? {
        return Err(Error::new(ErrorKind::SubjectErased, "This person's data was erased; there is nothing to hold."));
    }
    let hold = Hold {
        id: HoldId::new(store.clock()),
        subject,
        item,
        ground,
        placed_at: store.now(),
        ends_at,
        released_at: None,
    };
    let (kind, chat) = words(item);
    let row = holds::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(hold.id),
        subject_id: Set(subject),
        item_kind: Set(kind.to_owned()),
        item_id: Set(chat),
        ground: Set(ground.name().to_owned()),
        placed_by: Set(scope.actor().id()),
        placed_at: Set(hold.placed_at),
        ends_at: Set(ends_at),
        released_by: Set(None),
        released_at: Set(None),
    };
    holds::Entity::insert(row).exec_without_returning(tx.db()).await?;
    let event = Event::new("hold.placed").target("hold", hold.id.0).detail("ground", ground.name());
    audit::append(scope, &tx, event.detail("item", kind).detail("endsAt", ends_at.rfc3339())).await?;
    tx.commit().await?;
    Ok(hold)
}

/// Releases a hold. An erasure that waited for it goes on.
///
/// # Errors
/// `Forbidden` without [`Permission::PrivacyErase`]; `NotFound`; `Conflict` where it was released already.
pub async fn release(scope: &Scope, privacy: &Privacy, id: HoldId) -> Result<Hold> {
    scope.require(Permission::PrivacyErase)?;
    let store = privacy.store();
    let tx = store.write(scope).await?;
    let row = holds::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("hold"))?;
    let released = holds::Entity::update_many()
        .col_expr(holds::Column::ReleasedAt, Expr::value(store.now()))
        .col_expr(holds::Column::ReleasedBy, Expr::value(scope.actor().id()))
        .filter(holds::Column::WorkspaceId.eq(scope.workspace()))
        .filter(holds::Column::Id.eq(id))
        .filter(holds::Column::ReleasedAt.is_null())
        .exec(tx.db())
        .await?;
    if released.rows_affected == 0 {
        return Err(Error::new(ErrorKind::Conflict, "This hold was released already."));
    }
    erasure::resume(&tx, row.subject_id).await?;
    audit::append(scope, &tx, Event::new("hold.released").target("hold", id.0)).await?;
    let released_at = Some(store.now());
    tx.commit().await?;
    Ok(Hold { released_at, ..Hold::try_from(row)? })
}

/// Holds of the workspace, newest first, at most 500; of one person where one is named.
///
/// # Errors
/// `Forbidden` without [`Permission::PrivacyRead`].
pub async fn list(scope: &Scope, privacy: &Privacy, subject: Option<SubjectId>) -> Result<Vec<Hold>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = privacy.store().read(scope).await?;
    let mut query = holds::Entity::find().filter(holds::Column::WorkspaceId.eq(scope.workspace()));
    if let Some(subject) = subject {
        query = query.filter(holds::Column::SubjectId.eq(subject));
    }
    let rows = query.order_by_desc(holds::Column::Id).limit(MOST).all(tx.db()).await?;
    rows.into_iter().map(Hold::try_from).collect()
}

/// The holds of a workspace that hold now.
///
/// # Errors
/// `Unavailable`, `Corrupt`: whoever asks deletes nothing then.
pub(crate) async fn in_workspace(tx: &WorkspaceTx) -> Result<Vec<Hold>> {
    in_force(tx).all(tx.db()).await?.into_iter().map(Hold::try_from).collect()
}

/// The holds of a person that hold now.
///
/// # Errors
/// `Unavailable`, `Corrupt`: whoever asks deletes nothing then.
pub async fn of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Vec<Hold>> {
    let rows = in_force(tx).filter(holds::Column::SubjectId.eq(subject)).all(tx.db()).await?;
    rows.into_iter().map(Hold::try_from).collect()
}

/// Chats of a person that are held now, each or with the person.
///
/// # Errors
/// As [`of`].
pub async fn chats_of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Vec<Uuid>> {
    let chats = of(tx, subject).await?.into_iter().filter_map(|hold| match hold.item {
        Item::Chat(chat) => Some(chat),
        Item::Person => None,
    });
    Ok(chats.collect())
}

/// Everybody in the workspace about whom something is held now.
///
/// # Errors
/// As [`of`].
pub(super) async fn people(tx: &WorkspaceTx) -> Result<HashSet<SubjectId>> {
    let rows = in_force(tx).all(tx.db()).await?;
    rows.into_iter().map(|row| Hold::try_from(row).map(|hold| hold.subject)).collect()
}

fn in_force(tx: &WorkspaceTx) -> sea_orm::Select<holds::Entity> {
    holds::Entity::find()
        .filter(holds::Column::WorkspaceId.eq(tx.workspace()))
        .filter(holds::Column::ReleasedAt.is_null())
        .filter(holds::Column::EndsAt.gt(tx.store().now()))
}

fn words(item: Item) -> (&'static str, Option<Uuid>) {
    match item {
        Item::Person => ("PERSON", None),
        Item::Chat(chat) => ("CHAT", Some(chat)),
    }
}

impl TryFrom<holds::Model> for Hold {
    type Error = Error;

    fn try_from(row: holds::Model) -> Result<Self> {
        let item = match (row.item_kind.as_str(), row.item_id) {
            ("PERSON", None) => Item::Person,
            ("CHAT", Some(chat)) => Item::Chat(chat),
            _ => {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("The hold {} holds nothing that is known.", row.id),
                ));
            }
        };
        Ok(Self {
            id: row.id,
            subject: row.subject_id,
            item,
            ground: row.ground.parse()?,
            placed_at: row.placed_at,
            ends_at: row.ends_at,
            released_at: row.released_at,
        })
    }
}
