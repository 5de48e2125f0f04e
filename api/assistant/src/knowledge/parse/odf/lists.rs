//! What styles make of paragraphs and of the items of lists.

use std::collections::HashMap;

use crate::knowledge::parse::xml::Element;

/// How far styles are followed to the ones they are based on.
const DEEPEST: usize = 16;

/// Styles of lists and paragraphs by their names.
#[derive(Default)]
pub struct Lists {
    numbered: HashMap<String, Vec<Level>>,
    parents: HashMap<String, String>,
}

/// How a level of a numbered list writes its numbers.
#[derive(Clone)]
struct Level {
    level: usize,
    suffix: String,
    /// How many levels' numbers it shows.
    shown: usize,
}

impl Lists {
    /// Reads the styles of these documents.
    pub fn of<'a>(documents: impl Iterator<Item = &'a Element>) -> Self {
        let mut lists = Self::default();
        for document in documents {
            for style in document.elements().flat_map(Element::elements) {
                let Some(name) = style.attribute("name") else { continue };
                match style.name() {
                    "list-style" => {
                        let levels = style.elements().filter_map(Level::of).collect();
                        lists.numbered.insert(name.to_owned(), levels);
                    }
                    "style" if style.attribute("family") == Some("paragraph") => {
                        let parent = style.attribute("parent-style-name").unwrap_or_default();
                        lists.parents.insert(name.to_owned(), parent.to_owned());
                    }
                    _ => {}
                }
            }
        }
        lists
    }

    /// What stands before an item whose numbers, level by level, are these; empty for a bullet.
    pub fn label(&self, style: &str, numbers: &[u32]) -> String {
        let levels = self.numbered.get(style).map(Vec::as_slice).unwrap_or_default();
        let Some(level) = levels.iter().find(|level| level.level == numbers.len()) else { return String::new() };
        let shown: Vec<String> =
            numbers[numbers.len().saturating_sub(level.shown)..].iter().map(u32::to_string).collect();
        format!("{}{}", shown.join("."), level.suffix)
    }

    /// Whether a paragraph's style is one of these names or is based on one; names are written as files do: `Heading_20_1`.
    pub fn is_based_on(&self, style: &str, is: impl Fn(&str) -> bool) -> bool {
        let parent = |style: &&str| self.parents.get(*style).map(String::as_str);
        std::iter::successors(Some(style), parent).take(DEEPEST).any(is)
    }
}

impl Level {
    fn of(level: &Element) -> Option<Self> {
        let format = level.attribute("num-format").unwrap_or_default();
        if level.name() != "list-level-style-number" || format.is_empty() {
            return None;
        }
        let number = |name: &str| level.attribute(name).and_then(|number| number.parse().ok());
        let suffix = level.attribute("num-suffix").unwrap_or(".").to_owned();
        Some(Self { level: number("level")?, suffix, shown: number("display-levels").unwrap_or(1) })
    }
}
