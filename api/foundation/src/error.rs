//! One error for the whole product: a kind that callers act on, a message for a person, a source for the log.

use std::{error::Error as StdError, fmt};

use consigne_sdk::{PluginError, PluginErrorKind};
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// What a caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such thing, or not for this scope; the two cannot be told apart.
    NotFound,
    /// The input cannot be accepted; the message says why.
    Invalid,
    /// The thing is in another state than the call needs.
    Conflict,
    /// Nobody is signed in, or the token is not valid any more.
    Unauthenticated,
    /// Signed in, but not allowed.
    Forbidden,
    /// Allowed, but the member has to prove once more who they are.
    ConfirmationRequired,
    /// The person's data was erased, or is being erased.
    SubjectErased,
    /// The person's data may be stored, and nothing else, until a restriction is lifted (GDPR art. 18).
    Restricted,
    /// The assistant is paused or the plugin is off.
    Disabled,
    /// The workspace does not instruct this purpose (any more), or the person objected to it or did not consent.
    PurposeRefused,
    /// The workspace is at its end: it can be read, taken along, and kept open, and nothing else.
    WorkspaceClosed,
    /// A limit of size, number or depth is passed.
    LimitExceeded,
    /// The text holds a secret or a special category of personal data that there is no ground on record for.
    Sensitive,
    /// Too often; later works.
    RateLimited,
    /// A part is down; later may work.
    Unavailable,
    /// A person has to change the configuration.
    Misconfigured,
    /// Stored data is not what was stored: a flipped bit, a swapped row, a broken chain.
    Corrupt,
    /// Our own fault.
    Internal,
}

/// The error. Messages carry ids and numbers, never a text, a name or an address.
pub struct Error {
    kind: ErrorKind,
    message: String,
    field: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None, source: None }
    }

    /// There is no such thing for this scope.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no such {what}."))
    }

    /// The input field cannot be accepted.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(ErrorKind::Invalid, message) }
    }

    /// Our own fault, for the log.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Says which input field it is about.
    pub fn about(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Keeps what caused it. The source must be free of personal data too.
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// For a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The input field it is about, in the client's spelling.
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::RateLimited)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        match &self.source {
            Some(source) => write!(f, " (because: {source})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as &(dyn StdError + 'static))
    }
}

impl From<DbErr> for Error {
    /// Keeps the class of the failure and the database's code. The database's own words are dropped: they quote row
    /// values ("Key (email)=(..) already exists").
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                return Self::new(ErrorKind::Conflict, "This exists already.");
            }
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                return Self::new(
                    ErrorKind::Conflict,
                    "Something else depends on this, or what this depends on is gone.",
                );
            }
            _ => {}
        }
        match &error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => {
                Self::new(ErrorKind::Unavailable, format!("The database cannot be reached ({}).", class_of(&error)))
            }
            _ => match code_of(&error).as_deref() {
                // SQLITE_BUSY and its kin; serialization failure and deadlock on Postgres.
                Some("5" | "6" | "261" | "517" | "40001" | "40P01") => {
                    Self::new(ErrorKind::Unavailable, "The database is busy.")
                }
                // What the database's own guard of restricted data says: its only triggers on SQLite, its own code on Postgres.
                Some("1811" | "CN018") => restricted(),
                Some(code) => Self::internal(format!("The database refused a statement (code {code}).")),
                None => Self::internal(format!("The database failed ({}).", class_of(&error))),
            },
        }
    }
}

/// The one answer to whatever would process restricted data.
pub(crate) fn restricted() -> Error {
    Error::new(
        ErrorKind::Restricted,
        "The processing of this person's data is restricted: it is stored, and nothing else, until the restriction is lifted.",
    )
}

fn code_of(error: &DbErr) -> Option<String> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => match e.as_ref() {
            sqlx::Error::Database(inner) => inner.code().map(|code| code.into_owned()),
            _ => None,
        },
        _ => None,
    }
}

fn class_of(error: &DbErr) -> &'static str {
    match error {
        DbErr::Conn(_) => "connection",
        DbErr::ConnectionAcquire(_) => "no connection was free",
        DbErr::Exec(_) => "statement",
        DbErr::Query(_) => "query",
        DbErr::Type(_) | DbErr::TryIntoErr { .. } | DbErr::ConvertFromU64(_) => "a value of an unexpected type",
        DbErr::RecordNotFound(_) | DbErr::RecordNotInserted | DbErr::RecordNotUpdated => {
            "a row that should be there is not"
        }
        _ => "other",
    }
}

impl From<PluginError> for Error {
    fn from(error: PluginError) -> Self {
        let kind = match error.kind {
            PluginErrorKind::Misconfigured | PluginErrorKind::HostNotAllowed => ErrorKind::Misconfigured,
            PluginErrorKind::Unavailable | PluginErrorKind::InvalidResponse => ErrorKind::Unavailable,
            PluginErrorKind::RateLimited(_) => ErrorKind::RateLimited,
            PluginErrorKind::Refused | PluginErrorKind::Gone => ErrorKind::Forbidden,
            PluginErrorKind::Internal => ErrorKind::Internal,
        };
        Self::new(kind, error.message.clone()).because(error)
    }
}
