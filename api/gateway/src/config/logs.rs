//! Logs.

use clap::{Args, ValueEnum};

use crate::telemetry;

/// How log lines look.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// Logs. They hold ids and numbers, never a text, a name or an address.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Logs")]
pub struct LogConfig {
    /// How log lines look.
    #[arg(long, env = "CONSIGNE_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// What is logged: `warn`, `info`, or by module as in `info,consigne_foundation=debug`.
    #[arg(long, env = "CONSIGNE_LOG", default_value = "info")]
    pub log: String,
}

impl LogConfig {
    /// The format, for the subscriber.
    pub fn format(&self) -> telemetry::Format {
        match self.log_format {
            LogFormat::Json => telemetry::Format::Json,
            LogFormat::Pretty => telemetry::Format::Pretty,
        }
    }
}
