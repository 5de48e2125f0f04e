//! The processing declaration: what the administrator stated, and "undeclared" for the rest.

use consigne_sdk::{DataCategory, Processing, ProcessorRole, Purpose, Region, Retention, Safeguard, server};
use serde_json::Value;
use url::Url;

use crate::settings::Settings;

/// The declaration under `settings`. Unreadable settings declare nothing.
pub(crate) fn of(settings: &Value) -> Processing {
    match serde_json::from_value::<Settings>(settings.clone()) {
        Ok(settings) => declared(&settings),
        Err(_) => undeclared("an undeclared operator"),
    }
}

fn declared(settings: &Settings) -> Processing {
    let (base, region) = (settings.base().ok(), settings.region.as_deref());
    let mut processing = match server::is_local(region, base.as_ref()) {
        true => Processing::internal(categories(), vec![Purpose::Answering]),
        false => undeclared(&unnamed_operator(base.as_ref())),
    };
    server::declare(&mut processing, settings.operator.as_deref(), region, settings.safeguard);
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
