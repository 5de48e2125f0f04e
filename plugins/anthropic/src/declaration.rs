//! The processing declaration: what Anthropic says of its own host, and what the administrator states.

use consigne_sdk::{
    Processing, ProcessorRole, Region, Retention, Safeguard,
    model_server::{
        Stated,
        declaration::{declared, handed, undeclared},
    },
};
use serde_json::Value;
use url::Url;

use crate::{
    OFFERED,
    settings::{HOST, Settings},
};

const OPERATOR: &str = "Anthropic PBC";

/// What the commercial terms say, unless zero retention was agreed.
const USUAL_DAYS: u32 = 30;

/// The declaration under `settings`. Unreadable settings declare nothing.
pub(crate) fn of(settings: &Value) -> Processing {
    let Ok(settings) = serde_json::from_value::<Settings>(settings.clone()) else {
        return undeclared(&OFFERED, OPERATOR);
    };
    let base = settings.base().ok();
    let stated = Stated {
        operator: settings.operator.as_deref(),
        region: settings.region.as_deref(),
        safeguard: settings.safeguard,
        retention_days: settings.retention_days,
    };
    declared(&OFFERED, base.as_ref(), stated, base.as_ref().and_then(known))
}

/// Standard contractual clauses are part of Anthropic's data processing addendum.
fn known(base: &Url) -> Option<Processing> {
    let (categories, purposes) = handed(&OFFERED);
    (base.host_str()? == HOST).then(|| Processing {
        role: ProcessorRole::SubProcessor,
        operator: OPERATOR.to_owned(),
        region: Region::Country("US".to_owned()),
        safeguard: Safeguard::StandardClauses,
        categories,
        purposes,
        retention: Retention::Days(USUAL_DAYS),
    })
}
