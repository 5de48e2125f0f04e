//! The processing declaration: what the administrator stated, what is known of a product's own host, and "undeclared" for
//! the rest.

use url::Url;

use crate::{
    CapabilityKind, DataCategory, Processing, ProcessorRole, Purpose, Region, Retention, Safeguard,
    server::{self, DeclaredSafeguard},
};

/// What an administrator stated about a server; nothing where nothing was stated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stated<'s> {
    /// Who operates it.
    pub operator: Option<&'s str>,
    /// `LOCAL`, `EEA` or an ISO 3166-1 alpha-2 code.
    pub region: Option<&'s str>,
    /// What makes a transfer there lawful.
    pub safeguard: Option<DeclaredSafeguard>,
    /// Days for which texts are kept; 0 where nothing outlives the request.
    pub retention_days: Option<u32>,
}

/// What a plugin is handed, by the capabilities it offers, and why.
pub fn handed(capabilities: &[CapabilityKind]) -> (Vec<DataCategory>, Vec<Purpose>) {
    let (mut categories, mut purposes) = (Vec::new(), Vec::new());
    // A prompt holds passages, the question and the history; an answer is made of them.
    if capabilities.contains(&CapabilityKind::ChatModel) {
        categories.extend([DataCategory::Knowledge, DataCategory::Conversation]);
        purposes.push(Purpose::Answering);
    }
    if capabilities.contains(&CapabilityKind::Corrector) {
        categories.push(DataCategory::Drafts);
        purposes.push(Purpose::Correction);
    }
    (categories, purposes)
}

/// The declaration for a server at `base`, which is handed what `capabilities` say. `known` is what is publicly known of
/// that very host.
///
/// A statement of the administrator always wins: a server on this machine may be a tunnel to somewhere else. Only where no
/// region is stated does a loopback address say that the server is this installation's own.
pub fn declared(
    capabilities: &[CapabilityKind],
    base: Option<&Url>,
    stated: Stated<'_>,
    known: Option<Processing>,
) -> Processing {
    let (categories, purposes) = handed(capabilities);
    let local = server::is_local(stated.region, base);
    let mut processing = match (local, known) {
        (true, _) => Processing::internal(categories, purposes),
        (false, Some(known)) => known,
        (false, None) => undeclared(capabilities, &unnamed_operator(base)),
    };
    // What was known of one place says nothing about another.
    if !local && stated.region.is_some_and(|region| Region::of_code(region) != processing.region) {
        processing.safeguard = Safeguard::Undeclared;
    }
    server::declare(&mut processing, stated.operator, stated.region, stated.safeguard);
    if let Some(days) = stated.retention_days {
        processing.retention = if days == 0 { Retention::None } else { Retention::Days(days) };
    }
    processing
}

/// Nothing is known but what is handed over.
pub fn undeclared(capabilities: &[CapabilityKind], operator: &str) -> Processing {
    let (categories, purposes) = handed(capabilities);
    Processing {
        role: ProcessorRole::SubProcessor,
        operator: operator.to_owned(),
        region: Region::Undeclared,
        safeguard: Safeguard::Undeclared,
        categories,
        purposes,
        retention: Retention::Undeclared,
    }
}

fn unnamed_operator(base: Option<&Url>) -> String {
    format!("the undeclared operator of {}", base.and_then(Url::host_str).unwrap_or("an unknown host"))
}
