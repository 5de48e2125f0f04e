//! The processing declaration: what the administrator stated, and "undeclared" for the rest.

use consigne_sdk::{
    CapabilityKind, Processing,
    model_server::{
        Stated,
        declaration::{declared, undeclared},
    },
};
use serde_json::Value;

use crate::settings::Settings;

const HANDED: [CapabilityKind; 1] = [CapabilityKind::ChatModel];

/// The declaration under `settings`. Unreadable settings declare nothing.
pub(crate) fn of(settings: &Value) -> Processing {
    let Ok(settings) = serde_json::from_value::<Settings>(settings.clone()) else {
        return undeclared(&HANDED, "an undeclared operator");
    };
    let stated = Stated {
        operator: settings.operator.as_deref(),
        region: settings.region.as_deref(),
        safeguard: settings.safeguard,
        retention_days: settings.retention_days,
    };
    declared(&HANDED, settings.base().ok().as_ref(), stated, None)
}
