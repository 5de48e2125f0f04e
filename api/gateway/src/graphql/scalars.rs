//! Own scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use consigne_foundation::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment in UTC, as RFC 3339 writes it: `2026-11-22T09:30:00.25Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

/// A moment in UTC, as RFC 3339 writes it, such as `2026-11-22T09:30:00Z`.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| InputValueError::custom("not a moment as RFC 3339 writes it"))?;
        let millis = i64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
            .map_err(|_| InputValueError::custom("too far away"))?;
        Ok(Self(Timestamp(millis)))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.rfc3339())
    }
}

impl From<DateTime> for Timestamp {
    fn from(moment: DateTime) -> Self {
        moment.0
    }
}

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}
