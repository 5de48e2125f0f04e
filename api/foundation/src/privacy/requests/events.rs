//! What happens to requests, in order, replayed behind a number: for whoever has the inbox of requests open. An event is a row that
//! is written in the transaction of the deed; it names the request and says nothing of it.

use futures::Stream;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::PrivacyRequestId,
    scope::{Permission, Scope},
    store::{
        Notice, Store, Topic, WorkspaceTx,
        entity::privacy_request_events as table,
        replay::{Numbered, PAGE, replay},
    },
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It came.
    Received,
    /// It is known who asks.
    Verified,
    /// The controller was told.
    Forwarded,
    /// Somebody works on it.
    Taken,
    /// It is known whose data it is about.
    Linked,
    /// The period was extended.
    Extended,
    /// A deadline is near or was missed.
    Alarm,
    /// It was served.
    Fulfilled,
    /// It was refused.
    Refused,
    /// Whoever asked took it back.
    Withdrawn,
    /// The person was taken out of it.
    Blanked,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEvent {
    /// Counts up within the workspace; pass it as `after` to resume behind it.
    pub seq: i64,
    /// Happened at.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// To which request.
    pub request: PrivacyRequestId,
}

/// Events behind `after`, without end; those of the last thirty days are there.
pub fn listen(scope: Scope, store: Store, after: i64) -> impl Stream<Item = Result<RequestEvent>> + Send {
    let told_by = Notice { topic: Topic::Privacy, id: scope.workspace().0 };
    replay(store.clone(), after, told_by, move |seen| {
        let (scope, store) = (scope.clone(), store.clone());
        async move { read(&scope, &store, seen).await }
    })
}

impl Numbered for RequestEvent {
    fn seq(&self) -> i64 {
        self.seq
    }
}

async fn read(scope: &Scope, store: &Store, after: i64) -> Result<Vec<RequestEvent>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Seq.gt(after))
        .order_by_asc(table::Column::Seq)
        .limit(PAGE)
        .all(tx.db())
        .await?;
    rows.into_iter()
        .map(|row| {
            let kind = Kind::parse(&row.kind).ok_or_else(|| Error::internal("a request's event of unknown kind"))?;
            Ok(RequestEvent { seq: row.seq, at: row.created_at, kind, request: row.request_id })
        })
        .collect()
}

/// Appends an event and tells who listens.
pub(super) async fn append(tx: &WorkspaceTx, request: PrivacyRequestId, kind: Kind) -> Result<()> {
    let next = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO privacy_event_heads (workspace_id, seq) VALUES ($1, 1) \
         ON CONFLICT (workspace_id) DO UPDATE SET seq = privacy_event_heads.seq + 1 RETURNING seq",
        [tx.workspace().into()],
    );
    let head = tx.query_one_raw(next).await?.ok_or_else(|| Error::internal("events without a head"))?;
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        seq: Set(head.try_get("", "seq")?),
        kind: Set(kind.name().to_owned()),
        request_id: Set(request),
        created_at: Set(tx.store().now()),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.notify(Notice { topic: Topic::Privacy, id: tx.workspace().0 });
    Ok(())
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Received,
        Self::Verified,
        Self::Forwarded,
        Self::Taken,
        Self::Linked,
        Self::Extended,
        Self::Alarm,
        Self::Fulfilled,
        Self::Refused,
        Self::Withdrawn,
        Self::Blanked,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Verified => "VERIFIED",
            Self::Forwarded => "FORWARDED",
            Self::Taken => "TAKEN",
            Self::Linked => "LINKED",
            Self::Extended => "EXTENDED",
            Self::Alarm => "ALARM",
            Self::Fulfilled => "FULFILLED",
            Self::Refused => "REFUSED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Blanked => "BLANKED",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
