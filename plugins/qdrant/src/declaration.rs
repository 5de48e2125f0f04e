//! The processing declaration: what the operator stated, and "undeclared" for the rest.

use consigne_sdk::{DataCategory, Processing, ProcessorRole, Purpose, Region, Retention, Safeguard, server};
use serde_json::Value;

use crate::settings::Settings;

/// The declaration under `settings`. Unreadable settings declare nothing.
pub(crate) fn of(settings: &Value) -> Processing {
    let Ok(settings) = serde_json::from_value::<Settings>(settings.clone()) else {
        return undeclared("an undeclared operator".to_owned());
    };
    let url = settings.url().ok();
    let region = settings.region.as_deref();
    let mut processing = match (server::is_local(region, url.as_ref()), url) {
        (true, _) => Processing {
            retention: Retention::WithSource,
            ..Processing::internal(vec![DataCategory::Vectors], purposes())
        },
        (false, Some(url)) => undeclared(format!("the undeclared operator of {}", url.host_str().unwrap_or("a host"))),
        (false, None) => undeclared("an undeclared operator".to_owned()),
    };
    server::declare(&mut processing, settings.operator.as_deref(), region, settings.safeguard);
    processing
}

/// What the server keeps goes with its source, wherever it stands: that is what [`crate::purge`] is for.
fn undeclared(operator: String) -> Processing {
    Processing {
        role: ProcessorRole::SubProcessor,
        operator,
        region: Region::Undeclared,
        safeguard: Safeguard::Undeclared,
        categories: vec![DataCategory::Vectors],
        purposes: purposes(),
        retention: Retention::WithSource,
    }
}

fn purposes() -> Vec<Purpose> {
    vec![Purpose::KnowledgeIndexing, Purpose::Answering]
}
