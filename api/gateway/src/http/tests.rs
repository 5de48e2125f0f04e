//! The transports over a toy schema, without a network. Sockets need one: `tests/` speaks to a running server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App,
    body::to_bytes,
    dev::{Service, ServiceResponse},
    http::Method,
    test as calls, web,
};
use async_graphql::{EmptySubscription, Object, Request, Response, Schema};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use serde_json::{Value, json};

use super::{security_headers::security_headers, transport::Credentials, *};
use crate::graphql::request::{CallerClass, Rate, Rates, Refusal, RequestGuard};

const GRAPHQL: &str = "application/graphql-response+json";

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
    async fn fault(&self, panics: bool) -> async_graphql::Result<i32> {
        assert!(!panics, "canary");
        Err(async_graphql::Error::new("canary"))
    }
    async fn slow(&self) -> i32 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        1
    }
}

struct Mutation(Arc<AtomicBool>);

#[Object]
impl Mutation {
    async fn slow(&self) -> i32 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        self.0.store(true, Ordering::SeqCst);
        1
    }
}

struct Toy(Schema<Query, Mutation, EmptySubscription>);

#[async_trait]
impl Executor for Toy {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, Refusal> {
        match credentials.authorization.as_deref() {
            None => Ok(Caller::new(CallerClass::Public, 0, Arc::new(()))),
            Some("Bearer member") => Ok(Caller::new(CallerClass::Member, 1, Arc::new(()))),
            Some("Bearer revoked") => {
                Ok(Caller::new(CallerClass::Member, 2, Arc::new(())).until(async { Ended::Revoked }))
            }
            Some(_) => Err(Refusal::unauthenticated("The token is not valid.")),
        }
    }

    async fn execute(&self, _: &Caller, request: Request) -> Response {
        self.0.execute(request).await
    }

    fn stream(&self, caller: &Caller, _: Request) -> BoxStream<'static, Response> {
        let tick = async_graphql::value!({ "ticks": 1 });
        match caller.class {
            CallerClass::Member => futures::stream::pending().boxed(),
            _ => futures::stream::iter([Response::new(tick.clone()), Response::new(tick)]).boxed(),
        }
    }

    async fn allowed_origin(&self, origin: &str) -> bool {
        origin == "https://shop.example"
    }
}

/// The routes over a toy; an operation may take 150 ms.
fn routes(finished: &Arc<AtomicBool>) -> impl Fn(&mut web::ServiceConfig) + use<> {
    let schema = Schema::build(Query, Mutation(finished.clone()), EmptySubscription).finish();
    let brief = Duration::from_millis(150);
    let settings = Settings { query: brief, mutation: brief, ..Settings::default() };
    let rates = Rates { public: Rate::new(60, 500), ..Rates::default() };
    let metrics = Arc::new(Metrics::new());
    let transport = Transport::new(Arc::new(Toy(schema)), RequestGuard::new(["signIn"]), &rates, settings, metrics);
    let transport = web::Data::new(transport);
    let readiness = Readiness::new().with("database", || async { true }).with("jobs", || async { false });
    let (readiness, playground) = (web::Data::new(readiness), web::Data::new(Playground::off()));
    move |config| {
        config.app_data(transport.clone()).app_data(readiness.clone()).app_data(playground.clone());
        config.configure(operations_and_health);
    }
}

struct Answered {
    status: u16,
    headers: actix_web::http::header::HeaderMap,
    body: String,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

async fn call(request: calls::TestRequest) -> Answered {
    call_and_finish(request, &Arc::default()).await
}

async fn call_and_finish(request: calls::TestRequest, finished: &Arc<AtomicBool>) -> Answered {
    let routes = routes(finished);
    let app = App::new().configure(routes).wrap(security_headers());
    let app = calls::init_service(app).await;
    let response: ServiceResponse<_> = app.call(request.to_request()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.unwrap_or_else(|_| panic!("the body breaks off"));
    Answered { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn post(accept: &'static str, query: &str) -> calls::TestRequest {
    let request = calls::TestRequest::post().uri("/graphql").insert_header(("Accept", accept));
    request.set_json(json!({ "query": query }))
}

#[actix_web::test]
async fn a_query_is_answered_in_the_type_that_is_asked_for() {
    let answer = call(post(GRAPHQL, "{ hello }")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"data":{"hello":"world"}}"#));
    assert_eq!(answer.header("content-type"), "application/graphql-response+json; charset=utf-8");
    assert_eq!((answer.header("cache-control"), answer.header("x-frame-options")), ("no-store", "DENY"));
    let answer = call(post("*/*", "{ hello }")).await;
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
}

#[actix_web::test]
async fn what_is_wrong_with_a_document_is_a_status_in_the_new_type_only() {
    for query in ["{", "{ nope }", "{ __schema { types { name } } }"] {
        let (new, old) = (call(post(GRAPHQL, query)).await, call(post("application/json", query)).await);
        assert_eq!((new.status, old.status), (400, 200), "{query}");
        assert!(!new.body.contains("data") && !old.code().is_empty());
    }
}

#[actix_web::test]
async fn only_post_with_json_is_read() {
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD] {
        let answer = call(calls::TestRequest::with_uri("/graphql?query={hello}").method(method)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let request = calls::TestRequest::post().uri("/graphql").set_payload(r#"{"query":"{hello}"}"#);
        assert_eq!(call(request.insert_header(("Content-Type", kind))).await.status, 415, "{kind}");
    }
    assert_eq!(call(post("text/html", "{ hello }")).await.status, 406);
    assert_eq!(call(post(GRAPHQL, &" ".repeat(66_000))).await.status, 413);
    let batch = calls::TestRequest::post().uri("/graphql").set_json(json!([{ "query": "{ hello }" }]));
    assert_eq!(call(batch).await.code(), "BATCHING_DISABLED");
}

#[actix_web::test]
async fn a_token_that_is_not_valid_is_401_in_both_types() {
    for accept in [GRAPHQL, "application/json", "text/event-stream"] {
        let answer = call(post(accept, "{ hello }").insert_header(("Authorization", "Bearer canary"))).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHENTICATED"));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[actix_web::test]
async fn our_faults_say_nothing_but_a_reference() {
    for (query, status) in [("{ fault(panics: true) }", 500), ("{ fault(panics: false) }", 200)] {
        let answer = call(post(GRAPHQL, query)).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, "INTERNAL"), "{}", answer.body);
        assert!(answer.body.contains("Internal error") && answer.body.contains("reference"), "{}", answer.body);
        assert!(!answer.body.contains("canary"));
    }
}

#[actix_web::test]
async fn a_mutation_that_takes_too_long_is_finished_all_the_same() {
    let finished = Arc::new(AtomicBool::new(false));
    let answer = call_and_finish(post(GRAPHQL, "mutation { slow }"), &finished).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "TIMEOUT"));
    assert!(!finished.load(Ordering::SeqCst));
    let done = async {
        while !finished.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), done).await.unwrap();
}

#[actix_web::test]
async fn points_run_out() {
    let routes = routes(&Arc::default());
    let app = calls::init_service(App::new().configure(routes)).await;
    let dear = json!({ "query": "{ hello(first: 100) { nodes { a b c } } }" });
    let mut last = None;
    for _ in 0..3 {
        let request = calls::TestRequest::post().uri("/graphql").set_json(&dear).to_request();
        last = Some(calls::call_service(&app, request).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status().as_u16(), 429);
    let wait: u64 = last.headers().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!(wait > 60, "{wait}");
}

#[actix_web::test]
async fn events_are_sent_as_published() {
    let answer = call(post("text/event-stream", "subscription { ticks }")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    assert_eq!((answer.header("x-accel-buffering"), answer.header("cache-control")), ("no", "no-cache, no-store"));
    let next = "event: next\ndata: {\"data\":{\"ticks\":1}}\n\n";
    let events = answer.body.strip_prefix(":\n\n").unwrap_or(&answer.body);
    assert_eq!(events, format!("{next}{next}event: complete\ndata:\n\n"));
    let refused = call(post("text/event-stream", "{")).await;
    assert!(refused.status == 200 && refused.body.contains("GRAPHQL_PARSE_FAILED"), "{}", refused.body);
    assert_eq!(call(post(GRAPHQL, "subscription { ticks }")).await.code(), "STREAM_REQUIRED");
}

#[actix_web::test]
async fn a_stream_ends_with_the_session() {
    let request =
        post("text/event-stream", "subscription { ticks }").insert_header(("Authorization", "Bearer revoked"));
    let answer = tokio::time::timeout(Duration::from_secs(1), call(request)).await.unwrap();
    assert!(answer.body.contains("UNAUTHENTICATED") && answer.body.contains("event: complete"), "{}", answer.body);
}

#[actix_web::test]
async fn pages_of_allowed_origins_may_call_and_others_may_not() {
    for (origin, allowed) in [("https://shop.example", "https://shop.example"), ("https://evil.example", "")] {
        let preflight = calls::TestRequest::with_uri("/graphql").method(Method::OPTIONS);
        let preflight =
            preflight.insert_header(("Origin", origin)).insert_header(("Access-Control-Request-Method", "POST"));
        let answer = call(preflight).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, allowed));
        let answer = call(post(GRAPHQL, "{ hello }").insert_header(("Origin", origin))).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[actix_web::test]
async fn health_names_the_part_that_fails() {
    assert_eq!(call(calls::TestRequest::with_uri("/healthz")).await.status, 200);
    let ready = call(calls::TestRequest::with_uri("/readyz")).await;
    assert_eq!((ready.status, ready.body.contains(r#""jobs":"failed""#)), (503, true));
    assert_eq!(call(calls::TestRequest::with_uri("/playground")).await.status, 404);
}
