//! What happens to requests about personal data, as a stream that resumes: for whoever has their inbox open.

use async_graphql::{Context, Enum, Result, SimpleObject, Subscription};
use consigne_foundation::{
    Permission, Scope,
    privacy::requests::{self, events},
    store::Store,
};
use futures::{Stream, StreamExt};

use super::{
    context::ContextExt,
    error::{look_up, refuse},
    privacy_requests::PrivacyRequest,
    scalars::DateTime,
};

/// What happened to a request.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "events::Kind")]
pub enum PrivacyRequestEventKind {
    /// It came.
    Received,
    /// It is known who asks.
    Verified,
    /// The data protection officer was told.
    Forwarded,
    /// Somebody works on it.
    Taken,
    /// It is known whose data it is about.
    Linked,
    /// The period was extended.
    Extended,
    /// A deadline is near or was missed.
    Alarm,
    /// It was served.
    Fulfilled,
    /// It was refused.
    Refused,
    /// Whoever asked took it back.
    Withdrawn,
    /// The person was taken out of it, 30 days after it was closed.
    Blanked,
}

/// Something that happened to a request about personal data.
#[derive(SimpleObject, Clone)]
pub struct PrivacyRequestEvent {
    /// The event's number; pass it as `after` to resume behind it.
    pub seq: i32,
    /// Happened at.
    pub at: DateTime,
    /// What happened.
    pub kind: PrivacyRequestEventKind,
    /// The request, as it stands now.
    pub privacy_request: Option<PrivacyRequest>,
}

/// Listening to requests.
#[derive(Default)]
pub struct PrivacyRequestSubscription;

#[Subscription]
impl PrivacyRequestSubscription {
    /// Listens to what happens to requests about personal data; `after` resumes behind the last event seen, so nothing is missed
    /// or repeated. Events are kept for thirty days.
    async fn privacy_request_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The last event's `seq` seen; all that is kept where left out.")] after: Option<i32>,
    ) -> Result<impl Stream<Item = Result<PrivacyRequestEvent>> + use<>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let store = ctx.store().clone();
        let events = events::listen(scope.clone(), store.clone(), i64::from(after.unwrap_or(0)));
        Ok(events.then(move |event| {
            let (scope, store) = (scope.clone(), store.clone());
            async move { PrivacyRequestEvent::of(&scope, &store, event.map_err(refuse)?).await }
        }))
    }
}

impl PrivacyRequestEvent {
    async fn of(scope: &Scope, store: &Store, event: events::RequestEvent) -> Result<Self> {
        Ok(Self {
            seq: i32::try_from(event.seq).unwrap_or(i32::MAX),
            at: event.at.into(),
            kind: event.kind.into(),
            privacy_request: look_up(requests::get(scope, store, event.request).await)?.map(PrivacyRequest::from),
        })
    }
}
