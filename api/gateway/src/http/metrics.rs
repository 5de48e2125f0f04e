//! Counters for the operator, as Prometheus text on an address of their own.
//!
//! No label holds anything a client sent: operations are counted by type and outcome, never by name.

use std::{
    io,
    net::{TcpListener, ToSocketAddrs},
    sync::Arc,
};

use actix_web::{App, HttpResponse, HttpServer, dev::Server, web};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::security_headers::security_headers;
use crate::graphql::request::OperationKind;

/// Labels with names and values written in this program.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Everything that is counted. Fields that the transports do not fill are for the features behind them; clones of a
/// counter count together.
pub struct Metrics {
    /// GraphQL operations by `operation` (`query`, `mutation`, `subscription`, `unknown`) and `outcome` (`ok`,
    /// `errors`, `refused`, `unauthenticated`, `rate_limited`, `timeout`, `internal`).
    pub operations: Family<Labels<2>, Counter>,
    /// Seconds an operation took, by `operation`; a subscription's are its life.
    pub operation_seconds: Family<Labels<1>, Histogram>,
    /// WebSockets that are open.
    pub open_sockets: Gauge,
    /// Streams of events that are open.
    pub open_streams: Gauge,
    /// Answers an assistant began.
    pub answers_started: Counter,
    /// Answers that ended, by `outcome` (`answered`, `not_in_knowledge`, `escalated`, `refused`, `failed`).
    pub answers_completed: Family<Labels<1>, Counter>,
    /// Answers whose passages a reranker looked at, by `outcome` (`done`, `failed`, `too_late`).
    pub answers_reranked: Family<Labels<1>, Counter>,
    /// Seconds from the question to the first word of its answer.
    pub answer_first_delta_seconds: Histogram,
    /// Passages that were embedded.
    pub passages_embedded: Counter,
    /// Documents that were taken in, by `outcome` (`ready`, `failed`).
    pub documents_ingested: Family<Labels<1>, Counter>,
    /// Jobs that wait to be run.
    pub jobs_waiting: Gauge,
    /// Jobs that gave up; a person has to look.
    pub jobs_dead: Gauge,
    /// Jobs that ran, by `outcome` (`done`, `retried`, `dead`).
    pub jobs_run: Family<Labels<1>, Counter>,
    /// Attempts to tell a channel, by `outcome` (`delivered`, `retried`, `dead`).
    pub deliveries: Family<Labels<1>, Counter>,
    /// Events that came back through channels, by `outcome` (`taken`, `repeated`, `unknown`).
    pub channel_events: Family<Labels<1>, Counter>,
    /// Alerts that were raised, by `outcome`: the rule (see `docs/alerts.md`).
    pub alerts: Family<Labels<1>, Counter>,
    /// Erasures that are not finished.
    pub erasures_pending: Gauge,
    /// Rows that were deleted because they were kept long enough.
    pub retention_deleted: Counter,
    /// Classes of data that should have been deleted a day ago.
    pub retention_backlogs: Gauge,
    /// The recovery point of the newest backup, in seconds since 1970.
    pub newest_backup_seconds: Gauge,
    /// When the newest restore drill passed, in seconds since 1970; 0 where none did.
    pub newest_drill_seconds: Gauge,
    /// 1 where no restore drill passed for 35 days.
    pub drill_overdue: Gauge,
    /// Ends of workspaces with something left after their last day.
    pub terminations_overdue: Gauge,
    /// Alarms about deadlines of privacy requests, by `outcome` (`FORWARD_SOON`, `FORWARD_MISSED`, `AGREEMENT_SOON`,
    /// `AGREEMENT_MISSED`, `DUE_SOON`, `DUE_MISSED`).
    pub privacy_alarms: Family<Labels<1>, Counter>,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0]);
        let mut metrics = Self {
            operations: Family::default(),
            operation_seconds: Family::new_with_constructor(seconds),
            open_sockets: Gauge::default(),
            open_streams: Gauge::default(),
            answers_started: Counter::default(),
            answers_completed: Family::default(),
            answers_reranked: Family::default(),
            answer_first_delta_seconds: seconds(),
            passages_embedded: Counter::default(),
            documents_ingested: Family::default(),
            jobs_waiting: Gauge::default(),
            jobs_dead: Gauge::default(),
            jobs_run: Family::default(),
            deliveries: Family::default(),
            channel_events: Family::default(),
            alerts: Family::default(),
            erasures_pending: Gauge::default(),
            retention_deleted: Counter::default(),
            retention_backlogs: Gauge::default(),
            newest_backup_seconds: Gauge::default(),
            newest_drill_seconds: Gauge::default(),
            drill_overdue: Gauge::default(),
            terminations_overdue: Gauge::default(),
            privacy_alarms: Family::default(),
            registry: Registry::with_prefix("consigne"),
        };
        let m = &mut metrics;
        let registry = &mut m.registry;
        registry.register("graphql_operations", "GraphQL operations by type and outcome", m.operations.clone());
        registry.register("graphql_operation_seconds", "Seconds an operation took", m.operation_seconds.clone());
        registry.register("open_sockets", "WebSockets that are open", m.open_sockets.clone());
        registry.register("open_streams", "Streams of events that are open", m.open_streams.clone());
        registry.register("answers_started", "Answers an assistant began", m.answers_started.clone());
        registry.register("answers_completed", "Answers that ended, by outcome", m.answers_completed.clone());
        registry.register(
            "answers_reranked",
            "Answers whose passages a reranker looked at, by outcome",
            m.answers_reranked.clone(),
        );
        registry.register(
            "answer_first_delta_seconds",
            "Seconds from the question to the first word of its answer",
            m.answer_first_delta_seconds.clone(),
        );
        registry.register("passages_embedded", "Passages that were embedded", m.passages_embedded.clone());
        registry.register(
            "documents_ingested",
            "Documents that were taken in, by outcome",
            m.documents_ingested.clone(),
        );
        registry.register("jobs_waiting", "Jobs that wait to be run", m.jobs_waiting.clone());
        registry.register("jobs_dead", "Jobs that gave up", m.jobs_dead.clone());
        registry.register("jobs_run", "Jobs that ran, by outcome", m.jobs_run.clone());
        registry.register("deliveries", "Attempts to tell a channel, by outcome", m.deliveries.clone());
        registry.register("channel_events", "Events that came back through channels", m.channel_events.clone());
        registry.register("alerts", "Alerts that were raised", m.alerts.clone());
        registry.register("erasures_pending", "Erasures that are not finished", m.erasures_pending.clone());
        registry.register(
            "retention_deleted",
            "Rows that were deleted because they were kept long enough",
            m.retention_deleted.clone(),
        );
        registry.register(
            "retention_backlogs",
            "Classes of data that should have been deleted a day ago",
            m.retention_backlogs.clone(),
        );
        registry.register(
            "newest_backup_seconds",
            "Recovery point of the newest backup, since 1970",
            m.newest_backup_seconds.clone(),
        );
        registry.register(
            "newest_drill_seconds",
            "When the newest restore drill passed, since 1970",
            m.newest_drill_seconds.clone(),
        );
        let overdue = "Ends of workspaces with something left after 90 days";
        registry.register("terminations_overdue", overdue, m.terminations_overdue.clone());
        registry.register("drill_overdue", "1 where no restore drill passed for 35 days", m.drill_overdue.clone());
        registry.register("privacy_alarms", "Alarms about deadlines of privacy requests", m.privacy_alarms.clone());
        metrics
    }

    /// Counts an operation that was executed.
    pub fn answered(&self, kind: OperationKind, outcome: &'static str, seconds: f64) {
        self.refused(Some(kind), outcome);
        self.operation_seconds.get_or_create(&[("operation", kind.name())]).observe(seconds);
    }

    /// Counts an operation that was not.
    pub fn refused(&self, kind: Option<OperationKind>, outcome: &'static str) {
        let operation = kind.map_or("unknown", OperationKind::name);
        self.operations.get_or_create(&[("operation", operation), ("outcome", outcome)]).inc();
    }

    /// Counts an event of a family by outcome: `metrics.outcome(&metrics.answers_completed, "answered")`.
    pub fn outcome(&self, family: &Family<Labels<1>, Counter>, outcome: &'static str) {
        family.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A WebSocket is open until this is dropped.
    pub fn socket_opened(&self) -> Open {
        Open::new(&self.open_sockets)
    }

    /// A stream of events is open until this is dropped.
    pub fn stream_opened(&self) -> Open {
        Open::new(&self.open_streams)
    }

    /// All of it as OpenMetrics text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        encode(&mut text, &self.registry).ok();
        text
    }
}

/// Something is open until this is dropped.
pub struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Serves `/metrics` on an address that is not the public one. The server is to be awaited or spawned.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(address: impl ToSocketAddrs, metrics: Arc<Metrics>) -> io::Result<Server> {
    serve_on(TcpListener::bind(address)?, metrics)
}

/// As [`serve`], on a listener whose address the caller wants to know: one that was bound to port 0.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_on(listener: TcpListener, metrics: Arc<Metrics>) -> io::Result<Server> {
    let metrics = web::Data::from(metrics);
    let server = HttpServer::new(move || {
        App::new().wrap(security_headers(false)).app_data(metrics.clone()).route("/metrics", web::get().to(text))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

async fn text(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        .body(metrics.to_text())
}
