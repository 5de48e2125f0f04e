//! ONNX Runtime, loaded once for the whole process.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use consigne_sdk::{PluginError, PluginErrorKind, Result};
use ort::{environment::Environment, logging::LogLevel};

/// Kept for as long as the process lives: ONNX Runtime allows one environment, and never a second after the first.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The environment that sessions are made in. The first call decides which library is loaded; one that failed may be
/// repeated. Loading the library here, and not letting fastembed do it, makes a missing or old one an error: fastembed
/// would panic.
///
/// # Errors
/// `Unavailable` where the library cannot be loaded or is older than this crate needs.
pub(crate) fn environment(library: &Path) -> Result<Environment> {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    let unusable = |reason: String| {
        let message = format!("ONNX Runtime at {} cannot be used: {reason}; run `make parts`", library.display());
        PluginError::new(PluginErrorKind::Unavailable, message)
    };
    let builder = ort::init_from(library).map_err(|error| unusable(error.to_string()))?;
    let built = builder.with_name("consigne").with_telemetry(false).build();
    let built = built.map_err(|error| unusable(error.to_string()))?;
    // Its own log goes to standard error and is not ours to vouch for; failures come back as errors anyway.
    built.set_log_level(LogLevel::Error);
    *environment = Some(built.clone());
    Ok(built)
}
