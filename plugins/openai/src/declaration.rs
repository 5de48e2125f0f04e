//! The processing declaration: what the administrator stated, and "undeclared" for the rest.

use consigne_sdk::{
    DataCategory, Processing, ProcessorRole, Purpose, Region, Retention, Safeguard, egress::is_loopback,
};
use serde_json::Value;
use url::Url;

use crate::settings::{DeclaredSafeguard, Settings};

/// The members of the European Economic Area: a declared `FR` is the EEA, not a third country.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// The declaration under `settings`. Unreadable settings declare nothing.
pub(crate) fn of(settings: &Value) -> Processing {
    match serde_json::from_value::<Settings>(settings.clone()) {
        Ok(settings) => declared(&settings),
        Err(_) => undeclared("an undeclared operator"),
    }
}

/// A statement of the administrator always wins: a server on this machine may be a tunnel to somewhere else. Only where
/// no region is stated does a loopback address say that the server is this installation's own.
fn declared(settings: &Settings) -> Processing {
    let base = settings.base().ok();
    let local = match settings.region.as_deref() {
        Some(region) => region == "LOCAL",
        None => base.as_ref().is_some_and(is_loopback),
    };
    let mut processing = match local {
        true => Processing::internal(categories(), vec![Purpose::Answering]),
        false => undeclared(&unnamed_operator(base.as_ref())),
    };
    if let Some(operator) = &settings.operator {
        processing.operator.clone_from(operator);
    }
    if let (false, Some(region)) = (local, settings.region.as_deref()) {
        processing.region = region_of(region);
    }
    if let Some(safeguard) = settings.safeguard {
        processing.safeguard = match safeguard {
            DeclaredSafeguard::NotNeeded => Safeguard::NotNeeded,
            DeclaredSafeguard::Adequacy => Safeguard::Adequacy,
            DeclaredSafeguard::StandardClauses => Safeguard::StandardClauses,
        };
    }
    if let Some(days) = settings.retention_days {
        processing.retention = if days == 0 { Retention::None } else { Retention::Days(days) };
    }
    processing
}

fn undeclared(operator: &str) -> Processing {
    Processing {
        role: ProcessorRole::SubProcessor,
        operator: operator.to_owned(),
        region: Region::Undeclared,
        safeguard: Safeguard::Undeclared,
        categories: categories(),
        purposes: vec![Purpose::Answering],
        retention: Retention::Undeclared,
    }
}

/// A prompt holds passages, the question and the history; an answer is made of them.
fn categories() -> Vec<DataCategory> {
    vec![DataCategory::Knowledge, DataCategory::Conversation]
}

fn unnamed_operator(base: Option<&Url>) -> String {
    format!("the undeclared operator of {}", base.and_then(Url::host_str).unwrap_or("an unknown host"))
}

fn region_of(declared: &str) -> Region {
    match declared {
        "EEA" => Region::Eea,
        country if EEA.contains(&country) => Region::Eea,
        country if country.len() == 2 => Region::Country(country.to_owned()),
        _ => Region::Undeclared,
    }
}
