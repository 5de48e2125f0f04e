//! Many messages, fast: copies of a conversation that went through the API, made inside the database. What a copy says
//! cannot be opened, for the seal names the row it was made for; here its bytes count, not its words.

use anyhow::{Context, Result};
use consigne_tests::database::Database;
use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connect, DatabaseConnection, DbBackend, Statement};

/// Messages of one chat of the crowd.
const PER_CHAT: u64 = 25;

/// Chats of one of its visitors.
const CHATS: u64 = 4;

/// The person of the visitor who came last, by the test's clock.
pub const NEWEST: &str = "(SELECT subject_id FROM visitors ORDER BY created_at DESC, id DESC LIMIT 1)";

/// The person of the visitor who came first.
const OLDEST: &str = "(SELECT subject_id FROM visitors WHERE created_at > 1 ORDER BY created_at, id LIMIT 1)";

/// The database to fill.
pub struct Crowd {
    data: DatabaseConnection,
    keys: DatabaseConnection,
}

/// How large a workspace is.
#[derive(Debug)]
#[expect(dead_code, reason = "they are printed")]
pub struct Size {
    /// Of everybody.
    pub messages: u64,
    /// Of the visitor who came last, when the crowd came.
    pub of_the_person: u64,
    answers: u64,
    events: u64,
    visitors: u64,
}

impl Crowd {
    /// On connections of its own, which log nothing.
    pub async fn of(database: &Database) -> Result<Self> {
        let silent = |url: String| {
            let mut options = ConnectOptions::new(url);
            options.sqlx_logging(false).max_connections(1);
            Connect::connect(options)
        };
        let [data, keys] = urls(database);
        let crowd = Self { data: silent(data).await?, keys: silent(keys).await? };
        crowd.run(&format!("CREATE TEMPORARY TABLE person AS SELECT {NEWEST} AS subject_id")).await?;
        Ok(crowd)
    }

    /// Visitors who never were, with this many messages between them.
    pub async fn of_others(&self, messages: u64) -> Result<()> {
        let id = self.random_id();
        let visitors = messages.div_ceil(PER_CHAT * CHATS);
        self.run(&format!(
            "INSERT INTO subjects (workspace_id, id, kind, state, generation, created_at) \
             SELECT s.workspace_id, {id}, s.kind, s.state, s.generation, 1 FROM subjects s \
             CROSS JOIN {} WHERE s.id = {OLDEST}",
            series(visitors)
        ))
        .await?;
        self.run(&format!(
            "INSERT INTO visitors (workspace_id, id, subject_id, assistant_id, created_at, last_seen_at) \
             SELECT s.workspace_id, {id}, s.id, v.assistant_id, 1, 1 FROM subjects s \
             JOIN visitors v ON v.subject_id = {OLDEST} WHERE s.created_at = 1"
        ))
        .await?;
        let schema = if self.data.get_database_backend() == DbBackend::Postgres { "keys." } else { "" };
        let sql = format!(
            "INSERT INTO {schema}subject_keys (key_workspace_id, subject_id, wrapped, created_at) \
             SELECT k.key_workspace_id, {id}, k.wrapped, 1 FROM \
             (SELECT * FROM {schema}subject_keys ORDER BY created_at LIMIT 1) AS k CROSS JOIN {}",
            series(visitors)
        );
        self.keys.execute_unprepared(&sql).await?;
        self.chats(OLDEST, "(SELECT id FROM subjects WHERE created_at = 1)", CHATS, PER_CHAT).await
    }

    /// More messages of the visitor who came last, like those that were asked.
    pub async fn of_the_newest(&self, messages: u64) -> Result<()> {
        self.chats(NEWEST, NEWEST, messages.div_ceil(PER_CHAT), PER_CHAT).await
    }

    /// Copies what `from` wrote and was answered, turn by turn, into new chats of each of `to`.
    async fn chats(&self, from: &str, to: &str, chats: u64, turns: u64) -> Result<()> {
        let id = self.random_id();
        self.run(&format!(
            "CREATE TEMPORARY TABLE turns AS SELECT row_number() OVER (ORDER BY a.id) - 1 AS number, \
             a.id AS answer_id, m.text_sealed AS question, m.author AS author, (SELECT e.payload_sealed FROM chat_events e \
             WHERE e.workspace_id = a.workspace_id AND e.chat_id = a.chat_id AND e.target_id = a.id \
             AND e.payload_sealed IS NOT NULL ORDER BY e.seq LIMIT 1) AS told FROM answers a \
             JOIN messages m ON m.id = a.question_id WHERE a.subject_id = {from}"
        ))
        .await?;
        self.run(&format!(
            "CREATE TEMPORARY TABLE new_chats AS SELECT {id} AS id, s.workspace_id, s.id AS subject_id, c.assistant_id, \
             c.state, c.created_at FROM subjects s \
             CROSS JOIN (SELECT * FROM chats WHERE subject_id = {from} ORDER BY id LIMIT 1) AS c \
             CROSS JOIN {} WHERE s.id IN {to}",
            series(chats)
        ))
        .await?;
        self.run(&format!(
            "CREATE TEMPORARY TABLE new_turns AS SELECT c.workspace_id, c.id AS chat_id, c.subject_id, n.i AS turn, \
             {id} AS message_id, {id} AS answer_id, t.number FROM new_chats c CROSS JOIN {} \
             JOIN turns t ON t.number = n.i % (SELECT count(*) FROM turns)",
            series(turns)
        ))
        .await?;
        for sql in copies() {
            self.run(&sql).await?;
        }
        for table in ["turns", "new_chats", "new_turns"] {
            self.run(&format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }

    /// Counts.
    pub async fn count(&self) -> Result<Size> {
        let count = async |what: &str| -> Result<u64> {
            let sql = format!("SELECT count(*) AS n FROM {what}");
            let row = self.data.query_one_raw(Statement::from_string(self.data.get_database_backend(), sql)).await?;
            Ok(u64::try_from(row.context("a count has a row")?.try_get::<i64>("", "n")?)?)
        };
        Ok(Size {
            messages: count("messages").await?,
            of_the_person: count("messages WHERE subject_id IN (SELECT subject_id FROM person)").await?,
            answers: count("answers").await?,
            events: count("chat_events").await?,
            visitors: count("visitors").await?,
        })
    }

    async fn run(&self, sql: &str) -> Result<()> {
        self.data.execute_unprepared(sql).await.with_context(|| sql.to_owned())?;
        Ok(())
    }

    fn random_id(&self) -> &'static str {
        match self.data.get_database_backend() {
            DbBackend::Postgres => "gen_random_uuid()",
            _ => "randomblob(16)",
        }
    }
}

/// The data and the key store.
pub fn urls(database: &Database) -> [String; 2] {
    match database {
        Database::Sqlite(folder) => {
            ["consigne.db", "keys.db"].map(|file| format!("sqlite:{}", folder.join(file).display()))
        }
        Database::Postgres { superuser, .. } => [superuser.clone(), superuser.clone()],
    }
}

/// The numbers from 1, as `n.i`.
fn series(count: u64) -> String {
    format!(
        "(WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count}) \
         SELECT i FROM numbers) AS n"
    )
}

/// Chats, questions, answers, citations, and four events a turn: posted, started, a piece of text, completed.
fn copies() -> Vec<String> {
    let event = |number: u64, kind: &str, target: &str, payload: &str| {
        format!(
            "INSERT INTO chat_events (workspace_id, chat_id, seq, subject_id, kind, target_id, payload_sealed, created_at) \
             SELECT n.workspace_id, n.chat_id, n.turn * 4 - {number}, n.subject_id, '{kind}', n.{target}, {payload}, \
             c.created_at FROM new_turns n JOIN turns t ON t.number = n.number JOIN new_chats c ON c.id = n.chat_id"
        )
    };
    let mut all = vec![
        "INSERT INTO chats (workspace_id, id, assistant_id, subject_id, state, last_seq, created_at, updated_at) \
         SELECT workspace_id, id, assistant_id, subject_id, state, \
         4 * (SELECT count(*) FROM new_turns n WHERE n.chat_id = c.id), created_at, created_at FROM new_chats c"
            .to_owned(),
        "INSERT INTO messages (workspace_id, id, chat_id, subject_id, author, text_sealed, created_at) \
         SELECT n.workspace_id, n.message_id, n.chat_id, n.subject_id, t.author, t.question, c.created_at \
         FROM new_turns n JOIN turns t ON t.number = n.number JOIN new_chats c ON c.id = n.chat_id"
            .to_owned(),
        "INSERT INTO answers (workspace_id, id, chat_id, question_id, assistant_id, subject_id, subject_generation, \
         idempotency_key, status, outcome, text_sealed, disclosure, attempts, created_at, completed_at) \
         SELECT n.workspace_id, n.answer_id, n.chat_id, n.message_id, a.assistant_id, n.subject_id, a.subject_generation, \
         'copy ' || n.turn, a.status, a.outcome, a.text_sealed, a.disclosure, a.attempts, a.created_at, a.completed_at \
         FROM new_turns n JOIN turns t ON t.number = n.number JOIN answers a ON a.id = t.answer_id"
            .to_owned(),
        "INSERT INTO citations (workspace_id, answer_id, position, subject_id, document_id, passage_id, title_sealed, \
         quote_sealed, location, score) SELECT n.workspace_id, n.answer_id, q.position, n.subject_id, q.document_id, \
         q.passage_id, q.title_sealed, q.quote_sealed, q.location, q.score \
         FROM new_turns n JOIN turns t ON t.number = n.number JOIN citations q ON q.answer_id = t.answer_id"
            .to_owned(),
    ];
    all.push(event(3, "MESSAGE_POSTED", "message_id", "NULL"));
    all.push(event(2, "ANSWER_STARTED", "answer_id", "NULL"));
    all.push(event(1, "ANSWER_DELTA", "answer_id", "t.told"));
    all.push(event(0, "ANSWER_COMPLETED", "answer_id", "NULL"));
    all
}
