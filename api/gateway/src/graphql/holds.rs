//! What may not be erased yet.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::chats;
use consigne_foundation::{
    Error, Permission,
    id::{ChatId, HoldId, SubjectId},
    privacy::holds,
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
};

/// Why something may not be erased yet (GDPR art. 17(3)).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "holds::Ground")]
pub enum HoldGround {
    /// A law says that it has to be kept.
    LegalObligation,
    /// Claims are made, pursued or fought.
    LegalClaims,
    /// Public health, archives, research.
    PublicInterest,
}

/// What keeps a person, or one chat, from being erased.
#[derive(SimpleObject, Clone)]
pub struct Hold {
    /// Its id.
    pub id: ID,
    /// The person, by surrogate id.
    pub subject_id: ID,
    /// The chat that is held; null where the whole person is.
    pub chat_id: Option<ID>,
    /// Why.
    pub ground: HoldGround,
    /// Placed at.
    pub placed_at: DateTime,
    /// Over at, unless it is released before.
    pub ends_at: DateTime,
    /// Released at.
    pub released_at: Option<DateTime>,
}

/// What to hold.
#[derive(InputObject)]
pub struct PlaceHoldInput {
    /// The person.
    pub subject_id: ID,
    /// One chat of theirs; the whole person where left out.
    pub chat_id: Option<ID>,
    /// Why.
    pub ground: HoldGround,
    /// Until when.
    pub ends_at: DateTime,
}

/// Which hold to release.
#[derive(InputObject)]
pub struct ReleaseHoldInput {
    /// The hold.
    pub hold_id: ID,
}

/// The hold, or why nothing was changed.
#[derive(SimpleObject)]
pub struct HoldPayload {
    /// The hold.
    pub hold: Option<Hold>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Reading holds.
#[derive(Default)]
pub struct HoldQuery;

#[Object]
impl HoldQuery {
    /// Holds of the workspace, newest first, at most 500.
    async fn holds(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of one person; all where left out.")] subject_id: Option<ID>,
    ) -> Result<Vec<Hold>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let subject = subject_id.map(|id| SubjectId::parse_or_unknown(&id));
        let all = holds::list(&scope, &ctx.services().privacy, subject).await.map_err(refuse)?;
        Ok(all.into_iter().map(Hold::from).collect())
    }
}

/// Placing and releasing holds.
#[derive(Default)]
pub struct HoldMutation;

#[Object]
impl HoldMutation {
    /// Keeps a person, or one chat, from being erased until a day, on a ground. An erasure that meets it is `INCOMPLETE`.
    async fn place_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: PlaceHoldInput,
    ) -> Result<HoldPayload> {
        let scope = ctx.scope(Permission::PrivacyErase)?;
        let subject = SubjectId::parse_or_unknown(&input.subject_id);
        let privacy = &ctx.services().privacy;
        let placed = async {
            let item = match input.chat_id {
                Some(chat) => {
                    let chat = chats::get(&scope, ctx.store(), ChatId::parse_or_unknown(&chat)).await?;
                    if chat.subject != subject {
                        return Err(Error::not_found("chat"));
                    }
                    holds::Item::Chat(chat.id.0)
                }
                None => holds::Item::Person,
            };
            holds::place(&scope, privacy, subject, item, input.ground.into(), input.ends_at.into()).await
        };
        let (hold, user_errors) = split(placed.await)?;
        Ok(HoldPayload { hold: hold.map(Hold::from), user_errors })
    }

    /// Releases a hold. An erasure that waited for it goes on by itself.
    async fn release_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ReleaseHoldInput,
    ) -> Result<HoldPayload> {
        let scope = ctx.scope(Permission::PrivacyErase)?;
        let id = HoldId::parse_or_unknown(&input.hold_id);
        let (hold, user_errors) = split(holds::release(&scope, &ctx.services().privacy, id).await)?;
        Ok(HoldPayload { hold: hold.map(Hold::from), user_errors })
    }
}

impl From<holds::Hold> for Hold {
    fn from(hold: holds::Hold) -> Self {
        let chat_id = match hold.item {
            holds::Item::Chat(chat) => Some(ChatId(chat).to_string().into()),
            holds::Item::Person => None,
        };
        Self {
            id: hold.id.to_string().into(),
            subject_id: hold.subject.to_string().into(),
            chat_id,
            ground: hold.ground.into(),
            placed_at: hold.placed_at.into(),
            ends_at: hold.ends_at.into(),
            released_at: hold.released_at.map(DateTime::from),
        }
    }
}
