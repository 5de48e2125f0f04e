//! What a refusal of the server becomes. Its words are left out: they may quote what it was sent.

use std::{future::Future, time::Duration};

use consigne_sdk::{PluginError, PluginErrorKind, Result};
use qdrant_client::qdrant::{PointsOperationResponse, UpdateStatus};
use tokio::time::timeout;
use tonic::{Code, Response, Status};

/// Asks the server, a second time where the connection was lost: everything asked here may be repeated. `None` where
/// the collection does not exist.
///
/// # Errors
/// As [`of_status`] says, and `Unavailable` where no answer comes in time.
pub(crate) async fn ask<T, F>(within: Duration, call: impl Fn() -> F) -> Result<Option<T>>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let twice = async {
        match call().await {
            Err(status) if is_lost(&status) => call().await,
            answer => answer,
        }
    };
    match timeout(within, twice).await {
        Ok(Ok(response)) => Ok(Some(response.into_inner())),
        Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
        Ok(Err(status)) => Err(of_status(&status)),
        Err(_) => Err(unavailable("no answer in time")),
    }
}

/// A write counts once the server says that it is done; it may also say that it only took note, or stopped waiting.
///
/// # Errors
/// `Unavailable`.
pub(crate) fn check_written(response: &PointsOperationResponse) -> Result<()> {
    match response.result.as_ref().map(|result| result.status()) {
        Some(UpdateStatus::Completed) => Ok(()),
        _ => Err(unavailable("a write was not confirmed")),
    }
}

/// What the host may do about a status.
pub(crate) fn of_status(status: &Status) -> PluginError {
    let (kind, why) = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => (PluginErrorKind::Misconfigured, "the key was refused"),
        Code::Unimplemented => (PluginErrorKind::Misconfigured, "the server is too old, or is no Qdrant"),
        Code::ResourceExhausted => (PluginErrorKind::RateLimited(None), "the server is at its limit"),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::AlreadyExists => {
            (PluginErrorKind::Refused, "the server refused the request")
        }
        Code::NotFound => (PluginErrorKind::Unavailable, "the collection does not exist any more"),
        _ => (PluginErrorKind::Unavailable, "the server cannot be reached, or failed"),
    };
    PluginError::new(kind, format!("{}: {why} ({:?})", crate::ID, status.code()))
}

/// The server is down, slow, or did not finish.
pub(crate) fn unavailable(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, format!("{}: {why}", crate::ID))
}

/// Something outside the published protocol.
pub(crate) fn invalid(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::InvalidResponse, format!("{}: {why}", crate::ID))
}

/// A vector of another length than the collection's.
pub(crate) fn wrong_length(wanted: usize, got: usize) -> PluginError {
    let message = format!("{}: a vector has {got} numbers where the collection's have {wanted}", crate::ID);
    PluginError::new(PluginErrorKind::Misconfigured, message)
}

/// A vector that cannot be compared.
pub(crate) fn not_finite() -> PluginError {
    PluginError::new(PluginErrorKind::Internal, format!("{}: a vector or a weight is not finite", crate::ID))
}

/// The connection broke before an answer came.
fn is_lost(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_meaning() {
        let kind = |code| of_status(&Status::new(code, "secret")).kind;
        assert_eq!([Code::Unauthenticated, Code::PermissionDenied].map(kind), [PluginErrorKind::Misconfigured; 2]);
        assert_eq!([Code::Unimplemented].map(kind), [PluginErrorKind::Misconfigured]);
        assert_eq!([Code::ResourceExhausted].map(kind), [PluginErrorKind::RateLimited(None)]);
        assert_eq!([Code::InvalidArgument, Code::OutOfRange].map(kind), [PluginErrorKind::Refused; 2]);
        let down = [Code::Unavailable, Code::DeadlineExceeded, Code::Internal, Code::Unknown, Code::Aborted];
        assert_eq!(down.map(kind), [PluginErrorKind::Unavailable; 5]);
    }

    #[test]
    fn the_servers_words_stay_with_the_server() {
        let error = of_status(&Status::invalid_argument("secret"));
        assert!(!error.message.contains("secret"), "{error}");
    }
}
