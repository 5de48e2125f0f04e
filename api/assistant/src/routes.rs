//! Ways to a model, in the order that is wanted, and never past what the workspace allows.
//!
//! A route is a plugin under the settings that hold, with the facts of who processes where. A call goes to the first that
//! the workspace's policy allows, that is not known to be down, and that its budget covers; to the next where that one is
//! not available before it said anything. Each call is charged before and settled after ([`usage`]).
//!
//! Invariants, as absences:
//! - Nothing reaches a region that the workspace does not allow: a route that is not allowed is not opened, not even when
//!   all others are down.
//! - Nothing is repeated elsewhere once a piece of the answer was handed on.

mod breaker;

use std::sync::{Arc, Mutex, PoisonError};

use consigne_foundation::{
    Error, ErrorKind, Result, Scope,
    id::SubjectId,
    plugins::{Registry, RouteFacts},
    store::Store,
};
use consigne_sdk::{
    CapabilityKind, ChatDelta, ChatModel, ChatRequest, ChatStream, Corrector, PluginErrorKind, PromptMessage,
};
use futures::StreamExt;

use self::breaker::Breakers;
use crate::{
    chats::answer::Disclosure,
    policy::{self, Policy},
    usage::{self, Charge, Kind, Tokens},
};

/// A token is at least this many bytes of most texts; a charge is settled by what the other side counts.
const BYTES_OF_A_TOKEN: usize = 3;

/// The field of the error that says that no route is allowed.
pub(crate) const NOT_ALLOWED: &str = "transfers";

/// The ways to models. Cheap to clone; clones know together who is down.
#[derive(Clone)]
pub struct Routes {
    registry: Arc<Registry>,
    store: Store,
    breakers: Arc<Breakers>,
}

/// The way to a corrector.
pub(crate) struct CorrectorRoute {
    pub corrector: Arc<dyn Corrector>,
    pub facts: RouteFacts,
}

/// The ways to a chat model, for one answer.
pub(crate) struct ChatRoutes {
    routes: Routes,
    scope: Scope,
    /// Whom the texts are about.
    about: Option<SubjectId>,
    candidates: Vec<(Arc<dyn ChatModel>, RouteFacts)>,
    served: Mutex<Option<Disclosure>>,
}

impl Routes {
    /// To what the registry knows.
    pub fn new(registry: Arc<Registry>, store: Store) -> Self {
        Self { registry, store, breakers: Arc::default() }
    }

    /// The ways to these plugins that the workspace allows, in their order, for texts about this person.
    ///
    /// # Errors
    /// `PurposeRefused` where the workspace revoked the purpose of answering; `Misconfigured` where it uses none of them;
    /// `Invalid` for the field `transfers` where it allows none; else why the first of them cannot be opened.
    pub(crate) async fn chat(&self, scope: &Scope, plugins: &[String], about: Option<SubjectId>) -> Result<ChatRoutes> {
        let transfers = self.policy(scope).await?.transfers;
        let (mut candidates, mut failure, mut forbidden) = (Vec::new(), None, false);
        for plugin in plugins {
            match self.registry.chat_route(scope, &self.store, plugin).await {
                Err(error) if error.kind() == ErrorKind::PurposeRefused => return Err(error),
                Ok((model, facts)) if transfers.allows(&facts.processing) => candidates.push((model, facts)),
                Ok(_) => forbidden = true,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if candidates.is_empty() {
            return Err(match failure {
                _ if forbidden => not_allowed(),
                Some(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Disabled) => error,
                _ => {
                    Error::new(ErrorKind::Misconfigured, "The assistant's chat model is not in use in this workspace.")
                }
            });
        }
        Ok(ChatRoutes { routes: self.clone(), scope: scope.clone(), about, candidates, served: Mutex::default() })
    }

    /// The way to the workspace's corrector.
    ///
    /// # Errors
    /// `Disabled` where it uses none; `Invalid` for the field `transfers` where it does not allow it; `Unavailable` while
    /// it is known to be down.
    pub(crate) async fn corrector(&self, scope: &Scope, policy: &Policy) -> Result<CorrectorRoute> {
        let plugin = match &policy.corrector {
            Some(plugin) => plugin.clone(),
            None => {
                let used = self.registry.used(scope, &self.store, CapabilityKind::Corrector).await?;
                used.first().map(|id| (*id).to_owned()).ok_or_else(no_corrector)?
            }
        };
        let opened = self.registry.corrector_route(scope, &self.store, &plugin).await;
        let (corrector, facts) = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Disabled => no_corrector(),
            _ => error,
        })?;
        if !policy.transfers.allows(&facts.processing) {
            return Err(not_allowed());
        }
        if !self.breakers.admits(scope.workspace(), facts.plugin, self.store.now()) {
            return Err(down(facts.plugin));
        }
        Ok(CorrectorRoute { corrector, facts })
    }

    /// What became of a call, for the next ones.
    pub(crate) fn note(&self, scope: &Scope, facts: &RouteFacts, failed: Option<PluginErrorKind>) {
        let counts = matches!(
            failed,
            Some(PluginErrorKind::Unavailable | PluginErrorKind::InvalidResponse | PluginErrorKind::RateLimited(_))
        );
        if counts {
            self.breakers.failed(scope.workspace(), facts.plugin, self.store.now());
        } else {
            self.breakers.worked(scope.workspace(), facts.plugin);
        }
    }

    async fn policy(&self, scope: &Scope) -> Result<Policy> {
        policy::current(&self.store.read(scope).await?).await
    }
}

impl ChatRoutes {
    /// Starts an answer on the first route that has one.
    ///
    /// # Errors
    /// `Unavailable` or `RateLimited` where none of them has; `LimitExceeded` where the budget does not cover it; what a
    /// route refuses, at once.
    pub(crate) async fn answer(&self, request: ChatRequest) -> Result<ChatStream> {
        let read = request.messages.iter().map(|turn| turn.content.len()).sum::<usize>();
        let most = Tokens { input: tokens_of(read), output: request.max_tokens };
        let call = |model: Arc<dyn ChatModel>| {
            let request = request.clone();
            async move { model.answer(request).await }
        };
        let (stream, facts, model, charge) = self.first(most, call).await?;
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(disclosure_of(&facts, &model));
        Ok(self.settled(stream, charge))
    }

    /// Says a short text for the product's own work on a question, as [`ChatModel::say`].
    ///
    /// # Errors
    /// As [`ChatRoutes::answer`].
    pub(crate) async fn say(&self, messages: Vec<PromptMessage>, max_tokens: u32) -> Result<Option<String>> {
        let read = messages.iter().map(|turn| turn.content.len()).sum::<usize>();
        let most = Tokens { input: tokens_of(read), output: max_tokens };
        let call = |model: Arc<dyn ChatModel>| {
            let messages = messages.clone();
            async move { model.say(messages, max_tokens).await }
        };
        // What it used is not said; the charge stays.
        Ok(self.first(most, call).await?.0)
    }

    /// Who served the answer; before it began, who would.
    pub(crate) fn disclosure(&self) -> Disclosure {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (model, facts) = &self.candidates[0];
        served.unwrap_or_else(|| disclosure_of(facts, model.model_name()))
    }

    async fn first<T, F: Future<Output = consigne_sdk::Result<T>>>(
        &self,
        most: Tokens,
        call: impl Fn(Arc<dyn ChatModel>) -> F,
    ) -> Result<(T, RouteFacts, String, Charge)> {
        let (store, scope) = (&self.routes.store, &self.scope);
        let mut failure = None;
        for (model, facts) in &self.candidates {
            if !self.routes.breakers.admits(scope.workspace(), facts.plugin, store.now()) {
                failure = failure.or_else(|| Some(down(facts.plugin)));
                continue;
            }
            let charge = self.apart(charge(scope.clone(), store.clone(), facts.clone(), most, self.about)).await??;
            match call(model.clone()).await {
                Ok(begun) => {
                    self.routes.note(scope, facts, None);
                    return Ok((begun, facts.clone(), model.model_name().to_owned(), charge));
                }
                Err(error) => {
                    self.routes.note(scope, facts, Some(error.kind));
                    self.apart(settle(scope.clone(), store.clone(), charge, Some(Tokens::default()))).await?;
                    let elsewhere = error.is_retryable() || error.kind == PluginErrorKind::InvalidResponse;
                    if !elsewhere {
                        return Err(error.into());
                    }
                    tracing::info!(plugin = facts.plugin, kind = ?error.kind, "a route failed");
                    failure = Some(error.into());
                }
            }
        }
        Err(failure.unwrap_or_else(|| down("none")))
    }

    /// Runs what writes as a task of its own: whoever waits for an answer writes too, and may stop polling this in the middle
    /// of a transaction that they wait for.
    async fn apart<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        tokio::spawn(work).await.map_err(|_| Error::internal("a charge ended early"))
    }

    /// The stream, whose charge is settled at its end. Dropped before, it leaves the charge.
    fn settled(&self, mut stream: ChatStream, charge: Charge) -> ChatStream {
        let (store, scope) = (self.routes.store.clone(), self.scope.clone());
        let settled = async_stream::try_stream! {
            let (mut used, mut charge) = (None, Some(charge));
            while let Some(delta) = stream.next().await {
                let delta = delta?;
                if let ChatDelta::Usage { input_tokens, output_tokens } = delta {
                    used = Some(Tokens { input: input_tokens, output: output_tokens });
                }
                // Nothing follows what ends the stream, and nobody may ask for it.
                if delta == ChatDelta::NotInKnowledge && let Some(charge) = charge.take() {
                    let _ = tokio::spawn(settle(scope.clone(), store.clone(), charge, used)).await;
                }
                yield delta;
            }
            if let Some(charge) = charge {
                let _ = tokio::spawn(settle(scope, store, charge, used)).await;
            }
        };
        settled.boxed()
    }
}

async fn charge(
    scope: Scope,
    store: Store,
    facts: RouteFacts,
    most: Tokens,
    about: Option<SubjectId>,
) -> Result<Charge> {
    usage::charge(&scope, &store, Kind::Answer(about), &facts, most, None).await
}

/// An answer is not lost because its numbers could not be written; the charge stays then.
async fn settle(scope: Scope, store: Store, charge: Charge, used: Option<Tokens>) {
    if let Err(error) = usage::settle(&scope, &store, charge, used).await {
        tracing::warn!(kind = ?error.kind(), "a charge was not settled");
    }
}

/// The facts of a route, as they are shown.
pub(crate) fn disclosure_of(facts: &RouteFacts, model: &str) -> Disclosure {
    let processing = &facts.processing;
    Disclosure {
        plugin: facts.plugin.to_owned(),
        model: model.to_owned(),
        operator: processing.operator.clone(),
        region: processing.region.code(),
        safeguard: processing.safeguard.code().to_owned(),
        retention: processing.retention.code(),
    }
}

/// How many tokens a text of so many bytes has at most, for usual texts.
pub(crate) fn tokens_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_OF_A_TOKEN)).unwrap_or(u32::MAX)
}

fn not_allowed() -> Error {
    Error::invalid(NOT_ALLOWED, "The workspace allows no text into the region of this model.")
}

fn no_corrector() -> Error {
    Error::new(ErrorKind::Disabled, "This workspace uses no plugin that corrects texts.")
}

fn down(plugin: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("The plugin {plugin} failed several times in a row and is left alone."))
}
