//! What a text must not hold unless the workspace has recorded the ground for it: secrets, and special categories of
//! personal data (GDPR art. 9).

use consigne_foundation::{
    Error, ErrorKind, Result,
    detector::{self, Group, Span},
};

use crate::policy::{Concern, Ground};

/// What the detector found in a text.
pub(crate) struct Findings {
    /// Everything, in order.
    pub spans: Vec<Span>,
    is_about_someone: bool,
}

/// Looks through a text.
///
/// # Errors
/// `Invalid` where it is too long to be looked through.
pub(crate) fn look(field: &'static str, text: &str) -> Result<Findings> {
    let spans =
        detector::find(text).map_err(|_| Error::invalid(field, "The text is too long to be looked through."))?;
    let is_about_someone = detector::is_about_someone(text, &spans);
    Ok(Findings { spans, is_about_someone })
}

impl Findings {
    /// What it holds that no ground on record covers.
    pub fn unlawful(&self, [secrets, special]: [Concern; 2], grounds: &[Ground]) -> Option<Concern> {
        let holds = |group| self.spans.iter().any(|span| span.kind.group() == group);
        let covered = |concern| grounds.iter().any(|ground| ground.concern == concern);
        if holds(Group::Secret) && !covered(secrets) {
            return Some(secrets);
        }
        // In a text to be corrected it counts whoever is spoken of; a question may be about the matter alone.
        let is_somebodys = special == Concern::SpecialCategories || self.is_about_someone;
        (holds(Group::Special) && is_somebodys && !covered(special)).then_some(special)
    }

    /// The kinds of what speaks for this concern: `PASSWORD, TOKEN`.
    pub fn kinds(&self, concern: Concern) -> String {
        let of_concern = |span: &&Span| span.kind.group() == concern.group();
        let mut kinds: Vec<&str> = self.spans.iter().filter(of_concern).map(|span| span.kind.name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.join(", ")
    }
}

/// A refusal for such a text; the message is for whoever wrote it.
pub(crate) fn refusal(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Sensitive, message).about("text")
}
