//! Every lasting object has an id of its own and can be asked for by it.

use async_graphql::{Context, ID, Interface, Object, Result};
use consigne_assistant::{
    assistants, chats, escalations,
    knowledge::{documents, sources},
};
use consigne_foundation::{
    Permission, Scope,
    id::{AnswerId, AssistantId, ChatId, DocumentId, ErasureId, EscalationId, MessageId, SourceId},
    privacy::erasure,
};

use super::{
    chats::{Answer, Chat, Message},
    context::ContextExt,
    error::look_up,
    escalations::Escalation,
    knowledge::Document,
    privacy::Erasure,
    sources::Source,
    workspaces::Assistant,
};

/// An object that lasts, with an id that is unique among all objects.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID", desc = "Its id, unique among all objects."))]
pub enum Node {
    /// An assistant.
    Assistant(Assistant),
    /// A document.
    Document(Document),
    /// A source of documents.
    Source(Source),
    /// A chat.
    Chat(Chat),
    /// A message.
    Message(Message),
    /// An answer.
    Answer(Answer),
    /// An erasure.
    Erasure(Erasure),
    /// An escalation.
    Escalation(Escalation),
}

/// Looking up by id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this id; null where it is unknown, malformed, or not yours to see.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "The id of any object.")] id: ID) -> Result<Option<Node>> {
        let scope = ctx.somebody()?;
        let kind = id.split('_').next().unwrap_or_default();
        match kind {
            AssistantId::PREFIX => {
                let found = assistants::get(&scope, ctx.store(), AssistantId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|a| Node::Assistant(Assistant::seen_by(&scope, a))))
            }
            DocumentId::PREFIX if may(&scope, Permission::KnowledgeRead) => {
                let found = documents::get(&scope, ctx.store(), DocumentId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|d| Node::Document(d.into())))
            }
            SourceId::PREFIX if may(&scope, Permission::KnowledgeRead) => {
                let found = sources::get(&scope, ctx.store(), SourceId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|s| Node::Source(s.into())))
            }
            ChatId::PREFIX => {
                let found = chats::get(&scope, ctx.store(), ChatId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|c| Node::Chat(c.into())))
            }
            MessageId::PREFIX => {
                let found = chats::message(&scope, ctx.store(), MessageId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|m| Node::Message(m.into())))
            }
            AnswerId::PREFIX => {
                let found = chats::get_answer(&scope, ctx.store(), AnswerId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|a| Node::Answer(a.into())))
            }
            ErasureId::PREFIX => {
                let found = erasure::get(&scope, &ctx.services().privacy, ErasureId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|e| Node::Erasure(e.into())))
            }
            EscalationId::PREFIX if may(&scope, Permission::ChatsRead) => {
                let found = escalations::get(&scope, ctx.store(), EscalationId::parse_or_unknown(&id)).await;
                Ok(seen(found)?.map(|e| Node::Escalation(e.into())))
            }
            _ => Ok(None),
        }
    }
}

fn may(scope: &Scope, permission: Permission) -> bool {
    scope.permissions().has(permission)
}

/// What may not be seen is unknown.
fn seen<T>(result: consigne_foundation::Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == consigne_foundation::ErrorKind::Forbidden => Ok(None),
        other => look_up(other),
    }
}
