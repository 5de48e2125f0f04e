//! What happened in a chat, in order: the log that a subscription replays.
//!
//! Every event has a number that counts up within its chat without a gap, given in the transaction that writes it. The
//! text of a delta is sealed under the visitor's key.

use std::collections::HashMap;

use consigne_foundation::{
    Error, Result, Timestamp,
    id::{AnswerId, ChatId, EscalationId, MessageId, SubjectId},
    store::{Notice, Topic, WorkspaceTx},
    vault::{Key, Place},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
    sea_query::{Expr, Query},
};
use uuid::Uuid;

use crate::entity::{chat_events as table, chats as table_of_chats};

/// An event, with its number.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatEvent {
    /// Counts from 1 within the chat; pass it as `after` to resume behind it.
    pub seq: i64,
    /// Happened at.
    pub at: Timestamp,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, PartialEq, Eq)]
pub enum Happening {
    /// A message was posted.
    MessagePosted(MessageId),
    /// A message was put right: what it said before is void.
    MessageRectified(MessageId),
    /// An answer begins, or begins anew: text of an earlier attempt is void.
    AnswerStarted(AnswerId),
    /// More text of an answer.
    AnswerDelta(AnswerId, String),
    /// An answer is complete.
    AnswerCompleted(AnswerId),
    /// An answer was put right: what it said before is void.
    AnswerRectified(AnswerId),
    /// An answer was given up.
    AnswerFailed(AnswerId),
    /// The chat waits for a person.
    HandedOver(EscalationId),
    /// A person has the chat.
    Taken(EscalationId),
    /// The assistant answers again.
    HandedBack(EscalationId),
    /// The chat is done.
    Resolved(EscalationId),
}

impl Happening {
    fn kind(&self) -> &'static str {
        match self {
            Self::MessagePosted(_) => "MESSAGE_POSTED",
            Self::MessageRectified(_) => "MESSAGE_RECTIFIED",
            Self::AnswerStarted(_) => "ANSWER_STARTED",
            Self::AnswerDelta(..) => DELTA,
            Self::AnswerCompleted(_) => "ANSWER_COMPLETED",
            Self::AnswerRectified(_) => "ANSWER_RECTIFIED",
            Self::AnswerFailed(_) => "ANSWER_FAILED",
            Self::HandedOver(_) => "HANDED_OVER",
            Self::Taken(_) => "TAKEN",
            Self::HandedBack(_) => "HANDED_BACK",
            Self::Resolved(_) => "RESOLVED",
        }
    }

    fn target(&self) -> Uuid {
        match self {
            Self::MessagePosted(id) | Self::MessageRectified(id) => id.0,
            Self::AnswerStarted(id)
            | Self::AnswerDelta(id, _)
            | Self::AnswerCompleted(id)
            | Self::AnswerRectified(id)
            | Self::AnswerFailed(id) => id.0,
            Self::HandedOver(id) | Self::Taken(id) | Self::HandedBack(id) | Self::Resolved(id) => id.0,
        }
    }
}

/// Rows of one statement, well below the values that either database allows.
const ROWS_AT_ONCE: usize = 64;

/// The kind of rows that hold text for a while only.
pub(crate) const DELTA: &str = "ANSWER_DELTA";

/// Appends an event and tells who listens.
pub(crate) async fn append(
    tx: &WorkspaceTx,
    key: &Key,
    chat: ChatId,
    subject: SubjectId,
    what: &Happening,
) -> Result<i64> {
    let now = tx.store().now();
    let next = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE chats SET last_seq = last_seq + 1, updated_at = $1 WHERE workspace_id = $2 AND id = $3 RETURNING last_seq",
        [now.0.into(), tx.workspace().into(), chat.into()],
    );
    let row = tx.query_one_raw(next).await?.ok_or_else(|| Error::not_found("chat"))?;
    let seq: i64 = row.try_get("", "last_seq")?;
    let payload = match what {
        Happening::AnswerDelta(_, text) => Some(key.seal_text(&place(tx, chat, seq), text)),
        _ => None,
    };
    let event = row_of(tx, chat, subject, (seq, now), what, payload);
    table::Entity::insert(event).exec_without_returning(tx.db()).await?;
    tx.notify(Notice { topic: Topic::Chat, id: chat.0 });
    Ok(seq)
}

/// More text of an answer, to be written.
pub(crate) struct Delta<'a> {
    pub key: &'a Key,
    pub chat: ChatId,
    pub subject: SubjectId,
    pub answer: AnswerId,
    pub text: &'a str,
}

/// Appends deltas, each of another chat, and tells other processes; in this one the caller tells whoever listens.
pub(crate) async fn append_deltas(tx: &WorkspaceTx, deltas: Vec<Delta<'_>>) -> Result<Vec<(ChatId, ChatEvent)>> {
    let now = tx.store().now();
    let mut number = table_of_chats::Entity::update_many()
        .col_expr(table_of_chats::Column::LastSeq, Expr::col(table_of_chats::Column::LastSeq).add(1))
        .col_expr(table_of_chats::Column::UpdatedAt, Expr::value(now))
        .filter(table_of_chats::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table_of_chats::Column::Id.is_in(padded(deltas.iter().map(|delta| delta.chat).collect())))
        .into_query();
    // No other column comes back: whole chats would cost more than all the rest.
    number.returning(Query::returning().columns([table_of_chats::Column::Id, table_of_chats::Column::LastSeq]));
    let mut numbers: HashMap<ChatId, i64> = HashMap::with_capacity(deltas.len());
    for row in tx.db().query_all(&number).await? {
        numbers.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    }
    let (mut rows, mut said) = (Vec::with_capacity(deltas.len()), Vec::with_capacity(deltas.len()));
    for Delta { key, chat, subject, answer, text } in deltas {
        let seq = *numbers.get(&chat).ok_or_else(|| Error::not_found("chat"))?;
        let what = Happening::AnswerDelta(answer, text.to_owned());
        let payload = Some(key.seal_text(&place(tx, chat, seq), text));
        rows.push(row_of(tx, chat, subject, (seq, now), &what, payload));
        said.push((chat, ChatEvent { seq, at: now, what }));
        tx.notify_elsewhere(Notice { topic: Topic::Chat, id: chat.0 });
    }
    while !rows.is_empty() {
        let some = rows.split_off(rows.len() - (1 << rows.len().min(ROWS_AT_ONCE).ilog2()));
        table::Entity::insert_many(some).exec_without_returning(tx.db()).await?;
    }
    Ok(said)
}

/// The same, the last one repeated until there is a power of two of them: statements over many things then have few texts,
/// which a connection keeps prepared.
pub(crate) fn padded<T: Clone>(mut all: Vec<T>) -> Vec<T> {
    if let Some(last) = all.last().cloned() {
        all.resize(all.len().next_power_of_two(), last);
    }
    all
}

fn row_of(
    tx: &WorkspaceTx,
    chat: ChatId,
    subject: SubjectId,
    (seq, at): (i64, Timestamp),
    what: &Happening,
    payload: Option<Vec<u8>>,
) -> table::ActiveModel {
    table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        chat_id: Set(chat),
        seq: Set(seq),
        subject_id: Set(subject),
        kind: Set(what.kind().to_owned()),
        target_id: Set(Some(what.target())),
        payload_sealed: Set(payload),
        created_at: Set(at),
    }
}

/// Puts other words in the place of an answer's in what is replayed: the newest delta says them, the others nothing.
pub(crate) async fn rewrite(tx: &WorkspaceTx, key: &Key, chat: ChatId, answer: AnswerId, text: &str) -> Result<()> {
    let deltas: Vec<i64> = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ChatId.eq(chat))
        .filter(table::Column::Kind.eq(DELTA))
        .filter(table::Column::TargetId.eq(answer.0))
        .order_by_desc(table::Column::Seq)
        .select_only()
        .column(table::Column::Seq)
        .into_tuple()
        .all(tx.db())
        .await?;
    for (number, seq) in deltas.into_iter().enumerate() {
        let said = if number == 0 { text } else { "" };
        table::Entity::update_many()
            .col_expr(table::Column::PayloadSealed, Expr::value(key.seal_text(&place(tx, chat, seq), said)))
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::ChatId.eq(chat))
            .filter(table::Column::Seq.eq(seq))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// Events behind `after`, in order, at most `limit`.
pub(crate) async fn read(tx: &WorkspaceTx, key: &Key, chat: ChatId, after: i64, limit: u64) -> Result<Vec<ChatEvent>> {
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ChatId.eq(chat))
        .filter(table::Column::Seq.gt(after))
        .order_by_asc(table::Column::Seq)
        .limit(limit)
        .all(tx.db())
        .await?;
    rows.into_iter().map(|row| open(tx, key, row)).collect()
}

fn open(tx: &WorkspaceTx, key: &Key, row: table::Model) -> Result<ChatEvent> {
    let target = row.target_id.ok_or_else(|| Error::internal("an event without a target"))?;
    let what = match row.kind.as_str() {
        "MESSAGE_POSTED" => Happening::MessagePosted(MessageId(target)),
        "MESSAGE_RECTIFIED" => Happening::MessageRectified(MessageId(target)),
        "ANSWER_STARTED" => Happening::AnswerStarted(AnswerId(target)),
        DELTA => {
            let sealed = row.payload_sealed.unwrap_or_default();
            Happening::AnswerDelta(AnswerId(target), key.open_text(&place(tx, row.chat_id, row.seq), &sealed)?)
        }
        "ANSWER_COMPLETED" => Happening::AnswerCompleted(AnswerId(target)),
        "ANSWER_RECTIFIED" => Happening::AnswerRectified(AnswerId(target)),
        "ANSWER_FAILED" => Happening::AnswerFailed(AnswerId(target)),
        "HANDED_OVER" => Happening::HandedOver(EscalationId(target)),
        "TAKEN" => Happening::Taken(EscalationId(target)),
        "HANDED_BACK" => Happening::HandedBack(EscalationId(target)),
        "RESOLVED" => Happening::Resolved(EscalationId(target)),
        other => return Err(Error::internal(format!("an event of unknown kind {other}"))),
    };
    Ok(ChatEvent { seq: row.seq, at: row.created_at, what })
}

fn place(tx: &WorkspaceTx, chat: ChatId, seq: i64) -> Place {
    Place::new(tx.workspace(), "chat_events", "payload_sealed", chat.0).part(seq)
}
