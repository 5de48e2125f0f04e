//! The processing declaration: what the operator stated, and "undeclared" for the rest.

use consigne_sdk::{
    DataCategory, Processing, ProcessorRole, Purpose, Region, Retention, Safeguard, egress::is_loopback,
};
use serde_json::Value;

use crate::settings::{DeclaredSafeguard, Settings};

/// The declaration under `settings`. Unreadable settings declare nothing.
///
/// A statement always wins: a server on this machine may be a tunnel to somewhere else. Only where no region is stated
/// does a loopback address say that the server is this installation's own.
pub(crate) fn of(settings: &Value) -> Processing {
    let Ok(settings) = serde_json::from_value::<Settings>(settings.clone()) else {
        return undeclared("an undeclared operator".to_owned());
    };
    let url = settings.url().ok();
    let is_local = match settings.region.as_deref() {
        Some(region) => region == "LOCAL",
        None => url.as_ref().is_some_and(is_loopback),
    };
    let mut processing = match (is_local, url) {
        (true, _) => Processing {
            retention: Retention::WithSource,
            ..Processing::internal(vec![DataCategory::Vectors], purposes())
        },
        (false, Some(url)) => undeclared(format!("the undeclared operator of {}", url.host_str().unwrap_or("a host"))),
        (false, None) => undeclared("an undeclared operator".to_owned()),
    };
    if let Some(operator) = settings.operator {
        processing.operator = operator;
    }
    if let (false, Some(region)) = (is_local, settings.region) {
        processing.region = if region == "EEA" { Region::Eea } else { Region::Country(region) };
    }
    if let Some(safeguard) = settings.safeguard {
        processing.safeguard = match safeguard {
            DeclaredSafeguard::NotNeeded => Safeguard::NotNeeded,
            DeclaredSafeguard::Adequacy => Safeguard::Adequacy,
            DeclaredSafeguard::StandardClauses => Safeguard::StandardClauses,
        };
    }
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
