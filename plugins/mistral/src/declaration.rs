//! The processing declaration: what Mistral says of its endpoint in the European Union, and what the administrator states.

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
    settings::{EU_HOST, Settings},
};

const OPERATOR: &str = "Mistral AI SAS";

/// What Mistral keeps for thirty days to find abuse, unless zero retention was agreed.
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

/// What is public of Mistral's own hosts. Its global endpoint may process outside the European Union.
fn known(base: &Url) -> Option<Processing> {
    let (region, safeguard) = match base.host_str()? {
        EU_HOST => (Region::Eea, Safeguard::NotNeeded),
        "api.mistral.ai" => (Region::Undeclared, Safeguard::Undeclared),
        _ => return None,
    };
    let (categories, purposes) = handed(&OFFERED);
    Some(Processing {
        role: ProcessorRole::SubProcessor,
        operator: OPERATOR.to_owned(),
        region,
        safeguard,
        categories,
        purposes,
        retention: Retention::Days(USUAL_DAYS),
    })
}
