//! The inbox of those who answer: what happened in the workspace's escalations, in order, replayed behind a number; and
//! what a member has not read yet.

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    id::{ChatId, DeliveryId, EscalationId, MessageId, NoteId},
    scope::Actor,
    store::{
        Notice, Store, Topic, WorkspaceTx,
        replay::{Numbered, PAGE, replay},
    },
};
use futures::Stream;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::OnConflict,
};
use uuid::Uuid;

use crate::{
    chats::{self, Author},
    entity::{chat_reads, escalations, inbox_events as table, messages},
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A chat waits for a person.
    Opened,
    /// A person took it.
    Taken,
    /// It was given to another member.
    Assigned,
    /// Somebody wrote.
    Message,
    /// A colleague wrote a note.
    Note,
    /// The assistant answers again.
    HandedBack,
    /// It is done.
    Resolved,
    /// A delivery was given up.
    DeliveryDead,
    /// A delivery came back.
    Bounced,
    /// A channel's receiver wants nothing more.
    ChannelGone,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEvent {
    /// Counts up within the workspace; pass it as `after` to resume behind it.
    pub seq: i64,
    /// Happened at.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// In which escalation.
    pub escalation: Option<EscalationId>,
    target: Option<Uuid>,
}

impl InboxEvent {
    /// The message that was written.
    pub fn message(&self) -> Option<MessageId> {
        self.target.filter(|_| self.kind == Kind::Message).map(MessageId)
    }

    /// The note that was written.
    pub fn note(&self) -> Option<NoteId> {
        self.target.filter(|_| self.kind == Kind::Note).map(NoteId)
    }

    /// The delivery that was given up or came back.
    pub fn delivery(&self) -> Option<DeliveryId> {
        self.target.filter(|_| matches!(self.kind, Kind::DeliveryDead | Kind::Bounced)).map(DeliveryId)
    }
}

/// How much waits for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unread {
    /// Chats that wait for anybody.
    pub waiting: u64,
    /// Chats that this member has.
    pub mine: u64,
    /// Visitors' messages in open escalations that this member has not read.
    pub messages: u64,
    /// Chats that they are in.
    pub chats: u64,
}

/// Events behind `after`, without end.
pub fn listen(scope: Scope, store: Store, after: i64) -> impl Stream<Item = Result<InboxEvent>> + Send {
    let told_by = Notice { topic: Topic::Inbox, id: scope.workspace().0 };
    replay(store.clone(), after, told_by, move |seen| {
        let (scope, store) = (scope.clone(), store.clone());
        async move { read(&scope, &store, seen).await }
    })
}

impl Numbered for InboxEvent {
    fn seq(&self) -> i64 {
        self.seq
    }
}

async fn read(scope: &Scope, store: &Store, after: i64) -> Result<Vec<InboxEvent>> {
    scope.require(Permission::ChatsRead)?;
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
            let kind = Kind::parse(&row.kind).ok_or_else(|| Error::internal("an inbox event of unknown kind"))?;
            let escalation = row.escalation_id;
            Ok(InboxEvent { seq: row.seq, at: row.created_at, kind, escalation, target: row.target_id })
        })
        .collect()
}

/// Appends an event and tells who listens.
pub(crate) async fn append(
    tx: &WorkspaceTx,
    kind: Kind,
    escalation: Option<&escalations::Model>,
    target: Option<Uuid>,
) -> Result<()> {
    let next = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO inbox_heads (workspace_id, seq) VALUES ($1, 1) \
         ON CONFLICT (workspace_id) DO UPDATE SET seq = inbox_heads.seq + 1 RETURNING seq",
        [tx.workspace().into()],
    );
    let head = tx.query_one_raw(next).await?.ok_or_else(|| Error::internal("an inbox without a head"))?;
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        seq: Set(head.try_get("", "seq")?),
        kind: Set(kind.name().to_owned()),
        escalation_id: Set(escalation.map(|row| row.id)),
        subject_id: Set(escalation.map(|row| row.subject_id)),
        target_id: Set(target),
        created_at: Set(tx.store().now()),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.notify(Notice { topic: Topic::Inbox, id: tx.workspace().0 });
    Ok(())
}

/// How much waits for the member who asks; for a program nothing is its own.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`.
pub async fn unread(scope: &Scope, store: &Store) -> Result<Unread> {
    scope.require(Permission::ChatsRead)?;
    let account = account_of(scope);
    let tx = store.read(scope).await?;
    let number = async |sql: &str, values: Vec<sea_orm::Value>| -> Result<Vec<i64>> {
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        let row = tx.query_one_raw(statement).await?.ok_or_else(|| Error::internal("a count answers one row"))?;
        Ok(vec![row.try_get("", "a")?, row.try_get("", "b")?])
    };
    let open = number(
        "SELECT COUNT(CASE WHEN state = 'WAITING' THEN 1 END) AS a, \
         COUNT(CASE WHEN state = 'TAKEN' AND assigned_account_id = $2 THEN 1 END) AS b \
         FROM escalations WHERE workspace_id = $1 AND state IN ('WAITING', 'TAKEN')",
        vec![scope.workspace().into(), account.into()],
    )
    .await?;
    let said = number(
        "SELECT COUNT(*) AS a, COUNT(DISTINCT m.chat_id) AS b FROM messages m \
         JOIN escalations e ON e.workspace_id = m.workspace_id AND e.chat_id = m.chat_id AND e.state IN ('WAITING', 'TAKEN') \
         LEFT JOIN chat_reads r ON r.workspace_id = m.workspace_id AND r.chat_id = m.chat_id AND r.account_id = $2 \
         WHERE m.workspace_id = $1 AND m.author = 'VISITOR' AND (r.message_id IS NULL OR m.id > r.message_id)",
        vec![scope.workspace().into(), account.into()],
    )
    .await?;
    let count = |n: i64| n.unsigned_abs();
    Ok(Unread { waiting: count(open[0]), mine: count(open[1]), messages: count(said[0]), chats: count(said[1]) })
}

/// How many messages of a chat's visitor the member who asks has not read.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`; `NotFound`.
pub async fn unread_of(scope: &Scope, store: &Store, chat: ChatId) -> Result<u64> {
    use sea_orm::PaginatorTrait;
    scope.require(Permission::ChatsRead)?;
    let tx = store.read(scope).await?;
    let read = chat_reads::Entity::find_by_id((scope.workspace(), account_of(scope), chat)).one(tx.db()).await?;
    let mut query = messages::Entity::find()
        .filter(messages::Column::WorkspaceId.eq(scope.workspace()))
        .filter(messages::Column::ChatId.eq(chat))
        .filter(messages::Column::Author.eq(Author::Visitor.name()));
    if let Some(read) = read {
        query = query.filter(messages::Column::Id.gt(read.message_id));
    }
    Ok(query.count(tx.db()).await?)
}

/// The member who asks has read a chat up to now.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`, and for anyone but a member; `NotFound`.
pub async fn mark_read(scope: &Scope, store: &Store, chat: ChatId) -> Result<()> {
    scope.require(Permission::ChatsRead)?;
    let Actor::Member { account, .. } = scope.actor() else {
        return Err(Error::new(consigne_foundation::ErrorKind::Forbidden, "Only a member reads."));
    };
    let tx = store.write(scope).await?;
    let chat = chats::hold(scope, &tx, chat).await?;
    consigne_foundation::privacy::subjects::hold_active(&tx, chat.subject_id).await?;
    let last = messages::Entity::find()
        .filter(messages::Column::WorkspaceId.eq(scope.workspace()))
        .filter(messages::Column::ChatId.eq(chat.id))
        .order_by_desc(messages::Column::Id)
        .one(tx.db())
        .await?;
    let Some(last) = last else { return Ok(()) };
    use chat_reads::Column::{AccountId, ChatId as ReadChat, MessageId as ReadMessage, WorkspaceId};
    let row = chat_reads::ActiveModel {
        workspace_id: Set(scope.workspace()),
        account_id: Set(account),
        chat_id: Set(chat.id),
        subject_id: Set(chat.subject_id),
        message_id: Set(last.id),
    };
    let again = OnConflict::columns([WorkspaceId, AccountId, ReadChat]).update_column(ReadMessage).to_owned();
    chat_reads::Entity::insert(row).on_conflict(again).exec_without_returning(tx.db()).await?;
    consigne_foundation::audit::append(
        scope,
        &tx,
        consigne_foundation::audit::Event::new("chat.read").target("chat", chat.id.0),
    )
    .await?;
    tx.commit().await
}

/// The account of a member; nobody's for others.
fn account_of(scope: &Scope) -> consigne_foundation::id::AccountId {
    match scope.actor() {
        Actor::Member { account, .. } => account,
        _ => consigne_foundation::id::AccountId(Uuid::nil()),
    }
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Opened,
        Self::Taken,
        Self::Assigned,
        Self::Message,
        Self::Note,
        Self::HandedBack,
        Self::Resolved,
        Self::DeliveryDead,
        Self::Bounced,
        Self::ChannelGone,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Opened => "OPENED",
            Self::Taken => "TAKEN",
            Self::Assigned => "ASSIGNED",
            Self::Message => "MESSAGE",
            Self::Note => "NOTE",
            Self::HandedBack => "HANDED_BACK",
            Self::Resolved => "RESOLVED",
            Self::DeliveryDead => "DELIVERY_DEAD",
            Self::Bounced => "BOUNCED",
            Self::ChannelGone => "CHANNEL_GONE",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
