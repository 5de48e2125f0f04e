//! Blocks into sections: what stands under one heading of the first three levels.

use consigne_sdk::Result;

use super::counts::Counts;
use super::units::{self, Header, Unit, UnitKind};
use super::{ChunkOptions, PATH};
use crate::knowledge::parse::{Block, BlockKind};

/// A chunk never reaches across a heading of this level or above, tiny sections apart.
const PARTING: u8 = 3;

/// Units under one heading path.
pub struct Section {
    /// The headings that are embedded with its chunks.
    pub headings: Vec<String>,
    /// Their tokens.
    pub heading_tokens: usize,
    /// Its content.
    pub units: Vec<Unit>,
}

/// A section whose path is still headings' numbers.
struct Draft {
    path: Vec<usize>,
    units: Vec<Unit>,
    /// The part of the document it is in.
    part: u32,
}

/// A heading of the first three levels.
struct Heading {
    level: u8,
    text: String,
    block: usize,
    page: Option<u32>,
    tokens: usize,
}

/// Sections in order, every unit counted and none larger than a chunk.
pub async fn of_blocks(blocks: &[Block], counts: &mut Counts<'_>, options: ChunkOptions) -> Result<Vec<Section>> {
    let (mut headings, mut sections) = split(blocks);
    let heading_texts = headings.iter().map(|heading| heading.text.as_str());
    let unit_texts = sections.iter().flat_map(|section| &section.units).map(|unit| unit.text.as_str());
    counts.learn(heading_texts.chain(unit_texts)).await?;
    for heading in &mut headings {
        // One more for what parts it from the next.
        heading.tokens = counts.of(&heading.text) + 1;
    }
    let path_max = options.max / 3;
    show_every_heading(&mut sections, &headings, path_max);
    for section in &mut sections {
        section.units = fitted(std::mem::take(&mut section.units), counts, options.max - path_max).await?;
        repeat_headers(&mut section.units, options.target / 3);
    }
    sections.retain(|section| !section.units.is_empty());
    let merged = merge_tiny(sections, &headings, options.target);
    Ok(merged.into_iter().map(|draft| named(draft, &headings, path_max)).collect())
}

fn split(blocks: &[Block]) -> (Vec<Heading>, Vec<Draft>) {
    let mut headings: Vec<Heading> = vec![];
    let mut part = blocks.first().map_or(0, |first| first.part);
    let mut sections = vec![Draft { path: vec![], units: vec![], part }];
    let mut path: Vec<usize> = vec![];
    for (number, block) in blocks.iter().enumerate() {
        if block.part != part {
            part = block.part;
            path.clear();
            sections.push(Draft { path: vec![], units: vec![], part });
        }
        match block.kind {
            BlockKind::Heading(level @ ..=PARTING) => {
                path.retain(|above| headings[*above].level < level);
                path.push(headings.len());
                headings.push(Heading { level, text: block.text.clone(), block: number, page: block.page, tokens: 0 });
                sections.push(Draft { path: path.clone(), units: vec![], part });
            }
            _ => sections
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|last| last.units.extend(units::of_block(block, number))),
        }
    }
    (headings, sections)
}

/// Puts a heading into the text where no path shows it: nothing stands under it, or it is too long.
fn show_every_heading(sections: &mut [Draft], headings: &[Heading], path_max: usize) {
    let mut shown = vec![false; headings.len()];
    for section in sections.iter().filter(|section| !section.units.is_empty()) {
        shortened(&section.path, headings, path_max).iter().for_each(|heading| shown[*heading] = true);
    }
    // From the end, so that a heading over headings alone is shown by theirs.
    for section in sections.iter_mut().rev() {
        let Some(own) = section.path.last().copied().filter(|own| !shown[*own]) else { continue };
        let mut unit = Unit::heading(&headings[own].text, headings[own].block, headings[own].page);
        unit.tokens = headings[own].tokens;
        section.units.insert(0, unit);
        section.path.pop();
        shortened(&section.path, headings, path_max).iter().for_each(|heading| shown[*heading] = true);
    }
}

/// The innermost headings of a path that take at most `max` tokens together.
fn shortened<'a>(path: &'a [usize], headings: &[Heading], max: usize) -> &'a [usize] {
    let mut left = max;
    let mut start = path.len();
    for (at, heading) in path.iter().enumerate().rev() {
        let Some(rest) = left.checked_sub(headings[*heading].tokens) else { break };
        left = rest;
        start = at;
    }
    &path[start..]
}

/// Units with their counts, those above `max` halved until they are not.
async fn fitted(units: Vec<Unit>, counts: &mut Counts<'_>, max: usize) -> Result<Vec<Unit>> {
    let mut units = units;
    loop {
        counts.learn(units.iter().map(|unit| unit.text.as_str())).await?;
        let mut halved = false;
        let mut fitted = Vec::with_capacity(units.len());
        for mut unit in units {
            // One more for what glues it to the unit before.
            unit.tokens = counts.of(&unit.text) + usize::from(unit.glue != " ");
            match unit.halves().filter(|_| unit.tokens > max) {
                Some(halves) => {
                    halved = true;
                    fitted.extend(halves);
                }
                None => fitted.push(unit),
            }
        }
        units = fitted;
        if !halved {
            return Ok(units);
        }
    }
}

/// Gives every row of a table its header, where that is short enough to be repeated.
fn repeat_headers(units: &mut [Unit], max: usize) {
    for table in units.chunk_by_mut(|a, b| a.block == b.block) {
        let [first, rows @ ..] = table else { continue };
        if !matches!(first.kind, UnitKind::Row(_)) || first.tokens > max {
            continue;
        }
        let header = Header { text: first.text.clone(), tokens: first.tokens };
        rows.iter_mut().for_each(|row| row.kind = UnitKind::Row(Some(header.clone())));
    }
}

/// Joins a tiny section with its neighbour under the same parent, up to the target, unless either is a part or has rows
/// of its own. Their own headings move into the text.
fn merge_tiny(sections: Vec<Draft>, headings: &[Heading], target: usize) -> Vec<Draft> {
    let tiny = target / 4;
    let mut merged: Vec<Draft> = vec![];
    for section in sections {
        let Some(last) = merged.last_mut() else {
            merged.push(section);
            continue;
        };
        let common = last.path.iter().zip(&section.path).take_while(|(a, b)| a == b).count();
        let siblings = common + 1 >= last.path.len().min(section.path.len());
        let path_tokens: usize = last.path[..common].iter().map(|heading| headings[*heading].tokens).sum();
        let moved =
            |draft: &Draft| draft.path[common..].iter().map(|heading| headings[*heading].tokens + 1).sum::<usize>();
        let (size, next) = (tokens(&last.units), tokens(&section.units));
        let together = path_tokens + size + next + moved(last) + moved(&section);
        let apart = last.part != section.part || last.units.iter().chain(&section.units).any(Unit::is_record);
        if apart || !siblings || together > target || size.min(next) > tiny {
            merged.push(section);
            continue;
        }
        let mut first = Draft { path: vec![], units: vec![], part: section.part };
        std::mem::swap(last, &mut first);
        last.path = first.path[..common].to_vec();
        last.units = with_own_headings(first, common, headings);
        last.units.extend(with_own_headings(section, common, headings));
    }
    merged
}

fn with_own_headings(section: Draft, common: usize, headings: &[Heading]) -> Vec<Unit> {
    let own = section.path[common..].iter().map(|heading| {
        let heading = &headings[*heading];
        Unit { tokens: heading.tokens + 1, ..Unit::heading(&heading.text, heading.block, heading.page) }
    });
    own.chain(section.units).collect()
}

fn named(draft: Draft, headings: &[Heading], path_max: usize) -> Section {
    let path = shortened(&draft.path, headings, path_max);
    Section {
        headings: path.iter().map(|heading| headings[*heading].text.clone()).collect(),
        heading_tokens: path.iter().map(|heading| headings[*heading].tokens).sum::<usize>()
            + path.len() * PATH.len() / 3,
        units: draft.units,
    }
}

fn tokens(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.tokens).sum()
}
