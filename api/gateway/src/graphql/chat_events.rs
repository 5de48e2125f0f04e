//! What happens in a chat while answers are made and people take over, as a stream that resumes.

use async_graphql::{Context, ID, Result, SimpleObject, Subscription, Union};
use consigne_assistant::chats::{self, events, live};
use consigne_foundation::id::ChatId;
use futures::{Stream, StreamExt};

use super::{
    chats::{Answer, ChatState, Message},
    context::ContextExt,
    error::{look_up, refuse},
    scalars::DateTime,
};

/// A message was posted.
#[derive(SimpleObject, Clone)]
pub struct MessagePosted {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The message.
    pub message: Option<Message>,
}

/// A message was put right (GDPR art. 16): what it said before is void.
#[derive(SimpleObject, Clone)]
pub struct MessageRectified {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The message as it is now.
    pub message: Option<Message>,
}

/// An answer begins, or begins anew after a failure: text of an earlier attempt is void.
#[derive(SimpleObject, Clone)]
pub struct AnswerStarted {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The answer.
    pub answer_id: ID,
}

/// More text of an answer.
#[derive(SimpleObject, Clone)]
pub struct AnswerDelta {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The answer.
    pub answer_id: ID,
    /// The text to append.
    pub text: String,
}

/// An answer is complete.
#[derive(SimpleObject, Clone)]
pub struct AnswerCompleted {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The answer, with its whole text and its citations.
    pub answer: Option<Answer>,
}

/// An answer was put right (GDPR art. 16): what it said before is void.
#[derive(SimpleObject, Clone)]
pub struct AnswerRectified {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The answer as it is now.
    pub answer: Option<Answer>,
}

/// An answer was given up.
#[derive(SimpleObject, Clone)]
pub struct AnswerFailed {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// The answer; its `failureCode` says why.
    pub answer: Option<Answer>,
}

/// The chat is people's now: it waits for one, or one took it.
#[derive(SimpleObject, Clone)]
pub struct ChatHandedOver {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// `WAITING_FOR_PERSON` or `WITH_PERSON`.
    pub state: ChatState,
}

/// The assistant answers again.
#[derive(SimpleObject, Clone)]
pub struct ChatHandedBack {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
}

/// The chat is done.
#[derive(SimpleObject, Clone)]
pub struct ChatResolved {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
}

/// Something that happened in a chat.
#[derive(Union, Clone)]
pub enum ChatEvent {
    /// A message was posted.
    MessagePosted(MessagePosted),
    /// A message was put right.
    MessageRectified(MessageRectified),
    /// An answer begins.
    AnswerStarted(AnswerStarted),
    /// More text of an answer.
    AnswerDelta(AnswerDelta),
    /// An answer is complete.
    AnswerCompleted(AnswerCompleted),
    /// An answer was put right.
    AnswerRectified(AnswerRectified),
    /// An answer was given up.
    AnswerFailed(AnswerFailed),
    /// The chat is people's now.
    ChatHandedOver(ChatHandedOver),
    /// The assistant answers again.
    ChatHandedBack(ChatHandedBack),
    /// The chat is done.
    ChatResolved(ChatResolved),
}

/// Listening to chats.
#[derive(Default)]
pub struct ChatSubscription;

#[Subscription]
impl ChatSubscription {
    /// Listens to a chat; `after` resumes behind the last event seen, so nothing is missed or repeated.
    async fn chat_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The chat.")] chat_id: ID,
        #[graphql(desc = "The last event's `seq` seen; all from the beginning where left out.")] after: Option<i32>,
    ) -> Result<impl Stream<Item = Result<ChatEvent>> + use<>> {
        let scope = ctx.somebody()?;
        let store = ctx.store().clone();
        let chat = ChatId::parse_or_unknown(&chat_id);
        let happenings =
            live::listen(scope.clone(), store.clone(), &ctx.services().feed, chat, i64::from(after.unwrap_or(0)));
        Ok(happenings.then(move |event| {
            let (scope, store) = (scope.clone(), store.clone());
            // On the heap while it reads, and not within each of thousands of listeners that rest.
            Box::pin(async move { ChatEvent::of(&scope, &store, event.map_err(refuse)?).await })
        }))
    }
}

impl ChatEvent {
    async fn of(
        scope: &consigne_foundation::Scope,
        store: &consigne_foundation::store::Store,
        event: events::ChatEvent,
    ) -> Result<Self> {
        let (seq, at) = (i32::try_from(event.seq).unwrap_or(i32::MAX), DateTime(event.at));
        let answer = async |id| look_up(chats::get_answer(scope, store, id).await).map(|a| a.map(Answer::from));
        Ok(match event.what {
            events::Happening::MessagePosted(id) => {
                let message = look_up(chats::message(scope, store, id).await)?.map(Message::from);
                Self::MessagePosted(MessagePosted { seq, at, message })
            }
            events::Happening::MessageRectified(id) => {
                let message = look_up(chats::message(scope, store, id).await)?.map(Message::from);
                Self::MessageRectified(MessageRectified { seq, at, message })
            }
            events::Happening::AnswerStarted(id) => {
                Self::AnswerStarted(AnswerStarted { seq, at, answer_id: id.to_string().into() })
            }
            events::Happening::AnswerDelta(id, text) => {
                Self::AnswerDelta(AnswerDelta { seq, at, answer_id: id.to_string().into(), text })
            }
            events::Happening::AnswerCompleted(id) => {
                Self::AnswerCompleted(AnswerCompleted { seq, at, answer: answer(id).await? })
            }
            events::Happening::AnswerRectified(id) => {
                Self::AnswerRectified(AnswerRectified { seq, at, answer: answer(id).await? })
            }
            events::Happening::AnswerFailed(id) => {
                Self::AnswerFailed(AnswerFailed { seq, at, answer: answer(id).await? })
            }
            events::Happening::HandedOver(_) => {
                Self::ChatHandedOver(ChatHandedOver { seq, at, state: ChatState::WaitingForPerson })
            }
            events::Happening::Taken(_) => {
                Self::ChatHandedOver(ChatHandedOver { seq, at, state: ChatState::WithPerson })
            }
            events::Happening::HandedBack(_) => Self::ChatHandedBack(ChatHandedBack { seq, at }),
            events::Happening::Resolved(_) => Self::ChatResolved(ChatResolved { seq, at }),
        })
    }
}
