//! The numbers that Word shows before paragraphs and keeps nowhere: counted here as Word counts them.

use std::collections::HashMap;

use crate::knowledge::parse::xml::Element;

/// Levels of a list.
const LEVELS: usize = 9;

/// Lists, and how far each has counted.
#[derive(Default)]
pub struct Numbering {
    lists: HashMap<String, List>,
    shapes: HashMap<String, Vec<Level>>,
    counts: HashMap<String, [Option<u32>; LEVELS]>,
}

/// A list: a shape that it may share with others, and where it begins anew.
struct List {
    shape: String,
    restarts: HashMap<usize, u32>,
    begun: bool,
}

#[derive(Clone, Default)]
struct Level {
    start: u32,
    format: String,
    /// With `%1` for the number of the first level.
    text: String,
    style: Option<String>,
}

impl Numbering {
    /// Reads the part with lists.
    pub fn of(part: &Element) -> Self {
        let mut numbering = Self::default();
        let mut by_style = HashMap::new();
        let mut links = vec![];
        for shape in part.elements().filter(|element| element.name() == "abstractNum") {
            let Some(id) = shape.attribute("abstractNumId") else { continue };
            let mut levels = vec![Level::default(); LEVELS];
            for level in shape.elements().filter(|element| element.name() == "lvl") {
                let at = level.attribute("ilvl").and_then(|at| at.parse::<usize>().ok()).unwrap_or(LEVELS);
                if let Some(place) = levels.get_mut(at) {
                    *place = Level::of(level);
                }
            }
            numbering.shapes.insert(id.to_owned(), levels);
            if let Some(style) = shape.value("styleLink") {
                by_style.insert(style, id);
            }
            if let Some(style) = shape.value("numStyleLink") {
                links.push((id, style));
            }
        }
        for (id, style) in links {
            let linked = by_style.get(style).and_then(|shape| numbering.shapes.get(*shape)).cloned();
            if let Some(levels) = linked {
                numbering.shapes.insert(id.to_owned(), levels);
            }
        }
        for list in part.elements().filter(|element| element.name() == "num") {
            let (Some(id), Some(shape)) = (list.attribute("numId"), list.value("abstractNumId")) else { continue };
            let restart = |over: &Element| {
                Some((over.attribute("ilvl")?.parse().ok()?, over.value("startOverride")?.parse().ok()?))
            };
            let overrides = list.elements().filter(|element| element.name() == "lvlOverride");
            let restarts = overrides.filter_map(restart).collect();
            numbering.lists.insert(id.to_owned(), List { shape: shape.to_owned(), restarts, begun: false });
        }
        numbering
    }

    /// The level of a list that a style stands for.
    pub fn level_of_style(&self, list: &str, style: &str) -> Option<usize> {
        let levels = self.shapes.get(&self.lists.get(list)?.shape)?;
        levels.iter().position(|level| level.style.as_deref() == Some(style))
    }

    /// What stands before the next paragraph of a list: nothing to read for a bullet. `None` where there is no such list.
    pub fn next(&mut self, list: &str, level: usize) -> Option<String> {
        let list = self.lists.get_mut(list)?;
        let levels = self.shapes.get(&list.shape)?;
        let level = level.min(LEVELS - 1);
        let counts = self.counts.entry(list.shape.clone()).or_default();
        if !std::mem::replace(&mut list.begun, true) {
            list.restarts.keys().filter(|at| **at < LEVELS).for_each(|at| counts[*at] = None);
        }
        let start = |at: usize| list.restarts.get(&at).copied().unwrap_or(levels[at].start);
        counts[level] = Some(counts[level].map_or(start(level), |count| count.saturating_add(1)));
        counts[level + 1..].fill(None);
        let own = &levels[level];
        if matches!(own.format.as_str(), "bullet" | "none") {
            return Some(String::new());
        }
        let mut label = own.text.clone();
        for (at, count) in counts.iter_mut().enumerate().take(level + 1) {
            let place = format!("%{}", at + 1);
            if label.contains(&place) {
                let number = *count.get_or_insert(start(at));
                label = label.replace(&place, &written(number, &levels[at].format));
            }
        }
        Some(label)
    }
}

impl Level {
    fn of(level: &Element) -> Self {
        Self {
            start: level.value("start").and_then(|start| start.parse().ok()).unwrap_or(1),
            format: level.value("numFmt").unwrap_or("decimal").to_owned(),
            text: level.value("lvlText").unwrap_or_default().to_owned(),
            style: level.value("pStyle").map(str::to_owned),
        }
    }
}

fn written(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number),
        "upperLetter" => letters(number).to_uppercase(),
        "lowerRoman" => roman(number),
        "upperRoman" => roman(number).to_uppercase(),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    }
}

/// a to z, then aa to zz, as Word goes on.
fn letters(number: u32) -> String {
    let Some(before) = number.checked_sub(1) else { return number.to_string() };
    let letter = char::from(b'a' + (before % 26) as u8);
    std::iter::repeat_n(letter, (before / 26 + 1).min(10) as usize).collect()
}

fn roman(number: u32) -> String {
    const SIGNS: &[(u32, &str)] = &[
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if number > 3_999 {
        return number.to_string();
    }
    let (mut left, mut text) = (number, String::new());
    for (value, sign) in SIGNS {
        while left >= *value {
            text.push_str(sign);
            left -= value;
        }
    }
    text
}
