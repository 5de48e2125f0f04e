//! Words of passages that came in with an archive: made anew under the keys of here, and counted.

use std::collections::HashMap;

use async_trait::async_trait;
use consigne_foundation::{
    Result,
    leaving::fill::{Made, Passage, Words},
    store::WorkspaceTx,
    vault::TermNumbers,
};
use consigne_sdk::words::Language;

use super::{chunk, lexicon::Changes, terms::PassageTerms};

/// Counts the words of what comes in.
#[derive(Default)]
pub struct ArrivedWords {
    languages: HashMap<String, Language>,
    changes: Changes,
}

#[async_trait]
impl Words for ArrivedWords {
    fn passage(&mut self, passage: Passage<'_>, numbers: &TermNumbers) -> Made {
        let headings: Vec<String> = passage.headings.lines().map(str::to_owned).collect();
        let embedded = chunk::embedded_text(&headings, passage.text);
        let code = passage.language.unwrap_or_default();
        let language = self.languages.entry(code.to_owned()).or_insert_with(|| Language::of(code));
        let terms = PassageTerms::of(&embedded, language, numbers);
        if passage.is_found {
            self.changes.come(&terms);
        }
        Made { embedded, terms: terms.to_bytes() }
    }

    async fn write(&mut self, tx: &WorkspaceTx) -> Result<()> {
        std::mem::take(&mut self.changes).write(tx).await
    }
}
