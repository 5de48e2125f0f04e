//! Units of a section into chunks of the target size.

use super::ChunkOptions;
use super::sections::Section;
use super::units::{Unit, UnitKind};

/// A chunk whose text is not put together yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The headings it stands under.
    pub headings: Vec<String>,
    /// Tokens of all that is embedded, once counted.
    pub tokens: Option<usize>,
    units: Vec<Unit>,
    /// How many of the units repeat the end of the chunk before.
    overlap: usize,
}

impl Draft {
    /// Its text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut table = None;
        for unit in &self.units {
            if !text.is_empty() {
                text.push_str(unit.glue);
            }
            if let UnitKind::Row(Some(header)) = &unit.kind
                && table != Some(unit.block)
            {
                text.push_str(&header.text);
                text.push('\n');
            }
            table = matches!(unit.kind, UnitKind::Row(_)).then_some(unit.block);
            text.push_str(&unit.text);
        }
        text
    }

    /// The page its own text begins on.
    pub fn page(&self) -> Option<u32> {
        self.units.get(self.overlap).or(self.units.first()).and_then(|unit| unit.page)
    }

    /// Two drafts, each with half of the units, without what was repeated; the draft itself where it cannot be parted.
    pub fn halves(mut self) -> Vec<Self> {
        if self.overlap > 0 && self.overlap < self.units.len() {
            self.units.drain(..self.overlap);
            return vec![Self { overlap: 0, tokens: None, ..self }];
        }
        if let [only] = self.units.as_slice() {
            // A header in front of its only row goes before the row is parted.
            let bare = match &only.kind {
                UnitKind::Row(Some(_)) => vec![Unit { kind: UnitKind::Row(None), ..only.clone() }],
                _ => only.halves().map(Vec::from).unwrap_or_default(),
            };
            if bare.is_empty() {
                return vec![self];
            }
            self.units = bare;
            if self.units.len() == 1 {
                return vec![Self { tokens: None, ..self }];
            }
        }
        let second = self.units.split_off(self.units.len() / 2);
        let second = Self { headings: self.headings.clone(), tokens: None, units: second, overlap: 0 };
        vec![Self { tokens: None, ..self }, second]
    }

    fn size(&self) -> usize {
        self.units.iter().map(|unit| unit.tokens).sum()
    }
}

/// Chunks of a section.
pub fn section(section: Section, options: ChunkOptions) -> Vec<Draft> {
    let room = |tokens: usize| tokens.saturating_sub(section.heading_tokens).max(tokens / 3);
    let mut packer = Packer {
        headings: section.headings.clone(),
        target: room(options.target),
        max: room(options.max),
        overlap_sentences: options.overlap_sentences,
        open: vec![],
        overlap: 0,
        closed: vec![],
    };
    for block in section.units.chunk_by(|a, b| a.block == b.block) {
        if block.iter().all(Unit::is_record) {
            block.iter().for_each(|unit| packer.add_alone(unit));
            continue;
        }
        let size: usize = block.iter().map(|unit| unit.tokens).sum();
        let whole = block.iter().all(Unit::is_of_whole) && size <= packer.max;
        match whole {
            true => packer.add(block),
            false => block.iter().for_each(|unit| packer.add(std::slice::from_ref(unit))),
        }
    }
    packer.finish()
}

struct Packer {
    headings: Vec<String>,
    target: usize,
    max: usize,
    overlap_sentences: usize,
    open: Vec<Unit>,
    overlap: usize,
    closed: Vec<Draft>,
}

impl Packer {
    /// Adds units that stay together.
    fn add(&mut self, units: &[Unit]) {
        let size = tokens(units);
        let open = tokens(&self.open);
        let small = open < self.target / 3 && open + size <= self.max;
        if self.open.len() > self.overlap && open + size > self.target && !small {
            self.cut();
        }
        if self.overlap == self.open.len() && tokens(&self.open) + size > self.max {
            self.open.clear();
            self.overlap = 0;
        }
        if self.open.is_empty()
            && let Some(Unit { kind: UnitKind::Row(Some(header)), .. }) = units.first()
        {
            // The header's size counts where a chunk begins within a table.
            let mut first = units[0].clone();
            first.tokens += header.tokens;
            self.open.push(first);
            self.open.extend_from_slice(&units[1..]);
            return;
        }
        self.open.extend_from_slice(units);
    }

    /// Adds a unit that is a chunk of its own.
    fn add_alone(&mut self, unit: &Unit) {
        if self.open.len() > self.overlap {
            self.close();
        }
        self.overlap = 0;
        self.open = vec![unit.clone()];
        self.close();
    }

    /// Closes the open chunk and begins the next with what leads on to it, behind the overlap.
    fn cut(&mut self) {
        let leading = self.open[self.overlap..].iter().rev().take_while(|unit| unit.leads_on()).count();
        let leading = if leading < self.open.len() - self.overlap { leading } else { 0 };
        let next = self.open.split_off(self.open.len() - leading);
        let sentences = self.open[self.overlap..].iter().rev().take_while(|unit| unit.kind == UnitKind::Sentence);
        let mut repeated: Vec<Unit> = sentences.take(self.overlap_sentences).cloned().collect();
        repeated.reverse();
        if tokens(&repeated) > self.target / 4 {
            repeated.clear();
        }
        self.close();
        self.overlap = repeated.len();
        self.open = repeated;
        self.open.extend(next);
    }

    fn close(&mut self) {
        let units = std::mem::take(&mut self.open);
        self.closed.push(Draft { headings: self.headings.clone(), tokens: None, units, overlap: self.overlap });
    }

    fn finish(mut self) -> Vec<Draft> {
        let own = tokens(&self.open[self.overlap..]);
        if let Some(last) = self.closed.last_mut()
            && own < self.target / 4
            && !last.units.iter().any(Unit::is_record)
            && last.size() + own <= self.max
        {
            last.units.extend(self.open.drain(self.overlap..));
            return self.closed;
        }
        if self.open.len() > self.overlap {
            self.close();
        }
        self.closed
    }
}

fn tokens(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.tokens).sum()
}
