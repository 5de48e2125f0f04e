//! Errors as data: what a client can mend stands in the payload; the rest is a top-level error with a code.

use async_graphql::{Enum, Error, ErrorExtensions, Result, SimpleObject};
use consigne_foundation::{ErrorKind, id::encode, id::random_uuid};

use super::executor::sought_in_vain;

/// What a program can act on.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// There is no such thing, or not for you.
    NotFound,
    /// The input cannot be accepted; `field` says which.
    InvalidInput,
    /// It is in another state than this needs.
    Conflict,
    /// A limit of size or number is passed.
    LimitExceeded,
    /// The text holds a secret or a special category of personal data; nothing of it was kept or sent.
    SensitiveContent,
    /// Too often; later works.
    RateLimited,
    /// A part is down; later may work.
    TemporarilyUnavailable,
    /// The assistant is paused or the plugin is off.
    Disabled,
    /// The workspace does not instruct this purpose (any more), or the person objected to it or did not consent.
    PurposeRefused,
    /// The workspace is at its end: it can be read, taken along, and kept, and nothing else.
    WorkspaceClosed,
    /// The person's data was erased, or is being erased.
    SubjectErased,
    /// The person's data may be stored and nothing else, until a restriction is lifted.
    Restricted,
    /// The e-mail address, the password or the token is not right.
    InvalidCredentials,
    /// Prove first that it is you: `confirmSecondFactor`.
    ConfirmationRequired,
    /// The key may not be used from this page.
    OriginNotAllowed,
    /// A person has to change the configuration.
    Misconfigured,
}

/// Why something was not done, for a person and for a program.
#[derive(SimpleObject, Debug, Clone)]
pub struct UserError {
    /// What a program can act on.
    pub code: ErrorCode,
    /// For a person.
    pub message: String,
    /// The path of the input field it is about; empty where it is about the whole.
    pub field: Vec<String>,
}

/// Splits a result into what a payload holds: the value, or why there is none.
///
/// # Errors
/// What a client cannot mend, as a top-level error.
pub fn split<T>(result: consigne_foundation::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(error) => Ok((None, vec![user_error(error)?])),
    }
}

/// As [`split`], for signing in: wrong credentials are data, not a top-level error.
///
/// # Errors
/// As [`split`].
pub fn split_credentials<T>(result: consigne_foundation::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    let code = match result.as_ref().map_err(consigne_foundation::Error::kind) {
        Err(ErrorKind::Unauthenticated) => ErrorCode::InvalidCredentials,
        Err(ErrorKind::Forbidden) => ErrorCode::OriginNotAllowed,
        _ => return split(result),
    };
    let message = result.err().map(|e| e.message().to_owned()).unwrap_or_default();
    Ok((None, vec![UserError { code, message, field: Vec::new() }]))
}

/// What a look-up answers: unknown is `null`.
///
/// # Errors
/// Everything else.
pub fn look_up<T>(result: consigne_foundation::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::SubjectErased) => {
            sought_in_vain();
            Ok(None)
        }
        Err(error) => Err(refuse(error)),
    }
}

fn user_error(error: consigne_foundation::Error) -> Result<UserError> {
    let code = match error.kind() {
        ErrorKind::NotFound => {
            sought_in_vain();
            ErrorCode::NotFound
        }
        ErrorKind::Invalid => ErrorCode::InvalidInput,
        ErrorKind::Conflict => ErrorCode::Conflict,
        ErrorKind::LimitExceeded => ErrorCode::LimitExceeded,
        ErrorKind::Sensitive => ErrorCode::SensitiveContent,
        ErrorKind::RateLimited => ErrorCode::RateLimited,
        ErrorKind::Unavailable => ErrorCode::TemporarilyUnavailable,
        ErrorKind::Disabled => ErrorCode::Disabled,
        ErrorKind::PurposeRefused => ErrorCode::PurposeRefused,
        ErrorKind::WorkspaceClosed => ErrorCode::WorkspaceClosed,
        ErrorKind::SubjectErased => ErrorCode::SubjectErased,
        ErrorKind::ConfirmationRequired => ErrorCode::ConfirmationRequired,
        ErrorKind::Restricted => ErrorCode::Restricted,
        ErrorKind::Misconfigured => ErrorCode::Misconfigured,
        ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::Corrupt | ErrorKind::Internal => {
            return Err(refuse(error));
        }
    };
    let field = error.field().map(|f| vec!["input".to_owned(), f.to_owned()]).unwrap_or_default();
    Ok(UserError { code, message: error.message().to_owned(), field })
}

/// A top-level error. Our own faults say "Internal error" and a reference that is also in the log, nothing else.
pub fn refuse(error: consigne_foundation::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::Unauthenticated => return unauthenticated(),
        ErrorKind::Forbidden => "FORBIDDEN",
        ErrorKind::NotFound => {
            sought_in_vain();
            "NOT_FOUND"
        }
        ErrorKind::Invalid => "INVALID_INPUT",
        ErrorKind::Conflict => "CONFLICT",
        ErrorKind::LimitExceeded => "LIMIT_EXCEEDED",
        ErrorKind::Sensitive => "SENSITIVE_CONTENT",
        ErrorKind::RateLimited => "RATE_LIMITED",
        ErrorKind::Unavailable => "TEMPORARILY_UNAVAILABLE",
        ErrorKind::Disabled => "DISABLED",
        ErrorKind::PurposeRefused => "PURPOSE_REFUSED",
        ErrorKind::WorkspaceClosed => "WORKSPACE_CLOSED",
        ErrorKind::SubjectErased => "SUBJECT_ERASED",
        ErrorKind::ConfirmationRequired => "CONFIRMATION_REQUIRED",
        ErrorKind::Restricted => "RESTRICTED",
        ErrorKind::Misconfigured => "MISCONFIGURED",
        ErrorKind::Corrupt | ErrorKind::Internal => {
            let reference = encode(random_uuid());
            tracing::error!(reference, ?error, "internal error");
            return Error::new("Internal error").extend_with(|_, extensions| {
                extensions.set("code", "INTERNAL");
                extensions.set("reference", reference.clone());
            });
        }
    };
    Error::new(error.message()).extend_with(|_, extensions| extensions.set("code", code))
}

/// Nobody is signed in.
pub fn unauthenticated() -> Error {
    Error::new("Sign in first.").extend_with(|_, extensions| extensions.set("code", "UNAUTHENTICATED"))
}
