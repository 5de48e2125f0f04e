use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpResponse, middleware::from_fn, test as calls, web};
use tracing::subscriber::DefaultGuard;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logging() -> (Lines, DefaultGuard) {
    let lines = Lines::default();
    let writer = lines.clone();
    let guard = tracing::subscriber::set_default(subscriber(Format::Json, "trace", move || writer.clone()));
    (lines, guard)
}

#[actix_web::test]
async fn a_request_line_holds_the_pattern_and_nothing_of_the_client() {
    let (lines, _guard) = logging();
    let app = App::new()
        .wrap(from_fn(log_requests))
        .route("/documents/{name}", web::get().to(|| async { HttpResponse::Ok().finish() }));
    let app = calls::init_service(app).await;
    let request = calls::TestRequest::get()
        .uri("/documents/canary?canary=1")
        .insert_header(("X-Request-Id", "canary with spaces"))
        .insert_header(("Authorization", "Bearer canary"))
        .peer_addr("192.0.2.77:1000".parse().unwrap())
        .to_request();
    let response = calls::call_service(&app, request).await;
    let id = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let text = lines.text();
    let line: serde_json::Value =
        serde_json::from_str(text.lines().find(|line| line.contains("\"request\"")).unwrap()).unwrap();
    assert_eq!((line["route"].as_str(), line["status"].as_u64()), (Some("/documents/{name}"), Some(200)), "{line}");
    assert_eq!(line["span"]["id"].as_str(), Some(id.as_str()));
    assert!(!text.contains("canary") && !text.contains("192.0.2.77"), "{text}");
}

#[actix_web::test]
async fn a_plain_request_id_is_kept() {
    let app = calls::init_service(App::new().wrap(from_fn(log_requests))).await;
    let request = calls::TestRequest::get().uri("/").insert_header(("X-Request-Id", "abc-123")).to_request();
    let response = calls::call_service(&app, request).await;
    assert_eq!(response.headers().get("x-request-id").unwrap(), "abc-123");
}

#[test]
fn libraries_that_print_values_are_silent_and_panics_say_only_where() {
    let (lines, _guard) = logging();
    tracing::error!(target: "sqlx::query", "canary");
    tracing::error!(target: "async_graphql", "canary");
    tracing::info!(target: "sqlxer", "heard");
    log_panics();
    let _ = std::panic::catch_unwind(|| panic!("canary {}", 1));
    let _ = std::panic::take_hook();
    let text = lines.text();
    assert!(text.contains("heard") && text.contains("\"panic\"") && text.contains("telemetry"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
