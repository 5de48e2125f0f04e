//! What goes wrong, and what the host is told of it.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use consigne_sdk::PluginErrorKind::{self, InvalidResponse, Misconfigured, RateLimited, Refused, Unavailable};
use serde_json::json;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    bench::{KEY, SECRET, answer, ask, failure, model, open, rest, settings, text},
    standin::{StandIn, Turn},
};

fn pieces(pieces: &[&str]) -> Vec<String> {
    pieces.iter().map(|piece| (*piece).to_owned()).collect()
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    let expected: [(u16, PluginErrorKind); 7] = [
        (400, Refused),
        (401, Misconfigured),
        (403, Misconfigured),
        (404, Misconfigured),
        (422, Refused),
        (302, Misconfigured),
        (200, InvalidResponse),
    ];
    for (status, kind) in expected {
        standin.script([Turn::Status(status, None)]);
        assert_eq!(failure(&model).await.kind, kind, "{status}");
    }
    assert_eq!(standin.requests().len(), expected.len());
}

#[tokio::test]
async fn a_wrong_key_is_a_matter_of_settings() {
    let standin = StandIn::start().await;
    standin.require_key(KEY);
    for more in [json!({}), json!({ "apiKey": "" }), json!({ "apiKey": "sk-wrong" })] {
        let model = open(settings(&standin, more)).await.expect("usable settings");
        let error = failure(&model).await;
        assert_eq!(error.kind, Misconfigured);
        assert_eq!(error.to_string(), "openai: HTTP 401: the key was not accepted");
    }
    assert_eq!(standin.requests().len(), 3);
}

#[tokio::test]
async fn an_overloaded_server_is_asked_three_times() {
    for (status, kind) in [(429, RateLimited(None)), (500, Unavailable), (503, Unavailable)] {
        let standin = StandIn::start().await;
        let model = model(&standin).await;
        standin.script([Turn::Status(status, None), Turn::Status(status, None), Turn::answer(&["At last."])]);
        assert_eq!(text(&answer(&model).await), "At last.", "{status}");
        standin.script(vec![Turn::Status(status, None); 4]);
        assert_eq!(failure(&model).await.kind, kind);
        assert_eq!(standin.requests().len(), 6, "{status}");
    }
}

#[tokio::test]
async fn a_wait_the_server_asks_for_is_kept() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    standin.script([Turn::Status(429, Some(1)), Turn::answer(&["Thanks."])]);
    let mut answering = Box::pin(answer(&model));
    assert!(timeout(Duration::from_millis(950), &mut answering).await.is_err(), "too early");
    assert_eq!(text(&answering.await), "Thanks.");
}

#[tokio::test]
async fn a_wait_nobody_would_sit_out_is_handed_to_the_host() {
    let standin = StandIn::start().await;
    let patient = model(&standin).await;
    standin.script([Turn::Status(429, Some(60)), Turn::Status(503, Some(60))]);
    for _ in 0..2 {
        assert_eq!(failure(&patient).await.kind, RateLimited(Some(Duration::from_secs(60))));
    }
    let hurried = open(settings(&standin, json!({ "timeoutSeconds": 1 }))).await.expect("usable settings");
    standin.script([Turn::Status(429, Some(2))]);
    let at_once = timeout(Duration::from_millis(1900), failure(&hurried)).await;
    assert_eq!(at_once.expect("no wait in vain").kind, RateLimited(Some(Duration::from_secs(2))));
    assert_eq!(standin.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let settings = {
        let standin = StandIn::start().await;
        settings(&standin, json!({}))
    };
    tokio::task::yield_now().await;
    assert_eq!(failure(&open(settings).await.expect("usable settings")).await.kind, Unavailable);
}

#[tokio::test]
async fn a_connection_lost_before_the_first_piece_is_made_again() {
    let standin = StandIn::start().await;
    standin.script([Turn::DropAfter(vec![]), Turn::ErrorAfter(pieces(&["\n"])), Turn::answer(&["Here."])]);
    assert_eq!(text(&answer(&model(&standin).await).await), "Here.");
    assert_eq!(standin.requests().len(), 3);
}

#[tokio::test]
async fn an_answer_that_breaks_off_says_so_and_is_not_asked_again() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    for (turn, kind) in [
        (Turn::DropAfter(pieces(&["Four", "teen"])), Unavailable),
        (Turn::EndAfter(pieces(&["Four", "teen"])), InvalidResponse),
        (Turn::ErrorAfter(pieces(&["Four", "teen"])), Unavailable),
    ] {
        standin.script([turn.clone()]);
        let (deltas, error) = rest(ask(&model).await.expect("a first piece")).await;
        assert_eq!(text(&deltas), "Fourteen");
        assert_eq!(error.map(|error| error.kind), Some(kind), "{turn:?}");
    }
    assert_eq!(standin.requests().len(), 3);
}

#[tokio::test]
async fn an_answer_without_words_is_an_error() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    let refusal = r#"data: {"choices":[{"delta":{"refusal":"I will not"},"finish_reason":"stop"}]}"#;
    let other = r#"data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"rm"}}]},"finish_reason":"stop"}]}"#;
    let filtered = r#"data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#;
    for (turn, kind) in [
        (Turn::EndAfter(vec![]), InvalidResponse),
        (Turn::Answer(pieces(&["", " \n"])), InvalidResponse),
        (Turn::CutAtTokenLimit(vec![]), InvalidResponse),
        (Turn::Raw(vec![]), InvalidResponse),
        (Turn::Raw(b"data: {\"choices\":\n\n".into()), InvalidResponse),
        (Turn::Raw(format!("{refusal}\n\n").into()), Refused),
        (Turn::Raw(format!("{other}\n\n").into()), InvalidResponse),
        (Turn::Raw(format!("{filtered}\n\n").into()), Refused),
        (Turn::Raw(b"error: {\"code\":400,\"message\":\"too long\"}\n\ndata: [DONE]\n\n".into()), Refused),
        (Turn::Raw(b"event: error\ndata: {\"error\":{\"code\":\"401\"}}\n\n".into()), Misconfigured),
    ] {
        standin.script([turn.clone()]);
        assert_eq!(failure(&model).await.kind, kind, "{turn:?}");
    }
    assert_eq!(standin.requests().len(), 10);
}

#[tokio::test]
async fn an_answer_cut_by_the_operators_filter_is_not_passed_off_as_whole() {
    let standin = StandIn::start().await;
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n\
                  data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n";
    standin.script([Turn::Raw(stream.into())]);
    let (deltas, error) = rest(ask(&model(&standin).await).await.expect("a first piece")).await;
    assert_eq!((text(&deltas).as_str(), error.map(|error| error.kind)), ("Half", Some(Refused)));
}

#[tokio::test]
async fn a_stream_without_end_is_cut_off() {
    let standin = StandIn::start().await;
    let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(100_000));
    standin.script([Turn::Raw(event.repeat(200).into())]);
    let (deltas, error) = rest(ask(&model(&standin).await).await.expect("a first piece")).await;
    assert!((100..200).contains(&deltas.len()), "{}", deltas.len());
    assert_eq!(error.map(|error| error.kind), Some(InvalidResponse));
}

#[tokio::test]
async fn the_whole_answer_has_one_time_out() {
    let standin = StandIn::start().await;
    let model = open(settings(&standin, json!({ "timeoutSeconds": 1 }))).await.expect("usable settings");
    standin.script([Turn::Hang]);
    let error = timeout(Duration::from_secs(3), failure(&model)).await.expect("within its time-out");
    assert_eq!(error.kind, Unavailable);
    standin.script([Turn::Slow(pieces(&["x"; 100]), 100)]);
    let (deltas, error) = rest(ask(&model).await.expect("a first piece")).await;
    assert_eq!(error.map(|error| error.kind), Some(Unavailable));
    assert!((1..12).contains(&deltas.len()), "{}", deltas.len());
    assert_eq!(standin.requests().len(), 2);
}

#[tokio::test]
async fn repeated_attempts_share_the_time_out() {
    let standin = StandIn::start().await;
    let model = open(settings(&standin, json!({ "timeoutSeconds": 2 }))).await.expect("usable settings");
    standin.script([Turn::Status(429, Some(1)), Turn::Hang]);
    let error = timeout(Duration::from_millis(2700), failure(&model)).await.expect("one time-out for both");
    assert_eq!((error.kind, standin.requests().len()), (Unavailable, 2));
}

/// Collects what the plugin and the libraries under it log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_errors_nor_logs_hold_the_prompt_the_answer_or_the_key() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _collecting = tracing::subscriber::set_default(subscriber);
    let standin = StandIn::start().await;
    standin.require_key(KEY);
    let model = open(settings(&standin, json!({ "apiKey": KEY }))).await.expect("usable settings");
    let mut messages = Vec::new();
    for turn in [
        Turn::answer(&[SECRET]),
        Turn::Status(400, None),
        Turn::Status(401, None),
        Turn::Status(429, Some(60)),
        Turn::ErrorAfter(pieces(&[SECRET])),
        Turn::EndAfter(pieces(&[SECRET])),
        Turn::DropAfter(pieces(&[SECRET])),
        Turn::Raw(format!("data: {SECRET}\n\n").into()),
        Turn::Raw(format!("error: {SECRET}\n\n").into()),
        Turn::Raw(format!("data: {{\"choices\":\"{SECRET}\"}}\n\n").into()),
    ] {
        standin.script([turn]);
        let error = match ask(&model).await {
            Ok(answer) => rest(answer).await.1,
            Err(error) => Some(error),
        };
        messages.extend(error.map(|error| format!("{error} {error:?}")));
    }
    assert_eq!(messages.len(), 8, "one turn is answered, one is asked again and answered then");
    let logged = String::from_utf8(log.0.lock().expect("one thread").clone()).expect("text");
    assert!(logged.contains("asking again"), "the log is collected: {logged}");
    for secret in [SECRET, KEY] {
        assert!(!messages.iter().any(|message| message.contains(secret)), "{messages:?}");
        assert!(!logged.contains(secret), "{logged}");
    }
}
