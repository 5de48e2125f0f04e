//! People in the loop: who has a chat, what staff says in it, and what colleagues tell each other about it.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::{
    chats,
    escalations::{self, inbox, notes, open, replies, staff, turns},
};
use consigne_foundation::{
    Permission,
    id::{AccountId, ChatId, EscalationId},
};

use super::{
    chats::{Chat, Message},
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// Where an escalation stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "escalations::EscalationState")]
pub enum EscalationState {
    /// Waits for a person.
    Waiting,
    /// A person has it.
    Taken,
    /// The assistant answers again.
    HandedBack,
    /// Done.
    Resolved,
}

/// Why a visitor needs a person.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "escalations::EscalationReason")]
pub enum EscalationReason {
    /// The knowledge does not hold the answer.
    NotInKnowledge,
    /// The assistant answered without being sure.
    LowConfidence,
    /// The visitor asked for a person.
    VisitorAsked,
    /// The visitor found the answers bad.
    BadRatings,
    /// A word that the workspace listed was said.
    Keyword,
    /// The assistant could not answer for a technical reason.
    AnswerFailed,
    /// A member of staff took the chat.
    StaffTook,
}

/// A chat that needed a person.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Escalation {
    /// Its id.
    pub id: ID,
    /// The chat.
    pub chat_id: ID,
    /// The assistant that handed over.
    pub assistant_id: ID,
    /// The visitor, as a person the workspace holds data about.
    pub subject_id: ID,
    /// Why.
    pub reason: EscalationReason,
    /// Where it stands.
    pub state: EscalationState,
    /// Whether nobody was expected to be there when it was opened.
    pub is_off_hours: bool,
    /// The member who has it.
    pub assigned_account_id: Option<ID>,
    /// The channel through which it was taken, where no member did.
    pub taken_by_channel_id: Option<String>,
    /// Opened at.
    pub created_at: DateTime,
    /// First taken at.
    pub taken_at: Option<DateTime>,
    /// Handed back or resolved at.
    pub ended_at: Option<DateTime>,
    /// The last time anybody said or did anything.
    pub active_at: DateTime,
}

#[ComplexObject]
impl Escalation {
    /// How many messages of the visitor the member who asks has not read.
    async fn unread_messages(&self, ctx: &Context<'_>) -> Result<i32> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let unread = inbox::unread_of(&scope, ctx.store(), ChatId::parse_or_unknown(&self.chat_id)).await;
        Ok(i32::try_from(unread.map_err(refuse)?).unwrap_or(i32::MAX))
    }

    /// What colleagues noted about the chat, oldest first; the last 200. No visitor sees it.
    async fn notes(&self, ctx: &Context<'_>) -> Result<Vec<Note>> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let all = notes::of_chat(&scope, ctx.store(), ChatId::parse_or_unknown(&self.chat_id)).await.map_err(refuse)?;
        Ok(all.into_iter().map(Note::from).collect())
    }
}

connection! {
    /// Escalations, newest first.
    EscalationConnection, EscalationEdge, Escalation, |escalation| escalation.id.to_string()
}

/// An internal note, which no visitor sees.
#[derive(SimpleObject, Clone)]
pub struct Note {
    /// Its id.
    pub id: ID,
    /// The chat.
    pub chat_id: ID,
    /// The member who wrote it.
    pub account_id: Option<ID>,
    /// What they are called.
    pub name: Option<String>,
    /// The channel through which it came.
    pub channel_id: Option<String>,
    /// Who sent it there, as the channel calls them.
    pub channel_sender: Option<String>,
    /// The note, as plain text.
    pub text: String,
    /// Written at.
    pub created_at: DateTime,
    /// Put right at (GDPR art. 16); null where it is as it was written.
    pub rectified_at: Option<DateTime>,
}

/// Which chat.
#[derive(InputObject)]
pub struct ChatInput {
    /// The chat.
    pub chat_id: ID,
}

/// Which chat, and to whom.
#[derive(InputObject)]
pub struct AssignChatInput {
    /// The chat.
    pub chat_id: ID,
    /// A member who may answer visitors.
    pub account_id: ID,
}

/// A reply to a visitor.
#[derive(InputObject)]
pub struct ReplyToChatInput {
    /// The chat.
    pub chat_id: ID,
    /// The reply; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
    /// Made by the client; the same key again says nothing twice.
    pub idempotency_key: String,
}

/// A note for colleagues.
#[derive(InputObject)]
pub struct AddNoteInput {
    /// The chat.
    pub chat_id: ID,
    /// The note; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
}

/// What a member of staff is to be called.
#[derive(InputObject)]
pub struct SetStaffNameInput {
    /// At most 60 characters; null takes the name away.
    #[graphql(secret)]
    pub name: Option<String>,
}

/// The chat, or why nothing was changed.
#[derive(SimpleObject)]
pub struct ChatPayload {
    /// The chat.
    pub chat: Option<Chat>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// The message that was posted, or why none was.
#[derive(SimpleObject)]
pub struct ReplyToChatPayload {
    /// The message.
    pub message: Option<Message>,
    /// Why none was posted.
    pub user_errors: Vec<UserError>,
}

/// The note, or why there is none.
#[derive(SimpleObject)]
pub struct AddNotePayload {
    /// The note.
    pub note: Option<Note>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// The name that holds now, or why it was not changed.
#[derive(SimpleObject)]
pub struct SetStaffNamePayload {
    /// The name.
    pub name: Option<String>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Reading escalations.
#[derive(Default)]
pub struct EscalationQuery;

#[Object]
impl EscalationQuery {
    /// An escalation; null where it is unknown.
    async fn escalation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The escalation.")] id: ID,
    ) -> Result<Option<Escalation>> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let found = escalations::get(&scope, ctx.store(), EscalationId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(Escalation::from))
    }

    /// Chats that need a person, or did, newest first.
    async fn escalations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In one of these states; in any where left out.")] states: Option<Vec<EscalationState>>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<EscalationConnection> {
        let (scope, page) = (ctx.scope(Permission::ChatsRead)?, Page::of(first)?);
        let states: Vec<_> = states.unwrap_or_default().into_iter().map(Into::into).collect();
        let after = after.as_deref().map(EscalationId::parse_or_unknown);
        let rows = escalations::list(&scope, ctx.store(), &states, after, page.limit()).await.map_err(refuse)?;
        let total = escalations::count(&scope, ctx.store(), &states).await.map_err(refuse)?;
        Ok(EscalationConnection::new(&page, rows.into_iter().map(Escalation::from).collect(), total))
    }
}

/// Taking over, answering, giving back.
#[derive(Default)]
pub struct EscalationMutation;

#[Object]
impl EscalationMutation {
    /// The visitor asks for a person. Where people have the chat already nothing more happens.
    async fn request_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChatInput,
    ) -> Result<ChatPayload> {
        let scope = ctx.scope(Permission::ChatsAsk)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        ChatPayload::of(ctx, chat, open::request_person(&scope, ctx.store(), chat).await).await
    }

    /// Takes a chat from the assistant, or from those who wait. Of two who take it at once one gets it.
    async fn take_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChatInput,
    ) -> Result<ChatPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        ChatPayload::of(ctx, chat, turns::take(&scope, ctx.store(), chat).await).await
    }

    /// Gives a chat to a member, whoever has it.
    async fn assign_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AssignChatInput,
    ) -> Result<ChatPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        let account = AccountId::parse_or_unknown(&input.account_id);
        ChatPayload::of(ctx, chat, turns::assign(&scope, ctx.store(), chat, account).await).await
    }

    /// Answers a visitor. Where no person has the chat, that takes it.
    async fn reply_to_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ReplyToChatInput,
    ) -> Result<ReplyToChatPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        let posted = replies::reply(&scope, ctx.store(), chat, &input.text, &input.idempotency_key).await;
        let (posted, user_errors) = split(posted)?;
        let message = match posted {
            Some(id) => look_up(chats::message(&scope, ctx.store(), id).await)?,
            None => None,
        };
        Ok(ReplyToChatPayload { message: message.map(Message::from), user_errors })
    }

    /// Gives a chat back to the assistant.
    async fn hand_back_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChatInput,
    ) -> Result<ChatPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        ChatPayload::of(ctx, chat, turns::hand_back(&scope, ctx.store(), chat).await).await
    }

    /// Closes a chat. What the visitor writes next is for the assistant again.
    async fn resolve_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChatInput,
    ) -> Result<ChatPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        ChatPayload::of(ctx, chat, turns::resolve(&scope, ctx.store(), chat).await).await
    }

    /// Writes a note for colleagues, which no visitor sees.
    async fn add_note(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AddNoteInput,
    ) -> Result<AddNotePayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        let (note, user_errors) = split(notes::add(&scope, ctx.store(), chat, &input.text).await)?;
        Ok(AddNotePayload { note: note.map(Note::from), user_errors })
    }

    /// The member who asks has read a chat up to now.
    async fn mark_chat_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChatInput,
    ) -> Result<ChatPayload> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let chat = ChatId::parse_or_unknown(&input.chat_id);
        ChatPayload::of(ctx, chat, inbox::mark_read(&scope, ctx.store(), chat).await).await
    }

    /// Says what the member who asks is called in chats. Visitors see it only where an assistant's settings show it.
    async fn set_staff_name(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SetStaffNameInput,
    ) -> Result<SetStaffNamePayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let (name, user_errors) = split(staff::set_own_name(&scope, ctx.store(), input.name.as_deref()).await)?;
        Ok(SetStaffNamePayload { name: name.flatten(), user_errors })
    }
}

impl ChatPayload {
    async fn of(ctx: &Context<'_>, chat: ChatId, done: consigne_foundation::Result<()>) -> Result<Self> {
        let (done, user_errors) = split(done)?;
        let chat = match done {
            Some(()) => look_up(chats::get(&ctx.somebody()?, ctx.store(), chat).await)?,
            None => None,
        };
        Ok(Self { chat: chat.map(Chat::from), user_errors })
    }
}

impl From<escalations::Escalation> for Escalation {
    fn from(e: escalations::Escalation) -> Self {
        Self {
            id: e.id.to_string().into(),
            chat_id: e.chat.to_string().into(),
            assistant_id: e.assistant.to_string().into(),
            subject_id: e.subject.to_string().into(),
            reason: e.reason.into(),
            state: e.state.into(),
            is_off_hours: e.is_off_hours,
            assigned_account_id: e.assigned.map(|account| account.to_string().into()),
            taken_by_channel_id: e.taken_by_plugin,
            created_at: e.created_at.into(),
            taken_at: e.taken_at.map(DateTime::from),
            ended_at: e.ended_at.map(DateTime::from),
            active_at: e.active_at.into(),
        }
    }
}

impl From<notes::Note> for Note {
    fn from(n: notes::Note) -> Self {
        Self {
            id: n.id.to_string().into(),
            chat_id: n.chat.to_string().into(),
            account_id: n.account.map(|account| account.to_string().into()),
            name: n.name,
            channel_id: n.plugin,
            channel_sender: n.by,
            text: n.text,
            created_at: n.created_at.into(),
            rectified_at: n.rectified_at.map(DateTime::from),
        }
    }
}
