//! Blocks into units, which are not parted without need.

use unicode_segmentation::UnicodeSegmentation;

use crate::knowledge::parse::{Block, BlockKind};

/// A sentence, a line of code, a row of a table, a heading.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub tokens: usize,
    /// What stands between it and the unit before it in the same chunk.
    pub glue: &'static str,
    /// What it is.
    pub kind: UnitKind,
    /// The block it comes from.
    pub block: usize,
    /// The page it is on.
    pub page: Option<u32>,
}

/// What a unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitKind {
    /// A sentence, or a piece of one.
    Sentence,
    /// A line of code.
    Code,
    /// A row of a table, with its header where it is not the header itself and the header is short.
    Row(Option<Header>),
    /// A row that is a chunk of its own, with its first line, which says what row it is and is repeated where the row is
    /// parted.
    Record(String),
    /// A heading within the text.
    Heading,
}

/// A table's first row, repeated where a chunk begins within the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub tokens: usize,
}

impl Unit {
    /// A heading within the text.
    pub fn heading(text: &str, block: usize, page: Option<u32>) -> Self {
        Self { text: text.to_owned(), tokens: 0, glue: "\n\n", kind: UnitKind::Heading, block, page }
    }

    /// Whether it makes little sense without what follows.
    pub fn leads_on(&self) -> bool {
        self.kind == UnitKind::Heading || self.text.ends_with(':')
    }

    /// Whether it is a chunk of its own.
    pub fn is_record(&self) -> bool {
        matches!(self.kind, UnitKind::Record(_))
    }

    /// Whether it is part of something that is kept whole where it fits.
    pub fn is_of_whole(&self) -> bool {
        matches!(self.kind, UnitKind::Code | UnitKind::Row(_))
    }

    /// Two units: parted between words near the middle, or within a word that is all there is. `None` for a single
    /// character.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let at = middle(&self.text)?;
        let (first, second) = self.text.split_at(at);
        let spaced = first.ends_with(char::is_whitespace) || second.starts_with(char::is_whitespace);
        let text = match &self.kind {
            UnitKind::Record(lead) if lead.len() * 4 < self.text.len() => format!("{lead}\n{}", second.trim_start()),
            _ => second.trim_start().to_owned(),
        };
        let second = Self { text, glue: if spaced { " " } else { "" }, tokens: 0, ..self.clone() };
        Some([Self { text: first.trim_end().to_owned(), tokens: 0, ..self.clone() }, second])
    }
}

/// Units of a block, uncounted.
pub fn of_block(block: &Block, number: usize) -> Vec<Unit> {
    let unit = |text: String, glue, kind| Unit { text, tokens: 0, glue, kind, block: number, page: block.page };
    let lines = |kind: UnitKind| {
        let lines = block.text.lines().filter(|line| !line.trim().is_empty() || kind == UnitKind::Code).enumerate();
        lines.map(|(at, line)| unit(line.to_owned(), if at == 0 { "\n\n" } else { "\n" }, kind.clone())).collect()
    };
    match block.kind {
        BlockKind::Heading(_) => vec![Unit::heading(&block.text, number, block.page)],
        BlockKind::Code => lines(UnitKind::Code),
        BlockKind::Table => lines(UnitKind::Row(None)),
        BlockKind::Records => records(&block.text)
            .into_iter()
            .map(|record| {
                let lead = record.lines().next().unwrap_or_default().to_owned();
                unit(record, "\n\n", UnitKind::Record(lead))
            })
            .collect(),
        BlockKind::Paragraph | BlockKind::ListItem | BlockKind::Quote => {
            let is_item = block.kind == BlockKind::ListItem;
            let sentences = sentences(&block.text).into_iter().enumerate();
            sentences
                .map(|(at, sentence)| match (at, is_item) {
                    (0, true) if !sentence.starts_with(|c: char| c.is_ascii_digit()) => {
                        unit(format!("- {sentence}"), "\n", UnitKind::Sentence)
                    }
                    (0, true) => unit(sentence.to_owned(), "\n", UnitKind::Sentence),
                    (0, false) => unit(sentence.to_owned(), "\n\n", UnitKind::Sentence),
                    _ => unit(sentence.to_owned(), " ", UnitKind::Sentence),
                })
                .collect()
        }
    }
}

/// Between the cells of a row.
const CELL: &str = " | ";

/// Rows, each with its header: `header: cell` a line where the cells are as many, or else the header's line and its own. A
/// header alone is a row.
fn records(text: &str) -> Vec<String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let Some(header) = lines.next() else { return vec![] };
    if lines.peek().is_none() {
        return vec![header.to_owned()];
    }
    let names: Vec<&str> = header.split(CELL).map(str::trim).collect();
    let record = |row: &str| {
        let cells: Vec<&str> = row.split(CELL).map(str::trim).collect();
        if cells.len() > names.len() {
            return format!("{header}\n{row}");
        }
        let filled = names.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        let lines = filled.map(|(name, cell)| match *name {
            "" => cell.to_owned(),
            name => format!("{name}: {cell}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    lines.map(record).collect()
}

/// The sentences of a text by UAX 29, those joined again that end in an abbreviation or are too short to stand alone.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = vec![];
    let mut start = 0;
    for (at, piece) in text.split_sentence_bound_indices() {
        let end = at + piece.len();
        let sentence = text[start..end].trim();
        if end < text.len() && (sentence.chars().count() < SHORT || ends_in_abbreviation(sentence)) {
            continue;
        }
        if !sentence.is_empty() {
            sentences.push(sentence);
        }
        start = end;
    }
    sentences
}

/// Shorter than this, in characters, is no sentence: "1.", "Yes."
const SHORT: usize = 12;

/// After these a capital letter begins no sentence. The languages of the European Union's larger half.
const ABBREVIATIONS: &[&str] = &[
    "e.g.", "i.e.", "etc.", "mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "no.", "fig.", "vol.", "art.", "p.",
    "pp.", "cf.", "ex.", "al.", "m.", "mme.", "nr.", "abs.", "bzw.", "z.b.", "d.h.", "u.a.", "vgl.", "ca.", "usw.",
    "str.", "sr.", "sra.", "ud.", "uds.", "núm.", "pág.", "approx.", "inc.", "ltd.", "co.", "sec.", "ch.", "eq.",
];

fn ends_in_abbreviation(sentence: &str) -> bool {
    let last = sentence.rsplit(char::is_whitespace).next().unwrap_or_default();
    let last = last.trim_start_matches(['(', '[', '"', '«']).to_lowercase();
    let initial = last.len() == 2 && last.starts_with(char::is_alphabetic);
    initial || ABBREVIATIONS.contains(&last.as_str())
}

/// Where a text is parted: the space nearest the middle, or else a letter's edge.
fn middle(text: &str) -> Option<usize> {
    let half = text.len() / 2;
    let nearest = |places: &mut dyn Iterator<Item = usize>| {
        places.filter(|at| *at > 0 && *at < text.len()).min_by_key(|at| at.abs_diff(half))
    };
    let inner = text.trim();
    let offset = text.len() - text.trim_start().len();
    let mut spaces = inner.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at + offset);
    if let Some(at) = nearest(&mut spaces) {
        return Some(at);
    }
    nearest(&mut inner.grapheme_indices(true).map(|(at, _)| at + offset))
        .or_else(|| nearest(&mut inner.char_indices().map(|(at, _)| at + offset)))
}
