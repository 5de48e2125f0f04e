//! What a Word file's styles make of a paragraph.

use std::collections::HashMap;

use crate::knowledge::parse::xml::Element;

/// How far styles are followed to the ones they are based on.
const DEEPEST: usize = 16;

/// Styles by their ids.
#[derive(Default)]
pub struct Styles(HashMap<String, Style>);

#[derive(Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    /// From 0; 9 is running text.
    outline: Option<u8>,
    list: Option<String>,
    list_level: Option<usize>,
}

/// What kind of paragraph a style is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The title of the whole document.
    Title,
    /// A heading of a level from 1.
    Heading(u8),
    /// Program text.
    Code,
    /// A quotation.
    Quote,
    /// An entry of a table of contents.
    Contents,
    /// Anything else.
    Text,
}

impl Styles {
    /// Reads the part with styles.
    pub fn of(part: &Element) -> Self {
        let styles = part.elements().filter(|style| style.name() == "style");
        let style = |style: &Element| {
            let properties = style.child("pPr");
            let list = properties.and_then(|properties| properties.child("numPr"));
            let read = Style {
                name: style.value("name").unwrap_or_default().to_lowercase(),
                based_on: style.value("basedOn").map(str::to_owned),
                outline: properties.and_then(|p| p.value("outlineLvl")).and_then(|level| level.parse().ok()),
                list: list.and_then(|list| list.value("numId")).map(str::to_owned),
                list_level: list.and_then(|list| list.value("ilvl")).and_then(|level| level.parse().ok()),
            };
            Some((style.attribute("styleId")?.to_owned(), read))
        };
        Self(styles.filter_map(style).collect())
    }

    /// What a style is for, or else what the style it is based on is for.
    pub fn role(&self, id: &str) -> Role {
        self.chain(id).map(Style::role).find(|role| *role != Role::Text).unwrap_or(Role::Text)
    }

    /// The list a style puts its paragraphs into, and the level where it says one.
    pub fn list(&self, id: &str) -> Option<(&str, Option<usize>)> {
        let level = self.chain(id).find_map(|style| style.list_level);
        self.chain(id).find_map(|style| style.list.as_deref()).map(|list| (list, level))
    }

    fn chain<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Style> {
        let base = |style: &&'a Style| style.based_on.as_ref().and_then(|id| self.0.get(id));
        std::iter::successors(self.0.get(id), base).take(DEEPEST)
    }
}

impl Style {
    fn role(&self) -> Role {
        let words: Vec<&str> = self.name.split(|c: char| !c.is_alphanumeric()).collect();
        let level = || words.get(1).and_then(|level| level.parse().ok());
        match words.as_slice() {
            ["title"] => Role::Title,
            ["subtitle"] => Role::Text,
            ["toc", ..] | ["table", "of", "figures"] => Role::Contents,
            ["heading", ..] if level().is_some_and(|level| (1..=9).contains(&level)) => {
                Role::Heading(level().unwrap_or(1))
            }
            ["quote"] | ["intense", "quote"] | ["block", "text"] => Role::Quote,
            words if words.contains(&"code") || words.contains(&"preformatted") => Role::Code,
            _ => match self.outline {
                Some(level @ 0..=8) => Role::Heading(level + 1),
                _ => Role::Text,
            },
        }
    }
}
