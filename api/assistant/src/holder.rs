//! What this crate holds about people, for the privacy engine: escalations and chats in the database, and vectors; and what
//! members of staff did in them.

use async_trait::async_trait;
use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    id::{ChatId, DeliveryId, SubjectId},
    jobs::{self, NewJob},
    privacy::{
        DataHolder,
        holding::{self, Counted, Holding, Provided, Table},
        holds, identifiers,
    },
    store::{Notice, Store, Topic, WorkspaceTx},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use crate::{
    chats::{
        answer,
        events::{self, Happening},
    },
    entity::{
        answers, channel_threads, chat_events, chat_notes, chat_reads, chats, citations, deliveries, escalations,
        inbox_events, messages, processing_grounds, staff_names,
    },
    escalations::outbox,
    knowledge::{Knowledge, search},
};

/// Chats with everything in them. Their jobs go too, and whoever listens is told.
pub struct ChatHolder(pub Store);

const BY_THE_PERSON: &str = "the person, in a chat";
const BY_THE_ASSISTANT: &str = "the assistant, from the workspace's own documents";
const BY_THE_SERVICE: &str = "the service itself, while a chat went on";
const BY_STAFF: &str = "the workspace's staff, and the service while people had a chat";

static CHAT_TABLES: [Table; 5] = [
    Table::of_subject("chats", BY_THE_SERVICE),
    Table::of_subject("messages", "the person, the workspace's staff and the assistant, as each row says").provided(&[
        Provided {
            kind: "MESSAGE",
            when: Some(("author", "VISITOR")),
            text: "text",
            id: Some("id"),
            within: Some("chat_id"),
            at: Some("created_at"),
            of_type: None,
        },
    ]),
    Table::of_subject("answers", BY_THE_ASSISTANT).provided(&[Provided {
        kind: "RATING",
        when: None,
        text: "rating",
        id: Some("id"),
        within: Some("chat_id"),
        at: Some("created_at"),
        of_type: None,
    }]),
    Table::of_subject("citations", BY_THE_ASSISTANT).sealed_at("answer_id", Some("position")),
    Table::of_subject("chat_events", BY_THE_SERVICE).sealed_at("chat_id", Some("seq")),
];

/// Why an answer that was under way is none.
const RESTRICTED: &str = "RESTRICTED";

macro_rules! of_subject {
    ($entity:ident, $operation:ident, $scope:expr, $subject:expr) => {
        $entity::Entity::$operation()
            .filter($entity::Column::WorkspaceId.eq($scope.workspace()))
            .filter($entity::Column::SubjectId.eq($subject))
    };
}

/// Deletes rows of a person, but for those of what is held; a row of nothing in particular goes.
macro_rules! erase_but {
    ($tx:expr, $scope:expr, $subject:expr, $entity:ident, $column:ident, $held:expr) => {{
        let column = $entity::Column::$column;
        let is_free = Condition::any().add(column.is_null()).add(column.is_not_in($held.iter().copied()));
        of_subject!($entity, delete_many, $scope, $subject).filter(is_free).exec($tx.db()).await?.rows_affected
    }};
}

/// Chats of a person that are held, and what was said and done in them.
struct Held {
    chats: Vec<Uuid>,
    answers: Vec<Uuid>,
    escalations: Vec<Uuid>,
}

impl Held {
    async fn of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Self> {
        let chats = holds::chats_of(tx, subject).await?;
        if chats.is_empty() {
            return Ok(Self { chats, answers: Vec::new(), escalations: Vec::new() });
        }
        let answers = answers::Entity::find()
            .filter(answers::Column::WorkspaceId.eq(tx.workspace()))
            .filter(answers::Column::ChatId.is_in(chats.iter().copied()))
            .select_only()
            .column(answers::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let escalations = escalations::Entity::find()
            .filter(escalations::Column::WorkspaceId.eq(tx.workspace()))
            .filter(escalations::Column::ChatId.is_in(chats.iter().copied()))
            .select_only()
            .column(escalations::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        Ok(Self { chats, answers, escalations })
    }
}

#[async_trait]
impl DataHolder for ChatHolder {
    fn name(&self) -> &'static str {
        "chats"
    }

    fn tables(&self) -> &'static [Table] {
        &CHAT_TABLES
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        Ok(of_subject!(chat_events, find, scope, subject).count(tx.db()).await?
            + of_subject!(citations, find, scope, subject).count(tx.db()).await?
            + of_subject!(answers, find, scope, subject).count(tx.db()).await?
            + of_subject!(messages, find, scope, subject).count(tx.db()).await?
            + of_subject!(chats, find, scope, subject).count(tx.db()).await?)
    }

    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>> {
        holding::inventory(scope, &self.0, &CHAT_TABLES, subject).await
    }

    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>> {
        holding::export(scope, &self.0, &CHAT_TABLES, subject).await
    }

    /// Answers under way are given up, and who listens is told to look: there is nothing to see any more.
    async fn restrict(&self, tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
        let open = of_subject!(answers, find, tx, subject)
            .filter(answers::Column::Status.is_in(["PENDING", "STREAMING"]))
            .all(tx.db())
            .await?;
        if !open.is_empty() {
            let key = tx.store().vault().subject_key(tx.workspace(), subject).await?;
            for row in &open {
                let failed = Happening::AnswerFailed(row.id);
                events::append(tx, &key, row.chat_id, subject, &failed).await?;
            }
            of_subject!(answers, update_many, tx, subject)
                .col_expr(answers::Column::Status, Expr::value("FAILED"))
                .col_expr(answers::Column::FailureCode, Expr::value(RESTRICTED))
                .col_expr(answers::Column::CompletedAt, Expr::value(tx.store().now()))
                .filter(answers::Column::Status.is_in(["PENDING", "STREAMING"]))
                .exec(tx.db())
                .await?;
            jobs::cancel(tx, answer::JOB, open.iter().map(|row| row.id.0)).await?;
        }
        for chat in chats_of(tx, subject).await? {
            tx.notify(Notice { topic: Topic::Chat, id: chat.0 });
        }
        Ok(())
    }

    async fn lift(&self, tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
        for chat in chats_of(tx, subject).await? {
            tx.notify(Notice { topic: Topic::Chat, id: chat.0 });
        }
        Ok(())
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let open: Vec<consigne_foundation::id::AnswerId> = of_subject!(answers, find, scope, subject)
            .select_only()
            .column(answers::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let listened = chats_of(&tx, subject).await?;
        let held = Held::of(&tx, subject).await?;
        let erased = erase_but!(tx, scope, subject, chat_events, ChatId, held.chats)
            + erase_but!(tx, scope, subject, citations, AnswerId, held.answers)
            + erase_but!(tx, scope, subject, answers, ChatId, held.chats)
            + erase_but!(tx, scope, subject, messages, ChatId, held.chats)
            + erase_but!(tx, scope, subject, chats, Id, held.chats);
        jobs::cancel(&tx, answer::JOB, open.iter().map(|id| id.0)).await?;
        for chat in listened {
            tx.notify(Notice { topic: Topic::Chat, id: chat.0 });
        }
        tx.commit().await?;
        Ok(erased)
    }
}

async fn chats_of(tx: &WorkspaceTx, subject: SubjectId) -> Result<Vec<ChatId>> {
    let ids = of_subject!(chats, find, tx, subject).select_only().column(chats::Column::Id).into_tuple();
    Ok(ids.all(tx.db()).await?)
}

/// Escalations with notes, the inbox and the outbox: what was not delivered yet never is. To be asked before [`ChatHolder`],
/// whose rows these hang on.
pub struct EscalationHolder(pub Store);

static ESCALATION_TABLES: [Table; 6] = [
    Table::of_subject("escalations", BY_STAFF),
    Table::of_subject("chat_notes", "the workspace's staff"),
    Table::of_subject("chat_reads", BY_STAFF),
    Table::of_subject("deliveries", BY_THE_SERVICE),
    Table::of_subject("channel_threads", BY_THE_SERVICE),
    Table::of_subject("inbox_events", BY_THE_SERVICE),
];

#[async_trait]
impl DataHolder for EscalationHolder {
    fn name(&self) -> &'static str {
        "escalations"
    }

    fn tables(&self) -> &'static [Table] {
        &ESCALATION_TABLES
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        Ok(of_subject!(deliveries, find, scope, subject).count(tx.db()).await?
            + of_subject!(channel_threads, find, scope, subject).count(tx.db()).await?
            + of_subject!(inbox_events, find, scope, subject).count(tx.db()).await?
            + of_subject!(chat_notes, find, scope, subject).count(tx.db()).await?
            + of_subject!(chat_reads, find, scope, subject).count(tx.db()).await?
            + of_subject!(escalations, find, scope, subject).count(tx.db()).await?)
    }

    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>> {
        holding::inventory(scope, &self.0, &ESCALATION_TABLES, subject).await
    }

    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>> {
        holding::export(scope, &self.0, &ESCALATION_TABLES, subject).await
    }

    /// What waits in the outbox stays there, and is not sent.
    async fn restrict(&self, tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
        jobs::cancel(tx, outbox::JOB, waiting(tx, subject).await?.iter().map(|id| id.0)).await?;
        tx.notify(Notice { topic: Topic::Inbox, id: tx.workspace().0 });
        Ok(())
    }

    async fn lift(&self, tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
        for id in waiting(tx, subject).await? {
            jobs::enqueue(tx, NewJob::new(outbox::JOB, id.0).priority(1)).await?;
        }
        tx.notify(Notice { topic: Topic::Inbox, id: tx.workspace().0 });
        Ok(())
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let waiting: Vec<DeliveryId> = of_subject!(deliveries, find, scope, subject)
            .select_only()
            .column(deliveries::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await?;
        let held = Held::of(&tx, subject).await?;
        let erased = erase_but!(tx, scope, subject, deliveries, EscalationId, held.escalations)
            + erase_but!(tx, scope, subject, channel_threads, EscalationId, held.escalations)
            + erase_but!(tx, scope, subject, inbox_events, EscalationId, held.escalations)
            + erase_but!(tx, scope, subject, chat_notes, ChatId, held.chats)
            + erase_but!(tx, scope, subject, chat_reads, ChatId, held.chats)
            + erase_but!(tx, scope, subject, escalations, ChatId, held.chats);
        jobs::cancel(&tx, outbox::JOB, waiting.iter().map(|id| id.0)).await?;
        tx.notify(Notice { topic: Topic::Inbox, id: scope.workspace().0 });
        tx.commit().await?;
        Ok(erased)
    }
}

async fn waiting(tx: &WorkspaceTx, subject: SubjectId) -> Result<Vec<DeliveryId>> {
    let ids = of_subject!(deliveries, find, tx, subject)
        .filter(deliveries::Column::State.eq(outbox::state::PENDING))
        .select_only()
        .column(deliveries::Column::Id)
        .into_tuple();
    Ok(ids.all(tx.db()).await?)
}

/// What members of staff are called, wrote, read and had, in chats of visitors. What a visitor was told stays the visitor's:
/// an erasure takes the member's name off it.
pub struct StaffHolder(pub Store);

static STAFF_TABLES: [Table; 6] = [
    Table::of_account("staff_names", "the person", "account_id").sealed_at("account_id", None).provided(&[Provided {
        kind: "NAME",
        when: None,
        text: "name",
        id: None,
        within: None,
        at: Some("updated_at"),
        of_type: None,
    }]),
    Table::of_account("messages", BY_THE_PERSON, "account_id")
        .only(&["id", "chat_id", "account_id", "created_at", "rectified_at", "text_sealed"])
        .provided(&[Provided {
            kind: "MESSAGE",
            when: None,
            text: "text",
            id: Some("id"),
            within: Some("chat_id"),
            at: Some("created_at"),
            of_type: None,
        }]),
    Table::of_account("chat_notes", BY_THE_PERSON, "account_id")
        .only(&["id", "chat_id", "account_id", "created_at", "rectified_at", "text_sealed"])
        .provided(&[Provided {
            kind: "NOTE",
            when: None,
            text: "text",
            id: Some("id"),
            within: Some("chat_id"),
            at: Some("created_at"),
            of_type: None,
        }]),
    Table::of_account("chat_reads", BY_THE_SERVICE, "account_id").only(&["account_id", "chat_id", "message_id"]),
    Table::of_account("escalations", BY_THE_SERVICE, "assigned_account_id").only(&[
        "id",
        "chat_id",
        "assigned_account_id",
        "taken_at",
        "ended_at",
    ]),
    Table::of_account("correction_grounds", "the person", "recorded_by").only(&[
        "concern",
        "recorded_by",
        "recorded_at",
    ]),
];

macro_rules! of_member {
    ($entity:ident, $column:ident, $operation:ident, $tx:expr, $account:expr) => {
        $entity::Entity::$operation()
            .filter($entity::Column::WorkspaceId.eq($tx.workspace()))
            .filter($entity::Column::$column.eq($account))
    };
}

#[async_trait]
impl DataHolder for StaffHolder {
    fn name(&self) -> &'static str {
        "staff"
    }

    fn tables(&self) -> &'static [Table] {
        &STAFF_TABLES
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read_for_rights(scope).await?;
        let Some(account) = identifiers::account_of(&tx, subject).await? else { return Ok(0) };
        Ok(of_member!(staff_names, AccountId, find, tx, account).count(tx.db()).await?
            + of_member!(messages, AccountId, find, tx, account).count(tx.db()).await?
            + of_member!(chat_notes, AccountId, find, tx, account).count(tx.db()).await?
            + of_member!(chat_reads, AccountId, find, tx, account).count(tx.db()).await?
            + of_member!(escalations, AssignedAccountId, find, tx, account).count(tx.db()).await?
            + of_member!(processing_grounds, RecordedBy, find, tx, account.0).count(tx.db()).await?)
    }

    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>> {
        holding::inventory(scope, &self.0, &STAFF_TABLES, subject).await
    }

    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>> {
        holding::export(scope, &self.0, &STAFF_TABLES, subject).await
    }

    async fn restrict(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn lift(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    /// Where the row is of a visitor whose data is restricted, it waits: the database refuses to change it.
    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let Some(account) = identifiers::account_of(&tx, subject).await? else { return Ok(0) };
        let nobody = Expr::value(Option::<uuid::Uuid>::None);
        let erased = [
            of_member!(staff_names, AccountId, delete_many, tx, account).exec(tx.db()).await?.rows_affected,
            of_member!(chat_reads, AccountId, delete_many, tx, account).exec(tx.db()).await?.rows_affected,
            of_member!(messages, AccountId, update_many, tx, account)
                .col_expr(messages::Column::AccountId, nobody.clone())
                .exec(tx.db())
                .await
                .map_err(waits)?
                .rows_affected,
            of_member!(chat_notes, AccountId, update_many, tx, account)
                .col_expr(chat_notes::Column::AccountId, nobody.clone())
                .exec(tx.db())
                .await
                .map_err(waits)?
                .rows_affected,
            of_member!(escalations, AssignedAccountId, update_many, tx, account)
                .col_expr(escalations::Column::AssignedAccountId, nobody.clone())
                .exec(tx.db())
                .await
                .map_err(waits)?
                .rows_affected,
            of_member!(processing_grounds, RecordedBy, update_many, tx, account.0)
                .col_expr(processing_grounds::Column::RecordedBy, nobody)
                .exec(tx.db())
                .await?
                .rows_affected,
        ];
        tx.commit().await?;
        Ok(erased.iter().sum())
    }
}

/// A restriction is lifted some day: the step is tried again until then.
fn waits(error: sea_orm::DbErr) -> Error {
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Restricted => {
            Error::new(ErrorKind::Unavailable, "It waits until the restriction of a visitor's data is lifted.")
        }
        _ => error,
    }
}

/// Vectors. Nothing that a visitor writes is embedded into an index, so what could be left of anyone are points whose
/// passage is gone; they are counted against the database and taken away.
pub struct VectorHolder(pub Knowledge);

#[async_trait]
impl DataHolder for VectorHolder {
    fn name(&self) -> &'static str {
        "vectors"
    }

    fn tables(&self) -> &'static [Table] {
        &[]
    }

    async fn count(&self, scope: &Scope, _: SubjectId) -> Result<u64> {
        search::count_orphans(scope, &self.0).await
    }

    async fn inventory(&self, _: &Scope, _: SubjectId) -> Result<Vec<Counted>> {
        Ok(Vec::new())
    }

    /// Numbers without a passage are nobody's words.
    async fn export(&self, _: &Scope, _: SubjectId) -> Result<Vec<Holding>> {
        Ok(Vec::new())
    }

    async fn restrict(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn lift(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn erase(&self, scope: &Scope, _: SubjectId) -> Result<u64> {
        search::remove_orphans(scope, &self.0).await
    }
}
