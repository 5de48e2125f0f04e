//! Where every parser puts its blocks: cleaned, under their headings, within the limits.

use super::{Block, BlockKind, FailureCode, ParseFailure, ParseLimits, ParsedDocument, clean};
use crate::knowledge::language;

/// A heading longer than this is a paragraph that somebody made bold.
const LONGEST_HEADING: usize = 300;
/// How much text is enough to tell the language.
const LANGUAGE_SAMPLE: usize = 20_000;

/// Blocks so far.
pub struct Collector {
    /// What the document may cost.
    pub limits: ParseLimits,
    title: Option<String>,
    language: Option<String>,
    blocks: Vec<Block>,
    headings: Vec<(u8, String)>,
    page: Option<u32>,
    bytes: usize,
}

impl Collector {
    /// None yet.
    pub fn new(limits: ParseLimits) -> Self {
        Self { limits, title: None, language: None, blocks: vec![], headings: vec![], page: None, bytes: 0 }
    }

    /// The title the document declares. The first one said stays.
    pub fn title(&mut self, title: &str) {
        let title = clean::one_line(title);
        if self.title.is_none() && !title.is_empty() && title.len() <= LONGEST_HEADING {
            self.title = Some(title);
        }
    }

    /// The language the document declares, as a tag: `fr`, `fr-CA`.
    pub fn language(&mut self, tag: &str) {
        let code = tag.split(['-', '_']).next().unwrap_or_default().trim().to_ascii_lowercase();
        if self.language.is_none() && code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase()) {
            self.language = Some(code);
        }
    }

    /// The page the next blocks begin on, from 1.
    pub fn page(&mut self, page: u32) {
        self.page = Some(page);
    }

    /// Whether there is no block yet.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// One more block. Empty text is none.
    ///
    /// # Errors
    /// `TooLarge` or `TooComplex` beyond the limits.
    pub fn push(&mut self, kind: BlockKind, text: &str) -> Result<(), ParseFailure> {
        let text = match kind {
            BlockKind::Code | BlockKind::Table => clean::lines(text),
            _ => clean::one_line(text),
        };
        if text.is_empty() {
            return Ok(());
        }
        let kind = match kind {
            BlockKind::Heading(_) if text.len() > LONGEST_HEADING => BlockKind::Paragraph,
            kind => kind,
        };
        if let BlockKind::Heading(level) = kind {
            self.headings.retain(|(above, _)| *above < level);
        }
        self.bytes += text.len() + self.headings.iter().map(|(_, text)| text.len()).sum::<usize>();
        if self.bytes > self.limits.text_bytes {
            let message = format!(
                "The document holds more than {} MiB of text. Split it and upload the parts.",
                self.limits.text_bytes >> 20
            );
            return Err(ParseFailure::new(FailureCode::TooLarge, message));
        }
        if self.blocks.len() >= self.limits.blocks {
            return Err(too_complex(format!("more than {} paragraphs", self.limits.blocks)));
        }
        let headings = self.headings.iter().map(|(_, text)| text.clone()).collect();
        if let BlockKind::Heading(level) = kind {
            self.headings.push((level, text.clone()));
        }
        self.blocks.push(Block { kind, text, page: self.page, headings });
        Ok(())
    }

    /// The document. Without a declared title, its first heading of level 1 is the title, or else its first block where
    /// that is a heading; without a declared language, what its text shows.
    pub fn finish(self) -> ParsedDocument {
        let Self { title, language, blocks, .. } = self;
        let title = title.or_else(|| {
            let first = blocks.iter().find(|block| block.kind == BlockKind::Heading(1));
            let first = first.or(blocks.first().filter(|block| matches!(block.kind, BlockKind::Heading(_))));
            first.map(|block| block.text.clone())
        });
        let language = shown_language(&blocks).map(str::to_owned).or(language);
        ParsedDocument { title, language, blocks }
    }
}

/// The failure for more of something than the limits allow.
pub fn too_complex(what: String) -> ParseFailure {
    let message = format!("The document has {what}. Split it and upload the parts.");
    ParseFailure::new(FailureCode::TooComplex, message)
}

/// A declared language is often the template's; the text is asked first.
fn shown_language(blocks: &[Block]) -> Option<&'static str> {
    let mut sample = String::new();
    for block in blocks.iter().filter(|block| !matches!(block.kind, BlockKind::Code | BlockKind::Table)) {
        sample.push_str(&block.text);
        sample.push('\n');
        if sample.len() > LANGUAGE_SAMPLE {
            break;
        }
    }
    language::detect(&sample)
}
