//! Many messages, fast: copies of a conversation that went through the API, made inside the database. What a copy says
//! cannot be opened, for the seal names the row it was made for; here its bytes count, not its words.

use anyhow::{Context, Result};
use consigne_tests::database::Database;
use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connect, DatabaseConnection, DbBackend, Statement};

/// Messages of one chat of the crowd.
const PER_CHAT: u64 = 20;

/// Chats of one of its visitors.
const CHATS: u64 = 5;

/// The events of a turn that are copied, in their order, and which column of its answer says what each is about.
const EVENTS: [(&str, &str); 4] =
    [("MESSAGE_POSTED", "question_id"), ("ANSWER_STARTED", "id"), ("ANSWER_DELTA", "id"), ("ANSWER_COMPLETED", "id")];

/// The moment, in milliseconds, at which the crowd came, and the one at which the newest visitor wrote more.
const LONG_AGO: u64 = 1_500_000_000_000;
const LATER: u64 = 1_600_000_000_000;

/// The person of the visitor who came last, by the test's clock.
pub const NEWEST: &str = "(SELECT subject_id FROM visitors ORDER BY created_at DESC, id DESC LIMIT 1)";

/// The person of the visitor who came first.
const OLDEST: &str = "(SELECT subject_id FROM visitors WHERE created_at > 1 ORDER BY created_at, id LIMIT 1)";

/// The database to fill.
pub struct Crowd {
    data: DatabaseConnection,
    keys: DatabaseConnection,
    /// Tables with their columns.
    columns: Vec<(String, String)>,
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
        let columns = database.columns().await?;
        let crowd = Self { data: silent(data).await?, keys: silent(keys).await?, columns };
        if crowd.data.get_database_backend() == DbBackend::Sqlite {
            // As the product's own connections: moved rows leave no copy in the pages that they leave.
            for db in [&crowd.data, &crowd.keys] {
                db.execute_unprepared("PRAGMA secure_delete = ON").await?;
            }
        }
        crowd.run(&format!("CREATE TEMPORARY TABLE person AS SELECT {NEWEST} AS subject_id")).await?;
        Ok(crowd)
    }

    /// Visitors who never were, with this many messages between them.
    pub async fn of_others(&self, messages: u64) -> Result<()> {
        let id = self.id_at(&format!("{LONG_AGO} + n.i * 60000"));
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
             SELECT s.workspace_id, s.id, s.id, v.assistant_id, 1, 1 FROM subjects s \
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
        self.chats(OLDEST, "(SELECT id FROM subjects WHERE created_at = 1)", CHATS, LONG_AGO).await
    }

    /// More messages of the visitor who came last, like those that were asked.
    pub async fn of_the_newest(&self, messages: u64) -> Result<()> {
        self.chats(NEWEST, NEWEST, messages.div_ceil(PER_CHAT), LATER).await
    }

    /// Copies what `from` wrote and was answered, turn by turn, into new chats of each of `to`, the first of which began then.
    async fn chats(&self, from: &str, to: &str, chats: u64, began: u64) -> Result<()> {
        let turns = PER_CHAT;
        let events: String = EVENTS
            .iter()
            .map(|(kind, target)| {
                format!(
                    ", (SELECT min(e.seq) FROM chat_events e WHERE e.workspace_id = a.workspace_id \
                     AND e.chat_id = a.chat_id AND e.target_id = a.{target} AND e.kind = '{kind}') AS {kind}"
                )
            })
            .collect();
        self.run(&format!(
            "CREATE TEMPORARY TABLE turns AS SELECT row_number() OVER (ORDER BY a.id) - 1 AS number, a.workspace_id, \
             a.chat_id, a.id AS answer_id, a.question_id AS message_id{events} FROM answers a WHERE a.subject_id = {from}"
        ))
        .await?;
        self.run(&format!(
            "CREATE TEMPORARY TABLE numbered AS SELECT s.id AS subject_id, row_number() OVER (ORDER BY n.i, s.id) AS number \
             FROM subjects s CROSS JOIN {} WHERE s.id IN {to}",
            series(chats)
        ))
        .await?;
        // One every ten seconds, in which others go on: what a person wrote lies apart, as it does in a real workspace.
        self.run(&format!(
            "CREATE TEMPORARY TABLE new_chats AS SELECT {} AS id, n.number, n.subject_id, \
             (SELECT id FROM chats WHERE subject_id = {from} ORDER BY id LIMIT 1) AS model FROM numbered n",
            self.id_at(&format!("{began} + n.number * 10000"))
        ))
        .await?;
        self.run(&format!(
            "CREATE TEMPORARY TABLE new_turns AS SELECT c.id AS chat_id, c.subject_id, n.i AS turn, t.number, \
             {id} AS message_id, {id} AS answer_id FROM new_chats c CROSS JOIN {} \
             JOIN turns t ON t.number = n.i % (SELECT count(*) FROM turns)",
            series(turns),
            id = self.id_at(&format!("{began} + c.number * 10000 + n.i * 15000"))
        ))
        .await?;
        for (table, rows, replaced) in copies(turns) {
            let columns: Vec<_> =
                self.columns.iter().filter(|(of, _)| of == table).map(|(_, column)| &**column).collect();
            let values: Vec<_> = columns
                .iter()
                .map(|column| {
                    let another = replaced.iter().find(|(name, _)| name == column);
                    another.map_or_else(|| format!("o.{column}"), |(_, value)| value.clone())
                })
                .collect();
            let (columns, values) = (columns.join(", "), values.join(", "));
            self.run(&format!("INSERT INTO {table} ({columns}) SELECT {values} {rows}")).await?;
        }
        for table in ["turns", "numbered", "new_chats", "new_turns"] {
            self.run(&format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }

    /// Lets Postgres learn how large its tables are and tidy what was copied, as it does by itself within minutes.
    pub async fn learn_its_size(&self) -> Result<()> {
        match self.data.get_database_backend() {
            DbBackend::Postgres => self.run("VACUUM (ANALYZE)").await,
            _ => Ok(()),
        }
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

    /// An id in order of time, as the product makes them: this moment, then random bits.
    fn id_at(&self, milliseconds: &str) -> String {
        match self.data.get_database_backend() {
            DbBackend::Postgres => format!(
                "(lpad(to_hex(({milliseconds})::bigint), 12, '0') || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid"
            ),
            _ => format!("unhex(printf('%012x', {milliseconds}) || hex(randomblob(10)))"),
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

/// A table, the rows to copy, and the columns that are another in the copy.
type Copy = (&'static str, String, Vec<(&'static str, String)>);

/// What is copied, from which rows, and what is another in the copy: chats, questions, answers, citations, and four events
/// a turn: posted, started, a piece of text, completed.
fn copies(turns: u64) -> Vec<Copy> {
    let set = |columns: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        columns.iter().map(|(column, value)| (*column, (*value).to_owned())).collect()
    };
    let last_seq = (turns * 4).to_string();
    let of_turns = "FROM new_turns n JOIN turns t ON t.number = n.number";
    let mut all = vec![
        (
            "chats",
            "FROM new_chats n JOIN chats o ON o.id = n.model".to_owned(),
            set(&[("id", "n.id"), ("subject_id", "n.subject_id"), ("last_seq", &last_seq)]),
        ),
        (
            "messages",
            format!("{of_turns} JOIN messages o ON o.workspace_id = t.workspace_id AND o.id = t.message_id"),
            set(&[
                ("id", "n.message_id"),
                ("chat_id", "n.chat_id"),
                ("subject_id", "n.subject_id"),
                ("idempotency_key", "'copy ' || n.turn"),
            ]),
        ),
        (
            "answers",
            format!("{of_turns} JOIN answers o ON o.workspace_id = t.workspace_id AND o.id = t.answer_id"),
            set(&[
                ("id", "n.answer_id"),
                ("chat_id", "n.chat_id"),
                ("question_id", "n.message_id"),
                ("subject_id", "n.subject_id"),
                ("idempotency_key", "'copy ' || n.turn"),
            ]),
        ),
        (
            "citations",
            format!("{of_turns} JOIN citations o ON o.workspace_id = t.workspace_id AND o.answer_id = t.answer_id"),
            set(&[("answer_id", "n.answer_id"), ("subject_id", "n.subject_id")]),
        ),
    ];
    for ((kind, target), left) in EVENTS.into_iter().zip((0..4).rev()) {
        let target = if target == "id" { "n.answer_id" } else { "n.message_id" };
        let (seq, one) = (format!("n.turn * 4 - {left}"), format!("o.chat_id = t.chat_id AND o.seq = t.{kind}"));
        all.push((
            "chat_events",
            format!("{of_turns} JOIN chat_events o ON o.workspace_id = t.workspace_id AND {one}"),
            set(&[("chat_id", "n.chat_id"), ("seq", &seq), ("subject_id", "n.subject_id"), ("target_id", target)]),
        ));
    }
    all
}
