//! Chats: asking, answers, citations.

use async_graphql::{
    ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject, dataloader::DataLoader,
};
use consigne_assistant::chats::{self, ask, citations};
use consigne_foundation::{
    Permission,
    id::{AnswerId, ChatId, DocumentId, MessageId},
};

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    knowledge::Document,
    loaders::{CitationLoader, DocumentLoader, refused},
    scalars::DateTime,
};

/// Answers shown with a chat.
const MOST_ANSWERS: u64 = 20;

/// Where an answer stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "chats::AnswerStatus")]
pub enum AnswerStatus {
    /// Waits for its turn.
    Pending,
    /// Being written.
    Streaming,
    /// Finished.
    Completed,
    /// Given up; `failureCode` says why.
    Failed,
}

/// How an answer ended.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "chats::AnswerOutcome")]
pub enum AnswerOutcome {
    /// Answered from the knowledge, with citations.
    Answered,
    /// The knowledge has no answer, and the text says so.
    NotInKnowledge,
    /// A person has the question now: the knowledge had no answer, or somebody took the chat over.
    Escalated,
}

/// What a visitor thought of an answer.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "chats::Rating")]
pub enum Rating {
    /// It helped.
    Up,
    /// It did not.
    Down,
}

/// Who wrote a message.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "chats::Author")]
pub enum MessageAuthor {
    /// The visitor.
    Visitor,
    /// A person who works for the customer.
    Staff,
    /// The assistant, beside its answers: that people were called.
    Assistant,
}

/// Who has a chat.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "chats::ChatState")]
pub enum ChatState {
    /// The assistant answers.
    Assistant,
    /// People were called and nobody took it yet; the assistant is silent.
    WaitingForPerson,
    /// A person has it; the assistant is silent.
    WithPerson,
    /// Done; what the visitor writes next is for the assistant again.
    Resolved,
}

/// A conversation of one visitor with one assistant.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Chat {
    /// Its id.
    pub id: ID,
    /// The assistant.
    pub assistant_id: ID,
    /// The visitor, as a person the workspace holds data about.
    pub subject_id: ID,
    /// Who has it.
    pub state: ChatState,
    /// The last event's number; events up to it have happened.
    pub last_event: i32,
    /// Begun at.
    pub created_at: DateTime,
    /// Last event at.
    pub updated_at: DateTime,
}

#[ComplexObject]
impl Chat {
    /// What was written, oldest first.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<MessageConnection> {
        let (scope, page, chat) = (ctx.somebody()?, Page::of(first)?, ChatId::parse_or_unknown(&self.id));
        let after = after.as_deref().map(MessageId::parse_or_unknown);
        let rows = chats::messages(&scope, ctx.store(), chat, after, page.limit()).await.map_err(refuse)?;
        let total = chats::count_messages(&scope, ctx.store(), chat).await.map_err(refuse)?;
        Ok(MessageConnection::new(&page, rows.into_iter().map(Message::from).collect(), total))
    }

    /// The last twenty answers, oldest first.
    async fn answers(&self, ctx: &Context<'_>) -> Result<Vec<Answer>> {
        let scope = ctx.somebody()?;
        let chat = ChatId::parse_or_unknown(&self.id);
        let rows = chats::answers(&scope, ctx.store(), chat, MOST_ANSWERS).await.map_err(refuse)?;
        Ok(rows.into_iter().map(Answer::from).collect())
    }
}

connection! {
    /// Chats, newest first.
    ChatConnection, ChatEdge, Chat, |chat| chat.id.to_string()
}

/// Something that was written in a chat.
#[derive(SimpleObject, Clone)]
pub struct Message {
    /// Its id.
    pub id: ID,
    /// Its chat.
    pub chat_id: ID,
    /// Who wrote it.
    pub author: MessageAuthor,
    /// What the member of staff is called; null where that is not shown, and for others.
    pub staff_name: Option<String>,
    /// The member of staff; null for visitors.
    pub staff_account_id: Option<ID>,
    /// The channel through which a reply came; null for visitors.
    pub channel_id: Option<String>,
    /// Who sent it there, as the channel calls them; null for visitors.
    pub channel_sender: Option<String>,
    /// What was written, as plain text.
    pub text: String,
    /// Written at.
    pub created_at: DateTime,
    /// Put right at (GDPR art. 16); null where it is as it was written.
    pub rectified_at: Option<DateTime>,
}

connection! {
    /// Messages, oldest first.
    MessageConnection, MessageEdge, Message, |message| message.id.to_string()
}

/// Who processed an answer, where, and what they keep.
#[derive(SimpleObject, Clone)]
pub struct ProcessingDisclosure {
    /// The plugin that answered.
    pub plugin_id: String,
    /// The model.
    pub model: String,
    /// Who operates it.
    pub operator: String,
    /// Where: `LOCAL`, `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard (GDPR chapter V).
    pub safeguard: String,
    /// What they keep: `NONE`, `WITH_SOURCE`, a number of days, or `UNDECLARED`.
    pub retention: String,
}

/// What an answer rests on.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Citation {
    /// The number that stands in the text, in square brackets.
    pub index: i32,
    /// The document's title; empty once withdrawn.
    pub title: String,
    /// What the passage says, to the letter; empty once withdrawn.
    pub quote: String,
    /// Page or headings.
    pub location: Option<String>,
    /// Cosine of question and passage.
    pub score: f64,
    /// Whether the passage was deleted or replaced since.
    pub is_withdrawn: bool,
    #[graphql(skip)]
    document: DocumentId,
}

#[ComplexObject]
impl Citation {
    /// The document; null once it was deleted, and for visitors, who see title and quote only.
    async fn document(&self, ctx: &Context<'_>) -> Result<Option<Document>> {
        let scope = ctx.somebody()?;
        if !scope.permissions().has(Permission::KnowledgeRead) {
            return Ok(None);
        }
        let loader = ctx.data_unchecked::<DataLoader<DocumentLoader>>();
        loader.load_one(self.document).await.map_err(refused)
    }
}

/// An answer.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Answer {
    /// Its id.
    pub id: ID,
    /// Its chat.
    pub chat_id: ID,
    /// The question.
    pub question_id: ID,
    /// The whole text, once completed: plain text with `[1]` where citation 1 supports it.
    pub text: Option<String>,
    /// Where it stands.
    pub status: AnswerStatus,
    /// How it ended.
    pub outcome: Option<AnswerOutcome>,
    /// Why it failed: `TEMPORARILY_UNAVAILABLE`, `ASSISTANT_PAUSED`, `MODEL_MISCONFIGURED`, `TRANSFER_NOT_ALLOWED` (the
    /// workspace lets no text into the model's region), `BUDGET_EXHAUSTED` or `INTERNAL`.
    pub failure_code: Option<String>,
    /// Whether a person is offered, because the knowledge has no answer.
    pub offers_person: bool,
    /// Who processed it, where, and what they keep; once completed.
    pub disclosure: Option<ProcessingDisclosure>,
    /// The visitor's rating.
    pub rating: Option<Rating>,
    /// Asked at.
    pub created_at: DateTime,
    /// Finished at.
    pub completed_at: Option<DateTime>,
    /// Put right at (GDPR art. 16); null where it says what was answered.
    pub rectified_at: Option<DateTime>,
}

#[ComplexObject]
impl Answer {
    /// What it rests on, by number; each was found in a stored passage.
    async fn citations(&self, ctx: &Context<'_>) -> Result<Vec<Citation>> {
        ctx.somebody()?;
        let loader = ctx.data_unchecked::<DataLoader<CitationLoader>>();
        Ok(loader.load_one(AnswerId::parse_or_unknown(&self.id)).await.map_err(refused)?.unwrap_or_default())
    }
}

/// A question.
#[derive(InputObject)]
pub struct AskQuestionInput {
    /// The chat.
    pub chat_id: ID,
    /// The question; at most 4,000 characters.
    #[graphql(secret)]
    pub text: String,
    /// Made by the client; the same key again asks nothing twice.
    pub idempotency_key: String,
}

/// What was asked and opened, or why not.
#[derive(SimpleObject)]
pub struct AskQuestionPayload {
    /// The question, as a message of the chat.
    pub message: Option<Message>,
    /// The answer that was opened; it arrives through `chatEvents`. Null where a person has the chat, or is called for.
    pub answer: Option<Answer>,
    /// Why nothing was asked.
    pub user_errors: Vec<UserError>,
}

/// The chat, or why there is none.
#[derive(SimpleObject)]
pub struct StartChatPayload {
    /// The chat.
    pub chat: Option<Chat>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// A rating.
#[derive(InputObject)]
pub struct RateAnswerInput {
    /// The answer.
    pub answer_id: ID,
    /// What you thought of it.
    pub rating: Rating,
}

/// The rated answer, or why it is not.
#[derive(SimpleObject)]
pub struct RateAnswerPayload {
    /// The answer.
    pub answer: Option<Answer>,
    /// Why it is not rated.
    pub user_errors: Vec<UserError>,
}

/// Reading chats.
#[derive(Default)]
pub struct ChatQuery;

#[Object]
impl ChatQuery {
    /// A chat: a visitor's own, or any of the workspace for those who may read chats. Null where it is unknown.
    async fn chat(&self, ctx: &Context<'_>, #[graphql(desc = "The chat.")] id: ID) -> Result<Option<Chat>> {
        let scope = ctx.somebody()?;
        Ok(look_up(chats::get(&scope, ctx.store(), ChatId::parse_or_unknown(&id)).await)?.map(Chat::from))
    }

    /// Chats, newest first: a visitor's own, or all of the workspace for those who may read chats.
    async fn chats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<ChatConnection> {
        let (scope, page) = (ctx.somebody()?, Page::of(first)?);
        let after = after.as_deref().map(ChatId::parse_or_unknown);
        let rows = chats::list(&scope, ctx.store(), after, page.limit()).await.map_err(refuse)?;
        let total = chats::count(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(ChatConnection::new(&page, rows.into_iter().map(Chat::from).collect(), total))
    }

    /// An answer of a chat that you may see; null where it is unknown.
    async fn answer(&self, ctx: &Context<'_>, #[graphql(desc = "The answer.")] id: ID) -> Result<Option<Answer>> {
        let scope = ctx.somebody()?;
        Ok(look_up(chats::get_answer(&scope, ctx.store(), AnswerId::parse_or_unknown(&id)).await)?.map(Answer::from))
    }
}

/// Asking and rating.
#[derive(Default)]
pub struct ChatMutation;

#[Object]
impl ChatMutation {
    /// Starts a chat with the assistant that the visitor's token is bound to.
    async fn start_chat(&self, ctx: &Context<'_>) -> Result<StartChatPayload> {
        let scope = ctx.scope(Permission::ChatsAsk)?;
        let (chat, user_errors) = split(chats::start(&scope, ctx.store()).await)?;
        Ok(StartChatPayload { chat: chat.map(Chat::from), user_errors })
    }

    /// Asks the assistant a question. The answer arrives through `chatEvents`. While a person has the chat, or where the
    /// words call for one, it is posted and no answer is opened.
    async fn ask_question(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AskQuestionInput,
    ) -> Result<AskQuestionPayload> {
        let scope = ctx.scope(Permission::ChatsAsk)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        let asked = ask::ask(&scope, &ctx.services().knowledge, chat, &input.text, &input.idempotency_key).await;
        let (asked, user_errors) = split(asked)?;
        let Some((message, answer)) = asked else {
            return Ok(AskQuestionPayload { message: None, answer: None, user_errors });
        };
        let message = chats::message(&scope, ctx.store(), message).await.map_err(refuse)?;
        let answer = match answer {
            Some(answer) => Some(chats::get_answer(&scope, ctx.store(), answer).await.map_err(refuse)?.into()),
            None => None,
        };
        Ok(AskQuestionPayload { message: Some(message.into()), answer, user_errors })
    }

    /// Rates an answer; rating again changes the rating.
    async fn rate_answer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RateAnswerInput,
    ) -> Result<RateAnswerPayload> {
        let scope = ctx.scope(Permission::ChatsAsk)?;
        let id = AnswerId::parse_or_unknown(&input.answer_id);
        let (rated, user_errors) = split(chats::rate(&scope, ctx.store(), id, input.rating.into()).await)?;
        let answer = match rated {
            Some(()) => look_up(chats::get_answer(&scope, ctx.store(), id).await)?,
            None => None,
        };
        Ok(RateAnswerPayload { answer: answer.map(Answer::from), user_errors })
    }
}

impl From<chats::Chat> for Chat {
    fn from(c: chats::Chat) -> Self {
        Self {
            id: c.id.to_string().into(),
            assistant_id: c.assistant.to_string().into(),
            subject_id: c.subject.to_string().into(),
            state: c.state.into(),
            last_event: i32::try_from(c.last_seq).unwrap_or(i32::MAX),
            created_at: c.created_at.into(),
            updated_at: c.updated_at.into(),
        }
    }
}

impl From<chats::Message> for Message {
    fn from(m: chats::Message) -> Self {
        let staff = m.staff.unwrap_or_default();
        Self {
            id: m.id.to_string().into(),
            chat_id: m.chat.to_string().into(),
            author: m.author.into(),
            staff_name: staff.name,
            staff_account_id: staff.account.map(|account| account.to_string().into()),
            channel_id: staff.plugin,
            channel_sender: staff.by,
            text: m.text,
            created_at: m.created_at.into(),
            rectified_at: m.rectified_at.map(DateTime::from),
        }
    }
}

impl From<chats::Answer> for Answer {
    fn from(a: chats::Answer) -> Self {
        Self {
            id: a.id.to_string().into(),
            chat_id: a.chat.to_string().into(),
            question_id: a.question.to_string().into(),
            text: a.text,
            status: a.status.into(),
            outcome: a.outcome.map(AnswerOutcome::from),
            failure_code: a.failure_code,
            offers_person: a.offers_person,
            disclosure: a.disclosure.map(ProcessingDisclosure::from),
            rating: a.rating.map(Rating::from),
            created_at: a.created_at.into(),
            completed_at: a.completed_at.map(DateTime::from),
            rectified_at: a.rectified_at.map(DateTime::from),
        }
    }
}

impl From<chats::answer::Disclosure> for ProcessingDisclosure {
    fn from(d: chats::answer::Disclosure) -> Self {
        Self {
            plugin_id: d.plugin,
            model: d.model,
            operator: d.operator,
            region: d.region,
            safeguard: d.safeguard,
            retention: d.retention,
        }
    }
}

impl From<citations::Citation> for Citation {
    fn from(c: citations::Citation) -> Self {
        Self {
            index: i32::try_from(c.index).unwrap_or(i32::MAX),
            title: c.title,
            quote: c.quote,
            location: c.location,
            score: c.score,
            is_withdrawn: c.is_withdrawn,
            document: c.document,
        }
    }
}
