//! The only place that reads the time. Tests turn the clock instead of sleeping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, DeriveValueType)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment this much later.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment this much earlier.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds since 1970, as JWT wants them (RFC 7519, NumericDate).
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole days since 1970, for what is kept no finer than a day.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }

    /// RFC 3339 in UTC with milliseconds.
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .unwrap_or_else(|| format!("{}ms", self.0))
    }
}

/// Tells the time. Cheap to clone; clones of a fixed clock turn together.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Hands>);

#[derive(Debug)]
enum Hands {
    System,
    Fixed(AtomicI64),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(Hands::System))
    }

    /// A clock that stands until it is turned.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(Hands::Fixed(AtomicI64::new(at.0))))
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Hands::Fixed(at) => Timestamp(at.load(Ordering::SeqCst)),
            Hands::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Turns a fixed clock forward; the machine's clock does not turn.
    pub fn advance(&self, by: Duration) {
        if let Hands::Fixed(at) = &*self.0 {
            at.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}
