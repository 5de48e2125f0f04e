//! What the operator sees: one line a request, and where things went wrong.
//!
//! No personal data reaches a log: no path, query string, address, header or body, no message of a database or of a
//! panic. Ids, route patterns, codes and times only. Libraries that would print values are silent whatever the filter
//! says.

mod panics;
mod requests;
#[cfg(test)]
mod tests;

use std::{fmt, io, str::FromStr, time::Instant};

use consigne_foundation::id;
use tracing::{Metadata, Subscriber, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt, registry};

pub use self::{
    panics::log_panics,
    requests::{OperationFacts, log_requests, log_socket_operation},
};

/// Libraries that print values: statements with parameters, requests with their headers, documents with their
/// arguments.
const SILENT: [&str; 14] = [
    "actix_http",
    "actix_server",
    "actix_web",
    "actix_ws",
    "async_graphql",
    "h2",
    "hyper",
    "hyper_util",
    "mail_parser",
    "reqwest",
    "rustls",
    "sea_orm",
    "sqlx",
    "tungstenite",
];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// A format that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log format is `json` or `pretty`")
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err(UnknownFormat),
        }
    }
}

/// Starts logging to standard error, and logs panics. `filter` is as in `RUST_LOG`: `info`, `consigne=debug`.
///
/// # Errors
/// Logging has been started before.
pub fn start(format: Format, filter: &str) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(format, filter, io::stderr))?;
    log_panics();
    Ok(())
}

/// Writes log lines somewhere, for [`start`] and for tests.
pub fn subscriber<W>(format: Format, filter: &str, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        Format::Pretty => lines.with_target(false).boxed(),
    };
    let lines = lines.with_filter(EnvFilter::new(filter)).with_filter(filter_fn(says_no_values));
    Box::new(registry().with(lines))
}

fn says_no_values(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    !SILENT
        .iter()
        .any(|silent| target.strip_prefix(silent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// What ties an answer to its log line: unguessable, and says nothing.
pub fn new_reference() -> String {
    id::encode(id::random_uuid())
}

/// Measures how long something took. It tells no time of day.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place outside the clock that measures")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// Whole milliseconds since.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
