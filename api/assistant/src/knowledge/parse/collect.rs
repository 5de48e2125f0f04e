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
    part: u32,
    bytes: usize,
    rows: usize,
}

impl Collector {
    /// None yet.
    pub fn new(limits: ParseLimits) -> Self {
        Self {
            limits,
            title: None,
            language: None,
            blocks: vec![],
            headings: vec![],
            page: None,
            part: 0,
            bytes: 0,
            rows: 0,
        }
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

    /// Begins a part that shares no passage with what is before it: a slide, a sheet, a pair of question and answer.
    pub fn part(&mut self) {
        self.part += 1;
        self.headings.clear();
    }

    /// Blocks so far.
    pub fn len(&self) -> usize {
        self.blocks.len()
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
            BlockKind::Code | BlockKind::Table | BlockKind::Records => clean::lines(text),
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
        if kind == BlockKind::Records {
            self.rows += text.lines().count();
        }
        if self.blocks.len() + self.rows >= self.limits.blocks {
            return Err(too_complex(format!("more than {} paragraphs or rows", self.limits.blocks)));
        }
        let headings = self.headings.iter().map(|(_, text)| text.clone()).collect();
        if let BlockKind::Heading(level) = kind {
            self.headings.push((level, text.clone()));
        }
        self.blocks.push(Block { kind, text, page: self.page, part: self.part, headings });
        Ok(())
    }

    /// The document. Without a declared title, its first heading of level 1 is the title, or else its first block where
    /// that is a heading; a part's headings name the part. Without a declared language, what its text shows.
    pub fn finish(self) -> ParsedDocument {
        let Self { title, language, blocks, .. } = self;
        let title = title.or_else(|| {
            let mut whole = blocks.iter().take_while(|block| block.part == 0);
            let opening = blocks.first().filter(|block| block.part == 0 && matches!(block.kind, BlockKind::Heading(_)));
            let first = whole.find(|block| block.kind == BlockKind::Heading(1)).or(opening);
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
    for block in blocks.iter().filter(|block| block.kind != BlockKind::Code && block.kind != BlockKind::Table) {
        sample.extend(block.text.chars().take(LANGUAGE_SAMPLE));
        sample.push('\n');
        if sample.len() > LANGUAGE_SAMPLE {
            break;
        }
    }
    language::detect(&sample)
}
