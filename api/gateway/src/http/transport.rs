//! The one way every operation takes, whatever brought it: authenticate, charge, guard, execute, mask, count.

use std::{future::Future, num::NonZeroU32, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use consigne_foundation::identity::Whence;
use futures::{FutureExt, StreamExt, stream::BoxStream};
use tracing::Instrument;

use super::{
    answer::{Answer, Kind},
    executor::{Caller, Ended, Executor},
    metrics::Metrics,
};
use crate::{
    graphql::request::{
        Admitted, CallerClass, OperationKind, Parameters, RateLimits, Rates, Refusal, RequestGuard, Stage, Standing,
    },
    telemetry::{Stopwatch, new_reference},
};

/// Points for a request about personal data that comes as a form: those of the mutation.
const FORM: NonZeroU32 = NonZeroU32::new(110).expect("it is not zero");

/// Points for opening a socket.
const SOCKET: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// Sizes and times of the transports.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of a request body, and of a WebSocket message.
    pub body_bytes: usize,
    /// Until a request body has arrived, and until a token is checked.
    pub arrival: Duration,
    /// Until a query is answered.
    pub query: Duration,
    /// Until a mutation is answered. It is finished even then, but nobody waits for it.
    pub mutation: Duration,
    /// Without a sign of life from a client: a message or a pong on a socket, room for more on a stream.
    pub client_idle: Duration,
    /// Until a socket has sent `connection_init`.
    pub init: Duration,
    /// Between two pings of a socket.
    pub socket_keep_alive: Duration,
    /// Between two comments on a stream of events.
    pub stream_keep_alive: Duration,
    /// Operations at once on a socket.
    pub operations_per_socket: usize,
    /// Messages from a client between two pings.
    pub messages_per_keep_alive: u32,
    /// Whether a proxy in front says where requests come from (`X-Forwarded-For`).
    pub is_behind_proxy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            arrival: Duration::from_secs(10),
            query: Duration::from_secs(10),
            mutation: Duration::from_secs(30),
            client_idle: Duration::from_secs(120),
            init: Duration::from_secs(3),
            socket_keep_alive: Duration::from_secs(20),
            stream_keep_alive: Duration::from_secs(12),
            operations_per_socket: 20,
            messages_per_keep_alive: 600,
            is_behind_proxy: false,
        }
    }
}

/// What a client shows of itself.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The whole header: `Bearer ..`.
    pub authorization: Option<String>,
    /// The page's origin, if a browser sent one.
    pub origin: Option<String>,
    /// From where.
    pub whence: Whence,
}

/// An operation that was admitted and paid for.
#[derive(Debug)]
pub struct Permit {
    /// The operation.
    pub admitted: Admitted,
    /// How the caller stands after it.
    pub standing: Standing,
}

/// The way operations take.
pub struct Transport {
    /// The schema's side.
    pub executor: Arc<dyn Executor>,
    /// What is refused before execution.
    pub guard: RequestGuard,
    /// Sizes and times.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    rates: RateLimits,
}

impl Transport {
    /// A way to this executor.
    pub fn new(
        executor: Arc<dyn Executor>,
        guard: RequestGuard,
        rates: &Rates,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { executor, guard, settings, metrics, rates: RateLimits::new(rates) }
    }

    /// Finds out who asks.
    ///
    /// # Errors
    /// As [`Executor::authenticate`]; `INTERNAL` if it panics; `TIMEOUT` if it takes too long.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, Refusal> {
        let (executor, credentials) = (self.executor.clone(), credentials.clone());
        let work = async move { executor.authenticate(&credentials).await };
        let result = apart(self.settings.arrival, work).await.and_then(|result| result);
        result.inspect_err(|refusal| self.metrics.refused(None, outcome_of(refusal.stage)))
    }

    /// Charges the caller for opening a socket, as for a mutation.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn admit_socket(&self, caller: &Caller) -> Result<(), Refusal> {
        let result = self.rates.charge(caller.class, caller.key, SOCKET).map(drop);
        result.inspect_err(|refusal| self.metrics.refused(None, outcome_of(refusal.stage)))
    }

    /// Charges the public for a change that comes as a form, as for a mutation.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn admit_public_change(&self) -> Result<(), Refusal> {
        let result = self.rates.charge(CallerClass::Public, 0, FORM).map(drop);
        result.inspect_err(|refusal| self.metrics.refused(None, outcome_of(refusal.stage)))
    }

    /// Charges the caller and measures the operation.
    ///
    /// # Errors
    /// A limit is passed, or the caller has no points left.
    pub fn admit(&self, caller: &Caller, parameters: Parameters) -> Result<Permit, Refusal> {
        let result = self.charge_and_admit(caller, parameters);
        result.inspect_err(|refusal| self.metrics.refused(None, outcome_of(refusal.stage)))
    }

    /// The first point is for asking: a refused document costs one too.
    fn charge_and_admit(&self, caller: &Caller, parameters: Parameters) -> Result<Permit, Refusal> {
        let mut standing = self.rates.charge(caller.class, caller.key, NonZeroU32::MIN)?;
        let admitted = self.guard.admit(caller.class, parameters)?;
        if let Some(rest) = NonZeroU32::new(admitted.cost - 1) {
            standing = self.rates.charge(caller.class, caller.key, rest)?;
        }
        Ok(Permit { admitted, standing })
    }

    /// Executes a query or a mutation. A client that leaves, or a time-out, does not stop it halfway: it runs apart.
    pub async fn answer(&self, caller: &Caller, admitted: Admitted) -> Answer {
        let watch = Stopwatch::start();
        let kind = admitted.kind;
        let limit = match kind {
            OperationKind::Mutation => self.settings.mutation,
            OperationKind::Query | OperationKind::Subscription => self.settings.query,
        };
        let (executor, caller) = (self.executor.clone(), caller.clone());
        let sees_schema = self.guard.may_introspect(caller.class);
        let work = async move { executor.execute(&caller, admitted.request).await };
        let answer = match apart(limit, work).await {
            Ok(response) => Answer::from_response(response, sees_schema),
            Err(refusal) => refusal.into(),
        };
        self.metrics.answered(kind, outcome(&answer), watch.seconds());
        answer
    }

    /// Executes any operation as a stream: a subscription until it ends or the caller's session does, another once.
    pub fn listen(self: &Arc<Self>, caller: Caller, admitted: Admitted) -> BoxStream<'static, Answer> {
        let this = self.clone();
        if admitted.kind != OperationKind::Subscription {
            return async move { this.answer(&caller, admitted).await }.into_stream().boxed();
        }
        let sees_schema = this.guard.may_introspect(caller.class);
        async_stream::stream! {
            let open = AssertUnwindSafe(|| this.executor.stream(&caller, admitted.request));
            let Ok(responses) = std::panic::catch_unwind(open) else {
                yield panicked().into();
                return;
            };
            let mut responses = AssertUnwindSafe(responses).catch_unwind();
            let mut ended = caller.watch.clone();
            let watch = Stopwatch::start();
            let mut last = "ok";
            loop {
                let answer = tokio::select! {
                    ended = &mut ended => {
                        yield session_ended(ended).into();
                        break;
                    }
                    response = responses.next() => match response {
                        Some(Ok(response)) => Answer::from_response(response, sees_schema),
                        Some(Err(_)) => panicked().into(),
                        None => break,
                    },
                };
                last = outcome(&answer);
                let is_last = !answer.is_executed();
                yield answer;
                if is_last {
                    break;
                }
            }
            this.metrics.answered(OperationKind::Subscription, last, watch.seconds());
        }
        .boxed()
    }
}

/// Runs work in a task of its own, so that neither a client that leaves nor a time-out cancels it halfway through a
/// transaction, and so that a panic in it stays there.
async fn apart<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Refusal> {
    let task = tokio::spawn(work.in_current_span());
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(panicked()),
        Err(_) => {
            Err(Refusal::transport(504, "TIMEOUT", format!("This took longer than the {} s allowed.", limit.as_secs())))
        }
    }
}

/// The panic hook has logged where; the reference ties the answer to the log.
fn panicked() -> Refusal {
    let reference = new_reference();
    tracing::error!(reference, "an operation panicked");
    Refusal::internal(reference)
}

fn session_ended(ended: Ended) -> Refusal {
    Refusal::unauthenticated(match ended {
        Ended::Expired => "The token has expired.",
        Ended::Revoked => "The session has ended.",
    })
}

fn outcome(answer: &Answer) -> &'static str {
    match answer.kind {
        Kind::Executed if answer.response.errors.is_empty() => "ok",
        Kind::Executed => "errors",
        Kind::Refused(stage) => outcome_of(stage),
    }
}

fn outcome_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Transport(401 | 403) => "unauthenticated",
        Stage::Transport(429) => "rate_limited",
        Stage::Transport(504) => "timeout",
        Stage::Transport(500..) => "internal",
        Stage::Document | Stage::Transport(_) => "refused",
    }
}
