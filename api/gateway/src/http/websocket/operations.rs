//! The operations of one socket, side by side.

use std::{collections::HashMap, future, sync::Arc};

use futures::{
    StreamExt,
    stream::{AbortHandle, BoxStream, SelectAll, abortable},
};

use super::super::transport::{Credentials, Transport};
use crate::{
    graphql::request::{Parameters, Stage},
    http::answer::Answer,
    telemetry::{OperationFacts, log_socket_operation},
};

/// What an operation has to say.
pub(super) enum Event {
    /// A result, as JSON.
    Next(String, String),
    /// It was not executed, or not any more: the errors, as JSON.
    Error(String, String),
    /// There is nothing more.
    Complete(String),
    /// The caller may not go on.
    Forbidden,
}

/// The operations that run. Each is gone when its stream ends, or at once when it is stopped.
pub(super) struct Operations {
    transport: Arc<Transport>,
    running: HashMap<String, AbortHandle>,
    events: SelectAll<BoxStream<'static, Event>>,
}

impl Operations {
    pub(super) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, running: HashMap::new(), events: SelectAll::new() }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Authenticates again, admits and runs.
    pub(super) fn start(&mut self, id: String, credentials: Credentials, parameters: Parameters) {
        let (events, handle) = abortable(run(self.transport.clone(), id.clone(), credentials, parameters));
        self.running.insert(id, handle);
        self.events.push(events.boxed());
    }

    /// The client wants no more of it.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(handle) = self.running.remove(id) {
            handle.abort();
        }
    }

    /// It has ended by itself; the id is free.
    pub(super) fn forget(&mut self, id: &str) {
        self.running.remove(id);
    }

    /// The next thing any of them has to say; waits for ever where there is none.
    pub(super) async fn next(&mut self) -> Event {
        match self.events.next().await {
            Some(event) => event,
            None => future::pending().await,
        }
    }
}

fn run(
    transport: Arc<Transport>,
    id: String,
    credentials: Credentials,
    parameters: Parameters,
) -> BoxStream<'static, Event> {
    async_stream::stream! {
        let caller = match transport.authenticate(&credentials).await {
            Ok(caller) => caller,
            Err(refusal) if matches!(refusal.stage, Stage::Transport(401 | 403)) => {
                yield Event::Forbidden;
                return;
            }
            Err(refusal) => {
                yield Event::Error(id, Answer::from(refusal).errors_to_json());
                return;
            }
        };
        let admitted = match transport.admit(&caller, parameters) {
            Ok(permit) => permit.admitted,
            Err(refusal) => {
                log_socket_operation(None, refusal.code);
                yield Event::Error(id, Answer::from(refusal).errors_to_json());
                return;
            }
        };
        log_socket_operation(Some(&OperationFacts::of(&admitted)), "ADMITTED");
        let mut answers = transport.listen(caller, admitted);
        while let Some(answer) = answers.next().await {
            if !answer.is_executed() {
                yield Event::Error(id, answer.errors_to_json());
                return;
            }
            yield Event::Next(id.clone(), answer.to_json());
        }
        yield Event::Complete(id);
    }
    .boxed()
}
