//! GraphQL over server-sent events, distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>): `POST /graphql/stream`, and `POST /graphql`
//! where `text/event-stream` is accepted.
//!
//! What is wrong with the document is told in a `next` event; what is wrong with the request or the caller is an HTTP
//! status. A client that leaves, or does not read for long, ends its operation.

use std::{convert::Infallible, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY},
    web::{self, Bytes},
};
use futures::{StreamExt, stream, stream::BoxStream};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tracing::Instrument;

use super::{answer::Answer, graphql, media::Json, transport::Transport};
use crate::graphql::request::{Stage, Standing};

/// Events that wait for a client to read.
const WAITING: usize = 16;

/// Answers one operation as a stream of events.
pub async fn post(request: HttpRequest, payload: web::Payload, transport: web::Data<Transport>) -> HttpResponse {
    respond(&request, payload, &transport.into_inner()).await
}

pub(super) async fn respond(request: &HttpRequest, payload: web::Payload, transport: &Arc<Transport>) -> HttpResponse {
    match graphql::receive(request, payload, transport).await {
        Ok((caller, permit)) => stream(transport, transport.listen(caller, permit.admitted), Some(permit.standing)),
        Err(refusal) if refusal.stage == Stage::Document => {
            let answer = async move { Answer::from(refusal) };
            stream(transport, stream::once(answer).boxed(), None)
        }
        Err(refusal) => graphql::respond(&refusal.into(), Json::Plain, None),
    }
}

/// Sends answers as events, from a task of its own that ends with the client.
pub(super) fn stream(
    transport: &Arc<Transport>,
    answers: BoxStream<'static, Answer>,
    standing: Option<Standing>,
) -> HttpResponse {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    tokio::spawn(feed(transport.clone(), answers, sender).in_current_span());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-cache, no-store"))
        .insert_header((VARY, "Accept, Origin"))
        .insert_header(("X-Accel-Buffering", "no"));
    for header in standing.iter().flat_map(graphql::rate_headers) {
        response.insert_header(header);
    }
    response.streaming(stream::poll_fn(move |context| {
        receiver.poll_recv(context).map(|event| event.map(Ok::<_, Infallible>))
    }))
}

async fn feed(transport: Arc<Transport>, mut answers: BoxStream<'static, Answer>, sender: mpsc::Sender<Bytes>) {
    let _open = transport.metrics.stream_opened();
    let idle = transport.settings.client_idle;
    // The first tick is at once, so the client sees the headers before the first event.
    let mut keep_alive = interval(transport.settings.stream_keep_alive);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            () = sender.closed() => return,
            _ = keep_alive.tick() => Bytes::from_static(b":\n\n"),
            answer = answers.next() => match answer {
                Some(answer) => format!("event: next\ndata: {}\n\n", answer.to_json()).into(),
                None => {
                    let complete = Bytes::from_static(b"event: complete\ndata:\n\n");
                    // A client that is gone does not mind.
                    sender.send_timeout(complete, idle).await.ok();
                    return;
                }
            },
        };
        if sender.send_timeout(event, idle).await.is_err() {
            return;
        }
    }
}
