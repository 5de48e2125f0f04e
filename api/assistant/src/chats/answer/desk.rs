//! Where deltas of many answers are written together: what waits while one transaction is under way goes into the next, as
//! a group commit does. With one answer under way it is one delta a transaction; with a thousand, some hundred.
//!
//! In the transaction each answer is asked for what `AnswerRun::hold` asks: the person is not erased and did not
//! object, the assistant is awake, the chat is the assistant's, and the run is the newest. Whose answer fails is told so,
//! and the others are written.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    id::{AnswerId, AssistantId, ChatId, SubjectId, WorkspaceId},
    privacy::{Purpose, admission, subjects},
    store::{Store, WorkspaceTx},
    vault::Key,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
};
use tokio::sync::oneshot;

use super::table;
use crate::{
    assistants,
    chats::{
        events::{self, Delta, padded},
        live::Feed,
    },
    entity::chats as chat_table,
};

/// Deltas of one transaction.
const MOST: usize = 500;

/// Where deltas are written. Clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    feed: Feed,
    waiting: Mutex<HashMap<WorkspaceId, Vec<Waiting>>>,
}

/// Whose text it is, and of which run.
#[derive(Clone)]
pub(super) struct Whose {
    pub answer: AnswerId,
    pub attempt: i64,
    pub chat: ChatId,
    pub assistant: AssistantId,
    pub subject: SubjectId,
    pub generation: i64,
    pub key: Key,
}

struct Waiting {
    whose: Whose,
    text: String,
    done: oneshot::Sender<Result<()>>,
}

impl Desk {
    /// Tells who listens in this process by the feed.
    pub fn new(feed: Feed) -> Self {
        Self(Arc::new(Inner { feed, waiting: Mutex::default() }))
    }

    /// Writes a delta and tells who listens.
    ///
    /// # Errors
    /// `SubjectErased`, `Restricted`, `PurposeRefused`, `Disabled` or `Conflict` where it is not wanted any more;
    /// `Unavailable`.
    pub(super) async fn write(&self, store: &Store, scope: &Scope, whose: Whose, text: String) -> Result<()> {
        let (done, told) = oneshot::channel();
        let is_first = {
            let mut waiting = self.0.waiting();
            let is_first = !waiting.contains_key(&scope.workspace());
            waiting.entry(scope.workspace()).or_default().push(Waiting { whose, text, done });
            is_first
        };
        if is_first {
            // A task of its own: whoever came first may leave before the others are written.
            tokio::spawn(self.clone().write_all(store.clone(), scope.clone()));
        }
        told.await.unwrap_or_else(|_| Err(Error::internal("deltas were dropped")))
    }

    /// Writes until nothing waits in this workspace.
    async fn write_all(self, store: Store, scope: Scope) {
        let mut open = Open { desk: self, workspace: Some(scope.workspace()) };
        while let Some(batch) = open.take() {
            let outcome = open.desk.write_batch(&store, &scope, &batch).await;
            for one in batch {
                let told = match &outcome {
                    Ok(refused) => refused.get(&one.whose.answer).map_or(Ok(()), |error| Err(same(error))),
                    Err(error) => Err(same(error)),
                };
                // Whoever left does not listen.
                let _ = one.done.send(told);
            }
        }
    }

    /// Writes those that are wanted, and answers why the others are not.
    async fn write_batch(&self, store: &Store, scope: &Scope, batch: &[Waiting]) -> Result<HashMap<AnswerId, Error>> {
        let tx = store.write_telling_early(scope).await?;
        let refused = if are_all_wanted(&tx, batch).await? { HashMap::new() } else { unwanted(&tx, batch).await? };
        let wanted = batch.iter().filter(|one| !refused.contains_key(&one.whose.answer));
        let deltas: Vec<Delta<'_>> = wanted
            .map(|Waiting { whose, text, .. }| Delta {
                key: &whose.key,
                chat: whose.chat,
                subject: whose.subject,
                answer: whose.answer,
                text,
            })
            .collect();
        if deltas.is_empty() {
            return Ok(refused);
        }
        let said = events::append_deltas(&tx, deltas).await?;
        let feed = self.0.feed.clone();
        tx.after_commit(move || said.into_iter().for_each(|(chat, event)| feed.tell(chat, event)));
        tx.commit().await?;
        Ok(refused)
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A workspace that is written for. However that ends, whoever comes next begins anew, and whoever waits is told.
struct Open {
    desk: Desk,
    workspace: Option<WorkspaceId>,
}

impl Open {
    /// What is written next: at most one delta of each chat, so that each has a number of its own.
    fn take(&mut self) -> Option<Vec<Waiting>> {
        let workspace = self.workspace?;
        let mut waiting = self.desk.0.waiting();
        let here = waiting.get_mut(&workspace)?;
        let mut chats = HashSet::new();
        let (batch, later): (Vec<_>, Vec<_>) =
            here.drain(..).partition(|one| chats.len() < MOST && chats.insert(one.whose.chat));
        *here = later;
        if batch.is_empty() {
            waiting.remove(&workspace);
            self.workspace = None;
            return None;
        }
        Some(batch)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace {
            self.desk.0.waiting().remove(&workspace);
        }
    }
}

/// Whether nothing stands against any of them, in one row. Only where a writing transaction is alone, and what it saw stays
/// so: on Postgres the rows have to be held.
async fn are_all_wanted(tx: &WorkspaceTx, batch: &[Waiting]) -> Result<bool> {
    if tx.get_database_backend() != DbBackend::Sqlite {
        return Ok(false);
    }
    admission::require(tx, Purpose::Answering, None).await?;
    // Parameters without numbers: SQLite looks a numbered one up among all others.
    let (workspace, purpose) = (Value::from(tx.workspace()), Value::from(Purpose::Answering.name()));
    let (mut runs, mut values): (Vec<&str>, Vec<Value>) = (Vec::new(), Vec::new());
    for Waiting { whose, .. } in padded(batch.iter().collect()) {
        values.extend([whose.answer.into(), whose.attempt.into(), whose.generation.into(), workspace.clone()]);
        runs.push("(?, ?, ?, ?)");
    }
    values.push(purpose);
    let sql = format!(
        "WITH runs (answer, attempt, generation, ws) AS (VALUES {}) SELECT COUNT(DISTINCT a.id) AS wanted FROM runs r \
         CROSS JOIN answers a ON a.workspace_id = r.ws AND a.id = r.answer AND a.attempts = r.attempt \
         CROSS JOIN chats c ON c.workspace_id = r.ws AND c.id = a.chat_id \
         CROSS JOIN subjects s ON s.workspace_id = r.ws AND s.id = a.subject_id AND s.generation = r.generation \
         CROSS JOIN assistants t ON t.workspace_id = r.ws AND t.id = a.assistant_id \
         WHERE a.status = 'STREAMING' AND s.state = 'ACTIVE' AND s.restricted_at IS NULL AND NOT t.is_paused \
         AND NOT EXISTS (SELECT 1 FROM objections o WHERE o.workspace_id = r.ws AND o.subject_id = a.subject_id \
         AND o.purpose = ? AND o.stands)",
        runs.join(", ")
    );
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
    let wanted: i64 = row.ok_or_else(|| Error::internal("COUNT answers one row"))?.try_get("", "wanted")?;
    Ok(usize::try_from(wanted).is_ok_and(|wanted| wanted == batch.len()))
}

/// Which answers are not wanted, and why. Holds the rows that say so until the transaction ends, kind by kind, each in one
/// order, as a single answer does.
async fn unwanted(tx: &WorkspaceTx, batch: &[Waiting]) -> Result<HashMap<AnswerId, Error>> {
    let all = || batch.iter().map(|one| &one.whose);
    let people: HashMap<SubjectId, i64> = all().map(|whose| (whose.subject, whose.generation)).collect();
    let held = subjects::hold_generations(tx, &people).await?;
    let objecting = admission::require_of_many(tx, Purpose::Answering, people.keys().copied()).await?;
    let awake = assistants::awake(tx, all().map(|whose| whose.assistant).collect()).await?;
    let chats = hold_chats(tx, all().map(|whose| whose.chat)).await?;
    let mine = hold_answers(tx, all().map(|whose| whose.answer)).await?;
    let mut refused = HashMap::new();
    for whose in all() {
        let why = if !held.contains(&whose.subject) {
            // Which of its reasons it is, the one who is asked alone says.
            subjects::hold_generation(tx, whose.subject, whose.generation).await.err()
        } else if objecting.contains(&whose.subject) {
            admission::require(tx, Purpose::Answering, Some(whose.subject)).await.err()
        } else if !awake.contains(&whose.assistant) {
            assistants::require_awake(tx, whose.assistant).await.err()
        } else if !chats.contains(&whose.chat) {
            Some(Error::not_found("chat"))
        } else if mine.get(&whose.answer) != Some(&whose.attempt) {
            Some(Error::new(ErrorKind::Conflict, "Another worker makes this answer, or a person has the chat."))
        } else {
            None
        };
        if let Some(why) = why {
            refused.insert(whose.answer, why);
        }
    }
    Ok(refused)
}

async fn hold_chats(tx: &WorkspaceTx, chats: impl Iterator<Item = ChatId>) -> Result<HashSet<ChatId>> {
    let held = chat_table::Entity::find()
        .filter(chat_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(chat_table::Column::Id.is_in(chats))
        .order_by_asc(chat_table::Column::Id)
        .lock_exclusive()
        .select_only()
        .column(chat_table::Column::Id);
    Ok(held.into_tuple::<ChatId>().all(tx.db()).await?.into_iter().collect())
}

/// The answers that are being written, with the run that writes them.
async fn hold_answers(tx: &WorkspaceTx, answers: impl Iterator<Item = AnswerId>) -> Result<HashMap<AnswerId, i64>> {
    let held = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.is_in(answers))
        .filter(table::Column::Status.eq("STREAMING"))
        .order_by_asc(table::Column::Id)
        .lock_exclusive()
        .select_only()
        .column(table::Column::Id)
        .column(table::Column::Attempts);
    Ok(held.into_tuple::<(AnswerId, i64)>().all(tx.db()).await?.into_iter().collect())
}

/// One failure of many, for each of them; what caused it goes to the log once.
fn same(error: &Error) -> Error {
    Error::new(error.kind(), error.message())
}
