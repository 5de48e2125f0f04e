//! The schema's side of the transports: who asks, and what the schema answers.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_graphql::{Request, Response, dataloader::DataLoader};
use async_trait::async_trait;
use consigne_foundation::{
    ErrorKind, Timestamp,
    alerts::Rule,
    id::WorkspaceId,
    identity::{self, Authenticated, AuthenticatedAs, Recognized, api_keys},
    scope::Actor,
    store::{Notice, Store, Topic},
};
use futures::{FutureExt, StreamExt, stream::BoxStream};
use tokio::task_local;

use super::{
    Schema, Services,
    context::Asking,
    loaders::{CitationLoader, DocumentLoader},
    request::{CallerClass, Refusal},
};
use crate::http::{Caller, Ended, Executor, transport::Credentials};

/// Whoever holds a stream open is looked at again this often, besides at every notice of a revocation.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long the list of origins is relied on.
const ORIGINS_LIVE: Duration = Duration::from_secs(10);

task_local! {
    /// Where the caller of the operation under way is.
    static SEEKER: (Store, Option<WorkspaceId>);
}

/// Notes that the caller named something that their workspace does not have.
pub(super) fn sought_in_vain() {
    let _outside_of_an_operation =
        SEEKER.try_with(|(store, workspace)| store.signals().count(Rule::UnknownIds, *workspace));
}

/// Executes against the schema.
pub struct SchemaExecutor {
    schema: Schema,
    store: Store,
    recognized: Recognized,
    origins: Mutex<Option<(Timestamp, Arc<HashSet<String>>)>>,
}

impl SchemaExecutor {
    /// Over these services.
    pub fn new(services: Services) -> Self {
        let store = services.store.clone();
        Self {
            schema: super::builder().data(services).finish(),
            store,
            recognized: Recognized::default(),
            origins: Mutex::default(),
        }
    }

    fn prepare(&self, caller: &Caller, request: Request) -> Request {
        let asking = caller.data.downcast_ref::<Asking>().cloned().unwrap_or_default();
        let request = match &asking.scope {
            Some(scope) => {
                let documents = DocumentLoader { scope: scope.clone(), store: self.store.clone() };
                let citations = CitationLoader { scope: scope.clone(), store: self.store.clone() };
                request.data(DataLoader::new(documents, tokio::spawn)).data(DataLoader::new(citations, tokio::spawn))
            }
            None => request,
        };
        request.data(asking)
    }
}

#[async_trait]
impl Executor for SchemaExecutor {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, Refusal> {
        let authorization = credentials.authorization.as_deref();
        let somebody = self.recognized.authenticate(&self.store, authorization).await.map_err(refusal)?;
        let (origin, whence) = (credentials.origin.clone(), credentials.whence.clone());
        let Some(somebody) = somebody else {
            return Ok(Caller::new(CallerClass::Public, 0, Arc::new(Asking { scope: None, origin, whence })));
        };
        let class = match somebody.kind {
            AuthenticatedAs::Visitor | AuthenticatedAs::Person => CallerClass::Visitor,
            AuthenticatedAs::Member(_) | AuthenticatedAs::ApiKey => CallerClass::Member,
        };
        let key = match somebody.scope.actor() {
            Actor::Member { account, .. } => account.0.as_u128(),
            Actor::ApiKey(key) => key.0.as_u128(),
            Actor::Visitor { visitor, .. } => visitor.0.as_u128(),
            Actor::Person { request, .. } => request.0.as_u128(),
            Actor::Duty(_) => 0,
        };
        let asking = Asking { scope: Some(somebody.scope.clone()), origin, whence };
        let ended = ended(self.store.clone(), authorization.unwrap_or_default().to_owned(), somebody);
        Ok(Caller::new(class, key, Arc::new(asking)).until(ended))
    }

    async fn execute(&self, caller: &Caller, request: Request) -> Response {
        let asking = caller.data.downcast_ref::<Asking>().and_then(|asking| asking.scope.as_ref());
        let workspace = asking.map(|scope| scope.workspace());
        SEEKER.scope((self.store.clone(), workspace), self.schema.execute(self.prepare(caller, request))).await
    }

    fn stream(&self, caller: &Caller, request: Request) -> BoxStream<'static, Response> {
        self.schema.execute_stream(self.prepare(caller, request)).boxed()
    }

    async fn allowed_origin(&self, origin: &str) -> bool {
        let known = self.origins.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let origins = match known {
            Some((read_at, origins)) if self.store.now() < read_at.plus(ORIGINS_LIVE) => origins,
            _ => {
                let Ok(read) = api_keys::origins(&self.store).await else { return false };
                let read = Arc::new(read);
                *self.origins.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.store.now(), read.clone()));
                read
            }
        };
        origins.contains(origin)
    }
}

/// Resolves when the token ends, or what stands behind it does: its session, key or person; and when it allows something
/// else than it did.
async fn ended(store: Store, authorization: String, somebody: Authenticated) -> Ended {
    let Authenticated { scope, expires_at, rests_on, .. } = somebody;
    // Listening begins before the first look, so that no revocation falls between.
    let mut notices = store.notices().listen(rests_on.into_iter().map(|id| Notice { topic: Topic::Session, id }));
    let mut is_first = true;
    loop {
        let left = Duration::from_millis((expires_at.0 - store.now().0).max(0).unsigned_abs());
        if left.is_zero() {
            return Ended::Expired;
        }
        if !std::mem::take(&mut is_first) {
            notices.wait(left.min(LOOK_EVERY)).await;
        }
        match identity::authenticate::look_again(&store, Some(&authorization)).boxed().await {
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                let is_expired = store.now() >= expires_at;
                return if is_expired { Ended::Expired } else { Ended::Revoked };
            }
            Ok(Some(now)) if now.scope.permissions() != scope.permissions() => return Ended::Expired,
            // A database that is down for a moment ends nobody's stream.
            Ok(_) | Err(_) => {}
        }
    }
}

fn refusal(error: consigne_foundation::Error) -> Refusal {
    match error.kind() {
        ErrorKind::Unauthenticated => Refusal::unauthenticated(error.message()),
        ErrorKind::Forbidden => Refusal::forbidden(error.message()),
        ErrorKind::Unavailable => Refusal::transport(503, "TEMPORARILY_UNAVAILABLE", error.message()),
        _ => {
            let reference = crate::telemetry::new_reference();
            tracing::error!(reference, ?error, "authentication failed");
            Refusal::internal(reference)
        }
    }
}
