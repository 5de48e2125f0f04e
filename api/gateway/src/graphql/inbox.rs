//! The inbox of those who answer: what waits, what happens, and the texts that they send often.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription};
use consigne_assistant::escalations::{self, canned, inbox};
use consigne_foundation::{Permission, Scope, id::CannedReplyId, store::Store};
use futures::{Stream, StreamExt};

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    escalations::Escalation,
    scalars::DateTime,
};

/// How much waits for the member who asks.
#[derive(SimpleObject, Clone)]
pub struct Inbox {
    /// Chats that wait for anybody.
    pub waiting: i32,
    /// Chats that the member has.
    pub mine: i32,
    /// Visitors' messages in open escalations that the member has not read.
    pub unread_messages: i32,
    /// Chats that they are in.
    pub unread_chats: i32,
}

/// What happened.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "inbox::Kind")]
pub enum InboxEventKind {
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
    /// A delivery was given up: a person has to look.
    DeliveryDead,
    /// A delivery came back.
    Bounced,
    /// A channel's receiver wants nothing more: a person has to look.
    ChannelGone,
}

/// Something that happened in the workspace's escalations.
#[derive(SimpleObject, Clone)]
pub struct InboxEvent {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// What happened.
    pub kind: InboxEventKind,
    /// In which escalation, as it stands now.
    pub escalation: Option<Escalation>,
    /// The message that was written.
    pub message_id: Option<ID>,
    /// The note that was written.
    pub note_id: Option<ID>,
    /// The delivery that was given up or came back.
    pub delivery_id: Option<ID>,
}

/// A text that staff send often.
#[derive(SimpleObject, Clone)]
pub struct CannedReply {
    /// Its id.
    pub id: ID,
    /// What staff find it by.
    pub title: String,
    /// What is sent, as plain text.
    pub text: String,
    /// Written at.
    pub created_at: DateTime,
    /// Changed at.
    pub updated_at: DateTime,
}

/// A text to be kept.
#[derive(InputObject)]
pub struct CreateCannedReplyInput {
    /// What staff find it by; at most 100 characters.
    #[graphql(secret)]
    pub title: String,
    /// What is sent; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
}

/// A text to be changed.
#[derive(InputObject)]
pub struct ChangeCannedReplyInput {
    /// The canned reply.
    pub canned_reply_id: ID,
    /// What staff find it by; at most 100 characters.
    #[graphql(secret)]
    pub title: String,
    /// What is sent; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
}

/// A text to be taken away.
#[derive(InputObject)]
pub struct DeleteCannedReplyInput {
    /// The canned reply.
    pub canned_reply_id: ID,
}

/// The canned reply, or why nothing was changed.
#[derive(SimpleObject)]
pub struct CannedReplyPayload {
    /// The canned reply.
    pub canned_reply: Option<CannedReply>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Whether it is gone, or why not.
#[derive(SimpleObject)]
pub struct DeleteCannedReplyPayload {
    /// The id that it had.
    pub deleted_id: Option<ID>,
    /// Why it is not gone.
    pub user_errors: Vec<UserError>,
}

/// Reading the inbox.
#[derive(Default)]
pub struct InboxQuery;

#[Object]
impl InboxQuery {
    /// How much waits for the member who asks.
    async fn inbox(&self, ctx: &Context<'_>) -> Result<Inbox> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        inbox::unread(&scope, ctx.store()).await.map(Inbox::from).map_err(refuse)
    }

    /// The texts that staff send often, oldest first; at most 500.
    async fn canned_replies(&self, ctx: &Context<'_>) -> Result<Vec<CannedReply>> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let all = canned::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(CannedReply::from).collect())
    }
}

/// Keeping canned replies.
#[derive(Default)]
pub struct InboxMutation;

#[Object]
impl InboxMutation {
    /// Keeps a text that staff send often.
    async fn create_canned_reply(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateCannedReplyInput,
    ) -> Result<CannedReplyPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        CannedReplyPayload::of(canned::create(&scope, ctx.store(), &input.title, &input.text).await)
    }

    /// Changes a text that staff send often.
    async fn change_canned_reply(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChangeCannedReplyInput,
    ) -> Result<CannedReplyPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let id = CannedReplyId::parse_or_unknown(&input.canned_reply_id);
        CannedReplyPayload::of(canned::change(&scope, ctx.store(), id, &input.title, &input.text).await)
    }

    /// Takes a text that staff send often away.
    async fn delete_canned_reply(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: DeleteCannedReplyInput,
    ) -> Result<DeleteCannedReplyPayload> {
        let scope = ctx.scope(Permission::ChatsAnswer)?;
        let id = CannedReplyId::parse_or_unknown(&input.canned_reply_id);
        let (deleted, user_errors) = split(canned::delete(&scope, ctx.store(), id).await)?;
        Ok(DeleteCannedReplyPayload { deleted_id: deleted.map(|()| id.to_string().into()), user_errors })
    }
}

/// Listening to the inbox.
#[derive(Default)]
pub struct InboxSubscription;

#[Subscription]
impl InboxSubscription {
    /// Listens to what happens in the workspace's escalations; `after` resumes behind the last event seen, so nothing is
    /// missed or repeated.
    async fn inbox_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The last event's `seq` seen; all that is kept where left out.")] after: Option<i32>,
    ) -> Result<impl Stream<Item = Result<InboxEvent>> + use<>> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let store = ctx.store().clone();
        let events = inbox::listen(scope.clone(), store.clone(), i64::from(after.unwrap_or(0)));
        Ok(events.then(move |event| {
            let (scope, store) = (scope.clone(), store.clone());
            async move { InboxEvent::of(&scope, &store, event.map_err(refuse)?).await }
        }))
    }
}

impl InboxEvent {
    async fn of(scope: &Scope, store: &Store, event: inbox::InboxEvent) -> Result<Self> {
        let escalation = match event.escalation {
            Some(id) => look_up(escalations::get(scope, store, id).await)?.map(Escalation::from),
            None => None,
        };
        Ok(Self {
            seq: i32::try_from(event.seq).unwrap_or(i32::MAX),
            at: event.at.into(),
            kind: event.kind.into(),
            escalation,
            message_id: event.message().map(|id| id.to_string().into()),
            note_id: event.note().map(|id| id.to_string().into()),
            delivery_id: event.delivery().map(|id| id.to_string().into()),
        })
    }
}

impl CannedReplyPayload {
    fn of(result: consigne_foundation::Result<canned::CannedReply>) -> Result<Self> {
        let (reply, user_errors) = split(result)?;
        Ok(Self { canned_reply: reply.map(CannedReply::from), user_errors })
    }
}

impl From<inbox::Unread> for Inbox {
    fn from(u: inbox::Unread) -> Self {
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            waiting: number(u.waiting),
            mine: number(u.mine),
            unread_messages: number(u.messages),
            unread_chats: number(u.chats),
        }
    }
}

impl From<canned::CannedReply> for CannedReply {
    fn from(c: canned::CannedReply) -> Self {
        Self {
            id: c.id.to_string().into(),
            title: c.title,
            text: c.text,
            created_at: c.created_at.into(),
            updated_at: c.updated_at.into(),
        }
    }
}
